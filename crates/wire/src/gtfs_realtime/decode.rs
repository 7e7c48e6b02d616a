//! A `FeedMessage` from its bytes. Each message of the standard is read by a function that is told one
//! field at a time; of a field that stands twice the last one counts.

use chengmai_model::Timestamp;
use chengmai_model::error::{TRANSIT_ENTITY, TRANSIT_MESSAGE, TRANSIT_TOO_LARGE};

use super::protobuf::{Broken, Part, Reader, Value};
use super::{
    Alert, Delay, ENTITIES_MAX, ID_BYTES_MAX, MESSAGE_BYTES_MAX, Message, PARTS_MAX, TEXT_LEN_MAX,
    Trip, Vehicle,
};
use crate::error::{Fault, place, quote};

/// Seconds since 1970 that are a time stamp in milliseconds.
const SECONDS_MAX: u64 = i64::MAX as u64 / 1_000;

/// Reads a message.
///
/// # Errors
/// One fault for the whole of it: `TRANSIT_MESSAGE` with the byte from 1, `TRANSIT_TOO_LARGE`.
pub fn message(bytes: &[u8]) -> Result<Message, Fault> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(too_large(format!("{} bytes", bytes.len())));
    }
    let whole = |broken: Broken| {
        Fault::new(0, place(broken.at + 1), &TRANSIT_MESSAGE, broken.zh, broken.en)
    };
    let mut message = Message::default();
    let (mut version, mut number) = (None, 0);
    let mut reader = Reader::new(Part { bytes, at: 0 });
    while let Some((field, value)) = reader.field().map_err(whole)? {
        match (field, value) {
            (1, Value::Bytes(part)) => version = header(part, &mut message).map_err(whole)?,
            (2, Value::Bytes(part)) => {
                number += 1;
                if number > ENTITIES_MAX {
                    return Err(too_large(format!("more than {ENTITIES_MAX} entities")));
                }
                entity(part, place(number), &mut message).map_err(whole)?;
            }
            _ => {}
        }
    }
    let known =
        version.is_some_and(|version| version.starts_with(b"1.") || version.starts_with(b"2."));
    if !known {
        let shown = version.map_or_else(|| "-".to_owned(), quote);
        let zh = format!("报文头缺失，或版本 `{shown}` 不是 1.x、2.x");
        let en = format!("there is no header, or its version `{shown}` is not 1.x or 2.x");
        return Err(Fault::new(0, 1, &TRANSIT_MESSAGE, zh, en));
    }
    Ok(message)
}

fn too_large(what: String) -> Fault {
    Fault::new(0, 0, &TRANSIT_TOO_LARGE, what.clone(), what)
}

/// Hands every field to `each`.
fn fields<'a>(
    part: Part<'a>,
    mut each: impl FnMut(u64, Value<'a>) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut reader = Reader::new(part);
    while let Some((field, value)) = reader.field()? {
        each(field, value)?;
    }
    Ok(())
}

/// The version it says it has.
fn header<'a>(part: Part<'a>, message: &mut Message) -> Result<Option<&'a [u8]>, Broken> {
    let mut version = None;
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Bytes(part)) => version = Some(part.bytes),
            (2, Value::Number(number)) => message.differs = number == 1,
            (3, Value::Number(seconds)) => message.at = time(seconds),
            _ => {}
        }
        Ok(())
    })?;
    Ok(version)
}

/// What one entity says, and what is wrong with it.
#[derive(Default)]
struct Entity<'a> {
    id: Option<Part<'a>>,
    is_deleted: bool,
    update: Option<Update<'a>>,
    vehicle: Option<Seen<'a>>,
    alert: Option<(Alert, Option<Part<'a>>)>,
}

/// A vehicle as it was read, before it is judged.
#[derive(Default)]
struct Seen<'a> {
    trip: Words<'a>,
    vehicle: Words<'a>,
    place: [Option<f64>; 2],
    bearing: Option<f64>,
    speed: Option<f64>,
    odometer: Option<f64>,
    stop_status: Option<u32>,
    congestion: Option<u32>,
    occupancy: Option<u32>,
    occupied: Option<u32>,
    at: Option<Timestamp>,
}

