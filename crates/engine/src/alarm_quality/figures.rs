//! The figures of a load, each with the standard's goal and a verdict. Words for them are the
//! screen's.

use chengmai_model::time::HOUR_MS;

use super::{AlarmLoad, Goals};

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FigureKind {
    /// Warnings an operator and hour.
    PerHour,
    /// Most that one operator was shown within ten minutes.
    PeakSlot,
    /// Share of time in flood.
    FloodShare,
    /// Share of the load that the ten worst sources make.
    TopShare,
    /// Sources that chattered.
    Chattering,
    /// Shown and gone at once.
    Fleeting,
    /// Standing for more than a day.
    Stale,
    /// Share of severity 1 and 2: low priority. (Which severity is which priority is ours.)
    LowShare,
    /// Share of severity 3: medium priority.
    MediumShare,
    /// Share of severity 4: high priority.
    HighShare,
}

impl FigureKind {
    /// Its word in JSON and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PerHour => "per_hour",
            Self::PeakSlot => "peak_slot",
            Self::FloodShare => "flood_share",
            Self::TopShare => "top_share",
            Self::Chattering => "chattering",
            Self::Fleeting => "fleeting",
            Self::Stale => "stale",
            Self::LowShare => "low_share",
            Self::MediumShare => "medium_share",
            Self::HighShare => "high_share",
        }
    }
}

/// How a figure stands to its goal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Meets the goal.
    Good,
    /// Misses it, but can still be managed.
    Fair,
    /// Misses it.
    Poor,
    /// Too few warnings to judge a share.
    TooFew,
}

impl Verdict {
    /// Its word in JSON and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
            Self::TooFew => "too_few",
        }
    }

    const fn met(met: bool) -> Self {
        if met { Self::Good } else { Self::Poor }
    }
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// Which.
    pub kind: FigureKind,
    /// What was found. Shares are 0 to 1.
    pub value: f64,
    /// What it should be, at most; for shares of priority: about.
    pub goal: f64,
    /// How it stands.
    pub verdict: Verdict,
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl AlarmLoad {
    /// Warnings an operator and hour.
    #[expect(clippy::cast_precision_loss, reason = "counts and spans are far below 2^53")]
    pub fn per_hour(&self) -> f64 {
        let hours = self.span_ms.max(1) as f64 / HOUR_MS as f64;
        self.shown as f64 / hours / self.operators.max(1) as f64
    }

    /// Share of time in flood.
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 ms")]
    pub fn flood_share(&self) -> f64 {
        self.flood_ms as f64 / (self.span_ms.max(1) as f64 * self.operators.max(1) as f64)
    }

    /// Share of the load that the worst sources make.
    pub fn top_share(&self, goals: &Goals) -> f64 {
        let top = self.sources.iter().take(goals.top).map(|(_, count)| count).sum();
        ratio(top, self.shown)
    }

    /// Shares of low (severity 1 and 2), medium (3) and high priority (4).
    pub fn priorities(&self) -> [f64; 3] {
        let [minor, moderate, major, extreme] = self.by_severity;
        [minor + moderate, major, extreme].map(|part| ratio(part, self.shown))
    }

    /// All figures, in the order of a report.
    pub fn figures(&self, goals: &Goals) -> Vec<Figure> {
        let figure = |kind, value, goal, verdict| Figure { kind, value, goal, verdict };
        let count = |kind, value: u64, goal: u64| {
            let [value, goal] = [value, goal].map(|n| ratio(n, 1));
            figure(kind, value, goal, Verdict::met(value <= goal))
        };
        let few = self.shown < goals.judged_min;
        let judged = |met| if few { Verdict::TooFew } else { Verdict::met(met) };
        let hourly = self.per_hour();
        let load = match hourly {
            h if h <= goals.hourly_good => Verdict::Good,
            h if h <= goals.hourly_most => Verdict::Fair,
            _ => Verdict::Poor,
        };
        let flood = self.flood_share();
        let top = self.top_share(goals);
        let mut list = vec![
            figure(FigureKind::PerHour, hourly, goals.hourly_good, load),
            count(FigureKind::PeakSlot, self.peak_slot, goals.flood_begins as u64),
            figure(
                FigureKind::FloodShare,
                flood,
                goals.flood_share_max,
                Verdict::met(flood <= goals.flood_share_max),
            ),
            figure(
                FigureKind::TopShare,
                top,
                goals.top_share_max,
                judged(top <= goals.top_share_max),
            ),
            count(FigureKind::Chattering, self.chattering.len() as u64, 0),
            count(FigureKind::Fleeting, self.fleeting, 0),
            count(FigureKind::Stale, self.stale, goals.stale_max.saturating_sub(1)),
        ];
        let kinds = [FigureKind::LowShare, FigureKind::MediumShare, FigureKind::HighShare];
        for ((kind, value), goal) in kinds.into_iter().zip(self.priorities()).zip(goals.priorities)
        {
            let met = (value - goal).abs() <= goals.priority_slack;
            list.push(figure(kind, value, goal, judged(met)));
        }
        list
    }
}
