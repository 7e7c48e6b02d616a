//! Reads a message of somebody else. What this city makes of it is decided elsewhere.
//!
//! A fault names line and byte. Nothing that XML may do beyond elements and texts is done: a DTD, an entity
//! of one's own or a processing instruction ends the reading, so nothing is fetched and nothing expands.
//! Elements of other namespaces (a signature) are passed over.

use std::borrow::Cow;

use chengmai_model::error::{ALERT_FIELD, ALERT_KIND, ALERT_TOO_LARGE, ALERT_XML, ErrorCode};
use chengmai_model::geometry::Ring;
use chengmai_model::{Severity, Timestamp};
use quick_xml::NsReader;
use quick_xml::encoding::EncodingError;
use quick_xml::events::{BytesRef, Event};
use quick_xml::name::ResolveResult;

use super::{Kind, NAMESPACE, Received, ReceivedArea, ReceivedInfo, Source};
use crate::error::{Fault, place, quote};

/// Most bytes of a message.
pub const BYTES_MAX: usize = 256 * 1024;
/// Most elements of a message.
pub const ELEMENTS_MAX: usize = 5_000;
/// Most points of all its polygons.
pub const POINTS_MAX: usize = 10_000;
/// How deep elements of the standard lie, with some room.
const DEPTH_MAX: usize = 8;
/// Most characters of a text that is kept.
const TEXT_LEN_MAX: usize = 4_000;
/// Most characters of a name: identifier and sender.
pub const NAME_LEN_MAX: usize = 200;

/// A message from its bytes.
///
/// # Errors
/// What is wrong with it first.
pub fn message(bytes: &[u8]) -> Result<Received, Fault> {
    if bytes.len() > BYTES_MAX {
        return Err(too_large(format!("{} bytes", bytes.len())));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|fault| {
        let at =
            At { text: &String::from_utf8_lossy(&bytes[..fault.valid_up_to()]), byte: usize::MAX };
        at.fault(&ALERT_XML, "不是 UTF-8", "this is not UTF-8")
    })?;
    let root = tree(text)?;
    Form { text }.message(&root)
}

/// An element of the standard with the texts and elements in it.
#[derive(Debug, Default)]
struct Element {
    name: String,
    byte: usize,
    text: String,
    inside: Vec<Element>,
}

/// A place in the text.
struct At<'t> {
    text: &'t str,
    byte: usize,
}

impl At<'_> {
    fn fault(
        &self,
        code: &'static ErrorCode,
        zh: impl Into<String>,
        en: impl Into<String>,
    ) -> Fault {
        let before = &self.text.as_bytes()[..self.byte.min(self.text.len())];
        let line = 1 + memchr::memchr_iter(b'\n', before).count();
        let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        Fault::new(place(line), place(before.len() - start + 1), code, zh, en)
    }
}

fn too_large(what: String) -> Fault {
    Fault::new(0, 0, &ALERT_TOO_LARGE, format!("报文有 {what}"), format!("it has {what}"))
}

/// Reads elements and texts, and refuses everything else.
fn tree(text: &str) -> Result<Element, Fault> {
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    reader.config_mut().check_comments = true;
    let mut tree = Tree { open: vec![Element::default()], foreign: 0, count: 0 };
    loop {
        let byte = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        let at = At { text, byte };
        let read = reader.read_resolved_event().map_err(|fault| {
            at.fault(&ALERT_XML, format!("XML 有误：{fault}"), format!("bad XML: {fault}"))
        });
        match read? {
            (namespace, Event::Start(start)) => {
                let name = NAMESPACE.as_bytes();
                let is_ours = matches!(namespace, ResolveResult::Bound(of) if of.0 == name);
                tree.begin(&at, is_ours, start.local_name().as_ref())?;
            }
            (_, Event::End(_)) => tree.end(&at)?,
            (_, Event::Text(words)) => tree.add(&at, &words.xml10_content())?,
            (_, Event::CData(words)) => tree.add(&at, &words.xml10_content())?,
            (_, Event::GeneralRef(reference)) => {
                let c = character(&reference).ok_or_else(|| {
                    let en = "references to entities are not taken";
                    at.fault(&ALERT_XML, "不接受实体引用", en)
                })?;
                tree.add(&at, &Ok(c.into()))?;
            }
            (_, Event::DocType(_)) => {
                return Err(at.fault(&ALERT_XML, "不接受 DTD", "a DTD is not taken"));
            }
            (_, Event::PI(_)) => {
                let en = "processing instructions are not taken";
                return Err(at.fault(&ALERT_XML, "不接受处理指令", en));
            }
            (_, Event::Decl(declaration)) => {
                let encoding = declaration.encoding().transpose().ok().flatten();
                if encoding.is_some_and(|name| !name.eq_ignore_ascii_case(b"utf-8")) {
                    return Err(at.fault(&ALERT_XML, "不是 UTF-8", "this is not UTF-8"));
                }
            }
            (_, Event::Comment(_) | Event::Empty(_)) => {}
            (_, Event::Eof) => return tree.root(&at),
        }
    }
}

