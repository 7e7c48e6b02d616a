//! Numbers of the line protocol. Short decimals, which is what sensors send, are exact by one
//! multiplication or division; all others go to the standard parser. Both give the same bits.

/// Powers of ten that an `f64` holds exactly.
const TEN_TO: [f64; 16] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// Most digits whose integer an `f64` holds exactly, whatever they are.
const DIGITS_EXACT_MAX: usize = 15;

/// A decimal number (`2.4`, `-17`, `.5`, `6.02e23`) as the nearest `f64`. `None` for everything
/// else; words such as `nan` and `inf` included. May be infinite when the number is too large.
#[inline]
pub fn parse_number(text: &[u8]) -> Option<f64> {
    match short_decimal(text) {
        Some(value) => Some(value),
        None => long_number(text),
    }
}

/// `[-]digits[.digits]` with at most 15 digits. The digits as an integer and the power of ten are
/// both exact, so the one division rounds once, as a correct parser would.
#[inline]
fn short_decimal(text: &[u8]) -> Option<f64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.len() > DIGITS_EXACT_MAX + 1 {
        return None;
    }
    let mut mantissa: u64 = 0;
    let mut seen: usize = 0;
    let mut point: Option<usize> = None;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            mantissa = mantissa * 10 + u64::from(digit);
            seen += 1;
        } else if byte == b'.' && point.is_none() {
            point = Some(seen);
        } else {
            return None;
        }
    }
    if seen == 0 || seen > DIGITS_EXACT_MAX {
        return None;
    }
    let decimals = point.map_or(0, |whole| seen - whole);
    let value = mantissa as f64 / TEN_TO[decimals];
    Some(if negative { -value } else { value })
}

#[cold]
fn long_number(text: &[u8]) -> Option<f64> {
    // The standard parser takes words (`nan`, `infinity`) that are no numbers here.
    let plain = |b: &u8| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E');
    if !text.iter().all(plain) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// An optional minus and digits as `i64`; `None` for anything else or beyond the range.
#[inline]
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    nineteen_digits(text).or_else(|| any_integer(text))
}

/// Nanosecond time stamps of our era have 19 digits: two words of eight and three.
#[inline]
fn nineteen_digits(text: &[u8]) -> Option<i64> {
    let text: &[u8; 19] = text.try_into().ok()?;
    let high = eight_digits(&text[..8])?;
    let low = eight_digits(&text[8..16])?;
    let mut tail = 0;
    for byte in &text[16..] {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        tail = tail * 10 + u64::from(digit);
    }
    i64::try_from((high * 100_000_000 + low) * 1_000 + tail).ok()
}

fn any_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted downwards, because the least integer has no positive twin.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Eight ASCII digits at once: pairs, then fours, then all.
#[inline]
fn eight_digits(text: &[u8]) -> Option<u64> {
    let word = u64::from_le_bytes(text.try_into().ok()?);
    let low = word.wrapping_sub(0x3030_3030_3030_3030);
    let high = word.wrapping_add(0x4646_4646_4646_4646);
    if (low | high) & 0x8080_8080_8080_8080 != 0 {
        return None;
    }
    // The first digit is the lowest byte, so each step weighs the lower half and adds the higher.
    let pairs = (low.wrapping_mul(10).wrapping_add(low >> 8)) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_FFFF_0000_FFFF;
    Some((fours.wrapping_mul(10_000).wrapping_add(fours >> 32)) & 0xFFFF_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_and_words_are_not() {
        for (text, value) in [
            ("2.4", 2.4),
            ("-17", -17.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("0.1", 0.1),
            ("1e3", 1000.0),
            ("+1", 1.0),
            ("999999999999999", 999_999_999_999_999.0),
            ("123456789012345678901234567890", 1.234_567_890_123_456_8e29),
            ("1e400", f64::INFINITY),
        ] {
            assert_eq!(parse_number(text.as_bytes()), Some(value), "{text}");
        }
        assert!(parse_number(b"-0").is_some_and(|zero| zero == 0.0 && zero.is_sign_negative()));
        for text in ["", "-", ".", "1.2.3", "1 ", "nan", "inf", "0x1", "1_000", "--1", "１"] {
            assert_eq!(parse_number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn integers_are_read_to_the_ends_of_their_range() {
        for value in [0, 7, -1, i64::MAX, i64::MIN, 1_700_000_100_000_000_000] {
            assert_eq!(parse_integer(value.to_string().as_bytes()), Some(value));
        }
        for text in ["", "-", "9223372036854775808", "-9223372036854775809", "1.5", "+1", "12a"] {
            assert_eq!(parse_integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_integer(b"170000010000000000:"), None);
        assert_eq!(parse_integer(b"9999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn decimals_have_the_bits_of_the_standard_parser(text in "-?[0-9]{0,17}\\.?[0-9]{0,9}") {
            let standard = text.parse::<f64>().ok().map(f64::to_bits);
            prop_assert_eq!(parse_number(text.as_bytes()).map(f64::to_bits), standard);
        }

        #[test]
        fn nineteen_characters_are_read_as_the_standard_parser_does(text in "[0-9:/]{19}|-?[0-9]{1,20}") {
            prop_assert_eq!(parse_integer(text.as_bytes()), text.parse::<i64>().ok());
        }
    }
}
