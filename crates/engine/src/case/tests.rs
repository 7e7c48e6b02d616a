//! Case flows as text: each line is a moment, an actor and a command; the answer is where the case
//! stands then, or the refusal. And the invariants over random walks.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chengmai_model::pack::{CaseObject, LimitRow};
use chengmai_model::time::{format_duration, parse_duration_ms};
use chengmai_model::{AreaCode, Tier};
use proptest::prelude::*;

use super::table::{Clock, TABLE};
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
        "city" => (Role::DutyOfficer, "/50/", None),
        "admin" => (Role::Admin, "/50/", None),
        "gas" => (Role::AgencyStaff, "/50/500103/", Some("gas_co")),
        "water" => (Role::AgencyStaff, "/50/500103/", Some("water_co")),
        "gas2" => (Role::AgencyStaff, "/50/500103/500103002/", Some("gas_co")),
        "grid" => (Role::GridWorker, "/50/500103/500103001/500103001001/", None),
        "grid2" => (Role::GridWorker, "/50/500103/500103001/500103001002/", None),
        "supervisor" => (Role::Supervisor, "/50/500103/", None),
        "gas_super" => (Role::Supervisor, "/50/500103/", Some("gas_co")),
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
    "admin",
    "gas",
    "water",
    "gas2",
    "grid",
    "grid2",
    "supervisor",
    "gas_super",
    "viewer",
];

fn gas_leak() -> CaseType {
    CaseType {
        id: "gas_leak".into(),
        name: Text::new("燃气泄漏", "Gas leak"),
        class: "05-02".into(),
        object: CaseObject::Event,
        severity: Severity::SEVERE,
        level: Tier::Town,
        lead: "gas_company".into(),
        helpers: Vec::new(),
        limits: vec![
            LimitRow {
                condition: Text::new("泄漏", "a leak"),
                handle: "1 urgent_hour".into(),
                closes: Text::new("已修复", "mended"),
                source: "our default".into(),
            },
            LimitRow {
                condition: Text::new("错误的一行", "a row that cannot be read"),
                handle: "soon".into(),
                closes: Text::new("", ""),
                source: "our default".into(),
            },
        ],
    }
}

fn request<'a>(case_type: &'a CaseType, area: &str) -> FilingRequest<'a> {
    FilingRequest {
        case_type,
        row: 0,
        area: path(area),
        position: None,
        level: None,
        severity: None,
        title: None,
        description: String::new(),
        agency: None,
        warning: None,
        source: CaseSource::DutyOfficer,
        simulated: false,
    }
}

fn new_case(area: &str) -> Case {
    let events = file(&request(&gas_leak(), area), &actor("city"), Timestamp(0)).unwrap();
    let date = AreaCode::new("500103").unwrap();
    let id = CaseId { code: date, date: "2026-11-21".parse().unwrap(), serial: 1 };
    replay(id, &events).unwrap()
}

/// `dispatch agency=gas_co reason=...`: underscores in words stand for spaces.
fn command(text: &str) -> Command {
    let mut words = text.split_whitespace();
    let mut command = Command::new(CommandKind::from_word(words.next().unwrap()).unwrap());
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "agency" => command.agency = Some(value.to_owned()),
            "reason" => command.reason = Some(value.to_owned()),
            "note" => command.note = Some(value.to_owned()),
            "level" => command.level = Some(Level::from_word(value).unwrap()),
            "area" => command.area = Some(path(value)),
            _ => panic!("no key {key}"),
        }
    }
    command
}

fn outline(case: &Case) -> String {
    let mut text = format!("{} {}", case.state.word(), case.level.word());
    let agency = case.holder.agency.as_deref().map(|a| format!(" {a}")).unwrap_or_default();
    write!(text, " {}{agency} of {}", case.holder.role.word(), case.holder.area.code()).unwrap();
    match case.clock {
        Some(c) => write!(text, ", {} due {}", c.stage.word(), format_duration(c.due_at.0)),
        None => write!(text, ", on time {}", case.on_time.unwrap()),
    }
    .unwrap();
    text
}

