//! Cases as lines of text, figures as text.

use std::fmt::Write as _;

use proptest::prelude::*;

use chengmai_model::AreaId;

use super::*;
use crate::rating::facts::{NEVER, Posts};

/// Periods of ten: `1` is 10 to 19.
fn span(number: i64, now: i64) -> Span {
    let period = EvaluationPeriod { from: Timestamp(10 * number), to: Timestamp(10 * number + 10) };
    Span::new(period, Timestamp(now))
}

/// A case as text: `handle 12 15` is due at 12 and done at 15, `handle 12 -` not done; also `verify`,
/// `accept`, `file`, `dispatch`, `check`, `close`; and `breached`, `excused` of the handling, `ended 14`,
/// `reported 11`, `answer 13 4`, `rework`, `return`, `delay`, `valid`, `collector`, `missed`, `misfiled`.
fn case(number: u64, text: &str) -> CaseFacts {
    let mut facts = CaseFacts::reported(number, AreaId(0), Timestamp(0));
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let mut moment = || match words.next().unwrap() {
            "-" => NEVER,
            number => Timestamp(number.parse().unwrap()),
        };
        let mut stage = |stage: &mut StageFacts| {
            *stage = StageFacts { due_at: moment(), done_at: moment(), used_ms: 7, ..*stage };
        };
        match word {
            "verify" => stage(&mut facts.verify),
            "accept" => stage(&mut facts.accept),
            "file" => stage(&mut facts.file),
            "dispatch" => stage(&mut facts.dispatch),
            "handle" => stage(&mut facts.handle),
            "check" => stage(&mut facts.check),
            "close" => stage(&mut facts.close),
            "breached" => facts.handle.breached = true,
            "excused" => facts.handle.excused = true,
            "ended" => facts.ended_at = moment(),
            "reported" => facts.reported_at = moment(),
            "answer" => {
                facts.answered_at = moment();
                facts.satisfaction = u8::try_from(moment().0).unwrap();
            }
            "rework" => facts.reworks += 1,
            "return" => facts.returns += 1,
            "delay" => facts.delays += 1,
            "valid" => facts.valid = true,
            "collector" => facts.by_collector = true,
            "missed" => facts.missed = true,
            "misfiled" => facts.misfiled = true,
            other => panic!("{other}"),
        }
    }
    facts
}

fn tally(cases: &[&str], span: Span) -> Tally {
    let mut tally = Tally::default();
    for (number, text) in (0..).zip(cases) {
        tally.add(&classify(&case(number, text), span));
    }
    tally
}

/// The figures of period 1 (10 to 19) as seen at 99: `disposed 1/2`, with `(raw 0/2)` where it differs.
#[track_caller]
fn check(cases: &[&str], expected: &[&str]) {
    check_at(span(1, 99), cases, expected);
}

#[track_caller]
fn check_at(span: Span, cases: &[&str], expected: &[&str]) {
    let tally = tally(cases, span);
    for expected in expected {
        let word = expected.split_whitespace().next().unwrap();
        let figure = tally.figure(Formula::from_word(word).unwrap());
        let show = |rate: Rate| match rate.denominator {
            0 => "n/a".to_owned(),
            _ => format!("{}/{}", rate.numerator, rate.denominator),
        };
        let mut found = format!("{word} {}", show(figure.rate));
        if figure.raw != figure.rate {
            write!(found, " (raw {})", show(figure.raw)).unwrap();
        }
        assert_eq!(found, *expected);
    }
}

#[test]
fn an_open_case_past_its_deadline_counts_against_the_period_of_the_deadline() {
    let cases = ["handle 12 11", "handle 15 18", "handle 19 -"];
    check(
        &cases,
        &[
            "disposed 2/3",
            "disposed_on_time 1/3",
            "disposed_late 1/3",
            "open_overdue 1/3",
            "backlog 1/3",
        ],
    );
    // It is no longer due in the next period, but stays in its backlog until it is handled.
    check_at(span(2, 99), &cases, &["open_overdue n/a", "backlog 1/1", "disposed n/a"]);
}

#[test]
fn a_case_handled_late_is_late_in_both_periods() {
    let case = ["handle 12 25"];
    check(
        &case,
        &["disposed 0/1", "open_overdue 1/1", "disposed_on_time 0/1", "disposed_late 0/1"],
    );
    check_at(span(2, 99), &case, &["disposed 1/1", "disposed_on_time 0/1", "disposed_late 1/1"]);
    check_at(span(3, 99), &case, &["disposed n/a", "backlog n/a"]);
}

