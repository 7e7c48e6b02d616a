//! Reads what is asked.
//!
//! A fault's line is the number of the message in its batch, from 1; 0 is the body as a whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chengmai_model::error::{ErrorCode, MCP_ARGUMENT, MCP_HEADERS, MCP_MESSAGE, MCP_VERSION};
use serde_json::{Map, Value as Json};

use super::{
    BATCH_MAX, Call, DEPTH_MAX, Headers, Id, Message, NAME_LEN_MAX, Posted, REQUEST_BYTES_MAX,
    Refused, Request, Version, Why,
};
use crate::Fault;
use crate::error::{place, quote};

/// Where a request that stands alone says its version, and what its sender can do.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
/// A header whose value is no plain text is written between these.
const ENCODED: (&str, &str) = ("=?base64?", "?=");

/// Reads a body.
pub fn decode(body: &[u8], headers: &Headers<'_>) -> Posted {
    let whole = |why, zh: &str, en: String| {
        Posted::One(Err(Reader { line: 0, id: None, alone: false }.no(why, &MCP_MESSAGE, zh, en)))
    };
    if body.len() > REQUEST_BYTES_MAX {
        let en = format!("{} bytes of at most {REQUEST_BYTES_MAX}", body.len());
        return whole(Why::Message, "消息过大", en);
    }
    if depth(body) > DEPTH_MAX {
        return whole(Why::Message, "嵌套过深", format!("deeper than {DEPTH_MAX}"));
    }
    match serde_json::from_slice(body) {
        Ok(Json::Array(messages)) => batch(messages, headers),
        Ok(message) => Posted::One(read(0, message, headers)),
        Err(error) => whole(Why::Parse, "不是 JSON", error.to_string()),
    }
}

