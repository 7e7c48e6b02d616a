//! What no open data has, made up the same way on every run: centres of towns and communities, and
//! the grid cells 网格 of the fifth tier with their 15-digit codes (GB/T 30428.1).
//!
//! Nothing made here is stored or exported as if it were data: grid rows say `generated`, and a
//! generated centre says so in the row's note.

use super::centers::{Focus, reading_order, scatter, seed_of};
use super::{AreaCode, AreaFault, AreaId, AreaRow, AreaTree, Tier};
use crate::geometry::Shape;

/// Fewest grid cells of a community, and how many different numbers there are from there on: 3 to 9,
/// on the mean 6, which for Chongqing's 11,000 communities gives about 67,000.
const GRIDS: (u64, u64) = (3, 7);

/// Spacing near the focus, by the parent's tier: a district's towns crowd around its seat; the
/// communities of a town crowd less.
const SPACING: [(Tier, f64); 2] = [(Tier::District, 0.12), (Tier::Town, 0.5)];

/// Said on a row whose centre was made up.
const CENTER_NOTE: &str = "中心点为程序生成，无公开数据 / centre generated: no open data";

/// Fills in what open data lacks: a centre for every area below a known boundary, and grid cells for
/// every community that has none.
///
/// Siblings are placed in order of code from the parent's centre outwards: in GB/T 10114 codes the
/// streets of the seat come first, then the outer towns.
///
/// # Errors
/// As [`AreaTree::build`]: broken rows are refused before anything is made up.
pub fn complete(rows: Vec<AreaRow>) -> Result<Vec<AreaRow>, Vec<AreaFault>> {
    let mut tree = AreaTree::build(rows)?;
    let mut grids = Vec::new();
    let mut open: Vec<(AreaId, Option<Shape>)> = vec![(AreaId::ROOT, None)];
    while let Some((id, cell)) = open.pop() {
        let outline = tree.get(id).row.shape.clone().or(cell);
        let children: Vec<AreaId> = tree.children(id).collect();
        if children.is_empty() {
            let row = &tree.get(id).row;
            if row.tier == Tier::Community {
                grids.extend(grids_of(row, outline.as_ref()));
            }
            continue;
        }
        place_children(&mut tree, id, &children, outline.as_ref());
        let mut shapes: Vec<Option<Shape>> = vec![None; children.len()];
        for (child, shape, generated) in tree.child_shapes_in(id, outline.as_ref()) {
            if let Ok(place) = children.binary_search(&child) {
                shapes[place] = generated.then_some(shape);
            }
        }
        open.extend(children.into_iter().zip(shapes));
    }
    let mut rows: Vec<AreaRow> = tree.areas.into_iter().map(|area| area.row).collect();
    rows.extend(grids);
    Ok(rows)
}

/// Gives a centre to every child that has none.
fn place_children(
    tree: &mut AreaTree,
    parent: AreaId,
    children: &[AreaId],
    outline: Option<&Shape>,
) {
    let mut homeless = Vec::new();
    let mut taken = Vec::new();
    for &child in children {
        let row = &mut tree.areas[child.index()].row;
        match (row.center, &row.shape) {
            (Some(center), _) => taken.push(center),
            (None, Some(shape)) => row.center = shape.inner_point(),
            (None, None) => homeless.push(child),
        }
    }
    let Some(outline) = outline.filter(|_| !homeless.is_empty()) else { return };
    let row = &tree.get(parent).row;
    let at = row.center.or_else(|| outline.inner_point());
    let spacing = SPACING.iter().find(|(tier, _)| *tier == row.tier).map_or(1.0, |&(_, s)| s);
    let focus = at.map(|at| Focus { at, spacing });
    let seed = seed_of(row.code.as_str());
    let places = scatter(outline, &taken, homeless.len(), seed, focus);
    for (child, place) in homeless.into_iter().zip(places) {
        let row = &mut tree.areas[child.index()].row;
        row.center = Some(place);
        row.note = Some(match row.note.take() {
            Some(note) => format!("{note}; {CENTER_NOTE}"),
            None => CENTER_NOTE.to_owned(),
        });
    }
}

/// The grid cells of one community; without centres when nothing says where the community is.
fn grids_of(community: &AreaRow, outline: Option<&Shape>) -> Vec<AreaRow> {
    let code = community.code.as_str();
    let seed = seed_of(code);
    let count = usize::try_from(GRIDS.0 + seed % GRIDS.1).unwrap_or(3);
    let mut centers = outline.map_or_else(Vec::new, |o| scatter(o, &[], count, seed, None));
    reading_order(&mut centers);
    let grid = |number: usize| {
        Some(AreaRow {
            line: community.line,
            code: AreaCode::new(&format!("{code}{number:03}"))?,
            parent: Some(community.code.clone()),
            name: format!("第{}网格", chinese_number(number)),
            tier: Tier::Grid,
            valid_from: community.valid_from,
            valid_to: community.valid_to,
            center: centers.get(number - 1).copied(),
            shape: None,
            generated: true,
            note: None,
        })
    };
    // A community code too long to carry three more digits has no grid cells.
    (1..=count).filter_map(grid).collect()
}

