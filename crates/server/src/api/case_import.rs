//! Other cities' service requests as cases of ours.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::case::imported;
use chengmai_model::case::{CaseEvent, CaseId};
use chengmai_model::error;
use chengmai_wire::service_requests;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices::RefusedRow;
use crate::city::City;
use crate::city::decisions::note_case;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{Body, QueryOf};
use crate::http::problem::{Answer, Problem};

/// Whose file it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// nyc or boston.
    format: String,
}

/// What an import of service requests did.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"imported": 99, "known": 0, "refused": []}))]
pub(crate) struct CasesImported {
    imported: u64,
    /// Already there from an earlier import.
    known: u64,
    refused: Vec<RefusedRow>,
}

/// Import another city's service requests as cases, keeping their own times. They belong to the
/// city as a whole: their areas are not ours.
#[utoipa::path(post, path = "/api/v1/cases/import", tag = "cases", params(ImportQuery),
    request_body(content = String, content_type = "text/csv", example = "case_enquiry_id,open_dt,target_dt,closed_dt\n"),
    responses((status = 200, body = CasesImported)))]
pub(crate) async fn import_cases(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<ImportQuery>,
    Body(body): Body,
) -> Answer<Json<CasesImported>> {
    caller.need(Permission::CaseDecide)?;
    let root = city.root_path();
    if caller.user.area != root {
        return Err(Problem::new(&error::FORBIDDEN, "imports belong to the city as a whole"));
    }
    let source = service_requests::Source::from_word(&query.format)
        .ok_or_else(|| Problem::bad_query(format!("format={}", query.format)))?;
    let decoded = service_requests::decode(source, &body);
    let (actor, now) = (caller.actor(), clock::now());
    let cases: Vec<(CaseId, Vec<CaseEvent>)> = decoded
        .rows
        .iter()
        .map(|row| {
            let draft = CaseId::draft(&root, city.profile.local_date(row.opened_at));
            (draft, imported(row, &root, &actor, now))
        })
        .collect();
    let done = city.records.cases().import(&cases).await?;
    for case in &done.open {
        note_case(&city.book, &city.areas, case);
    }
    let refused = decoded.faults.into_iter().map(|fault| RefusedRow {
        line: fault.line,
        code: fault.code.label(),
        reason: fault.reason.into(),
        detail: String::new(),
    });
    Ok(Json(CasesImported { imported: done.added, known: done.known, refused: refused.collect() }))
}
