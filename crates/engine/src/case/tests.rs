//! What holds of every case, over random walks with every command; the moves one by one stand in
//! `tests/scenarios/cases`.

use chengmai_model::calendar::{Calendar, Limit, LimitUnit};
use chengmai_model::case::{EventLevel, ReportForm};
use chengmai_model::pack::{CaseObject, CaseType, LimitRow, Plan};
use chengmai_model::time::{DAY_MS, HOUR_MS};
use chengmai_model::{AreaCode, Tier};
use proptest::prelude::*;

use super::*;

const GRID: &str = "/50/500103/500103001/500103001001/500103001001007/";

fn path(text: &str) -> AreaPath {
    AreaPath::parse(text).unwrap()
}

fn actor(name: &str) -> Actor {
    let (role, area, agency) = match name {
        "town" => (Role::DutyOfficer, "/50/500103/500103001/", None),
        "town2" => (Role::DutyOfficer, "/50/500103/500103002/", None),
        "district" => (Role::DutyOfficer, "/50/500103/", None),
        "district2" => (Role::DutyOfficer, "/50/500105/", None),
        "city" | "city2" => (Role::DutyOfficer, "/50/", None),
        "admin" => (Role::Admin, "/50/", None),
        "gas" => (Role::AgencyStaff, "/50/500103/", Some("gas_co")),
        "water" => (Role::AgencyStaff, "/50/500103/", Some("water_co")),
        "grid" => (Role::GridWorker, "/50/500103/500103001/500103001001/", None),
        "supervisor" => (Role::Supervisor, "/50/500103/", None),
        "gas_super" => (Role::Supervisor, "/50/500103/", Some("gas_co")),
        "anna" => (Role::Citizen, "/50/", None),
        "viewer" => (Role::Viewer, "/50/", None),
        _ => panic!("no actor {name}"),
    };
    let agency = agency.map(str::to_owned);
    Actor { name: name.to_owned(), roles: vec![role], area: path(area), agency }
}

const ACTORS: [&str; 14] = [
    "town",
    "town2",
    "district",
    "district2",
    "city",
    "city2",
    "admin",
    "gas",
    "water",
    "grid",
    "supervisor",
    "gas_super",
    "anna",
    "viewer",
];

fn rules() -> CaseRules {
    let row = |handle: &str| LimitRow {
        condition: Text::new("泄漏", "a leak"),
        handle: handle.into(),
        closes: Text::new("已修复", "mended"),
        source: "our default".into(),
    };
    let gas_leak = CaseType {
        id: "gas_leak".into(),
        name: Text::new("燃气泄漏", "Gas leak"),
        class: "05-02".into(),
        object: CaseObject::Event,
        severity: Severity::SEVERE,
        level: Tier::Town,
        lead: "gas".into(),
        helpers: vec!["water".into()],
        limits: vec![row("4 work_hour"), row("soon"), row("2 urgent_hour")],
        procedure: None,
        plan: Some("gas_plan".into()),
        photos: std::collections::BTreeMap::new(),
        stages: std::collections::BTreeMap::new(),
    };
    let plan = Plan {
        id: "gas_plan".into(),
        name: Text::new("燃气预案", "Gas plan"),
        fires_at: Some(EventLevel::Two),
        level: Tier::District,
        lead: Some("water".into()),
        handle: "1 urgent_hour".into(),
        source: "our default".into(),
    };
    let mut rules = CaseRules::new(Calendar::default(), [&gas_leak], [], [&plan], []);
    for (id, kind) in [("gas_co", "gas"), ("water_co", "water")] {
        let rule = AgencyRule { kind: kind.into(), area: path("/50/500103/"), hours: None };
        rules.set_agency(id, rule);
    }
    rules
}

fn request(area: &str, row: usize) -> FilingRequest<'static> {
    FilingRequest {
        type_id: "gas_leak",
        row,
        area: path(area),
        position: None,
        level: None,
        severity: None,
        title: None,
        description: String::new(),
        agency: Some("gas_co".into()),
        warning: None,
        source: CaseSource::DutyOfficer,
        simulated: false,
    }
}

