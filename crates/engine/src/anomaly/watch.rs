//! The detectors of all streams whose kind some rule watches for anomalies. Other streams have none
//! and pay nothing. Not here: what an anomaly is.

use chengmai_model::Reading;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{Detector, Seen};
use crate::pages::{Pages, Plain};

/// Detectors, side by side in the order in which their streams first reported.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    /// Whose each is.
    pub(crate) streams: Pages<u32>,
    pub(crate) detectors: Pages<Detector>,
    place: HashMap<u32, u32, FixedState>,
}

impl Watch {
    /// From a snapshot; `None` when its parts do not fit together, or not so many streams.
    pub(crate) fn restored(
        streams: Pages<u32>,
        detectors: Pages<Detector>,
        registered: usize,
    ) -> Option<Self> {
        let place = (0..).zip(streams.as_slice()).map(|(place, &stream)| (stream, place)).collect();
        let sound = |d: &Detector| d.values.is_sound() && d.residuals.is_sound();
        let fits = streams.len() == detectors.len()
            && detectors.as_slice().iter().all(sound)
            && streams.as_slice().iter().all(|&stream| (stream as usize) < registered);
        fits.then_some(Self { streams, detectors, place })
    }

    /// Forgets the streams that nobody asks about any more.
    pub(crate) fn retain(&mut self, asked: impl Fn(u32) -> bool) {
        let before = std::mem::take(self);
        let both = before.streams.as_slice().iter().zip(before.detectors.as_slice());
        for (&stream, &detector) in both.filter(|(stream, _)| asked(**stream)) {
            let place = u32::try_from(self.streams.len()).expect("at most one a stream");
            self.place.insert(stream, place);
            self.streams.push(stream);
            self.detectors.push(detector);
        }
    }

    /// Takes the next reading of a stream; the score of the anomaly that stands in it after that,
    /// NaN while its detector is learning.
    pub(crate) fn anomaly(&mut self, reading: &Reading) -> f64 {
        let next = u32::try_from(self.streams.len()).expect("at most one a stream");
        let place = *self.place.entry(reading.stream.0).or_insert(next);
        if place == next {
            self.streams.push(reading.stream.0);
            self.detectors.push(Detector::default());
        }
        let detector = self.detectors.get_mut(place as usize);
        detector.score(reading.at, reading.value);
        detector.standing(reading.at).map_or(f64::NAN, f64::from)
    }
}

impl Plain for Detector {
    const BYTES: usize = 2 * Seen::BYTES + 2 * 24 + 4 * 7 + 2 + 1;

    fn put(self, out: &mut Vec<u8>) {
        self.values.put(out);
        self.residuals.put(out);
        for usual in self.usual {
            out.extend(usual.to_le_bytes());
        }
        let numbers = [self.scale, self.bar, self.last, self.standing, self.from, self.near];
        for number in numbers {
            number.to_bits().put(out);
        }
        self.first_s.put(out);
        out.extend(self.readings.to_le_bytes());
        out.push(self.left);
    }

    fn take(bytes: &[u8]) -> Self {
        let (values, bytes) = bytes.split_at(Seen::BYTES);
        let (residuals, bytes) = bytes.split_at(Seen::BYTES);
        let (hours, bytes) = bytes.split_at(2 * 24);
        let mut usual = [0; 24];
        for (usual, hour) in usual.iter_mut().zip(hours.chunks_exact(2)) {
            *usual = u16::from_le_bytes([hour[0], hour[1]]);
        }
        let number = |index: usize| f32::from_bits(u32::take(&bytes[4 * index..4 * index + 4]));
        Self {
            values: Seen::take(values),
            residuals: Seen::take(residuals),
            usual,
            scale: number(0),
            bar: number(1),
            last: number(2),
            standing: number(3),
            from: number(4),
            near: number(5),
            first_s: u32::take(&bytes[24..28]),
            readings: u16::from_le_bytes([bytes[28], bytes[29]]),
            left: bytes[30],
        }
    }
}