/// A trip as it was read.
#[derive(Default)]
struct Update<'a> {
    trip: Words<'a>,
    vehicle: Words<'a>,
    own: Option<i32>,
    next_stop: Option<i32>,
    at: Option<Timestamp>,
}

/// The id, and the label or the route.
#[derive(Default, Clone, Copy)]
struct Words<'a> {
    id: Option<Part<'a>>,
    second: Option<Part<'a>>,
}

fn entity(part: Part<'_>, number: u32, message: &mut Message) -> Result<(), Broken> {
    let (mut seen, mut other) = (Entity::default(), false);
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Bytes(part)) => seen.id = Some(part),
            (2, Value::Number(flag)) => seen.is_deleted = flag != 0,
            (3, Value::Bytes(part)) => trip_update(part, seen.update.get_or_insert_default())?,
            (4, Value::Bytes(part)) => vehicle(part, seen.vehicle.get_or_insert_default())?,
            (5, Value::Bytes(part)) => {
                let (alert, wrong) = seen.alert.get_or_insert_default();
                *wrong = alert_of(part, alert)?.or(*wrong);
            }
            (6..=8, Value::Bytes(_)) => other = true,
            _ => {}
        }
        Ok(())
    })?;
    if let Err(fault) = judge(part, number, &seen, message) {
        message.faults.push(fault);
    }
    message.other += u32::from(other);
    Ok(())
}

/// Takes of an entity what is right.
fn judge(
    part: Part<'_>,
    number: u32,
    seen: &Entity<'_>,
    message: &mut Message,
) -> Result<(), Fault> {
    let judge = Judge { number, at: part.at };
    let id =
        judge.id(seen.id)?.ok_or_else(|| judge.fault("实体没有 id", "the entity has no id"))?;
    if seen.is_deleted {
        message.deleted.push(id);
        return Ok(());
    }
    if let Some(seen) = &seen.vehicle {
        message.vehicles.push(judge.vehicle(seen, &id)?);
    }
    if let Some(update) = &seen.update
        && let Some(seconds) = update.own.or(update.next_stop)
    {
        let (trip, vehicle) = (judge.trip(update.trip)?, judge.id(update.vehicle.id)?);
        message.delays.push(Delay { number, trip, vehicle, seconds, at: update.at });
    }
    if let Some((alert, wrong)) = &seen.alert {
        // An id of a stop that cannot be one, or a text that is none.
        judge.id(*wrong)?;
        message.alerts.push(Alert { number, id, ..alert.clone() });
    }
    Ok(())
}

/// Judges what one entity says.
#[derive(Clone, Copy)]
struct Judge {
    number: u32,
    at: usize,
}

impl Judge {
    fn fault(self, zh: impl Into<String>, en: impl Into<String>) -> Fault {
        Fault::new(self.number, place(self.at + 1), &TRANSIT_ENTITY, zh, en)
    }

