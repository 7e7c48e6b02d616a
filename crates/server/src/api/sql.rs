//! SQL over the history, for reading only, inside the caller's area. Every question is on record.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chengmai_history::sql::{self, Format, Question, SqlError};
use chengmai_model::error::{self, ErrorCode};
use chengmai_store::records::audit::AuditRow;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::city::City;
use crate::city::directory::CityDirectory;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::problem::{Answer, Place, Problem};

/// Rows of an answer when the question names no limit.
const ROWS_DEFAULT: usize = 10_000;
/// Most rows of one answer.
const ROWS_MAX: usize = 1_000_000;
/// How much of a question the record keeps.
const RECORDED_CHARS_MAX: usize = 4_000;

/// A question.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"sql": "SELECT kind, count(*) AS n, avg(value) AS mean FROM readings WHERE at >= now() - INTERVAL '1 hour' GROUP BY kind ORDER BY n DESC",
    "format": "json", "limit": 1000}))]
pub(crate) struct SqlQuestion {
    /// One SELECT, WITH, EXPLAIN, SHOW TABLES, SHOW COLUMNS or DESCRIBE.
    #[serde(default)]
    sql: String,
    /// json (default), csv, arrow, parquet. Also by `Accept`.
    format: Option<String>,
    /// Rows wanted, 1 to 1000000 (default 10000).
    limit: Option<usize>,
    /// What a file (csv, arrow, parquet) is for: handle, review, law, statistics. It is put on record.
    purpose: Option<String>,
}

/// A column of an answer.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "written by the history, described here for the document")]
pub(crate) struct SqlColumn {
    name: String,
    /// text, integer, number, boolean, time, other.
    r#type: String,
}

/// An answer in JSON.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"columns": [{"name": "kind", "type": "text"}, {"name": "n", "type": "integer"}],
    "rows": [["methane", 1200], ["water_level", 800]], "row_count": 2, "cut": false}))]
#[expect(dead_code, reason = "written by the history, described here for the document")]
pub(crate) struct SqlAnswer {
    columns: Vec<SqlColumn>,
    /// A list a row, values in the order of the columns. Times are RFC 3339.
    rows: Vec<Vec<serde_json::Value>>,
    row_count: u64,
    /// There were more rows than asked for.
    cut: bool,
}

/// Asks the history in SQL. Tables: readings, windows, areas, devices, kinds, indicators; each shows only
/// the caller's area and below. JSON, CSV, Arrow stream or Parquet; `x-chengmai-rows` and `x-chengmai-cut`
/// say how much came. Closing the connection ends the work.
#[utoipa::path(post, path = "/api/v1/sql", tag = "sql", request_body = SqlQuestion,
    responses((status = 200, body = SqlAnswer),
        (status = 400, description = "not understood, with line and column", body = crate::http::problem::ProblemBody),
        (status = 422, description = "too much, or a row cannot be worked out", body = crate::http::problem::ProblemBody),
        (status = 429, description = "others are asking", body = crate::http::problem::ProblemBody)))]
pub(crate) async fn ask(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(asked): JsonBody<SqlQuestion>,
) -> Answer<Response> {
    caller.need(Permission::Sql)?;
    let format = format_of(asked.format.as_deref(), &headers)?;
    if format != Format::Json {
        caller.need_export(asked.purpose.as_deref())?;
    }
    let rows_max = asked.limit.unwrap_or(ROWS_DEFAULT);
    if !(1..=ROWS_MAX).contains(&rows_max) {
        let detail = format!("limit={rows_max} is not 1 to {ROWS_MAX}");
        return Err(Problem::new(&error::SQL_FORMAT, detail));
    }
    let question = Question {
        text: asked.sql.clone(),
        rows_max,
        format,
        areas: Arc::clone(&city.areas),
        scope: caller.area,
        directory: Arc::new(CityDirectory(Arc::clone(&city))),
    };
    let record = Record::begin(&city, &caller, &asked);
    let answer = city.sql.ask(question).await;
    record.end(&answer).await;
    let answer = answer.map_err(problem)?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), media_type(format).to_owned()),
        ("x-chengmai-rows", answer.rows.to_string()),
        ("x-chengmai-cut", answer.cut.to_string()),
    ];
    let mut response = answer.bytes.into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

