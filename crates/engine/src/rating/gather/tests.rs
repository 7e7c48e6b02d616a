//! What becomes of a case's steps in the facts: steps in words and minutes, facts in words.

use chengmai_model::calendar::Calendar;
use chengmai_model::case::{CaseId, CommandKind, ImportedCase, ImportedStatus};
use chengmai_model::pack::{CaseObject, CaseType, LimitRow};
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{Actor, AreaCode, AreaPath, Role, Severity, Text, Tier};

use super::*;
use crate::case::{
    CaseRules, FilingRequest, ReportRequest, apply, decide, file, imported, replay, report,
};

const GRID: &str = "/50/500103/500103001/500103001001/500103001001007/";

fn actor(name: &str, role: Role, agency: Option<&str>) -> Actor {
    let area = AreaPath::parse(if agency.is_some() { "/50/500103/" } else { "/50/" }).unwrap();
    Actor { name: name.into(), roles: vec![role], area, agency: agency.map(str::to_owned) }
}

/// Duty officers of the city and of the town, an agency, a supervisor.
fn who(name: &str) -> Actor {
    match name {
        "gas" => actor("gas", Role::AgencyStaff, Some("gas_co")),
        "fire" => actor("fire", Role::AgencyStaff, Some("fire_co")),
        "check" => actor("check", Role::Supervisor, None),
        "grid" => actor("grid", Role::GridWorker, None),
        "town" => Actor {
            area: AreaPath::parse("/50/500103/500103001/").unwrap(),
            ..actor("town", Role::DutyOfficer, None)
        },
        _ => actor(name, Role::DutyOfficer, None),
    }
}

/// Handling may take an hour.
fn rules() -> CaseRules {
    let gas_leak = CaseType {
        id: "gas_leak".into(),
        name: Text::new("燃气泄漏", "Gas leak"),
        class: "05-02".into(),
        object: CaseObject::Event,
        severity: Severity::SEVERE,
        level: Tier::Town,
        lead: "gas".into(),
        helpers: Vec::new(),
        limits: vec![LimitRow {
            condition: Text::new("泄漏", "a leak"),
            handle: "1 urgent_hour".into(),
            closes: Text::new("已修复", "mended"),
            source: "our default".into(),
        }],
        procedure: None,
        plan: None,
        photos: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    CaseRules::new(Calendar::default(), [&gas_leak], [], [], [])
}

fn at(minute: i64) -> Timestamp {
    Timestamp(minute * MINUTE_MS)
}

fn id() -> CaseId {
    let code = AreaCode::new("500103").unwrap();
    CaseId { code, date: "2026-11-21".parse().unwrap(), serial: 1 }
}

/// The events of a case: `filed` or `reported` at minute 0, then `minute who step`.
fn played(steps: &[&str]) -> Vec<CaseEvent> {
    let rules = rules();
    let area = AreaPath::parse(GRID).unwrap();
    let mut events = if steps[0] == "filed" {
        let request = FilingRequest {
            type_id: "gas_leak",
            row: 0,
            area,
            position: None,
            level: None,
            severity: None,
            title: None,
            description: String::new(),
            agency: Some("gas_co".into()),
            warning: None,
            source: CaseSource::DutyOfficer,
            simulated: false,
        };
        file(&request, &who("city"), at(0), &rules).unwrap()
    } else {
        let request = ReportRequest {
            type_id: Some("gas_leak"),
            area,
            position: None,
            description: String::new(),
            agency: Some("gas_co".into()),
            reporter: Some("anna".into()),
            source: CaseSource::Public,
            external: None,
            photos: Vec::new(),
            simulated: false,
        };
        report(&request, &who("city"), at(0), &rules).unwrap()
    };
    let mut case = replay(id(), &events).unwrap();
    for step in &steps[1..] {
        let words: Vec<&str> = step.split(' ').collect();
        let kind = CommandKind::from_word(words[2]).unwrap();
        let command = chengmai_model::case::Command {
            reason: Some("because".into()),
            row: (kind == CommandKind::File).then_some(0),
            agency: match kind {
                CommandKind::Dispatch => Some("gas_co".to_owned()),
                CommandKind::Involve | CommandKind::DropPart => Some("fire_co".to_owned()),
                _ => None,
            },
            stars: (kind == CommandKind::Rate).then_some(5),
            stage: (kind == CommandKind::Appeal).then_some(Stage::Handle),
            until: (kind == CommandKind::AskSuspend).then_some(at(10_000)),
            ..chengmai_model::case::Command::new(kind)
        };
        let minute = words[0].parse().unwrap();
        let decided = decide(&case, &command, &who(words[1]), at(minute), &rules);
        let decided = decided.unwrap_or_else(|refusal| panic!("{step}: {refusal}"));
        for event in &decided {
            apply(&mut case, event);
        }
        events.extend(decided);
    }
    events
}

fn facts(steps: &[&str]) -> CaseFacts {
    let case = replay(id(), &played(steps)).unwrap();
    of_case(&case, 7, AreaId(3), &mut Numbers::default())
}

/// `due done used breached excused`, in minutes; `-` for never.
fn stage_text(stage: &StageFacts) -> String {
    let time = |t: Timestamp| match t {
        NEVER => "-".to_owned(),
        t => (t.0 / MINUTE_MS).to_string(),
    };
    let flag = |set: bool, word: &str| if set { format!(" {word}") } else { String::new() };
    format!(
        "due {} done {} used {}{}{}",
        time(stage.due_at),
        time(stage.done_at),
        stage.used_ms / MINUTE_MS,
        flag(stage.breached, "breached"),
        flag(stage.excused, "excused"),
    )
}

const HANDLED: [&str; 4] = ["filed", "10 town dispatch", "20 gas start", "50 gas finish"];

fn after<'a>(begin: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    begin.iter().chain(more).copied().collect()
}

