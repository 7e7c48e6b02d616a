//! Second factors 双因子: the secret of an account's authenticator, sealed, and what is left of its recovery codes.
//!
//! What it is not: it works out no code. Invariants: a code is taken once (`last_step` only grows); of recovery
//! codes only hashes are kept, and each is taken once.

use std::collections::BTreeSet;

use chengmai_model::Timestamp;
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::sql::{Columns, Sql, to_json};
use super::{Records, Result, proof};
use crate::proof::Source;

/// An account's second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FactorRow {
    /// The authenticator's secret, opened.
    pub secret: String,
    /// When a code of it was first shown; until then it is not asked for.
    pub confirmed_at: Option<Timestamp>,
    /// Hashes of recovery codes that were not used.
    pub recovery: Vec<String>,
    /// The last time step of which a code was taken.
    pub last_step: u64,
}

/// Methods on second factors.
#[derive(Debug, Clone, Copy)]
pub struct Factors<'a>(pub(super) &'a Records);

impl Factors<'_> {
    /// The second factor of an account.
    pub async fn find(&self, user: &str) -> Result<Option<FactorRow>> {
        let mut sql = Sql::new("SELECT * FROM second_factor WHERE user_name = ");
        let row = sql.value(user).one(&self.0.read).await?;
        row.as_ref().map(|row| self.read(row, user)).transpose()
    }

    /// Names of accounts whose second factor is asked for.
    pub async fn confirmed(&self) -> Result<BTreeSet<String>> {
        let sql = Sql::new("SELECT user_name FROM second_factor WHERE confirmed_at IS NOT NULL");
        sql.all(&self.0.read).await?.iter().map(|row| row.get("user_name")).collect()
    }

    /// Whether an account has a second factor that is asked for; opens nothing.
    pub async fn find_confirmed(&self, user: &str) -> Result<bool> {
        let mut sql = Sql::new("SELECT count(*) FROM second_factor WHERE confirmed_at IS NOT NULL");
        sql.add(" AND user_name = ").value(user);
        Ok(sql.count(&self.0.read).await? > 0)
    }

    fn read(self, row: &QueryResult, user: &str) -> Result<FactorRow> {
        Ok(FactorRow {
            secret: self.0.open_text(&place(user), row.get("secret")?)?,
            confirmed_at: row.time_if("confirmed_at")?,
            recovery: row.json("recovery")?,
            last_step: row.count("last_step")?,
        })
    }

    /// Begins with a new secret, in place of one that was not confirmed; false when there is a confirmed one.
    pub async fn begin(&self, user: &str, secret: &str) -> Result<bool> {
        let secret = self.0.seal_text(&place(user), secret)?;
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("INSERT INTO second_factor (user_name, secret, recovery) VALUES (");
        sql.values([user.into(), secret.into(), "[]".into()]).add(") ON CONFLICT (user_name) ");
        sql.add("DO UPDATE SET secret = excluded.secret WHERE second_factor.confirmed_at IS NULL");
        let is_begun = sql.run(&tx).await? > 0;
        if is_begun {
            changed(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(is_begun)
    }

    /// A code of it was shown: from now on it is asked for. False when it was confirmed before.
    pub async fn confirm(
        &self,
        user: &str,
        step: u64,
        recovery: &[String],
        now: Timestamp,
    ) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE second_factor SET confirmed_at = ");
        sql.value(now.0).add(", last_step = ").value(step.cast_signed());
        sql.add(", recovery = ").value(to_json(&recovery));
        sql.add(" WHERE confirmed_at IS NULL AND user_name = ").value(user);
        let is_confirmed = sql.run(&tx).await? > 0;
        if is_confirmed {
            changed(&tx, user).await?;
        }
        tx.commit().await?;
        Ok(is_confirmed)
    }

    /// Takes the code of a time step; false when it, or a later one, was taken before.
    pub async fn take_step(&self, user: &str, step: u64) -> Result<bool> {
        let mut sql = Sql::new("UPDATE second_factor SET last_step = ");
        sql.value(step.cast_signed()).add(" WHERE last_step < ").value(step.cast_signed());
        Ok(sql.add(" AND user_name = ").value(user).run(&self.0.write).await? > 0)
    }

    /// Takes a recovery code by its hash; false when it is not one, or was taken before.
    pub async fn take_recovery(&self, user: &str, hash: &str) -> Result<bool> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("SELECT recovery FROM second_factor WHERE user_name = ");
        let Some(row) = sql.value(user).one(&tx).await? else { return Ok(false) };
        let mut left: Vec<String> = row.json("recovery")?;
        let Some(at) = left.iter().position(|known| known == hash) else { return Ok(false) };
        left.remove(at);
        let mut sql = Sql::new("UPDATE second_factor SET recovery = ");
        sql.value(to_json(&left)).add(" WHERE user_name = ").value(user).run(&tx).await?;
        changed(&tx, user).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Takes it away; false when there was none.
    pub async fn delete(&self, user: &str) -> Result<bool> {
        let tx = self.0.begin().await?;
        let is_gone = remove(&tx, user).await?;
        tx.commit().await?;
        Ok(is_gone)
    }
}

/// Takes an account's second factor away, with a leaf that says so.
pub(super) async fn remove<C: ConnectionTrait>(db: &C, user: &str) -> Result<bool> {
    let mut sql = Sql::new("DELETE FROM second_factor WHERE user_name = ");
    let is_gone = sql.value(user).run(db).await? > 0;
    if is_gone {
        changed(db, user).await?;
    }
    Ok(is_gone)
}

/// Where its secret is sealed for.
pub(super) fn place(user: &str) -> String {
    format!("second_factor.secret/{user}")
}

async fn changed<C: ConnectionTrait>(db: &C, user: &str) -> Result<()> {
    proof::as_they_stand(db, Source::SecondFactor, [vec![Value::from(user)]]).await
}
