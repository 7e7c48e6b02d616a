//! The tables whose rows have leaves: what identifies a row, which of its columns a leaf commits to, and the
//! digest of a row.
//!
//! What it is not: a schema. A column that may change without being a decision stands in none of these.
//! Invariant: the digest of the values that were inserted is the digest of the row that is read back.

use std::borrow::Cow;

use sea_orm::{QueryResult, Value};

use crate::proof::entry::{self, Field};
use crate::proof::{Hash, Source};
use crate::records::Result;
use crate::records::sql::{Columns, Sql, without_zero};

/// A table whose rows have leaves.
pub(super) struct Table {
    pub(super) source: Source,
    /// Its name as SQL says it.
    name: &'static str,
    /// How many of the columns, from the first, are its key.
    pub(super) keys: usize,
    pub(super) columns: &'static [(&'static str, Kind)],
    pub(super) life: Life,
}

/// What becomes of rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// They stay as they were written.
    Stays,
    /// They may change or be removed, and get another leaf then.
    Changes,
    /// They never change, and may be removed: less than there was gives nobody anything.
    Goes,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Real,
    Text,
    /// A text in a column that came later: where there is none, the row's digest is that of before.
    Later,
}

use Kind::{Int, Later, Real, Text};

pub(super) const TABLES: [Table; 16] = [
    Table {
        source: Source::CaseEvent,
        name: "case_event",
        keys: 2,
        columns: &[("case_id", Text), ("seq", Int), ("at", Int), ("body", Text)],
        life: Life::Stays,
    },
    Table {
        source: Source::Audit,
        name: "audit",
        keys: 1,
        columns: &[
            ("id", Int),
            ("at", Int),
            ("who", Text),
            ("what", Text),
            ("object", Text),
            ("detail", Text),
        ],
        life: Life::Stays,
    },
    Table {
        source: Source::RuleChange,
        name: "rule_change",
        keys: 1,
        columns: &[
            ("id", Int),
            ("at", Int),
            ("made_by", Text),
            ("pack", Text),
            ("rule", Text),
            ("text", Text),
            ("backtest", Text),
            ("reason", Text),
            ("sequence", Int),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Correction,
        name: "correction",
        keys: 1,
        columns: &[
            ("sequence", Int),
            ("at", Int),
            ("made_by", Text),
            ("device", Text),
            ("kind", Text),
            ("area_path", Text),
            ("reading_at", Int),
            ("old_value", Real),
            ("new_value", Real),
            ("reason", Text),
        ],
        life: Life::Stays,
    },
    Table {
        source: Source::Finding,
        name: "finding",
        keys: 1,
        columns: &[
            ("id", Int),
            ("incident", Text),
            ("area_path", Text),
            ("at", Int),
            ("made_by", Text),
            ("cause", Text),
            ("text", Text),
        ],
        life: Life::Stays,
    },
    Table {
        source: Source::Task,
        name: "task",
        keys: 1,
        columns: &[
            ("id", Int),
            ("incident", Text),
            ("area_path", Text),
            ("text", Text),
            ("agency", Text),
            ("person", Text),
            ("at", Int),
            ("made_by", Text),
            ("due_at", Int),
            ("done_at", Int),
            ("done_by", Text),
            ("evidence", Text),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Contact,
        name: "case_contact",
        keys: 1,
        columns: &[
            ("reporter", Text),
            ("case_id", Text),
            ("token", Text),
            ("at", Int),
            ("app", Text),
            ("language", Text),
            ("commitment", Text),
        ],
        life: Life::Stays,
    },
    Table {
        source: Source::PublicPhoto,
        name: "public_photo",
        keys: 2,
        columns: &[("hash", Text), ("case_id", Text), ("at", Int), ("made_by", Text)],
        life: Life::Stays,
    },
    Table {
        source: Source::User,
        name: "\"user\"",
        keys: 1,
        columns: &[
            ("name", Text),
            ("display_name", Text),
            ("password_hash", Text),
            ("roles", Text),
            ("area_path", Text),
            ("agency", Text),
            ("created_at", Int),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Token,
        name: "token",
        keys: 1,
        columns: &[
            ("hash", Text),
            ("user_name", Text),
            ("kind", Text),
            ("created_at", Int),
            ("expires_at", Int),
            ("label", Later),
            ("permissions", Later),
            ("area_path", Later),
            ("device", Later),
        ],
        life: Life::Goes,
    },
    Table {
        source: Source::Subscription,
        name: "subscription",
        keys: 1,
        columns: &[
            ("id", Text),
            ("name", Text),
            ("channel", Text),
            ("address", Text),
            ("recipients", Text),
            ("template", Text),
            ("secret", Text),
            ("matters", Text),
            ("severity_min", Int),
            ("agency", Text),
            ("area_path", Text),
            ("language", Text),
            ("active", Int),
            ("stopped", Text),
            ("made_by", Text),
            ("made_at", Int),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::SecondFactor,
        name: "second_factor",
        keys: 1,
        columns: &[
            ("user_name", Text),
            ("secret", Text),
            ("confirmed_at", Int),
            ("recovery", Text),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Identity,
        name: "identity",
        keys: 1,
        columns: &[("user_name", Text), ("issuer", Text), ("subject", Text), ("at", Int)],
        life: Life::Changes,
    },
    Table {
        source: Source::BreakGlass,
        name: "break_glass",
        keys: 1,
        columns: &[
            ("id", Int),
            ("user_name", Text),
            ("area_path", Text),
            ("wanted_path", Text),
            ("reason", Text),
            ("at", Int),
            ("until", Int),
            ("ended_at", Int),
            ("reviewed_at", Int),
            ("reviewed_by", Text),
            ("was_right", Int),
            ("remark", Text),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Agency,
        name: "agency",
        keys: 1,
        columns: &[
            ("id", Text),
            ("name_zh", Text),
            ("name_en", Text),
            ("kind", Text),
            ("area_path", Text),
            ("person", Text),
        ],
        life: Life::Changes,
    },
    Table {
        source: Source::Alert,
        name: "alert",
        keys: 1,
        // Its area follows the codes, and its text is written later, from these.
        columns: &[
            ("id", Text),
            ("warning", Text),
            ("number", Int),
            ("kind", Text),
            ("sent", Int),
            ("body", Text),
        ],
        life: Life::Stays,
    },
];

/// The table of a source.
pub(super) fn table(source: Source) -> &'static Table {
    TABLES.iter().find(|table| table.source == source).expect("every source has a table")
}

impl Table {
    /// All its columns that a leaf commits to.
    pub(super) fn select(&self) -> Sql {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        Sql::new(&format!("SELECT {} FROM {}", names.join(", "), self.name))
    }

    pub(super) fn key_names(&self) -> impl Iterator<Item = &'static str> {
        self.columns[..self.keys].iter().map(|(name, _)| *name)
    }

    /// A row's key as its leaf has it.
    pub(super) fn key_of(&self, row: &QueryResult) -> Result<String> {
        let parts = self.columns[..self.keys].iter().map(|(name, kind)| match kind {
            Text | Later => row.get::<String>(name),
            Int | Real => Ok(row.get::<i64>(name)?.to_string()),
        });
        Ok(entry::one_line(&parts.collect::<Result<Vec<_>>>()?.join("/")))
    }

    pub(super) fn key_values(&self, row: &QueryResult) -> Result<Vec<Value>> {
        let parts = self.columns[..self.keys].iter().map(|(name, kind)| match kind {
            Text | Later => Ok(row.get::<String>(name)?.into()),
            Int | Real => Ok(row.get::<i64>(name)?.into()),
        });
        parts.collect()
    }

    pub(super) fn digest(&self, row: &QueryResult) -> Result<Hash> {
        let values = self.columns.iter().map(|(name, kind)| {
            Ok(match kind {
                Int => Value::from(row.get::<Option<i64>>(name)?),
                Real => Value::from(row.get::<Option<f64>>(name)?),
                Text | Later => Value::from(row.get::<Option<String>>(name)?),
            })
        });
        Ok(self.digest_of(&values.collect::<Result<Vec<Value>>>()?))
    }

    /// The digest of a row of these values, in the order of the columns.
    pub(super) fn digest_of(&self, values: &[Value]) -> Hash {
        assert_eq!(values.len(), self.columns.len(), "a value for each column");
        let is_clean =
            |value: &Value| !matches!(value, Value::String(Some(text)) if text.contains('\0'));
        let values: Cow<'_, [Value]> = if values.iter().all(is_clean) {
            Cow::Borrowed(values)
        } else {
            values.iter().cloned().map(without_zero).collect()
        };
        let fields = values.iter().zip(self.columns);
        let fields = fields.filter_map(|(value, (name, kind))| {
            let field = match value {
                Value::BigInt(Some(number)) => Field::Int(*number),
                Value::Double(Some(number)) => Field::Real(*number),
                Value::String(Some(text)) => Field::Text(text),
                _ => Field::Null,
            };
            (*kind != Later || field != Field::Null).then_some((*name, field))
        });
        entry::row_digest(self.source, fields)
    }

    /// Adds the test that the key comes after this one.
    pub(super) fn after(&self, sql: &mut Sql, key: Vec<Value>) {
        let names: Vec<&str> = self.key_names().collect();
        sql.add("(").add(&names.join(", ")).add(") > (").values(key).add(")");
    }

    pub(super) fn in_order(&self, sql: &mut Sql, most: u64) {
        let names: Vec<&str> = self.key_names().collect();
        sql.add(" ORDER BY ").add(&names.join(", ")).add(&format!(" LIMIT {most}"));
    }
}
