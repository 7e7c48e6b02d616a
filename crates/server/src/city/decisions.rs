//! What the city decides by itself, and what it tells the screens: warnings from the engine become
//! rows of the records database, severe ones become cases, unanswered ones go up a tier.
//!
//! Steps carry the journal's time, so a replay decides as the first run did; and every row has an
//! identity of its own, so deciding twice changes nothing.

use std::sync::Arc;
use std::time::Duration;

use chengmai_engine::answer::escalation;
use chengmai_engine::case::{CaseRules, FilingRequest, file, next_look};
use chengmai_engine::{AlarmTally, Catalog, RuleDef, RuleOrigin};
use chengmai_model::case::{Case, CaseId, CaseSource};
use chengmai_model::city::City as Profile;
use chengmai_model::warning::{Subject, WarningChange};
use chengmai_model::{
    Actor, AreaId, AreaPath, AreaTree, CorrectionOrder, Severity, Text, Timestamp,
};
use chengmai_store::records::alarm_load::TallyRow;
use chengmai_store::records::cases::{CaseFilter, CaseStateFilter};
use chengmai_store::records::corrections::CorrectionRow;
use chengmai_store::records::warnings::{
    WarningEvidence, WarningFacts, WarningFilter, WarningRow, WarningState, WarningStepRow,
    WarningView,
};
use chengmai_store::records::{PageRequest, Records, RecordsError};
use parking_lot::RwLock;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::agencies::Agencies;
use super::book::{Book, OpenCase, OpenWarning};
use super::hub::{Hub, Payload};
use super::registry::Registry;
use crate::api::cases::{Shown, case_text};
use crate::api::warnings::warning_text;
use crate::clock;

/// What a group warning says its subject is.
pub(crate) const GROUP: &str = "group";
/// Steps that one transaction takes at most.
const GROUP_MAX: usize = 256;
/// Time between looks at unanswered warnings.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many cases whose clock turned are told to the screens a second.
const LOOKS_A_SECOND: usize = 2_000;
/// Time to wait after the database failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A message to the decisions.
#[derive(Debug)]
pub(crate) enum Decision {
    /// A step of a warning, with the journal's time.
    Warning { change: Box<WarningChange>, now: Timestamp },
    /// A reading was corrected by that frame of the journal.
    Corrected { sequence: u64, at: Timestamp, order: CorrectionOrder },
    /// What became of the alarms of a slot.
    Tally(AlarmTally),
    /// The rules that later steps are named by.
    Rules(Box<Catalog>),
    /// Say when everything before this is decided and stored.
    Barrier(std::sync::mpsc::SyncSender<()>),
}

/// What deciding needs.
#[derive(Debug)]
pub(crate) struct Decisions {
    pub(crate) areas: Arc<AreaTree>,
    pub(crate) catalog: Catalog,
    pub(crate) profile: Profile,
    pub(crate) agencies: Arc<Agencies>,
    pub(super) case_rules: Arc<CaseRules>,
    pub(crate) registry: Arc<RwLock<Registry>>,
    /// The whole city is made up.
    pub(crate) simulated: bool,
    pub(crate) records: Records,
    pub(crate) hub: Arc<Hub>,
    pub(crate) book: Arc<Book>,
}

impl Decisions {
    /// Runs until every sender is gone.
    pub(crate) fn start(self) -> (UnboundedSender<Decision>, tokio::task::JoinHandle<()>) {
        let (decide, to_decide) = mpsc::unbounded_channel();
        (decide, tokio::spawn(self.run(to_decide)))
    }

