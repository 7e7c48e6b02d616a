//! Leaves of the proof log: written in the transaction of the row that they stand for, numbered from 0
//! without gaps in the order of commits.
//!
//! What it is not: the log (`crate::proof`), which takes them from here. Invariants: a row of one of the
//! tables here and its leaf are written together or not at all; a leaf is never changed; a row that may change
//! gets a leaf each time it does, and one when it is removed.

pub mod check;
mod fill;
mod tables;

use std::collections::BTreeMap;

use chengmai_model::case::CaseId;
use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::sql::{Columns, Sql, insert};
use super::{Records, RecordsError, Result};
use crate::proof::entry::{self, Field, SALT_BYTES};
use crate::proof::note::hex;
use crate::proof::{Entry, HASH_BYTES, Hash, Salt, Source};
pub(super) use fill::fill;
use tables::table;

/// Keys of one question.
const KEYS_MAX: usize = 500;
/// How a leaf is inserted.
const LEAF_HEAD: &str = "INSERT INTO proof_leaf (number, source, key, salt, commitment)";

/// A leaf as the records keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofLeaf {
    /// Its place in the log.
    pub number: u64,
    /// What the log holds of it.
    pub entry: Entry,
    /// The salt of its commitment.
    pub salt: Salt,
}

/// What shows that a row is the one a leaf commits to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The leaf.
    pub leaf: ProofLeaf,
    /// The digest of the row as it stands.
    pub digest: Hash,
}

/// Methods on leaves.
#[derive(Debug, Clone, Copy)]
pub struct Proof<'a>(pub(super) &'a Records);

impl Proof<'_> {
    /// Leaves from a number on, not more than `most`, without a gap.
    ///
    /// # Errors
    /// `Unreadable` when one is missing.
    pub async fn leaves(&self, first: u64, most: u64) -> Result<Vec<ProofLeaf>> {
        let leaves = leaves(&self.0.read, first, most).await?;
        for (expected, leaf) in (first..).zip(&leaves) {
            if leaf.number != expected {
                return Err(RecordsError::Unreadable(format!("leaf {expected} is missing")));
            }
        }
        Ok(leaves)
    }

    /// How many leaves there are.
    pub async fn size(&self) -> Result<u64> {
        size(&self.0.read).await
    }

    /// The leaves of a case's steps in order, with the digests of the steps.
    pub async fn of_case(&self, case: &CaseId) -> Result<Vec<Opening>> {
        let table = table(Source::CaseEvent);
        let mut sql = table.select();
        sql.add(" WHERE case_id = ").value(case.to_string()).add(" ORDER BY seq");
        let rows = sql.all(&self.0.read).await?;
        let keys = rows.iter().map(|row| table.key_of(row)).collect::<Result<Vec<_>>>()?;
        let mut leaves = BTreeMap::new();
        for keys in keys.chunks(KEYS_MAX) {
            for leaf in leaves_of(&self.0.read, table.source, keys).await? {
                leaves.entry(leaf.entry.key.clone()).or_insert(leaf);
            }
        }
        let opening = |(row, key): (&QueryResult, &String)| {
            let leaf = leaves.remove(key).ok_or_else(|| {
                RecordsError::Unreadable(format!("{} {key} has no leaf", table.source.word()))
            })?;
            Ok(Opening { leaf, digest: table.digest(row)? })
        };
        rows.iter().zip(&keys).map(opening).collect()
    }
}

/// A leaf that is to be written.
struct NewLeaf {
    source: Source,
    key: String,
    digest: Hash,
}

/// Gives leaves to steps of cases, whose values are those of `cases::event_row`.
pub(super) async fn case_events<C: ConnectionTrait>(db: &C, rows: &[Vec<Value>]) -> Result<()> {
    let table = table(Source::CaseEvent);
    let leaf = |row: &Vec<Value>| NewLeaf {
        source: table.source,
        key: key_text(&row[..table.keys]),
        digest: table.digest_of(row),
    };
    add(db, rows.iter().map(leaf).collect()).await
}

/// Gives a leaf to a row that was inserted with these values.
pub(super) async fn row<C: ConnectionTrait>(
    db: &C,
    source: Source,
    values: &[Value],
) -> Result<()> {
    let table = table(source);
    let (key, digest) = (key_text(&values[..table.keys]), table.digest_of(values));
    add(db, vec![NewLeaf { source, key, digest }]).await
}

