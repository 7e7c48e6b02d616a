//! The query language: `temperature>20;(status=="ok"|!fault);name~=^A`.
//!
//! Not here: whether it holds (`evaluate`). Names are made whole by the context when a query is read.
//! Invariants: a query has at most [`TERMS_MAX`] conditions, nested at most [`DEPTH_MAX`] deep; a pattern is
//! at most [`PATTERN_BYTES_MAX`] long, its automaton is bounded, and it is tried in time that grows with the
//! text and no faster.

use chengmai_model::Timestamp;
use chengmai_model::error::NGSI_QUERY;
use regex::{Regex, RegexBuilder};

use super::{Context, bad};
use crate::error::{Fault, place, quote};

/// Bytes of a query.
const QUERY_BYTES_MAX: usize = 4_096;
/// Conditions of one query, and values of its lists.
const TERMS_MAX: usize = 100;
/// Brackets within brackets.
const DEPTH_MAX: usize = 16;
/// Bytes of a pattern.
const PATTERN_BYTES_MAX: usize = 200;
/// Bytes of what a pattern becomes.
const AUTOMATON_BYTES_MAX: usize = 256 * 1024;

/// A query.
#[derive(Debug, Clone)]
pub struct Q {
    pub(super) expr: Expr,
    text: String,
}

