//! Boundaries from one source joined to areas from another, though the two are of different years.
//!
//! A renamed area is matched only through a list of changes that the city's pack states; nothing is
//! guessed from names. What was mapped, and what was left out of a boundary, is noted on the row.

use serde::{Deserialize, Serialize};

use super::{AreaCode, AreaFault, AreaRow};
use crate::Text;
use crate::geometry::Shape;

/// A boundary as its source has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Boundary {
    /// Line or, where a file has none, number of the record from 1.
    pub line: u32,
    /// The source's code; without one it is the outline of the whole city.
    pub code: Option<AreaCode>,
    /// The source's name, where it has one.
    pub name: Option<String>,
    /// A point that stands for the area (its seat, say), where the source has one.
    pub center: Option<[f64; 2]>,
    /// The boundary.
    pub shape: Shape,
}

/// A change of code: the same area under an older and a newer one (`city.toml`, `[[recoded]]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recoded {
    /// The older code.
    pub old: AreaCode,
    /// Its name at the time.
    pub old_name: String,
    /// The newer code.
    pub new: AreaCode,
    /// Its name now.
    pub new_name: String,
    /// Who decided it, and when.
    pub source: String,
}

/// Gives each row its boundary. Slivers are left out of boundaries; a row keeps its own centre and
/// else takes the source's, when that lies inside.
///
/// # Errors
/// One fault for each boundary whose area is not among the rows, or that comes twice, or whose name
/// is neither the row's nor the older name of a stated change. Then no row is changed.
pub fn merge_boundaries(
    rows: &mut [AreaRow],
    boundaries: Vec<Boundary>,
    changes: &[Recoded],
) -> Result<(), Vec<AreaFault>> {
    let mut by_code: Vec<usize> = (0..rows.len()).collect();
    by_code.sort_by(|&a, &b| rows[a].code.cmp(&rows[b].code));
    let mut taken: Vec<(usize, u32)> = Vec::new();
    let mut faults = Vec::new();
    let mut matched = Vec::new();
    for boundary in boundaries {
        let find = |code: &AreaCode| {
            let place = by_code.binary_search_by(|&i| rows[i].code.cmp(code)).ok()?;
            Some(by_code[place])
        };
        let target = match &boundary.code {
            None => rows.iter().position(|row| row.parent.is_none()).map(|city| (city, None)),
            Some(code) => find(code).map(|row| (row, None)).or_else(|| {
                let change = changes.iter().find(|change| change.old == *code)?;
                Some((find(&change.new)?, Some(change)))
            }),
        };
        let refused = match target {
            None => Some(unknown(&boundary)),
            Some((row, change)) => misnamed(&rows[row], &boundary, change)
                .or_else(|| repeated(&mut taken, row, &boundary)),
        };
        match (refused, target) {
            (None, Some((row, change))) => matched.push((row, boundary, change)),
            (refused, _) => faults.extend(refused),
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for (row, boundary, change) in matched {
        give(&mut rows[row], boundary, change);
    }
    Ok(())
}

/// The code for messages; empty for the outline of the city.
fn shown(boundary: &Boundary) -> &str {
    boundary.code.as_ref().map_or("", AreaCode::as_str)
}

fn unknown(boundary: &Boundary) -> AreaFault {
    let code = shown(boundary);
    let reason = Text::new(
        format!("边界的代码 {code} 不在区域文件中，也不在已说明的代码变更中"),
        format!("there is no area {code} for this boundary, nor a stated change of its code"),
    );
    AreaFault { line: boundary.line, reason }
}

fn misnamed(row: &AreaRow, boundary: &Boundary, change: Option<&Recoded>) -> Option<AreaFault> {
    boundary.code.as_ref()?;
    let name = boundary.name.as_deref()?;
    let expected = change.map_or(row.name.as_str(), |c| c.old_name.as_str());
    (name != expected && name != row.name).then(|| AreaFault {
        line: boundary.line,
        reason: Text::new(
            format!("边界 {} 的名称是“{name}”，应为“{expected}”", shown(boundary)),
            format!("boundary {} is named {name}, expected {expected}", shown(boundary)),
        ),
    })
}

fn repeated(taken: &mut Vec<(usize, u32)>, row: usize, boundary: &Boundary) -> Option<AreaFault> {
    let before = taken.iter().find(|&&(owner, _)| owner == row).map(|&(_, line)| line);
    taken.push((row, boundary.line));
    before.map(|line| AreaFault {
        line: boundary.line,
        reason: Text::new(
            format!("边界 {} 与第 {line} 条重复", shown(boundary)),
            format!("boundary {} is already given in record {line}", shown(boundary)),
        ),
    })
}

fn give(row: &mut AreaRow, boundary: Boundary, change: Option<&Recoded>) {
    let (shape, slivers) = boundary.shape.without_slivers();
    let mut notes: Vec<String> = row.note.take().into_iter().collect();
    if let Some(change) = change {
        notes.push(format!(
            "边界来源仍用旧称“{}”（{}） / boundary published under the former {} {}",
            change.old_name, change.old, change.old, change.old_name
        ));
    }
    if slivers > 0 {
        notes.push(format!(
            "边界略去 {slivers} 个无面积的碎片 / {slivers} slivers without area left out"
        ));
    }
    let seat = boundary.center.filter(|&c| shape.contains(c));
    row.center = row.center.or(seat).or_else(|| shape.inner_point());
    row.shape = Some(shape);
    row.note = (!notes.is_empty()).then(|| notes.join("; "));
}

#[cfg(test)]
mod tests {
    use super::super::Tier;
    use super::*;

    fn code(text: &str) -> AreaCode {
        AreaCode::new(text).unwrap()
    }

    fn rows() -> Vec<AreaRow> {
        [("500156", "武隆区"), ("500229", "城口县")]
            .map(|(c, name)| AreaRow {
                line: 1,
                code: code(c),
                parent: Some(code("50")),
                name: name.to_owned(),
                tier: Tier::District,
                valid_from: None,
                valid_to: None,
                center: None,
                shape: None,
                generated: false,
                note: None,
            })
            .to_vec()
    }

    fn boundary(line: u32, c: &str, name: &str) -> Boundary {
        let ring = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let sliver = vec![[5.0, 5.0], [5.0, 5.1], [5.0, 5.0]];
        Boundary {
            line,
            code: AreaCode::new(c),
            name: Some(name.to_owned()),
            center: Some([9.0, 9.0]),
            shape: Shape { polygons: vec![vec![ring], vec![sliver]] },
        }
    }

    fn changes() -> Vec<Recoded> {
        vec![Recoded {
            old: code("500232"),
            old_name: "武隆县".into(),
            new: code("500156"),
            new_name: "武隆区".into(),
            source: "国函〔2016〕185号".into(),
        }]
    }

    #[test]
    fn a_renamed_district_gets_its_boundary_through_the_stated_change_and_says_so() {
        let mut rows = rows();
        let given = vec![boundary(1, "500232", "武隆县"), boundary(2, "500229", "城口县")];
        merge_boundaries(&mut rows, given, &changes()).unwrap();
        assert_eq!(rows[0].shape.as_ref().unwrap().polygons.len(), 1);
        let note = rows[0].note.as_ref().unwrap();
        assert!(note.contains("500232") && note.contains("1 slivers"), "{note}");
        assert!(!rows[1].note.as_ref().unwrap().contains("former"));
        assert_eq!(rows[0].center, Some([0.5, 0.5]), "a seat outside the boundary is not used");
    }

    #[test]
    fn a_boundary_without_a_code_is_the_outline_of_the_city() {
        let mut rows = rows();
        assert!(merge_boundaries(&mut rows, vec![boundary(1, "", "重庆")], &[]).is_err());
        rows[1].parent = None;
        merge_boundaries(&mut rows, vec![boundary(1, "", "重庆")], &[]).unwrap();
        assert!(rows[0].shape.is_none() && rows[1].shape.is_some());
    }

    #[test]
    fn unknown_repeated_and_misnamed_boundaries_refuse_the_file_and_change_nothing() {
        let mut changed = rows();
        let given = vec![
            boundary(1, "500229", "城口县"),
            boundary(2, "500999", "何处"),
            boundary(3, "500229", "城口县"),
            boundary(4, "500232", "别名"),
        ];
        let faults = merge_boundaries(&mut changed, given, &changes()).unwrap_err();
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(changed, rows());
        let lone = merge_boundaries(&mut changed, vec![boundary(7, "500232", "武隆县")], &[]);
        assert_eq!(lone.unwrap_err()[0].line, 7);
    }
}
