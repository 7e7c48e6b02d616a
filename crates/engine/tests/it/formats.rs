//! Snapshots of earlier formats stay readable. The files under `tests/fixtures` were written by the
//! program of their time and are never written again; a new format adds a file.

use std::path::Path;

use chengmai_engine::Engine;
use chengmai_model::{Reading, StreamId, Timestamp};

use crate::determinism::{
    MINUTE, START, STREAMS, Second, board, catalog, city, engine, play, settings,
};

/// Three hours of every stream, some values with two decimals, some with all there are, as they were
/// played into the engine of the fixtures.
fn hours() -> Vec<Second> {
    let value = |number: i64, stream: u32| match stream % 4 {
        0 => 50.0 + f64::from(u8::try_from(number * 37 % 50).expect("below 50")),
        1 => f64::from(i8::try_from(number * 13 % 10).expect("below 10")) / 2.0 - 2.5,
        2 => f64::from(u16::try_from(number * 7_919 % 10_000).expect("below 10,000")) / 100.0,
        _ => f64::from(i8::try_from(number * 17 % 30).expect("below 30")) / 7.0 - 2.0,
    };
    let second = |number: i64| {
        let now = Timestamp(START + number * 47_000);
        let of = |stream: u32| Reading {
            stream: StreamId(stream),
            at: Timestamp(now.0 - i64::from(stream) * 1_013),
            value: value(number + i64::from(stream), stream),
        };
        let reports = |stream: &u32| (number + i64::from(*stream)) % (2 + i64::from(*stream)) != 0;
        Second { now, readings: (0..STREAMS).filter(reports).map(of).collect() }
    };
    (0..3 * 60 * MINUTE / 47_000).map(second).collect()
}

#[test]
fn an_engine_of_a_snapshot_of_format_6_goes_on_as_if_it_had_never_stopped() {
    let hours = hours();
    let (before, after) = hours.split_at(hours.len() / 2);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/engine-6.snapshot");
    let bytes = std::fs::read(path).unwrap();
    let mut restored = Engine::restore(catalog(), city(), settings(), &bytes).unwrap();
    let (mut straight, mut position) = (engine(catalog()), 0);
    play(&mut straight, before, &mut position, 3);
    assert_eq!(restored.totals(), straight.totals());
    assert_eq!(board(&restored), board(&straight));
    let one = play(&mut straight, after, &mut position.clone(), 3);
    let other = play(&mut restored, after, &mut position, 3);
    assert!(one.len() > 100, "much happens meanwhile");
    assert_eq!(one, other);
    assert_eq!(board(&restored), board(&straight));
    for cut in [1, bytes.len() / 2, bytes.len() - 1] {
        Engine::restore(catalog(), city(), settings(), &bytes[..cut]).unwrap_err();
    }
}
