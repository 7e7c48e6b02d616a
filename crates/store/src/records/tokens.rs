//! Sessions and API tokens, by the hash of the token. The token itself is nowhere here.
//!
//! What it is not: it draws no token and hashes none. Invariants: a token never lets its account do more than
//! the account may; what a token may do is settled when it is made.

use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{QueryResult, Value};

use super::sql::{Columns, Sql, to_json};
use super::users::{self, UserRow};
use super::{Records, Result, proof};
use crate::proof::Source;

/// Digits of a token's hash by which people know it.
const ID_DIGITS: usize = 16;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// A browser's session.
    Session,
    /// A program's access.
    Api,
}

impl TokenKind {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Api => "api",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Session, Self::Api].into_iter().find(|kind| kind.word() == word)
    }
}

/// What a token narrows; of what is absent, all that its account may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenScope {
    /// What its maker calls it.
    pub label: Option<String>,
    /// Words of the permissions it has.
    pub permissions: Option<Vec<String>>,
    /// Area it is limited to.
    pub area: Option<AreaPath>,
    /// The one device it speaks for.
    pub device: Option<String>,
}

/// A token on its way in.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Its hash.
    pub hash: String,
    /// Whose it is. The account must exist.
    pub user: String,
    /// What it is for.
    pub kind: TokenKind,
    /// What it narrows.
    pub scope: TokenScope,
    /// When it was made.
    pub at: Timestamp,
    /// When it ends; never, if absent.
    pub expires_at: Option<Timestamp>,
    /// From where, if known.
    pub from: Option<String>,
    /// Whether a second factor was shown.
    pub strong: bool,
}

impl NewToken {
    /// A token that may do what its account may, and does not end.
    pub fn new(hash: &str, user: &str, kind: TokenKind, at: Timestamp) -> Self {
        Self {
            hash: hash.to_owned(),
            user: user.to_owned(),
            kind,
            scope: TokenScope::default(),
            at,
            expires_at: None,
            from: None,
            strong: false,
        }
    }
}

/// A token, without what would let anybody use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// By which people know it: the beginning of its hash.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What it is for.
    pub kind: TokenKind,
    /// What it narrows.
    pub scope: TokenScope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was used last, to the minute.
    pub seen_at: Option<Timestamp>,
    /// From which address.
    pub seen_from: Option<String>,
    /// Whether a second factor was shown.
    pub strong: bool,
}

/// Methods on tokens.
#[derive(Debug, Clone, Copy)]
pub struct Tokens<'a>(pub(super) &'a Records);

