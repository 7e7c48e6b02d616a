//! Drafts 拟办: what a program would have done to cases, which a person approves or declines.
//!
//! What it is not: it does nothing to a case, and judges no permission. Invariants: a draft is decided once; what
//! was decided is in the audit in the same transaction; one that was taken up and whose deed is not known to be
//! done can be taken up again by the same person only.

use chengmai_model::case::CaseId;
use chengmai_model::{AreaPath, Timestamp};
use sea_orm::QueryResult;
use serde_json::json;

use super::audit::{self, AuditRow};
use super::sql::{Columns, Sql};
use super::{Records, Result};

/// Most of a list.
const LIST_MAX: u32 = 200;
/// Those that nobody decided on, nor has lapsed.
const WAITS: &str = "(state = 'waiting' OR state = 'approved' AND outcome IS NULL)";

/// What a draft would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDraft {
    /// Where.
    pub area: AreaPath,
    /// The case and the step of it; without them a new case.
    pub step: Option<(CaseId, String)>,
    /// What is said along with it, as the route of a person's deed takes it.
    pub body: String,
    /// Why.
    pub reason: String,
    /// The account whose program it was.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Until when it may be approved.
    pub until: Timestamp,
}

/// How a draft stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DraftState {
    /// Nobody has decided.
    Waiting,
    /// Somebody approved it; done when there is an outcome.
    Approved,
    /// Somebody declined it.
    Declined,
}

impl DraftState {
    /// As it is stored and shown.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Declined => "declined",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Approved, Self::Declined].into_iter().find(|s| s.word() == word)
    }
}

/// A draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftRow {
    /// Its number.
    pub id: i64,
    /// What it would do.
    pub draft: NewDraft,
    /// How it stands.
    pub state: DraftState,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Why, in their words.
    pub remark: Option<String>,
    /// The case to which it was done.
    pub outcome: Option<CaseId>,
}

/// Methods on drafts.
#[derive(Debug, Clone, Copy)]
pub struct Drafts<'a>(pub(super) &'a Records);

