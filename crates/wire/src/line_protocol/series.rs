//! Takes the raw bytes of measurement and tags apart. Not on the hot path: a series is taken apart
//! once, when the cache of known series meets it first.

use std::borrow::Cow;

use chengmai_model::error::{BAD_ENCODING, MALFORMED};

use crate::error::{Fault, place, quote};

/// Measurement and tags, escapes resolved, tags in the order they stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series<'a> {
    /// The measurement's name.
    pub measurement: Cow<'a, str>,
    /// Keys and values, none empty, no key twice.
    pub tags: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Series<'_> {
    /// The value of a tag.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_ref())
    }
}

/// Takes the series of a [`Sink::point`](super::Sink::point) apart.
///
/// # Errors
/// A fault with line 0 (the caller knows the line) and the byte within the series, which is the
/// byte within the line because a series stands at its start.
pub fn series_parts(series: &[u8]) -> Result<Series<'_>, Fault> {
    let mut parts = split(series, b',');
    let (_, name) = parts.next().unwrap_or((0, b""));
    if name.is_empty() {
        return Err(malformed(0, "缺少测量名", "the measurement is missing"));
    }
    let measurement = text(name, 0)?;
    let mut tags: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for (at, tag) in parts {
        let Some((_, key)) = split(tag, b'=').next().filter(|(_, key)| key.len() < tag.len())
        else {
            let shown = quote(tag);
            return Err(malformed(
                at,
                format!("标签 `{shown}` 没有 `=`"),
                format!("tag `{shown}` has no `=`"),
            ));
        };
        let value = &tag[key.len() + 1..];
        if key.is_empty() || value.is_empty() {
            let shown = quote(tag);
            return Err(malformed(
                at,
                format!("标签 `{shown}` 的键或值为空"),
                format!("tag `{shown}` has an empty key or value"),
            ));
        }
        if split(value, b'=').nth(1).is_some() {
            let shown = quote(tag);
            return Err(malformed(
                at,
                format!("标签 `{shown}` 有两个未转义的 `=`"),
                format!("tag `{shown}` has two `=` that are not escaped"),
            ));
        }
        let (key, value) = (text(key, at)?, text(value, at)?);
        if tags.iter().any(|(known, _)| *known == key) {
            return Err(malformed(
                at,
                format!("标签 `{key}` 出现两次"),
                format!("tag `{key}` stands twice"),
            ));
        }
        tags.push((key, value));
    }
    Ok(Series { measurement, tags })
}

/// Resolves the escapes `\ `, `\,` and `\=` of a name; any other backslash stands for itself.
pub fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut plain = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = bytes.next_if(|next| byte == b'\\' && matches!(next, b' ' | b',' | b'='));
        plain.push(escaped.unwrap_or(byte));
    }
    Cow::Owned(plain)
}

fn malformed(at: usize, zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(0, place(at + 1), &MALFORMED, zh, en)
}

fn text(raw: &[u8], at: usize) -> Result<Cow<'_, str>, Fault> {
    let bad = || {
        let shown = quote(raw);
        Fault::new(
            0,
            place(at + 1),
            &BAD_ENCODING,
            format!("`{shown}` 不是 UTF-8"),
            format!("`{shown}` is not UTF-8"),
        )
    };
    match unescape(raw) {
        Cow::Borrowed(plain) => std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|_| bad()),
        Cow::Owned(plain) => String::from_utf8(plain).map(Cow::Owned).map_err(|_| bad()),
    }
}

/// The parts between separators that have no backslash before them, with their offsets.
fn split(bytes: &[u8], separator: u8) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = Some(0);
    std::iter::from_fn(move || {
        let from = start?;
        let end = next_unescaped(bytes, from, separator);
        start = end.map(|end| end + 1);
        Some((from, &bytes[from..end.unwrap_or(bytes.len())]))
    })
}

/// The first such byte from `from` on that has no backslash before it.
pub(super) fn next_unescaped(bytes: &[u8], from: usize, wanted: u8) -> Option<usize> {
    memchr::memchr_iter(wanted, &bytes[from..])
        .map(|at| from + at)
        .find(|&at| at == from || bytes[at - 1] != b'\\')
}

/// True when the backslash at `at` escapes what follows it.
#[inline]
pub(super) fn is_escape(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at + 1), Some(b' ' | b',' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(series: &str, expected: &str) {
        let found = match series_parts(series.as_bytes()) {
            Ok(parts) => {
                let tags: Vec<_> = parts.tags.iter().map(|(k, v)| format!("[{k}]=[{v}]")).collect();
                format!("[{}] {}", parts.measurement, tags.join(" "))
            }
            Err(fault) => format!("! {fault}"),
        };
        assert_eq!(found.trim(), expected);
    }

    #[test]
    fn measurement_and_tags_come_apart() {
        check("methane", "[methane]");
        check("methane,device=d1,area=5001", "[methane] [device]=[d1] [area]=[5001]");
        check(r"gas\ rise,d\,1=a\=b,甲=乙\ 丙", "[gas rise] [d,1]=[a=b] [甲]=[乙 丙]");
        check(r"a\b\\,x=\n", r"[a\b\,x=\n]");
        check(r"m,path=C:\dir", r"[m] [path]=[C:\dir]");
    }

    #[test]
    fn broken_tags_are_named_by_byte() {
        check("", "! line 0, byte 1: E-101 the measurement is missing");
        check(",a=b", "! line 0, byte 1: E-101 the measurement is missing");
        check("m,a", "! line 0, byte 3: E-101 tag `a` has no `=`");
        check("m,a=1,", "! line 0, byte 7: E-101 tag `` has no `=`");
        check("m,a=1,=2", "! line 0, byte 7: E-101 tag `=2` has an empty key or value");
        check("m,a=", "! line 0, byte 3: E-101 tag `a=` has an empty key or value");
        check("m,a=1,a=2", "! line 0, byte 7: E-101 tag `a` stands twice");
        check("m,a=1=2", "! line 0, byte 3: E-101 tag `a=1=2` has two `=` that are not escaped");
    }

    #[test]
    fn other_encodings_than_utf8_are_refused() {
        let fault = series_parts(b"m,a=\xB3\xC7").unwrap_err();
        assert_eq!((fault.byte, fault.code.name), (3, "bad_encoding"));
    }
}