/// The elements that were read so far.
struct Tree {
    /// Those that have not ended; the first holds the root.
    open: Vec<Element>,
    /// How deep it is inside an element of another namespace.
    foreign: usize,
    count: usize,
}

type Words<'a> = Result<Cow<'a, str>, EncodingError>;

impl Tree {
    fn begin(&mut self, at: &At<'_>, is_ours: bool, name: &[u8]) -> Result<(), Fault> {
        self.count += 1;
        if self.count > ELEMENTS_MAX {
            return Err(too_large(format!("more than {ELEMENTS_MAX} elements")));
        }
        if !is_ours || self.foreign > 0 {
            self.foreign += 1;
            return Ok(());
        }
        if self.open.len() > DEPTH_MAX {
            return Err(at.fault(&ALERT_XML, "嵌套过深", "elements lie too deep"));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        self.open.push(Element { name, byte: at.byte, ..Element::default() });
        Ok(())
    }

    fn end(&mut self, at: &At<'_>) -> Result<(), Fault> {
        if self.foreign > 0 {
            self.foreign -= 1;
            return Ok(());
        }
        let closed = self.open.pop();
        match (closed, self.open.last_mut()) {
            (Some(closed), Some(around)) => around.inside.push(closed),
            _ => return Err(at.fault(&ALERT_XML, "多余的结束标签", "an end too many")),
        }
        Ok(())
    }

    fn add(&mut self, at: &At<'_>, words: &Words<'_>) -> Result<(), Fault> {
        let words = words.as_ref().map_err(|fault| {
            at.fault(&ALERT_XML, format!("编码有误：{fault}"), format!("bad encoding: {fault}"))
        })?;
        if self.foreign > 0 {
            return Ok(());
        }
        if self.open.len() == 1 && !words.trim().is_empty() {
            let en = "there is text outside of elements";
            return Err(at.fault(&ALERT_XML, "元素之外有文字", en));
        }
        if let Some(element) = self.open.last_mut() {
            element.text.push_str(words);
        }
        Ok(())
    }

    /// The one element that everything lies in.
    fn root(mut self, at: &At<'_>) -> Result<Element, Fault> {
        let whole = self.open.pop().filter(|_| self.open.is_empty() && self.foreign == 0);
        let mut inside = whole.map(|whole| whole.inside).unwrap_or_default();
        match inside.pop() {
            Some(root) if inside.is_empty() && root.name == "alert" => Ok(root),
            _ => Err(at.fault(
                &ALERT_XML,
                format!("根元素应为 {NAMESPACE} 的 alert"),
                format!("the root is one `alert` of {NAMESPACE}"),
            )),
        }
    }
}

/// One of the five references that every XML knows, or a character by its number.
fn character(reference: &BytesRef<'_>) -> Option<String> {
    let name = reference.decode().ok()?;
    if reference.is_char_ref() {
        let c = reference.resolve_char_ref().ok()??;
        let is_xml = matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..);
        return is_xml.then(|| c.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(&name).map(str::to_owned)
}

/// Reads elements as what the standard says of them.
struct Form<'t> {
    text: &'t str,
}

impl Form<'_> {
    fn fault(&self, of: &Element, code: &'static ErrorCode, zh: &str, en: &str) -> Fault {
        let name = &of.name;
        let at = At { text: self.text, byte: of.byte };
        at.fault(code, format!("`{name}` {zh}"), format!("`{name}` {en}"))
    }

