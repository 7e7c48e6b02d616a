//! The records database: what the database itself enforces, and what its methods promise.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod alerts;
mod case_scan;
mod cases;
mod database;
mod drafts;
mod grid;
mod locks;
mod look_back;
mod notify;
mod people;
mod proof;
mod scope;
mod sensor_things;
mod transfer;
mod warnings;
mod words;

use std::collections::BTreeSet;
use std::io::Write as _;

use chengmai_engine::case::{CaseRules, FilingRequest, apply, decide, file, replay};
use chengmai_model::calendar::Calendar;
use chengmai_model::case::{
    Case, CaseEvent, CaseId, CaseSource, CaseState, Command, CommandKind, Level, Light, Refusal,
};
use chengmai_model::pack::{CaseObject, CaseType, LimitRow};
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::warning::{Held, WarningId, WarningStep};
use chengmai_model::{Actor, AreaPath, Role, Severity, ShelfId, Text, Tier, Timestamp};
use chengmai_store::records::agencies::AgencyRow;
use chengmai_store::records::alarm_load::TallyRow;
use chengmai_store::records::alerts::AlertRow;
use chengmai_store::records::audit::AuditRow;
use chengmai_store::records::cases::{CaseFilter, CaseOrder, CaseStateFilter};
use chengmai_store::records::outside::{self, NewOutside, Taken};
use chengmai_store::records::tokens::{NewToken, TokenKind};
use chengmai_store::records::users::UserRow;
use chengmai_store::records::warnings::{
    WarningAnswer, WarningFacts, WarningFilter, WarningRow, WarningState, WarningStepRow,
    WarningView,
};
use chengmai_store::records::{PageRequest, Place, Records, RecordsError};
use sea_orm::{ConnectionTrait as _, DatabaseConnection};

use crate::postgres;

const TOWN: &str = "/50/500103/500103001/";

fn path(text: &str) -> AreaPath {
    AreaPath::parse(text).unwrap()
}

fn at(minutes: i64) -> Timestamp {
    Timestamp(1_800_000_000_000 + minutes * MINUTE_MS)
}

fn duty(area: &str) -> Actor {
    Actor { name: "duty".into(), roles: vec![Role::DutyOfficer], area: path(area), agency: None }
}

fn pothole() -> CaseType {
    CaseType {
        id: "pothole".into(),
        name: Text::new("路面坑洞", "Pothole"),
        class: "01-13".into(),
        object: CaseObject::Event,
        severity: Severity::MINOR,
        level: Tier::Town,
        lead: "road".into(),
        helpers: Vec::new(),
        limits: vec![LimitRow {
            condition: Text::new("深", "deep"),
            handle: "1 urgent_hour".into(),
            closes: Text::new("补好", "filled"),
            source: "our default".into(),
        }],
        procedure: None,
        plan: None,
        photos: std::collections::BTreeMap::new(),
        stages: std::collections::BTreeMap::new(),
    }
}

/// What the cases here are decided by.
fn rules() -> CaseRules {
    CaseRules::new(Calendar::default(), [&pothole()], [], [], [])
}

fn filing(area: &str, warning: Option<WarningId>, now: Timestamp) -> (CaseId, Vec<CaseEvent>) {
    let request = FilingRequest {
        type_id: "pothole",
        row: 0,
        area: path(area),
        position: None,
        level: None,
        severity: None,
        title: None,
        description: "Deep hole".into(),
        agency: Some("roads".into()),
        warning,
        source: CaseSource::DutyOfficer,
        simulated: false,
    };
    let draft = CaseId::draft(&path(area), "2026-11-21".parse().unwrap());
    (draft, file(&request, &duty(area), now, &rules()).unwrap())
}

async fn filed(records: &Records, area: &str, now: Timestamp) -> Case {
    let (draft, events) = filing(area, None, now);
    records.cases().file(draft, &events, None).await.unwrap().case
}

/// Takes a case through the loop: `dispatch`, `start`, ... at one moment.
async fn step(records: &Records, case: Case, kinds: &[CommandKind], now: Timestamp) -> Case {
    let mut case = case;
    for &kind in kinds {
        let staff =
            Actor { roles: vec![Role::AgencyStaff], agency: case.agency.clone(), ..duty("/50/") };
        let actor = match kind {
            CommandKind::Start | CommandKind::Finish | CommandKind::Return => staff,
            _ => duty(case.holder.area.as_str()),
        };
        let command = Command { reason: Some("because".into()), ..Command::new(kind) };
        let events = decide(&case, &command, &actor, now, &rules()).unwrap();
        case = records.cases().append(&case, &events).await.unwrap();
    }
    case
}

const WHOLE_LOOP: &[CommandKind] = &[
    CommandKind::Dispatch,
    CommandKind::Start,
    CommandKind::Finish,
    CommandKind::CheckPass,
    CommandKind::Close,
];

fn warning_step(
    number: u64,
    step: WarningStep,
    severity: u8,
    minute: i64,
    area: &str,
) -> WarningStepRow {
    WarningStepRow {
        id: WarningId(number),
        step,
        severity: Severity::new(severity).unwrap(),
        area: path(area),
        at: at(minute),
        answer_due: Some(at(minute + 5)),
        held: None,
        chattering: false,
        facts: WarningFacts {
            rule: "gas/methane".into(),
            rule_name: Text::new("甲烷", "Methane"),
            pack: "gas".into(),
            label: Text::new("黄色", "Yellow"),
            subject_kind: "device".into(),
            subject_id: format!("d{number}"),
            position: Some([106.5, 29.5]),
            value: f64::from(severity) * 10.0,
            unit: "%LEL".into(),
            kind: Some("methane".into()),
            proposes: None,
            simulated: true,
            evidence: Vec::new(),
        },
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T, RecordsError>) -> &'static str {
    match result.unwrap_err() {
        RecordsError::Refused(Refusal { code, .. }) => code.name,
        other => panic!("{other}"),
    }
}

/// Says on which database a check failed.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::io::stderr().write_all(format!("on {}\n", self.0).as_bytes()).unwrap();
        }
    }
}

/// Checks the same in a new place of every kind: a SQLite file, and PostgreSQL where it is installed.
async fn in_both_places(check: impl AsyncFn(Place)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records db?x.sqlite");
    for place in [Some(Place::from(&file)), postgres::database().await].into_iter().flatten() {
        let _told = Told(place.to_string());
        check(place).await;
    }
}

/// Checks the same on both databases.
pub(crate) async fn on_both(check: impl AsyncFn(Records)) {
    in_both_places(async |place| check(Records::open(place).await.unwrap()).await).await;
}

/// A connection of another program to the same place.
async fn other(place: &Place) -> DatabaseConnection {
    let Place::File(path) = place else { return postgres::connect(&place.to_string()).await };
    let mut options = sea_orm::ConnectOptions::new("sqlite://other");
    let path = path.clone();
    options.map_sqlx_sqlite_opts(move |o| o.filename(&path));
    sea_orm::Database::connect(options).await.unwrap()
}

fn user(name: &str, area: &str) -> UserRow {
    UserRow {
        name: name.into(),
        display_name: format!("User {name}"),
        password_hash: "$argon2id$x".into(),
        roles: vec![Role::DutyOfficer, Role::Supervisor],
        area: path(area),
        agency: None,
        failed_count: 0,
        locked_until: None,
        created_at: at(0),
    }
}
