//! Warnings 预警 as people see them: what the engine raised, and how it was answered.
//!
//! Invariants: one row per identity, so raising twice changes nothing; steps older than the last one
//! change nothing; a warning is answered once (filing a confirmed one is the second half of that
//! answer), unless it became worse than ever after it was dismissed: then it is open again.

mod steps;

use chengmai_model::case::{CaseId, Refusal};
use chengmai_model::warning::{Held, WarningId, WarningStep};
use chengmai_model::{AreaPath, Severity, ShelfId, Text, Tier, Timestamp, error};
use sea_orm::{ConnectionTrait, QueryResult};
use serde::{Deserialize, Serialize};

use super::audit::{self, AuditRow};
use super::page::{Cursor, page};
use super::sql::{Columns, Sql};
use super::{Page, PageRequest, Records, Result};
use super::{alerts, notices};

/// How a warning stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningState {
    /// Waits for an answer.
    Raised,
    /// Seen and taken seriously.
    Confirmed,
    /// Seen and found to be nothing.
    Dismissed,
    /// A case was filed from it.
    Filed,
    /// Its cause went before anyone answered. An answered warning keeps its answer when it clears.
    Cleared,
}

impl WarningState {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Raised, Self::Confirmed, Self::Dismissed, Self::Filed, Self::Cleared];

    /// Its word: `raised`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Confirmed => "confirmed",
            Self::Dismissed => "dismissed",
            Self::Filed => "filed",
            Self::Cleared => "cleared",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// A reading behind a warning, in the words of the edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarningEvidence {
    /// Device id.
    pub device: String,
    /// Kind id.
    pub kind: String,
    /// In the kind's unit.
    pub value: f64,
    /// Event time.
    pub at: Timestamp,
}

/// What the engine and the packs say of a warning: its cause and its last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarningFacts {
    /// `gas/methane_in_manhole`.
    pub rule: String,
    /// The rule's name when it was raised.
    pub rule_name: Text,
    /// The pack's id.
    pub pack: String,
    /// The severity in the words of the pack's standard.
    pub label: Text,
    /// `device` or `indicator`.
    pub subject_kind: String,
    /// Its id.
    pub subject_id: String,
    /// Longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
    /// The value that made the last step.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// Kind id, when the subject is a device.
    pub kind: Option<String>,
    /// Case type the rule proposes.
    pub proposes: Option<String>,
    /// True when anything behind it is simulated.
    pub simulated: bool,
    /// The readings behind the last step, oldest first.
    pub evidence: Vec<WarningEvidence>,
}

/// A step of a warning, resolved to names, for [`Warnings::apply`].
#[derive(Debug, Clone, PartialEq)]
pub struct WarningStepRow {
    /// Which warning.
    pub id: WarningId,
    /// What happened.
    pub step: WarningStep,
    /// How bad now.
    pub severity: Severity,
    /// The smallest area known.
    pub area: AreaPath,
    /// When it happened, in event time.
    pub at: Timestamp,
    /// By when it must be answered if it is open after this step.
    pub answer_due: Option<Timestamp>,
    /// Why it is not shown after this step; `None`: it is.
    pub held: Option<Held>,
    /// Its alarm came and went so fast that its off delay was lengthened.
    pub chattering: bool,
    /// What is said of it now.
    pub facts: WarningFacts,
}

/// A warning on record.
#[derive(Debug, Clone, PartialEq)]
pub struct WarningRow {
    /// Its identity.
    pub id: WarningId,
    /// How bad now, or when it cleared.
    pub severity: Severity,
    /// The worst it ever was.
    pub peak_severity: Severity,
    /// The smallest area known.
    pub area: AreaPath,
    /// How it stands.
    pub state: WarningState,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// When the last step of the engine happened.
    pub changed_at: Timestamp,
    /// By when it must be answered; `None` once answered or cleared.
    pub answer_due: Option<Timestamp>,
    /// The tier it has gone up to unanswered.
    pub escalated_to: Option<Tier>,
    /// Who answered.
    pub answered_by: Option<String>,
    /// When.
    pub answered_at: Option<Timestamp>,
    /// What they said.
    pub note: Option<String>,
    /// The case filed from it.
    pub case: Option<CaseId>,
    /// When its cause was gone.
    pub cleared_at: Option<Timestamp>,
    /// Why it is not shown; kept when its cause is gone.
    pub held: Option<Held>,
    /// How often its cause came back soon after it was gone.
    pub reopened: u64,
    /// Its alarm came and went so fast that its off delay was lengthened.
    pub chattering: bool,
    /// What is said of it.
    pub facts: WarningFacts,
}

