//! Elements of JSON documents with the place where each one stands, so that one bad element can be
//! named and refused while the rest is kept.
//!
//! Not here: what the elements mean.

use std::borrow::Cow;

use chengmai_model::error::ErrorCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::{Fault, place};
use crate::table::Lines;

/// One element, not yet parsed.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    text: &'a str,
    /// Its number, from 1, where reasons should name it because its line does not tell.
    number: Option<u32>,
    /// Line that faults name, from 1.
    pub(crate) line: u32,
    /// Where it starts, from 1.
    pub(crate) byte: u32,
    code: &'static ErrorCode,
}

impl<'a> Item<'a> {
    /// The element as `T`, or a fault at the very byte where it stops being one.
    pub(crate) fn parse<T: Deserialize<'a>>(&self) -> Result<T, Fault> {
        serde_json::from_str(self.text).map_err(|error| {
            let at = byte_of(self.text.as_bytes(), error.line(), error.column());
            let reason = plain(&error);
            let byte = self.byte.saturating_add(place(at));
            let (zh, en) = self.named(format!("无法解析：{reason}"), reason);
            Fault::new(self.line, byte, self.code, zh, en)
        })
    }

    /// A fault of this element as a whole.
    pub(crate) fn fault(&self, zh: impl Into<String>, en: impl Into<String>) -> Fault {
        let (zh, en) = self.named(zh.into(), en.into());
        Fault::new(self.line, self.byte, self.code, zh, en)
    }

    fn named(&self, zh: String, en: String) -> (String, String) {
        match self.number {
            Some(number) => (format!("第 {number} 个要素：{zh}"), format!("item {number}: {en}")),
            None => (zh, en),
        }
    }
}

/// The elements of an array; a lone object counts as an array of one. Faults name the element's
/// number as their line, because all may stand on one line.
pub(crate) fn elements<'a>(
    body: &'a [u8],
    code: &'static ErrorCode,
) -> Result<Vec<Item<'a>>, Fault> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let raw: Vec<&RawValue> = match body.trim_ascii_start().first() {
        Some(b'{') => vec![document(body, code)?],
        _ => document(body, code)?,
    };
    let items = (1..).zip(raw).map(|(line, value)| {
        let text = value.get();
        Item { text, number: None, line, byte: place(offset(body, text) + 1), code }
    });
    Ok(items.collect())
}

/// One line of a body as an element.
pub(crate) fn line_item<'a>(
    line: &'a [u8],
    number: u32,
    code: &'static ErrorCode,
) -> Result<Item<'a>, Fault> {
    match std::str::from_utf8(line) {
        Ok(text) => Ok(Item { text, number: None, line: number, byte: 1, code }),
        Err(error) => {
            let byte = place(error.valid_up_to() + 1);
            Err(Fault::new(number, byte, code, "不是 UTF-8 文本", "not UTF-8 text"))
        }
    }
}

/// The features of a GeoJSON `FeatureCollection`.
pub(crate) fn features<'a>(
    body: &'a [u8],
    code: &'static ErrorCode,
) -> Result<Vec<Item<'a>>, Fault> {
    #[derive(Deserialize)]
    struct Collection<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(borrow, default)]
        features: Vec<&'a RawValue>,
        // How map libraries of the ECharts family mark coordinates packed into text.
        #[serde(rename = "UTF8Encoding", default)]
        packed: bool,
    }
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let collection: Collection<'_> = document(body, code).map_err(|mut fault| {
        fault.line = Lines::new(body).line_of(fault.byte.saturating_sub(1) as usize);
        fault
    })?;
    if collection.kind != "FeatureCollection" {
        let zh = format!("type 为 {}，应为 FeatureCollection", collection.kind);
        let en = format!("the type is {}, not FeatureCollection", collection.kind);
        return Err(Fault::new(1, 1, code, zh, en));
    }
    if collection.packed {
        let zh = "坐标是 ECharts 压缩形式（UTF8Encoding）；请先解码";
        let en = "the coordinates are in ECharts' packed form (UTF8Encoding); decode them first";
        return Err(Fault::new(1, 1, code, zh, en));
    }
    let mut lines = Lines::new(body);
    let items = (1..).zip(collection.features).map(|(number, value)| {
        let text = value.get();
        let at = offset(body, text);
        Item { text, number: Some(number), line: lines.line_of(at), byte: place(at + 1), code }
    });
    Ok(items.collect())
}

/// A whole document, or a fault at the byte where it breaks.
pub(crate) fn document<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    code: &'static ErrorCode,
) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| {
        let at = byte_of(body, error.line(), error.column());
        let reason = plain(&error);
        let byte = place(at.saturating_add(1));
        Fault::new(
            0,
            byte,
            code,
            format!("不是完整的 JSON：{reason}"),
            format!("not whole JSON: {reason}"),
        )
    })
}

/// The message of an error without its place, which faults carry by themselves.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The offset of a line and column (both from 1, the column in bytes) as `serde_json` counts them.
pub(crate) fn byte_of(body: &[u8], line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => memchr::memchr_iter(b'\n', body).nth(line - 2).map_or(body.len(), |at| at + 1),
    };
    (start + column.saturating_sub(1)).min(body.len())
}

/// Where an element stands: raw values are slices of the body, so their distance is their place.
fn offset(body: &[u8], text: &str) -> usize {
    text.as_ptr().addr().saturating_sub(body.as_ptr().addr())
}