fn id() -> CaseId {
    let code = AreaCode::new("500103").unwrap();
    CaseId { code, date: "2026-11-21".parse().unwrap(), serial: 1 }
}

fn begin(start: &str, reported: bool, rules: &CaseRules) -> Vec<CaseEvent> {
    if !reported {
        return file(&request(start, 0), &actor("city"), Timestamp(0), rules).unwrap();
    }
    let request = ReportRequest {
        type_id: Some("gas_leak"),
        area: path(start),
        position: None,
        description: String::new(),
        agency: None,
        reporter: Some("anna".into()),
        source: CaseSource::Public,
        external: None,
        photos: Vec::new(),
        simulated: false,
    };
    report(&request, &actor("anna"), Timestamp(0), rules).unwrap()
}

#[test]
fn filing_needs_a_row_a_role_and_an_area() {
    let rules = rules();
    let refused = |request: &FilingRequest<'_>, name| {
        file(request, &actor(name), Timestamp(0), &rules).unwrap_err().code.number
    };
    let good = request(GRID, 2);
    assert_eq!(refused(&good, "town2"), 204);
    assert_eq!(refused(&good, "gas"), 503);
    assert_eq!(refused(&request(GRID, 1), "town"), 404);
    assert_eq!(refused(&request(GRID, 9), "town"), 404);
    let long = "字".repeat(WORDS_LEN_MAX + 1);
    assert_eq!(refused(&FilingRequest { description: long, ..good.clone() }, "town"), 206);
    let event = &file(&good, &actor("grid"), Timestamp(7), &rules).unwrap()[0];
    assert_eq!(event.filing.as_ref().unwrap().row.as_ref().unwrap().row.handle, "2 urgent_hour");
    // Half an hour to dispatch, two to handle, two to check, one to close.
    assert_eq!(event.due_at, Some(Timestamp(7 + 11 * HOUR_MS / 2)));
}