#[test]
fn a_case_that_went_well_has_every_stage_done_by_its_own_clock() {
    let facts = facts(&after(&HANDLED, &["60 check check_pass", "70 town close"]));
    assert_eq!(stage_text(&facts.dispatch), "due 30 done 10 used 10");
    assert_eq!(stage_text(&facts.handle), "due 70 done 50 used 40");
    assert_eq!(stage_text(&facts.check), "due 170 done 60 used 10");
    // 30 + 60 + 120 + 60 minutes from filing on.
    assert_eq!(stage_text(&facts.close), "due 270 done 70 used 70");
    assert_eq!(stage_text(&facts.file), "due - done 0 used 0");
    assert_eq!((facts.valid, facts.agency, facts.class, facts.ended_at), (true, 0, 0, NEVER));
}

#[test]
fn what_runs_is_due_and_not_done() {
    assert_eq!(stage_text(&facts(&HANDLED[..3]).handle), "due 70 done - used 0");
    let filed = facts(&["filed"]);
    assert_eq!(filed.handle, StageFacts::NONE);
    assert_eq!(filed.agency, NOBODY, "an agency that is only proposed answers for nothing");
}

#[test]
fn a_breach_stays_through_rework_and_only_an_upheld_appeal_excuses_it() {
    let late = ["filed", "10 town dispatch", "20 gas start", "90 gas finish"];
    assert_eq!(stage_text(&facts(&late).handle), "due 70 done 90 used 80 breached");
    let again = after(&late, &["100 check check_fail", "110 gas start", "120 gas finish"]);
    let reworked = facts(&again);
    assert_eq!(stage_text(&reworked.handle), "due 160 done 120 used 100 breached");
    assert_eq!(stage_text(&facts(&again[..5]).check), "due 210 done 100 used 10");
    assert_eq!(reworked.reworks, 1);
    let appeal = after(&late, &["95 gas appeal", "96 town uphold_appeal", "97 city uphold_appeal"]);
    assert_eq!(stage_text(&facts(&appeal).handle), "due 70 done 90 used 80 breached excused");
    assert_eq!(stage_text(&facts(&appeal[..6]).handle), "due 70 done 90 used 80 breached");
}

#[test]
fn what_was_given_back_is_not_handled_and_its_breach_stays() {
    let begin = ["filed", "10 town dispatch"];
    let back = facts(&after(&begin, &["20 gas return"]));
    assert_eq!(stage_text(&back.handle), "due - done - used 10");
    assert_eq!((back.returns, stage_text(&back.dispatch).as_str()), (1, "due 50 done - used 10"));
    let late = facts(&after(&begin, &["80 gas return"]));
    assert_eq!(stage_text(&late.handle), "due 70 done - used 70 breached");
}

#[test]
fn a_clock_that_stands_has_no_deadline_unless_it_had_passed() {
    let begin = ["filed", "10 town dispatch", "20 gas start"];
    let early = facts(&after(&begin, &["30 gas ask_suspend", "40 town grant"]));
    assert_eq!(stage_text(&early.handle), "due - done - used 0");
    assert_eq!(early.close.due_at, NEVER);
    let late = facts(&after(&begin, &["80 gas ask_suspend", "90 town grant"]));
    assert_eq!(stage_text(&late.handle), "due 70 done - used 0 breached");
    assert_eq!(late.close.due_at, NEVER, "the whole deadline moves when the clock goes on");
}

#[test]
fn what_was_cancelled_or_closed_by_force_ended_without_the_rest() {
    let begin = ["filed", "10 town dispatch"];
    let cancelled = facts(&after(&begin, &["20 town cancel"]));
    assert_eq!((cancelled.ended_at, cancelled.misfiled), (at(20), true));
    assert_eq!(stage_text(&cancelled.handle), "due 70 done - used 10");
    let forced = facts(&after(&HANDLED, &["55 town force_close"]));
    assert_eq!((forced.ended_at, forced.misfiled), (at(55), false));
    assert_eq!(stage_text(&forced.handle), "due 70 done 50 used 40");
    assert_eq!(forced.close.done_at, NEVER);
}