/// How deep brackets nest, without a look at what they hold: a reader that recurses must not be led deeper.
fn depth(body: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Several messages, which only one version has.
fn batch(messages: Vec<Json>, headers: &Headers<'_>) -> Posted {
    let no = |why, code, en: String| {
        let reader = Reader { line: 0, id: None, alone: false };
        Posted::One(Err(reader.no(why, code, "不接受这一批消息", en)))
    };
    match headers.version.map(|word| (word, Version::from_word(word))) {
        None | Some((_, Some(Version::V20250326))) => {}
        Some((word, None)) => {
            return no(Why::Version(short(word)), &MCP_VERSION, quote(word.as_bytes()));
        }
        Some((word, Some(_))) => {
            return no(Why::Message, &MCP_MESSAGE, format!("version {word} has no batches"));
        }
    }
    if !(1..=BATCH_MAX).contains(&messages.len()) {
        let en = format!("{} messages, of 1 to {BATCH_MAX}", messages.len());
        return no(Why::Message, &MCP_MESSAGE, en);
    }
    let read = (1..).zip(messages).map(|(line, message)| {
        let read = read(line, message, headers)?;
        let Message::Request(Request { call, id, .. }) = &read else { return Ok(read) };
        if matches!(call, Call::Initialize(_)) {
            let reader = Reader { line, id: Some(id.clone()), alone: false };
            let en = "initialize comes by itself".to_owned();
            return Err(reader.no(Why::Message, &MCP_MESSAGE, "initialize 须单独发送", en));
        }
        Ok(read)
    });
    Posted::Many(read.collect())
}

/// What is known of a message while it is read.
struct Reader {
    line: usize,
    id: Option<Id>,
    /// It is of a version in which each request stands alone.
    alone: bool,
}

impl Reader {
    fn no(&self, why: Why, code: &'static ErrorCode, zh: &str, en: String) -> Refused {
        let status = match (&why, self.alone) {
            (Why::Method, true) => 404,
            // In a message that is sound otherwise it is an answer like any other.
            (Why::Method | Why::Parameters, false) => 200,
            _ => 400,
        };
        let reason = format!("{zh}：{en}");
        let fault = Fault::new(place(self.line), 0, code, reason, en);
        Refused { id: self.id.clone(), why, status, fault }
    }

    fn message(&self, zh: &str, en: &str) -> Refused {
        self.no(Why::Message, &MCP_MESSAGE, zh, en.to_owned())
    }

    fn parameters(&self, zh: &str, en: &str) -> Refused {
        self.no(Why::Parameters, &MCP_ARGUMENT, zh, en.to_owned())
    }

    fn headers(&self, en: String) -> Refused {
        self.no(Why::Headers, &MCP_HEADERS, "请求头与消息不一致", en)
    }

    fn unspoken(&self, word: &str) -> Refused {
        let en = quote(word.as_bytes());
        self.no(Why::Version(short(word)), &MCP_VERSION, "不支持的协议版本", en)
    }
}

fn read(line: usize, message: Json, headers: &Headers<'_>) -> Result<Message, Refused> {
    let mut reader = Reader { line, id: None, alone: false };
    let Json::Object(mut message) = message else {
        return Err(reader.message("消息须是对象", "a message is an object"));
    };
    if message.get("jsonrpc").and_then(Json::as_str) != Some("2.0") {
        return Err(reader.message("缺少 jsonrpc: 2.0", "jsonrpc is not \"2.0\""));
    }
    let id = message.remove("id").map(id_of);
    if let Some(id) = id {
        let bad = "an id is a short text or a whole number";
        reader.id = Some(id.ok_or_else(|| reader.message("id 须是短文本或整数", bad))?);
    }
    let method = match message.remove("method") {
        Some(Json::String(method)) if method.len() <= NAME_LEN_MAX => method,
        None if message.contains_key("result") || message.contains_key("error") => {
            return Ok(Message::Silent);
        }
        _ => return Err(reader.message("缺少 method", "there is no method")),
    };
    let mut parameters = match message.remove("params") {
        None => Map::new(),
        Some(Json::Object(parameters)) => parameters,
        Some(_) => return Err(reader.message("params 须是对象", "params are an object")),
    };
    let version = version_of(&mut reader, &method, &parameters, headers)?;
    let Some(id) = reader.id.clone() else { return Ok(Message::Silent) };
    if version.stands_alone() {
        same_headers(&reader, &method, &parameters, headers)?;
    }
    let call = call(&reader, version, &method, &mut parameters)?;
    Ok(Message::Request(Request { id, version, call }))
}

fn id_of(id: Json) -> Option<Id> {
    match id {
        Json::String(text) if text.len() <= NAME_LEN_MAX => Some(Id::Text(text)),
        Json::Number(number) => number.as_i64().map(Id::Number),
        _ => None,
    }
}

/// In which version a message is asked: what it says itself, else what its header says. Who says nothing is taken
/// for the version that had no such header.
fn version_of(
    reader: &mut Reader,
    method: &str,
    parameters: &Map<String, Json>,
    headers: &Headers<'_>,
) -> Result<Version, Refused> {
    let meta = parameters.get("_meta").and_then(Json::as_object);
    let said = meta.and_then(|meta| meta.get(META_VERSION));
    let Some(said) = said else {
        // Before `initialize` was answered no version was agreed upon.
        let header = headers.version.filter(|_| method != "initialize");
        let Some(word) = header else { return Ok(Version::V20250326) };
        let version = Version::from_word(word).ok_or_else(|| reader.unspoken(word))?;
        reader.alone = version.stands_alone();
        if reader.alone && reader.id.is_some() {
            let refused = reader.parameters("缺少 _meta 中的协议版本", META_VERSION);
            return Err(Refused { status: 400, ..refused });
        }
        return Ok(version);
    };
    reader.alone = true;
    let said = said.as_str().unwrap_or_default();
    let header = headers.version.unwrap_or_default();
    if header != said {
        let (header, said) = (quote(header.as_bytes()), quote(said.as_bytes()));
        return Err(reader.headers(format!("MCP-Protocol-Version {header} is not {said}")));
    }
    let version = Version::from_word(said).filter(|version| version.stands_alone());
    let version = version.ok_or_else(|| reader.unspoken(said))?;
    if !meta.is_some_and(|meta| meta.get(META_CAPABILITIES).is_some_and(Json::is_object)) {
        let refused = reader.parameters("缺少 _meta 中的客户端能力", META_CAPABILITIES);
        return Err(Refused { status: 400, ..refused });
    }
    Ok(version)
}

/// Whoever forwards requests by their headers must not be told another story than we are.
fn same_headers(
    reader: &Reader,
    method: &str,
    parameters: &Map<String, Json>,
    headers: &Headers<'_>,
) -> Result<(), Refused> {
    let differs = |name: &str, shown: Option<&str>, said: &str| {
        let shown = shown.unwrap_or_default();
        let (shown, said) = (quote(shown.as_bytes()), quote(said.as_bytes()));
        reader.headers(format!("{name} {shown} is not {said}"))
    };
    if headers.method != Some(method) {
        return Err(differs("Mcp-Method", headers.method, method));
    }
    if method != "tools/call" {
        return Ok(());
    }
    let name = parameters.get("name").and_then(Json::as_str).unwrap_or_default();
    let shown = headers.name.map(|shown| plain(shown).unwrap_or_default());
    if shown.as_deref() == Some(name.as_bytes()) {
        return Ok(());
    }
    Err(differs("Mcp-Name", headers.name, name))
}

/// A header's value, out of Base64 where it was put into it.
fn plain(shown: &str) -> Option<Vec<u8>> {
    let inner = shown.strip_prefix(ENCODED.0).and_then(|rest| rest.strip_suffix(ENCODED.1));
    let Some(inner) = inner else { return Some(shown.as_bytes().to_vec()) };
    STANDARD.decode(inner).ok()
}

fn call(
    reader: &Reader,
    version: Version,
    method: &str,
    parameters: &mut Map<String, Json>,
) -> Result<Call, Refused> {
    match (method, version.stands_alone()) {
        ("initialize", false) => {
            let wanted = parameters.get("protocolVersion").and_then(Json::as_str);
            let missing = || reader.parameters("缺少 protocolVersion", "no protocolVersion");
            let wanted = Version::from_word(wanted.ok_or_else(missing)?);
            let wanted = wanted.filter(|version| !version.stands_alone());
            Ok(Call::Initialize(wanted.unwrap_or(Version::NEWEST_WITH_INITIALIZE)))
        }
        ("ping", false) => Ok(Call::Ping),
        ("server/discover", true) => Ok(Call::Discover),
        ("tools/list", _) => match parameters.get("cursor") {
            None | Some(Json::Null) => Ok(Call::ListTools),
            Some(_) => Err(reader.parameters("没有下一页", "the list of tools has one page")),
        },
        ("tools/call", _) => {
            let name = match parameters.remove("name") {
                Some(Json::String(name)) if name.len() <= NAME_LEN_MAX => name,
                _ => return Err(reader.parameters("缺少工具名", "no name of a tool")),
            };
            let arguments = match parameters.remove("arguments") {
                None | Some(Json::Null) => Map::new(),
                Some(Json::Object(arguments)) => arguments,
                Some(_) => {
                    return Err(reader.parameters("参数须是对象", "arguments are an object"));
                }
            };
            Ok(Call::CallTool { name, arguments })
        }
        _ => {
            let en = quote(method.as_bytes());
            Err(reader.no(Why::Method, &MCP_ARGUMENT, "没有这个方法", en))
        }
    }
}

/// A word of a client, cut before it goes back.
fn short(word: &str) -> String {
    word.chars().take(NAME_LEN_MAX).collect()
}
