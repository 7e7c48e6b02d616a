//! Two small helpers: statements put together from parts with numbered values, and rows read by
//! column name into the model's types.

use chengmai_model::case::CaseId;
use chengmai_model::{AreaPath, Timestamp};
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable, Value};
use serde::de::DeserializeOwned;

use super::page::TOTAL_MAX;
use super::{RecordsError, Result};

/// A statement under construction. Texts are ours; values from outside only enter as values.
#[derive(Debug, Clone)]
pub(super) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text.
    pub(super) fn add(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value as the next placeholder.
    pub(super) fn value(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(without_zero(value.into()));
        self.text.push('$');
        self.text.push_str(&self.values.len().to_string());
        self
    }

    /// Adds values with commas between.
    pub(super) fn values(&mut self, values: impl IntoIterator<Item = Value>) -> &mut Self {
        for (n, value) in values.into_iter().enumerate() {
            if n > 0 {
                self.add(", ");
            }
            self.value(value);
        }
        self
    }

    /// Adds ` AND (...)`: `column` is one of these areas or below. No areas: nothing fits.
    pub(super) fn within(&mut self, column: &str, areas: &[AreaPath]) -> &mut Self {
        if areas.is_empty() {
            return self.add(" AND 1 = 0");
        }
        for (n, area) in areas.iter().enumerate() {
            let (low, high) = area.range();
            self.add(if n == 0 { " AND ((" } else { " OR (" });
            self.add(column).add(" >= ").value(low);
            self.add(" AND ").add(column).add(" < ").value(high).add(")");
        }
        self.add(")")
    }

    /// Adds ` AND column op value` when there is a value.
    pub(super) fn and_if(&mut self, test: &str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.add(" AND ").add(test).add(" ").value(value);
        }
        self
    }

    /// Adds the test that a column, in small letters, holds this text, also in small letters.
    pub(super) fn holds(&mut self, column: &str, text: &str) -> &mut Self {
        let mut pattern = String::from("%");
        for letter in text.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        self.add(column).add(" LIKE ").value(pattern).add(" ESCAPE '\\'")
    }

    /// The same with text in front.
    pub(super) fn with_head(&self, head: &str) -> Self {
        Self { text: format!("{head}{}", self.text), values: self.values.clone() }
    }

    fn statement(&self, db: &impl ConnectionTrait) -> Statement {
        let backend = db.get_database_backend();
        Statement::from_sql_and_values(backend, &self.text, self.values.clone())
    }

    /// Runs it; rows changed.
    pub(super) async fn run<C: ConnectionTrait>(&self, db: &C) -> Result<u64> {
        Ok(db.execute_raw(self.statement(db)).await?.rows_affected())
    }

    /// Its first row.
    pub(super) async fn one<C: ConnectionTrait>(&self, db: &C) -> Result<Option<QueryResult>> {
        Ok(db.query_one_raw(self.statement(db)).await?)
    }

    /// All its rows.
    pub(super) async fn all<C: ConnectionTrait>(&self, db: &C) -> Result<Vec<QueryResult>> {
        Ok(db.query_all_raw(self.statement(db)).await?)
    }

    /// How many rows ` FROM ... WHERE ...` has, counted to one more than [`TOTAL_MAX`].
    pub(super) async fn total<C: ConnectionTrait>(&self, db: &C) -> Result<u64> {
        let mut sql = self.with_head("SELECT count(*) FROM (SELECT 1");
        sql.add(" LIMIT ").value(TOTAL_MAX.cast_signed() + 1);
        sql.add(") AS counted").count(db).await
    }

    /// The number in its first row's first column.
    pub(super) async fn count<C: ConnectionTrait>(&self, db: &C) -> Result<u64> {
        let row = self.one(db).await?;
        let count: i64 = row.map_or(Ok(0), |r| r.try_get_by_index(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Rows read by column name.
pub(super) trait Columns {
    /// Any column.
    fn get<T: TryGetable>(&self, column: &str) -> Result<T>;

    /// A count.
    fn count(&self, column: &str) -> Result<u64> {
        Ok(u64::try_from(self.get::<Option<i64>>(column)?.unwrap_or(0)).unwrap_or(0))
    }

    /// A time stamp.
    fn time(&self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp(self.get(column)?))
    }

    /// A time stamp that may be absent.
    fn time_if(&self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp))
    }

    /// A path of areas.
    fn path(&self, column: &str) -> Result<AreaPath> {
        self.word(column, AreaPath::parse)
    }

    /// A case number that may be absent.
    fn case_id_if(&self, column: &str) -> Result<Option<CaseId>> {
        let text: Option<String> = self.get(column)?;
        text.map(|t| CaseId::parse(&t).ok_or_else(|| unreadable(column, &t))).transpose()
    }

    /// A word that stands for a value.
    fn word<T>(&self, column: &str, read: impl Fn(&str) -> Option<T>) -> Result<T> {
        let text: String = self.get(column)?;
        read(&text).ok_or_else(|| unreadable(column, &text))
    }

    /// JSON.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let text: String = self.get(column)?;
        from_json(column, &text)
    }

    /// JSON that may be absent.
    fn json_if<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| from_json(column, &text)).transpose()
    }
}

impl Columns for QueryResult {
    fn get<T: TryGetable>(&self, column: &str) -> Result<T> {
        Ok(self.try_get("", column)?)
    }
}

pub(super) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| RecordsError::Unreadable(format!("column {column}: {e}")))
}

pub(super) fn unreadable(column: &str, text: &str) -> RecordsError {
    RecordsError::Unreadable(format!("column {column}: `{text}`"))
}

/// A value of ours as JSON text.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("our own types have text keys and no failing serializer")
}

/// Inserts rows, many a statement. A statement has one of a few lengths, so that each is prepared once.
pub(super) async fn insert<C: ConnectionTrait>(
    db: &C,
    head: &str,
    rows: &[Vec<Value>],
) -> Result<()> {
    insert_or(db, head, rows, "").await
}

/// The same; `tail` says what becomes of a row that is there already.
pub(super) async fn insert_or<C: ConnectionTrait>(
    db: &C,
    head: &str,
    mut rows: &[Vec<Value>],
    tail: &str,
) -> Result<()> {
    for length in [64, 8, 1] {
        while let Some((now, rest)) = rows.split_at_checked(length) {
            let mut sql = Sql::new(head);
            for (n, row) in now.iter().enumerate() {
                sql.add(if n > 0 { "), (" } else { " VALUES (" }).values(row.iter().cloned());
            }
            sql.add(")").add(tail).run(db).await?;
            rows = rest;
        }
    }
    Ok(())
}

/// PostgreSQL has no text with a zero in it, so SQLite gets none either.
pub(super) fn without_zero(value: Value) -> Value {
    match value {
        Value::String(Some(text)) if text.contains('\0') => text.replace('\0', "\u{fffd}").into(),
        other => other,
    }
}

/// The sum of a column as a whole number: PostgreSQL's own is a decimal one.
pub(super) fn sum(column: &str) -> String {
    format!("CAST(sum({column}) AS BIGINT)")
}
