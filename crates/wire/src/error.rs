//! What every decoder says of input it refuses: where, which numbered error, and why.
//!
//! Not here: what to do about it (count it, answer it, refuse the whole file), which the caller
//! decides.

use chengmai_model::Text;
use chengmai_model::area::AreaFault;
use chengmai_model::error::ErrorCode;

/// One refused line, item or field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line of the body, from 1. In a JSON array, which may stand on one line: the number of the
    /// item, from 1. 0 for the body as a whole.
    pub line: u32,
    /// Byte within that line, from 1. In JSON: within the whole body.
    pub byte: u32,
    /// The numbered error.
    pub code: &'static ErrorCode,
    /// What was found there and what was expected.
    pub reason: Text,
}

impl Fault {
    /// A fault at a place, its reason in Chinese and English.
    pub fn new(
        line: u32,
        byte: u32,
        code: &'static ErrorCode,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Self {
        Self { line, byte, code, reason: Text::new(zh, en) }
    }
}

/// `line 3, byte 12: E-101 no field set after the tags`.
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, byte, code, reason } = self;
        write!(f, "line {line}, byte {byte}: {} {}", code.label(), reason.en)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for AreaFault {
    fn from(fault: Fault) -> Self {
        Self { line: fault.line, reason: fault.reason }
    }
}

/// What a file holds: the rows that are right and the faults of those that are not.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded<T> {
    /// The rows that are right, in the order of the file.
    pub rows: Vec<T>,
    /// What is wrong with the others, in the order of the file.
    pub faults: Vec<Fault>,
}

impl<T> Decoded<T> {
    /// Nothing but one fault: the file cannot be read at all.
    pub(crate) fn refused(fault: Fault) -> Self {
        Self { rows: Vec::new(), faults: vec![fault] }
    }

    /// Sorts one row's outcome to its side.
    pub(crate) fn push(&mut self, row: Result<T, Fault>) {
        match row {
            Ok(row) => self.rows.push(row),
            Err(fault) => self.faults.push(fault),
        }
    }
}

impl<T> Default for Decoded<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), faults: Vec::new() }
    }
}

/// A position in a body as the `u32` that faults carry; bodies over 4 GiB are refused before.
pub(crate) fn place(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

/// At most 40 characters of some input, to quote it in a reason.
pub(crate) fn quote(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(160)];
    let text = String::from_utf8_lossy(head);
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() || head.len() < bytes.len() {
        short.push('…');
    }
    short
}

/// Compares text with what was expected, line by line without indents.
#[cfg(test)]
pub(crate) fn assert_text(found: &str, expected: &str) {
    let trim = |text: &str| text.lines().map(|l| l.trim().to_owned()).collect::<Vec<_>>();
    assert_eq!(trim(found.trim()), trim(expected.trim()), "found:\n{found}");
}
