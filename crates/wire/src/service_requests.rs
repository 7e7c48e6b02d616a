//! Service requests ("311") of other cities as cases: the open-data files of New York and Boston.
//!
//! Not here: what becomes of them (`engine::case::imported`), and whether what a source says of being
//! in time is true (its own word is kept beside its times, so that it can be recomputed).
//!
//! A line that contradicts itself (closed without a closing time, open with one, closed before it was
//! opened, due before it was opened) is refused by name: no guess is made which half is right.

use chengmai_model::case::{ImportedCase, ImportedStatus};
use chengmai_model::error::CASE_FILE;
use chengmai_model::{Text, Timestamp};

use crate::error::{Decoded, Fault};
use crate::table::{Row, Table};

mod boston;
mod eastern;
mod nyc;

use eastern::Eastern;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// NYC Open Data, in any of the three spellings of its columns and times.
    Nyc,
    /// Analyze Boston.
    Boston,
}

impl Source {
    /// From the word in the API's `format` parameter: `nyc`, `boston`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "nyc" => Some(Self::Nyc),
            "boston" => Some(Self::Boston),
            _ => None,
        }
    }
}

/// Reads a CSV file of a source.
pub fn decode(source: Source, body: &[u8]) -> Decoded<ImportedCase> {
    let mut table = match Table::open(body, &CASE_FILE) {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let columns = match source {
        Source::Nyc => nyc::columns(&table),
        Source::Boston => boston::COLUMNS,
    };
    if let Err(fault) = table.require(&columns.needed()) {
        return Decoded::refused(fault);
    }
    let mut decoded = Decoded::default();
    let zone = Eastern::new();
    while let Some(row) = table.next_row() {
        decoded.push(row.and_then(|row| read(source, &columns, &row, &zone)));
    }
    decoded
}

/// The names a source gives its columns.
#[derive(Debug, Clone, Copy)]
struct Columns {
    id: &'static str,
    opened: &'static str,
    due: &'static str,
    closed: &'static str,
    status: &'static str,
    agency: &'static str,
    agency_name: Option<&'static str>,
    kind: &'static str,
    detail: &'static str,
    area: &'static str,
    on_time: Option<&'static str>,
}

impl Columns {
    fn needed(&self) -> [&'static str; 6] {
        [self.id, self.opened, self.closed, self.status, self.agency, self.kind]
    }
}

fn read(
    source: Source,
    columns: &Columns,
    row: &Row<'_>,
    zone: &Eastern,
) -> Result<ImportedCase, Fault> {
    let prefix = match source {
        Source::Nyc => "nyc",
        Source::Boston => "boston",
    };
    let owned = |column: &str| Ok(row.text(column)?.unwrap_or_default().to_owned());
    let opened_at = time(row, columns.opened, zone)?
        .ok_or_else(|| row.fault(columns.opened, "缺少受理时间", "the opening time is missing"))?;
    let case = ImportedCase {
        line: row.line,
        external_id: format!("{prefix}:{}", row.required(columns.id)?),
        opened_at,
        due_at: time(row, columns.due, zone)?,
        closed_at: time(row, columns.closed, zone)?,
        agency: row.required(columns.agency)?.to_owned(),
        agency_name: match columns.agency_name {
            Some(column) => row.text(column)?.map(str::to_owned),
            None => None,
        },
        kind: row.required(columns.kind)?.to_owned(),
        detail: owned(columns.detail)?,
        area_text: owned(columns.area)?,
        position: position(row)?,
        status: match row.required(columns.status)?.to_ascii_lowercase().as_str() {
            "closed" => ImportedStatus::Closed,
            _ => ImportedStatus::Open,
        },
        stated_on_time: match columns.on_time {
            Some(column) => row.parsed(column, &on_time_words(), on_time)?,
            None => None,
        },
    };
    agrees_with_itself(columns, row, &case)?;
    Ok(case)
}

fn agrees_with_itself(columns: &Columns, row: &Row<'_>, case: &ImportedCase) -> Result<(), Fault> {
    let id = &case.external_id;
    let fault = |column: &str, zh: &str, en: &str| {
        Err(row.fault(column, format!("{id}：{zh}"), format!("{id}: {en}")))
    };
    match (case.status, case.closed_at) {
        (ImportedStatus::Closed, None) => {
            fault(columns.closed, "已关闭却没有关闭时间", "closed, but no closing time")
        }
        (ImportedStatus::Open, Some(_)) => {
            fault(columns.status, "未关闭却有关闭时间", "not closed, but has a closing time")
        }
        (_, Some(closed)) if closed < case.opened_at => {
            fault(columns.closed, "关闭早于受理", "closed before it was opened")
        }
        _ if case.due_at.is_some_and(|due| due < case.opened_at) => {
            fault(columns.due, "时限早于受理", "due before it was opened")
        }
        _ => Ok(()),
    }
}

fn time(row: &Row<'_>, column: &str, zone: &Eastern) -> Result<Option<Timestamp>, Fault> {
    let expected = Text::new(
        "美东当地时间（如 2022-01-03 08:30:00，2007 年以后）",
        "a US Eastern local time (such as 2022-01-03 08:30:00, 2008 or later)",
    );
    row.parsed(column, &expected, |text| zone.parse(text))
}

fn on_time_words() -> Text {
    Text::new(" ONTIME 或 OVERDUE", "ONTIME or OVERDUE")
}

fn on_time(text: &str) -> Option<bool> {
    match text {
        "ONTIME" => Some(true),
        "OVERDUE" => Some(false),
        _ => None,
    }
}

fn position(row: &Row<'_>) -> Result<Option<[f64; 2]>, Fault> {
    let degrees = |limit: f64| {
        move |text: &str| text.parse::<f64>().ok().filter(|d| d.is_finite() && d.abs() <= limit)
    };
    let expected = Text::new("度数", "degrees");
    let lon = row.parsed("longitude", &expected, degrees(180.0))?;
    let lat = row.parsed("latitude", &expected, degrees(90.0))?;
    Ok(lon.zip(lat).map(|(lon, lat)| [lon, lat]))
}

#[cfg(test)]
mod tests;
