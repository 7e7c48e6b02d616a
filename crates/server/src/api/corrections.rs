//! Corrections 更正: readings that were wrong are replaced or withdrawn, in windows that are still open,
//! in history, and on record. Sums that were judged before stay judged: an alarm that rang, rang.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chengmai_history::ReadingsQuery;
use chengmai_model::{CorrectionOrder, Order, Reading, error};
use chengmai_store::records::PageRequest;
use chengmai_store::records::audit::AuditRow;
use chengmai_store::records::corrections::{CorrectionFilter, CorrectionRow as RecordRow};
use chengmai_wire::corrections::{self, CorrectionRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::devices::RefusedRow;
use crate::city::registry::Refused;
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{Body, QueryOf};
use crate::http::list::{Page, Paging, time};
use crate::http::problem::{Answer, Problem};
use crate::ingest;

/// Most corrections of one request: each looks its reading up.
const ROWS_MAX: usize = 1_000;

/// What became of a request for corrections.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"corrected": 1, "withdrawn": 1, "history_only": 1, "refused": [{"line": 4,
    "code": "E-117", "reason": {"zh": "没有这条读数", "en": "there is no such reading"}, "detail": "m1 methane"}]}))]
pub(crate) struct CorrectionsTaken {
    /// Readings that have another value now.
    corrected: u64,
    /// Readings that are gone.
    withdrawn: u64,
    /// Of both: so many are older than every open window. History says what is right; indicators of
    /// that time stay as they were published.
    history_only: u64,
    refused: Vec<RefusedRow>,
}

/// Corrects readings, from CSV (`device,kind,time,old,new,reason`) or JSON; at most 1000 at a time.
/// `new` is a number, or `withdraw`. `old` may be left out where only one reading has that time. A bad
/// row is refused by line; the others are kept, and are on disk when this answers: 200, or 400 when
/// nothing was taken, or 404 when there is none of these readings inside the caller's area.
#[utoipa::path(post, path = "/api/v1/readings/corrections", tag = "readings",
    request_body(content = String, content_type = "application/json",
        example = json!([{"device": "m1", "kind": "methane", "time": "2026-11-21T03:04:05Z",
            "old": 80.0, "new": 2.4, "reason": "校准气体"}])),
    responses((status = 200, body = CorrectionsTaken),
        (status = 400, description = "nothing was taken", body = CorrectionsTaken),
        (status = 404, description = "none of these readings is there", body = CorrectionsTaken)))]