    async fn run(mut self, mut inbox: UnboundedReceiver<Decision>) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut group = Vec::new();
            tokio::select! {
                taken = inbox.recv_many(&mut group, GROUP_MAX) => {
                    if taken == 0 {
                        return;
                    }
                    self.decide(group).await;
                }
                _ = look.tick() => {
                    if let Err(error) = self.escalate(clock::now()).await {
                        tracing::error!(%error, "unanswered warnings could not be looked at");
                    }
                    if let Err(error) = self.look_at_clocks(clock::now()).await {
                        tracing::error!(%error, "clocks of cases could not be looked at");
                    }
                }
            }
        }
    }

    async fn decide(&mut self, group: Vec<Decision>) {
        let mut steps = Vec::new();
        let mut tallies = Vec::new();
        let mut corrections = Vec::new();
        let mut barriers = Vec::new();
        for decision in group {
            match decision {
                Decision::Warning { change, now } => steps.push((self.step(&change), now)),
                Decision::Corrected { sequence, at, order } => {
                    corrections.push(self.correction(sequence, at, order));
                }
                Decision::Tally(tally) => tallies.push(self.tally(&tally)),
                Decision::Rules(catalog) => self.catalog = *catalog,
                Decision::Barrier(done) => barriers.push(done),
            }
        }
        // The journal holds what these steps follow from; until the database takes them nothing
        // after them may be decided either.
        while let Err(error) = self.apply(&steps, &tallies, &corrections).await {
            tracing::error!(%error, "what was decided could not be stored; trying again");
            tokio::time::sleep(RETRY_AFTER).await;
        }
        for done in barriers {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }

    async fn apply(
        &self,
        steps: &[(WarningStepRow, Timestamp)],
        tallies: &[TallyRow],
        corrections: &[CorrectionRow],
    ) -> Result<(), RecordsError> {
        if !corrections.is_empty() {
            self.records.corrections().add(corrections).await?;
        }
        if !tallies.is_empty() {
            self.records.alarm_load().add(tallies).await?;
        }
        if steps.is_empty() {
            return Ok(());
        }
        let rows: Vec<WarningStepRow> = steps.iter().map(|(row, _)| row.clone()).collect();
        let changed = self.records.warnings().apply(&rows).await?;
        for row in changed {
            self.publish_warning(&row);
        }
        for (step, now) in steps {
            self.file_by_rule(step, *now).await?;
        }
        Ok(())
    }

    /// A correction by the names of its reading.
    fn correction(&self, sequence: u64, at: Timestamp, order: CorrectionOrder) -> CorrectionRow {
        let registry = self.registry.read();
        let stream = registry.stream(order.stream);
        let device = registry.device(stream.device);
        let area = order.area.and_then(|code| self.areas.find(code.as_str()));
        CorrectionRow {
            sequence,
            at,
            by: order.by,
            device: device.name().to_owned(),
            kind: registry.kind(stream.kind).name.to_string(),
            area: AreaPath::of(&self.areas, area.unwrap_or_else(|| device.area())),
            reading_at: order.at,
            old: order.old,
            new: order.new,
            reason: order.reason,
        }
    }

    fn tally(&self, tally: &AlarmTally) -> TallyRow {
        TallyRow {
            start: tally.start,
            area: AreaPath::of(&self.areas, tally.operator),
            rule: self.catalog.rules()[usize::from(tally.rule)].id.clone(),
            alarms: tally.alarms,
            shown: tally.shown,
            under_parent: tally.under_parent,
            shelved: tally.shelved,
            collapsed: tally.collapsed,
        }
    }

    /// A step of the engine in the words of people.
    fn step(&self, change: &WarningChange) -> WarningStepRow {
        let rule = &self.catalog.rules()[usize::from(change.rule)];
        let limit = rule.answer_ms[usize::from(change.severity.number()) - 1]
            .unwrap_or_else(|| default_limit_ms(change.severity));
        WarningStepRow {
            id: change.id,
            step: change.step,
            severity: change.severity,
            area: AreaPath::of(&self.areas, change.area),
            at: change.at,
            answer_due: Some(change.at.plus_ms(limit)),
            held: change.held,
            chattering: change.chattering,
            facts: self.facts(change, rule),
        }
    }

    fn facts(&self, change: &WarningChange, rule: &RuleDef) -> WarningFacts {
        let registry = self.registry.read();
        let name_of = |stream| {
            let entry = registry.stream(stream);
            (registry.device(entry.device), registry.kind(entry.kind))
        };
        let evidence: Vec<WarningEvidence> = change
            .evidence
            .iter()
            .map(|e| {
                let (device, kind) = name_of(e.stream);
                WarningEvidence {
                    device: device.name().to_owned(),
                    kind: kind.name.to_string(),
                    value: e.value,
                    at: e.at,
                }
            })
            .collect();
        let (subject_kind, subject_id, position, unit, kind, simulated) = match change.subject {
            Subject::Stream(stream) => {
                let (device, kind) = name_of(stream);
                let kind_name = Some(kind.name.to_string());
                let unit = kind.unit.to_string();
                (
                    "device",
                    device.name().to_owned(),
                    device.position(),
                    unit,
                    kind_name,
                    device.simulated(),
                )
            }
            Subject::Group { pack } => {
                let id = self.catalog.pack(pack).head.id.clone();
                let position = self.areas.get(change.area).row.center;
                let unit = match &rule.origin {
                    RuleOrigin::Readings { kind, .. } => self.catalog.kind(*kind).kind.unit.clone(),
                    RuleOrigin::Indicator(index) => {
                        self.catalog.indicators()[usize::from(*index)].def.unit.clone()
                    }
                };
                let made_up = change.evidence.iter().any(|e| name_of(e.stream).0.spec().simulated);
                (GROUP, id, position, unit, None, self.simulated || made_up)
            }
            Subject::Indicator { indicator, area } => {
                let def = &self.catalog.indicators()[usize::from(indicator)].def;
                let position = self.areas.get(area).row.center;
                let made_up = change.evidence.iter().any(|e| name_of(e.stream).0.simulated());
                let simulated = self.simulated || made_up;
                ("indicator", def.code.clone(), position, def.unit.clone(), None, simulated)
            }
        };
        WarningFacts {
            rule: rule.id.clone(),
            rule_name: self.name(change, rule),
            pack: self.catalog.pack(rule.pack).head.id.clone(),
            label: self.profile.severity_name(change.severity),
            subject_kind: subject_kind.to_owned(),
            subject_id,
            position,
            value: change.value,
            unit,
            kind,
            proposes: rule.files.clone().filter(|_| subject_kind != GROUP),
            simulated,
            evidence,
        }
    }

    /// What a warning is called: its rule, or for a group its pack and what came first.
    fn name(&self, change: &WarningChange, rule: &RuleDef) -> Text {
        let Subject::Group { pack } = change.subject else { return rule.name.clone() };
        let pack = &self.catalog.pack(pack).head.name;
        Text::new(
            format!("{}：多条预警合并（首条：{}）", pack.zh, rule.name.zh),
            format!("{}: many warnings as one (first: {})", pack.en, rule.name.en),
        )
    }

    /// Files a case without waiting for a person, where the rule says so.
    async fn file_by_rule(
        &self,
        step: &WarningStepRow,
        now: Timestamp,
    ) -> Result<(), RecordsError> {
        let rule = self.catalog.find_rule(&step.facts.rule);
        let Some(rule) = rule.map(|r| &self.catalog.rules()[usize::from(r)]) else { return Ok(()) };
        if rule.files_at.is_none_or(|at| step.severity < at) {
            return Ok(());
        }
        let Some(row) = self.records.warnings().find(step.id).await? else { return Ok(()) };
        let open = matches!(row.state, WarningState::Raised | WarningState::Confirmed)
            && row.held.is_none()
            && row.facts.subject_kind != GROUP;
        let case_type = rule.files.as_deref().and_then(|id| self.catalog.case_type(id));
        let (true, None, Some(case_type)) = (open, &row.case, case_type) else { return Ok(()) };
        let description = describe(&row, rule, &self.catalog);
        let found = self.case_rules.responsible(&case_type.def.id, &description, &row.area);
        let agency = found.map(|found| found.agency.to_owned());
        let request = FilingRequest {
            type_id: &case_type.def.id,
            row: rule.files_row,
            area: row.area.clone(),
            position: row.facts.position,
            level: None,
            severity: Some(row.severity),
            title: Some(rule.name.clone()),
            description,
            agency,
            warning: Some(row.id),
            source: CaseSource::Warning,
            simulated: row.facts.simulated,
        };
        let actor = Actor::program(AreaPath::of(&self.areas, AreaId::ROOT));
        let events = match file(&request, &actor, now, &self.case_rules) {
            Ok(events) => events,
            Err(refusal) => {
                tracing::error!(%refusal, rule = rule.id, "a rule proposes a case it cannot file");
                return Ok(());
            }
        };
        let draft = CaseId::draft(&row.area, self.profile.local_date(now));
        let filed = match self.records.cases().file(draft, &events, None).await {
            Ok(filed) => filed,
            // Someone answered it in between: that answer stands.
            Err(RecordsError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        if filed.created {
            self.publish_case(&filed.case);
            if let Some(row) = self.records.warnings().find(step.id).await? {
                self.publish_warning(&row);
            }
        }
        Ok(())
    }

    /// Unanswered warnings go up one tier for each limit that passes.
    async fn escalate(&self, now: Timestamp) -> Result<(), RecordsError> {
        for row in self.records.warnings().unanswered(now, 100).await? {
            let Some(area) = self.areas.find(row.area.code()) else { continue };
            let rule = self.catalog.find_rule(&row.facts.rule);
            let limit = rule
                .and_then(|r| {
                    let limits = &self.catalog.rules()[usize::from(r)].answer_ms;
                    limits[usize::from(row.severity.number()) - 1]
                })
                .unwrap_or_else(|| default_limit_ms(row.severity));
            let since = row.changed_at.max(row.raised_at);
            let tier = self.areas.get(area).row.tier;
            let stands = escalation(tier, since, limit, now);
            let due = Some(stands.answer_due).filter(|&due| due > now);
            let to = stands.escalated_to.unwrap_or(tier);
            if self.records.warnings().escalate(row.id, to, due).await?
                && let Some(row) = self.records.warnings().find(row.id).await?
            {
                self.publish_warning(&row);
            }
        }
        Ok(())
    }

    /// Cases whose clock turned yellow or red, or that went up a tier: the screens are told.
    async fn look_at_clocks(&self, now: Timestamp) -> Result<(), RecordsError> {
        for id in self.book.due_looks(now, LOOKS_A_SECOND) {
            let Some(id) = CaseId::parse(&id) else { continue };
            if let Some(case) = self.records.cases().find(&id).await? {
                self.publish_case(&case);
            }
        }
        Ok(())
    }

    fn publish_warning(&self, row: &WarningRow) {
        publish_warning(&self.hub, &self.book, &self.areas, row);
    }

    fn publish_case(&self, case: &Case) {
        let shown = Shown { areas: &self.areas, agencies: &self.agencies, rules: &self.case_rules };
        publish_case(&self.hub, &self.book, shown, case);
    }
}

/// Reads what is open from the records database into the book.
pub(crate) async fn fill_book(
    records: &Records,
    areas: &AreaTree,
    book: &Book,
) -> Result<(), RecordsError> {
    let root = vec![AreaPath::of(areas, AreaId::ROOT)];
    let mut page = PageRequest { limit: 1_000, cursor: None };
    loop {
        let filter = WarningFilter {
            areas: root.clone(),
            view: WarningView::All,
            page: page.clone(),
            ..WarningFilter::default()
        };
        let rows = records.warnings().list(&filter).await?;
        for row in rows.items.iter().filter(|r| r.cleared_at.is_none()) {
            note_warning(book, areas, row);
        }
        page.cursor = rows.next_cursor;
        if page.cursor.is_none() {
            break;
        }
    }
    loop {
        let filter = CaseFilter {
            areas: root.clone(),
            state: CaseStateFilter::Open,
            page: page.clone(),
            ..CaseFilter::default()
        };
        let rows = records.cases().list(&filter).await?;
        for case in &rows.items {
            note_case(book, areas, case);
        }
        page.cursor = rows.next_cursor;
        if page.cursor.is_none() {
            return Ok(());
        }
    }
}

/// Tells the book and the screens how a warning stands.
pub(crate) fn publish_warning(hub: &Hub, book: &Book, areas: &AreaTree, row: &WarningRow) {
    note_warning(book, areas, row);
    if let Some(area) = areas.find(row.area.code()) {
        hub.publish(area, Payload::Warning(warning_text(areas, row).into()));
    }
}

/// Tells the book and the screens how a case stands.
pub(crate) fn publish_case(hub: &Hub, book: &Book, shown: Shown<'_>, case: &Case) {
    note_case(book, shown.areas, case);
    book.near.note(case, clock::now());
    if let Some(area) = shown.areas.find(case.area.code()) {
        hub.publish(area, Payload::Case(case_text(shown, case, clock::now()).into()));
    }
}

fn note_warning(book: &Book, areas: &AreaTree, row: &WarningRow) {
    let counts = row.cleared_at.is_none() && row.held.is_none();
    let area = areas.find(row.area.code()).filter(|_| counts);
    let answered = row.answered_at.is_some();
    let state = area.map(|area| OpenWarning { area, severity: row.severity, answered });
    book.warning(&row.id.to_string(), state);
}

/// Tells the book how a case stands.
pub(crate) fn note_case(book: &Book, areas: &AreaTree, case: &Case) {
    let area = areas.find(case.area.code()).filter(|_| case.closed_at.is_none());
    let look_at = next_look(case, clock::now());
    let state = area.map(|area| OpenCase {
        area,
        due_at: case.due_at,
        look_at,
        position: case.filing.position,
        state: case.state,
        severity: case.filing.severity,
    });
    book.case(&case.id.to_string(), state);
}

fn default_limit_ms(severity: Severity) -> i64 {
    chengmai_engine::answer::ANSWER_LIMITS_MS[usize::from(severity.number()) - 1]
}

/// One line for whoever is sent out: what was measured where.
fn describe(row: &WarningRow, rule: &RuleDef, catalog: &Catalog) -> String {
    let what = match &rule.origin {
        RuleOrigin::Readings { kind, .. } => catalog.kind(*kind).kind.name.zh.as_str(),
        RuleOrigin::Indicator(index) => {
            catalog.indicators()[usize::from(*index)].def.name.zh.as_str()
        }
    };
    let facts = &row.facts;
    format!("{}：{what} {} {}（{}）", rule.name.zh, facts.value, facts.unit, facts.subject_id)
}
