//! One TOML file of a pack with the places of its keys, so that every fault can name a line.
//!
//! Not here: what keys mean (`shape`) and whether values fit together (`check`).

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::PackFault;
use crate::Text;

/// A file that is well-formed TOML.
pub(crate) struct Document<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
    pub(crate) root: Spanned<DeTable<'t>>,
    lines: Lines,
}

impl<'t> Document<'t> {
    /// Reads the text; every syntax error becomes a fault.
    pub(crate) fn read(file: &'t str, text: &'t str) -> Result<Self, Vec<PackFault>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        let lines = Lines::of(text);
        if errors.is_empty() {
            return Ok(Self { file, text, root, lines });
        }
        let faults = errors.iter().map(|error| {
            let line = error.span().map_or(0, |span| lines.line_at(span.start));
            let message = error.message();
            PackFault {
                file: file.to_owned(),
                line,
                what: Text::new(
                    format!("TOML 语法错误：{message}"),
                    format!("bad TOML: {message}"),
                ),
                fix: Text::new(
                    "检查该行的引号、括号和等号",
                    "check quotes, brackets and equals signs on that line",
                ),
            }
        });
        Err(faults.collect())
    }

    /// Line from 1 of a byte of the text.
    pub(crate) fn line_at(&self, byte: usize) -> u32 {
        self.lines.line_at(byte)
    }

    /// Line of a key of the `[pack]` table.
    pub(crate) fn line_of_head(&self, key: &str) -> u32 {
        let head =
            find(self.root.get_ref(), "pack").and_then(|(_, head)| head.get_ref().as_table());
        head.and_then(|head| find(head, key)).map_or(0, |(byte, _)| self.line_at(byte))
    }

    /// Line of a table of the file's top level; 0 when it is not there.
    pub(crate) fn line_of_table(&self, name: &str) -> u32 {
        find(self.root.get_ref(), name).map_or(0, |(byte, _)| self.line_at(byte))
    }

    /// Line of a key, as `grade.1.when` inside the `index`-th table of `list`; of the nearest table
    /// around it when the key is absent.
    pub(crate) fn line(&self, list: &str, index: usize, path: &str) -> u32 {
        let Some((_, value)) = find(self.root.get_ref(), list) else { return 0 };
        let Some(mut value) = value.get_ref().as_array().and_then(|array| array.get(index)) else {
            return self.line_at(value.span().start);
        };
        let mut byte = value.span().start;
        for step in path.split('.') {
            match value.get_ref() {
                DeValue::Table(table) => {
                    let Some((key, inner)) = find(table, step) else { break };
                    byte = key;
                    value = inner;
                }
                DeValue::Array(array) => {
                    let Some(inner) = step.parse().ok().and_then(|n: usize| array.get(n)) else {
                        break;
                    };
                    byte = inner.span().start;
                    value = inner;
                }
                _ => break,
            }
        }
        self.line_at(byte)
    }
}

/// The first byte of a key and its value.
pub(crate) fn find<'a, 'i>(
    table: &'a DeTable<'i>,
    name: &str,
) -> Option<(usize, &'a Spanned<DeValue<'i>>)> {
    table
        .iter()
        .find(|(key, _)| key.get_ref() == name)
        .map(|(key, value)| (key.span().start, value))
}

/// Where the lines of a text end. Looked for once: a file with thousands of indicators asks for tens
/// of thousands of places.
struct Lines {
    ends: Vec<usize>,
}

impl Lines {
    fn of(text: &str) -> Self {
        Self { ends: text.match_indices('\n').map(|(end, _)| end).collect() }
    }

    fn line_at(&self, byte: usize) -> u32 {
        let before = self.ends.partition_point(|&end| end < byte);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}