#[test]
fn what_is_not_yet_due_is_not_yet_counted() {
    let cases = ["handle 12 11", "handle 18 -"];
    check_at(span(1, 15), &cases, &["disposed 1/1", "open_overdue 0/1"]);
    check_at(span(1, 19), &cases, &["disposed 1/2", "open_overdue 1/2"]);
    check_at(span(2, 15), &cases, &["disposed n/a"]);
}

#[test]
fn a_deadline_met_at_the_moment_it_ends_is_met() {
    check(&["handle 15 15"], &["disposed_on_time 1/1"]);
    check(&["handle 15 16"], &["disposed_on_time 0/1"]);
    // The last moment of the period, and the first after it.
    check(&["handle 19 19", "handle 20 -"], &["disposed 1/1"]);
}

#[test]
fn work_done_before_the_period_of_its_deadline_counts_in_both() {
    check_at(span(0, 99), &["handle 15 5"], &["disposed_on_time 1/1"]);
    check(&["handle 15 5"], &["disposed_on_time 1/1"]);
}

#[test]
fn an_upheld_appeal_excuses_and_the_raw_breach_stays_visible() {
    check(
        &["handle 12 14 excused", "handle 12 11"],
        &["disposed_on_time 2/2 (raw 1/2)", "disposed_late 0/2 (raw 1/2)"],
    );
    // What still goes on is not excused by an appeal.
    check(&["handle 12 - excused"], &["disposed_on_time 0/1", "open_overdue 1/1"]);
}

#[test]
fn a_breach_in_an_earlier_run_stays_though_the_last_run_was_in_time() {
    check(&["handle 18 17 breached"], &["disposed_on_time 0/1", "disposed_late 1/1"]);
}

#[test]
fn cancelling_takes_a_case_out_before_its_deadline_and_not_after() {
    check(&["handle 15 - ended 14"], &["disposed n/a"]);
    check(&["handle 15 - ended 16"], &["disposed 0/1", "open_overdue 0/1"]);
    check(&["handle 15 - ended 25"], &["disposed 0/1", "open_overdue 1/1"]);
    check_at(span(3, 99), &["handle 15 - ended 25"], &["backlog n/a"]);
}

#[test]
fn a_clock_that_stands_is_not_due() {
    check(&["handle - -"], &["disposed n/a", "backlog n/a"]);
}

#[test]
fn closing_rework_and_extension_have_their_own_denominators() {
    check(
        &["close 15 14", "close 15 18 rework", "close 12 - rework rework", "handle 11 11 delay"],
        &["closed 2/3", "closed_on_time 1/3", "reworked 2/3", "delayed 1/1", "disposed 1/1"],
    );
}

#[test]
fn dispatch_filing_verification_and_check_are_judged_by_their_own_clocks() {
    check(
        &["dispatch 12 11", "dispatch 12 11 return", "dispatch 12 13", "dispatch 12 -"],
        &["dispatched_right 2/4", "dispatched_on_time 2/4"],
    );
    check(
        &["file 12 11", "file 12 13 misfiled", "file 12 -", "file 22 21"],
        &["filed_on_time 1/2", "filed_right 1/2"],
    );
    check(&["verify 12 12", "verify 12 -"], &["verified_on_time 1/2"]);
    check(&["check 12 12", "check 12 14"], &["checked_on_time 1/2"]);
}

#[test]
fn reports_count_once_they_are_decided() {
    check(
        &[
            "reported 11 accept 13 12 valid collector",
            "reported 11 accept 13 14 collector",
            "reported 12 accept 13 - collector",
            "reported 12 accept 13 13 valid missed",
            "reported 12 accept 13 13 valid",
            "reported 22 accept 23 23 valid collector",
        ],
        &["reported_valid 3/4", "missed 1/2"],
    );
}

#[test]
fn answers_of_four_and_five_are_satisfied() {
    check(
        &["answer 11 5", "answer 12 4", "answer 13 3", "answer 25 5", "handle 12 11"],
        &["satisfied 2/3"],
    );
    check(&["handle 12 11"], &["satisfied n/a"]);
}

#[test]
fn the_cases_behind_a_figure_are_named() {
    let cases: Vec<CaseFacts> = (100..)
        .zip(["handle 12 11", "handle 15 18", "handle 19 -", "handle 12 14 excused"])
        .map(|(number, text)| case(number, text))
        .collect();
    let of =
        |part| -> Vec<u64> { behind(&cases, span(1, 99), Formula::DisposedOnTime, part).collect() };
    assert_eq!(of(Part::Denominator), [100, 101, 102, 103]);
    assert_eq!(of(Part::Numerator), [100, 103]);
    assert_eq!(of(Part::RawNumerator), [100]);
    assert_eq!(of(Part::Rest), [101, 102]);
}