#[test]
fn what_is_offered_is_what_can_be_done() {
    let rules = rules();
    let events = begin(GRID, false, &rules);
    let case = replay(id(), &events).unwrap();
    let offered = |case: &Case, name: &str| {
        let kinds = allowed(case, &actor(name), &rules);
        kinds.iter().map(|k| k.word()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        offered(&case, "town"),
        "dispatch force_close cancel urge hand_up hand_sideways admit involve grade fire_plan merge \
         join remark"
    );
    assert_eq!(offered(&case, "viewer"), "join");
    assert_eq!(offered(&case, "town2"), "");
}

#[test]
fn a_case_of_the_first_version_still_reads() {
    let clock = r#"{"stage":"handle","started_at":0,"due_at":10000}"#;
    let clock: StageClock = serde_json::from_str(clock).unwrap();
    assert_eq!(clock.yellow_at(), Timestamp(8_000));
    let limits = r#"{"dispatch_ms":1800000,"handle_ms":3600000,"check_ms":7200000,"close_ms":1}"#;
    let limits: StageLimits = serde_json::from_str(limits).unwrap();
    assert_eq!(limits.of(Stage::Handle), Limit::new(60, LimitUnit::UrgentMinute));
    assert_eq!(limits.of(Stage::Close), Limit::new(1, LimitUnit::UrgentMinute));
}

#[test]
fn an_overdue_case_goes_up_a_tier_for_each_length_of_its_stage() {
    let rules = rules();
    let case = replay(id(), &begin(GRID, false, &rules)).unwrap();
    // Dispatch has half an hour; each centre has at least an hour.
    let minutes = |n: i64| Timestamp(n * 60_000);
    let up = |n| escalated_to(&case, minutes(n));
    assert_eq!([up(0), up(30)], [None, None]);
    assert_eq!([up(31), up(90)], [Some(Level::District); 2]);
    assert_eq!([up(91), up(9_999)], [Some(Level::City); 2]);
    let looks = |n| next_look(&case, minutes(n)).map(|at| at.0 / 60_000);
    assert_eq!([looks(0), looks(24), looks(31), looks(91)], [Some(24), Some(30), Some(90), None]);
}

/// One wish in a random walk: who, what, to whom, what else, and how much later.
type Wish = (usize, usize, usize, usize, i64);

fn wish() -> impl Strategy<Value = Wish> {
    (0..2 * ACTORS.len(), 0..CommandKind::ALL.len(), 0..3usize, 0..12usize, 0..30 * HOUR_MS)
}

fn asked((_, kind, agency, more, later): Wish, now: Timestamp) -> Command {
    let areas = ["/50/500103/", "/50/500105/", "/50/500103/500103002/", GRID];
    let other = CaseId { serial: 2, ..id() };
    Command {
        reason: Some("because".into()),
        agency: ["gas_co", "water_co"].get(agency).map(|&a| a.to_owned()),
        area: areas.get(more).map(|a| path(a)),
        row: Some(if more % 2 == 0 { 0 } else { 2 }),
        limit: Some(Limit::new(1 + u32::try_from(more).unwrap(), LimitUnit::WorkHour)),
        until: Some(now.plus_ms(later + 1)),
        event_level: Some(EventLevel::ALL[more % 4]),
        form: (more % 3 > 0).then(|| ReportForm::ALL[more % 2]),
        other: Some(other),
        stars: Some(1 + u8::try_from(more % 5).unwrap()),
        ..Command::new(CommandKind::ALL[kind])
    }
}

/// Steps that may move the whole deadline: what was granted on record, and filing itself.
const MOVES_DUE: [CaseStep; 8] = [
    CaseStep::Filed,
    CaseStep::Granted,
    CaseStep::Resumed,
    CaseStep::PlanFired,
    CaseStep::StoodDown,
    CaseStep::Refused,
    CaseStep::Cancelled,
    CaseStep::Reopened,
];

fn check_step(before: &Case, after: &Case, event: &CaseEvent) -> Result<(), TestCaseError> {
    prop_assert_eq!(after.clock.is_none(), after.state.is_end());
    prop_assert_eq!(after.closed_at.is_some(), after.state.is_end());
    if before.state == after.state && before.state.is_end() {
        prop_assert_eq!((before.closed_at, before.on_time), (after.closed_at, after.on_time));
    }
    prop_assert!(before.due_at == after.due_at || MOVES_DUE.contains(&event.step), "{event:?}");
    prop_assert!(after.holder.area.contains(&after.area));
    prop_assert_eq!(after.holder.area.depth(), after.level.depth());
    let with_agency = after.holder.role == Role::AgencyStaff;
    prop_assert_eq!(after.holder.agency.is_some(), with_agency);
    prop_assert!(!with_agency || after.holder.agency == after.agency);
    prop_assert_eq!(
        after.circumstances.aside.is_some(),
        matches!(after.state, CaseState::Suspended | CaseState::Merged)
    );
    // A breach is never taken off the record.
    for (old, new) in before.clocks.iter().zip(&after.clocks) {
        prop_assert_eq!(old.overdue, new.overdue);
        prop_assert_eq!(old.ended_at, new.ended_at);
    }
    prop_assert!(after.clocks.len() >= before.clocks.len());
    if let Some(clock) = &after.clock {
        prop_assert!(clock.yellow_at() <= clock.due_at, "{clock:?}");
    }
    Ok(())
}

/// Someone in whose hands the case is.
fn holder_of(case: &Case) -> Actor {
    Actor {
        name: "holder".into(),
        roles: vec![case.holder.role],
        area: case.holder.area.clone(),
        agency: case.holder.agency.clone(),
    }
}

proptest! {
    #[test]
    fn random_walks_keep_holder_clock_and_history(
        start in prop_oneof![Just(GRID), Just("/50/500103/"), Just("/50/")],
        reported: bool,
        wishes in prop::collection::vec(wish(), 0..60),
    ) {
        let rules = rules();
        let mut events = begin(start, reported, &rules);
        let mut case = replay(id(), &events).unwrap();
        let mut now = Timestamp(0);
        for wish in wishes {
            now = now.plus_ms(wish.4);
            let before = case.clone();
            let mut command = asked(wish, now);
            // Half the wishes are sensible ones, or few walks would reach the end.
            let actor = ACTORS.get(wish.0).map_or_else(|| holder_of(&case), |name| actor(name));
            let kinds = allowed(&case, &actor, &rules);
            if !kinds.is_empty() && wish.0 >= ACTORS.len() {
                command.kind = kinds[wish.1 % kinds.len()];
            }
            let offered = kinds.contains(&command.kind);
            let Ok(new) = decide(&case, &command, &actor, now, &rules) else { continue };
            prop_assert!(offered, "decided but not offered: {command:?} in {:?}", case.state);
            for event in &new {
                let earlier = case.clone();
                apply(&mut case, event);
                check_step(&earlier, &case, event)?;
            }
            prop_assert!(actor.area.contains(&before.area));
            events.extend(new);
            // Someone of the right role and place can always go on.
            let stands_still = case.state.is_end() || case.state == CaseState::Merged;
            prop_assert!(stands_still || !allowed(&case, &holder_of(&case), &rules).is_empty());
        }
        prop_assert_eq!(replay(case.id.clone(), &events), Some(case));
        let json = serde_json::to_string(&events).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Vec<CaseEvent>>(&json).unwrap(), &events);
        events.remove(0);
        prop_assert_eq!(replay(id(), &events), None);
    }

    #[test]
    fn a_case_in_time_at_every_stage_is_in_time_as_a_whole(
        shares in prop::array::uniform4(0..=100i64),
        filed in 0..14 * DAY_MS,
        row in prop_oneof![Just(0usize), Just(2)],
    ) {
        let rules = rules();
        let events = file(&request(GRID, row), &actor("city"), Timestamp(filed), &rules).unwrap();
        let mut case = replay(id(), &events).unwrap();
        let steps = [
            (CommandKind::Dispatch, "town", Some(shares[0])),
            (CommandKind::Start, "gas", None),
            (CommandKind::Finish, "gas", Some(shares[1])),
            (CommandKind::CheckPass, "grid", Some(shares[2])),
            (CommandKind::Close, "town", Some(shares[3])),
        ];
        for (kind, name, share) in steps {
            let clock = case.clock.clone().unwrap();
            let whole = clock.due_at.since(case.changed_at);
            let now = case.changed_at.plus_ms(share.map_or(0, |share| whole * share / 100));
            let events = decide(&case, &Command::new(kind), &actor(name), now, &rules).unwrap();
            prop_assert_ne!(events[0].overdue, Some(true));
            apply(&mut case, &events[0]);
        }
        prop_assert_eq!(case.on_time, Some(true));
    }

    #[test]
    fn a_suspension_gives_back_exactly_the_time_that_was_left(
        filed in 0..14 * DAY_MS,
        worked in 0..3 * DAY_MS,
        rested in 1..20 * DAY_MS,
    ) {
        let rules = rules();
        let calendar = &rules.calendar;
        let hours = calendar.default_hours();
        let limit = Limit::new(20, LimitUnit::WorkHour);
        let clock = StageClock::begin(Stage::Handle, limit, Timestamp(filed), calendar, hours);
        let stop = Timestamp(filed + worked);
        let used = clock.used_ms(stop, calendar, hours);
        let on = stop.plus_ms(rested);
        let resumed = clock.clone().resume(stop, on, calendar, hours);
        let left = 20 * HOUR_MS - used;
        prop_assert_eq!(resumed.used_ms(on, calendar, hours), used);
        if left > 0 {
            let own = calendar.used_ms(on, resumed.due_at, LimitUnit::WorkHour, hours);
            prop_assert_eq!(own, left);
        } else {
            prop_assert!(resumed.due_at <= on);
        }
    }
}