/// Two queries are the same when they read the same.
impl PartialEq for Q {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[derive(Debug, Clone)]
pub(super) enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Exists(Path),
    Lacks(Path),
    Test { path: Path, how: How, values: Vec<Wanted> },
    Pattern { path: Path, pattern: Regex, is_meant: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// Which value: an attribute, attributes of it, and a way into its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Each as it was written and whole.
    pub(super) names: Vec<(String, String)>,
    pub(super) trail: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Wanted {
    One(Value),
    Range(Value, Value),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Truth(bool),
    /// A text, and the same as a word of the context's vocabulary.
    Text(String, String),
    Time(Timestamp, String),
}

/// A query from its text.
///
/// # Errors
/// [`NGSI_QUERY`] with the byte at which it is not understood.
pub fn parse(text: &str, context: &Context) -> Result<Q, Fault> {
    if text.len() > QUERY_BYTES_MAX {
        let most = QUERY_BYTES_MAX;
        let (zh, en) = (format!("q 超过 {most} 字节"), format!("q has more than {most} bytes"));
        return Err(bad(&NGSI_QUERY, zh, en));
    }
    let mut parser = Parser { text, at: 0, context, left: TERMS_MAX };
    let expr = parser.any(0)?;
    if parser.at < text.len() {
        return Err(parser.wrong("此处应为 ; 或 |", "here ; or | is expected"));
    }
    Ok(Q { expr, text: text.to_owned() })
}

impl Q {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// A pattern within its bounds.
///
/// # Errors
/// [`NGSI_QUERY`] when it is none, or too large.
pub(super) fn pattern(text: &str) -> Result<Regex, Fault> {
    let made = RegexBuilder::new(text).size_limit(AUTOMATON_BYTES_MAX).nest_limit(20).build();
    made.ok().filter(|_| text.len() <= PATTERN_BYTES_MAX).ok_or_else(|| {
        let shown = quote(text.as_bytes());
        let (zh, en) = (
            format!("`{shown}` 不是正则表达式，或超过 {PATTERN_BYTES_MAX} 字节"),
            format!("`{shown}` is no pattern, or has more than {PATTERN_BYTES_MAX} bytes"),
        );
        bad(&NGSI_QUERY, zh, en)
    })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    context: &'a Context,
    left: usize,
}

impl Parser<'_> {
    fn wrong(&self, zh: impl Into<String>, en: impl Into<String>) -> Fault {
        Fault::new(1, place(self.at + 1), &NGSI_QUERY, zh, en)
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    fn term(&mut self) -> Result<(), Fault> {
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let most = TERMS_MAX;
            self.wrong(
                format!("q 超过 {most} 个条件"),
                format!("q has more than {most} conditions"),
            )
        })?;
        Ok(())
    }

    fn any(&mut self, depth: usize) -> Result<Expr, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("括号嵌套过深", "brackets are nested too deep"));
        }
        let mut parts = vec![self.all(depth)?];
        while self.take("|") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expr, Fault> {
        let mut parts = vec![self.one(depth)?];
        while self.take(";") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expr::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.term()?;
        if self.take("(") {
            let inner = self.any(depth + 1)?;
            if !self.take(")") {
                return Err(self.wrong("缺少 )", ") is missing"));
            }
            return Ok(inner);
        }
        let is_lacking = self.rest().starts_with('!') && self.take("!");
        let path = self.path()?;
        if is_lacking {
            return Ok(Expr::Lacks(path));
        }
        for (word, is_meant) in [("!~=", false), ("~=", true)] {
            if self.take(word) {
                let text = self.pattern_text()?;
                return Ok(Expr::Pattern { path, pattern: pattern(&text)?, is_meant });
            }
        }
        let operators = [
            ("==", How::Equal),
            ("!=", How::Unequal),
            ("<=", How::AtMost),
            (">=", How::AtLeast),
            ("<", How::Less),
            (">", How::Greater),
        ];
        for (word, how) in operators {
            if self.take(word) {
                let values = self.values(how)?;
                return Ok(Expr::Test { path, how, values });
            }
        }
        Ok(Expr::Exists(path))
    }

    fn path(&mut self) -> Result<Path, Fault> {
        let ends = |c: char| ";|()=!<>~[]\"',%{}".contains(c) || c.is_whitespace();
        let rest = self.rest();
        let whole = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let mut parts: Vec<&str> = whole.split('.').collect();
        if whole.contains("://") {
            // A whole name may have points in it.
            parts = vec![whole];
        }
        if parts.iter().any(|part| part.is_empty()) || parts.len() > DEPTH_MAX {
            return Err(self.wrong("此处应为属性名", "here the name of an attribute is expected"));
        }
        let names = parts.into_iter().map(|part| (part.to_owned(), self.context.expand(part)));
        let mut path = Path { names: names.collect(), trail: Vec::new() };
        self.at += whole.len();
        while self.take("[") {
            let rest = self.rest();
            let end = rest.find(']').filter(|end| (1..=200).contains(end));
            let end = end.ok_or_else(|| self.wrong("缺少 ]", "] is missing"))?;
            let inner: Vec<String> = rest[..end].split('.').map(str::to_owned).collect();
            path.trail.extend(inner);
            self.at += end + 1;
        }
        if path.trail.len() > DEPTH_MAX {
            return Err(self.wrong("路径过长", "the path is too long"));
        }
        Ok(path)
    }

    fn values(&mut self, how: How) -> Result<Vec<Wanted>, Fault> {
        let mut values = Vec::new();
        loop {
            let low = self.value()?;
            let wanted =
                if self.take("..") { Wanted::Range(low, self.value()?) } else { Wanted::One(low) };
            values.push(wanted);
            if !self.take(",") {
                break;
            }
            self.term()?;
        }
        let is_plain = matches!(values.as_slice(), [Wanted::One(_)]);
        if !is_plain && !matches!(how, How::Equal | How::Unequal) {
            return Err(
                self.wrong("列表和范围只用于 == 和 !=", "lists and ranges go with == and !=")
            );
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, Fault> {
        if self.rest().starts_with('"') {
            let text = self.quoted()?;
            return Ok(self.of_text(text));
        }
        let rest = self.rest();
        let end = rest.find([';', '|', ')', '(', ',', '"']).unwrap_or(rest.len());
        let bare = &rest[..end];
        let bare = bare.find("..").map_or(bare, |dots| &bare[..dots]);
        // One with a `%` may be escaped: whoever means the sign puts it in quotation marks.
        if bare.is_empty() || bare.contains('%') {
            return Err(self.wrong("此处应为值", "here a value is expected"));
        }
        let value = match bare {
            "true" => Value::Truth(true),
            "false" => Value::Truth(false),
            _ => match bare.parse::<f64>().ok().filter(|number| number.is_finite()) {
                Some(number) => Value::Number(number),
                None => self.of_text(bare.to_owned()),
            },
        };
        self.at += bare.len();
        Ok(value)
    }

    fn of_text(&self, text: String) -> Value {
        if let Some(at) = Timestamp::parse_rfc3339(&text) {
            return Value::Time(at, text);
        }
        let whole = self.context.expand(&text);
        Value::Text(text, whole)
    }

    /// A text in quotation marks; a backslash makes the next letter plain.
    fn quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    self.at += at + 1;
                    return Ok(text);
                }
                '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                _ => text.push(letter),
            }
        }
        Err(self.wrong("缺少引号", "a quotation mark is missing"))
    }

    /// The text of a pattern: in quotation marks, or up to what ends the condition outside of brackets.
    fn pattern_text(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"');
            let end = end.ok_or_else(|| self.wrong("缺少引号", "a quotation mark is missing"))?;
            let text = inner[..end].to_owned();
            self.at += end + 2;
            return Ok(text);
        }
        let (mut depth, mut end, mut is_plain) = (0_usize, rest.len(), false);
        for (at, letter) in rest.char_indices() {
            match letter {
                _ if is_plain => is_plain = false,
                '\\' => is_plain = true,
                '(' | '[' => depth += 1,
                ')' | ']' if depth > 0 => depth -= 1,
                ')' | ';' | '|' if depth == 0 => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        if end == 0 {
            return Err(self.wrong("此处应为正则表达式", "here a pattern is expected"));
        }
        let text = rest[..end].to_owned();
        self.at += end;
        Ok(text)
    }
}