impl WarningRow {
    fn cursor(&self) -> Cursor {
        Cursor { key: self.raised_at.0, id: self.id.to_string() }
    }

    /// The cursor of a page of a list that begins after this one.
    pub fn page_after(&self) -> String {
        self.cursor().to_text()
    }
}

/// An answer. Filing goes through [`super::cases::Cases::file`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarningAnswer {
    /// It is real.
    Confirm,
    /// It is nothing. The caller asks for a reason.
    Dismiss,
}

/// Which warnings by their answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WarningView {
    /// Neither answered nor cleared.
    #[default]
    Open,
    /// Answered, cleared or not.
    Answered,
    /// Cleared, answered or not.
    Cleared,
    /// Standing, but not shown.
    Held,
    /// Standing and shown, and odd as an alarm: raised before this moment, chattering, or back again
    /// and again.
    Odd(Timestamp),
    /// All.
    All,
}

/// Which warnings to list. `areas` must be the caller's own or below.
#[derive(Debug, Clone, Default)]
pub struct WarningFilter {
    /// In one of these areas or below; none: nothing.
    pub areas: Vec<AreaPath>,
    /// By their answer.
    pub view: WarningView,
    /// At least so bad.
    pub severity_min: Option<Severity>,
    /// Of this rule.
    pub rule: Option<String>,
    /// Held back by this warning or shelf, now or when its cause went.
    pub held_by: Option<String>,
    /// Raised at or after.
    pub from: Option<Timestamp>,
    /// Raised before.
    pub to: Option<Timestamp>,
    /// That stood at this moment.
    pub stood_at: Option<Timestamp>,
    /// Which page; newest first.
    pub page: PageRequest,
}

/// Methods on warnings.
#[derive(Debug, Clone, Copy)]
pub struct Warnings<'a>(pub(super) &'a Records);

