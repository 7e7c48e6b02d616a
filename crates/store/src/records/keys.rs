//! Keys of requests: who sends a step again because the answer was lost gets the first one's result.
//!
//! What it is not: it knows nothing of HTTP, and a step without a key is not looked at. Invariant: a key
//! is written in the transaction of the step it belongs to, so there is never one without the other.

use chengmai_model::case::{CaseId, Refusal};
use chengmai_model::error;
use sea_orm::ConnectionTrait;

use super::cases::Cases;
use super::sql::{Columns, Sql, unreadable};
use super::{RecordsError, Result};

/// A key that a person gave a request, so that it is done once however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// Account; keys of two accounts are never the same.
    pub by: String,
    /// The key, from outside.
    pub key: String,
    /// Hash of what was asked: another request with the same key is a mistake.
    pub asked: String,
}

impl RequestKey {
    /// The statement that keeps it.
    pub(super) fn insert(&self, case: &CaseId, seq: u32) -> Sql {
        let mut sql = Sql::new("INSERT INTO case_key (made_by, key, asked, case_id, seq) VALUES (");
        sql.values([
            self.by.as_str().into(),
            self.key.as_str().into(),
            self.asked.as_str().into(),
            case.to_string().into(),
            i64::from(seq).into(),
        ]);
        sql.add(")");
        sql
    }

    /// Adds the condition that nothing was done under it.
    pub(super) fn unused(&self, sql: &mut Sql) {
        sql.add(" AND NOT EXISTS (SELECT 1 FROM case_key WHERE made_by = ").value(self.by.as_str());
        sql.add(" AND key = ").value(self.key.as_str()).add(")");
    }
}

impl Cases<'_> {
    /// The case to which something was done under this key.
    ///
    /// # Errors
    /// `KEY_REUSED` when something else was asked under it.
    pub async fn done_under(&self, key: &RequestKey) -> Result<Option<CaseId>> {
        done_under(&self.0.read, key).await
    }
}

pub(super) async fn done_under<C: ConnectionTrait>(
    db: &C,
    key: &RequestKey,
) -> Result<Option<CaseId>> {
    let mut sql = Sql::new("SELECT asked, case_id FROM case_key WHERE made_by = ");
    sql.value(key.by.as_str()).add(" AND key = ").value(key.key.as_str());
    let Some(row) = sql.one(db).await? else { return Ok(None) };
    let (asked, case): (String, String) = (row.get("asked")?, row.get("case_id")?);
    if asked != key.asked {
        return Err(RecordsError::Refused(Refusal::plain(&error::KEY_REUSED)));
    }
    CaseId::parse(&case).map(Some).ok_or_else(|| unreadable("case_id", &case))
}
