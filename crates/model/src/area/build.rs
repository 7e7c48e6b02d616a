//! Checks the rows of an area file and numbers them in pre-order.
//!
//! It is all or nothing: every fault of the file is told at once, and no tree comes out unless there
//! is none. Nothing here recurses, so a file cannot exhaust the stack.

use super::{Area, AreaFault, AreaId, AreaRow, AreaTree, Tier};
use crate::Text;

pub(super) fn build(rows: Vec<AreaRow>) -> Result<AreaTree, Vec<AreaFault>> {
    let mut faults = Vec::new();
    for row in &rows {
        check_row(row, &mut faults);
    }
    let order = in_order_of_code(&rows, &mut faults);
    let parents = parents(&rows, &order, &mut faults);
    let root = the_root(&rows, &mut faults);
    check_tree(&rows, &parents, &mut faults);
    match root {
        Some(root) if faults.is_empty() => Ok(number(rows, &order, &parents, root)),
        _ => {
            faults.sort_by_key(|fault| fault.line);
            Err(faults)
        }
    }
}

fn fault(line: u32, zh: String, en: String) -> AreaFault {
    AreaFault { line, reason: Text::new(zh, en) }
}

/// What can be seen in a row alone.
fn check_row(row: &AreaRow, faults: &mut Vec<AreaFault>) {
    let code = &row.code;
    let mut refuse = |zh: String, en: String| faults.push(fault(row.line, zh, en));
    if row.name.trim().is_empty() {
        refuse(format!("区域 {code} 没有名称"), format!("area {code} has no name"));
    }
    if let (Some(from), Some(to)) = (row.valid_from, row.valid_to)
        && to <= from
    {
        refuse(
            format!("区域 {code} 的失效日 {to} 不晚于生效日 {from}"),
            format!("area {code} ends on {to}, which is not after its first day {from}"),
        );
    }
    if let Some([longitude, latitude]) = row.center {
        // Written so that NaN fails too.
        let fits = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
        if !fits {
            refuse(
                format!("区域 {code} 的中心点 {longitude},{latitude} 不是有效经纬度（经度在前）"),
                format!(
                    "the centre {longitude},{latitude} of area {code} is no position \
                     (longitude comes first)"
                ),
            );
        }
    }
    if let Some(Err(broken)) = row.shape.as_ref().map(crate::geometry::Shape::check) {
        let what = broken.text();
        refuse(format!("区域 {code}：{}", what.zh), format!("area {code}: {}", what.en));
    }
}

/// Indexes of the rows by code; rows that repeat a code are told and left out.
fn in_order_of_code(rows: &[AreaRow], faults: &mut Vec<AreaFault>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // Stable: of equal codes the first in the file comes first.
    order.sort_by(|&a, &b| rows[a].code.cmp(&rows[b].code));
    order.dedup_by(|later, first| {
        let (row, other) = (&rows[*later], &rows[*first]);
        let repeated = row.code == other.code;
        if repeated {
            faults.push(fault(
                row.line,
                format!("区域代码 {} 与第 {} 行重复", row.code, other.line),
                format!("area code {} is already in line {}", row.code, other.line),
            ));
        }
        repeated
    });
    order
}

/// For each row the index of its parent's row; orphans are told and have none.
fn parents(rows: &[AreaRow], order: &[usize], faults: &mut Vec<AreaFault>) -> Vec<Option<usize>> {
    let find = |row: &AreaRow| {
        let parent = row.parent.as_ref()?;
        let place = order.binary_search_by(|&i| rows[i].code.cmp(parent));
        if place.is_err() {
            faults.push(fault(
                row.line,
                format!("区域 {} 的上级 {parent} 不在文件中", row.code),
                format!("the parent {parent} of area {} is not in the file", row.code),
            ));
        }
        place.ok().map(|p| order[p])
    };
    rows.iter().map(find).collect()
}

