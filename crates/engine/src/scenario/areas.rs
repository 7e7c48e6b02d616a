//! The areas of a scenario: codes in, a tree out. The first code of a line is the city, each further
//! one lies in the one before it.
//!
//! Not here: boundaries and positions, which no scenario needs.

use std::collections::BTreeMap;

use chengmai_model::area::AreaRow;
use chengmai_model::{AreaCode, AreaTree, Tier};

use super::Mismatch;
use super::parse::Item;

/// All areas that the lines name, each below the one before it.
pub(super) fn tree(items: &[Item]) -> Result<AreaTree, Mismatch> {
    let mut rows: BTreeMap<String, AreaRow> = BTreeMap::new();
    for (line, item) in (1..).zip(items) {
        let Item::Area(codes) = item else { continue };
        let mut parent: Option<AreaCode> = None;
        for (code, tier) in codes.iter().zip(Tier::ALL) {
            let wrong = |what: &str| Mismatch::unreadable(line, format!("`{code}` {what}"));
            let own = AreaCode::new(code).ok_or_else(|| wrong("is not an area code"))?;
            let row = AreaRow {
                line,
                code: own.clone(),
                parent: parent.clone(),
                name: code.clone(),
                tier,
                valid_from: None,
                valid_to: None,
                center: None,
                shape: None,
                generated: true,
                note: None,
            };
            let known = rows.entry(code.clone()).or_insert(row);
            if known.parent != parent {
                return Err(wrong("already lies in another area"));
            }
            parent = Some(own);
        }
    }
    AreaTree::build(rows.into_values().collect()).map_err(|faults| {
        let first = faults.first();
        let why = first.map_or("no areas".to_owned(), |fault| fault.reason.en.clone());
        Mismatch::unreadable(first.map_or(0, |fault| fault.line), why)
    })
}
