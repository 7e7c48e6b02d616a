//! Areas over time. Codes change every year; a case filed under an old code must stay readable.
//!
//! A tree holds the areas of one day. This holds the rows of all days, and cuts trees from them.
//! Invariant: no two rows of one code are valid on the same day.

use jiff::civil::Date;

use super::{AreaCode, AreaFault, AreaRow, AreaTree};
use crate::Text;

impl AreaRow {
    /// True from `valid_from` on and before `valid_to`; an absent end is open.
    pub fn valid_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day < to)
    }
}

/// All rows ever known, whatever their days.
#[derive(Debug, Clone, Default)]
pub struct AreaHistory {
    /// In order of code, then of first day.
    rows: Vec<AreaRow>,
}

impl AreaHistory {
    /// From rows of any days.
    ///
    /// # Errors
    /// One fault for each row that is valid on a day on which an earlier row of its code is valid.
    pub fn new(mut rows: Vec<AreaRow>) -> Result<Self, Vec<AreaFault>> {
        rows.sort_by(|a, b| (&a.code, a.valid_from).cmp(&(&b.code, b.valid_from)));
        let faults: Vec<AreaFault> = rows
            .windows(2)
            .filter(|pair| pair[0].code == pair[1].code && overlap(&pair[0], &pair[1]))
            .map(|pair| AreaFault {
                line: pair[1].line,
                reason: Text::new(
                    format!("区域 {} 的有效期与第 {} 行重叠", pair[1].code, pair[0].line),
                    format!("area {} is also valid in line {}", pair[1].code, pair[0].line),
                ),
            })
            .collect();
        if faults.is_empty() { Ok(Self { rows }) } else { Err(faults) }
    }

    /// The tree of one day.
    ///
    /// # Errors
    /// As [`AreaTree::build`], for the rows valid on that day.
    pub fn on(&self, day: Date) -> Result<AreaTree, Vec<AreaFault>> {
        AreaTree::build(self.rows.iter().filter(|row| row.valid_on(day)).cloned().collect())
    }

    /// All rows of a code, oldest first; what an old code meant stays readable.
    pub fn rows_of(&self, code: &AreaCode) -> &[AreaRow] {
        let start = self.rows.partition_point(|row| row.code < *code);
        let length = self.rows[start..].partition_point(|row| row.code == *code);
        &self.rows[start..start + length]
    }
}

/// Whether the later-starting of two rows starts before the other ends.
fn overlap(earlier: &AreaRow, later: &AreaRow) -> bool {
    match (earlier.valid_to, later.valid_from) {
        (Some(end), Some(start)) => start < end,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::Tier;
    use super::*;

    fn row(line: u32, code: &str, parent: &str, name: &str, days: [Option<Date>; 2]) -> AreaRow {
        AreaRow {
            line,
            code: AreaCode::new(code).unwrap(),
            parent: AreaCode::new(parent),
            name: name.to_owned(),
            tier: if parent.is_empty() { Tier::City } else { Tier::District },
            valid_from: days[0],
            valid_to: days[1],
            center: None,
            shape: None,
            generated: false,
            note: None,
        }
    }

    /// A county that became a district with a new code, and one that only changed its name.
    fn rows() -> Vec<AreaRow> {
        let (change, rename) = (date(2016, 11, 24), date(2020, 1, 1));
        vec![
            row(2, "50", "", "重庆市", [None, None]),
            row(3, "500232", "50", "武隆县", [None, Some(change)]),
            row(4, "500156", "50", "武隆区", [Some(change), None]),
            row(5, "500199", "50", "新名", [Some(rename), None]),
            row(6, "500199", "50", "旧名", [None, Some(rename)]),
        ]
    }

    #[test]
    fn each_day_has_its_own_tree() {
        let history = AreaHistory::new(rows()).unwrap();
        let before = history.on(date(2016, 11, 23)).unwrap();
        let after = history.on(date(2016, 11, 24)).unwrap();
        assert!(before.find("500232").is_some() && before.find("500156").is_none());
        assert!(after.find("500232").is_none() && after.find("500156").is_some());
        let name = |tree: &AreaTree| tree.get(tree.find("500199").unwrap()).row.name.clone();
        assert_eq!(name(&after), "旧名");
        assert_eq!(name(&history.on(date(2020, 1, 1)).unwrap()), "新名");
    }

    #[test]
    fn an_old_code_stays_readable() {
        let history = AreaHistory::new(rows()).unwrap();
        let names = |code: &str| -> Vec<String> {
            let code = AreaCode::new(code).unwrap();
            history.rows_of(&code).iter().map(|row| row.name.clone()).collect()
        };
        assert_eq!(names("500232"), ["武隆县"]);
        assert_eq!(names("500199"), ["旧名", "新名"]);
        assert!(names("000000").is_empty());
    }

    #[test]
    fn two_rows_of_a_code_may_not_share_a_day() {
        let mut rows = rows();
        rows[4].valid_to = Some(date(2020, 1, 2));
        let faults = AreaHistory::new(rows.clone()).unwrap_err();
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [5]);
        rows[4].valid_to = None;
        assert!(AreaHistory::new(rows).is_err());
    }
}
