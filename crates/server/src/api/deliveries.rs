//! Deliveries: messages that wait, were sent, or were given up, and sending those again.
//!
//! Not here: subscriptions. Invariant: an answer says nothing of a citizen but that they were told.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::{Text, Timestamp, error};
use chengmai_store::records::PageRequest;
use chengmai_store::records::deliveries::{DeliveryFilter, DeliveryRow, DeliveryState, Recipient};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::city::notify::message::Message;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging};
use crate::http::problem::{Answer, Problem, TextJson};

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "msg_0123456789abcdef0123456789abcdef", "subscription": "sub_0123456789abcdef",
    "what": "case.dispatched", "event": {"zh": "派遣", "en": "Dispatch"}, "name": {"zh": "道路不洁", "en": "Dirty road"}, "object": "500103-20261121-00001", "area": "500103", "state": "dead", "attempts": 10,
    "made_at": "2026-11-21T03:04:05.678Z", "tried_at": "2026-11-22T05:04:05.678Z", "next_at": null, "fault": "HTTP 500"}))]
pub(crate) struct DeliveryJson {
    id: String,
    /// Null: to a citizen.
    subscription: Option<String>,
    what: String,
    /// What happened.
    event: TextJson,
    /// To what: a type of case, the name of a rule.
    name: TextJson,
    /// Number of the case, or id of the warning.
    object: String,
    area: String,
    /// `waiting`, `sent`, `dead`.
    state: String,
    attempts: u32,
    made_at: String,
    tried_at: Option<String>,
    /// When it is tried next; null once it is sent or given up.
    next_at: Option<String>,
    /// Why the last try failed.
    fault: Option<String>,
}

impl From<DeliveryRow> for DeliveryJson {
    fn from(row: DeliveryRow) -> Self {
        let waits = row.state == DeliveryState::Waiting;
        let told = serde_json::from_str::<Message>(&row.made.body).ok();
        let (event, name) = told.map_or_else(<(Text, Text)>::default, |message| {
            (message.data.event, message.data.name)
        });
        Self {
            id: row.made.id,
            subscription: match row.made.to {
                Recipient::Subscription(id) | Recipient::Program(id) => Some(id),
                Recipient::Reporter(_) => None,
            },
            what: row.made.what,
            event: event.into(),
            name: name.into(),
            object: row.made.object,
            area: row.made.area.code().to_owned(),
            state: row.state.word().to_owned(),
            attempts: row.attempts,
            made_at: row.made.made_at.to_rfc3339(),
            tried_at: row.tried_at.map(Timestamp::to_rfc3339),
            next_at: waits.then(|| row.next_at.to_rfc3339()),
            fault: row.fault,
        }
    }
}

/// Which messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// `waiting`, `sent`, `dead`; all if absent.
    state: Option<String>,
    /// Of this subscription.
    subscription: Option<String>,
    /// Of this area and below; the caller's if absent.
    area: Option<String>,
}

/// Messages to people outside, newest first. Kept for 30 days.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "notifications",
    params(DeliveryQuery, Paging), responses((status = 200, body = Page<DeliveryJson>)))]
pub(crate) async fn list_deliveries(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<DeliveryQuery>,
    QueryOf(paging): QueryOf<Paging>,
) -> Answer<Json<Page<DeliveryJson>>> {
    caller.need(Permission::NotifyManage)?;
    let state = query.state.as_deref().filter(|word| !word.is_empty()).map(|word| {
        DeliveryState::from_word(word).ok_or_else(|| Problem::bad_query(format!("state={word}")))
    });
    let filter = DeliveryFilter {
        areas: vec![caller.scope_path(query.area.as_deref())?],
        state: state.transpose()?,
        subscription: query.subscription.filter(|id| !id.is_empty()),
        page: PageRequest {
            limit: u32::try_from(paging.limit()?).unwrap_or(u32::MAX),
            cursor: paging.cursor,
        },
    };
    let page = city.records.deliveries().list(&filter).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(DeliveryJson::from).collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

/// Send a message again that was given up.
#[utoipa::path(post, path = "/api/v1/deliveries/{id}/retry", tag = "notifications",
    params(("id" = String, Path, example = "msg_0123456789abcdef0123456789abcdef")),
    responses((status = 200, body = DeliveryJson)))]
pub(crate) async fn retry_delivery(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<DeliveryJson>> {
    caller.need(Permission::NotifyManage)?;
    let (deliveries, scope) = (city.records.deliveries(), caller.scope_path(None)?);
    let missing = || Problem::not_found(format!("delivery {id}"));
    let row = deliveries.find(&id).await?.filter(|row| scope.contains(&row.made.area));
    if let Recipient::Subscription(to) = row.ok_or_else(missing)?.made.to {
        let to = city.records.subscriptions().find(&to).await?;
        if to.is_none_or(|to| !to.active) {
            return Err(Problem::new(&error::NOT_DEAD, "the subscription is stopped"));
        }
    }
    deliveries.retry(&id, clock::now()).await?;
    let row = deliveries.find(&id).await?.ok_or_else(missing)?;
    Ok(Json(row.into()))
}
