//! Several requests in one body: as JSON, or as `multipart/mixed` of whole HTTP requests.
//!
//! Requests of one change set carry its name and stand together: they are all done, or none of them. A
//! request may name an earlier one by `$` and its id, in its address and in the ids of its body.

use chengmai_model::error::STA_BODY;
use serde_json::{Map, Value as Json, json};

use super::decode;
use crate::error::Fault;

/// Requests of one body.
pub const BATCH_MAX: usize = 1_000;
/// Requests that are done together: nobody else changes records meanwhile.
const CHANGE_SET_MAX: usize = 200;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// By which its answer is known.
    pub id: String,
    /// `GET`, `POST`, `PATCH`, `PUT` or `DELETE`.
    pub method: String,
    /// Its address: whole, from the host's root, or from the root of the service.
    pub url: String,
    /// Media type of its body.
    pub content_type: String,
    /// Its body.
    pub body: Vec<u8>,
    /// The change set that it is a part of.
    pub group: Option<String>,
}

impl Request {
    /// Path and query of its address, from the root of the service on; `base` is that root's own path.
    pub fn address(&self, base: &str) -> (String, String) {
        let url = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(_, rest)| rest.find('/').map_or("", |at| &rest[at..]));
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let path = path.split_once(base).map_or(path, |(_, below)| below);
        // The letters that mean something in forms mean nothing in paths.
        let form = path.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
        let path = form_urlencoded::parse(form.as_bytes()).next();
        (path.map(|(path, _)| path.into_owned()).unwrap_or_default(), query.to_owned())
    }
}

/// Its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// Whose answer.
    pub id: String,
    /// Status of HTTP.
    pub status: u16,
    /// Address of what was made.
    pub location: Option<String>,
    /// What is said.
    pub body: Option<Json>,
    /// The change set whose part it is.
    pub group: Option<String>,
}

/// Reads `{"requests": [...]}`.
///
/// # Errors
/// [`STA_BODY`] with the number of the request that is none.
pub fn decode_json(body: &[u8]) -> Result<Vec<Request>, Fault> {
    let json = decode::json(body)?;
    let list = json.get("requests").and_then(Json::as_array);
    let list = list.ok_or_else(|| bad("缺少 requests", "requests is missing"))?;
    limited(list.len())?;
    let mut requests = Vec::with_capacity(list.len());
    for (number, one) in (1..).zip(list) {
        let text = |name: &str| one.get(name).and_then(Json::as_str).map(str::to_owned);
        let group = text("atomicityGroup");
        let (Some(id), Some(method), Some(url)) = (text("id"), text("method"), text("url")) else {
            let (zh, en) = (
                format!("第 {number} 个请求缺少 id、method 或 url"),
                format!("request {number} lacks id, method or url"),
            );
            return Err(bad(zh, en));
        };
        let body = one.get("body").map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let headers = one.get("headers").and_then(Json::as_object);
        let content_type = headers.and_then(|headers| {
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        });
        let content_type = content_type.and_then(|(_, value)| value.as_str()).unwrap_or_default();
        let method = method.to_ascii_uppercase();
        let content_type = content_type.to_owned();
        requests.push(Request { id, method, url, content_type, body, group });
    }
    together(&requests)?;
    Ok(requests)
}

/// The answers, in the order of the requests.
pub fn encode_json(replies: &[Reply]) -> Json {
    let reply = |reply: &Reply| {
        let mut map = Map::new();
        map.insert("id".to_owned(), reply.id.as_str().into());
        map.insert("status".to_owned(), reply.status.into());
        if let Some(group) = &reply.group {
            map.insert("atomicityGroup".to_owned(), group.as_str().into());
        }
        if let Some(location) = &reply.location {
            map.insert("headers".to_owned(), json!({"location": location}));
        }
        if let Some(body) = &reply.body {
            map.insert("body".to_owned(), body.clone());
        }
        Json::Object(map)
    };
    json!({"responses": replies.iter().map(reply).collect::<Vec<_>>()})
}

/// Reads the parts of a `multipart/mixed` body.
///
/// # Errors
/// [`STA_BODY`] with the number of the part that is no request.
pub fn decode_multipart(content_type: &str, body: &[u8]) -> Result<Vec<Request>, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| bad("不是 UTF-8 文本", "not UTF-8 text"))?;
    let mut requests = Vec::new();
    for (number, part) in (1..).zip(parts(content_type, text)?) {
        let none = || {
            let (zh, en) = (
                format!("第 {number} 部分不是 HTTP 请求"),
                format!("part {number} is no HTTP request"),
            );
            bad(zh, en)
        };
        let (headers, inner) = halves(part).ok_or_else(none)?;
        let kind = header(headers, "content-type").ok_or_else(none)?;
        if kind.starts_with("multipart/") {
            for one in parts(kind, inner)? {
                let request = part_request(one).ok_or_else(none)?;
                requests.push(Request { group: Some(number.to_string()), ..request });
                limited(requests.len())?;
            }
        } else {
            requests.push(part_request(part).ok_or_else(none)?);
            limited(requests.len())?;
        }
    }
    for (number, request) in (1_usize..).zip(&mut requests) {
        if request.id.is_empty() {
            request.id = number.to_string();
        }
    }
    together(&requests)?;
    Ok(requests)
}

