//! Model Context Protocol: what the program of an assistant asks over HTTP, and what it is told, in the versions
//! with an `initialize` (2025-03-26, 2025-06-18, 2025-11-25) and in the one without (2026-07-28). Bytes to
//! these types in `decode`, back in `encode`; arguments of tools in `schema`.
//!
//! Not here: what tools do, and who may use them. Invariants: nothing is remembered from one request to the next;
//! what is read is not larger, deeper or more than the limits below.

mod decode;
mod encode;
mod schema;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value as Json};

use crate::Fault;

pub use decode::decode;
pub use encode::{About, discovered, failed, initialized, refused, replied, result, tools};
pub use schema::{Argument, Kind, Misfit, Tool, check, input_schema};

/// Bytes of one request.
pub const REQUEST_BYTES_MAX: usize = 262_144;
/// Messages of one batch.
pub const BATCH_MAX: usize = 20;
/// How deep a message may nest.
pub const DEPTH_MAX: usize = 16;
/// Bytes of a method, a tool's name or an id.
pub const NAME_LEN_MAX: usize = 128;

/// A version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 2025-03-26: the first over one address; the only one with batches.
    V20250326,
    /// 2025-06-18: answers with a structure.
    V20250618,
    /// 2025-11-25: the last with an `initialize`.
    V20251125,
    /// 2026-07-28: every request stands alone.
    V20260728,
}

impl Version {
    /// All, the newest first.
    pub const ALL: [Self; 4] = [Self::V20260728, Self::V20251125, Self::V20250618, Self::V20250326];
    /// The newest that begins with `initialize`.
    const NEWEST_WITH_INITIALIZE: Self = Self::V20251125;

    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::V20250326 => "2025-03-26",
            Self::V20250618 => "2025-06-18",
            Self::V20251125 => "2025-11-25",
            Self::V20260728 => "2026-07-28",
        }
    }

    /// The version written so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.word() == word)
    }

    /// Whether each request says all there is to know, without an `initialize` before it.
    pub fn stands_alone(self) -> bool {
        self >= Self::V20260728
    }
}

/// What the headers of a request say; a header that is no text is an empty one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    /// `MCP-Protocol-Version`.
    pub version: Option<&'a str>,
    /// `Mcp-Method`.
    pub method: Option<&'a str>,
    /// `Mcp-Name`.
    pub name: Option<&'a str>,
}

/// Which request an answer belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Begin; the version that is answered.
    Initialize(Version),
    /// What is spoken here.
    Discover,
    /// Whether anybody is there.
    Ping,
    /// Which tools there are.
    ListTools,
    /// Use a tool.
    CallTool {
        /// Which.
        name: String,
        /// With what.
        arguments: Map<String, Json>,
    },
}

/// A message that asks for an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its id.
    pub id: Id,
    /// In which version it is asked.
    pub version: Version,
    /// For what.
    pub call: Call,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Wants none: a notification, or an answer to a question that was never asked.
    Silent,
}

/// What one body holds.
#[derive(Debug, PartialEq)]
pub enum Posted {
    /// A message.
    One(Result<Message, Refused>),
    /// Several, of version 2025-03-26.
    Many(Vec<Result<Message, Refused>>),
}

/// Why a message is refused, in the words of JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// No JSON.
    Parse,
    /// No message.
    Message,
    /// Headers that say something else.
    Headers,
    /// A version that is not spoken here: the one asked for.
    Version(String),
    /// No such method.
    Method,
    /// Parameters that do not fit.
    Parameters,
}

impl Why {
    /// The code of JSON-RPC and of the protocol.
    pub const fn code(&self) -> i32 {
        match self {
            Self::Parse => -32_700,
            Self::Message => -32_600,
            Self::Headers => -32_020,
            Self::Version(_) => -32_022,
            Self::Method => -32_601,
            Self::Parameters => -32_602,
        }
    }
}

/// A message that is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The request, if it could be told.
    pub id: Option<Id>,
    /// The code of JSON-RPC.
    pub why: Why,
    /// Status of the answer over HTTP.
    pub status: u16,
    /// Our number and words.
    pub fault: Fault,
}
