//! The rarer facts of a case as JSON: what was asked for, parts of other agencies, appeals, reports owed, a
//! plan in force, clocks that have ended, photos.

use chengmai_model::case::{Circumstances, ClockRow, PartState, Photo, PhotoKind, Verdict, Wish};
use chengmai_model::{Timestamp, error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::cases::{ClockJson, clock_json};
use crate::city::agencies::Agencies;
use crate::http::problem::{Answer, Problem, TextJson};

/// What was asked for and waits for an answer.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PetitionJson {
    /// delay, suspend, dispute.
    kind: &'static str,
    by: String,
    at: String,
    reason: String,
    /// Of a delay: how much more, such as `2 work_day`.
    more: Option<String>,
    /// Of a suspension: when it is looked at again.
    until: Option<String>,
    /// Of a dispute: which agency should do it instead.
    agency: Option<String>,
}

/// Another agency's part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartJson {
    agency: String,
    agency_name: Option<TextJson>,
    task: String,
    clock: ClockJson,
    /// waiting, working, done, refused.
    state: &'static str,
    ended_at: Option<String>,
    /// Whether it ended late; null while it has not ended.
    overdue: Option<bool>,
}

/// An appeal against a breach on record.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppealJson {
    stage: &'static str,
    stage_name: TextJson,
    by: String,
    at: String,
    reason: String,
    due_at: String,
    first: Option<VerdictJson>,
    second: Option<VerdictJson>,
    open: bool,
}

/// What a review came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VerdictJson {
    upheld: bool,
    by: String,
    at: String,
}

impl VerdictJson {
    fn new(verdict: &Verdict) -> Self {
        Self { upheld: verdict.upheld, by: verdict.by.clone(), at: verdict.at.to_rfc3339() }
    }
}

/// A report owed to the centre above.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReportDueJson {
    /// phone, written.
    form: &'static str,
    form_name: TextJson,
    due_at: String,
    done_at: Option<String>,
}

/// A plan in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FiredPlanJson {
    id: String,
    by: String,
    at: String,
    /// The owning level before it was fired.
    level_before: &'static str,
    agency_before: Option<String>,
}

/// A task admitted outside a list of duties.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AdmissionJson {
    agency: String,
    by: String,
    at: String,
    reason: String,
}

/// The rarer facts of a case.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CircumstancesJson {
    petition: Option<PetitionJson>,
    /// Where a suspended or merged case stood before.
    aside_state: Option<&'static str>,
    parts: Vec<PartJson>,
    admissions: Vec<AdmissionJson>,
    /// The agency that the centre above ruled for.
    ruled_agency: Option<String>,
    appeals: Vec<AppealJson>,
    /// I, II, III, IV.
    event_level: Option<&'static str>,
    reports: Vec<ReportDueJson>,
    plan: Option<FiredPlanJson>,
    /// The case it was merged into.
    parent: Option<String>,
    /// What the reporter said, 1 to 5.
    stars: Option<u8>,
    /// Who is on the way to check.
    checker: Option<String>,
    /// Whether somebody looked before filing, and saw it.
    verified: Option<bool>,
}

pub(crate) fn circumstances_json(
    facts: &Circumstances,
    agencies: &Agencies,
    now: Timestamp,
) -> CircumstancesJson {
    CircumstancesJson {
        petition: petition(facts),
        aside_state: facts.aside.as_ref().map(|aside| aside.state.word()),
        parts: parts(facts, agencies, now),
        admissions: facts
            .admissions
            .iter()
            .map(|admission| AdmissionJson {
                agency: admission.agency.clone(),
                by: admission.by.clone(),
                at: admission.at.to_rfc3339(),
                reason: admission.reason.clone(),
            })
            .collect(),
        ruled_agency: facts.ruling.as_ref().map(|ruling| ruling.agency.clone()),
        appeals: appeals(facts),
        event_level: facts.event_level.map(chengmai_model::case::EventLevel::word),
        reports: facts
            .reports
            .iter()
            .map(|report| ReportDueJson {
                form: report.form.word(),
                form_name: report.form.name().into(),
                due_at: report.due_at.to_rfc3339(),
                done_at: report.done_at.map(Timestamp::to_rfc3339),
            })
            .collect(),
        plan: facts.plan.as_ref().map(|plan| FiredPlanJson {
            id: plan.id.clone(),
            by: plan.by.clone(),
            at: plan.at.to_rfc3339(),
            level_before: plan.level.word(),
            agency_before: plan.agency.clone(),
        }),
        parent: facts.parent.as_ref().map(ToString::to_string),
        stars: facts.satisfaction.map(|satisfaction| satisfaction.stars),
        checker: facts.checker.clone(),
        verified: facts.verified,
    }
}

