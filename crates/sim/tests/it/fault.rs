//! The fault simulator finds nothing wrong with the program, and finds what is planted.

use chengmai_sim::fault::{Allowed, Fault, Options, Report, Sabotage, Simulation};

const SEEDS: u64 = 500;

#[test]
fn five_hundred_seeds_lose_nothing_and_double_nothing() {
    let simulation = Simulation::new().unwrap();
    let mut sum = Report::default();
    for seed in 1..=SEEDS {
        match simulation.seed(seed, Options::default()) {
            Ok(report) => sum.add(&report),
            Err(failure) => panic!("{failure}"),
        }
    }
    // What a run of this size must have met, or it shows nothing.
    println!("{sum}");
    assert!(sum.faults.iter().all(|&count| count > SEEDS / 5), "{sum}");
    assert!(sum.acknowledged > 200 * SEEDS && sum.warnings > SEEDS, "{sum}");
    assert!(sum.recoveries > 5 * SEEDS && sum.snapshots > SEEDS, "{sum}");
    assert!(sum.damage_reported > SEEDS / 5 && sum.full_recovered > SEEDS / 5, "{sum}");
    assert!(sum.segments_deleted > SEEDS / 2, "{sum}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let simulation = Simulation::new().unwrap();
    for seed in 1..20 {
        let options = Options::default();
        assert_eq!(simulation.seed(seed, options), simulation.seed(seed, options));
    }
}

/// Runs seeds until one finds the planted fault.
fn check_found(sabotage: Sabotage, within: u64, saying: &[&str]) {
    let simulation = Simulation::new().unwrap();
    let options = Options { sabotage: Some(sabotage), ..Options::default() };
    let found = (1..=within).find_map(|seed| simulation.seed(seed, options).err());
    assert!(found.is_some(), "{sabotage:?} is not found in {within} seeds");
    let failure = found.unwrap();
    assert!(saying.iter().any(|words| failure.what.contains(words)), "{failure}");
    assert!(!failure.trace.is_empty());
}

#[test]
fn a_sync_that_is_left_out_is_found() {
    check_found(Sabotage::SkipSync, 10, &["damage that nobody did", "were committed"]);
}

#[test]
fn a_checksum_that_nobody_looks_at_is_found() {
    check_found(Sabotage::DropChecksum, 10, &["and was written as", "was not noticed"]);
}

#[test]
fn two_frames_that_change_places_are_found() {
    check_found(
        Sabotage::SwapFrames,
        10,
        &["the numbers of the readings jump", "and was written as"],
    );
}

#[test]
fn an_answer_before_the_commit_is_found() {
    check_found(Sabotage::AcknowledgeEarly, 10, &["was acknowledged and is not there"]);
}

#[test]
fn a_snapshot_before_its_time_is_found() {
    check_found(
        Sabotage::PublishEarly,
        10,
        &["the rows of history lack", "the steps of warnings lack"],
    );
}

#[test]
fn a_snapshot_of_a_registry_ahead_of_the_journal_is_found() {
    let what = ["are not what was sent", "nothing before it explains", "differs from one"];
    check_found(Sabotage::PublishUnjournaled, 100, &what);
}

#[test]
fn a_segment_deleted_before_its_time_is_found() {
    check_found(Sabotage::ForgetEarly, 100, &["although a snapshot is sound"]);
}

#[test]
fn a_run_without_misfortune_meets_none() {
    let simulation = Simulation::new().unwrap();
    let allowed = Fault::ALL.into_iter().fold(Allowed::ALL, Allowed::without);
    let report = simulation.seed(1, Options { allowed, ..Options::default() }).unwrap();
    assert_eq!((report.faults, report.damage_reported, report.refused_full), ([0; 12], 0, 0));
    // The first start, and the two of the end.
    assert_eq!((report.recoveries, report.crashes), (2, 1));
}