const fn media_type(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8",
        Format::Arrow => "application/vnd.apache.arrow.stream",
        Format::Parquet => "application/vnd.apache.parquet",
    }
}

/// The word in the body, else the first kind of `Accept` that we know, else JSON.
fn format_of(word: Option<&str>, headers: &HeaderMap) -> Answer<Format> {
    let known = [
        ("json", Format::Json),
        ("csv", Format::Csv),
        ("arrow", Format::Arrow),
        ("parquet", Format::Parquet),
    ];
    if let Some(word) = word.filter(|word| !word.is_empty()) {
        let found = known.into_iter().find(|(name, _)| *name == word);
        let detail = || format!("format={word} is not json, csv, arrow or parquet");
        return found.map(|(_, f)| f).ok_or_else(|| Problem::new(&error::SQL_FORMAT, detail()));
    }
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let kinds = accepted
        .unwrap_or_default()
        .split(',')
        .map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let mut found = kinds.filter_map(|kind| {
        let same = |format: Format| media_type(format).split(';').next() == Some(kind);
        known.into_iter().map(|(_, format)| format).find(|&format| same(format))
    });
    Ok(found.next().unwrap_or(Format::Json))
}

/// Puts number and words to what the history says.
fn problem(error: SqlError) -> Problem {
    let (code, at): (&'static ErrorCode, Option<sql::Position>) = match &error {
        SqlError::Syntax { at, .. } => (&error::SQL_SYNTAX, *at),
        SqlError::NotAllowed { .. } => (&error::SQL_NOT_ALLOWED, None),
        SqlError::Unknown { at, .. } => (&error::SQL_UNKNOWN, *at),
        SqlError::Senseless { at, .. } => (&error::SQL_SENSELESS, *at),
        SqlError::TooSlow { .. } => (&error::SQL_TOO_SLOW, None),
        SqlError::TooMuchMemory { .. } => (&error::SQL_MEMORY, None),
        SqlError::AnswerTooLong { .. } => (&error::SQL_ANSWER, None),
        SqlError::Busy { .. } => (&error::SQL_BUSY, None),
        SqlError::Failed { .. } => (&error::SQL_FAILED, None),
        SqlError::Internal { .. } => return crate::city::internal(&error),
    };
    let place = at.map(|at| Place { line: at.line, column: at.column });
    Problem { place, ..Problem::new(code, error.to_string()) }
}

/// The line of the audit for one question. It is written before the answer goes out, and also when the
/// asker goes away before there is one.
struct Record {
    city: Arc<City>,
    begun: Instant,
    row: Option<AuditRow>,
    purpose: Option<String>,
}

impl Record {
    fn begin(city: &Arc<City>, caller: &Caller, asked: &SqlQuestion) -> Self {
        let row = AuditRow {
            at: clock::now(),
            who: caller.user.name.clone(),
            what: "sql".to_owned(),
            object: asked.sql.chars().take(RECORDED_CHARS_MAX).collect(),
            detail: String::new(),
        };
        let purpose = asked.purpose.clone();
        Self { city: Arc::clone(city), begun: Instant::now(), row: Some(row), purpose }
    }

    async fn end(mut self, answer: &Result<sql::Answer, SqlError>) {
        let outcome = match answer {
            Ok(answer) => json!({"rows": answer.rows, "cut": answer.cut}),
            Err(error) => json!({"error": error.to_string()}),
        };
        if let Some(row) = self.finished(outcome) {
            write(&self.city, row).await;
        }
    }

    fn finished(&mut self, mut outcome: serde_json::Value) -> Option<AuditRow> {
        let mut row = self.row.take()?;
        outcome["ms"] = json!(u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX));
        if let Some(purpose) = self.purpose.take() {
            outcome["purpose"] = json!(purpose);
        }
        row.detail = outcome.to_string();
        Some(row)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(row) = self.finished(json!({"error": "abandoned"})) {
            let city = Arc::clone(&self.city);
            tokio::spawn(async move { write(&city, row).await });
        }
    }
}

async fn write(city: &City, row: AuditRow) {
    if let Err(error) = city.records.audit().add(&row).await {
        tracing::error!(%error, "a question in SQL could not be put on record");
    }
}
