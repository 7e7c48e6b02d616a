//! Compares the records with the log, row by row: what was altered, removed, added or put in another place is
//! named by table and key.
//!
//! What it is not: it mends nothing, and does not judge the log itself (`proof::log` does). Invariant: it reads
//! all rows and leaves in pages, and remembers one bit a leaf.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_engine::case::replay;
use chengmai_model::case::{Case, CaseEvent, CaseId};
use sea_orm::{DatabaseConnection, QueryResult, Value};

use super::tables::{Life, TABLES, Table, table};
use super::{Proof, ProofLeaf, hex, personal_commitment, size};
use crate::error::Error;
use crate::proof::entry::{self, SALT_BYTES};
use crate::proof::{Entry, LogReader, Source, tree};
use crate::records::cases::{columns, read as read_case};
use crate::records::sealing::CONTACT;
use crate::records::sql::{Columns, Sql};
use crate::records::{Records, RecordsError, Result};
use crate::seal::SealError;

/// Rows and leaves that are read together.
const PAGE: u64 = 500;

/// What is wrong with a row or its leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The row is not the one that was written.
    RowAltered,
    /// The row is gone.
    RowMissing,
    /// The row came in past the program: it has no leaf.
    RowAdded,
    /// The leaf in the database is not the one in the log.
    LeafAltered,
    /// The log has a leaf that the database has not.
    LeafMissing,
    /// The log's own entry does not have the hash that was signed.
    EntryAltered,
    /// What is known of a citizen is not what was written.
    PersonalAltered,
    /// It was erased, and nobody is on record who did it.
    ErasedUnsaid,
    /// The case is not what its steps add up to.
    CaseAltered,
    /// The warning was answered, and nobody is on record for it.
    AnswerUnsaid,
}

impl FaultKind {
    /// What is wrong, in Chinese and English.
    pub const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::RowAltered => ("记录被改动", "the row was altered"),
            Self::RowMissing => ("记录被删除", "the row was deleted"),
            Self::RowAdded => {
                ("记录没有存证", "the row has no leaf: it was added past the program")
            }
            Self::LeafAltered => {
                ("存证叶与日志不符", "the leaf in the database is not the one in the log")
            }
            Self::LeafMissing => ("存证叶被删除", "the leaf was deleted from the database"),
            Self::EntryAltered => ("日志条目被改动", "the entry of the log was altered"),
            Self::PersonalAltered => ("个人信息被改动", "what is known of the citizen was altered"),
            Self::ErasedUnsaid => {
                ("个人信息被删除且无记录", "erased, and nobody is on record for it")
            }
            Self::CaseAltered => ("案件与其过程不符", "the case is not what its steps add up to"),
            Self::AnswerUnsaid => ("预警处理没有记录", "answered, and the audit does not say so"),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// What.
    pub kind: FaultKind,
    /// In which table.
    pub table: &'static str,
    /// Which row.
    pub key: String,
    /// Which leaf, where there is one.
    pub leaf: Option<u64>,
}

/// What was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Rows with leaves.
    pub rows: u64,
    /// Leaves in the log.
    pub leaves: u64,
    /// Leaves that are not in the log yet.
    pub waiting: u64,
    /// Faults found.
    pub faults: u64,
}

/// Why it could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] Error),
}

struct Check<'a, F> {
    db: &'a DatabaseConnection,
    /// To open what is sealed.
    records: &'a Records,
    each: F,
    done: Checked,
    /// A bit for each leaf whose row was found.
    seen: Vec<u64>,
}

impl Proof<'_> {
    /// Compares every row with its leaf and every leaf with the log; `each` is told what is wrong.
    pub async fn check(
        &self,
        log: &LogReader,
        each: impl FnMut(Fault),
    ) -> std::result::Result<Checked, CheckError> {
        let (db, records) = (&self.0.read, self.0);
        let mut check = Check { db, records, each, done: Checked::default(), seen: Vec::new() };
        for table in &TABLES {
            check.table(table).await?;
        }
        check.leaves(log).await?;
        check.contacts().await?;
        check.cases().await?;
        check.answers().await?;
        Ok(check.done)
    }
}

