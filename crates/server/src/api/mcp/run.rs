//! What each tool does: it asks the handler of its route, with what the assistant gave as the query.
//!
//! Not here: what may be given (`tools`). Invariant: no query is written a second time here.

use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use chengmai_model::error;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::super::{
    areas, case_summary, cases, devices, drafts, indicators, latest, packs, sql, warnings,
};
use super::ANSWER_BYTES_MAX;
use super::tools::ROWS_DEFAULT;
use crate::city::{City, internal};
use crate::http::access::Caller;
use crate::http::extract::{JsonBody, QueryOf};
use crate::http::problem::{Answer, Problem};

/// Lists with a limit of their own; unasked they are as long as an assistant can use.
const LISTS: [&str; 8] = [
    "find_areas",
    "list_indicators",
    "find_devices",
    "latest_values",
    "device_readings",
    "list_warnings",
    "list_cases",
    "query_history",
];

/// Asks the tool's handler. The arguments are those of its table.
pub(super) async fn run(
    city: &Arc<City>,
    caller: &Caller,
    tool: &'static str,
    mut given: Map<String, Value>,
) -> Answer<Value> {
    if LISTS.contains(&tool) {
        given.entry("limit").or_insert_with(|| json!(ROWS_DEFAULT));
    }
    let (state, own) = (State(Arc::clone(city)), caller.clone());
    let id = match tool {
        "get_area" | "get_indicator" | "indicator_by_area" | "indicator_history" => "code",
        _ => "id",
    };
    let id = match given.get(id) {
        Some(Value::String(id)) => id.clone(),
        _ => String::new(),
    };
    match tool {
        "find_areas" => json_of(areas::list_areas(state, own, read(given)?).await),
        "get_area" => json_of(areas::get_area(state, own, Path(id)).await),
        "list_indicators" => json_of(indicators::list_indicators(state, own, read(given)?).await),
        "get_indicator" => {
            json_of(indicators::get_indicator(state, own, Path(id), read(given)?).await)
        }
        "indicator_by_area" => {
            json_of(indicators::list_values(state, own, Path(id), read(given)?).await)
        }
        "indicator_history" => {
            json_of(indicators::get_history(state, own, Path(id), read(given)?).await)
        }
        "find_devices" => json_of(devices::list_devices(state, own, read(given)?).await),
        "get_device" => json_of(devices::get_device(state, own, Path(id)).await),
        "device_readings" => {
            json_of(devices::list_observations(state, own, Path(id), read(given)?).await)
        }
        "latest_values" => json_of(latest::latest_of_kind(state, own, read(given)?).await),
        "list_warnings" => json_of(warnings::list_warnings(state, own, read(given)?).await),
        "get_warning" => json_of(warnings::get_warning(state, own, Path(id)).await),
        "list_cases" => json_of(cases::list_cases(state, own, read(given)?).await),
        "get_case" => json_of(cases::get_case(state, own, Path(id)).await),
        "summarise_cases" => json_of(case_summary::summarise_cases(state, own, read(given)?).await),
        "list_case_types" => json_of(packs::list_case_types(state, own).await),
        "query_history" => asked(state, own, given).await,
        "propose_case" => json_of(drafts::propose_case(city, caller, given).await.map(Json)),
        "propose_step" => json_of(drafts::propose_step(city, caller, given).await.map(Json)),
        "list_proposals" => json_of(drafts::list_drafts(state, own, read(given)?).await),
        _ => Err(Problem::new(&error::MCP_ARGUMENT, tool)),
    }
}

/// What was given, as a handler takes the query of an address.
fn read<T: DeserializeOwned>(given: Map<String, Value>) -> Answer<QueryOf<T>> {
    from(given).map(QueryOf)
}

fn from<T: DeserializeOwned>(given: Map<String, Value>) -> Answer<T> {
    serde_json::from_value(Value::Object(given))
        .map_err(|fault| Problem::new(&error::MCP_ARGUMENT, fault.to_string()))
}

fn json_of<T: Serialize>(answer: Answer<Json<T>>) -> Answer<Value> {
    serde_json::to_value(answer?.0).map_err(|fault| internal(&fault))
}

/// The door for SQL, with its limits, its record and its answer in JSON.
async fn asked(state: State<Arc<City>>, own: Caller, given: Map<String, Value>) -> Answer<Value> {
    let answer = sql::ask(state, own, HeaderMap::new(), JsonBody(from(given)?)).await?;
    // Longer than this no answer is passed on.
    let bytes = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await;
    let too_long = |_| Problem::new(&error::MCP_ANSWER, "query_history");
    serde_json::from_slice(&bytes.map_err(too_long)?).map_err(|fault| internal(&fault))
}
