//! The edge where bytes become readings: decode, resolve names, check, count every refusal, hand to
//! the sequencer and wait until it is on disk. One way in for HTTP and MQTT alike.

use std::io::Read as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use chengmai_model::error;
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaId, Reading, StreamId, Timestamp};
use chengmai_wire::Fault;
use chengmai_wire::line_protocol::{self, Precision, Sink};
use chengmai_wire::observations::{self, Observation};

use crate::city::City;
use crate::city::registry::{Claim, Refused, Registry, series_hash};
use crate::city::sequencer::Refusal;
use crate::http::problem::{Answer, Problem};

/// How far ahead of our clock a device's may be.
const AHEAD_MAX_MS: i64 = 5 * MINUTE_MS;
/// Time stamps before 1990 are a wrong precision or a dead clock.
const EARLIEST: Timestamp = Timestamp(631_152_000_000);
/// Refusals described one by one in an answer; all are counted.
pub(crate) const REFUSALS_SHOWN_MAX: usize = 100;

/// What became of a body.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Readings on disk.
    pub(crate) accepted: u64,
    /// How many lines, items or fields were refused.
    pub(crate) refused: u64,
    /// The first of them, in order.
    pub(crate) faults: Vec<Fault>,
}

/// Decoded and resolved, not yet durable.
#[derive(Debug, Default)]
struct Resolved {
    readings: Vec<Reading>,
    faults: Vec<Fault>,
}

/// A field of the line protocol whose series the cache does not know.
#[derive(Debug)]
struct Missed<'a> {
    series: &'a [u8],
    field: &'a [u8],
    value: f64,
    at: Timestamp,
    line: u32,
    byte: u32,
}

struct LineSink<'a, 'r> {
    registry: &'r Registry,
    scope: AreaId,
    now: Timestamp,
    resolved: Resolved,
    missed: Vec<Missed<'a>>,
}

impl<'a> Sink<'a> for LineSink<'a, '_> {
    #[inline]
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        at: Option<Timestamp>,
        line: u32,
        byte: u32,
    ) {
        let at = at.unwrap_or(self.now);
        let hash = series_hash(series, field);
        let Some((stream, kind)) = self.registry.series(hash, series, field) else {
            self.missed.push(Missed { series, field, value, at, line, byte });
            return;
        };
        let range = self.registry.kind(kind).range;
        let outcome = check_value(range, self.now, at, value)
            .and_then(|()| check_scope(self.registry, self.scope, stream));
        match outcome {
            Ok(()) => self.resolved.readings.push(Reading { stream, at, value }),
            Err(refused) => self.resolved.faults.push(fault(&refused, line, byte)),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.resolved.faults.push(fault);
    }
}

/// The checks of value and time that every reading passes, whatever it came in.
#[inline]
fn check_value(range: [f64; 2], now: Timestamp, at: Timestamp, value: f64) -> Result<(), Refused> {
    if !(range[0]..=range[1]).contains(&value) {
        let detail = format!("{value} is not within {} to {}", range[0], range[1]);
        return Err(Refused::new(&error::OUT_OF_RANGE, detail));
    }
    if at.since(now) > AHEAD_MAX_MS {
        return Err(Refused::new(&error::FUTURE_TIME, at.to_rfc3339()));
    }
    if at < EARLIEST {
        return Err(Refused::new(&error::TIME_TOO_OLD, at.to_rfc3339()));
    }
    Ok(())
}

/// A gateway of one area may not speak for devices of another.
#[inline]
fn check_scope(registry: &Registry, scope: AreaId, stream: StreamId) -> Result<(), Refused> {
    if scope == AreaId::ROOT || registry.areas().contains(scope, registry.stream_area(stream)) {
        return Ok(());
    }
    Err(Refused::new(&error::FORBIDDEN, "the device lies outside your area"))
}

/// The range of a kind; everything for one that nobody declared yet.
fn range_of(registry: &Registry, kind: &str) -> [f64; 2] {
    registry.kind_index(kind).map_or([f64::MIN, f64::MAX], |k| registry.kind(k).range)
}

fn fault(refused: &Refused, line: u32, byte: u32) -> Fault {
    let Refused { code, detail } = refused;
    Fault::new(line, byte, code, format!("{}：{detail}", code.zh), format!("{}: {detail}", code.en))
}

