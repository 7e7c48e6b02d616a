//! The subject of a client's certificate: whatever its bytes, a name is one plain text or there is none.

use chengmai_wire::certificate::common_name;

use crate::Trait;

const NAME_BYTES_MAX: usize = 256;

/// An attribute of a name: its kind, the tag of its text, the text.
fn attribute(kind: u8, tag: u8, text: &[u8]) -> Vec<u8> {
    let element = |tag: u8, value: &[u8]| {
        let len = u8::try_from(value.len()).unwrap_or(u8::MAX);
        [&[tag, len], value].concat()
    };
    let pair = [element(6, &[0x55, 4, kind]), element(tag, text)].concat();
    element(0x31, &element(0x30, &pair))
}

pub(crate) fn made() -> Vec<Vec<u8>> {
    let country = attribute(6, 0x13, b"CN");
    let name = attribute(3, 0x0C, "网关-7".as_bytes());
    let printable = attribute(3, 0x13, b"gateway.example");
    vec![
        [&country[..], &name].concat(),
        [&printable[..], &country].concat(),
        [&name[..], &printable].concat(),
    ]
}

pub(crate) fn subject(bytes: &[u8]) -> Trait {
    let Some(name) = common_name(bytes) else { return 0 };
    assert!(!name.is_empty() && name.len() <= NAME_BYTES_MAX, "a name has bounds");
    assert!(!name.chars().any(char::is_control), "a name is plain");
    let within = bytes.windows(name.len()).any(|part| part == name.as_bytes());
    assert!(within, "a name stands in the subject as it is given");
    1 + u64::from(name.is_ascii()) + 2 * u64::from(bytes.len() > name.len() + 11)
}
