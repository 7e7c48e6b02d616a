//! Sessions and API tokens. Only hashes are stored: who reads the file cannot sign in with it.

use chengmai_model::Timestamp;
use sea_orm::Value;

use super::sql::{Columns, Sql};
use super::users::{self, UserRow};
use super::{Records, Result, proof};
use crate::proof::Source;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A browser's session.
    Session,
    /// A program's access.
    Api,
}

impl TokenKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Api => "api",
        }
    }
}

/// Methods on tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a>(pub(super) &'a Records);

impl Tokens<'_> {
    /// Adds a token by its hash. The account must exist.
    pub async fn insert(
        &self,
        hash: &str,
        user: &str,
        kind: TokenKind,
        now: Timestamp,
        expires_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut sql =
            Sql::new("INSERT INTO token (hash, user_name, kind, created_at, expires_at) VALUES (");
        let row: [Value; 5] = [
            hash.into(),
            user.into(),
            kind.word().into(),
            now.0.into(),
            expires_at.map(|t| t.0).into(),
        ];
        let tx = self.0.begin().await?;
        sql.values(row.clone()).add(")").run(&tx).await?;
        proof::row(&tx, Source::Token, &row).await?;
        Ok(tx.commit().await?)
    }

    /// The account behind a token that has not expired, and what the token is for.
    pub async fn find(&self, hash: &str, now: Timestamp) -> Result<Option<(UserRow, TokenKind)>> {
        let mut sql = Sql::new("SELECT u.*, t.kind AS token_kind FROM token t ");
        sql.add("JOIN \"user\" u ON u.name = t.user_name WHERE t.hash = ").value(hash);
        sql.add(" AND (t.expires_at IS NULL OR t.expires_at > ").value(now.0).add(")");
        let Some(row) = sql.one(&self.0.read).await? else { return Ok(None) };
        let kind: String = row.get("token_kind")?;
        let kind = if kind == "session" { TokenKind::Session } else { TokenKind::Api };
        Ok(Some((users::read(&row)?, kind)))
    }

    /// Removes a token; false when there is none.
    pub async fn delete(&self, hash: &str) -> Result<bool> {
        let mut sql = Sql::new("DELETE FROM token WHERE hash = ");
        Ok(sql.value(hash).run(&self.0.write).await? > 0)
    }

    /// Removes all tokens that have expired; how many.
    pub async fn purge(&self, now: Timestamp) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM token WHERE expires_at <= ");
        sql.value(now.0).run(&self.0.write).await
    }
}