/// The one row without a parent.
fn the_root(rows: &[AreaRow], faults: &mut Vec<AreaFault>) -> Option<usize> {
    let mut roots = (0..rows.len()).filter(|&i| rows[i].parent.is_none());
    let root = roots.next();
    for extra in roots {
        let (row, first) = (&rows[extra], root.map_or(0, |r| rows[r].line));
        faults.push(fault(
            row.line,
            format!("区域 {} 没有上级，但第 {first} 行已是城市", row.code),
            format!("area {} has no parent, but line {first} is the city already", row.code),
        ));
    }
    if root.is_none() {
        let zh = "没有城市一级的行（上级为空的行）".to_owned();
        faults.push(fault(0, zh, "there is no row for the city (a row without a parent)".into()));
    }
    root
}

/// Cycles, and tiers that do not lie below their parent's.
fn check_tree(rows: &[AreaRow], parents: &[Option<usize>], faults: &mut Vec<AreaFault>) {
    let in_cycle = rows_in_cycles(parents);
    for (index, row) in rows.iter().enumerate() {
        let Some(above) = parents[index].map(|p| &rows[p]) else { continue };
        if in_cycle[index] {
            faults.push(fault(
                row.line,
                format!("区域 {} 经上级 {} 又回到自身，形成循环", row.code, above.code),
                format!("area {} comes back to itself through {}: a cycle", row.code, above.code),
            ));
        } else if row.tier <= above.tier {
            let (own, over): (Tier, Tier) = (row.tier, above.tier);
            faults.push(fault(
                row.line,
                format!(
                    "区域 {} 的层级 {} 不低于其上级 {} 的层级 {}",
                    row.code,
                    own.word(),
                    above.code,
                    over.word()
                ),
                format!(
                    "area {} is a {}, which is not below its parent {}, a {}",
                    row.code,
                    own.word(),
                    above.code,
                    over.word()
                ),
            ));
        }
    }
}

/// Which rows lie on a cycle themselves (not those that merely hang below one).
fn rows_in_cycles(parents: &[Option<usize>]) -> Vec<bool> {
    const UNSEEN: usize = usize::MAX;
    let mut seen_from = vec![UNSEEN; parents.len()];
    let mut in_cycle = vec![false; parents.len()];
    for start in 0..parents.len() {
        let mut at = Some(start);
        while let Some(here) = at.filter(|&i| seen_from[i] == UNSEEN) {
            seen_from[here] = start;
            at = parents[here];
        }
        // Meeting our own trail is a cycle; meeting an earlier one was judged already.
        let mut turn = at.filter(|&i| seen_from[i] == start && !in_cycle[i]);
        while let Some(here) = turn {
            in_cycle[here] = true;
            turn = parents[here].filter(|&p| !in_cycle[p]);
        }
    }
    in_cycle
}

fn id(number: usize) -> AreaId {
    AreaId(u32::try_from(number).expect("an area file has fewer than 2^32 rows"))
}

