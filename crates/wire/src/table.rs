//! CSV bodies with a header line, with the exact line and byte of every field for messages.
//!
//! Not here: what the columns mean. Names are compared without regard to case; a byte-order mark
//! and CRLF line ends are accepted; empty fields count as absent.

use chengmai_model::Text;
use chengmai_model::error::ErrorCode;
use csv::{ByteRecord, Reader, ReaderBuilder};

use crate::error::{Fault, place, quote};

/// Columns that a header may have: names are looked up by comparing, which is quick among few.
const COLUMNS_MAX: usize = 256;

/// A CSV body, read row by row.
pub(crate) struct Table<'a> {
    body: &'a [u8],
    reader: Reader<&'a [u8]>,
    columns: Vec<String>,
    record: ByteRecord,
    lines: Lines<'a>,
    code: &'static ErrorCode,
}

/// One row of a table.
pub(crate) struct Row<'t> {
    columns: &'t [String],
    record: &'t ByteRecord,
    raw: &'t [u8],
    code: &'static ErrorCode,
    /// Line of its first byte, from 1.
    pub(crate) line: u32,
}

impl<'a> Table<'a> {
    /// Reads the header line. `code` is the error that faults of this file carry.
    pub(crate) fn open(body: &'a [u8], code: &'static ErrorCode) -> Result<Self, Fault> {
        let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(body);
        let lines = Lines { body, byte: 0, line: 1 };
        let record = ByteRecord::new();
        let mut table = Self { body, reader, columns: Vec::new(), record, lines, code };
        let mut columns = Vec::new();
        match table.next_row() {
            None => {
                return Err(Fault::new(1, 1, code, "文件为空，缺少表头", "the file has no header"));
            }
            Some(Err(fault)) => return Err(fault),
            Some(Ok(header)) if header.record.len() > COLUMNS_MAX => {
                return Err(header.fault_at(
                    COLUMNS_MAX,
                    format!("表头超过 {COLUMNS_MAX} 列"),
                    format!("the header has more than {COLUMNS_MAX} columns"),
                ));
            }
            Some(Ok(header)) => {
                for (number, name) in header.record.iter().enumerate() {
                    let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
                    if columns.contains(&name) {
                        return Err(header.fault_at(
                            number,
                            format!("表头中列 `{name}` 重复"),
                            format!("column `{name}` stands twice in the header"),
                        ));
                    }
                    columns.push(name);
                }
            }
        }
        table.columns = columns;
        Ok(table)
    }

    /// True when the header has that column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|c| c == column)
    }

    /// A fault of the header for the first column that must be there and is not.
    pub(crate) fn require(&self, columns: &[&str]) -> Result<(), Fault> {
        match columns.iter().find(|c| !self.has(c)) {
            None => Ok(()),
            Some(missing) => Err(Fault::new(
                1,
                1,
                self.code,
                format!("表头缺少列 `{missing}`"),
                format!("the header has no column `{missing}`"),
            )),
        }
    }

    /// A fault of the header for every column that nobody reads: most often a misspelling.
    pub(crate) fn unknown(&self, known: &[&str]) -> Vec<Fault> {
        let stray = self.columns.iter().filter(|c| !known.contains(&c.as_str()));
        let list = known.join(", ");
        stray
            .map(|name| {
                let name = quote(name.as_bytes());
                Fault::new(
                    1,
                    1,
                    self.code,
                    format!("不认识列 `{name}`；可用的列：{list}"),
                    format!("unknown column `{name}`; known: {list}"),
                )
            })
            .collect()
    }

    /// The next row, or the fault of one whose shape is wrong.
    pub(crate) fn next_row(&mut self) -> Option<Result<Row<'_>, Fault>> {
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => {}
            // Reading from a slice cannot fail, and lengths are free; this is the end.
            Ok(false) | Err(_) => return None,
        }
        let at = self.record.position().map_or(0, csv::Position::byte);
        let mut start = usize::try_from(at).unwrap_or(0).min(self.body.len());
        // The reader counts line ends it has yet to skip to the record they precede.
        while self.body.get(start).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            start += 1;
        }
        let end = usize::try_from(self.reader.position().byte()).unwrap_or(0);
        let raw = &self.body[start..end.clamp(start, self.body.len())];
        let line = self.lines.line_of(start);
        let row = Row { columns: &self.columns, record: &self.record, raw, code: self.code, line };
        if end >= self.body.len() && has_open_quote(raw) {
            let (zh, en) = (
                "引号没有闭合，后面的行被吞掉",
                "a quote is not closed and swallows the lines after it",
            );
            return Some(Err(Fault::new(line, 1, self.code, zh, en)));
        }
        let (found, expected) = (row.record.len(), row.columns.len());
        if expected > 0 && found != expected {
            return Some(Err(row.fault_at(
                expected.min(found.saturating_sub(1)),
                format!("有 {found} 个字段，表头有 {expected} 列"),
                format!("{found} fields where the header has {expected} columns"),
            )));
        }
        Some(Ok(row))
    }
}

