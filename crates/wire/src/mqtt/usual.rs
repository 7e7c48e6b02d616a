//! The payloads that nearly all devices send, read in place: a flat object of numbers with an
//! optional `time` in milliseconds. Anything else is left to [`super::payload`], and what is read
//! here is read as it would be there.

use chengmai_model::Timestamp;

/// Members of an object that are read here, `time` not counted.
const MEMBERS_MAX: usize = 8;
/// Digits of a number: up to here it is exact as a double, and so is the power of ten below it.
const DIGITS_MAX: usize = 15;
const POWERS_OF_TEN: [f64; DIGITS_MAX + 1] =
    [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A flat object of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Usual<'a> {
    members: [(&'a str, f64); MEMBERS_MAX],
    len: usize,
    /// `time`, where it stands.
    pub at: Option<Timestamp>,
}

impl<'a> Usual<'a> {
    /// Reads a payload; none when it is not of this form.
    pub fn read(payload: &'a [u8]) -> Option<Self> {
        let mut text = Text(payload);
        let mut usual = Self { members: [("", 0.0); MEMBERS_MAX], len: 0, at: None };
        text.expect(b'{')?;
        loop {
            let name = text.name()?;
            text.expect(b':')?;
            if name == "time" {
                let ms = text.whole_number()?;
                if usual.at.replace(Timestamp(ms)).is_some() {
                    return None;
                }
            } else {
                let value = text.number()?;
                // Of two with the same name the last would count.
                if usual.members().iter().any(|(known, _)| *known == name) {
                    return None;
                }
                *usual.members.get_mut(usual.len)? = (name, value);
                usual.len += 1;
            }
            match text.next()? {
                b',' => {}
                b'}' => break,
                _ => return None,
            }
        }
        text.skip_space();
        (text.0.is_empty() && usual.len > 0).then_some(usual)
    }

    /// Names and numbers, in the order in which they stand.
    pub fn members(&self) -> &[(&'a str, f64)] {
        &self.members[..self.len]
    }
}

/// What is left to read.
struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    fn skip_space(&mut self) {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.0 {
            self.0 = rest;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Option<u8> {
        self.skip_space();
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// A name in quotes, of plain ASCII.
    fn name(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        let len = self.0.iter().take_while(|byte| plain(byte)).count();
        let (name, rest) = self.0.split_at(len);
        self.0 = rest.strip_prefix(b"\"")?;
        std::str::from_utf8(name).ok()
    }

    fn digits(&mut self) -> &'a [u8] {
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at(len);
        self.0 = rest;
        digits
    }

    /// The digits before the point. A zero stands alone.
    fn whole(&mut self) -> Option<&'a [u8]> {
        let whole = self.digits();
        let leads_with_zero = whole.len() > 1 && whole[0] == b'0';
        (!whole.is_empty() && !leads_with_zero).then_some(whole)
    }

    /// A number without exponent, of few digits.
    fn number(&mut self) -> Option<f64> {
        self.skip_space();
        let rest = self.0.strip_prefix(b"-");
        let negative = rest.is_some();
        self.0 = rest.unwrap_or(self.0);
        let whole = self.whole()?;
        let mut fraction: &[u8] = &[];
        if let Some(rest) = self.0.strip_prefix(b".") {
            self.0 = rest;
            fraction = self.digits();
            if fraction.is_empty() {
                return None;
            }
        }
        if matches!(self.0.first(), Some(b'e' | b'E')) || whole.len() + fraction.len() > DIGITS_MAX
        {
            return None;
        }
        let all = whole.iter().chain(fraction);
        let digits = all.fold(0_u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let value = digits as f64 / POWERS_OF_TEN[fraction.len()];
        Some(if negative { -value } else { value })
    }

    /// A whole number that is not negative, of few digits.
    fn whole_number(&mut self) -> Option<i64> {
        self.skip_space();
        let whole = self.whole().filter(|whole| whole.len() <= DIGITS_MAX)?;
        let ends = !matches!(self.0.first(), Some(b'.' | b'e' | b'E'));
        ends.then(|| whole.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::payload::{Content, content};
    use super::*;

    /// The same by the slow way, sorted by name; none where it refuses anything.
    /// Names with the bits of their values, and the time.
    type Members = (Vec<(String, u64)>, Option<Timestamp>);

    fn slowly(payload: &str) -> Option<Members> {
        let said = content("chengmai/v1/m1", payload.as_bytes());
        let Ok(Content::Observations { observations, faults }) = said else {
            return None;
        };
        let at = observations.first()?.at;
        assert!(observations.iter().all(|o| o.at == at));
        let mut members: Vec<(String, u64)> = observations
            .iter()
            .map(|o| (o.kind.as_deref().unwrap().to_owned(), o.value.to_bits()))
            .collect();
        members.sort();
        faults.is_empty().then_some((members, at))
    }

    fn quickly(payload: &str) -> Option<Members> {
        let usual = Usual::read(payload.as_bytes())?;
        let mut members: Vec<(String, u64)> =
            usual.members().iter().map(|(name, v)| ((*name).to_owned(), v.to_bits())).collect();
        members.sort();
        Some((members, usual.at))
    }

    fn number() -> impl Strategy<Value = String> {
        prop_oneof![
            "-?(0|[1-9][0-9]{0,15})(\\.[0-9]{1,8})?",
            "-?[0-9]{0,3}\\.?[0-9]{0,3}([eE][-+]?[0-9]{1,3})?",
            any::<f64>().prop_map(|v| v.to_string()),
            Just("true".to_owned()),
            Just("null".to_owned()),
            Just("\"7\"".to_owned()),
        ]
    }

    fn member() -> impl Strategy<Value = String> {
        let name =
            prop_oneof!["[a-d]{1,2}", Just("time".to_owned()), Just("value".to_owned()), ".{0,3}"];
        let space = || " {0,2}";
        (space(), name, space(), number(), space())
            .prop_map(|(a, name, b, number, c)| format!("{a}\"{name}\"{b}:{number}{c}"))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]
        #[test]
        fn what_is_read_quickly_is_what_is_read_slowly(
            members in proptest::collection::vec(member(), 0..5),
            end in prop_oneof![9 => Just("}".to_owned()), 1 => "[ },\"]{0,3}"],
        ) {
            let payload = format!("{{{}{end}", members.join(","));
            if let Some(quick) = quickly(&payload) {
                prop_assert_eq!(slowly(&payload), Some(quick), "{}", payload);
            }
        }

        #[test]
        fn readings_of_sensors_are_read_quickly(
            ticks in -100_000_000_i64..100_000_000,
            decimals in 0_usize..5,
            ms in 0_i64..4_000_000_000_000,
        ) {
            let value = ticks as f64 / POWERS_OF_TEN[decimals];
            let payload = format!("{{\"value\":{value},\"time\":{ms}}}");
            let quick = quickly(&payload);
            prop_assert!(quick.is_some(), "{}", payload);
            prop_assert_eq!(quick, slowly(&payload), "{}", payload);
        }
    }

    #[test]
    fn anything_unusual_is_left_to_the_slow_way() {
        for payload in [
            "",
            "{",
            "{}",
            "2.4",
            "[1]",
            "{\"time\":1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1}x",
            "{\"a\":01}",
            "{\"a\":1e2}",
            "{\"a\":.5}",
            "{\"a\":5.}",
            "{\"a\":+1}",
            "{\"a\":true}",
            "{\"a\":\"1\"}",
            "{\"a\\n\":1}",
            "{\"井\":1}",
            "{\"a\":1,}",
            "{\"a\":1,\"time\":-1}",
            "{\"a\":1,\"time\":\"2023-11-14T22:15:00Z\"}",
            "{\"a\":1,\"time\":1.5}",
            "{\"a\":1234567890123456}",
        ] {
            assert_eq!(Usual::read(payload.as_bytes()), None, "{payload}");
        }
        let nine: Vec<String> = (0..9).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(Usual::read(format!("{{{}}}", nine.join(",")).as_bytes()), None, "nine members");
    }
}
