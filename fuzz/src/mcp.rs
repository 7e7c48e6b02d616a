//! Messages of assistants, as each version has them. What is read is within its limits and can be answered; what
//! is refused says so in JSON-RPC.

use chengmai_wire::mcp::{
    self, About, Argument, Call, DEPTH_MAX, Headers, Kind, Message, Posted, REQUEST_BYTES_MAX,
    Refused, Tool,
};
use serde_json::Value;

use crate::Trait;
use crate::text::{bucket, hash, reason};

const ABOUT: About<'static> =
    About { name: "chengmai", title: "城脉", version: "1", instructions: "" };
/// With an argument of every kind.
const TOOL: Tool = Tool {
    name: "list_cases",
    title: "案件 Cases",
    about: "案件 / cases",
    arguments: &[
        argument("area", Kind::Text),
        argument("sql", Kind::LongText(9)),
        argument("sort", Kind::OneOf(&["filed", "due"])),
        argument("limit", Kind::Whole(1, 200)),
        argument("min", Kind::Number),
        argument("mine", Kind::Flag),
        argument("position", Kind::Position),
    ],
    only_reads: true,
};

const fn argument(name: &'static str, kind: Kind) -> Argument {
    Argument { name, kind, required: false, about: "" }
}

/// A body after the headers that it came with: `version|method|name|body`.
pub(crate) fn message(bytes: &[u8]) -> Trait {
    let mut parts = bytes.splitn(4, |&byte| byte == b'|');
    let mut header = || parts.next().map(String::from_utf8_lossy);
    let (version, method, name) = (header(), header(), header());
    let body = parts.next().unwrap_or_default();
    let headers = Headers {
        version: version.as_deref().filter(|text| !text.is_empty()),
        method: method.as_deref().filter(|text| !text.is_empty()),
        name: name.as_deref().filter(|text| !text.is_empty()),
    };
    match mcp::decode(body, &headers) {
        Posted::One(one) => answer(one, body),
        Posted::Many(many) => {
            assert!((1..=mcp::BATCH_MAX).contains(&many.len()));
            let count = bucket(many.len() as u64);
            many.into_iter().fold(count, |all, one| all.rotate_left(7) ^ answer(one, body))
        }
    }
}

fn answer(read: Result<Message, Refused>, body: &[u8]) -> Trait {
    let request = match read {
        Ok(Message::Silent) => return 1,
        Ok(Message::Request(request)) => request,
        Err(no) => return refused(&no),
    };
    assert!(body.len() <= REQUEST_BYTES_MAX);
    let (kind, result) = match request.call {
        Call::Initialize(version) => {
            assert!(!version.stands_alone());
            (2, mcp::initialized(version, &ABOUT))
        }
        Call::Discover => (3, mcp::discovered(&ABOUT)),
        Call::Ping => (4, Value::Object(serde_json::Map::new())),
        Call::ListTools => (5, mcp::tools(request.version, [&TOOL])),
        Call::CallTool { name, mut arguments } => {
            assert!(name.len() <= mcp::NAME_LEN_MAX);
            let fits = match mcp::check(&TOOL, &mut arguments) {
                Ok(()) => 1 + bucket(arguments.len() as u64),
                Err(misfit) => hash(&misfit.reason) % 8 + 40,
            };
            let said = Value::Object(arguments);
            assert!(depth(&said) <= DEPTH_MAX);
            (6 + (fits << 4), mcp::replied(request.version, said, String::new()))
        }
    };
    let told = mcp::result(request.version, &request.id, result, &ABOUT);
    assert!(told["result"].is_object() && !told["id"].is_null());
    assert_eq!(told["result"]["resultType"].is_string(), request.version.stands_alone());
    kind | (request.version as u64) << 12
}

fn refused(no: &Refused) -> Trait {
    assert!((492..=495).contains(&no.fault.code.number), "{}", no.fault);
    assert!([200, 400, 404].contains(&no.status));
    let told = mcp::refused(no);
    assert!(told["error"]["code"].is_i64() && told.get("result").is_none());
    assert_eq!(told["id"].is_null(), no.id.is_none());
    (1 << 20) | (hash(reason(&no.fault)) % 64) | u64::from(no.why.code().unsigned_abs()) << 32
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