    /// An id; none when it is empty.
    fn id(self, part: Option<Part<'_>>) -> Result<Option<String>, Fault> {
        let Some(Part { bytes, .. }) = part else { return Ok(None) };
        let text = std::str::from_utf8(bytes).ok().map(str::trim);
        let text =
            text.filter(|text| text.len() <= ID_BYTES_MAX && !text.contains(char::is_control));
        let text = text.ok_or_else(|| {
            let shown = quote(bytes);
            self.fault(
                format!("`{shown}` 超过 {ID_BYTES_MAX} 字节，或含有控制字符"),
                format!(
                    "`{shown}` is longer than {ID_BYTES_MAX} bytes or holds control characters"
                ),
            )
        })?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn trip(self, words: Words<'_>) -> Result<Trip, Fault> {
        Ok(Trip { id: self.id(words.id)?, route: self.id(words.second)? })
    }

    fn vehicle(self, seen: &Seen<'_>, entity: &str) -> Result<Vehicle, Fault> {
        let label = self.id(seen.vehicle.second)?;
        let id = self.id(seen.vehicle.id)?.or_else(|| label.clone());
        let id = id.unwrap_or_else(|| entity.to_owned());
        let place = match seen.place {
            [Some(longitude), Some(latitude)] => [longitude, latitude],
            _ => return Err(self.fault("车辆没有位置", "the vehicle has no position")),
        };
        let [longitude, latitude] = place;
        // Nobody is at 0, 0 but receivers that know no better.
        let is_nowhere = longitude.abs() < 1e-9 && latitude.abs() < 1e-9;
        if !(longitude.abs() <= 180.0 && latitude.abs() <= 90.0) || is_nowhere {
            let (zh, en) = ("不是经纬度", "is no longitude and latitude");
            return Err(self.fault(
                format!("{longitude}, {latitude} {zh}"),
                format!("{longitude}, {latitude} {en}"),
            ));
        }
        let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
        Ok(Vehicle {
            number: self.number,
            label: label.filter(|label| *label != id),
            id,
            trip: self.trip(seen.trip)?,
            position: place,
            at: seen.at,
            bearing: finite(seen.bearing),
            speed: finite(seen.speed),
            odometer: finite(seen.odometer),
            stop_status: seen.stop_status.filter(|status| *status <= 2),
            congestion: seen.congestion.filter(|level| (1..=4).contains(level)),
            // 7 says that nothing is known.
            occupancy: seen.occupancy.filter(|status| *status <= 8 && *status != 7),
            occupied: seen.occupied,
        })
    }
}

fn trip_update<'a>(part: Part<'a>, update: &mut Update<'a>) -> Result<(), Broken> {
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Bytes(part)) => words(part, [1, 5], &mut update.trip)?,
            (2, Value::Bytes(part)) => {
                let delay = stop_time(part)?;
                update.next_stop = update.next_stop.or(delay);
            }
            (3, Value::Bytes(part)) => words(part, [1, 2], &mut update.vehicle)?,
            (4, Value::Number(seconds)) => update.at = time(seconds),
            (5, Value::Number(seconds)) => update.own = Some(signed(seconds)),
            _ => {}
        }
        Ok(())
    })
}

/// How late it comes to a stop, else how late it leaves.
fn stop_time(part: Part<'_>) -> Result<Option<i32>, Broken> {
    let mut delays = [None; 2];
    fields(part, |field, value| {
        if let (2 | 3, Value::Bytes(part)) = (field, value) {
            let which = usize::from(field == 3);
            fields(part, |field, value| {
                if let (1, Value::Number(seconds)) = (field, value) {
                    delays[which] = Some(signed(seconds));
                }
                Ok(())
            })?;
        }
        Ok(())
    })?;
    Ok(delays[0].or(delays[1]))
}

fn vehicle<'a>(part: Part<'a>, seen: &mut Seen<'a>) -> Result<(), Broken> {
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Bytes(part)) => words(part, [1, 5], &mut seen.trip)?,
            (2, Value::Bytes(part)) => position(part, seen)?,
            (4, Value::Number(status)) => seen.stop_status = Some(small(status)),
            (5, Value::Number(seconds)) => seen.at = time(seconds),
            (6, Value::Number(level)) => seen.congestion = Some(small(level)),
            (8, Value::Bytes(part)) => words(part, [1, 2], &mut seen.vehicle)?,
            (9, Value::Number(status)) => seen.occupancy = Some(small(status)),
            (10, Value::Number(percent)) => seen.occupied = Some(small(percent)),
            _ => {}
        }
        Ok(())
    })
}

fn position(part: Part<'_>, seen: &mut Seen<'_>) -> Result<(), Broken> {
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Four(bytes)) => seen.place[1] = Some(float(bytes)),
            (2, Value::Four(bytes)) => seen.place[0] = Some(float(bytes)),
            (3, Value::Four(bytes)) => seen.bearing = Some(float(bytes)),
            (4, Value::Eight(bytes)) => seen.odometer = Some(f64::from_le_bytes(bytes)),
            (5, Value::Four(bytes)) => seen.speed = Some(float(bytes)),
            _ => {}
        }
        Ok(())
    })
}

