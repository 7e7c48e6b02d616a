//! Messages of GTFS-Realtime and the files of a timetable: whatever the bytes, what is taken can be, and a fault
//! names a place within them.

use chengmai_wire::gtfs::{decode_names, decode_routes, decode_stops, decode_trips};
use chengmai_wire::gtfs_realtime::{
    self as realtime, ENTITIES_MAX, ID_BYTES_MAX, PARTS_MAX, TEXT_LEN_MAX,
};

use crate::Trait;
use crate::text::{Strict, hash, reason};

/// A length before bytes, for texts shorter than 128.
fn part(field: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(0) & 0x7f;
    [&[field << 3 | 2, length], bytes].concat()
}

/// A vehicle, a trip that is late, an alert, and an entity that is no more.
pub(crate) fn message_made() -> Vec<Vec<u8>> {
    let head = part(1, &[&part(1, b"2.0")[..], &[0x18, 0x80, 0xc7, 0xd2, 0xaa, 0x06]].concat());
    let float = |field: u8, value: f32| [&[field << 3 | 5][..], &value.to_le_bytes()].concat();
    let odometer = [&[0x21][..], &1_250.0_f64.to_le_bytes()].concat();
    let place = [float(1, 29.5), float(2, 106.5), float(3, 90.0), odometer, float(5, 9.5)].concat();
    let trip = [part(1, b"t1"), part(5, b"r14")].concat();
    let numbers = [0x20, 1, 0x28, 0x80, 0xc7, 0xd2, 0xaa, 0x06, 0x30, 3, 0x48, 5, 0x50, 80];
    let bus =
        [part(1, &trip), part(2, &place), numbers.to_vec(), part(8, &part(1, b"4716"))].concat();
    let late = [
        part(1, &trip),
        part(2, &part(2, &[0x08, 0xe2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])),
        part(3, &part(1, b"4716")),
        vec![0x28, 0x5a],
    ];
    let alert = [
        part(1, &[0x08, 100, 0x10, 120]),
        part(5, &part(5, b"s1")),
        part(5, &part(2, b"r14")),
        vec![0x38, 4, 0x70, 3],
        part(10, &part(1, &[part(1, "绕行".as_bytes()), part(2, b"zh")].concat())),
    ];
    let entity = |id: &[u8], body: Vec<u8>| part(2, &[part(1, id), body].concat());
    let whole = [
        head.clone(),
        entity(b"v", part(4, &bus)),
        entity(b"u", part(3, &late.concat())),
        entity(b"a", part(5, &alert.concat())),
        entity(b"d", vec![0x10, 1]),
    ];
    vec![head, whole.concat()]
}

pub(crate) fn message(bytes: &[u8]) -> Trait {
    match realtime::message(bytes) {
        Ok(message) => {
            let realtime::Message { vehicles, delays, alerts, deleted, faults, .. } = &message;
            assert!(vehicles.len().max(delays.len()).max(alerts.len()) <= ENTITIES_MAX);
            for vehicle in vehicles {
                let [longitude, latitude] = vehicle.position;
                assert!(longitude.abs() <= 180.0 && latitude.abs() <= 90.0, "on earth");
                assert!((1..=ID_BYTES_MAX).contains(&vehicle.id.len()));
                let told = [vehicle.bearing, vehicle.speed, vehicle.odometer];
                assert!(told.into_iter().flatten().all(f64::is_finite));
            }
            for alert in alerts {
                assert!(
                    alert.stops.len().max(alert.header.len()).max(alert.periods.len()) <= PARTS_MAX
                );
                assert!(alert.header.iter().all(|(_, text)| text.chars().count() <= TEXT_LEN_MAX));
                assert!(!alert.effect_word().is_empty());
            }
            for fault in faults {
                assert!(fault.line >= 1 && fault.byte as usize <= bytes.len() + 1);
            }
            let said = [vehicles.len(), delays.len(), alerts.len(), deleted.len(), faults.len()];
            said.iter().fold(1, |all, &n| all << 4 | n.min(15) as u64)
        }
        Err(fault) => {
            assert!(fault.byte as usize <= bytes.len() + 1, "byte {}", fault.byte);
            1 << 40 | u64::from(fault.code.number) << 20 | (hash(reason(&fault)) % (1 << 16))
        }
    }
}

pub(crate) fn timetable_made() -> Vec<Vec<u8>> {
    let files: [&[u8]; 4] = [
        b"stop_id,stop_name,stop_lat,stop_lon,location_type\r\n1,\"A, \"\"B\"\"\",29.5,106.5,\r\n2,b,29,106,2\r\n",
        b"route_id,route_short_name,route_long_name\nr1,14,\nr2,,Long\n",
        b"route_id,trip_id,trip_headsign\nr1,t1,Petherick Road\n",
        "sort,id,name\nroute,r1,14\ntrip,t1,14 → 北站\n".as_bytes(),
    ];
    files.map(<[u8]>::to_vec).into()
}

pub(crate) fn timetable(body: &[u8]) -> Trait {
    let stops = decode_stops(body);
    let on_earth = |p: &[f64; 2]| p[0].abs() <= 180.0 && p[1].abs() <= 90.0;
    assert!(stops.rows.iter().all(|stop| on_earth(&stop.position) && !stop.id.is_empty()));
    let answers = [
        Strict::new(body).decoded(&stops),
        Strict::new(body).decoded(&decode_routes(body)),
        Strict::new(body).decoded(&decode_trips(body)),
        Strict::new(body).decoded(&decode_names(body)),
    ];
    answers.into_iter().fold(0, |all: u64, answer| all.rotate_left(16) ^ answer)
}