/// Runs a flow. Input lines are `30m town: dispatch agency=gas_co`; the line after each, beginning
/// with `=`, is what must come of it.
fn check(area: &str, flow: &str) {
    let mut case = new_case(area);
    let mut events = file(&request(&gas_leak(), area), &actor("city"), Timestamp(0)).unwrap();
    let mut found = format!("= {}\n", outline(&case));
    for line in flow.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('=')) {
        let (at, rest) = line.split_once(' ').unwrap();
        let (name, text) = rest.split_once(": ").unwrap();
        let now = Timestamp(parse_duration_ms(at).unwrap());
        let answer = match decide(&case, &command(text), &actor(name), now) {
            Ok(new) => {
                for event in &new {
                    apply(&mut case, event);
                }
                events.extend(new);
                outline(&case)
            }
            Err(refusal) => refusal.to_string(),
        };
        writeln!(found, "{line}\n= {answer}").unwrap();
    }
    let expected: Vec<&str> = flow.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    assert_eq!(found.trim().lines().collect::<Vec<_>>(), expected, "found:\n{found}");
    assert_eq!(replay(case.id.clone(), &events).as_ref(), Some(&case));
}

#[test]
fn the_short_loop_in_time() {
    check(
        GRID,
        "
        = filed town duty_officer of 500103001, dispatch due 30m
        10m town: dispatch agency=gas_co
        = dispatched town agency_staff gas_co of 500103001, handle due 1h10m
        20m gas: start
        = handling town agency_staff gas_co of 500103001, handle due 1h10m
        1h gas: finish note=valve_replaced
        = handled town supervisor of 500103001, check due 3h
        2h grid: check_pass
        = checked town duty_officer of 500103001, close due 3h
        3h town: close
        = closed town duty_officer of 500103001, on time true
        ",
    );
}

#[test]
fn return_and_rework_come_back_with_a_reason_and_the_same_whole_limit() {
    check(
        GRID,
        "
        = filed town duty_officer of 500103001, dispatch due 30m
        5m town: dispatch
        = E-403 no_agency: no agency to dispatch to
        5m town: dispatch agency=water_co
        = dispatched town agency_staff water_co of 500103001, handle due 1h5m
        10m water: return
        = E-402 reason_required: a reason is required
        10m water: return reason=not_our_pipe
        = returned town duty_officer of 500103001, dispatch due 40m
        11m town: close
        = E-401 not_allowed_now: a returned case cannot be closed directly; dispatch it again
        12m town: dispatch agency=gas_co
        = dispatched town agency_staff gas_co of 500103001, handle due 1h12m
        20m gas: start
        = handling town agency_staff gas_co of 500103001, handle due 1h12m
        25m gas: close
        = E-401 not_allowed_now: the case is `Being handled`; close is not possible
        50m gas: finish
        = handled town supervisor of 500103001, check due 2h50m
        1h supervisor: check_fail
        = E-402 reason_required: a reason is required
        1h supervisor: check_fail reason=still_smells
        = rework town agency_staff gas_co of 500103001, handle due 2h
        1h10m gas: finish
        = E-401 not_allowed_now: the case is `Rework`; finish is not possible
        1h10m gas: start
        = handling town agency_staff gas_co of 500103001, handle due 2h
        2h gas: finish
        = handled town supervisor of 500103001, check due 4h
        3h grid: check_pass
        = checked town duty_officer of 500103001, close due 4h
        5h town: close
        = closed town duty_officer of 500103001, on time false
        ",
    );
}