/// Two texts of a message, by their field numbers.
fn words<'a>(part: Part<'a>, numbers: [u64; 2], words: &mut Words<'a>) -> Result<(), Broken> {
    fields(part, |field, value| {
        if let Value::Bytes(part) = value {
            if field == numbers[0] {
                words.id = Some(part);
            } else if field == numbers[1] {
                words.second = Some(part);
            }
        }
        Ok(())
    })
}

/// An alert; an id in it that cannot be one.
fn alert_of<'a>(part: Part<'a>, alert: &mut Alert) -> Result<Option<Part<'a>>, Broken> {
    let mut wrong = None;
    if alert.effect == 0 {
        (alert.effect, alert.severity) = (8, 1);
    }
    fields(part, |field, value| {
        match (field, value) {
            (1, Value::Bytes(part)) => {
                let period = period(part)?;
                push(&mut alert.periods, period);
            }
            (5, Value::Bytes(part)) => wrong = selector(part, alert)?.or(wrong),
            (7, Value::Number(effect)) => alert.effect = small(effect),
            (10, Value::Bytes(part)) => texts(part, &mut alert.header)?,
            (14, Value::Number(severity)) => alert.severity = small(severity),
            _ => {}
        }
        Ok(())
    })?;
    Ok(wrong)
}

fn period(part: Part<'_>) -> Result<[Option<Timestamp>; 2], Broken> {
    let mut period = [None; 2];
    fields(part, |field, value| {
        if let (1 | 2, Value::Number(seconds)) = (field, value) {
            period[usize::from(field == 2)] = time(seconds);
        }
        Ok(())
    })?;
    Ok(period)
}

/// A stop, or something wider; a stop's id that cannot be one.
fn selector<'a>(part: Part<'a>, alert: &mut Alert) -> Result<Option<Part<'a>>, Broken> {
    let mut stop = None;
    fields(part, |field, value| {
        if let (5, Value::Bytes(part)) = (field, value) {
            stop = Some(part);
        }
        Ok(())
    })?;
    let Some(part) = stop else {
        alert.is_wide = true;
        return Ok(None);
    };
    let known = Judge { number: 0, at: 0 }.id(Some(part));
    let Ok(known) = known else { return Ok(Some(part)) };
    if let Some(id) = known {
        push(&mut alert.stops, id);
    }
    Ok(None)
}

fn texts(part: Part<'_>, texts: &mut Vec<(String, String)>) -> Result<(), Broken> {
    fields(part, |field, value| {
        if let (1, Value::Bytes(part)) = (field, value) {
            let mut found = Words::default();
            words(part, [1, 2], &mut found)?;
            let text = |part: Option<Part<'_>>, most: usize| {
                let text = String::from_utf8_lossy(part.map_or(&[][..], |part| part.bytes));
                text.chars().filter(|c| !c.is_control()).take(most).collect::<String>()
            };
            push(texts, (text(found.second, 35), text(found.id, TEXT_LEN_MAX)));
        }
        Ok(())
    })
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < PARTS_MAX {
        list.push(item);
    }
}

/// As somebody would write it: 106.55 and not 106.55000305.
fn float(bytes: [u8; 4]) -> f64 {
    let value = f32::from_le_bytes(bytes);
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// An `int32`, which is written as 64 bits when it is below 0.
#[expect(clippy::cast_possible_truncation, reason = "Protocol Buffers keep the low 32 bits")]
const fn signed(number: u64) -> i32 {
    number.cast_signed() as i32
}

/// Seconds since 1970; 0 says that nobody knows.
fn time(seconds: u64) -> Option<Timestamp> {
    let known = (1..=SECONDS_MAX).contains(&seconds);
    known.then(|| Timestamp(seconds.cast_signed() * 1_000))
}
