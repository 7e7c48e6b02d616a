//! The roll-up gives back what it took: corrections, retractions, moves and new areas leave what a plain
//! recomputation gives.

use crate::audit::audit;

#[test]
fn after_random_readings_corrections_moves_and_recodings_the_roll_up_equals_its_readings() {
    for seed in [1, 0x5eed, 20_261_121] {
        let tally = audit(seed, 40_000, 12).unwrap_or_else(|text| panic!("{text}"));
        let each = [tally.readings, tally.late, tally.corrected, tally.retracted];
        let more = [tally.refilled, tally.moved, tally.recoded, tally.points, tally.windows];
        assert!(each.iter().chain(&more).all(|&count| count > 0), "{tally:?}");
    }
}
