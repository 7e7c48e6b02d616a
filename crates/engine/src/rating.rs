//! Ratings 评价: rates with numerator and denominator, composites, and stars with the evidence behind
//! them. Pure arithmetic; what is kept where is the records database's work.
//!
//! [`formulas`] counts what happened to cases in a period, [`composite`] weighs it as a pack says,
//! [`evidence`] and [`stars`] say who is proved to be among the best, [`weights`] how much an order owes
//! to its weights, [`policy`] whether a measure changed anything.
//!
//! [`gather`] makes the facts of all this from stored cases.
//!
//! In this file: the quick score of an agency's cases over any stretch of time, as the list of agencies
//! shows it. It is no star: those need proof. Its formula (our default weights):
//! score = 100 × (0.60 × on-time + 0.25 × (1 − rework) + 0.15 × (1 − open overdue share)); fewer than
//! five cases: no score.

use chengmai_model::Text;

pub mod composite;
pub mod draws;
pub mod evidence;
pub mod facts;
pub mod formulas;
pub mod gather;
pub mod policy;
pub mod posterior;
pub mod stars;
pub mod weights;

mod probability;
mod ranks;

/// Fewer cases than this are not enough for a score.
pub const EVIDENCE_CASES_MIN: u64 = 5;

/// A share that says what it is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    /// How many.
    pub numerator: u64,
    /// Of how many.
    pub denominator: u64,
}

impl Rate {
    /// A rate of counts; the numerator is a part of the denominator.
    pub fn new(numerator: u64, denominator: u64) -> Self {
        assert!(numerator <= denominator, "{numerator} of {denominator} is no share");
        Self { numerator, denominator }
    }

    /// 0 to 1; `None` ("n/a") when there is nothing to take a share of.
    pub fn value(self) -> Option<f64> {
        (self.denominator > 0).then(|| self.numerator as f64 / self.denominator as f64)
    }
}

/// What is counted of the cases of an agency or an area in a period. Cases whose source states no
/// deadline (imports only) are neither in time nor late and stand outside `closed_with_due`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CaseCounts {
    /// Closed in the period.
    pub closed: u64,
    /// Of those: had a deadline.
    pub closed_with_due: u64,
    /// Of those: closed no later than it.
    pub closed_on_time: u64,
    /// Open at the end of the period.
    pub open: u64,
    /// Of those: past their deadline.
    pub open_overdue: u64,
    /// Of closed and open: failed the check at least once.
    pub reworked: u64,
}

impl CaseCounts {
    /// All cases counted.
    pub fn cases(&self) -> u64 {
        self.closed + self.open
    }

    /// 按期结案率: closed on time of those that were closed or should have been. Open overdue cases
    /// are in the denominator, so leaving a late case open does not better the rate.
    pub fn on_time(&self) -> Rate {
        Rate::new(self.closed_on_time, self.closed_with_due + self.open_overdue)
    }

    /// 返工率: cases that failed the check at least once, of all counted.
    pub fn rework(&self) -> Rate {
        Rate::new(self.reworked, self.cases())
    }

    /// 超期未处置率: cases open past their deadline, of all counted.
    pub fn open_overdue_share(&self) -> Rate {
        Rate::new(self.open_overdue, self.cases())
    }
}

/// A score with the numbers behind it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rating {
    /// What was counted.
    pub counts: CaseCounts,
    /// 0 to 100; `None` with too little evidence.
    pub score: Option<f64>,
}

/// Rates counts by the formula above. No score with fewer than [`EVIDENCE_CASES_MIN`] cases, or when
/// nothing was closed nor overdue.
pub fn rate(counts: CaseCounts) -> Rating {
    let score =
        counts.on_time().value().filter(|_| counts.cases() >= EVIDENCE_CASES_MIN).map(|on_time| {
            let rework = counts.rework().value().unwrap_or(0.0);
            let overdue = counts.open_overdue_share().value().unwrap_or(0.0);
            100.0 * (0.60 * on_time + 0.25 * (1.0 - rework) + 0.15 * (1.0 - overdue))
        });
    Rating { counts, score }
}

/// The formula in words, to be shown beside every score.
pub fn formula() -> Text {
    Text::new(
        "得分 = 按期结案率×60 + (1−返工率)×25 + (1−超期未结率)×15；不足 5 件不计分。\
         按期结案率 = 按期结案数 /（有时限的结案数 + 超期未结数）。权重为系统默认值；星级另评。",
        "score = on-time rate × 60 + (1 − rework rate) × 25 + (1 − open overdue share) × 15; no score with \
         fewer than 5 cases. On-time rate = closed on time / (closed with a limit + open overdue). The weights \
         are our defaults; stars are another matter.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(closed: u64, on_time: u64, open: u64, overdue: u64, reworked: u64) -> CaseCounts {
        CaseCounts {
            closed,
            closed_with_due: closed,
            closed_on_time: on_time,
            open,
            open_overdue: overdue,
            reworked,
        }
    }

    #[test]
    fn an_open_overdue_case_counts_against_the_rate() {
        assert_eq!(counts(8, 8, 2, 2, 0).on_time(), Rate::new(8, 10));
        assert_eq!(counts(0, 0, 3, 0, 0).on_time().value(), None);
        let mut no_deadline = counts(8, 8, 0, 0, 0);
        no_deadline.closed = 10;
        assert_eq!(no_deadline.on_time(), Rate::new(8, 8));
    }

    #[test]
    fn the_score_follows_the_formula() {
        let score = |c: CaseCounts| rate(c).score.map(|score| (score * 10.0).round() / 10.0);
        assert_eq!(score(counts(10, 10, 0, 0, 0)), Some(100.0));
        // 60 + 25 x 0.6 + 15.
        assert_eq!(score(counts(10, 10, 0, 0, 4)), Some(90.0));
        // 60 x 0.5 + 25 + 15.
        assert_eq!(score(counts(10, 5, 0, 0, 0)), Some(70.0));
        assert_eq!(score(counts(0, 0, 10, 10, 0)), Some(25.0));
    }

    #[test]
    fn few_cases_have_no_score_and_the_count_stays_visible() {
        let few = rate(counts(4, 4, 0, 0, 0));
        assert_eq!((few.score, few.counts.cases()), (None, 4));
        assert_eq!(rate(counts(0, 0, 9, 0, 0)).score, None);
    }
}