/// Line protocol to readings on disk.
pub(crate) async fn take_lines(
    city: &City,
    scope: AreaId,
    body: &[u8],
    precision: Precision,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let resolved = resolve_lines(city, scope, body, precision, now);
    finish(city, resolved).await
}

fn resolve_lines(
    city: &City,
    scope: AreaId,
    body: &[u8],
    precision: Precision,
    now: Timestamp,
) -> Resolved {
    let (mut resolved, missed) = {
        let registry = city.registry.read();
        let mut resolved = Resolved::default();
        // A line of a sensor has 60 bytes and more; growing twice is cheaper than asking too much.
        resolved.readings.reserve(body.len() / 64);
        let mut sink = LineSink { registry: &registry, scope, now, resolved, missed: Vec::new() };
        line_protocol::decode(body, precision, &mut sink);
        (sink.resolved, sink.missed)
    };
    if missed.is_empty() {
        return resolved;
    }
    let mut registry = city.registry.write();
    for miss in &missed {
        match resolve_missed(&mut registry, scope, now, miss) {
            Ok(reading) => resolved.readings.push(reading),
            Err(fault) => resolved.faults.push(fault),
        }
    }
    drop(registry);
    resolved.faults.sort_by_key(|f| (f.line, f.byte));
    resolved
}

fn resolve_missed(
    registry: &mut Registry,
    scope: AreaId,
    now: Timestamp,
    miss: &Missed<'_>,
) -> Result<Reading, Fault> {
    let at_line = |refused: Refused| fault(&refused, miss.line, miss.byte);
    let parts = line_protocol::series_parts(miss.series).map_err(|mut fault| {
        fault.line = miss.line;
        fault
    })?;
    let field = String::from_utf8_lossy(&line_protocol::unescape(miss.field)).into_owned();
    let device = ["device", "device_id", "id", "host"].into_iter().find_map(|key| parts.tag(key));
    let Some(device) = device else {
        let detail = "give the tag device (or device_id, id, host)";
        return Err(at_line(Refused::new(&error::UNKNOWN_DEVICE, detail)));
    };
    // `methane value=2` and `gas methane=2` both mean the kind methane; `cpu usage_idle=9` of an
    // unmodified agent means cpu_usage_idle, as no pack declares usage_idle.
    let kind = if field == "value" {
        parts.measurement.to_string()
    } else if registry.kind_index(&field).is_some_and(|k| registry.kind(k).declared) {
        field
    } else {
        format!("{}_{field}", parts.measurement)
    };
    let number = |key| parts.tag(key).and_then(|text| text.parse::<f64>().ok());
    let position = number("lon").zip(number("lat")).map(|(lon, lat)| [lon, lat]);
    if let Some(unit) = parts.tag("unit") {
        check_unit(registry, &kind, unit).map_err(at_line)?;
    }
    let claim = Claim { device, kind: &kind, area: parts.tag("area"), position };
    // Look before registering: a value that is refused anyway must not leave a device behind.
    check_value(range_of(registry, &kind), now, miss.at, miss.value).map_err(at_line)?;
    let stream = registry.resolve(&claim, scope, now).map_err(at_line)?;
    registry.remember_series(miss.series, miss.field, stream);
    Ok(Reading { stream, at: miss.at, value: miss.value })
}

fn check_unit(registry: &Registry, kind: &str, unit: &str) -> Result<(), Refused> {
    let Some(index) = registry.kind_index(kind) else { return Ok(()) };
    let entry = registry.kind(index);
    let same = !entry.declared
        || *entry.unit == *unit
        || entry.unit_aliases.iter().any(|alias| alias == unit);
    if same {
        return Ok(());
    }
    let detail = format!("{kind} is measured in {}, not {unit}", entry.unit);
    Err(Refused::new(&error::WRONG_UNIT, detail))
}

/// Format of a body of observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Ndjson,
    Csv,
}

struct ObservationSink<'r> {
    registry: &'r mut Registry,
    scope: AreaId,
    now: Timestamp,
    resolved: Resolved,
}

impl observations::Sink for ObservationSink<'_> {
    fn observation(&mut self, row: Observation<'_>, line: u32, byte: u32) {
        match resolve_observation(self.registry, self.scope, self.now, &row) {
            Ok(reading) => self.resolved.readings.push(reading),
            Err(refused) => self.resolved.faults.push(fault(&refused, line, byte)),
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.resolved.faults.push(fault);
    }
}

