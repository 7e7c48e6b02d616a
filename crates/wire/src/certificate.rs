//! The common name of a certificate's subject: DER, as X.501 writes names.
//!
//! What it is not: a reader of certificates. Signature and validity are checked by the TLS library
//! before anything is asked here. Invariant: a name is given only when there is exactly one and it is
//! plain text; whoever could be meant by two names is nobody.

/// Object identifier 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// Bytes of a name at most; X.520 allows 64 characters.
const NAME_BYTES_MAX: usize = 256;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// UTF8String and PrintableString; the others are of another time.
const TEXTS: [u8; 2] = [0x0C, 0x13];

/// The only common name in a subject, given without its outer tag.
pub fn common_name(subject: &[u8]) -> Option<String> {
    let mut found = None;
    let mut sets = subject;
    while !sets.is_empty() {
        let mut pairs = take(&mut sets, SET)?;
        while !pairs.is_empty() {
            let mut pair = take(&mut pairs, SEQUENCE)?;
            let kind = take(&mut pair, OBJECT_IDENTIFIER)?;
            let (tag, text) = next(&mut pair)?;
            if kind != COMMON_NAME {
                continue;
            }
            let plain = TEXTS.contains(&tag) && pair.is_empty() && found.is_none();
            found = Some(plain.then(|| name(text)).flatten()?);
        }
    }
    found
}

fn name(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    let right = !text.is_empty() && text.len() <= NAME_BYTES_MAX;
    (right && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// The next element, which must have that tag.
fn take<'a>(rest: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    next(rest).filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
}

/// Tag and value of the next element. A name is short: lengths over two bytes are no name.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[tag, first], after) = rest.split_first_chunk()?;
    let (len, after) = match (first, after) {
        (0..=0x7F, _) => (usize::from(first), after),
        (0x81, [len @ 0x80..=0xFF, after @ ..]) => (usize::from(*len), after),
        (0x82, [high @ 1..=0xFF, low, after @ ..]) => {
            (usize::from(u16::from_be_bytes([*high, *low])), after)
        }
        _ => return None,
    };
    let (value, after) = after.split_at_checked(len)?;
    *rest = after;
    Some((tag, value))
}

#[cfg(test)]
mod tests {
    use super::common_name;
    use proptest::prelude::*;

    fn element(tag: u8, value: &[u8]) -> Vec<u8> {
        let len = value.len();
        let length = match len {
            0..0x80 => vec![u8::try_from(len).unwrap()],
            0x80..0x100 => vec![0x81, u8::try_from(len).unwrap()],
            _ => [&[0x82], &u16::try_from(len).unwrap().to_be_bytes()[..]].concat(),
        };
        [&[tag], &length[..], value].concat()
    }

    /// One attribute of a name.
    fn attribute(kind: u8, tag: u8, text: &[u8]) -> Vec<u8> {
        let pair = [element(6, &[0x55, 4, kind]), element(tag, text)].concat();
        element(0x31, &element(0x30, &pair))
    }

    #[test]
    fn the_only_common_name_is_found_among_other_attributes() {
        let country = attribute(6, 0x13, b"CN");
        let name = attribute(3, 0x0C, "网关-7".as_bytes());
        assert_eq!(common_name(&[country.clone(), name].concat()).as_deref(), Some("网关-7"));
        let printable = attribute(3, 0x13, b"gateway");
        assert_eq!(common_name(&[printable, country].concat()).as_deref(), Some("gateway"));
        let long = attribute(3, 0x0C, &[b'a'; 200]);
        assert_eq!(common_name(&long).map(|name| name.len()), Some(200));
    }

    #[test]
    fn what_is_not_exactly_one_plain_name_is_nobody() {
        let one = attribute(3, 0x0C, b"a");
        for (what, subject) in [
            ("none", attribute(6, 0x13, b"CN")),
            ("two", [one.clone(), attribute(3, 0x0C, b"b")].concat()),
            ("empty", attribute(3, 0x0C, b"")),
            ("a NUL in it", attribute(3, 0x0C, b"admin\0.device")),
            ("no UTF-8", attribute(3, 0x0C, b"\xff")),
            ("UTF-16", attribute(3, 0x1E, b"\0a")),
            ("too long", attribute(3, 0x0C, &[b'a'; 257])),
            ("cut off", one[..one.len() - 1].to_vec()),
            ("more behind it", [one.clone(), vec![0]].concat()),
            ("a longer length than needed", vec![0x31, 0x81, 0x02, 0x30, 0x00]),
        ] {
            assert_eq!(common_name(&subject), None, "{what}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let name = common_name(&bytes);
            prop_assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= 256));
        }
    }
}
