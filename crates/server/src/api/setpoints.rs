//! Set-points 限值: the levels from which single devices warn. They stand in the answers about
//! devices; here they are set.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chengmai_model::AreaId;
use chengmai_model::error;
use chengmai_model::stream::Levels;
use chengmai_store::records::audit::AuditRow;
use chengmai_wire::Decoded;
use chengmai_wire::setpoints::{self, SetpointRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::devices::RefusedRow;
use crate::city::City;
use crate::city::registry::Refused;
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::Body;
use crate::http::problem::Answer;
use crate::ingest;

/// A level for each severity, in the unit of the kind.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"blue": null, "yellow": 15.0, "orange": 27.0, "red": 40.0}))]
pub(crate) struct SetLevelsJson {
    blue: Option<f64>,
    yellow: Option<f64>,
    orange: Option<f64>,
    red: Option<f64>,
}

impl From<Levels> for SetLevelsJson {
    fn from([blue, yellow, orange, red]: Levels) -> Self {
        Self { blue, yellow, orange, red }
    }
}

/// What an import of set-points did.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"set": 2, "refused": [{"line": 4, "code": "E-108",
    "reason": {"zh": "设备未登记", "en": "the device is not registered"}, "detail": "p9"}]}))]
pub(crate) struct SetpointsSet {
    /// Rows taken.
    set: u64,
    refused: Vec<RefusedRow>,
}

/// Sets the levels from which single devices warn, from CSV: `id,kind,blue,yellow,orange,red`. A row
/// replaces all levels of that device and kind; one without any takes them away. A bad row is refused
/// by line; the others are kept. Answers when they are on disk.
#[utoipa::path(post, path = "/api/v1/setpoints", tag = "devices",
    request_body(content = String, content_type = "text/csv",
        example = "id,kind,yellow,orange,red\nm1,water_depth,15,27,40\n"),
    responses((status = 200, body = SetpointsSet)))]
pub(crate) async fn import_setpoints(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer<Json<SetpointsSet>> {
    caller.need(Permission::DeviceManage)?;
    let body = ingest::decoded(&headers, body, city.config.body_bytes_max)?;
    let decoded = setpoints::decode_csv(&body);
    let outcome = set(&city, &decoded, caller.area);
    if outcome.set > 0 {
        city.records.audit().add(&note(&caller, &decoded.rows)).await?;
    }
    city.registrations_durable().await?;
    Ok(Json(outcome))
}

fn set(city: &City, decoded: &Decoded<SetpointRow>, scope: AreaId) -> SetpointsSet {
    let mut outcome = SetpointsSet::default();
    for fault in &decoded.faults {
        let refused = RefusedRow::of(city, fault.code, fault.line, &fault.reason.en);
        outcome.refused.push(refused);
    }
    let mut registry = city.registry.write();
    let mut asked = BTreeMap::new();
    for row in &decoded.rows {
        let asks = *asked.entry(row.kind.as_str()).or_insert_with(|| {
            let declared = registry.kind_index(&row.kind).is_some();
            !declared || city.engine.read().catalog().asks_setpoints(&row.kind)
        });
        let done = if asks {
            registry.set_setpoints(row, scope)
        } else {
            Err(Refused::new(&error::NO_SETPOINT_RULE, &row.kind))
        };
        match done {
            Ok(()) => outcome.set += 1,
            Err(Refused { code, detail }) => {
                outcome.refused.push(RefusedRow::of(city, code, row.line, &detail));
            }
        }
    }
    outcome
}

/// Who changed what from which levels devices warn.
fn note(caller: &Caller, rows: &[SetpointRow]) -> AuditRow {
    let first = rows.first().map_or("", |row| row.device.as_str());
    AuditRow {
        at: clock::now(),
        who: caller.user.name.clone(),
        what: "setpoints".to_owned(),
        object: first.to_owned(),
        detail: format!("{} rows", rows.len()),
    }
}
