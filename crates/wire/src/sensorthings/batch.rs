//! Several requests in one body: as JSON, or as `multipart/mixed` of whole HTTP requests.
//!
//! Not here: change sets, whose requests are all done or none of them; they are refused.

use chengmai_model::error::STA_BODY;
use serde_json::{Map, Value as Json, json};

use super::decode;
use crate::error::Fault;

/// Requests of one body.
pub const BATCH_MAX: usize = 1_000;

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
        if one.get("atomicityGroup").is_some() {
            return Err(change_set());
        }
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
        requests.push(Request { id, method, url, content_type: content_type.to_owned(), body });
    }
    Ok(requests)
}

/// The answers, in the order of the requests.
pub fn encode_json(replies: &[Reply]) -> Json {
    let reply = |reply: &Reply| {
        let mut map = Map::new();
        map.insert("id".to_owned(), reply.id.as_str().into());
        map.insert("status".to_owned(), reply.status.into());
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
    let boundary = content_type.split_once("boundary=").map(|(_, rest)| rest);
    let boundary =
        boundary.and_then(|rest| rest.split(';').next()).map(|b| b.trim().trim_matches('"'));
    let boundary = boundary.filter(|boundary| !boundary.is_empty() && boundary.len() <= 200);
    let boundary = boundary.ok_or_else(|| bad("缺少 boundary", "the boundary is missing"))?;
    let mark = format!("--{boundary}");
    let mut requests = Vec::new();
    for (number, part) in (1..).zip(text.split(&mark).skip(1)) {
        if part.starts_with("--") {
            return Ok(requests);
        }
        limited(number)?;
        let request = part_request(part).ok_or_else(|| {
            let (zh, en) = (
                format!("第 {number} 部分不是 HTTP 请求"),
                format!("part {number} is no HTTP request"),
            );
            bad(zh, en)
        })?;
        if request.method.is_empty() {
            return Err(change_set());
        }
        let id = if request.id.is_empty() { number.to_string() } else { request.id };
        requests.push(Request { id, ..request });
    }
    Err(bad("没有结束的 boundary", "the closing boundary is missing"))
}

/// One part: headers, an empty line, and a request of its own. Without a method it is a change set.
fn part_request(part: &str) -> Option<Request> {
    let (headers, inner) = halves(part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'))?)?;
    let mut request = Request {
        id: header(headers, "content-id").unwrap_or_default().trim_matches(['<', '>']).to_owned(),
        method: String::new(),
        url: String::new(),
        content_type: String::new(),
        body: Vec::new(),
    };
    let kind = header(headers, "content-type")?;
    if kind.starts_with("multipart/") {
        return Some(request);
    }
    if !kind.starts_with("application/http") {
        return None;
    }
    let inner = inner.trim_start();
    let (head, body) = halves(inner).unwrap_or((inner.trim_end(), ""));
    let mut words = head.lines().next()?.split(' ').filter(|word| !word.is_empty());
    request.method = words.next()?.to_ascii_uppercase();
    let rest: Vec<&str> = words.filter(|word| !word.starts_with("HTTP/")).collect();
    request.url = rest.join(" ");
    header(head, "content-type").unwrap_or_default().clone_into(&mut request.content_type);
    request.body = body.trim().as_bytes().to_vec();
    (!request.url.is_empty()).then_some(request)
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

/// The answers between marks.
pub fn encode_multipart(replies: &[Reply], boundary: &str) -> String {
    let part = |reply: &Reply| {
        let Reply { id, status, location, body } = reply;
        let body = body.as_ref().map(Json::to_string).unwrap_or_default();
        let location = location.as_ref().map(|at| format!("Location: {at}\r\n"));
        let location = location.unwrap_or_default();
        let id: String = id.chars().filter(|c| !c.is_control()).collect();
        format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\n\
             HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{location}\r\n{body}\r\n"
        )
    };
    replies.iter().map(part).chain([format!("--{boundary}--\r\n")]).collect()
}

fn limited(count: usize) -> Result<(), Fault> {
    if count <= BATCH_MAX {
        return Ok(());
    }
    Err(bad(format!("请求超过 {BATCH_MAX} 个"), format!("more than {BATCH_MAX} requests")))
}

fn change_set() -> Fault {
    bad("不支持变更集；请逐个发送", "change sets are not taken; send their requests one by one")
}

fn bad(zh: impl Into<String>, en: impl Into<String>) -> Fault {
    Fault::new(0, 1, &STA_BODY, zh, en)
}