/// 1 to 99 in Chinese.
fn chinese_number(number: usize) -> String {
    const DIGITS: [&str; 10] = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九"];
    let (tens, ones) = (number / 10 % 10, DIGITS[number % 10]);
    match tens {
        0 => ones.to_owned(),
        1 => format!("十{ones}"),
        _ => format!("{}十{ones}", DIGITS[tens]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::signed_area;

    fn row(code: &str, parent: &str, tier: Tier) -> AreaRow {
        AreaRow {
            line: 1,
            code: AreaCode::new(code).unwrap(),
            parent: AreaCode::new(parent),
            name: code.to_owned(),
            tier,
            valid_from: None,
            valid_to: None,
            center: None,
            shape: None,
            generated: false,
            note: None,
        }
    }

    /// One square district, five towns of four communities each, and a district without a shape.
    fn rows() -> Vec<AreaRow> {
        let mut rows = vec![
            row("50", "", Tier::City),
            row("500101", "50", Tier::District),
            row("500102", "50", Tier::District),
            row("500102001", "500102", Tier::Town),
            row("500102001001", "500102001", Tier::Community),
        ];
        rows[1].shape = Some(Shape {
            polygons: vec![vec![vec![[106.0, 29.0], [106.5, 29.0], [106.5, 29.4], [106.0, 29.4]]]],
        });
        for town in 1..=5 {
            let code = format!("500101{town:03}");
            rows.push(row(&code, "500101", Tier::Town));
            for community in 1..=4 {
                rows.push(row(&format!("{code}{community:03}"), &code, Tier::Community));
            }
        }
        rows
    }

    #[test]
    fn every_community_gets_three_to_nine_grids_with_fifteen_digits() {
        let tree = AreaTree::build(complete(rows()).unwrap()).unwrap();
        let mut communities = 0;
        for (id, area) in tree.iter().filter(|(_, a)| a.row.tier == Tier::Community) {
            communities += 1;
            let grids: Vec<_> = tree.children(id).map(|g| &tree.get(g).row).collect();
            assert!((3..=9).contains(&grids.len()));
            for (grid, number) in grids.iter().zip(1..) {
                assert_eq!(grid.code.as_str(), format!("{}{number:03}", area.row.code));
                assert!(grid.generated && grid.code.as_str().len() == 15);
            }
            assert_eq!(grids[2].name, "第三网格");
        }
        assert_eq!(communities, 21);
    }

    #[test]
    fn each_generated_centre_is_located_in_its_own_area_and_drawn_inside_its_own_cell() {
        let tree = AreaTree::build(complete(rows()).unwrap()).unwrap();
        let district = tree.find("500101").unwrap();
        let mut grids = 0;
        for id in tree.subtree(district).map(AreaId) {
            let row = &tree.get(id).row;
            let center = row.center.unwrap();
            let found = tree.locate(center).unwrap();
            assert!(
                tree.contains(id, found),
                "{} is located in {}",
                row.code,
                tree.get(found).row.code
            );
            let (shape, generated) = tree.shape_of(id).unwrap();
            assert!(shape.contains(center) && shape.check().is_ok());
            assert_eq!(generated, id != district);
            assert_eq!(row.note.is_some(), matches!(row.tier, Tier::Town | Tier::Community));
            grids += u32::from(row.tier == Tier::Grid);
        }
        assert!(grids >= 60);
    }

    #[test]
    fn cells_of_children_fill_their_parent() {
        let tree = AreaTree::build(complete(rows()).unwrap()).unwrap();
        let district = tree.find("500101").unwrap();
        // In square degrees, where cutting a straight edge in two changes nothing.
        let area = |shape: &Shape| -> f64 {
            shape.polygons.iter().flatten().map(|ring| signed_area(ring)).sum::<f64>().abs()
        };
        for id in tree.subtree(district).map(AreaId).filter(|&i| tree.children(i).count() > 0) {
            let own = area(&tree.shape_of(id).unwrap().0);
            let cells = tree.child_shapes(id);
            assert_eq!(cells.len(), tree.children(id).count());
            let sum: f64 = cells.iter().map(|c| area(&c.1)).sum();
            assert!((own - sum).abs() < own * 1e-9, "{own} {sum}");
        }
    }

    #[test]
    fn an_area_below_no_boundary_gets_grids_but_no_made_up_position() {
        let tree = AreaTree::build(complete(rows()).unwrap()).unwrap();
        let grid = tree.find("500102001001001").unwrap();
        assert_eq!(tree.get(grid).row.center, None);
        assert_eq!(tree.shape_of(grid), None);
    }

    #[test]
    fn broken_rows_are_refused_before_anything_is_made_up() {
        let mut broken = rows();
        broken[4].parent = AreaCode::new("nowhere");
        assert_eq!(complete(broken).unwrap_err().len(), 1);
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        let read = [1, 10, 11, 20, 99].map(chinese_number);
        assert_eq!(read, ["一", "十", "十一", "二十", "九十九"]);
    }
}