pub(crate) async fn correct_readings(
    State(city): State<Arc<City>>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body,
) -> Answer<(StatusCode, Json<CorrectionsTaken>)> {
    caller.need(Permission::DeviceManage)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let body = ingest::decoded(&headers, body, city.config.body_bytes_max)?;
    let decoded = if kind.contains("csv") {
        corrections::decode_csv(&body)
    } else {
        corrections::decode_json(&body)
    };
    if decoded.rows.len() > ROWS_MAX {
        return Err(Problem::new(&error::BAD_BODY, format!("more than {ROWS_MAX} corrections")));
    }
    let mut taken = CorrectionsTaken::default();
    let mut missing = 0;
    for fault in &decoded.faults {
        taken.refused.push(RefusedRow::of(&city, fault.code, fault.line, &fault.reason.en));
    }
    let (orders, refused) = {
        let (city, caller) = (Arc::clone(&city), caller.clone());
        blocking(move || orders(&city, &caller, &decoded.rows)).await?
    };
    for (line, Refused { code, detail }) in refused {
        missing += usize::from(code.status == error::NOT_FOUND.status);
        taken.refused.push(RefusedRow::of(&city, code, line, &detail));
    }
    {
        let engine = city.engine.read();
        for order in &orders {
            *(if order.new.is_some() { &mut taken.corrected } else { &mut taken.withdrawn }) += 1;
            taken.history_only += u64::from(!engine.takes_corrections(order.stream, order.at));
        }
    }
    if let Some(first) = orders.first() {
        let note = note(&city, first, orders.len());
        city.orders(orders.into_iter().map(Order::Correct).collect()).await?;
        city.records.audit().add(&note).await?;
        return Ok((StatusCode::OK, Json(taken)));
    }
    let status = match taken.refused.len() {
        0 => StatusCode::OK,
        all if all == missing => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    Ok((status, Json(taken)))
}

/// Corrects one reading; resolves when that is on disk.
pub(super) async fn correct_one(
    city: &Arc<City>,
    caller: &Caller,
    row: CorrectionRow,
) -> Answer<()> {
    let order = correction(city, caller, row).await?;
    let note = note(city, &order, 1);
    city.orders(vec![Order::Correct(order)]).await?;
    Ok(city.records.audit().add(&note).await?)
}

/// A correction that may be done.
pub(super) async fn correction(
    city: &Arc<City>,
    caller: &Caller,
    row: CorrectionRow,
) -> Answer<CorrectionOrder> {
    caller.need(Permission::DeviceManage)?;
    let (city, caller) = (Arc::clone(city), caller.clone());
    Ok(blocking(move || order(&city, &caller, &row)).await??)
}

/// Rows as orders, and why the others are refused, by line.
fn orders(
    city: &City,
    caller: &Caller,
    rows: &[CorrectionRow],
) -> (Vec<CorrectionOrder>, Vec<(u32, Refused)>) {
    let (mut orders, mut refused) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for row in rows {
        let order = order(city, caller, row).and_then(|order| {
            if seen.insert((order.stream, order.at, order.old.to_bits())) {
                Ok(order)
            } else {
                Err(Refused::new(&error::CORRECTION_ROW, "the same reading stands here twice"))
            }
        });
        match order {
            Ok(order) => orders.push(order),
            Err(why) => refused.push((row.line, why)),
        }
    }
    (orders, refused)
}

fn order(city: &City, caller: &Caller, row: &CorrectionRow) -> Result<CorrectionOrder, Refused> {
    let registry = city.registry.read();
    // A device of somebody else's area answers as one that is not there.
    let device = registry.find(&row.device);
    let device = device
        .filter(|&id| caller.sees(registry.device(id).area()))
        .ok_or_else(|| Refused::new(&error::NOT_FOUND, format!("device {}", row.device)))?;
    let kind = registry
        .kind_index(&row.kind)
        .ok_or_else(|| Refused::new(&error::UNKNOWN_KIND, &row.kind))?;
    let [low, high] = registry.kind(kind).range;
    if let Some(new) = row.new.filter(|new| !(low..=high).contains(new)) {
        return Err(Refused::new(
            &error::OUT_OF_RANGE,
            format!("{new} is outside [{low}, {high}]"),
        ));
    }
    let said = || format!("{} {} {}", row.device, row.kind, row.at.to_rfc3339());
    let missing = || Refused::new(&error::NO_SUCH_READING, said());
    let stream = registry.stream_of(device, kind).ok_or_else(missing)?;
    let (now_in, last_in) = (registry.device(device).area(), registry.area_in_history(device));
    drop(registry);
    let query = ReadingsQuery {
        device: &row.device,
        streams: &[(stream, row.kind.as_str())],
        from: row.at,
        to: row.at.plus_ms(1),
        limit: usize::MAX,
        within: None,
    };
    let lost = |error: chengmai_history::Error| {
        tracing::error!(%error, "a reading to be corrected could not be looked up");
        Refused::new(&error::INTERNAL, "")
    };
    let old = the_one(&city.history.readings(&query).map_err(lost)?, row.old)
        .ok_or_else(missing)?
        .map_err(|values| Refused::new(&error::CORRECTION_ROW, format!("{}: {values}", said())))?;
    // What is in no file yet was measured since the last move that history has come to.
    let counted_in = city.history.area_of(&query).map_err(lost)?;
    let counted_in = counted_in.map_or(Some(last_in), |code| city.areas.find(&code));
    let area = counted_in.filter(|&area| area != now_in);
    if area.is_some_and(|area| !caller.sees(area)) {
        return Err(Refused::new(&error::NOT_FOUND, said()));
    }
    if row.new.is_some_and(|new| new.to_bits() == old.to_bits()) {
        return Err(Refused::new(&error::CORRECTION_ROW, format!("{} is {old} already", said())));
    }
    Ok(CorrectionOrder {
        stream,
        at: row.at,
        old,
        new: row.new,
        area: area.map(|area| city.areas.get(area).row.code.clone()),
        by: caller.user.name.clone(),
        reason: row.reason.clone(),
    })
}

/// The value that is meant; none when it is not there, and all of them when it is not told which.
fn the_one(readings: &[Reading], old: Option<f64>) -> Option<Result<f64, String>> {
    if let Some(old) = old {
        #[expect(clippy::float_cmp, reason = "the sender names the very value")]
        return readings.iter().find(|reading| reading.value == old).map(|r| Ok(r.value));
    }
    match readings {
        [] => None,
        [one] => Some(Ok(one.value)),
        many => {
            let values: Vec<String> = many.iter().map(|r| r.value.to_string()).collect();
            Some(Err(format!("which of {}? give old", values.join(", "))))
        }
    }
}

pub(super) fn note(city: &City, first: &CorrectionOrder, rows: usize) -> AuditRow {
    let registry = city.registry.read();
    AuditRow {
        at: clock::now(),
        who: first.by.clone(),
        what: "readings.correct".to_owned(),
        object: registry.device(registry.stream(first.stream).device).name().to_owned(),
        detail: format!("{rows} rows: {}", first.reason),
    }
}

/// A correction on record.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": 4711, "at": "2026-11-21T09:00:00Z", "by": "engineer", "device": "m1",
    "kind": "methane", "area": "500103001001001", "reading_at": "2026-11-21T03:04:05.678Z", "old": 80.0,
    "new": 2.4, "reason": "校准气体"}))]