    fn message(&self, alert: &Element) -> Result<Received, Fault> {
        let status = self.needed(alert, "status")?;
        let is_real = match status.text.trim() {
            "Actual" => true,
            "Exercise" | "Test" => false,
            _ => return Err(self.sort(status)),
        };
        let kind = self.needed(alert, "msgType")?;
        let kind = match kind.text.trim() {
            "Alert" => Kind::Alert,
            "Update" => Kind::Update,
            "Cancel" => Kind::Cancel,
            _ => return Err(self.sort(kind)),
        };
        let mut references = Vec::new();
        for element in all(alert, "references") {
            for one in element.text.split_whitespace() {
                references.push(self.reference(element, one)?);
            }
        }
        let infos: Result<Vec<_>, _> = all(alert, "info").map(|info| self.info(info)).collect();
        let received = Received {
            source: Source {
                sender: self.name(self.needed(alert, "sender")?)?,
                identifier: self.name(self.needed(alert, "identifier")?)?,
            },
            sent: self.time(self.needed(alert, "sent")?)?,
            is_real,
            kind,
            references,
            infos: infos?,
        };
        if kind != Kind::Cancel && received.infos.is_empty() {
            return Err(self.fault(alert, &ALERT_FIELD, "缺少 info", "lacks `info`"));
        }
        if kind != Kind::Alert && received.references.is_empty() {
            return Err(self.fault(alert, &ALERT_FIELD, "缺少 references", "lacks `references`"));
        }
        let points = received.infos.iter().flat_map(|info| &info.areas);
        let points: usize = points.flat_map(|area| &area.polygons).map(Vec::len).sum();
        if points > POINTS_MAX {
            return Err(too_large(format!("{points} points")));
        }
        Ok(received)
    }

    fn sort(&self, of: &Element) -> Fault {
        let value = quote(of.text.trim().as_bytes());
        self.fault(of, &ALERT_KIND, &format!("为 {value}"), &format!("is {value}"))
    }

