//! `application/problem+json` (RFC 9457) with our stable number and the words in Chinese and
//! English. Every error that leaves the server over HTTP is one of these.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chengmai_model::Text;
use chengmai_model::error::{self, ErrorCode};
use serde::Serialize;
use utoipa::ToSchema;

/// Words in Chinese and in English.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"zh": "渝中区", "en": "Yuzhong"}))]
pub(crate) struct TextJson {
    zh: String,
    en: String,
}

impl From<&Text> for TextJson {
    fn from(text: &Text) -> Self {
        Self { zh: text.zh.clone(), en: text.en.clone() }
    }
}

impl From<Text> for TextJson {
    fn from(text: Text) -> Self {
        Self { zh: text.zh, en: text.en }
    }
}

/// Body of every error answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"type": "about:blank", "title": "not found, or outside your areas", "status": 404,
    "code": "E-204", "detail": "device x7", "text": {"zh": "没有找到，或不在您的辖区内", "en": "not found, or outside your areas"},
    "hint": {"zh": "检查编号", "en": "check the id"}}))]
pub(crate) struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    /// Stable number, `E-204`.
    code: String,
    /// What exactly, for this request.
    detail: String,
    text: TextJson,
    hint: TextJson,
    /// Where in the text that was sent, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

/// A place in a text that was sent, both counted from 1.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(example = json!({"line": 1, "column": 8}))]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: &'static ErrorCode,
    pub(crate) detail: String,
    /// Where in the text that was sent.
    pub(crate) place: Option<Place>,
}

/// Result of a handler.
pub(crate) type Answer<T> = Result<T, Problem>;

impl Problem {
    pub(crate) fn new(code: &'static ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), place: None }
    }

    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(&error::NOT_FOUND, what)
    }

    pub(crate) fn bad_query(what: impl Into<String>) -> Self {
        Self::new(&error::BAD_QUERY, what)
    }

    /// The body that says it.
    pub(crate) fn body(self) -> ProblemBody {
        ProblemBody {
            r#type: "about:blank",
            title: self.code.en,
            status: self.status().as_u16(),
            code: self.code.label(),
            detail: self.detail,
            text: self.code.text().into(),
            hint: self.code.hint().into(),
            place: self.place,
        }
    }

    /// The body, with the name that a standard has for this sort of error.
    pub(crate) fn body_as(self, r#type: &'static str) -> ProblemBody {
        ProblemBody { r#type, ..self.body() }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::BAD_REQUEST)
    }
}

impl From<crate::city::registry::Refused> for Problem {
    fn from(refused: crate::city::registry::Refused) -> Self {
        Self::new(refused.code, refused.detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code) = (self.status(), self.code);
        let mut response = (status, Json(self.body())).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if code.number == error::OVERLOADED.number {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