/// What stands between the marks that a content type names.
fn parts<'a>(content_type: &str, text: &'a str) -> Result<Vec<&'a str>, Fault> {
    let boundary = content_type.split_once("boundary=").map(|(_, rest)| rest);
    let boundary =
        boundary.and_then(|rest| rest.split(';').next()).map(|b| b.trim().trim_matches('"'));
    let boundary = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= 200);
    let boundary = boundary.ok_or_else(|| bad("缺少 boundary", "the boundary is missing"))?;
    let (mut parts, mut begins, mut at) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let end = at + line.len();
        let rest = line.trim_end().strip_prefix("--").and_then(|rest| rest.strip_prefix(boundary));
        if let Some(rest @ ("" | "--")) = rest {
            if let Some(from) = begins.replace(end) {
                parts.push(&text[from..at]);
            }
            limited(parts.len())?;
            if rest == "--" {
                return Ok(parts);
            }
        }
        at = end;
    }
    Err(bad("没有结束的 boundary", "the closing boundary is missing"))
}

/// One part: headers, an empty line, and a request of its own.
fn part_request(part: &str) -> Option<Request> {
    let (headers, inner) = halves(part)?;
    if !header(headers, "content-type")?.starts_with("application/http") {
        return None;
    }
    let id = header(headers, "content-id").unwrap_or_default().trim_matches(['<', '>']).to_owned();
    let inner = inner.trim_start();
    let (head, body) = halves(inner).unwrap_or((inner.trim_end(), ""));
    let mut words = head.lines().next()?.split(' ').filter(|word| !word.is_empty());
    let method = words.next()?.to_ascii_uppercase();
    let rest: Vec<&str> = words.filter(|word| !word.starts_with("HTTP/")).collect();
    let url = rest.join(" ");
    let content_type = header(head, "content-type").unwrap_or_default().to_owned();
    let body = body.trim().as_bytes().to_vec();
    (!url.is_empty()).then_some(Request { id, method, url, content_type, body, group: None })
}

/// What stands before the first empty line, and what behind it.
fn halves(text: &str) -> Option<(&str, &str)> {
    let (crlf, lf) = (text.find("\r\n\r\n"), text.find("\n\n"));
    match (crlf, lf) {
        (Some(at), lf) if lf.is_none_or(|lf| at < lf) => Some((&text[..at], &text[at + 4..])),
        (_, Some(at)) => Some((&text[..at], &text[at + 2..])),
        _ => None,
    }
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The answers between marks; those of a change set between marks of their own.
pub fn encode_multipart(replies: &[Reply], boundary: &str) -> String {
    let mut text = String::new();
    for group in replies.chunk_by(|a, b| a.group.is_some() && a.group == b.group) {
        let named = group.first().and_then(|first| first.group.as_deref());
        let Some(number) = named else {
            text.extend(group.iter().map(|reply| part(reply, boundary)));
            continue;
        };
        let number: String = number.chars().filter(char::is_ascii_alphanumeric).collect();
        let inner = format!("{boundary}_{number}");
        let kind = format!("multipart/mixed; boundary={inner}");
        text.extend([format!("--{boundary}\r\nContent-Type: {kind}\r\n\r\n")]);
        text.extend(group.iter().map(|reply| part(reply, &inner)));
        text.extend([format!("--{inner}--\r\n")]);
    }
    text + &format!("--{boundary}--\r\n")
}

fn part(reply: &Reply, boundary: &str) -> String {
    let Reply { id, status, location, body, .. } = reply;
    let body = body.as_ref().map(Json::to_string).unwrap_or_default();
    let location = location.as_ref().map(|at| format!("Location: {at}\r\n"));
    let location = location.unwrap_or_default();
    let id: String = id.chars().filter(|c| !c.is_control()).collect();
    format!(
        "--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\n\
         HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{location}\r\n{body}\r\n"
    )
}

/// Goes on when the requests of each change set follow each other, and are not too many.
fn together(requests: &[Request]) -> Result<(), Fault> {
    let mut known = std::collections::BTreeSet::new();
    for group in requests.chunk_by(|a, b| a.group == b.group) {
        let Some(name) = group.first().and_then(|first| first.group.as_ref()) else { continue };
        if !known.insert(name) {
            let (zh, en) =
                ("同一变更集的请求须相邻", "the requests of a change set follow each other");
            return Err(bad(zh, en));
        }
        if group.len() > CHANGE_SET_MAX {
            let (zh, en) = (
                format!("变更集中的请求超过 {CHANGE_SET_MAX} 个"),
                format!("more than {CHANGE_SET_MAX} requests in a change set"),
            );
            return Err(bad(zh, en));
        }
    }
    Ok(())
}

/// A document in which ids `"$name"` are those that `known` has for the name.
pub fn referred(json: &mut Json, known: &impl Fn(&str) -> Option<Json>) {
    match json {
        Json::Array(list) => list.iter_mut().for_each(|item| referred(item, known)),
        Json::Object(map) => {
            for (key, value) in map {
                let named = value.as_str().and_then(|text| text.strip_prefix('$'));
                match named.filter(|_| key == "@iot.id" || key == "id").and_then(known) {
                    Some(id) => *value = id,
                    None => referred(value, known),
                }
            }
        }
        _ => {}
    }
}

fn limited(count: usize) -> Result<(), Fault> {
    if count <= BATCH_MAX {
        return Ok(());
    }
    Err(bad(format!("请求超过 {BATCH_MAX} 个"), format!("more than {BATCH_MAX} requests")))
}

fn bad(zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(0, 1, &STA_BODY, zh, en)
}