impl Warnings<'_> {
    /// Applies steps in order, in one transaction. Returns the warnings that changed, as they stand
    /// after each step. A step that was applied before, or is older than the last one, changes nothing;
    /// a regrade or clearing of an unknown warning is taken for its raising, so that none is lost.
    pub async fn apply(&self, steps: &[WarningStepRow]) -> Result<Vec<WarningRow>> {
        let tx = self.0.begin().await?;
        let mut changed = Vec::new();
        for step in steps {
            if steps::write(&tx, step).await? {
                let row = find(&tx, step.id).await?;
                if let Some(row) = &row {
                    notices::warning(&tx, row).await?;
                    alerts::note(&tx, row, row.changed_at).await?;
                }
                changed.extend(row);
            }
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// Confirms or dismisses an unanswered warning, with a line in the audit.
    ///
    /// # Errors
    /// `NOT_FOUND`, `ALREADY_ANSWERED`.
    pub async fn answer(
        &self,
        id: WarningId,
        by: &str,
        how: WarningAnswer,
        note: Option<&str>,
        now: Timestamp,
    ) -> Result<WarningRow> {
        let state = match how {
            WarningAnswer::Confirm => WarningState::Confirmed,
            WarningAnswer::Dismiss => WarningState::Dismissed,
        };
        let tx = self.0.begin().await?;
        let row = find(&tx, id).await?.ok_or_else(|| Refusal::plain(&error::NOT_FOUND))?;
        if row.answered_at.is_some() {
            return Err(already_answered(&row).into());
        }
        set_answer(&tx, id, state, None, &Answered { by, note, now }).await?;
        let row = find(&tx, id).await?.ok_or_else(|| Refusal::plain(&error::NOT_FOUND))?;
        tx.commit().await?;
        Ok(row)
    }

    /// Notes that an unanswered warning went up a tier, and by when that tier must answer (`None`: it
    /// goes no higher). False when it was answered or cleared in between.
    pub async fn escalate(
        &self,
        id: WarningId,
        to: Tier,
        answer_due: Option<Timestamp>,
    ) -> Result<bool> {
        let mut sql = Sql::new("UPDATE warning SET escalated_to = ");
        sql.value(to.word()).add(", answer_due = ").value(answer_due.map(|t| t.0));
        sql.add(" WHERE answered_at IS NULL AND cleared_at IS NULL AND id = ");
        Ok(sql.value(id.to_string()).run(&self.0.write).await? > 0)
    }

    /// Open warnings whose time to answer has passed, the longest overdue first, at most `limit`.
    pub async fn unanswered(&self, now: Timestamp, limit: u32) -> Result<Vec<WarningRow>> {
        let mut sql = Sql::new("SELECT * FROM warning WHERE answered_at IS NULL");
        sql.add(" AND cleared_at IS NULL AND answer_due < ").value(now.0);
        sql.add(" ORDER BY answer_due, id LIMIT ").value(i64::from(limit));
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// When the first of all was raised.
    pub async fn first(&self) -> Result<Option<Timestamp>> {
        let row = Sql::new("SELECT min(raised_at) AS at FROM warning").one(&self.0.read).await?;
        row.map_or(Ok(None), |row| row.time_if("at"))
    }

    /// The warning with that id.
    pub async fn find(&self, id: WarningId) -> Result<Option<WarningRow>> {
        find(&self.0.read, id).await
    }

    /// Warnings, newest first.
    pub async fn list(&self, filter: &WarningFilter) -> Result<Page<WarningRow>> {
        let mut from = Sql::new(" FROM warning WHERE 1 = 1");
        from.within("area_path", &filter.areas);
        if let WarningView::Odd(before) = filter.view {
            from.add(
                " AND cleared_at IS NULL AND held IS NULL AND (chattering = 1 OR reopened > 1",
            );
            from.add(" OR raised_at < ").value(before.0).add(")");
        }
        from.add(match filter.view {
            WarningView::Open => " AND answered_at IS NULL AND cleared_at IS NULL AND held IS NULL",
            WarningView::Held => " AND held IS NOT NULL AND cleared_at IS NULL",
            WarningView::Answered => " AND answered_at IS NOT NULL",
            WarningView::Cleared => " AND cleared_at IS NOT NULL",
            WarningView::Odd(_) | WarningView::All => "",
        });
        from.and_if("severity >=", filter.severity_min.map(|s| i64::from(s.number())));
        from.and_if("rule =", filter.rule.as_deref());
        from.and_if("held_by =", filter.held_by.as_deref());
        from.and_if("raised_at >=", filter.from.map(|t| t.0));
        from.and_if("raised_at <", filter.to.map(|t| t.0));
        if let Some(moment) = filter.stood_at {
            from.add(" AND raised_at <= ").value(moment.0);
            from.add(" AND (cleared_at IS NULL OR cleared_at > ").value(moment.0).add(")");
        }
        let total = from.total(&self.0.read).await?;
        let mut sql = from.with_head("SELECT *");
        page(&mut sql, &filter.page, "raised_at", "id", true)?;
        let rows = sql.all(&self.0.read).await?;
        let items = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
        Ok(Page::cut(items, &filter.page, total, WarningRow::cursor))
    }

    /// How many warnings are neither answered nor cleared in these areas, by severity 1 to 4.
    pub async fn open_counts(&self, areas: &[AreaPath]) -> Result<[u64; 4]> {
        let mut sql = Sql::new("SELECT severity, count(*) AS n FROM warning");
        sql.add(" WHERE answered_at IS NULL AND cleared_at IS NULL AND held IS NULL");
        sql.within("area_path", areas).add(" GROUP BY severity");
        let mut counts = [0; 4];
        for row in sql.all(&self.0.read).await? {
            let severity = read_severity(&row, "severity")?;
            counts[usize::from(severity.number()) - 1] = row.count("n")?;
        }
        Ok(counts)
    }
}

/// Who answered, with what words, when.
pub(super) struct Answered<'a> {
    pub(super) by: &'a str,
    pub(super) note: Option<&'a str>,
    pub(super) now: Timestamp,
}

/// Writes an answer and its audit line.
pub(super) async fn set_answer<C: ConnectionTrait>(
    db: &C,
    id: WarningId,
    state: WarningState,
    case: Option<&CaseId>,
    answered: &Answered<'_>,
) -> Result<()> {
    let mut sql = Sql::new("UPDATE warning SET answer_due = NULL, state = ");
    sql.value(state.word()).add(", answered_by = ").value(answered.by);
    sql.add(", answered_at = ").value(answered.now.0);
    // Filing without a word keeps what was said when it was confirmed.
    sql.add(", note = coalesce(").value(answered.note).add(", note), case_id = ");
    sql.value(case.map(ToString::to_string)).add(" WHERE id = ").value(id.to_string());
    sql.run(db).await?;
    if let Some(row) = find(db, id).await? {
        alerts::note(db, &row, answered.now).await?;
    }
    let line = AuditRow {
        at: answered.now,
        who: answered.by.to_owned(),
        what: format!("warning.{}", state.word()),
        object: id.to_string(),
        detail: case.map_or_else(String::new, ToString::to_string),
    };
    audit::add(db, &line).await
}

pub(super) fn already_answered(row: &WarningRow) -> Refusal {
    let by = row.answered_by.as_deref().unwrap_or("-");
    Refusal::new(
        &error::ALREADY_ANSWERED,
        format!("{by} 已于 {} 处理", row.answered_at.unwrap_or_default()),
        format!("{by} answered it at {}", row.answered_at.unwrap_or_default()),
    )
}

pub(super) async fn find<C: ConnectionTrait>(db: &C, id: WarningId) -> Result<Option<WarningRow>> {
    let mut sql = Sql::new("SELECT * FROM warning WHERE id = ");
    sql.value(id.to_string()).one(db).await?.as_ref().map(read).transpose()
}

fn read_held(row: &QueryResult) -> Result<Option<Held>> {
    let (word, by): (Option<String>, Option<String>) = (row.get("held")?, row.get("held_by")?);
    let (Some(word), Some(by)) = (word, by) else { return Ok(None) };
    let held = match word.as_str() {
        "parent" => WarningId::parse(&by).map(Held::Parent),
        "group" => WarningId::parse(&by).map(Held::Group),
        _ => ShelfId::parse(&by).map(Held::Shelf),
    };
    held.map(Some).ok_or_else(|| super::sql::unreadable("held_by", &by))
}

fn read_severity(row: &QueryResult, column: &str) -> Result<Severity> {
    let number = u8::try_from(row.count(column)?).unwrap_or(0);
    Severity::new(number).ok_or_else(|| super::sql::unreadable(column, &number.to_string()))
}

fn read(row: &QueryResult) -> Result<WarningRow> {
    let tier: Option<String> = row.get("escalated_to")?;
    Ok(WarningRow {
        id: row.word("id", WarningId::parse)?,
        severity: read_severity(row, "severity")?,
        peak_severity: read_severity(row, "peak_severity")?,
        area: row.path("area_path")?,
        state: row.word("state", WarningState::from_word)?,
        raised_at: row.time("raised_at")?,
        changed_at: row.time("changed_at")?,
        answer_due: row.time_if("answer_due")?,
        escalated_to: tier.as_deref().and_then(Tier::from_word),
        answered_by: row.get("answered_by")?,
        answered_at: row.time_if("answered_at")?,
        note: row.get("note")?,
        case: row.case_id_if("case_id")?,
        cleared_at: row.time_if("cleared_at")?,
        held: read_held(row)?,
        reopened: row.count("reopened")?,
        chattering: row.count("chattering")? != 0,
        facts: row.json("body")?,
    })
}
