//! Decodes a body of line protocol into a sink.

use chengmai_model::Timestamp;
use chengmai_model::error::{FIELD_NOT_NUMERIC, MALFORMED, NOT_FINITE};

use super::number::{parse_integer, parse_number};
use super::quoted;
use super::series::{is_escape, next_unescaped};
use super::{Precision, Sink};
use crate::error::{Fault, place, quote};

/// One line that is well formed; its fields lie in the caller's list.
struct Line<'a> {
    series: &'a [u8],
    at: Option<Timestamp>,
}

struct Field<'a> {
    key: &'a [u8],
    value: Value,
    /// Offset within the line.
    at: usize,
}

#[derive(Clone, Copy)]
enum Value {
    Number(f64),
    NotFinite,
    Text,
}

/// Hands every field of every line of `body` to `sink`, and a fault for every line or field that is
/// refused. Never fails as a whole: the sink knows at the end what came of it.
pub fn decode<'a>(body: &'a [u8], precision: Precision, sink: &mut impl Sink<'a>) {
    let mut fields: Vec<Field<'a>> = Vec::new();
    let mut start = 0;
    let mut number: u32 = 1;
    let mut next_quote = quoted::find_quote(body, 0);
    // Before this byte a quote does not carry a line over its end; see `quoted`.
    let mut single_until = 0;
    while start < body.len() {
        let mut end = line_end(body, start);
        if next_quote < end {
            if start >= single_until
                && let Some(long_end) = quoted::line_end(body, start, end)
            {
                if parse_line(&body[start..long_end], precision, &mut fields).is_ok() {
                    end = long_end;
                } else {
                    single_until = long_end;
                }
            }
            next_quote = quoted::find_quote(body, end);
        }
        let line = &body[start..end];
        fields.clear();
        match parse_line(line, precision, &mut fields) {
            Ok(Some(parsed)) => emit(&parsed, &fields, number, sink),
            Ok(None) => {}
            Err(mut fault) => {
                fault.line = number;
                sink.fault(fault);
            }
        }
        number = number.saturating_add(1);
        if memchr::memchr(b'"', line).is_some() {
            number = number.saturating_add(place(memchr::memchr_iter(b'\n', line).count()));
        }
        start = end + 1;
    }
}

#[inline]
fn line_end(body: &[u8], start: usize) -> usize {
    memchr::memchr(b'\n', &body[start..]).map_or(body.len(), |length| start + length)
}

#[inline]
fn emit<'a>(line: &Line<'a>, fields: &[Field<'a>], number: u32, sink: &mut impl Sink<'a>) {
    for field in fields {
        let byte = place(field.at + 1);
        match field.value {
            Value::Number(value) => {
                sink.point(line.series, field.key, value, line.at, number, byte);
            }
            Value::NotFinite | Value::Text => {
                let mut fault = field_fault(field);
                fault.line = number;
                sink.fault(fault);
            }
        }
    }
}

/// Takes one line apart. `None` for an empty line or a comment.
#[inline]
fn parse_line<'a>(
    line: &'a [u8],
    precision: Precision,
    fields: &mut Vec<Field<'a>>,
) -> Result<Option<Line<'a>>, Fault> {
    let end = line.len() - line.iter().rev().take_while(|b| is_blank(**b)).count();
    let line = &line[..end];
    let start = line.iter().take_while(|b| is_blank(**b)).count();
    match line.get(start) {
        None | Some(b'#') => return Ok(None),
        Some(b',') => return Err(malformed(start, "缺少测量名", "the measurement is missing")),
        Some(_) => {}
    }
    let Some(series_end) = next_unescaped(line, start, b' ') else {
        return Err(malformed(end, "标签后没有字段", "no field set after the tags"));
    };
    fields.clear();
    let mut at = skip_spaces(line, series_end);
    loop {
        at = parse_field(line, at, fields)?;
        match line.get(at) {
            Some(b',') => at += 1,
            _ => break,
        }
    }
    let time = skip_spaces(line, at);
    let at = match line.get(time..) {
        None | Some([]) => None,
        Some(text) => Some(parse_time(text, precision).ok_or_else(|| bad_time(text, time))?),
    };
    Ok(Some(Line { series: &line[start..series_end], at }))
}

/// Reads `key=value` from `at`; returns the offset after the value: a comma, a space or the end.
#[inline]
fn parse_field<'a>(line: &'a [u8], at: usize, fields: &mut Vec<Field<'a>>) -> Result<usize, Fault> {
    let mut equals = at;
    loop {
        match line.get(equals) {
            Some(b'=') => break,
            Some(b'\\') if is_escape(line, equals) => equals += 2,
            Some(b' ' | b',') | None => return Err(no_equals(line, at, equals)),
            Some(_) => equals += 1,
        }
    }
    let key = &line[at..equals];
    if key.is_empty() {
        return Err(malformed(at, "字段名为空", "the field has no name"));
    }
    let start = equals + 1;
    if line.get(start) == Some(&b'"') {
        let Some(close) = quoted::closing_quote(line, start + 1) else {
            return Err(malformed(start, "引号没有闭合", "the quote is not closed"));
        };
        let end = close + 1;
        if !matches!(line.get(end), None | Some(b',' | b' ')) {
            return Err(malformed(
                end,
                "文字字段之后应为逗号、空格或行尾",
                "after a text field comes a comma, a space or the end",
            ));
        }
        fields.push(Field { key, value: Value::Text, at });
        return Ok(end);
    }
    let length = line[start..].iter().take_while(|b| !matches!(**b, b',' | b' ')).count();
    let text = &line[start..start + length];
    let value = match parse_number(text) {
        Some(value) if value.is_finite() => Value::Number(value),
        Some(_) => Value::NotFinite,
        None => other_value(text).ok_or_else(|| bad_value(text, start))?,
    };
    fields.push(Field { key, value, at });
    Ok(start + length)
}