/// Numbers sound rows in pre-order, siblings in order of code.
fn number(rows: Vec<AreaRow>, order: &[usize], parents: &[Option<usize>], root: usize) -> AreaTree {
    let mut first_child: Vec<Option<usize>> = vec![None; rows.len()];
    let mut next_sibling: Vec<Option<usize>> = vec![None; rows.len()];
    for &index in order.iter().rev() {
        if let Some(parent) = parents[index] {
            next_sibling[index] = first_child[parent].replace(index);
        }
    }
    let mut tree = AreaTree { areas: Vec::with_capacity(rows.len()), ..AreaTree::default() };
    let mut numbers = vec![AreaId::ROOT; rows.len()];
    let mut rows: Vec<Option<AreaRow>> = rows.into_iter().map(Some).collect();
    let mut open: Vec<AreaId> = Vec::new();
    let mut at = Some(root);
    // Down to the first child, else along to the next sibling, else up: each row is met once going
    // down and once coming up.
    let mut trail: Vec<usize> = Vec::new();
    while let Some(index) = at {
        let here = id(tree.areas.len());
        let row = rows[index].take().expect("a tree meets each row once");
        numbers[index] = here;
        if let Some(bounds) = row.shape.as_ref().and_then(crate::geometry::Shape::bounds) {
            tree.bounds.push((here, bounds));
        }
        let parent = open.last().copied().unwrap_or(AreaId::ROOT);
        tree.areas.push(Area { row, parent, end: here });
        open.push(here);
        trail.push(index);
        at = first_child[index];
        while at.is_none() {
            let (Some(done), Some(last)) = (open.pop(), trail.pop()) else { break };
            tree.areas[done.index()].end = id(tree.areas.len());
            at = next_sibling[last];
        }
    }
    tree.by_code = order.iter().map(|&index| numbers[index]).collect();
    tree
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::AreaCode;
    use super::*;
    use crate::geometry::Shape;

    fn row(line: u32, code: &str, parent: &str, tier: Tier) -> AreaRow {
        AreaRow {
            line,
            code: AreaCode::new(code).unwrap(),
            parent: AreaCode::new(parent),
            name: format!("区域{code}"),
            tier,
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: false,
            note: None,
        }
    }

    /// One city, two districts, three towns; lines start at 2, after a header.
    fn small() -> Vec<AreaRow> {
        vec![
            row(2, "50", "", Tier::City),
            row(3, "500102", "50", Tier::District),
            row(4, "500101", "50", Tier::District),
            row(5, "500101002", "500101", Tier::Town),
            row(6, "500101001", "500101", Tier::Town),
            row(7, "500102001", "500102", Tier::Town),
        ]
    }

    /// The lines of all faults, after checking that each has both languages.
    fn check(rows: Vec<AreaRow>) -> Vec<u32> {
        let faults = AreaTree::build(rows).unwrap_err();
        assert!(faults.iter().all(|f| !f.reason.zh.is_empty() && !f.reason.en.is_empty()));
        faults.iter().map(|f| f.line).collect()
    }

    #[test]
    fn siblings_are_numbered_in_order_of_code() {
        let tree = AreaTree::build(small()).unwrap();
        let codes: Vec<_> = tree.iter().map(|(_, a)| a.row.code.as_str()).collect();
        assert_eq!(codes, ["50", "500101", "500101001", "500101002", "500102", "500102001"]);
        assert_eq!(tree.parents(), [0, 0, 1, 1, 0, 4]);
        assert_eq!(tree.subtree(tree.find("500101").unwrap()), 1..4);
        assert_eq!(tree.subtree(AreaId::ROOT), 0..6);
    }

    #[test]
    fn an_orphan_is_refused_by_its_line() {
        let mut rows = small();
        rows[5].parent = AreaCode::new("500199");
        assert_eq!(check(rows), [7]);
    }

    #[test]
    fn a_repeated_code_is_refused_by_the_later_line() {
        let mut rows = small();
        rows.push(row(9, "500101001", "500102", Tier::Town));
        rows.push(row(10, "500101001", "500102", Tier::Town));
        assert_eq!(check(rows), [9, 10]);
    }

    #[test]
    fn each_row_on_a_cycle_is_told_and_those_below_it_are_not() {
        let mut rows = small();
        rows[1].parent = AreaCode::new("500101002");
        rows[3].parent = AreaCode::new("500102");
        assert_eq!(check(rows), [3, 5]);
        let mut own = small();
        own[1].parent = AreaCode::new("500102");
        assert_eq!(check(own), [3]);
    }

    #[test]
    fn a_file_needs_exactly_one_city() {
        assert_eq!(check(Vec::new()), [0]);
        let mut rows = small();
        rows[0].parent = AreaCode::new("500101");
        assert_eq!(check(rows), [0, 2, 4], "no city, and the two rows are a cycle");
        let mut two = small();
        two[5].parent = None;
        assert_eq!(check(two), [7]);
    }

    #[test]
    fn a_tier_must_lie_below_its_parents() {
        let mut rows = small();
        rows[3].tier = Tier::District;
        rows[5].tier = Tier::City;
        assert_eq!(check(rows), [5, 7]);
    }

    #[test]
    fn every_fault_of_the_file_is_told_at_once_in_order_of_line() {
        let mut rows = small();
        rows[5].valid_from = Some(jiff::civil::date(2024, 1, 1));
        rows[5].valid_to = Some(jiff::civil::date(2023, 1, 1));
        rows[1].shape = Some(Shape { polygons: vec![vec![vec![[0.0, 0.0], [1.0, 1.0]]]] });
        rows[2].center = Some([29.5, 106.5]);
        rows[3].name = " ".into();
        rows[4].center = Some([f64::NAN, 0.0]);
        assert_eq!(check(rows), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_rows_is_judged_without_recursion() {
        let mut rows = vec![row(1, "c0", "", Tier::City)];
        for n in 1..100_000 {
            rows.push(row(n + 1, &format!("c{n}"), &format!("c{}", n - 1), Tier::Grid));
        }
        assert_eq!(check(rows).len(), 99_998, "only the first grid lies below its parent's tier");
    }

    /// A random tree: each entry picks its parent among the rows before it that may have children.
    fn trees() -> impl Strategy<Value = Vec<AreaRow>> {
        proptest::collection::vec((any::<prop::sample::Index>(), 1..3usize), 0..60).prop_map(
            |picks| {
                let mut rows = vec![row(1, "a0", "", Tier::City)];
                for (number, (pick, step)) in (1_u32..).zip(picks) {
                    let able: Vec<usize> =
                        (0..rows.len()).filter(|&i| rows[i].tier != Tier::Grid).collect();
                    let parent = &rows[able[pick.index(able.len())]];
                    let depth = Tier::ALL.iter().position(|&t| t == parent.tier).unwrap();
                    let tier = Tier::ALL[(depth + step).min(4)];
                    // Codes in no particular order.
                    let code = format!("a{}", number.wrapping_mul(2_654_435_761) >> 8);
                    let parent = parent.code.as_str().to_owned();
                    rows.push(row(number + 1, &code, &parent, tier));
                }
                rows
            },
        )
    }

    proptest! {
        #[test]
        fn ranges_children_and_parents_of_any_tree_agree(rows in trees()) {
            let tree = AreaTree::build(rows.clone()).unwrap();
            prop_assert_eq!(tree.len(), rows.len());
            let parents = tree.parents();
            for row in &rows {
                let id = tree.find(row.code.as_str()).unwrap();
                prop_assert_eq!(&tree.get(id).row, row);
                let above = tree.get(AreaId(parents[id.index()]));
                let said = row.parent.as_ref().unwrap_or(&row.code);
                prop_assert_eq!(&above.row.code, said);
                // A subtree is exactly the areas whose path passes it.
                let inside: Vec<u32> = tree
                    .iter().map(|(other, _)| other)
                    .filter(|&other| tree.path(other).contains(&id))
                    .map(|other| other.0).collect();
                prop_assert_eq!(inside, tree.subtree(id).collect::<Vec<_>>());
                let children: Vec<AreaId> = tree.children(id).collect();
                let by_parent: Vec<AreaId> = tree
                    .iter()
                    .filter(|&(other, area)| other != AreaId::ROOT && area.parent == id)
                    .map(|(other, _)| other).collect();
                prop_assert_eq!(&children, &by_parent);
                let codes: Vec<_> = children.iter().map(|&c| &tree.get(c).row.code).collect();
                prop_assert!(codes.windows(2).all(|pair| pair[0] < pair[1]));
            }
        }

        #[test]
        fn any_single_broken_row_refuses_the_file(
            rows in trees(), victim in any::<prop::sample::Index>(), kind in 0..7,
        ) {
            let mut rows = rows;
            let at = victim.index(rows.len());
            let line = rows[at].line;
            match kind {
                0 => rows[at].parent = AreaCode::new("nowhere"),
                1 => rows[at].name.clear(),
                2 => rows[at].parent = Some(rows[at].code.clone()),
                3 => rows[at].center = Some([0.0, 91.0]),
                4 => rows[at].shape = Some(Shape { polygons: vec![vec![vec![[0.0, 0.0]; 4]]] }),
                5 => {
                    rows[at].valid_from = Some(jiff::civil::date(2024, 5, 1));
                    rows[at].valid_to = Some(jiff::civil::date(2024, 4, 30));
                }
                _ => {
                    let mut again = rows[at].clone();
                    again.line = 1000;
                    rows.push(again);
                }
            }
            let faults = AreaTree::build(rows).unwrap_err();
            let told = if kind == 6 { 1000 } else { line };
            prop_assert!(faults.iter().any(|f| f.line == told), "{:?}", faults);
        }
    }
}