/// Rows of JSON, NDJSON or CSV to readings on disk.
pub(crate) async fn take_observations(
    city: &City,
    scope: AreaId,
    body: &[u8],
    format: Format,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let resolved = {
        let registry = &mut city.registry.write();
        let resolved = Resolved::default();
        let mut sink = ObservationSink { registry, scope, now, resolved };
        match format {
            Format::Json => observations::decode_json(body, &mut sink),
            Format::Ndjson => observations::decode_ndjson(body, &mut sink),
            Format::Csv => observations::decode_csv(body, &mut sink),
        }
        sink.resolved
    };
    finish(city, resolved).await
}

/// One named value to a reading; registers where the city allows it.
pub(crate) fn resolve_observation(
    registry: &mut Registry,
    scope: AreaId,
    now: Timestamp,
    row: &Observation<'_>,
) -> Result<Reading, Refused> {
    let known = registry.find(&row.device);
    let kind = match (&row.kind, known) {
        (Some(kind), _) => kind.to_string(),
        // A device with one stream needs no kind.
        (None, Some(device)) if registry.device(device).streams.len() == 1 => {
            let stream = registry.device(device).streams[0];
            registry.kind(registry.stream(stream).kind).name.to_string()
        }
        (None, _) => return Err(Refused::new(&error::UNKNOWN_KIND, "give the kind")),
    };
    if let Some(unit) = &row.unit {
        check_unit(registry, &kind, unit)?;
    }
    let at = row.at.unwrap_or(now);
    check_value(range_of(registry, &kind), now, at, row.value)?;
    let claim =
        Claim { device: &row.device, kind: &kind, area: row.area.as_deref(), position: None };
    let stream = registry.resolve(&claim, scope, now)?;
    Ok(Reading { stream, at, value: row.value })
}

async fn finish(city: &City, resolved: Resolved) -> Result<Outcome, Refusal> {
    let Resolved { readings, mut faults } = resolved;
    for fault in &faults {
        city.counters.refuse(fault.code, 1);
    }
    let accepted = readings.len() as u64;
    if accepted > 0 {
        city.make_durable(readings).await?;
    }
    let refused = faults.len() as u64;
    faults.truncate(REFUSALS_SHOWN_MAX);
    Ok(Outcome { accepted, refused, faults })
}

/// Named values of an MQTT message to readings on disk; `faults` are those refused before.
pub(crate) async fn take_values(
    city: &City,
    scope: AreaId,
    rows: &[Observation<'_>],
    faults: Vec<Fault>,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let resolved = {
        let mut resolved = Resolved { readings: Vec::new(), faults };
        let mut registry = city.registry.write();
        for row in rows {
            match resolve_observation(&mut registry, scope, now, row) {
                Ok(reading) => resolved.readings.push(reading),
                Err(refused) => resolved.faults.push(fault(&refused, 1, 1)),
            }
        }
        resolved
    };
    finish(city, resolved).await
}

/// The body as sent, or unpacked when the client packed it; the limit holds for both.
///
/// # Errors
/// [`error::BODY_TOO_LARGE`], [`error::BAD_ENCODING`].
pub(crate) fn decoded(headers: &HeaderMap, body: Bytes, bytes_max: usize) -> Answer<Bytes> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|v| v.to_str().ok());
    match encoding.unwrap_or("identity") {
        "identity" | "" => Ok(body),
        "gzip" | "x-gzip" => {
            let mut unpacked = Vec::with_capacity(body.len() * 4);
            let limit = bytes_max as u64 + 1;
            flate2::read::MultiGzDecoder::new(&body[..])
                .take(limit)
                .read_to_end(&mut unpacked)
                .map_err(|broken| Problem::new(&error::BAD_ENCODING, broken.to_string()))?;
            if unpacked.len() > bytes_max {
                let detail = format!("more than {bytes_max} bytes unpacked");
                return Err(Problem::new(&error::BODY_TOO_LARGE, detail));
            }
            Ok(unpacked.into())
        }
        other => Err(Problem::new(&error::BAD_ENCODING, format!("Content-Encoding: {other}"))),
    }
}
