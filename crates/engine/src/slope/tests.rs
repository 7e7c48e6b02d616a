//! Packed readings against a plain list: bit for bit the same slopes, whatever comes.

use proptest::prelude::*;

use super::{Ring, Rings};
use crate::pages::Plain as _;
use crate::slope::packed::Packed;

const MINUTE: i64 = 60_000;

/// Values of sensors, with few decimals and with more, and such as no sensor sends.
fn value() -> impl Strategy<Value = f64> {
    let decimal = |most: i64, ten: f64| {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        (-most..most).prop_map(move |ticks| ticks as f64 / ten)
    };
    prop_oneof![
        12 => decimal(1_000, 10.0),
        4 => decimal(200_000, 1e4),
        2 => decimal(40_000_000, 1e6),
        1 => decimal(i64::MAX / 4, 1e3),
        1 => Just(-0.0),
        1 => -1e9..1e9_f64,
    ]
}

/// Pauses between readings: closer than what is kept, as a sensor's period, and silences.
fn pause() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 4 => 1..MINUTE, 8 => MINUTE..2 * MINUTE, 1 => 0..400 * MINUTE]
}

fn readings() -> impl Strategy<Value = Vec<(i64, f64)>> {
    prop::collection::vec((pause(), value()), 1..120).prop_map(|steps| {
        let mut at = 1_782_864_000_000;
        let reading = |(pause, value)| {
            at += pause;
            (at, value)
        };
        steps.into_iter().map(reading).collect()
    })
}

/// Of stream 1 of three; the first is not asked about.
fn rings() -> Rings {
    let mut rings = Rings::default();
    for asked in [false, true, true] {
        rings.add_stream(asked);
    }
    rings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn slopes_are_those_of_the_readings_as_they_are_to_the_last_bit(
        readings in readings(),
        longest in prop_oneof![Just(10 * MINUTE), 1..30 * MINUTE, MINUTE..300 * MINUTE],
        corrected in prop_oneof![3 => Just(None), 1 => (0_usize..120).prop_map(Some)],
    ) {
        let (mut rings, mut plain) = (rings(), Ring::new(1));
        let mut before = None;
        for (number, &reading) in readings.iter().enumerate() {
            rings.push(1, before, reading, longest);
            plain.push(reading, longest);
            let kept = rings.find(1, reading).unwrap();
            for span in [longest, longest / 2, longest / 7] {
                let (found, wanted) = (kept.slope(reading.0, span), plain.slope(reading.0, span));
                prop_assert_eq!(found.to_bits(), wanted.to_bits(), "{} and not {}", found, wanted);
            }
            before = Some(reading);
            if corrected == Some(number) {
                rings.widen(1, reading);
                // The reading is taken back: what the stream held before it is not known.
                before = None;
            }
        }
        prop_assert!(rings.find(0, readings[0]).is_none());
    }

    #[test]
    fn what_a_snapshot_holds_goes_on_with_the_same_slopes(readings in readings(), cut in 0_usize..120) {
        let (mut rings, longest) = (rings(), 10 * MINUTE);
        let mut before = None;
        for (number, &reading) in readings.iter().enumerate() {
            if number == cut {
                let mut bytes = Vec::new();
                rings.packed.as_slice().iter().for_each(|packed| packed.put(&mut bytes));
                rings.wide.as_slice().iter().for_each(|ring| ring.put(&mut bytes));
                let mut left = bytes.as_slice();
                let asked = [false, true, true].into_iter();
                let back = Rings::restored(&mut left, rings.wide.len(), asked).unwrap();
                prop_assert!(left.is_empty());
                prop_assert_eq!(back.packed.as_slice(), rings.packed.as_slice());
                prop_assert_eq!(back.wide.as_slice(), rings.wide.as_slice());
                rings = back;
            }
            rings.push(1, before, reading, longest);
            before = Some(reading);
        }
    }
}

#[test]
fn a_value_of_a_sensor_takes_six_bytes_and_others_are_kept_apart() {
    assert_eq!(Packed::BYTES, size_of::<Packed>());
    let mut rings = rings();
    let mut before = None;
    for minute in 0..40_i64 {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let reading = (minute * MINUTE, 20.0 + minute as f64 / 10.0);
        rings.push(1, before, reading, 10 * MINUTE);
        before = Some(reading);
    }
    assert_eq!(rings.wide.len(), 0);
    rings.push(1, Some((39 * MINUTE, 1.0 / 3.0)), (40 * MINUTE, 1.0), 10 * MINUTE);
    assert_eq!(rings.wide.len(), 1, "a third is no decimal number");
}

#[test]
fn damaged_places_are_refused() {
    let asked = || [true].into_iter();
    let mut bytes = Vec::new();
    Packed::WIDE.put(&mut bytes);
    let restored = |bytes: &[u8], wide| Rings::restored(&mut &bytes[..], wide, asked());
    assert!(restored(&bytes, 0).is_none(), "the readings that are elsewhere are nowhere");
    Ring::new(7).put(&mut bytes);
    assert!(restored(&bytes, 1).is_none(), "a ring of a stream that is not there");
    bytes.truncate(Packed::BYTES);
    bytes[Packed::BYTES - 2] = 16;
    bytes[Packed::BYTES - 1] = 0;
    assert!(restored(&bytes, 0).is_none(), "more readings than have room");
}