/// Integers, booleans, and the words for what is not a finite number.
#[cold]
fn other_value(text: &[u8]) -> Option<Value> {
    match text {
        [digits @ .., b'i'] => parse_integer(digits).map(|n| Value::Number(n as f64)),
        [digits @ .., b'u'] if digits.iter().all(u8::is_ascii_digit) => {
            let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some(Value::Number(count as f64))
        }
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => Some(Value::Number(1.0)),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => Some(Value::Number(0.0)),
        _ => {
            let word = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
            let not_finite: [&[u8]; 3] = [b"nan", b"inf", b"infinity"];
            not_finite
                .iter()
                .any(|known| word.eq_ignore_ascii_case(known))
                .then_some(Value::NotFinite)
        }
    }
}

#[inline]
fn parse_time(text: &[u8], precision: Precision) -> Option<Timestamp> {
    precision.to_timestamp(parse_integer(text)?)
}

#[inline]
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

#[inline]
fn skip_spaces(line: &[u8], from: usize) -> usize {
    let from = from.min(line.len());
    from + line[from..].iter().take_while(|b| **b == b' ').count()
}

#[cold]
fn malformed(at: usize, zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(0, place(at + 1), &MALFORMED, zh, en)
}

#[cold]
fn no_equals(line: &[u8], at: usize, end: usize) -> Fault {
    let shown = quote(&line[at..end.min(line.len())]);
    malformed(at, format!("字段 `{shown}` 没有 `=`"), format!("field `{shown}` has no `=`"))
}

#[cold]
fn bad_value(text: &[u8], at: usize) -> Fault {
    if text.is_empty() {
        return malformed(at, "字段值为空", "the field has no value");
    }
    let shown = quote(text);
    malformed(
        at,
        format!("`{shown}` 不是数值、布尔值或带引号的文字"),
        format!("`{shown}` is not a number, a boolean or a quoted text"),
    )
}

#[cold]
fn bad_time(text: &[u8], at: usize) -> Fault {
    let shown = quote(text);
    malformed(
        at,
        format!("`{shown}` 不是可表示的时间戳（整数）"),
        format!("`{shown}` is not a time stamp (an integer within range)"),
    )
}

#[cold]
fn field_fault(field: &Field<'_>) -> Fault {
    let (key, byte) = (quote(field.key), place(field.at + 1));
    match field.value {
        Value::Text => Fault::new(
            0,
            byte,
            &FIELD_NOT_NUMERIC,
            format!("字段 `{key}` 是文字"),
            format!("field `{key}` is text"),
        ),
        Value::NotFinite | Value::Number(_) => Fault::new(
            0,
            byte,
            &NOT_FINITE,
            format!("字段 `{key}` 不是有限数"),
            format!("field `{key}` is not finite"),
        ),
    }
}

#[cfg(test)]
#[expect(clippy::format_push_string, reason = "a failing test may allocate")]
mod tests {
    use super::*;
    use crate::error::assert_text;

    #[derive(Default)]
    struct Log(String);

    impl<'a> Sink<'a> for Log {
        fn point(
            &mut self,
            series: &'a [u8],
            field: &'a [u8],
            value: f64,
            at: Option<Timestamp>,
            line: u32,
            byte: u32,
        ) {
            let (series, field) = (String::from_utf8_lossy(series), String::from_utf8_lossy(field));
            let at = at.map_or("-".to_owned(), |at| at.0.to_string());
            self.0 += &format!("{line}:{byte} {series} | {field} = {value} @ {at}\n");
        }

        fn fault(&mut self, fault: Fault) {
            self.0 += &format!("! {fault}\n");
        }
    }

    fn check_with(body: &[u8], precision: Precision, expected: &str) {
        let mut log = Log::default();
        decode(body, precision, &mut log);
        assert_text(&log.0, expected);
    }

    fn check(body: &str, expected: &str) {
        check_with(body.as_bytes(), Precision::Nanoseconds, expected);
    }

    #[test]
    fn a_line_gives_its_series_field_value_and_time() {
        check(
            "methane,device=d0000001,area=500101001001001 value=2.4 1700000100000000000\n",
            "1:46 methane,device=d0000001,area=500101001001001 | value = 2.4 @ 1700000100000",
        );
    }