impl Tokens<'_> {
    /// Adds a token.
    pub async fn insert(&self, new: NewToken) -> Result<()> {
        let scope = new.scope;
        let said: [Value; 9] = [
            new.hash.into(),
            new.user.into(),
            new.kind.word().into(),
            new.at.0.into(),
            new.expires_at.map(|t| t.0).into(),
            scope.label.into(),
            scope.permissions.map(|list| to_json(&list)).into(),
            scope.area.map(|area| area.as_str().to_owned()).into(),
            scope.device.into(),
        ];
        let mut sql = Sql::new(
            "INSERT INTO token (hash, user_name, kind, created_at, expires_at, label, permissions, \
             area_path, device, seen_from, strong) VALUES (",
        );
        sql.values(said.iter().cloned()).add(", ").value(new.from).add(", ");
        sql.value(i64::from(new.strong)).add(")");
        let tx = self.0.begin().await?;
        sql.run(&tx).await?;
        proof::row(&tx, Source::Token, &said).await?;
        Ok(tx.commit().await?)
    }

    /// The account behind a token that has not expired, and the token.
    pub async fn find(&self, hash: &str, now: Timestamp) -> Result<Option<(UserRow, TokenRow)>> {
        let mut sql =
            Sql::new("SELECT u.*, t.hash AS t_hash, t.kind AS t_kind, t.label AS t_label, ");
        sql.add(
            "t.permissions AS t_permissions, t.area_path AS t_area_path, t.device AS t_device, ",
        );
        sql.add("t.created_at AS t_created_at, t.expires_at AS t_expires_at, ");
        sql.add("t.seen_at AS t_seen_at, t.seen_from AS t_seen_from, t.strong AS t_strong, ");
        sql.add("t.user_name AS t_user_name FROM token t ");
        sql.add("JOIN \"user\" u ON u.name = t.user_name WHERE t.hash = ").value(hash);
        sql.add(" AND (t.expires_at IS NULL OR t.expires_at > ").value(now.0).add(")");
        let Some(row) = sql.one(&self.0.read).await? else { return Ok(None) };
        Ok(Some((users::read(&row)?, read(&row, "t_")?)))
    }

    /// Tokens of an account, the newest first.
    pub async fn of(&self, user: &str) -> Result<Vec<TokenRow>> {
        let mut sql = Sql::new("SELECT * FROM token WHERE user_name = ");
        sql.value(user).add(" ORDER BY created_at DESC, hash");
        sql.all(&self.0.read).await?.iter().map(|row| read(row, "")).collect()
    }

    /// Notes that a token was used.
    pub async fn seen(&self, hash: &str, now: Timestamp, from: &str) -> Result<()> {
        let mut sql = Sql::new("UPDATE token SET seen_at = ");
        sql.value(now.0).add(", seen_from = ").value(from).add(" WHERE hash = ").value(hash);
        sql.run(&self.0.write).await?;
        Ok(())
    }

    /// Notes that whoever holds a token has shown a second factor.
    pub async fn make_strong(&self, hash: &str) -> Result<()> {
        let mut sql = Sql::new("UPDATE token SET strong = 1 WHERE hash = ");
        sql.value(hash).run(&self.0.write).await?;
        Ok(())
    }

    /// Removes a token; false when there is none.
    pub async fn delete(&self, hash: &str) -> Result<bool> {
        let mut sql = Sql::new("DELETE FROM token WHERE hash = ");
        Ok(sql.value(hash).run(&self.0.write).await? > 0)
    }

    /// Removes a token of an account by what people know it by; false when there is none.
    pub async fn delete_by_id(&self, user: &str, id: &str) -> Result<bool> {
        if id.len() != ID_DIGITS || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(false);
        }
        let mut sql = Sql::new("DELETE FROM token WHERE user_name = ");
        sql.value(user).add(" AND hash LIKE ").value(format!("{id}%"));
        Ok(sql.run(&self.0.write).await? > 0)
    }

    /// Ends all sessions of an account but one; how many.
    pub async fn end_sessions(&self, user: &str, but: &str) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM token WHERE kind = 'session' AND user_name = ");
        sql.value(user).add(" AND hash <> ").value(but).run(&self.0.write).await
    }

    /// Removes all tokens that have expired; how many.
    pub async fn purge(&self, now: Timestamp) -> Result<u64> {
        let mut sql = Sql::new("DELETE FROM token WHERE expires_at <= ");
        sql.value(now.0).run(&self.0.write).await
    }
}

fn read(row: &QueryResult, head: &str) -> Result<TokenRow> {
    let of = |column: &str| format!("{head}{column}");
    let hash: String = row.get(&of("hash"))?;
    let area: Option<String> = row.get(&of("area_path"))?;
    Ok(TokenRow {
        id: hash.chars().take(ID_DIGITS).collect(),
        user: row.get(&of("user_name"))?,
        kind: row.word(&of("kind"), TokenKind::from_word)?,
        scope: TokenScope {
            label: row.get(&of("label"))?,
            permissions: row.json_if(&of("permissions"))?,
            area: area.map(|_| row.path(&of("area_path"))).transpose()?,
            device: row.get(&of("device"))?,
        },
        created_at: row.time(&of("created_at"))?,
        expires_at: row.time_if(&of("expires_at"))?,
        seen_at: row.time_if(&of("seen_at"))?,
        seen_from: row.get(&of("seen_from"))?,
        strong: row.count(&of("strong"))? != 0,
    })
}
