//! The edge where bytes become readings: decode, resolve names, check, count every refusal, hand to
//! the sequencer and wait until it is on disk. One way in for HTTP and MQTT alike.

use std::io::Read as _;

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use chengmai_model::error;
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaId, DeviceId, Reading, StreamId, Timestamp};
use chengmai_wire::Fault;

use crate::city::City;
use crate::city::registry::{Claim, Refused, Registry};
use crate::city::sequencer::Refusal;
use crate::http::access::Caller;
use crate::http::problem::{Answer, Problem};

mod columns;
mod lines;
mod rows;
pub(crate) mod transit;

pub(crate) use columns::{number_streams, take_columns};
pub(crate) use lines::take_lines;
pub(crate) use rows::{Format, take_observations, take_values};

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

/// The checks of value and time that every reading passes, whatever it came in.
#[inline]
pub(crate) fn check_value(
    range: [f64; 2],
    now: Timestamp,
    at: Timestamp,
    value: f64,
) -> Result<(), Refused> {
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

/// For whom a sender may speak: devices of an area, and of these perhaps one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speaker {
    pub(crate) area: AreaId,
    device: Option<DeviceId>,
}

impl Speaker {
    /// One that may speak for every device: the city's own broker.
    pub(crate) const EVERYBODY: Self = Self { area: AreaId::ROOT, device: None };

    /// True for a sender that may speak for one device and no other.
    pub(crate) fn is_one_device(self) -> bool {
        self.device.is_some()
    }

    /// True for a sender that may speak for every device of the city.
    #[inline]
    pub(crate) fn is_everybody(self) -> bool {
        self.area == AreaId::ROOT && self.device.is_none()
    }
}

/// For whom a caller may speak.
pub(crate) fn speaker(city: &City, caller: &Caller) -> Answer<Speaker> {
    let named = caller.token.scope.device.as_deref();
    let missing = |name: &str| Problem::not_found(format!("device {name}"));
    let find = |name: &str| city.registry.read().find(name).ok_or_else(|| missing(name));
    Ok(Speaker { area: caller.area, device: named.map(find).transpose()? })
}

/// A gateway of one area may not speak for devices of another, a device not for another one.
#[inline]
pub(crate) fn check_scope(
    registry: &Registry,
    speaker: Speaker,
    stream: StreamId,
) -> Result<(), Refused> {
    if let Some(device) = speaker.device
        && registry.stream(stream).device != device
    {
        return Err(Refused::new(&error::FORBIDDEN, "the token is another device's"));
    }
    let area = speaker.area;
    if area == AreaId::ROOT || registry.areas().contains(area, registry.stream_area(stream)) {
        return Ok(());
    }
    Err(Refused::new(&error::FORBIDDEN, "the device lies outside your area"))
}

/// The stream that a claim means; it is registered where that is allowed, within what the sender may speak for.
fn resolve(
    registry: &mut Registry,
    claim: &Claim<'_>,
    speaker: Speaker,
    now: Timestamp,
) -> Result<StreamId, Refused> {
    if let Some(device) = speaker.device
        && registry.find(claim.device) != Some(device)
    {
        return Err(Refused::new(&error::FORBIDDEN, "the token is another device's"));
    }
    registry.resolve(claim, speaker.area, now)
}

/// The range of a kind; everything for one that nobody declared yet.
fn range_of(registry: &Registry, kind: &str) -> [f64; 2] {
    registry.kind_index(kind).map_or([f64::MIN, f64::MAX], |k| registry.kind(k).range)
}

fn fault(refused: &Refused, line: u32, byte: u32) -> Fault {
    Fault { line, byte, code: refused.code, reason: refused.reason() }
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
