//! The scoring rules of the Numenta Anomaly Benchmark, written from the published formula (Lavin and
//! Ahmad 2015): the first 15 % of a series count for nothing; the earliest score over the threshold
//! inside a window earns up to 1 by a sigmoid over its position, a window without any costs 1, a
//! score outside costs up to the weight of false positives; 0 is a detector that never speaks, 100
//! one that speaks at the first reading of every window and nowhere else.
//!
//! Not here: reading files, and anything about a detector.

/// Weights of what is right and wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Profile {
    pub(crate) false_positive: f64,
    pub(crate) false_negative: f64,
}

/// The three published profiles, as in `profiles.json`: standard, low FP, low FN.
pub(crate) const PROFILES: [Profile; 3] = [
    Profile { false_positive: 0.11, false_negative: 1.0 },
    Profile { false_positive: 0.22, false_negative: 1.0 },
    Profile { false_positive: 0.11, false_negative: 2.0 },
];

/// What one reading would earn or cost if a detector spoke there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stake {
    /// Number of the window it lies in.
    pub(crate) window: Option<usize>,
    /// -1 to 1, before the weights of the profile.
    pub(crate) worth: f64,
}

/// Readings at the beginning that count for nothing.
pub(crate) fn probation(rows: usize) -> usize {
    (rows * 15 / 100).min(750)
}

/// The stake of every reading; `windows` are first and last row of each, in order.
pub(crate) fn stakes(rows: usize, windows: &[(usize, usize)]) -> Vec<Stake> {
    (0..rows)
        .map(|row| {
            let inside = windows.iter().position(|&(first, last)| (first..=last).contains(&row));
            if let Some(window) = inside {
                let (first, last) = windows[window];
                let position = -((last - row + 1) as f64) / (last - first + 1) as f64;
                return Stake { window: inside, worth: sigmoid(position) / sigmoid(-1.0) };
            }
            let before = windows.iter().rev().find(|(_, last)| *last < row);
            let worth = before.map_or(-1.0, |&(first, last)| {
                sigmoid((row - last) as f64 / (last - first) as f64)
            });
            Stake { window: None, worth }
        })
        .collect()
}

/// 1 far before, 0 at the right end of the window, -1 far behind it.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

/// A scored reading: the detector's score, and what it is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spoken {
    pub(crate) score: f32,
    /// Distinguishes the series that are scored together.
    pub(crate) series: usize,
    pub(crate) stake: Stake,
}

/// What was said over one or more series with so many windows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sheet {
    pub(crate) windows: usize,
    pub(crate) spoken: Vec<Spoken>,
}

/// Points so far at a falling threshold.
struct Tally {
    raw: f64,
    profile: Profile,
    best: std::collections::BTreeMap<(usize, usize), f64>,
}

impl Tally {
    fn new(windows: usize, profile: Profile) -> Self {
        let raw = -(windows as f64) * profile.false_negative;
        Self { raw, profile, best: std::collections::BTreeMap::new() }
    }

    fn add(&mut self, spoken: &Spoken) {
        let Some(window) = spoken.stake.window else {
            self.raw += spoken.stake.worth * self.profile.false_positive;
            return;
        };
        let missed = -self.profile.false_negative;
        let best = self.best.entry((spoken.series, window)).or_insert(missed);
        if spoken.stake.worth > *best {
            self.raw += spoken.stake.worth - *best;
            *best = spoken.stake.worth;
        }
    }
}

impl Sheet {
    /// Adds one series. Scores of 0 can never be over a threshold.
    pub(crate) fn add(&mut self, series: usize, windows: &[(usize, usize)], scores: &[f32]) {
        self.windows += windows.len();
        let stakes = stakes(scores.len(), windows);
        let counted = scores.iter().zip(stakes).skip(probation(scores.len()));
        self.spoken.extend(
            counted.filter(|(score, _)| **score > 0.0).map(|(&score, stake)| Spoken {
                score,
                series,
                stake,
            }),
        );
    }

    /// Points at a threshold, before they are put between 0 and 100.
    pub(crate) fn raw(&self, profile: Profile, threshold: f32) -> f64 {
        let mut tally = Tally::new(self.windows, profile);
        for spoken in self.spoken.iter().filter(|spoken| spoken.score >= threshold) {
            tally.add(spoken);
        }
        tally.raw
    }

    /// The threshold at which the points are most; more than any score if silence is best.
    pub(crate) fn best_threshold(&self, profile: Profile) -> f32 {
        let mut falling = self.spoken.clone();
        falling.sort_by(|a, b| b.score.total_cmp(&a.score));
        let mut tally = Tally::new(self.windows, profile);
        let mut best = (tally.raw, f32::INFINITY);
        for same in falling.chunk_by(|a, b| a.score.to_bits() == b.score.to_bits()) {
            for spoken in same {
                tally.add(spoken);
            }
            if tally.raw > best.0 {
                best = (tally.raw, same[0].score);
            }
        }
        best.1
    }
}

/// Points as the published tables show them: 0 for silence, 100 for perfect.
pub(crate) fn shown(raw: f64, windows: usize, profile: Profile) -> f64 {
    let windows = windows as f64;
    let silent = -windows * profile.false_negative;
    100.0 * (raw - silent) / (windows - silent)
}
