//! Writes what is told. Fields that a version does not know are left out of what goes to it.

use serde_json::{Map, Value as Json, json};

use super::{Id, Refused, Tool, Version, Why, input_schema};

/// Who answers, in the field that each answer of a version that stands alone has.
const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";
/// For how long a client may keep the list of tools.
const KEPT_MS: u32 = 300_000;

/// Who answers.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The program's name.
    pub name: &'a str,
    /// Its name for people.
    pub title: &'a str,
    /// The program's version.
    pub version: &'a str,
    /// What an assistant should know before it uses tools.
    pub instructions: &'a str,
}

impl About<'_> {
    fn server(&self) -> Json {
        json!({"name": self.name, "title": self.title, "version": self.version})
    }
}

/// The answer to `initialize`.
pub fn initialized(version: Version, about: &About<'_>) -> Json {
    json!({
        "protocolVersion": version.word(),
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": about.server(),
        "instructions": about.instructions,
    })
}

/// The answer to `server/discover`.
pub fn discovered(about: &About<'_>) -> Json {
    json!({
        "supportedVersions": Version::ALL.map(Version::word),
        "capabilities": {"tools": {}},
        "instructions": about.instructions,
        "ttlMs": KEPT_MS,
        "cacheScope": "private",
    })
}

/// The answer to `tools/list`, in the order given. It is for one caller: what another may do is another list.
pub fn tools<'a>(version: Version, tools: impl IntoIterator<Item = &'a Tool>) -> Json {
    let tools: Vec<Json> = tools.into_iter().map(|tool| described(version, tool)).collect();
    let mut list = json!({"tools": tools});
    if version.stands_alone() {
        list["ttlMs"] = json!(KEPT_MS);
        list["cacheScope"] = json!("private");
    }
    list
}

fn described(version: Version, tool: &Tool) -> Json {
    let mut described = json!({
        "name": tool.name,
        "description": tool.about,
        "inputSchema": input_schema(tool),
        "annotations": {
            "title": tool.title,
            "readOnlyHint": tool.only_reads,
            "destructiveHint": false,
            "idempotentHint": tool.only_reads,
            "openWorldHint": false,
        },
    });
    if version >= Version::V20250618 {
        described["title"] = json!(tool.title);
    }
    described
}

/// The answer of a tool: as a structure, and the same as a text for who reads no structures.
pub fn replied(version: Version, structure: Json, text: String) -> Json {
    answer(version, structure, text, false)
}

/// A tool's refusal: in words that an assistant can act on, and as a structure.
pub fn failed(version: Version, structure: Json, text: String) -> Json {
    answer(version, structure, text, true)
}

fn answer(version: Version, structure: Json, text: String, is_error: bool) -> Json {
    let mut answer = Map::new();
    answer.insert("content".into(), json!([{"type": "text", "text": text}]));
    if version >= Version::V20250618 {
        answer.insert("structuredContent".into(), structure);
    }
    answer.insert("isError".into(), is_error.into());
    Json::Object(answer)
}

/// A message that answers a request.
pub fn result(version: Version, id: &Id, mut result: Json, about: &About<'_>) -> Json {
    if version.stands_alone() {
        result["resultType"] = json!("complete");
        let meta = result.as_object_mut().map(|result| result.entry("_meta").or_insert(json!({})));
        if let Some(meta) = meta {
            meta[META_SERVER] = about.server();
        }
    }
    json!({"jsonrpc": "2.0", "id": id_json(id), "result": result})
}

/// A message that refuses a request.
pub fn refused(refused: &Refused) -> Json {
    let Refused { id, why, fault, .. } = refused;
    let code = fault.code;
    let mut data = json!({
        "code": code.label(),
        "text": {"zh": code.zh, "en": code.en},
        "hint": {"zh": code.hint_zh, "en": code.hint_en},
        "detail": fault.reason.en,
    });
    if let Why::Version(requested) = why {
        data["supported"] = json!(Version::ALL.map(Version::word));
        data["requested"] = json!(requested);
    }
    let message = format!("{} {} / {}: {}", code.label(), code.zh, code.en, fault.reason.en);
    let mut refused = json!({
        "jsonrpc": "2.0",
        "error": {"code": why.code(), "message": message, "data": data},
    });
    if let Some(id) = id {
        refused["id"] = id_json(id);
    }
    refused
}

fn id_json(id: &Id) -> Json {
    match id {
        Id::Text(text) => json!(text),
        Id::Number(number) => json!(number),
    }
}
