//! Who did what: sign-ins, changes of accounts, answers, questions, exports, what personal data was read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_model::AreaId;
use chengmai_store::records::PageRequest;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging};
use crate::http::problem::Answer;

/// A line of the audit.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at": "2026-11-21T03:04:05Z", "who": "duty", "what": "contact_read",
    "object": "500103-20261121-00001", "detail": "handle"}))]
pub(crate) struct AuditJson {
    at: String,
    who: String,
    what: String,
    object: String,
    detail: String,
}

/// Which lines.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only of this account.
    who: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Who did what, the newest first: accounts of the caller's area; for the whole city also what programs did.
#[utoipa::path(get, path = "/api/v1/audit", tag = "users", params(AuditQuery),
    responses((status = 200, body = Page<AuditJson>)))]
pub(crate) async fn list_audit(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<AuditQuery>,
) -> Answer<Json<Page<AuditJson>>> {
    caller.need(Permission::AuditRead)?;
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    let request = PageRequest {
        limit: u32::try_from(paging.limit()?).unwrap_or(u32::MAX),
        cursor: paging.cursor,
    };
    let scope = (caller.area != AreaId::ROOT).then(|| caller.user.area.clone());
    let who = query.who.as_deref().filter(|who| !who.is_empty());
    let page = city.records.audit().list(who, scope.as_ref(), &request).await?;
    let items = page.items.into_iter().map(|row| AuditJson {
        at: row.at.to_rfc3339(),
        who: row.who,
        what: row.what,
        object: row.object,
        detail: row.detail,
    });
    Ok(Json(Page { items: items.collect(), next_cursor: page.next_cursor, total: page.total }))
}