/// Gives leaves to rows as they stand now; to one that is no more, a leaf that says so.
pub(super) async fn as_they_stand<C: ConnectionTrait>(
    db: &C,
    source: Source,
    keys: impl IntoIterator<Item = Vec<Value>>,
) -> Result<()> {
    let table = table(source);
    let mut leaves = Vec::new();
    for key in keys {
        let text = key_text(&key);
        let mut sql = table.select();
        for (n, (name, value)) in table.key_names().zip(key).enumerate() {
            sql.add(if n == 0 { " WHERE " } else { " AND " }).add(name).add(" = ").value(value);
        }
        let row = sql.one(db).await?;
        let digest =
            row.map_or_else(|| Ok(entry::digest_of_nothing()), |row| table.digest(&row))?;
        leaves.push(NewLeaf { source, key: text, digest });
    }
    add(db, leaves).await
}

fn key_text(key: &[Value]) -> String {
    let part = |value: &Value| match value {
        Value::String(Some(text)) => text.clone(),
        Value::BigInt(Some(number)) => number.to_string(),
        _ => String::new(),
    };
    entry::one_line(&key.iter().map(part).collect::<Vec<_>>().join("/"))
}

async fn add<C: ConnectionTrait>(db: &C, leaves: Vec<NewLeaf>) -> Result<()> {
    if leaves.is_empty() {
        return Ok(());
    }
    let salts = salts(leaves.len())?;
    // Holds every other writer until the commit: so numbers are in the order of commits.
    let mut sql = Sql::new("UPDATE proof_size SET size = size + ");
    sql.value(i64::try_from(leaves.len()).unwrap_or(i64::MAX));
    let size = sql.add(" WHERE id = 1 RETURNING size").count(db).await?;
    let first = size.checked_sub(leaves.len() as u64).map(u64::cast_signed);
    let first = first.ok_or_else(|| RecordsError::Unreadable("the count of leaves".into()))?;
    let rows: Vec<Vec<Value>> = (first..)
        .zip(leaves)
        .zip(salts)
        .map(|((number, leaf), salt)| {
            vec![
                number.into(),
                leaf.source.word().into(),
                leaf.key.into(),
                salt.to_vec().into(),
                entry::commitment(&salt, &leaf.digest).to_vec().into(),
            ]
        })
        .collect();
    insert(db, LEAF_HEAD, &rows).await
}

fn salts(count: usize) -> Result<Vec<Salt>> {
    entry::salts(count)
        .ok_or_else(|| RecordsError::Unreadable("the system gives no random numbers".into()))
}

/// The salt of a contact's personal part, and the commitment to it: columns `salt` and `commitment`.
pub(super) fn personal(parts: [Option<&str>; 4]) -> Result<(String, String)> {
    let salt = salts(1)?[0];
    Ok((hex(&salt), hex(&personal_commitment(&salt, parts))))
}

/// The commitment to name, telephone, e-mail and words of a contact.
fn personal_commitment(salt: &Salt, parts: [Option<&str>; 4]) -> Hash {
    let names = ["person", "phone", "email", "words"];
    // As the databases keep them.
    let parts = parts.map(|part| part.map(|text| text.replace('\0', "\u{fffd}")));
    let fields = parts.each_ref().map(|part| part.as_deref().map_or(Field::Null, Field::Text));
    entry::commitment(salt, &entry::row_digest(Source::Contact, names.into_iter().zip(fields)))
}

async fn size<C: ConnectionTrait>(db: &C) -> Result<u64> {
    Sql::new("SELECT size FROM proof_size WHERE id = 1").count(db).await
}

async fn leaves<C: ConnectionTrait>(db: &C, first: u64, most: u64) -> Result<Vec<ProofLeaf>> {
    let mut sql = Sql::new("SELECT * FROM proof_leaf WHERE number >= ");
    sql.value(first.cast_signed()).add(" ORDER BY number LIMIT ").value(most.cast_signed());
    sql.all(db).await?.iter().map(read).collect()
}

/// The leaves of rows with these keys, in order.
async fn leaves_of<C: ConnectionTrait>(
    db: &C,
    source: Source,
    keys: &[String],
) -> Result<Vec<ProofLeaf>> {
    let mut sql = Sql::new("SELECT * FROM proof_leaf WHERE source = ");
    sql.value(source.word()).add(" AND key IN (");
    sql.values(keys.iter().map(|key| key.as_str().into())).add(") ORDER BY number");
    sql.all(db).await?.iter().map(read).collect()
}

fn read(row: &QueryResult) -> Result<ProofLeaf> {
    let bytes = |column: &str| row.get::<Vec<u8>>(column);
    let wrong = || RecordsError::Unreadable("a leaf of the log".into());
    let salt: [u8; SALT_BYTES] = bytes("salt")?.try_into().map_err(|_| wrong())?;
    let commitment: [u8; HASH_BYTES] = bytes("commitment")?.try_into().map_err(|_| wrong())?;
    let (source, key) = (row.word("source", Source::from_word)?, row.get("key")?);
    let number = row.count("number")?;
    Ok(ProofLeaf { number, entry: Entry { source, key, commitment }, salt })
}
