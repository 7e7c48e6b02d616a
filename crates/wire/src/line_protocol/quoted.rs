//! Lines with quotes. A quoted text may hold line ends, so such a line can be longer than it looks;
//! a quote that was never meant to open must not swallow other devices' lines.
//!
//! So the longer line is taken only when it is well formed as a whole. If it is not, the lines it
//! would have covered are each read by themselves, which also keeps the work linear: no byte is
//! tried as part of a longer line twice.

use super::series::{is_escape, next_unescaped};

/// Where the next quote stands, or the end of the body.
#[inline]
pub(super) fn find_quote(body: &[u8], from: usize) -> usize {
    let from = from.min(body.len());
    memchr::memchr(b'"', &body[from..]).map_or(body.len(), |at| from + at)
}

/// The end of a line that a quote carries over `short_end`, its first line end. `None` when no
/// quote does, or the quote is never closed.
pub(super) fn line_end(body: &[u8], start: usize, short_end: usize) -> Option<usize> {
    let line = &body[start..short_end];
    let indent = line.iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
    if line.get(indent) == Some(&b'#') {
        return None;
    }
    let mut at = start + next_unescaped(line, indent, b' ')?;
    while let Some(&byte) = body.get(at) {
        match byte {
            b'\n' => break,
            b'\\' if is_escape(body, at) => at += 1,
            b'=' if body.get(at + 1) == Some(&b'"') => at = closing_quote(body, at + 2)?,
            _ => {}
        }
        at += 1;
    }
    let end = at.min(body.len());
    (end > short_end).then_some(end)
}

/// The first quote from `from` on that is not escaped; `\\` is an escaped backslash.
pub(super) fn closing_quote(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[found] == b'"' {
            return Some(found);
        }
        at = found + 2;
    }
}
