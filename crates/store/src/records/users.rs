//! Local accounts. Passwords come here hashed; nothing here can check one.

use chengmai_model::case::Refusal;
use chengmai_model::{Actor, AreaPath, Role, Timestamp, error};
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::sql::{Columns, Sql, to_json};
use super::{Records, Result, factors, identities, proof};
use crate::proof::Source;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Sign-in name, unique.
    pub name: String,
    /// Name shown to people.
    pub display_name: String,
    /// Hash of the password with its parameters, as the caller made it.
    pub password_hash: String,
    /// What they are there for.
    pub roles: Vec<Role>,
    /// They see and act in this subtree only.
    pub area: AreaPath,
    /// The agency they work for.
    pub agency: Option<String>,
    /// Sign-ins that failed in a row.
    pub failed_count: u32,
    /// No sign-in before this moment.
    pub locked_until: Option<Timestamp>,
    /// When the account was made.
    pub created_at: Timestamp,
}

impl UserRow {
    /// The account as decisions see it.
    pub fn actor(&self) -> Actor {
        Actor {
            name: self.name.clone(),
            roles: self.roles.clone(),
            area: self.area.clone(),
            agency: self.agency.clone(),
        }
    }
}

/// Methods on accounts.
#[derive(Debug, Clone, Copy)]
pub struct Users<'a>(pub(super) &'a Records);

impl Users<'_> {
    /// Adds an account.
    ///
    /// # Errors
    /// `BAD_BODY` when the name is taken.
    pub async fn insert(&self, user: &UserRow) -> Result<()> {
        let mut sql = Sql::new(
            "INSERT INTO \"user\" (name, display_name, password_hash, roles, area_path, agency, \
             failed_count, locked_until, created_at) VALUES (",
        );
        sql.values([
            user.name.clone().into(),
            user.display_name.clone().into(),
            user.password_hash.clone().into(),
            to_json(&user.roles).into(),
            user.area.as_str().into(),
            user.agency.clone().into(),
            user.failed_count.into(),
            user.locked_until.map(|t| t.0).into(),
            user.created_at.0.into(),
        ]);
        let tx = self.0.begin().await?;
        if sql.add(") ON CONFLICT (name) DO NOTHING").run(&tx).await? == 0 {
            return Err(Refusal::new(
                &error::BAD_BODY,
                format!("用户名 {} 已存在", user.name),
                format!("the name {} is taken", user.name),
            )
            .into());
        }
        changed(&tx, &user.name).await?;
        Ok(tx.commit().await?)
    }

    /// The account of that name.
    pub async fn find(&self, name: &str) -> Result<Option<UserRow>> {
        find(&self.0.read, name).await
    }

    /// Accounts whose area lies within these, by name.
    pub async fn list(&self, areas: &[AreaPath]) -> Result<Vec<UserRow>> {
        let mut sql = Sql::new("SELECT * FROM \"user\" WHERE 1 = 1");
        sql.within("area_path", areas).add(" ORDER BY name");
        sql.all(&self.0.read).await?.iter().map(read).collect()
    }

    /// How many accounts there are.
    pub async fn count(&self) -> Result<u64> {
        Sql::new("SELECT count(*) FROM \"user\"").count(&self.0.read).await
    }

    /// Sets a new password and ends all sessions of the account; API tokens stay.
    pub async fn set_password(&self, name: &str, password_hash: &str) -> Result<()> {
        let tx = self.0.begin().await?;
        let mut sql = Sql::new("UPDATE \"user\" SET failed_count = 0, locked_until = NULL, ");
        sql.add("password_hash = ").value(password_hash).add(" WHERE name = ").value(name);
        if sql.run(&tx).await? == 0 {
            return Err(Refusal::plain(&error::NOT_FOUND).into());
        }
        let mut sql = Sql::new("DELETE FROM token WHERE kind = 'session' AND user_name = ");
        sql.value(name).run(&tx).await?;
        changed(&tx, name).await?;
        Ok(tx.commit().await?)
    }

    /// Removes an account with its tokens; false when there is none. What it did stays on record.
    pub async fn delete(&self, name: &str) -> Result<bool> {
        let tx = self.0.begin().await?;
        // With leaves of their own: what went along unsaid would look like a row that somebody took out.
        factors::remove(&tx, name).await?;
        identities::remove(&tx, name).await?;
        let mut sql = Sql::new("DELETE FROM \"user\" WHERE name = ");
        let is_removed = sql.value(name).run(&tx).await? > 0;
        if is_removed {
            changed(&tx, name).await?;
        }
        tx.commit().await?;
        Ok(is_removed)
    }

    /// Notes a failed sign-in. From the `failures_max`-th in a row on the account is locked until
    /// `locked_until`.
    pub async fn note_failure(
        &self,
        name: &str,
        failures_max: u32,
        locked_until: Timestamp,
    ) -> Result<()> {
        let mut sql = Sql::new("UPDATE \"user\" SET failed_count = failed_count + 1, ");
        sql.add("locked_until = CASE WHEN failed_count + 1 >= ").value(failures_max);
        sql.add(" THEN ").value(locked_until.0).add(" ELSE locked_until END WHERE name = ");
        sql.value(name).run(&self.0.write).await?;
        Ok(())
    }

    /// Notes a sign-in that succeeded: the count of failures starts again.
    pub async fn note_success(&self, name: &str) -> Result<()> {
        let mut sql =
            Sql::new("UPDATE \"user\" SET failed_count = 0, locked_until = NULL WHERE name = ");
        sql.value(name).add(" AND (failed_count > 0 OR locked_until IS NOT NULL)");
        sql.run(&self.0.write).await?;
        Ok(())
    }
}

/// A leaf of the account as it stands now.
async fn changed<C: ConnectionTrait>(db: &C, name: &str) -> Result<()> {
    proof::as_they_stand(db, Source::User, [vec![name.into()]]).await
}

pub(super) async fn find<C: ConnectionTrait>(db: &C, name: &str) -> Result<Option<UserRow>> {
    let mut sql = Sql::new("SELECT * FROM \"user\" WHERE name = ");
    sql.value(Value::from(name)).one(db).await?.as_ref().map(read).transpose()
}

pub(super) fn read(row: &QueryResult) -> Result<UserRow> {
    Ok(UserRow {
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        password_hash: row.get("password_hash")?,
        roles: row.json("roles")?,
        area: row.path("area_path")?,
        agency: row.get("agency")?,
        failed_count: u32::try_from(row.count("failed_count")?).unwrap_or(u32::MAX),
        locked_until: row.time_if("locked_until")?,
        created_at: row.time("created_at")?,
    })
}
