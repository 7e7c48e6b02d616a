//! Cases whose clock ran out and nobody moved: how far up they have gone, and when to look next. A function
//! of the times, so a restart changes nothing.

use chengmai_model::Timestamp;
use chengmai_model::case::{Case, Level, StageClock};
use chengmai_model::time::HOUR_MS;

/// Least time that each centre has before an overdue case goes on to the next. Our default.
const STEP_LEAST_MS: i64 = HOUR_MS;

/// How long each centre has: as long as the stage itself had.
fn step_ms(clock: &StageClock) -> i64 {
    clock.due_at.since(clock.started_at).max(STEP_LEAST_MS)
}

/// The centre above that an overdue case has gone up to: one tier when the running stage is due, one more
/// each time its whole length has passed again. `None` while it is in time, and for cases of the city.
pub fn escalated_to(case: &Case, now: Timestamp) -> Option<Level> {
    let clock = case.clock.as_ref().filter(|clock| now > clock.due_at)?;
    let twice = now > clock.due_at.plus_ms(step_ms(clock));
    match (case.level, twice) {
        (Level::City, _) => None,
        (Level::District, _) | (Level::Town, true) => Some(Level::City),
        (Level::Town, false) => Some(Level::District),
    }
}

/// When something about the running clock changes next: it turns yellow, it is due, it goes up.
pub fn next_look(case: &Case, now: Timestamp) -> Option<Timestamp> {
    let clock = case.clock.as_ref()?;
    let overdue = clock.due_at.plus_ms(1);
    [clock.yellow_at(), overdue, overdue.plus_ms(step_ms(clock))].into_iter().find(|&at| at > now)
}
