//! Unanswered warnings 预警: until when a warning must be answered, and how far up it has gone when
//! nobody did. Pure: the same warning, limits and moment give the same answer after any restart.

use chengmai_model::pack::Answer;
use chengmai_model::time::{MINUTE_MS, parse_duration_ms};
use chengmai_model::{Severity, Tier, Timestamp};

/// Time to answer a warning, by severity, where its rule states none. Our defaults, no standard behind
/// them: blue 30 min, yellow 15 min, orange 5 min, red 5 min.
pub const ANSWER_LIMITS_MS: [i64; 4] =
    [30 * MINUTE_MS, 15 * MINUTE_MS, 5 * MINUTE_MS, 5 * MINUTE_MS];

/// The time to answer a warning of this severity: the rule's own, or the default. A limit that cannot
/// be read or is not positive counts as not stated; `pack check` names it.
pub fn answer_limit_ms(limits: &Answer, severity: Severity) -> i64 {
    let stated = match severity.number() {
        1 => &limits.blue,
        2 => &limits.yellow,
        3 => &limits.orange,
        _ => &limits.red,
    };
    let stated = stated.as_deref().and_then(parse_duration_ms).filter(|&ms| ms > 0);
    stated.unwrap_or(ANSWER_LIMITS_MS[usize::from(severity.number()) - 1])
}

/// How an unanswered warning stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// When the centre that has it now must have answered.
    pub answer_due: Timestamp,
    /// The tier it has gone up to; `None` while the first centre's time runs.
    pub escalated_to: Option<Tier>,
    /// The moment it last went up; `None` while it has not.
    pub escalated_at: Option<Timestamp>,
}

/// One tier up for each limit that passed without an answer. `raised_at` is when it was raised, or
/// last became worse; `tier` is the tier of its area: the first to answer is the town's centre, or the
/// area's own when that is larger. At the city it goes no higher, and `answer_due` stays where the
/// city missed it.
pub fn escalation(tier: Tier, raised_at: Timestamp, limit_ms: i64, now: Timestamp) -> Escalation {
    assert!(limit_ms > 0, "a limit is positive");
    let mut at = tier.min(Tier::Town);
    let mut due = raised_at.plus_ms(limit_ms);
    let mut escalated_at = None;
    while now > due && at != Tier::City {
        at = at.up();
        escalated_at = Some(due);
        due = due.plus_ms(limit_ms);
    }
    Escalation { answer_due: due, escalated_to: escalated_at.map(|_| at), escalated_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tier: Tier, minutes: i64) -> (i64, Option<Tier>) {
        let e = escalation(tier, Timestamp(0), 5 * MINUTE_MS, Timestamp(minutes * MINUTE_MS));
        (e.answer_due.0 / MINUTE_MS, e.escalated_to)
    }

    #[test]
    fn it_goes_up_one_tier_for_each_limit_that_passes() {
        assert_eq!(after(Tier::Grid, 5), (5, None));
        assert_eq!(after(Tier::Grid, 6), (10, Some(Tier::District)));
        assert_eq!(after(Tier::Grid, 11), (15, Some(Tier::City)));
        assert_eq!(after(Tier::Grid, 9_999), (15, Some(Tier::City)));
        assert_eq!(after(Tier::District, 6), (10, Some(Tier::City)));
        assert_eq!(after(Tier::City, 6), (5, None));
    }

    #[test]
    fn the_rule_s_own_limit_comes_before_the_default() {
        let limits = Answer {
            yellow: Some("20m".into()),
            red: Some("soon".into()),
            blue: Some("0s".into()),
            ..Answer::default()
        };
        let minutes: Vec<i64> =
            Severity::ALL.iter().map(|&s| answer_limit_ms(&limits, s) / MINUTE_MS).collect();
        assert_eq!(minutes, [30, 20, 5, 5]);
    }
}
