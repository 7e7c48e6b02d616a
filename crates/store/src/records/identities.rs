//! Identities 统一身份: which person of the city's identity provider an account belongs to.
//!
//! What it is not: it asks no provider. Invariants: an account has one identity at most, and an identity one
//! account; it changes only by being taken away and made anew.

use std::collections::BTreeSet;

use chengmai_model::Timestamp;
use sea_orm::{ConnectionTrait, Value};

use super::sql::{Columns as _, Sql};
use super::{Records, Result, proof};
use crate::proof::Source;

/// The identity of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRow {
    /// The account.
    pub user: String,
    /// Address of the provider, as it names itself.
    pub issuer: String,
    /// The person, as the provider names them; never given to somebody else (OpenID Connect Core §2).
    pub subject: String,
    /// Since when.
    pub at: Timestamp,
}

/// Methods on identities.
#[derive(Debug, Clone, Copy)]
pub struct Identities<'a>(pub(super) &'a Records);

impl Identities<'_> {
    /// Name of the account that a person of a provider has.
    pub async fn account(&self, issuer: &str, subject: &str) -> Result<Option<String>> {
        let mut sql = Sql::new("SELECT user_name FROM identity WHERE issuer = ");
        sql.value(issuer).add(" AND subject = ").value(subject);
        sql.one(&self.0.read).await?.map(|row| row.get("user_name")).transpose()
    }

    /// The identity of an account.
    pub async fn of(&self, user: &str) -> Result<Option<IdentityRow>> {
        let mut sql = Sql::new("SELECT * FROM identity WHERE user_name = ");
        let Some(row) = sql.value(user).one(&self.0.read).await? else { return Ok(None) };
        Ok(Some(IdentityRow {
            user: row.get("user_name")?,
            issuer: row.get("issuer")?,
            subject: row.get("subject")?,
            at: row.time("at")?,
        }))
    }

    /// Names of accounts that have one.
    pub async fn linked(&self) -> Result<BTreeSet<String>> {
        let sql = Sql::new("SELECT user_name FROM identity");
        sql.all(&self.0.read).await?.iter().map(|row| row.get("user_name")).collect()
    }

    /// Gives an account an identity; false when either of them has another one.
    pub async fn link(&self, row: &IdentityRow) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("INSERT INTO identity (user_name, issuer, subject, at) VALUES (");
        sql.values([
            row.user.clone().into(),
            row.issuer.clone().into(),
            row.subject.clone().into(),
            row.at.0.into(),
        ]);
        let is_linked = sql.add(") ON CONFLICT DO NOTHING").run(&tx).await? > 0;
        if is_linked {
            changed(&tx, &row.user).await?;
        }
        tx.commit().await?;
        Ok(is_linked)
    }

    /// Takes it away; false when there was none.
    pub async fn unlink(&self, user: &str) -> Result<bool> {
        let tx = self.0.begin().await?;
        let is_gone = remove(&tx, user).await?;
        tx.commit().await?;
        Ok(is_gone)
    }
}

/// Takes an account's identity away, with a leaf that says so.
pub(super) async fn remove<C: ConnectionTrait>(db: &C, user: &str) -> Result<bool> {
    let mut sql = Sql::new("DELETE FROM identity WHERE user_name = ");
    let is_gone = sql.value(user).run(db).await? > 0;
    if is_gone {
        changed(db, user).await?;
    }
    Ok(is_gone)
}

async fn changed<C: ConnectionTrait>(db: &C, user: &str) -> Result<()> {
    proof::as_they_stand(db, Source::Identity, [vec![Value::from(user)]]).await
}