#[test]
fn tallies_are_kept_by_object_and_rolled_up_over_areas() {
    let mut cases: Vec<CaseFacts> = (0..6).map(|n| case(n, "handle 12 11")).collect();
    for (index, case) in cases.iter_mut().enumerate() {
        case.area = AreaId([0, 1, 2, 2, 3, 3][index]);
        case.agency = [0, 0, 0, 1, 1, NOBODY][index];
        case.posts = Posts { dispatcher: u32::try_from(index % 2).unwrap(), ..case.posts };
    }
    let due = |object, objects| -> Vec<u64> {
        let tallies = fold(&cases, span(1, 99), object, objects);
        tallies.iter().map(|t| t.figure(Formula::Disposed).rate.denominator).collect()
    };
    assert_eq!(due(EvaluationObject::Agency, 2), [3, 2]);
    assert_eq!(due(EvaluationObject::Dispatcher, 2), [3, 3]);
    assert_eq!(due(EvaluationObject::Collector, 2), [0, 0]);
    // 1 and 3 lie in 0, 2 in 1.
    let mut tallies = fold(&cases, span(1, 99), EvaluationObject::Area, 4);
    roll_up(&mut tallies, &[0, 0, 1, 0]);
    let due: Vec<u64> =
        tallies.iter().map(|t| t.figure(Formula::Disposed).rate.denominator).collect();
    assert_eq!(due, [6, 3, 2, 2]);
    assert_eq!(tallies[0].mean_handling_ms(), Some(7.0));
    assert_eq!(Tally::default().mean_handling_ms(), None);
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![3 => (0..40_i64).prop_map(Timestamp), 1 => Just(NEVER)]
}

fn stage() -> impl Strategy<Value = StageFacts> {
    (moment(), moment(), any::<bool>(), any::<bool>()).prop_map(
        |(due_at, done_at, breached, excused)| StageFacts {
            due_at,
            done_at,
            used_ms: 1,
            breached,
            excused,
        },
    )
}

fn facts() -> impl Strategy<Value = CaseFacts> {
    let stages = (stage(), stage(), stage(), stage(), stage(), stage(), stage());
    (stages, moment(), moment(), 0..6_u8, any::<[bool; 4]>(), 0..3_u16).prop_map(
        |(stages, ended_at, reported_at, satisfaction, flags, times)| {
            let mut facts = CaseFacts::reported(0, AreaId(0), reported_at);
            [facts.verify, facts.accept, facts.file, facts.dispatch] =
                [stages.0, stages.1, stages.2, stages.3];
            [facts.handle, facts.check, facts.close] = [stages.4, stages.5, stages.6];
            facts.ended_at = ended_at;
            facts.answered_at = reported_at;
            facts.satisfaction = satisfaction;
            [facts.valid, facts.by_collector, facts.missed, facts.misfiled] = flags;
            (facts.reworks, facts.returns, facts.delays) = (times, times / 2, times);
            facts
        },
    )
}

proptest! {
    #[test]
    fn what_was_added_and_taken_back_was_never_there(cases in prop::collection::vec(facts(), 0..30), keep in 0..30_usize) {
        let span = span(1, 30);
        let keep = keep.min(cases.len());
        let mut all = Tally::default();
        for case in &cases { all.add(&classify(case, span)); }
        for case in &cases[keep..] { all.remove(&classify(case, span)); }
        let mut kept = Tally::default();
        for case in &cases[..keep] { kept.add(&classify(case, span)); }
        prop_assert_eq!(all, kept);
    }

    #[test]
    fn an_overdue_open_case_is_never_outside_its_periods_rate(case in facts()) {
        let span = span(1, 99);
        let m = classify(&case, span);
        let due = case.handle.due_at;
        let open = case.handle.done_at >= Timestamp(20) && case.ended_at >= Timestamp(20);
        if Timestamp(10) <= due && due < Timestamp(20) && open && case.handle.done_at <= case.ended_at {
            prop_assert!(m.is(Formula::DisposedOnTime, Part::Rest));
            prop_assert!(m.is(Formula::OpenOverdue, Part::Numerator));
        }
    }

    #[test]
    fn every_case_due_is_in_time_or_late_or_open(case in facts()) {
        let m = classify(&case, span(1, 99));
        if m.is(Formula::Disposed, Part::Denominator) {
            let in_time = m.is(Formula::DisposedOnTime, Part::Numerator);
            let late = m.is(Formula::DisposedLate, Part::Numerator);
            let handled = m.is(Formula::Disposed, Part::Numerator);
            prop_assert_eq!(in_time || late, handled);
            prop_assert!(!(in_time && late));
            let overdue = m.is(Formula::OpenOverdue, Part::Numerator);
            prop_assert!(!(handled && overdue));
        }
        prop_assert_eq!(m.counted & !m.of, 0);
        prop_assert_eq!(m.raw & !m.of, 0);
    }
}