impl<F: FnMut(Fault)> Check<'_, F> {
    fn fault(&mut self, kind: FaultKind, table: &'static str, key: &str, leaf: Option<u64>) {
        self.done.faults += 1;
        (self.each)(Fault { kind, table, key: key.to_owned(), leaf });
    }

    /// Whether each row of a table is the one that its leaf commits to.
    async fn table(&mut self, table: &Table) -> Result<()> {
        let name = table.source.word();
        let mut last = None;
        loop {
            let mut sql = table.select();
            if let Some(last) = last {
                sql.add(" WHERE ");
                table.after(&mut sql, last);
            }
            table.in_order(&mut sql, PAGE);
            let rows = sql.all(self.db).await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = Some(table.key_values(end)?);
            let keys = rows.iter().map(|row| table.key_of(row)).collect::<Result<Vec<_>>>()?;
            let mut leaves: BTreeMap<String, Vec<ProofLeaf>> = BTreeMap::new();
            for leaf in super::leaves_of(self.db, table.source, &keys).await? {
                self.mark(leaf.number);
                leaves.entry(leaf.entry.key.clone()).or_default().push(leaf);
            }
            for (row, key) in rows.iter().zip(&keys) {
                self.done.rows += 1;
                let leaves = leaves.get(key).map(Vec::as_slice).unwrap_or_default();
                // A row that never changes is what its first leaf says, whatever was added later.
                let leaf = if table.life == Life::Changes { leaves.last() } else { leaves.first() };
                let Some(leaf) = leaf else {
                    self.fault(FaultKind::RowAdded, name, key, None);
                    continue;
                };
                let digest = table.digest(row)?;
                if entry::commitment(&leaf.salt, &digest) != leaf.entry.commitment {
                    self.fault(FaultKind::RowAltered, name, key, Some(leaf.number));
                } else if leaves.len() > 1 && table.life != Life::Changes {
                    self.fault(FaultKind::LeafAltered, name, key, Some(leaves[1].number));
                }
            }
        }
    }

    /// Whether each leaf is the log's, and each leaf's row is there.
    async fn leaves(&mut self, log: &LogReader) -> std::result::Result<(), CheckError> {
        let signed = log.tip().checkpoint.size;
        let known = size(self.db).await?.max(signed);
        self.done.leaves = signed;
        self.done.waiting = known - signed;
        let mut first = 0;
        while first < known {
            let end = known.min(first + PAGE);
            let mut of_records: BTreeMap<u64, ProofLeaf> = super::leaves(self.db, first, PAGE)
                .await?
                .into_iter()
                .map(|leaf| (leaf.number, leaf))
                .collect();
            let of_log = log.entries(first, PAGE)?;
            for number in first..end {
                let logged = usize::try_from(number - first).ok().and_then(|n| of_log.get(n));
                self.leaf(number, of_records.remove(&number), logged).await?;
            }
            first = end;
        }
        Ok(())
    }

    async fn leaf(
        &mut self,
        number: u64,
        leaf: Option<ProofLeaf>,
        logged: Option<&(Vec<u8>, tree::Hash)>,
    ) -> Result<()> {
        let number_if = Some(number);
        if let Some((bytes, hash)) = logged {
            let entry = Entry::parse(bytes).filter(|_| tree::leaf_hash(bytes) == *hash);
            match (entry, &leaf) {
                (None, _) => {
                    let key = leaf.as_ref().map_or("", |leaf| &leaf.entry.key).to_owned();
                    self.fault(FaultKind::EntryAltered, "proof_leaf", &key, number_if);
                }
                (Some(entry), None) => {
                    self.fault(FaultKind::LeafMissing, entry.source.word(), &entry.key, number_if);
                }
                (Some(entry), Some(leaf)) if leaf.entry != entry => {
                    self.fault(FaultKind::LeafAltered, entry.source.word(), &entry.key, number_if);
                }
                _ => {}
            }
        } else if leaf.is_none() {
            self.fault(FaultKind::LeafMissing, "proof_leaf", "", number_if);
        }
        let Some(leaf) = leaf.filter(|_| !self.is_marked(number)) else { return Ok(()) };
        let (source, key) = (leaf.entry.source, leaf.entry.key);
        if table(source).life == Life::Goes {
            return Ok(());
        }
        let leaves = super::leaves_of(self.db, source, std::slice::from_ref(&key)).await?;
        // Of a row that changed, only the last leaf says whether it was removed.
        let is_missing = leaves.last().is_some_and(|last| {
            let removed = entry::commitment(&last.salt, &entry::digest_of_nothing());
            last.number == number && last.entry.commitment != removed
        });
        if is_missing {
            self.fault(FaultKind::RowMissing, source.word(), &key, number_if);
        }
        Ok(())
    }

    /// Whether what is known of citizens is what was written, or was erased by somebody.
    async fn contacts(&mut self) -> Result<()> {
        let mut last: Option<String> = None;
        loop {
            let mut sql = Sql::new("SELECT * FROM case_contact");
            if let Some(last) = last {
                sql.add(" WHERE reporter > ").value(last);
            }
            let rows = sql.add(&format!(" ORDER BY reporter LIMIT {PAGE}")).all(self.db).await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = Some(end.get("reporter")?);
            for row in &rows {
                self.contact(row).await?;
            }
        }
    }

    async fn contact(&mut self, row: &QueryResult) -> Result<()> {
        let reporter: String = row.get("reporter")?;
        let part = |column: &str| row.get::<Option<String>>(column);
        // One that was altered does not open.
        let opened = CONTACT.map(|column| self.records.open_contact(row, column));
        let opened: Result<Vec<Option<String>>> = opened.into_iter().collect();
        let mut parts = [const { None }; CONTACT.len()];
        match opened {
            Ok(opened) => parts.iter_mut().zip(opened).for_each(|(part, text)| *part = text),
            Err(RecordsError::Sealed { source: SealError::Altered, .. }) => {
                self.fault(FaultKind::PersonalAltered, Source::Contact.word(), &reporter, None);
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let is_empty = parts.iter().all(Option::is_none);
        if row.get::<Option<i64>>("erased_at")?.is_some() {
            let mut sql = Sql::new("SELECT count(*) FROM audit WHERE what = 'contact_erased'");
            sql.add(" AND object = ").value(row.get::<String>("case_id")?);
            if !is_empty {
                self.fault(FaultKind::PersonalAltered, Source::Contact.word(), &reporter, None);
            } else if sql.count(self.db).await? == 0 {
                self.fault(FaultKind::ErasedUnsaid, Source::Contact.word(), &reporter, None);
            }
            return Ok(());
        }
        let salt = part("salt")?.and_then(|text| unhex(&text));
        let commitment = part("commitment")?;
        let is_right = salt.is_some_and(|salt| {
            let parts = parts.each_ref().map(Option::as_deref);
            Some(hex(&personal_commitment(&salt, parts))) == commitment
        });
        if !is_right {
            self.fault(FaultKind::PersonalAltered, Source::Contact.word(), &reporter, None);
        }
        Ok(())
    }

    /// Whether each case is what its steps add up to.
    async fn cases(&mut self) -> Result<()> {
        let mut last: Option<String> = None;
        loop {
            let mut sql = Sql::new("SELECT * FROM \"case\"");
            if let Some(last) = last {
                sql.add(" WHERE id > ").value(last);
            }
            let rows = sql.add(&format!(" ORDER BY id LIMIT {PAGE}")).all(self.db).await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = Some(end.get("id")?);
            let ids = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<String>>>()?;
            let mut sql = Sql::new("SELECT case_id, body FROM case_event WHERE case_id IN (");
            sql.values(ids.iter().map(|id| id.as_str().into())).add(") ORDER BY case_id, seq");
            let mut events: BTreeMap<String, Vec<CaseEvent>> = BTreeMap::new();
            for row in sql.all(self.db).await? {
                // One that cannot be read was altered, which was said of its row.
                if let Ok(event) = row.json("body") {
                    events.entry(row.get("case_id")?).or_default().push(event);
                }
            }
            for (row, id) in rows.iter().zip(&ids) {
                let events = events.get(id).map(Vec::as_slice).unwrap_or_default();
                let whole = CaseId::parse(id).and_then(|id| replay(id, events));
                if whole.is_none_or(|whole| !is_same(row, &whole)) {
                    self.fault(FaultKind::CaseAltered, "case", id, None);
                }
            }
        }
    }

    /// Whether each answer to a warning is one that the audit knows.
    async fn answers(&mut self) -> Result<()> {
        let mut last: Option<String> = None;
        loop {
            let mut sql = Sql::new("SELECT id, answered_by, answered_at FROM warning ");
            sql.add("WHERE answered_at IS NOT NULL");
            if let Some(last) = last {
                sql.add(" AND id > ").value(last);
            }
            let rows = sql.add(&format!(" ORDER BY id LIMIT {PAGE}")).all(self.db).await?;
            let Some(end) = rows.last() else { return Ok(()) };
            last = Some(end.get("id")?);
            let ids = rows.iter().map(|row| row.get("id")).collect::<Result<Vec<String>>>()?;
            let mut sql = Sql::new("SELECT object, who, at FROM audit WHERE object IN (");
            sql.values(ids.iter().map(|id| id.as_str().into()));
            sql.add(") AND what LIKE 'warning.%'");
            let mut said: BTreeSet<(String, String, i64)> = BTreeSet::new();
            for row in sql.all(self.db).await? {
                said.insert((row.get("object")?, row.get("who")?, row.get("at")?));
            }
            for (row, id) in rows.iter().zip(ids) {
                let by: Option<String> = row.get("answered_by")?;
                let answer = (id, by.unwrap_or_default(), row.get("answered_at")?);
                if !said.contains(&answer) {
                    self.fault(FaultKind::AnswerUnsaid, "warning", &answer.0, None);
                }
            }
        }
    }

    fn mark(&mut self, number: u64) {
        let place = usize::try_from(number / 64).unwrap_or(usize::MAX);
        if self.seen.len() <= place {
            self.seen.resize(place + 1, 0);
        }
        self.seen[place] |= 1 << (number % 64);
    }

    fn is_marked(&self, number: u64) -> bool {
        let word = usize::try_from(number / 64).ok().and_then(|place| self.seen.get(place));
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

/// Columns of a case that older programs filled in as this one does, and that people are judged by.
const COMPARED: [&str; 12] = [
    "seq",
    "type_id",
    "state",
    "severity",
    "area_path",
    "agency",
    "holder_role",
    "holder_area",
    "filed_at",
    "due_at",
    "closed_at",
    "on_time",
];

/// Whether a case's row says what its steps add up to.
fn is_same(row: &QueryResult, whole: &Case) -> bool {
    let column = |(name, value): (&str, Value)| match value {
        Value::String(text) => row.get::<Option<String>>(name).is_ok_and(|found| found == text),
        Value::BigInt(number) => row.get::<Option<i64>>(name).is_ok_and(|found| found == number),
        _ => true,
    };
    read_case(row).is_ok_and(|stored| stored == *whole)
        && columns(whole).into_iter().filter(|(name, _)| COMPARED.contains(name)).all(column)
}

fn unhex(text: &str) -> Option<[u8; SALT_BYTES]> {
    let pairs = text.as_bytes().as_chunks::<2>().0.iter();
    let bytes = pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}