    #[test]
    fn fields_times_blank_lines_and_comments_are_told_apart() {
        check(
            "# a comment with a \" quote\r\n\r\n  m a=1,b=-2.5e3,c=7i,d=8u,e=t,f=False  5000000 \r\nm,x=y\\ z v=1",
            "3:5 m | a = 1 @ 5
             3:9 m | b = -2500 @ 5
             3:18 m | c = 7 @ 5
             3:23 m | d = 8 @ 5
             3:28 m | e = 1 @ 5
             3:32 m | f = 0 @ 5
             4:10 m,x=y\\ z | v = 1 @ -",
        );
    }

    #[test]
    fn times_are_rounded_down_to_milliseconds() {
        for (precision, time, expected) in [
            (Precision::Nanoseconds, "1700000100000999999", "1700000100000"),
            (Precision::Nanoseconds, "-1", "-1"),
            (Precision::Microseconds, "1700000100000999", "1700000100000"),
            (Precision::Milliseconds, "1700000100000", "1700000100000"),
            (Precision::Seconds, "1700000100", "1700000100000"),
            (Precision::Minutes, "28333335", "1700000100000"),
            (Precision::Hours, "472222", "1699999200000"),
        ] {
            let body = format!("m v=1 {time}");
            check_with(body.as_bytes(), precision, &format!("1:3 m | v = 1 @ {expected}"));
        }
        check_with(
            b"m v=1 9223372036854775807",
            Precision::Seconds,
            "! line 1, byte 7: E-101 `9223372036854775807` is not a time stamp (an integer within range)",
        );
    }

    #[test]
    fn a_bad_line_is_refused_whole_and_the_others_are_kept() {
        check(
            "m v=1 1000000
             m
             ,d=1 v=1
             m v
             m v= 1
             m =1
             m v=abc
             m a=1,v=1.2.3 7
             m a=1,b
             m a=1 12x
             m a=1 12 13
             m a=1,
             m v=9223372036854775808i
             m v=2 2000000",
            "1:3 m | v = 1 @ 1
             ! line 2, byte 15: E-101 no field set after the tags
             ! line 3, byte 14: E-101 the measurement is missing
             ! line 4, byte 16: E-101 field `v` has no `=`
             ! line 5, byte 18: E-101 the field has no value
             ! line 6, byte 16: E-101 the field has no name
             ! line 7, byte 18: E-101 `abc` is not a number, a boolean or a quoted text
             ! line 8, byte 22: E-101 `1.2.3` is not a number, a boolean or a quoted text
             ! line 9, byte 20: E-101 field `b` has no `=`
             ! line 10, byte 20: E-101 `12x` is not a time stamp (an integer within range)
             ! line 11, byte 20: E-101 `12 13` is not a time stamp (an integer within range)
             ! line 12, byte 20: E-101 field `` has no `=`
             ! line 13, byte 18: E-101 `9223372036854775808i` is not a number, a boolean or a quoted text
             14:16 m | v = 2 @ 2",
        );
    }

    #[test]
    fn text_and_not_finite_fields_are_refused_and_the_lines_other_fields_count() {
        check(
            "m a=\"on, \\\"x\\\" =\",b=2,c=NaN,d=-inf,e=1e999,f=+Infinity 1000000",
            "! line 1, byte 3: E-115 field `a` is text
             1:19 m | b = 2 @ 1
             ! line 1, byte 23: E-102 field `c` is not finite
             ! line 1, byte 29: E-102 field `d` is not finite
             ! line 1, byte 36: E-102 field `e` is not finite
             ! line 1, byte 44: E-102 field `f` is not finite",
        );
    }

    #[test]
    fn a_quoted_text_may_hold_line_ends() {
        check(
            "m a=\"one\ntwo\n\",b=1 1000000\nn v=2",
            "! line 1, byte 3: E-115 field `a` is text
             1:16 m | b = 1 @ 1
             4:3 n | v = 2 @ -",
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_refuses_its_own_line_only() {
        check(
            "m a=\"one\nn v=2\nn w=\"x\"\nm b=\"y\\",
            "! line 1, byte 5: E-101 the quote is not closed
             2:3 n | v = 2 @ -
             ! line 3, byte 3: E-115 field `w` is text
             ! line 4, byte 5: E-101 the quote is not closed",
        );
        check(
            "m a=\"x\"y",
            "! line 1, byte 8: E-101 after a text field comes a comma, a space or the end",
        );
    }

    #[test]
    fn escapes_in_keys_do_not_end_them() {
        check(r"m,a\ b=c\,d k\=\,\ x=1", r"1:13 m,a\ b=c\,d | k\=\,\ x = 1 @ -");
        check(r#"m "a"=1,b\="=2"#, "1:3 m | \"a\" = 1 @ -\n1:9 m | b\\=\" = 2 @ -");
    }

    #[test]
    fn bytes_that_are_not_text_are_kept_in_keys_and_named_in_values() {
        check_with(
            b"m\xFF v=1\nm v=\xFF",
            Precision::Nanoseconds,
            "1:4 m\u{fffd} | v = 1 @ -
             ! line 2, byte 5: E-101 `\u{fffd}` is not a number, a boolean or a quoted text",
        );
    }
}
