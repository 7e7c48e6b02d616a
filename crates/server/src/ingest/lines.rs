//! Line protocol to readings: the hot path of the whole program. Streams are found in groups, so that
//! their places in memory are fetched together; what is unknown takes the long way afterwards.

use chengmai_model::error;
use chengmai_model::{Reading, Timestamp};
use chengmai_wire::Fault;
use chengmai_wire::line_protocol::{self, Precision, Sink};

use super::{
    Outcome, Resolved, Speaker, check_scope, check_unit, check_value, fault, finish, range_of,
    resolve,
};
use crate::city::City;
use crate::city::registry::{Claim, Refused, Registry, SeriesKey};
use crate::city::sequencer::Refusal;

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

/// A field of the line protocol on its way to its stream.
#[derive(Debug, Clone, Copy)]
struct Point<'a> {
    key: SeriesKey,
    value: f64,
    at: Timestamp,
    series: &'a [u8],
    field: &'a [u8],
    line: u32,
    byte: u32,
}

/// Points looked up together, so that the memory of all is fetched at once.
const TOGETHER: usize = 32;
/// Unknown series that one hold of the registry's lock deals with.
const MISSED_TOGETHER: usize = 1_024;

struct LineSink<'a, 'r> {
    registry: &'r Registry,
    speaker: Speaker,
    now: Timestamp,
    waiting: Vec<Point<'a>>,
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
        let key = self.registry.series().key(series, field);
        self.waiting.push(Point { key, value, at, series, field, line, byte });
        if self.waiting.len() == TOGETHER {
            self.look_up();
        }
    }

    fn fault(&mut self, fault: Fault) {
        self.resolved.faults.push(fault);
    }
}

impl LineSink<'_, '_> {
    /// Finds the streams of all points that wait.
    fn look_up(&mut self) {
        let series = self.registry.series();
        let touched = self.waiting.iter().fold(0, |all, point| all ^ series.touch(point.key));
        std::hint::black_box(touched);
        let mut found = [None; TOGETHER];
        for (found, point) in found.iter_mut().zip(&self.waiting) {
            *found = series.find(point.key).and_then(|stream| {
                // Its kind is fetched while the next ones are found.
                self.registry.kind_of(stream.0).map(|kind| (stream, kind))
            });
        }
        for (point, found) in self.waiting.drain(..).zip(found) {
            let Point { value, at, series, field, line, byte, .. } = point;
            let Some((stream, kind)) = found else {
                self.missed.push(Missed { series, field, value, at, line, byte });
                continue;
            };
            let range = self.registry.kind(kind).range;
            let outcome = check_value(range, self.now, at, value)
                .and_then(|()| check_scope(self.registry, self.speaker, stream));
            match outcome {
                Ok(()) => self.resolved.readings.push(Reading { stream, at, value }),
                Err(refused) => self.resolved.faults.push(fault(&refused, line, byte)),
            }
        }
    }
}

/// Line protocol to readings on disk.
pub(crate) async fn take_lines(
    city: &City,
    speaker: Speaker,
    body: &[u8],
    precision: Precision,
    now: Timestamp,
) -> Result<Outcome, Refusal> {
    let resolved = resolve_lines(city, speaker, body, precision, now);
    finish(city, resolved).await
}

fn resolve_lines(
    city: &City,
    speaker: Speaker,
    body: &[u8],
    precision: Precision,
    now: Timestamp,
) -> Resolved {
    let (mut resolved, missed) = {
        // A device that is being registered waits for us, not we for it.
        let registry = city.registry.read_recursive();
        let mut resolved = Resolved::default();
        // A line of a sensor has 60 bytes and more; growing twice is cheaper than asking too much.
        resolved.readings.reserve(body.len() / 64);
        let (waiting, missed) = (Vec::with_capacity(TOGETHER), Vec::new());
        let mut sink = LineSink { registry: &registry, speaker, now, waiting, resolved, missed };
        line_protocol::decode(body, precision, &mut sink);
        sink.look_up();
        (sink.resolved, sink.missed)
    };
    // One hold of the lock for a few: others read beside us.
    for some in missed.chunks(MISSED_TOGETHER) {
        let mut registry = city.registry.write();
        for miss in some {
            match resolve_missed(&mut registry, speaker, now, miss) {
                Ok(reading) => resolved.readings.push(reading),
                Err(fault) => resolved.faults.push(fault),
            }
        }
    }
    resolved.faults.sort_by_key(|f| (f.line, f.byte));
    resolved
}

fn resolve_missed(
    registry: &mut Registry,
    speaker: Speaker,
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
    let stream = resolve(registry, &claim, speaker, now).map_err(at_line)?;
    registry.remember_series(miss.series, miss.field, stream);
    Ok(Reading { stream, at: miss.at, value: miss.value })
}