impl Row<'_> {
    /// The trimmed text of a column; `None` when it is empty or the column is absent.
    pub(crate) fn text(&self, column: &str) -> Result<Option<&str>, Fault> {
        let Some(number) = self.columns.iter().position(|c| c == column) else { return Ok(None) };
        let field = self.record.get(number).unwrap_or_default();
        let Ok(text) = std::str::from_utf8(field) else {
            return Err(self.fault_at(number, "不是 UTF-8 文本", "not UTF-8 text"));
        };
        let text = text.trim();
        Ok((!text.is_empty()).then_some(text))
    }

    /// The text of a column that must not be empty.
    pub(crate) fn required(&self, column: &str) -> Result<&str, Fault> {
        self.text(column)?.ok_or_else(|| {
            self.fault(column, format!("缺少 {column}"), format!("{column} is missing"))
        })
    }

    /// A column's value through `parse`; a fault saying what was `expected` when that gives `None`.
    pub(crate) fn parsed<T>(
        &self,
        column: &str,
        expected: &Text,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(column)? else { return Ok(None) };
        let value = parse(text).ok_or_else(|| {
            let shown = quote(text.as_bytes());
            self.fault(
                column,
                format!("{column} `{shown}` 不是{}", expected.zh),
                format!("{column} `{shown}` is not {}", expected.en),
            )
        })?;
        Ok(Some(value))
    }

    /// A fault at a column of this row.
    pub(crate) fn fault(
        &self,
        column: &str,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Fault {
        let number = self.columns.iter().position(|c| c == column).unwrap_or(0);
        self.fault_at(number, zh, en)
    }

    fn fault_at(&self, number: usize, zh: impl Into<String>, en: impl Into<String>) -> Fault {
        Fault::new(self.line, place(field_start(self.raw, number) + 1), self.code, zh, en)
    }
}

/// `lon` and `lat` columns as one position.
pub(crate) fn position(row: &Row<'_>) -> Result<Option<[f64; 2]>, Fault> {
    let degrees = |text: &str, limit: f64| {
        text.parse::<f64>().ok().filter(|d| d.is_finite() && d.abs() <= limit)
    };
    let expected = Text::new("经度（-180 到 180 度）", "a longitude of -180 to 180 degrees");
    let lon = row.parsed("lon", &expected, |text| degrees(text, 180.0))?;
    let expected = Text::new("纬度（-90 到 90 度）", "a latitude of -90 to 90 degrees");
    let lat = row.parsed("lat", &expected, |text| degrees(text, 90.0))?;
    match (lon, lat) {
        (Some(lon), Some(lat)) => Ok(Some([lon, lat])),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(row.fault("lat", "有经度而无纬度", "a longitude without a latitude"))
        }
        (None, Some(_)) => {
            Err(row.fault("lon", "有纬度而无经度", "a latitude without a longitude"))
        }
    }
}

/// `true`, `1`, `yes`, `是` and their opposites.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "是" => Some(true),
        "false" | "0" | "no" | "否" => Some(false),
        _ => None,
    }
}

/// Counts lines forward through a body, each byte looked at once.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    body: &'a [u8],
    byte: usize,
    line: u32,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, byte: 0, line: 1 }
    }

    /// The line of a byte, from 1. Positions must not go backwards.
    pub(crate) fn line_of(&mut self, byte: usize) -> u32 {
        let byte = byte.clamp(self.byte, self.body.len());
        let passed = memchr::memchr_iter(b'\n', &self.body[self.byte..byte]).count();
        self.byte = byte;
        self.line = self.line.saturating_add(place(passed));
        self.line
    }
}

/// Where field `number` starts within a raw record.
fn field_start(raw: &[u8], number: usize) -> usize {
    let mut quoted = false;
    let mut passed = 0;
    if number == 0 {
        return 0;
    }
    for (at, &byte) in raw.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                passed += 1;
                if passed == number {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    let line_end = raw.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    raw.len() - line_end
}

/// True when a record that runs to the end of the body over several lines has a lone quote.
fn has_open_quote(raw: &[u8]) -> bool {
    let quotes = memchr::memchr_iter(b'"', raw).count();
    quotes % 2 == 1 && memchr::memchr(b'\n', raw).is_some()
}
