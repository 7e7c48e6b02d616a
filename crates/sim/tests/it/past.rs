//! The made-up past.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_model::Timestamp;
use chengmai_model::calendar::Limit;
use chengmai_model::case::{Stage, StageLimits};
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_sim::fleet::Fleet;
use chengmai_sim::history::{PastStep, past_cases, past_day};

use crate::city::city;

const NOW: Timestamp = Timestamp(1_795_230_004_321);

#[test]
fn a_past_day_comes_in_order_and_gets_closer_at_its_end() {
    let fleet = Fleet::new(&city().areas, 3_000, 1);
    let mut readings = 0_u64;
    let mut last_batch = Timestamp(0);
    let mut of_one = Vec::new();
    past_day(&fleet, NOW, &mut |received_at, batch| {
        assert!(received_at > last_batch && received_at <= NOW);
        last_batch = received_at;
        readings += batch.len() as u64;
        for &(device, at, value) in batch {
            assert!(at <= received_at && received_at.since(at) <= 60_000);
            if device == 42 {
                of_one.push((at, value));
            }
        }
    });
    assert!((480_000..520_000).contains(&readings), "{readings}");
    let gaps: Vec<i64> = of_one.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect();
    assert!(gaps.iter().all(|&gap| gap > 0 && gap <= 11 * MINUTE_MS), "{gaps:?}");
    assert!(gaps.iter().rev().take(20).all(|gap| (58_000..=62_000).contains(gap)));
    assert!(NOW.since(of_one[0].0) > DAY_MS - 11 * MINUTE_MS);
}

#[test]
fn past_cases_cite_rows_that_exist_and_agencies_that_exist() {
    let city = city();
    let agencies: BTreeSet<String> =
        city.profile.agencies(&city.areas).into_iter().map(|a| a.id).collect();
    let types: BTreeMap<&str, _> =
        city.packs.iter().flat_map(|p| &p.case_types).map(|t| (t.id.as_str(), t)).collect();
    let cases = past_cases(&city.areas, NOW, 1);
    assert!(cases.len() > 550, "{}", cases.len());
    for case in &cases {
        let case_type = types[case.case_type];
        assert!(case.row < case_type.limits.len(), "{case:?}");
        assert!(case.agency.starts_with(&format!("{}-", case_type.lead)), "{case:?}");
        assert!(agencies.contains(&case.agency), "{case:?}");
        assert!(city.areas.find(case.area.as_str()).is_some());
        assert!(NOW.since(case.filed_at) < 7 * DAY_MS + HOUR_MS && case.filed_at < NOW);
    }
    assert!(cases.windows(2).all(|pair| pair[0].filed_at <= pair[1].filed_at));
}

/// By the whole limit as the program sums it, in the city's own working time.
fn is_late(case: &chengmai_sim::history::PastCase, closed: Timestamp) -> bool {
    let types = city().packs.iter().flat_map(|p| &p.case_types);
    let row = &types.into_iter().find(|t| t.id == case.case_type).unwrap().limits[case.row];
    let calendar = &city().profile.calendar;
    let hours = calendar.default_hours();
    let limits = StageLimits(BTreeMap::from([(Stage::Handle, Limit::parse(&row.handle).unwrap())]));
    closed > limits.whole_due(case.filed_at, calendar, hours, hours)
}

#[test]
fn past_cases_follow_the_short_loop_and_agencies_differ() {
    let cases = past_cases(&city().areas, NOW, 1);
    let (mut closed, mut late, mut reworked) = (0, 0, 0);
    let mut by_kind: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for case in &cases {
        let mut state = "filed";
        let mut before = case.filed_at;
        for &(at, step) in &case.steps {
            assert!(at > before && at <= NOW, "{case:?}");
            before = at;
            state = match (state, step) {
                ("filed", PastStep::Dispatch) => "dispatched",
                ("dispatched" | "rework", PastStep::Start) => "handling",
                ("handling", PastStep::Finish) => "handled",
                ("handled", PastStep::CheckFail) => "rework",
                ("handled", PastStep::CheckPass) => "checked",
                ("checked", PastStep::Close) => "closed",
                (state, step) => panic!("{step:?} when {state}: {case:?}"),
            };
        }
        reworked += u32::from(case.steps.iter().any(|s| s.1 == PastStep::CheckFail));
        if state == "closed" {
            closed += 1;
            let was_late = is_late(case, before);
            late += u32::from(was_late);
            let entry = by_kind.entry(&case.agency).or_default();
            *entry = (entry.0 + 1, entry.1 + u32::from(was_late));
        }
    }
    let share = |part: u32| f64::from(part) / cases.len() as f64;
    assert!((0.75..0.97).contains(&share(closed)), "{closed} closed");
    assert!((0.05..0.25).contains(&share(late)), "{late} late");
    assert!((0.03..0.20).contains(&share(reworked)), "{reworked} reworked");
    let many = by_kind.values().filter(|(n, _)| *n >= 8);
    let rates: Vec<f64> = many.map(|&(n, late)| f64::from(late) / f64::from(n)).collect();
    let spread =
        rates.iter().copied().fold(0.0, f64::max) - rates.iter().copied().fold(1.0, f64::min);
    assert!(spread > 0.15, "busy agencies' shares of late cases: {rates:?}");
}