pub(crate) struct CorrectionJson {
    /// Its place in the journal: a later one overrules an earlier one.
    id: u64,
    /// When it was made.
    at: String,
    by: String,
    device: String,
    kind: String,
    /// Where the reading was counted.
    area: String,
    reading_at: String,
    old: f64,
    /// Null: the reading was withdrawn.
    new: Option<f64>,
    reason: String,
}

/// Which corrections.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CorrectionQuery {
    /// Only in this area and below.
    area: Option<String>,
    /// Only of this device.
    device: Option<String>,
    /// Only of this kind.
    kind: Option<String>,
    /// Of readings measured from this time on (RFC 3339).
    from: Option<String>,
    /// And before this one (RFC 3339).
    to: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Corrections of readings, the newest first: what was changed, by whom and why.
#[utoipa::path(get, path = "/api/v1/readings/corrections", tag = "readings", params(CorrectionQuery),
    responses((status = 200, body = Page<CorrectionJson>)))]
pub(crate) async fn list_corrections(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<CorrectionQuery>,
) -> Answer<Json<Page<CorrectionJson>>> {
    caller.need(Permission::Read)?;
    let text = |text: Option<String>| text.filter(|t| !t.is_empty());
    let limit = Paging { limit: query.limit, cursor: None }.limit()?;
    let filter = CorrectionFilter {
        areas: vec![caller.scope_path(query.area.as_deref())?],
        device: text(query.device),
        kind: text(query.kind),
        from: time("from", query.from.as_deref())?,
        to: time("to", query.to.as_deref())?,
        page: PageRequest { limit: u32::try_from(limit).unwrap_or(0), cursor: text(query.cursor) },
    };
    let page = city.records.corrections().list(&filter).await?;
    Ok(Json(Page {
        items: page.items.into_iter().map(correction_json).collect(),
        next_cursor: page.next_cursor,
        total: page.total,
    }))
}

fn correction_json(row: RecordRow) -> CorrectionJson {
    CorrectionJson {
        id: row.sequence,
        at: row.at.to_rfc3339(),
        by: row.by,
        device: row.device,
        kind: row.kind,
        area: row.area.code().to_owned(),
        reading_at: row.reading_at.to_rfc3339(),
        old: row.old,
        new: row.new,
        reason: row.reason,
    }
}
