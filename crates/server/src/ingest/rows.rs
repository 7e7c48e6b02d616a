//! Rows of JSON, NDJSON, CSV and of MQTT messages to readings.

use chengmai_model::error;
use chengmai_model::{DeviceId, Reading, StreamId, Timestamp};
use chengmai_wire::Fault;
use chengmai_wire::observations::{self, Observation};

use super::{
    Outcome, Resolved, Speaker, check_scope, check_unit, check_value, fault, finish, range_of,
    resolve,
};
use crate::city::City;
use crate::city::registry::{Claim, Refused, Registry};
use crate::city::sequencer::Refusal;

/// Format of a body of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Ndjson,
    Csv,
}

/// Rows to readings, by `resolve`; it gives `None` for a row that it leaves to somebody else.
struct RowSink<F> {
    resolve: F,
    resolved: Resolved,
    left: bool,
}

impl<F> observations::Sink for RowSink<F>
where
    F: FnMut(&Observation<'_>) -> Option<Result<Reading, Refused>>,
{
    fn observation(&mut self, row: Observation<'_>, line: u32, byte: u32) {
        match (self.resolve)(&row) {
            Some(Ok(reading)) => self.resolved.readings.push(reading),
            Some(Err(refused)) => self.resolved.faults.push(fault(&refused, line, byte)),
            None => self.left = true,
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.resolved.faults.push(fault);
    }
}

/// Rows of JSON, NDJSON or CSV to readings on disk.
pub(crate) async fn take_observations(
    city: &City,
    speaker: Speaker,
    body: &[u8],
    format: Format,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    finish(city, resolve_rows(city, speaker, body, format, now)).await
}

/// Most bodies speak of known devices only and leave the registry as it is; a body that does not is
/// gone through once more with the right to register.
fn resolve_rows(
    city: &City,
    speaker: Speaker,
    body: &[u8],
    format: Format,
    now: Timestamp,
) -> Resolved {
    let (known, left) = {
        let registry = city.registry.read_recursive();
        let resolve = |row: &Observation<'_>| resolve_known(&registry, speaker, now, row);
        decode_rows(body, format, resolve)
    };
    if !left {
        return known;
    }
    let mut registry = city.registry.write();
    let resolve =
        |row: &Observation<'_>| Some(resolve_observation(&mut registry, speaker, now, row));
    decode_rows(body, format, resolve).0
}

/// What came of the rows, and whether any were left.
fn decode_rows<F>(body: &[u8], format: Format, resolve: F) -> (Resolved, bool)
where
    F: FnMut(&Observation<'_>) -> Option<Result<Reading, Refused>>,
{
    let mut sink = RowSink { resolve, resolved: Resolved::default(), left: false };
    match format {
        Format::Json => observations::decode_json(body, &mut sink),
        Format::Ndjson => observations::decode_ndjson(body, &mut sink),
        Format::Csv => observations::decode_csv(body, &mut sink),
    }
    (sink.resolved, sink.left)
}

/// The same as [`resolve_observation`] where nothing needs to be registered; `None` where it does.
fn resolve_known(
    registry: &Registry,
    speaker: Speaker,
    now: Timestamp,
    row: &Observation<'_>,
) -> Option<Result<Reading, Refused>> {
    let device = registry.find(&row.device)?;
    let stream = match &row.kind {
        Some(kind) => registry.stream_of(device, registry.kind_index(kind)?)?,
        None => one_stream(registry, device)?,
    };
    let kind = registry.kind(registry.stream(stream).kind);
    let checked = row.unit.as_ref().map_or(Ok(()), |unit| check_unit(registry, &kind.name, unit));
    let at = row.at.unwrap_or(now);
    let outcome = checked
        .and_then(|()| check_value(kind.range, now, at, row.value))
        .and_then(|()| check_scope(registry, speaker, stream));
    Some(outcome.map(|()| Reading { stream, at, value: row.value }))
}

/// The stream of a device that has only one.
pub(super) fn one_stream(registry: &Registry, device: DeviceId) -> Option<StreamId> {
    let mut streams = registry.device(device).streams();
    streams.next().filter(|_| streams.next().is_none())
}

/// One named value to a reading; registers where the city allows it.
pub(crate) fn resolve_observation(
    registry: &mut Registry,
    speaker: Speaker,
    now: Timestamp,
    row: &Observation<'_>,
) -> Result<Reading, Refused> {
    let known = registry.find(&row.device);
    let only = || known.and_then(|device| one_stream(registry, device));
    // A device with one stream needs no kind.
    let kind = match &row.kind {
        Some(kind) => kind.to_string(),
        None => match only() {
            Some(stream) => registry.kind(registry.stream(stream).kind).name.to_string(),
            None => return Err(Refused::new(&error::UNKNOWN_KIND, "give the kind")),
        },
    };
    if let Some(unit) = &row.unit {
        check_unit(registry, &kind, unit)?;
    }
    let at = row.at.unwrap_or(now);
    check_value(range_of(registry, &kind), now, at, row.value)?;
    let claim =
        Claim { device: &row.device, kind: &kind, area: row.area.as_deref(), position: None };
    let stream = resolve(registry, &claim, speaker, now)?;
    Ok(Reading { stream, at, value: row.value })
}

/// Named values of an MQTT message to readings on disk; `faults` are those refused before.
pub(crate) async fn take_values(
    city: &City,
    speaker: Speaker,
    rows: &[Observation<'_>],
    faults: Vec<Fault>,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let resolved = {
        let mut resolved = Resolved { readings: Vec::new(), faults };
        let mut registry = city.registry.write();
        for row in rows {
            match resolve_observation(&mut registry, speaker, now, row) {
                Ok(reading) => resolved.readings.push(reading),
                Err(refused) => resolved.faults.push(fault(&refused, 1, 1)),
            }
        }
        resolved
    };
    finish(city, resolved).await
}