#[test]
fn only_its_holder_moves_a_case_and_nobody_from_outside_sees_it() {
    check(
        GRID,
        "
        = filed town duty_officer of 500103001, dispatch due 30m
        1m town2: dispatch agency=gas_co
        = E-204 not_found: not found, or outside your areas
        1m district: dispatch agency=gas_co
        = E-405 not_holder: the centre of 500103001 has the case; a higher one may hand it up first
        1m viewer: dispatch agency=gas_co
        = E-503 forbidden: you do not have this permission
        1m grid: dispatch agency=gas_co
        = E-503 forbidden: you do not have this permission
        2m town: dispatch agency=gas_co
        = dispatched town agency_staff gas_co of 500103001, handle due 1h2m
        3m water: start
        = E-405 not_holder: the case is in the hands of gas_co
        3m gas2: start
        = E-204 not_found: not found, or outside your areas
        3m admin: start
        = E-503 forbidden: you do not have this permission
        4m gas: start
        = handling town agency_staff gas_co of 500103001, handle due 1h2m
        5m gas: finish
        = handled town supervisor of 500103001, check due 2h5m
        6m gas: check_pass
        = E-503 forbidden: you do not have this permission
        6m gas_super: check_pass
        = E-405 not_holder: the agency that handled a case does not check it
        6m grid2: check_pass
        = E-204 not_found: not found, or outside your areas
        6m grid: check_pass
        = checked town duty_officer of 500103001, close due 1h6m
        7m district: close
        = E-405 not_holder: the centre of 500103001 has the case; a higher one may hand it up first
        8m town: close
        = closed town duty_officer of 500103001, on time true
        9m town: close
        = E-401 not_allowed_now: the case is `Closed`; close is not possible
        ",
    );
}

#[test]
fn a_case_goes_up_down_and_sideways_with_level_owner_and_clock() {
    check(
        GRID,
        "
        = filed town duty_officer of 500103001, dispatch due 30m
        1m town: hand_up
        = E-402 reason_required: a reason is required
        1m town: hand_down reason=x
        = E-401 not_allowed_now: the case is `Filed, to be dispatched`; hand_down is not possible
        2m town: hand_up reason=two_towns_concerned
        = filed district duty_officer of 500103, dispatch due 32m
        3m town: dispatch agency=gas_co
        = E-405 not_holder: the centre of 500103 has the case; a higher one may hand it up first
        4m city: hand_up reason=taken_over
        = filed city duty_officer of 50, dispatch due 34m
        5m city: hand_up reason=higher_still
        = E-401 not_allowed_now: the case is `Filed, to be dispatched`; hand_up is not possible
        5m city: hand_sideways area=/50/ reason=x
        = E-401 not_allowed_now: the case is `Filed, to be dispatched`; hand_sideways is not possible
        6m city: hand_down level=city reason=x
        = E-206 bad_body: hand down to a lower level
        7m city: hand_down area=/50/500105/ reason=lies_in_the_other_district
        = filed district duty_officer of 500105, dispatch due 37m
        8m district: hand_up reason=mine
        = E-204 not_found: not found, or outside your areas
        9m district2: hand_sideways area=/50/500103/500103001/ reason=not_ours
        = filed district duty_officer of 500103, dispatch due 39m
        10m district: hand_down reason=small
        = filed town duty_officer of 500103001, dispatch due 40m
        11m town: dispatch agency=gas_co
        = dispatched town agency_staff gas_co of 500103001, handle due 1h11m
        12m town: hand_sideways agency=gas_co reason=x
        = E-206 bad_body: the case is already with that agency
        12m town: hand_sideways reason=x
        = E-206 bad_body: name the area it is handed to
        13m town: hand_sideways agency=water_co reason=it_is_water
        = dispatched town agency_staff water_co of 500103001, handle due 1h13m
        14m district: hand_up reason=taken_over_from_the_agency
        = filed district duty_officer of 500103, dispatch due 44m
        15m water: start
        = E-401 not_allowed_now: the case is `Filed, to be dispatched`; start is not possible
        ",
    );
}

#[test]
fn a_case_of_a_whole_district_belongs_to_the_district() {
    check(
        "/50/500103/",
        "
        = filed district duty_officer of 500103, dispatch due 30m
        1m district: hand_down reason=small
        = E-206 bad_body: name the area it is handed down to
        2m district: hand_down area=/50/500103/500103002/ reason=theirs
        = filed town duty_officer of 500103002, dispatch due 32m
        3m town2: hand_sideways area=/50/500103/500103001/ reason=theirs
        = filed town duty_officer of 500103001, dispatch due 33m
        ",
    );
}