fn petition(facts: &Circumstances) -> Option<PetitionJson> {
    let petition = facts.petition.as_ref()?;
    let (kind, more, until, agency) = match &petition.wish {
        Wish::Delay { more } => ("delay", Some(more.to_string()), None, None),
        Wish::Suspend { until } => ("suspend", None, Some(until.to_rfc3339()), None),
        Wish::Dispute { agency } => ("dispute", None, None, agency.clone()),
    };
    Some(PetitionJson {
        kind,
        by: petition.by.clone(),
        at: petition.at.to_rfc3339(),
        reason: petition.reason.clone(),
        more,
        until,
        agency,
    })
}

fn parts(facts: &Circumstances, agencies: &Agencies, now: Timestamp) -> Vec<PartJson> {
    facts
        .parts
        .iter()
        .map(|part| PartJson {
            agency: part.agency.clone(),
            agency_name: agencies.get(&part.agency).map(|a| (&a.name).into()),
            task: part.task.clone(),
            clock: clock_json(&part.clock, part.ended_at.unwrap_or(now)),
            state: match part.state {
                PartState::Waiting => "waiting",
                PartState::Working => "working",
                PartState::Done => "done",
                PartState::Refused => "refused",
            },
            ended_at: part.ended_at.map(Timestamp::to_rfc3339),
            overdue: part.ended_at.map(|at| at > part.clock.due_at),
        })
        .collect()
}

fn appeals(facts: &Circumstances) -> Vec<AppealJson> {
    facts
        .appeals
        .iter()
        .map(|appeal| AppealJson {
            stage: appeal.stage.word(),
            stage_name: appeal.stage.name().into(),
            by: appeal.by.clone(),
            at: appeal.at.to_rfc3339(),
            reason: appeal.reason.clone(),
            due_at: appeal.due_at.to_rfc3339(),
            first: appeal.first.as_ref().map(VerdictJson::new),
            second: appeal.second.as_ref().map(VerdictJson::new),
            open: appeal.is_open(),
        })
        .collect()
}

/// A clock that has ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ClockRowJson {
    stage: &'static str,
    stage_name: TextJson,
    agency: Option<String>,
    agency_name: Option<TextJson>,
    started_at: String,
    due_at: String,
    ended_at: String,
    /// Milliseconds of own time used: working time where the limit was in working time.
    used_ms: i64,
    /// Milliseconds it stood still.
    paused_ms: i64,
    /// How often it was extended.
    extended: u32,
    overdue: bool,
    /// Whether two reviews upheld an appeal against that breach; the breach stays.
    excused: bool,
}

impl ClockRowJson {
    pub(crate) fn new(row: &ClockRow, agencies: &Agencies) -> Self {
        let agency = row.agency.as_deref().and_then(|id| agencies.get(id));
        Self {
            stage: row.stage.word(),
            stage_name: row.stage.name().into(),
            agency: row.agency.clone(),
            agency_name: agency.map(|a| (&a.name).into()),
            started_at: row.started_at.to_rfc3339(),
            due_at: row.due_at.to_rfc3339(),
            ended_at: row.ended_at.to_rfc3339(),
            used_ms: row.used_ms,
            paused_ms: row.paused_ms,
            extended: row.extended,
            overdue: row.overdue,
            excused: row.excused,
        }
    }
}

/// A photo of a step.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PhotoJson {
    /// near, far, reference, before, after.
    kind: &'static str,
    kind_name: TextJson,
    /// SHA-256 of the picture.
    hash: String,
    at: Option<String>,
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
}

impl PhotoJson {
    pub(crate) fn new(photo: &Photo) -> Self {
        Self {
            kind: photo.kind.word(),
            kind_name: photo.kind.name().into(),
            hash: photo.hash.clone(),
            at: photo.at.map(Timestamp::to_rfc3339),
            position: photo.position,
        }
    }
}

/// A photo that goes with a step; the picture was uploaded before.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PhotoBody {
    /// near, far, reference, before, after.
    kind: String,
    /// SHA-256 of the picture, in hex.
    hash: String,
    /// When it was taken (RFC 3339).
    at: Option<String>,
    /// Where it was taken.
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
}

impl PhotoBody {
    /// The photo it means.
    pub(crate) fn read(self) -> Answer<Photo> {
        let bad = |what: &str| Problem::new(&error::BAD_BODY, format!("photo: {what}"));
        let hex = self.hash.len() == 64 && self.hash.bytes().all(|b| b.is_ascii_hexdigit());
        let at = self.at.map(|at| Timestamp::parse_rfc3339(&at).ok_or_else(|| bad("at")));
        let [x, y] = self.position.unwrap_or_default();
        if !hex || !(-180.0..=180.0).contains(&x) || !(-90.0..=90.0).contains(&y) {
            return Err(bad("hash or position"));
        }
        Ok(Photo {
            kind: PhotoKind::from_word(&self.kind).ok_or_else(|| bad("kind"))?,
            hash: self.hash.to_ascii_lowercase(),
            at: at.transpose()?,
            position: self.position,
        })
    }
}
