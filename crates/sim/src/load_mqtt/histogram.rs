//! Times counted in steps of 20 µs: small, fast, and exact enough for milliseconds.

use std::time::Duration;

/// Microseconds of a step.
const STEP_US: u128 = 20;
/// Steps; what takes longer (ten seconds) is counted in the last.
const STEPS: usize = 500_000;

/// Counts of times.
#[derive(Debug)]
pub(super) struct Histogram {
    steps: Vec<u32>,
    count: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { steps: vec![0; STEPS], count: 0 }
    }

    pub(super) fn note(&mut self, time: Duration) {
        let step = usize::try_from(time.as_micros() / STEP_US).unwrap_or(STEPS);
        self.steps[step.min(STEPS - 1)] += 1;
        self.count += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The time below which that share of them lies, rounded up to a step, in milliseconds.
    pub(super) fn percentile_ms(&self, share: f64) -> f64 {
        let wanted = share * self.count as f64;
        let mut below = 0_u64;
        for (step, count) in self.steps.iter().enumerate() {
            below += u64::from(*count);
            if below as f64 >= wanted && below > 0 {
                return (step + 1) as f64 * STEP_US as f64 / 1_000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_a_step() {
        let (mut one, mut other) = (Histogram::new(), Histogram::new());
        for ms in 1..=100 {
            one.note(Duration::from_millis(ms));
            other.note(Duration::from_millis(100 + ms));
        }
        one.add(&other);
        other.note(Duration::from_mins(1));
        assert_eq!(one.count(), 200);
        assert!((one.percentile_ms(0.5) - 100.02).abs() < 1e-9, "{}", one.percentile_ms(0.5));
        assert!((one.percentile_ms(1.0) - 200.02).abs() < 1e-9);
        assert!((other.percentile_ms(1.0) - 10_000.0).abs() < 1e-9, "the longest are cut");
        assert!(Histogram::new().percentile_ms(0.5).abs() < 1e-9);
    }
}