    fn needed<'e>(&self, of: &'e Element, name: &str) -> Result<&'e Element, Fault> {
        all(of, name).next().ok_or_else(|| {
            self.fault(of, &ALERT_FIELD, &format!("缺少 {name}"), &format!("lacks `{name}`"))
        })
    }

    /// A name as the standard allows it.
    fn name(&self, of: &Element) -> Result<String, Fault> {
        self.name_text(of, of.text.trim())
    }

    fn name_text(&self, of: &Element, text: &str) -> Result<String, Fault> {
        let fits = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | '<' | '&');
        let is_name = (1..=NAME_LEN_MAX).contains(&text.chars().count()) && text.chars().all(fits);
        if is_name {
            return Ok(text.to_owned());
        }
        let zh = format!("应为 1 至 {NAME_LEN_MAX} 字，不含空白、逗号、`<`、`&`");
        let en = format!("has 1 to {NAME_LEN_MAX} characters without blanks, commas, `<` and `&`");
        Err(self.fault(of, &ALERT_FIELD, &zh, &en))
    }

    fn reference(&self, of: &Element, text: &str) -> Result<Source, Fault> {
        let mut parts = text.split(',');
        let (Some(sender), Some(identifier), Some(sent), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            let en = "holds `sender,identifier,sent`, with blanks between several";
            return Err(self.fault(of, &ALERT_FIELD, "应为“发送者,标识,时间”，以空格分隔", en));
        };
        self.time_text(of, sent)?;
        let sender = self.name_text(of, sender)?;
        Ok(Source { sender, identifier: self.name_text(of, identifier)? })
    }

    fn time(&self, of: &Element) -> Result<Timestamp, Fault> {
        self.time_text(of, of.text.trim())
    }

    fn time_text(&self, of: &Element, text: &str) -> Result<Timestamp, Fault> {
        // The standard allows no `Z` and no parts of seconds; both are understood all the same.
        Timestamp::parse_rfc3339(text).ok_or_else(|| {
            let en = "is a time with a zone (2026-11-21T08:00:00+08:00)";
            self.fault(of, &ALERT_FIELD, "应为带时区的时间（2026-11-21T08:00:00+08:00）", en)
        })
    }

    fn info(&self, info: &Element) -> Result<ReceivedInfo, Fault> {
        let severity = self.needed(info, "severity")?;
        let severity = match severity.text.trim() {
            "Extreme" => Severity::EXTREME,
            "Severe" => Severity::SEVERE,
            "Moderate" => Severity::MODERATE,
            // Nobody is called out of bed for what nobody knows, and nothing is passed over.
            "Minor" | "Unknown" => Severity::MINOR,
            _ => {
                return Err(self.fault(
                    severity,
                    &ALERT_FIELD,
                    "无效",
                    "is not one of the standard",
                ));
            }
        };
        let event = self.needed(info, "event")?;
        if event.text.trim().is_empty() {
            return Err(self.fault(event, &ALERT_FIELD, "为空", "is empty"));
        }
        let areas: Result<Vec<_>, _> = all(info, "area").map(|area| self.area(area)).collect();
        let expires = all(info, "expires").next().map(|of| self.time(of)).transpose()?;
        Ok(ReceivedInfo {
            language: words(info, "language").unwrap_or_else(|| "en-US".to_owned()),
            event: short(&event.text),
            headline: words(info, "headline"),
            description: words(info, "description"),
            is_over: all(info, "responseType").any(|of| of.text.trim() == "AllClear"),
            severity,
            expires,
            areas: areas?,
        })
    }

    fn area(&self, area: &Element) -> Result<ReceivedArea, Fault> {
        let polygons: Result<Vec<Ring>, _> =
            all(area, "polygon").map(|of| self.polygon(of)).collect();
        let circles: Result<Vec<_>, _> = all(area, "circle").map(|of| self.circle(of)).collect();
        let code = |of: &Element| words(of, "value");
        Ok(ReceivedArea {
            description: words(area, "areaDesc").unwrap_or_default(),
            polygons: polygons?,
            circles: circles?,
            codes: all(area, "geocode").filter_map(code).collect(),
        })
    }

    fn polygon(&self, of: &Element) -> Result<Ring, Fault> {
        let points: Option<Ring> = of.text.split_whitespace().map(point).collect();
        let points = points.filter(|points| points.len() >= 4 && points.first() == points.last());
        let mut points = points.ok_or_else(|| {
            let en = "holds at least four `latitude,longitude`, the first one again at the end";
            self.fault(of, &ALERT_FIELD, "应为至少四个“纬度,经度”，首尾相同", en)
        })?;
        points.pop();
        Ok(points)
    }

    fn circle(&self, of: &Element) -> Result<([f64; 2], f64), Fault> {
        let mut parts = of.text.split_whitespace();
        let middle = parts.next().and_then(point);
        let radius = parts.next().and_then(|text| text.parse::<f64>().ok());
        let radius = radius.filter(|km| km.is_finite() && *km >= 0.0 && parts.next().is_none());
        middle.zip(radius).ok_or_else(|| {
            let en = "holds `latitude,longitude kilometres`";
            self.fault(of, &ALERT_FIELD, "应为“纬度,经度 公里”", en)
        })
    }
}

/// Elements of that name directly inside.
fn all<'e>(of: &'e Element, name: &str) -> impl Iterator<Item = &'e Element> {
    of.inside.iter().filter(move |inside| inside.name == name)
}

/// The words of the first element of that name, unless it is empty.
fn words(of: &Element, name: &str) -> Option<String> {
    all(of, name).next().map(|of| short(&of.text)).filter(|text| !text.is_empty())
}

fn short(text: &str) -> String {
    text.trim().chars().take(TEXT_LEN_MAX).collect()
}

/// `latitude,longitude` as longitude and latitude.
fn point(text: &str) -> Option<[f64; 2]> {
    let (latitude, longitude) = text.split_once(',')?;
    let degrees = |text: &str, most: f64| {
        text.parse::<f64>().ok().filter(|degrees| degrees.is_finite() && degrees.abs() <= most)
    };
    Some([degrees(longitude, 180.0)?, degrees(latitude, 90.0)?])
}
