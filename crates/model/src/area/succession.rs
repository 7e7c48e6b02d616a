//! What became of the areas of an older tree in a newer one: codes are changed, a town is split off, two
//! become one. What moves with them (devices, sums, warnings, cases) is moved by whoever holds it.
//!
//! Nothing is guessed from names. An area that keeps its code stays itself. One whose code is gone goes
//! on under the code that a list of changes states; below such an area under the same ending behind the
//! new code, where there is such an area; and else it is part of what the area above it became.

use serde::{Deserialize, Serialize};

use super::{AreaCode, AreaId, AreaTree};
use crate::AreaPath;

/// A code that is no more, and the code under which its area goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeChange {
    /// The older code.
    pub old: AreaCode,
    /// The newer code.
    pub new: AreaCode,
}

impl AreaTree {
    /// The same tree, which also knows what became of codes that are no more. Changes may follow each
    /// other; one whose end is no area of this tree, or whose beginning is, says nothing.
    pub fn with_former(mut self, changes: &[CodeChange]) -> Self {
        let mut sorted: Vec<&CodeChange> = changes.iter().collect();
        sorted.sort_by(|a, b| a.old.cmp(&b.old));
        // Of a code that was stated twice the later word holds.
        sorted.dedup_by(|later, kept| {
            let same = later.old == kept.old;
            if same {
                *kept = *later;
            }
            same
        });
        let next = |code: &AreaCode| {
            let place = sorted.binary_search_by(|change| change.old.cmp(code)).ok()?;
            Some(&sorted[place].new)
        };
        let end_of = |change: &CodeChange| {
            let mut codes = std::iter::successors(Some(&change.new), |code| next(code));
            // Changes that run in a circle end nowhere.
            codes.by_ref().take(sorted.len()).find_map(|code| self.find_current(code.as_str()))
        };
        let gone = |change: &&&CodeChange| self.find_current(change.old.as_str()).is_none();
        let known = |change: &&CodeChange| Some((change.old.clone(), end_of(change)?));
        self.former = sorted.iter().filter(gone).filter_map(known).collect();
        self
    }
}

/// For each area of an older tree the one of a newer tree that it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession(Vec<AreaId>);

impl Succession {
    /// Between two trees; the newer one knows the changes that were stated.
    pub fn between(old: &AreaTree, new: &AreaTree) -> Self {
        let mut became: Vec<AreaId> = Vec::with_capacity(old.len());
        for (id, area) in old.iter() {
            // In pre-order, so the area above has its answer.
            let to = if id == AreaId::ROOT {
                AreaId::ROOT
            } else {
                let code = area.row.code.as_str();
                let above = became[area.parent.index()];
                let before = old.get(area.parent).row.code.as_str();
                new.find(code)
                    .or_else(|| below(new, above, code.strip_prefix(before)?))
                    .unwrap_or(above)
            };
            became.push(to);
        }
        Self(became)
    }

    /// What an area of the older tree became.
    pub fn of(&self, old: AreaId) -> AreaId {
        self.0[old.index()]
    }

    /// The codes that are no more, with what they became: what a later tree must be told too.
    pub fn changes(&self, old: &AreaTree, new: &AreaTree) -> Vec<CodeChange> {
        let gone =
            old.iter().filter(|(_, area)| new.find_current(area.row.code.as_str()).is_none());
        let change = |(id, area): (AreaId, &super::Area)| CodeChange {
            old: area.row.code.clone(),
            new: new.get(self.of(id)).row.code.clone(),
        };
        gone.map(change).collect()
    }
}

/// The area of that ending behind the code of an area.
fn below(tree: &AreaTree, above: AreaId, ending: &str) -> Option<AreaId> {
    let code = format!("{}{ending}", tree.get(above).row.code);
    tree.find_current(&code).filter(|&found| tree.contains(above, found))
}

