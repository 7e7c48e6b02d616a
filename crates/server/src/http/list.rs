//! Lists as they leave the server: an envelope, a limit and a cursor; and the queries all lists
//! share.

use chengmai_model::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::{Answer, Problem};

/// Rows of a list when the query names no limit.
const LIMIT_DEFAULT: usize = 100;
/// Most rows of one answer.
pub(crate) const LIMIT_MAX: usize = 1_000;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) items: Vec<T>,
    /// Give this as `cursor` to go on; null at the end.
    pub(crate) next_cursor: Option<String>,
    /// How many rows there are in all. Warnings, cases, agencies and the audit are counted up to 10,000:
    /// 10,001 means more than that.
    pub(crate) total: u64,
}

impl<T> Page<T> {
    /// A list that is always whole.
    pub(crate) fn whole(items: Vec<T>) -> Self {
        let total = items.len() as u64;
        Self { items, next_cursor: None, total }
    }
}

/// `limit` and `cursor`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Rows wanted, 1 to 1000 (default 100).
    pub(crate) limit: Option<usize>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Answer<usize> {
        match self.limit {
            None => Ok(LIMIT_DEFAULT),
            Some(n) if (1..=LIMIT_MAX).contains(&n) => Ok(n),
            Some(n) => Err(Problem::bad_query(format!("limit={n} is not 1 to {LIMIT_MAX}"))),
        }
    }

    /// The number a numeric cursor stands for, 0 at the start.
    pub(crate) fn offset(&self) -> Answer<usize> {
        self.cursor.as_deref().filter(|c| !c.is_empty()).map_or(Ok(0), |text| {
            text.parse().map_err(|_not_a_number| Problem::bad_query(format!("cursor={text}")))
        })
    }

    /// Takes one page out of everything that matches, in order. `total` counts all of it.
    pub(crate) fn page<I, T>(
        &self,
        all: impl Iterator<Item = I>,
        mut row: impl FnMut(I) -> T,
    ) -> Answer<Page<T>> {
        let (offset, limit) = (self.offset()?, self.limit()?);
        let mut items = Vec::new();
        let mut total = 0_usize;
        for item in all {
            if total >= offset && items.len() < limit {
                items.push(row(item));
            }
            total += 1;
        }
        let next = offset + items.len();
        let next_cursor = (next < total).then(|| next.to_string());
        Ok(Page { items, next_cursor, total: total as u64 })
    }
}

/// Reads a time of a query: RFC 3339.
pub(crate) fn time(name: &str, text: Option<&str>) -> Answer<Option<Timestamp>> {
    text.filter(|t| !t.is_empty())
        .map(|text| {
            // A `+` of a zone offset arrives as a space when a client did not escape it.
            Timestamp::parse_rfc3339(&text.replace(' ', "+"))
                .ok_or_else(|| Problem::bad_query(format!("{name}={text} is not RFC 3339")))
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_double() {
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = Paging { limit: Some(3), cursor }.page(0..10, |n| n).unwrap();
            assert_eq!(page.total, 10);
            seen.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_limit_out_of_bounds_is_refused() {
        for limit in [0, 1_001] {
            assert!(Paging { limit: Some(limit), cursor: None }.limit().is_err());
        }
    }
}
