//! Messages written by hand, byte by byte. What the standard's own library writes is read in the server's tests.

use chengmai_model::Timestamp;

use super::*;

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

fn int(field: u64, value: u64) -> Vec<u8> {
    [number(field << 3), number(value)].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [number(field << 3 | 2), number(value.len() as u64), value.to_vec()].concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [number(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

fn head() -> Vec<u8> {
    bytes(1, &[bytes(1, b"2.0"), int(3, 1_700_000_000)].concat())
}

fn entity(id: &str, field: u64, body: &[u8]) -> Vec<u8> {
    bytes(2, &[bytes(1, id.as_bytes()), bytes(field, body)].concat())
}

/// A vehicle at 106.55, 29.56.
fn bus(id: &str) -> Vec<u8> {
    let position = [float(1, 29.56), float(2, 106.55), float(3, 90.0), float(5, 10.0)].concat();
    let trip = [bytes(1, b"t1"), bytes(5, b"r14")].concat();
    let more = [int(4, 1), int(5, 1_699_999_990), int(6, 3), int(9, 5), int(10, 80)].concat();
    let name = bytes(1, id.as_bytes());
    entity("e1", 4, &[bytes(1, &trip), bytes(2, &position), more, bytes(8, &name)].concat())
}

#[test]
fn a_vehicle_says_where_it_is_and_how_it_goes() {
    let found = message(&[head(), bus("4716")].concat()).unwrap();
    assert_eq!(found.at, Some(Timestamp(1_700_000_000_000)));
    let expected = Vehicle {
        number: 1,
        id: "4716".into(),
        label: None,
        trip: Trip { id: Some("t1".into()), route: Some("r14".into()) },
        position: [106.55, 29.56],
        at: Some(Timestamp(1_699_999_990_000)),
        bearing: Some(90.0),
        speed: Some(10.0),
        odometer: None,
        stop_status: Some(1),
        congestion: Some(3),
        occupancy: Some(5),
        occupied: Some(80),
    };
    assert_eq!(found.vehicles, [expected]);
    assert_eq!((found.faults.len(), found.differs), (0, false));
}

#[test]
fn a_trip_is_as_late_as_it_says_else_as_its_next_stop() {
    let own = [bytes(1, &bytes(1, b"t1")), bytes(3, &bytes(1, b"4716")), int(5, 90)].concat();
    let event = |seconds: i64| bytes(2, &int(1, seconds.cast_unsigned()));
    let stops = [bytes(2, &bytes(4, b"s1")), bytes(2, &event(-30)), bytes(2, &event(60))].concat();
    let of_stops = [bytes(1, &bytes(1, b"t2")), stops].concat();
    let nothing = bytes(1, &bytes(1, b"t3"));
    let body = [head(), entity("a", 3, &own), entity("b", 3, &of_stops), entity("c", 3, &nothing)]
        .concat();
    let found = message(&body).unwrap();
    let told: Vec<_> =
        found.delays.iter().map(|d| (d.number, d.vehicle.as_deref(), d.seconds)).collect();
    assert_eq!(told, [(1, Some("4716"), 90), (2, None, -30)]);
}

#[test]
fn an_alert_names_stops_or_something_wider_and_holds_in_its_periods() {
    let text =
        |language: &[u8], text: &[u8]| bytes(1, &[bytes(1, text), bytes(2, language)].concat());
    let body = [
        bytes(1, &[int(1, 100), int(2, 200)].concat()),
        bytes(5, &bytes(5, b"s1")),
        bytes(5, &bytes(2, b"r14")),
        int(7, 4),
        bytes(10, &[text(b"en", b"Detour"), text(b"zh-CN", "绕行".as_bytes())].concat()),
        int(14, 3),
    ];
    let found = message(&[head(), entity("a1", 5, &body.concat())].concat()).unwrap();
    let alert = &found.alerts[0];
    assert_eq!((alert.id.as_str(), alert.effect_word(), alert.severity), ("a1", "detour", 3));
    assert_eq!(
        (alert.heading(), alert.is_wide, &alert.stops[..]),
        (Some("绕行"), true, &["s1".to_owned()][..])
    );
    for (second, holds) in [(99, false), (100, true), (199, true), (200, false)] {
        assert_eq!(alert.holds(Timestamp(second * 1_000)), holds, "{second}");
    }
}

#[test]
fn what_is_not_known_is_passed_over_and_what_is_gone_is_named() {
    let gone = bytes(2, &[bytes(1, b"e9"), int(2, 1)].concat());
    let unknown = [int(99, 7), bytes(1_000, b"x"), float(77, 1.0)].concat();
    let shape = entity("s", 6, &bytes(1, b"x"));
    let found = message(&[unknown, head(), gone, shape, bus("1")].concat()).unwrap();
    assert_eq!((found.deleted, found.other, found.vehicles.len()), (vec!["e9".to_owned()], 1, 1));
}

#[test]
fn an_entity_that_says_what_cannot_be_is_refused_alone() {
    let at = |latitude: f32, longitude: f32| {
        entity("x", 4, &bytes(2, &[float(1, latitude), float(2, longitude)].concat()))
    };
    let wrong = [
        at(91.0, 0.5),
        at(f32::NAN, 1.0),
        at(0.0, 0.0),
        entity("x", 4, &bytes(8, &bytes(1, b"4716"))),
        bytes(2, &bytes(4, b"")),
        bus(&"x".repeat(ID_BYTES_MAX + 1)),
        bus("a\nb"),
    ];
    let count = wrong.len();
    let found = message(&[head(), wrong.concat(), bus("good")].concat()).unwrap();
    assert_eq!(found.vehicles.len(), 1);
    let numbers: Vec<usize> = found.faults.iter().map(|fault| fault.line as usize).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
    assert!(found.faults.iter().all(|fault| fault.code.number == 534));
}

#[test]
fn a_message_that_is_broken_is_refused_whole_at_every_cut() {
    let whole = [head(), bus("4716")].concat();
    let without = head().len();
    for end in (1..whole.len()).filter(|&end| end != without) {
        let fault = message(&whole[..end]).unwrap_err();
        assert_eq!((fault.code.number, fault.line), (532, 0), "cut at {end}");
        assert!(fault.byte as usize <= end + 1, "cut at {end}: byte {}", fault.byte);
    }
    for (what, body) in [
        ("nothing", Vec::new()),
        ("no header", bus("1")),
        ("another version", bytes(1, &bytes(1, b"3.0"))),
        ("a web page", b"<html>".to_vec()),
        ("a number without end", [head(), vec![0x10], vec![0xff; 11]].concat()),
        ("a length beyond the end", [head(), vec![0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat()),
        ("a group", [head(), vec![0x0b, 0x0c]].concat()),
        ("field 0", [head(), vec![0x00, 0x00]].concat()),
    ] {
        assert_eq!(message(&body).unwrap_err().code.number, 532, "{what}");
    }
}

#[test]
fn a_message_has_limits() {
    let fault = message(&vec![0; MESSAGE_BYTES_MAX + 1]).unwrap_err();
    assert_eq!(fault.code.number, 533);
    let many = bytes(2, &bytes(1, b"e")).repeat(ENTITIES_MAX + 1);
    assert_eq!(message(&[head(), many].concat()).unwrap_err().code.number, 533);
    let selectors = bytes(5, &bytes(5, b"s")).repeat(2 * PARTS_MAX);
    let found = message(&[head(), entity("a", 5, &selectors)].concat()).unwrap();
    assert_eq!(found.alerts[0].stops.len(), PARTS_MAX);
}