impl Drafts<'_> {
    /// Keeps a draft; its number. None when the account has `waiting_max` waiting already.
    pub async fn insert(&self, new: &NewDraft, waiting_max: u64) -> Result<Option<i64>> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("SELECT count(*) FROM draft WHERE ");
        sql.add(WAITS).add(" AND made_by = ").value(new.made_by.as_str());
        sql.add(" AND until > ").value(new.made_at.0);
        if sql.count(&tx).await? >= waiting_max {
            return Ok(None);
        }
        let (case, action) = new.step.as_ref().map(|(c, a)| (c.to_string(), a.clone())).unzip();
        let mut sql = Sql::new(
            "INSERT INTO draft (area_path, case_id, action, body, reason, made_by, made_at, until) VALUES (",
        );
        sql.values([
            new.area.as_str().into(),
            case.into(),
            action.into(),
            new.body.as_str().into(),
            new.reason.as_str().into(),
            new.made_by.as_str().into(),
            new.made_at.0.into(),
            new.until.0.into(),
        ]);
        let id = sql.add(") RETURNING id").count(&tx).await?.cast_signed();
        let detail = json!({"does": new.does(), "reason": new.reason});
        audit::add(&tx, &note(new.made_at, &new.made_by, "draft_made", id.to_string(), &detail))
            .await?;
        tx.commit().await?;
        Ok(Some(id))
    }

    /// One by its number.
    pub async fn find(&self, id: i64) -> Result<Option<DraftRow>> {
        let mut sql = Sql::new("SELECT * FROM draft WHERE id = ");
        sql.value(id).one(&self.0.read).await?.as_ref().map(read).transpose()
    }

    /// Those in these areas that wait, the oldest first.
    pub async fn waiting(&self, areas: &[AreaPath], now: Timestamp) -> Result<Vec<DraftRow>> {
        let mut sql = Sql::new("SELECT * FROM draft WHERE ");
        sql.add(WAITS).add(" AND until > ").value(now.0).within("area_path", areas);
        sql.add(" ORDER BY id LIMIT ").value(i64::from(LIST_MAX));
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// Those in these areas that were decided on or have lapsed, the newest first.
    pub async fn ended(&self, areas: &[AreaPath], now: Timestamp) -> Result<Vec<DraftRow>> {
        let mut sql = Sql::new("SELECT * FROM draft WHERE (NOT ");
        sql.add(WAITS).add(" OR until <= ").value(now.0).add(")").within("area_path", areas);
        sql.add(" ORDER BY id DESC LIMIT ").value(i64::from(LIST_MAX));
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// Takes one up to do it; false when somebody else has, or it has ended.
    pub async fn take_up(&self, id: i64, by: &str, now: Timestamp) -> Result<bool> {
        let mut sql = Sql::new("UPDATE draft SET state = 'approved', decided_by = ");
        sql.value(by).add(", decided_at = ").value(now.0).add(" WHERE id = ").value(id);
        sql.add(" AND until > ").value(now.0).add(" AND ").add(WAITS);
        sql.add(" AND (decided_by IS NULL OR decided_by = ").value(by).add(")");
        Ok(sql.run(&self.0.write).await? > 0)
    }

    /// Puts one back that could not be done.
    pub async fn put_back(&self, id: i64, by: &str) -> Result<()> {
        let mut sql = Sql::new(
            "UPDATE draft SET state = 'waiting', decided_by = NULL, decided_at = NULL WHERE id = ",
        );
        sql.value(id)
            .add(" AND outcome IS NULL AND state = 'approved' AND decided_by = ")
            .value(by);
        sql.run(&self.0.write).await?;
        Ok(())
    }

    /// Writes to which case it was done, and who proposed and who approved it.
    pub async fn done(&self, row: &DraftRow, by: &str, at: Timestamp, case: &CaseId) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE draft SET outcome = ");
        sql.value(case.to_string()).add(" WHERE outcome IS NULL AND id = ").value(row.id);
        sql.add(" AND state = 'approved' AND decided_by = ").value(by);
        if sql.run(&tx).await? > 0 {
            let detail = json!({"draft": row.id, "does": row.draft.does(),
                "proposed_by": row.draft.made_by, "approved_by": by});
            audit::add(&tx, &note(at, by, "draft_approved", case.to_string(), &detail)).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Declines one; false when it was decided before or has lapsed.
    pub async fn decline(
        &self,
        row: &DraftRow,
        by: &str,
        remark: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE draft SET state = 'declined', decided_by = ");
        sql.value(by).add(", decided_at = ").value(at.0).add(", remark = ").value(remark);
        sql.add(" WHERE state = 'waiting' AND until > ").value(at.0);
        let is_declined = sql.add(" AND id = ").value(row.id).run(&tx).await? > 0;
        if is_declined {
            let detail = json!({"does": row.draft.does(), "proposed_by": row.draft.made_by,
                "declined_by": by, "remark": remark});
            audit::add(&tx, &note(at, by, "draft_declined", row.id.to_string(), &detail)).await?;
        }
        tx.commit().await?;
        Ok(is_declined)
    }
}

impl NewDraft {
    /// What it would do, for the record: the step and its case, or that it is a new one.
    fn does(&self) -> String {
        match &self.step {
            Some((case, action)) => format!("{action} {case}"),
            None => format!("new case in {}", self.area.code()),
        }
    }
}

fn note(
    at: Timestamp,
    who: &str,
    what: &str,
    object: String,
    detail: &serde_json::Value,
) -> AuditRow {
    let (who, what, detail) = (who.to_owned(), what.to_owned(), detail.to_string());
    AuditRow { at, who, what, object, detail }
}

fn read(row: &QueryResult) -> Result<DraftRow> {
    let action: Option<String> = row.get("action")?;
    Ok(DraftRow {
        id: row.get("id")?,
        draft: NewDraft {
            area: row.path("area_path")?,
            step: row.case_id_if("case_id")?.zip(action),
            body: row.get("body")?,
            reason: row.get("reason")?,
            made_by: row.get("made_by")?,
            made_at: row.time("made_at")?,
            until: row.time("until")?,
        },
        state: row.word("state", DraftState::from_word)?,
        decided_by: row.get("decided_by")?,
        decided_at: row.time_if("decided_at")?,
        remark: row.get("remark")?,
        outcome: row.case_id_if("outcome")?,
    })
}