impl AreaPath {
    /// The same place by the codes of that tree; `None` when it knows none of the codes, or when nothing
    /// is different.
    pub fn renewed(&self, tree: &AreaTree) -> Option<Self> {
        let codes: Vec<&str> = self.codes().collect();
        let id = codes.into_iter().rev().find_map(|code| tree.find(code))?;
        Some(Self::of(tree, id)).filter(|path| path != self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{AreaRow, Tier};
    use super::*;

    /// A tree of `code` rows, each below the row whose code stands before the colon.
    fn tree(rows: &[(&str, &str)], changes: &[(&str, &str)]) -> AreaTree {
        let tier_of = |code: &str| Tier::ALL[rows_above(rows, code)];
        let rows = rows.iter().map(|&(parent, code)| AreaRow {
            line: 1,
            code: AreaCode::new(code).unwrap(),
            parent: AreaCode::new(parent),
            name: code.to_owned(),
            tier: tier_of(code),
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: false,
            note: None,
        });
        let changes: Vec<CodeChange> = changes
            .iter()
            .map(|(old, new)| CodeChange {
                old: AreaCode::new(old).unwrap(),
                new: AreaCode::new(new).unwrap(),
            })
            .collect();
        AreaTree::build(rows.collect()).unwrap().with_former(&changes)
    }

    fn rows_above(rows: &[(&str, &str)], code: &str) -> usize {
        let parent = rows.iter().find(|row| row.1 == code).map_or("", |row| row.0);
        if parent.is_empty() { 0 } else { 1 + rows_above(rows, parent) }
    }

    const OLD: [(&str, &str); 7] = [
        ("", "50"),
        ("50", "5001"),
        ("5001", "500101"),
        ("500101", "500101a"),
        ("50", "5002"),
        ("5002", "500201"),
        ("5002", "500202"),
    ];

    fn became(old: &AreaTree, new: &AreaTree) -> Vec<(String, String)> {
        let succession = Succession::between(old, new);
        let code = |tree: &AreaTree, id| tree.get(id).row.code.to_string();
        old.iter()
            .map(|(id, _)| (code(old, id), code(new, succession.of(id))))
            .filter(|(a, b)| a != b)
            .collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    #[test]
    fn the_same_codes_are_the_same_areas() {
        let old = tree(&OLD, &[]);
        assert_eq!(became(&old, &old), []);
        assert_eq!(Succession::between(&old, &old).changes(&old, &old), []);
    }

    #[test]
    fn a_district_with_a_new_code_takes_everything_below_it_along() {
        let new = [
            ("", "50"),
            ("50", "5009"),
            ("5009", "500901"),
            ("500901", "500901a"),
            ("50", "5002"),
            ("5002", "500201"),
            ("5002", "500202"),
        ];
        let (old, new) = (tree(&OLD, &[]), tree(&new, &[("5001", "5009")]));
        let expected = pairs(&[("5001", "5009"), ("500101", "500901"), ("500101a", "500901a")]);
        assert_eq!(became(&old, &new), expected);
    }

    #[test]
    fn two_towns_become_one_and_what_is_not_stated_is_part_of_the_area_above() {
        let new = [("", "50"), ("50", "5001"), ("50", "5002"), ("5002", "500201")];
        let (old, new) = (tree(&OLD, &[]), tree(&new, &[("500202", "500201")]));
        let expected = pairs(&[("500101", "5001"), ("500101a", "5001"), ("500202", "500201")]);
        assert_eq!(became(&old, &new), expected);
        let changes = Succession::between(&old, &new).changes(&old, &new);
        assert_eq!(changes.len(), 3);
    }

    #[test]
    fn a_former_code_means_what_became_of_it_through_any_number_of_changes() {
        let changes = [("1", "2"), ("2", "5002"), ("9", "8"), ("8", "9"), ("500201", "5001")];
        let tree = tree(&OLD, &changes);
        assert_eq!(tree.find("1"), tree.find("5002"));
        assert_eq!(tree.find("2"), tree.find("5002"));
        assert_eq!((tree.find("8"), tree.find("9")), (None, None), "a circle ends nowhere");
        let code = |id| tree.get(id).row.code.as_str();
        assert_eq!(tree.find("500201").map(code), Some("500201"), "it is still there");
    }

    #[test]
    fn a_path_of_older_codes_is_the_path_of_the_newest() {
        let new = [("", "50"), ("50", "5009"), ("5009", "500901"), ("500901", "500901a")];
        let new = tree(&new, &[("5001", "5009"), ("500101", "500901")]);
        let renewed = |path| AreaPath::parse(path).unwrap().renewed(&new).map(String::from);
        assert_eq!(renewed("/50/5001/500101/").as_deref(), Some("/50/5009/500901/"));
        assert_eq!(renewed("/50/5001/gone/").as_deref(), Some("/50/5009/"));
        assert_eq!(renewed("/50/5009/500901/"), None);
    }
}
