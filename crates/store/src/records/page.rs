//! Lists in pages. A cursor is the sort key and id of the last item seen, so pages neither skip nor
//! repeat when rows are added in between. Callers treat it as opaque.

use chengmai_model::case::Refusal;
use chengmai_model::error;
use sea_orm::Value;

use super::sql::Sql;
use super::{RecordsError, Result};

/// Most items of one page.
pub const LIMIT_MAX: u32 = 1_000;

/// How far the items of a whole list are counted: a store of ten million is not walked to say how many.
pub const TOTAL_MAX: u64 = 10_000;

/// Which page.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// Most items; 0 means 100, more than [`LIMIT_MAX`] means that.
    pub limit: u32,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

impl PageRequest {
    /// Items on this page at most.
    pub fn items_max(&self) -> usize {
        match self.limit {
            0 => 100,
            n => n.min(LIMIT_MAX) as usize,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// How to ask for the next page; `None` after the last.
    pub next_cursor: Option<String>,
    /// Items of the whole list; one more than [`TOTAL_MAX`] where there are more than that.
    pub total: u64,
}

impl<T> Page<T> {
    /// A page of `items`, of which one more than asked for was read to know whether more follow.
    pub(super) fn cut(
        mut items: Vec<T>,
        request: &PageRequest,
        total: u64,
        cursor: impl Fn(&T) -> Cursor,
    ) -> Self {
        let more = items.len() > request.items_max();
        items.truncate(request.items_max());
        let next_cursor = items.last().filter(|_| more).map(|item| cursor(item).to_text());
        Self { items, next_cursor, total }
    }
}

/// Sort key and id of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) key: i64,
    pub(super) id: String,
}

impl Cursor {
    pub(super) fn to_text(&self) -> String {
        format!("{}~{}", self.key, self.id)
    }

    fn parse(text: &str) -> Result<Self> {
        let bad = || RecordsError::from(Refusal::plain(&error::BAD_QUERY));
        let (key, id) = text.split_once('~').ok_or_else(bad)?;
        Ok(Self { key: key.parse().map_err(|_| bad())?, id: id.to_owned() })
    }
}

/// Adds order, start and length of a page: by `key` (an integer expression), then by `id`.
pub(super) fn page(
    sql: &mut Sql,
    request: &PageRequest,
    key: &str,
    id: &str,
    descending: bool,
) -> Result<()> {
    let (beyond, order) = if descending { ("<", "DESC") } else { (">", "ASC") };
    if let Some(text) = &request.cursor {
        let cursor = Cursor::parse(text)?;
        // Said twice: SQLite seeks in an index of an expression by the key alone, never by the pair, and would
        // walk past all pages before this one.
        sql.add(&format!(" AND {key} {beyond}= ")).value(cursor.key);
        sql.add(&format!(" AND ({key}, {id}) {beyond} (")).value(cursor.key);
        sql.add(", ").value(cursor.id).add(")");
    }
    sql.add(&format!(" ORDER BY {key} {order}, {id} {order} LIMIT "));
    let one_more = i64::try_from(request.items_max() + 1).unwrap_or(i64::MAX);
    sql.value(Value::from(one_more));
    Ok(())
}