#[test]
fn filing_needs_a_row_a_role_and_an_area() {
    let case_type = gas_leak();
    let refused = |request: &FilingRequest<'_>, name| {
        file(request, &actor(name), Timestamp(0)).unwrap_err().code.number
    };
    let good = request(&case_type, GRID);
    assert_eq!(refused(&good, "town2"), 204);
    assert_eq!(refused(&good, "gas"), 503);
    assert_eq!(refused(&FilingRequest { row: 1, ..good.clone() }, "town"), 404);
    assert_eq!(refused(&FilingRequest { row: 9, ..good.clone() }, "town"), 404);
    let long = "字".repeat(WORDS_LEN_MAX + 1);
    assert_eq!(refused(&FilingRequest { description: long, ..good.clone() }, "town"), 206);
    let event = &file(&good, &actor("grid"), Timestamp(7)).unwrap()[0];
    assert_eq!(event.filing.as_ref().unwrap().row.as_ref().unwrap().row.handle, "1 urgent_hour");
    let due = 7 + DISPATCH_LIMIT_MS + HOUR_MS + CHECK_LIMIT_MS + CLOSE_LIMIT_MS;
    assert_eq!(event.due_at, Some(Timestamp(due)));
}

#[test]
fn what_is_allowed_is_what_is_not_refused_for_state_or_person() {
    let mut case = new_case(GRID);
    let actions = |case: &Case, name: &str| {
        allowed(case, &actor(name)).iter().map(|k| k.word()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(actions(&case, "town"), "dispatch hand_up hand_sideways");
    assert_eq!(actions(&case, "admin"), "hand_up");
    assert_eq!(actions(&case, "town2"), "");
    assert_eq!(actions(&case, "gas"), "");
    let event = decide(&case, &command("dispatch agency=gas_co"), &actor("town"), Timestamp(1));
    apply(&mut case, &event.unwrap()[0]);
    assert_eq!(actions(&case, "gas"), "start return");
    assert_eq!(actions(&case, "town"), "hand_up hand_sideways");
}

#[test]
fn every_state_but_closed_has_a_way_on_and_closed_has_none() {
    for state in CaseState::ALL {
        let ways = TABLE.iter().filter(|row| row.from == state).count();
        assert_eq!(ways == 0, state == CaseState::Closed, "{state:?}");
    }
    for row in TABLE {
        assert_eq!(row.to == CaseState::Closed, row.clock == Clock::Stop, "{row:?}");
        assert_eq!(
            row.to == CaseState::Closed,
            row.from == CaseState::Checked && row.ask == CommandKind::Close
        );
    }
}

#[test]
fn everything_reachable_uses_every_row_and_nothing_beside_the_table() {
    type Step = (CaseState, CommandKind, CaseState);
    let mut seen = BTreeSet::new();
    let mut taken = BTreeSet::<Step>::new();
    let mut queue = vec![new_case(GRID)];
    while let Some(case) = queue.pop() {
        if !seen.insert((case.state, case.level, case.area.clone(), case.agency.clone())) {
            continue;
        }
        for name in ACTORS {
            for choice in 0..CommandKind::ALL.len() * 15 {
                let command = asked((0, choice / 15, choice % 3, choice / 3 % 5, 0));
                let Ok(events) = decide(&case, &command, &actor(name), Timestamp(0)) else {
                    continue;
                };
                let mut after = case.clone();
                apply(&mut after, &events[0]);
                taken.insert((case.state, command.kind, after.state));
                queue.push(after);
            }
        }
    }
    let table: BTreeSet<Step> = TABLE.iter().map(|row| (row.from, row.ask, row.to)).collect();
    assert_eq!(taken, table);
    assert_eq!(TABLE.len(), table.len(), "no row says the same as another");
}

/// One wish in a random walk: who, what, to whom, and how much later.
fn wish() -> impl Strategy<Value = (usize, usize, usize, usize, i64)> {
    (0..2 * ACTORS.len(), 0..CommandKind::ALL.len(), 0..3usize, 0..6usize, 0..3 * HOUR_MS)
}

fn asked((_, kind, agency, area, _): (usize, usize, usize, usize, i64)) -> Command {
    let areas = ["/50/500103/", "/50/500105/", "/50/500103/500103002/", GRID];
    Command {
        reason: Some("because".into()),
        agency: ["gas_co", "water_co"].get(agency).map(|&a| a.to_owned()),
        area: areas.get(area).map(|a| path(a)),
        ..Command::new(CommandKind::ALL[kind])
    }
}

proptest! {
    #[test]
    fn random_walks_keep_holder_clock_and_history(
        start in prop_oneof![Just(GRID), Just("/50/500103/"), Just("/50/")],
        wishes in prop::collection::vec(wish(), 0..60),
    ) {
        let mut events = file(&request(&gas_leak(), start), &actor("city"), Timestamp(0)).unwrap();
        let mut case = new_case(start);
        let mut now = Timestamp(0);
        for wish in wishes {
            now = now.plus_ms(wish.4);
            let before = case.clone();
            let mut command = asked(wish);
            // Half the wishes are sensible ones, or few walks would reach the end.
            let actor = ACTORS.get(wish.0).map_or_else(|| actor_of(&case), |name| actor(name));
            if let Some(kinds) = Some(allowed(&case, &actor)).filter(|k| !k.is_empty() && wish.0 >= ACTORS.len()) {
                command.kind = kinds[wish.1 % kinds.len()];
            }
            let offered = allowed(&before, &actor).contains(&command.kind);
            let Ok(new) = decide(&case, &command, &actor, now) else { continue };
            prop_assert!(offered, "decided but not offered: {command:?}");
            prop_assert!(actor.area.contains(&before.area));
            for event in &new {
 apply(&mut case, event);
}
            events.extend(new);
            prop_assert_eq!(case.clock.is_none(), case.state == CaseState::Closed);
            prop_assert_eq!(case.closed_at.is_some(), case.state == CaseState::Closed);
            prop_assert_eq!(case.due_at, before.due_at);
            prop_assert!(case.holder.area.contains(&case.area));
            prop_assert_eq!(case.holder.area.depth(), case.level.depth());
            let with_agency = case.holder.role == Role::AgencyStaff;
            prop_assert_eq!(case.holder.agency.is_some(), with_agency);
            prop_assert!(!with_agency || case.holder.agency == case.agency);
            // Someone of the right role and place can always go on.
            let owner = Actor { area: case.holder.area.clone(), ..actor_of(&case) };
            prop_assert_eq!(allowed(&case, &owner).is_empty(), case.state == CaseState::Closed);
        }
        prop_assert_eq!(replay(case.id.clone(), &events), Some(case));
        events.remove(0);
        let id = new_case(start).id;
        prop_assert_eq!(replay(id, &events), None);
    }

    #[test]
    fn a_case_in_time_at_every_stage_is_in_time_as_a_whole(shares in prop::array::uniform4(0..=100i64)) {
        let mut case = new_case(GRID);
        let mut now = Timestamp(0);
        let limits = case.filing.limits;
        let steps = [
            ("dispatch agency=gas_co", "town", limits.dispatch_ms * shares[0] / 100),
            ("start", "gas", 0),
            ("finish", "gas", limits.handle_ms * shares[1] / 100),
            ("check_pass", "grid", limits.check_ms * shares[2] / 100),
            ("close", "town", limits.close_ms * shares[3] / 100),
        ];
        for (text, name, later) in steps {
            now = now.plus_ms(later);
            let events = decide(&case, &command(text), &actor(name), now).unwrap();
            prop_assert_ne!(events[0].overdue, Some(true));
            apply(&mut case, &events[0]);
        }
        prop_assert_eq!(case.on_time, Some(true));
    }
}

/// Someone in whose hands the case is, whatever the area.
fn actor_of(case: &Case) -> Actor {
    Actor {
        name: "holder".into(),
        roles: vec![case.holder.role],
        area: case.holder.area.clone(),
        agency: case.holder.agency.clone(),
    }
}
