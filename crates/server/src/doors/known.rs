//! Messages of streams that the city knows, taken by a look: the connection remembers which streams
//! its last topic meant, so the registry is asked once a connection and not once a message.
//!
//! Whatever is unusual (an unknown device or kind, a unit, a value out of range, a clock that is
//! wrong) is not decided here: it goes the long way, which knows how to register, refuse and count.

use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_wire::line_protocol::parse_number;
use chengmai_wire::mqtt::{Publish, Usual, split_topic};

use crate::city::City;
use crate::ingest::{Speaker, check_scope, check_value};

/// Streams that one connection's memory holds at most; a device has fewer kinds.
const STREAMS_MAX: usize = 8;
/// The name of the number in a message whose topic names the kind.
const VALUE: &str = "value";

/// What the last topic of a connection meant. A stream never changes its number, kind or device.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    topic: Box<[u8]>,
    streams: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    /// Name of the number in the payload.
    name: Box<str>,
    stream: StreamId,
    range: [f64; 2],
}

impl Memo {
    /// The stream meant by a number in a message of that topic.
    fn find(&mut self, city: &City, topic: &[u8], name: &str) -> Option<&Known> {
        if *self.topic != *topic {
            *self = Self { topic: topic.into(), streams: Vec::new() };
        }
        let known = self.streams.iter().position(|known| *known.name == *name);
        let place = if let Some(place) = known {
            place
        } else {
            let known = look_up(city, topic, name).filter(|_| self.streams.len() < STREAMS_MAX)?;
            self.streams.push(known);
            self.streams.len() - 1
        };
        self.streams.get(place)
    }
}

fn look_up(city: &City, topic: &[u8], name: &str) -> Option<Known> {
    let (device, kind) = split_topic(std::str::from_utf8(topic).ok()?)?;
    // Where the topic names the kind, the number is called `value`; else by its kind.
    let kind = match kind {
        Some(kind) if name == VALUE => kind,
        None => name,
        Some(_) => return None,
    };
    let registry = city.registry.read();
    let kind = registry.kind_index(kind)?;
    let stream = registry.stream_of(registry.find(device)?, kind)?;
    Some(Known { name: name.into(), stream, range: registry.kind(kind).range })
}

/// Adds the readings of a message, all or none; whether it could.
pub(super) fn take(
    city: &City,
    speaker: Speaker,
    memo: &mut Memo,
    publish: &Publish<'_>,
    now: Timestamp,
    readings: &mut Vec<Reading>,
) -> bool {
    let before = readings.len();
    let taken = match Usual::read(publish.payload) {
        Some(usual) => usual.members().iter().all(|&(name, value)| {
            let at = usual.at.unwrap_or(now);
            add(city, speaker, memo, publish.topic, (name, value, at), now, readings)
        }),
        None => parse_number(publish.payload.trim_ascii()).is_some_and(|value| {
            // A bare number has no name: only a topic with a kind gives it one.
            let alone = memchr::memchr_iter(b'/', publish.topic).count() == 3;
            alone && add(city, speaker, memo, publish.topic, (VALUE, value, now), now, readings)
        }),
    };
    if !taken {
        readings.truncate(before);
    }
    taken
}

fn add(
    city: &City,
    speaker: Speaker,
    memo: &mut Memo,
    topic: &[u8],
    (name, value, at): (&str, f64, Timestamp),
    now: Timestamp,
    readings: &mut Vec<Reading>,
) -> bool {
    let Some(known) = memo.find(city, topic, name) else { return false };
    let stream = known.stream;
    if check_value(known.range, now, at, value).is_err() || !may_speak(city, speaker, stream) {
        return false;
    }
    readings.push(Reading { stream, at, value });
    true
}

/// Asked anew each time: a device may have moved to another area.
fn may_speak(city: &City, speaker: Speaker, stream: StreamId) -> bool {
    speaker.is_everybody() || check_scope(&city.registry.read(), speaker, stream).is_ok()
}