#[test]
fn a_citizens_report_is_valid_once_filed_and_not_when_refused() {
    let report = ["reported", "5 town accept", "20 grid verify_pass"];
    let open = facts(&report);
    assert_eq!((open.valid, open.accept.done_at, open.missed), (false, NEVER, false));
    let filed = facts(&after(&report, &["60 town file"]));
    assert_eq!((filed.valid, filed.accept.done_at, filed.missed), (true, at(60), true));
    assert_eq!(stage_text(&filed.verify), "due 125 done 20 used 15");
    assert_eq!(stage_text(&filed.file), "due 50 done 60 used 40 breached");
    let refused = facts(&after(&report[..1], &["5 town refuse"]));
    assert_eq!((refused.valid, refused.accept.done_at, refused.ended_at), (false, at(5), at(5)));
}

#[test]
fn an_imported_case_says_what_its_source_says_and_no_more() {
    let case = |due_at, closed_at| ImportedCase {
        line: 2,
        external_id: "boston:1".into(),
        opened_at: at(0),
        due_at,
        closed_at,
        agency: "PWD".into(),
        agency_name: None,
        kind: "Pothole".into(),
        detail: String::new(),
        area_text: String::new(),
        position: None,
        status: if closed_at.is_some() { ImportedStatus::Closed } else { ImportedStatus::Open },
        stated_on_time: None,
    };
    let area = AreaPath::parse(GRID).unwrap();
    let facts = |due_at, closed_at| {
        let events = imported(&case(due_at, closed_at), &area, &who("city"), at(9_000));
        let case = replay(id(), &events).unwrap();
        of_case(&case, 7, AreaId(3), &mut Numbers::default())
    };
    let late = facts(Some(at(100)), Some(at(120)));
    assert_eq!(stage_text(&late.handle), "due 100 done 120 used 120 breached");
    assert_eq!((late.file, late.dispatch), (StageFacts::NONE, StageFacts::NONE));
    assert_eq!(late.agency, 0);
    assert_eq!(stage_text(&facts(None, None).handle), "due - done - used 0");
    assert_eq!(stage_text(&facts(Some(at(100)), None).handle), "due 100 done - used 0");
}

/// The parts of a case: agency, handling, and nothing else.
fn parts(steps: &[&str]) -> Vec<String> {
    let case = replay(id(), &played(steps)).unwrap();
    let mut numbers = Numbers::default();
    let parts = parts_of(&case, 7, AreaId(3), &mut numbers);
    let text = |part: &CaseFacts| {
        let others = [part.verify, part.dispatch, part.check, part.close, part.file, part.accept];
        assert_eq!(others, [StageFacts::NONE; 6]);
        assert!(!part.valid && !part.missed);
        let agency = &numbers.agencies.all()[part.agency as usize];
        format!("{agency}: {}", stage_text(&part.handle))
    };
    parts.iter().map(text).collect()
}

#[test]
fn a_part_is_a_piece_of_handling_of_its_own_agency_with_its_own_clock() {
    let begin = ["filed", "10 town dispatch", "20 gas start", "25 town involve"];
    assert_eq!(parts(&begin[..3]), [""; 0]);
    assert_eq!(parts(&begin), ["fire_co: due 85 done - used 0"]);
    let done = after(&begin, &["40 fire start_part", "55 fire finish_part"]);
    assert_eq!(parts(&done), ["fire_co: due 85 done 55 used 30"]);
    let late = after(&begin, &["40 fire start_part", "90 fire finish_part"]);
    assert_eq!(parts(&late), ["fire_co: due 85 done 90 used 65 breached"]);
    // The lead answers for its own clock only, whatever becomes of the part.
    assert_eq!(stage_text(&facts(&late).handle), "due 70 done - used 0");
    let refused = after(&begin, &["40 fire refuse_part"]);
    assert_eq!(parts(&refused), ["fire_co: due - done - used 15"]);
    let refused_late = after(&begin, &["86 fire refuse_part"]);
    assert_eq!(parts(&refused_late), ["fire_co: due 85 done - used 61 breached"]);
    assert_eq!(parts(&after(&begin, &["40 town drop_part"])), [""; 0]);
}

#[test]
fn who_did_what_is_told_by_the_events() {
    let events = played(&["reported", "5 town accept", "20 grid verify_pass", "30 town file"]);
    let mut numbers = Numbers::default();
    let posts = posts_of(&events, &mut numbers);
    let name = |number: u32| numbers.people.all().get(number as usize).map(String::as_str);
    let all = [posts.acceptor, posts.collector, posts.duty_chief, posts.dispatcher].map(name);
    assert_eq!(all, [Some("town"), Some("grid"), Some("town"), None]);
}
