//! The real import: the statistics bureau's 12,292 areas of Chongqing and the published district
//! boundaries, from file to tree. And what one broken row does to such a file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]

use chengmai_model::area::{
    AreaFault, AreaRow, AreaTree, Boundary, Recoded, complete, merge_boundaries,
};
use chengmai_model::testing::shared_data;
use chengmai_model::{AreaCode, AreaId, Tier};
use chengmai_wire::areas::{decode_boundaries, decode_rows};

const ROWS: &str = "cn-divisions-chongqing/divisions_2020_5level.csv";
const DISTRICTS: &str = "chongqing-districts-geo/chongqing_districts.geojson";
const OUTLINE: &str = "chongqing-districts-geo/chongqing_outline.geojson";

/// The file's bytes, or `None` after the skip was noted.
fn read(path: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(shared_data(path)?).unwrap())
}

fn rows() -> Option<Vec<AreaRow>> {
    let decoded = decode_rows(&read(ROWS)?);
    assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
    Some(decoded.rows)
}

fn boundaries(path: &str) -> Option<Vec<Boundary>> {
    let decoded = decode_boundaries(&read(path)?);
    assert!(decoded.faults.is_empty(), "{:?}", decoded.faults);
    let convert = |b: chengmai_wire::areas::Boundary| Boundary {
        line: b.line,
        code: b.code,
        name: b.name,
        center: b.center,
        shape: b.shape,
    };
    Some(decoded.rows.into_iter().map(convert).collect())
}

/// The changes that `packs/chongqing/city.toml` states.
fn changes() -> Vec<Recoded> {
    let pack = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/chongqing");
    let files = ["pack.toml", "city.toml"]
        .map(|name| (name.to_owned(), std::fs::read_to_string(pack.join(name)).unwrap()));
    chengmai_model::city::City::parse(&files).unwrap().recoded
}

fn merged() -> Option<Vec<AreaRow>> {
    let mut rows = rows()?;
    merge_boundaries(&mut rows, boundaries(DISTRICTS)?, &changes()).unwrap();
    merge_boundaries(&mut rows, boundaries(OUTLINE)?, &changes()).unwrap();
    Some(rows)
}

#[test]
fn the_real_areas_of_chongqing_build_with_their_real_boundaries() {
    let Some(rows) = merged() else { return };
    let tree = AreaTree::build(rows).unwrap();
    assert_eq!(tree.len(), 12_292);
    let count = |tier: Tier| tree.iter().filter(|(_, a)| a.row.tier == tier).count();
    assert_eq!(Tier::ALL.map(count), [1, 38, 1029, 11_224, 0]);

    let district = |code: &str| &tree.get(tree.find(code).unwrap()).row;
    let area = |code: &str| district(code).shape.as_ref().unwrap().area_km2();
    assert!((area("500103") - 22.8).abs() < 0.1, "渝中区 {} km²", area("500103"));
    let sum: f64 = tree.children(AreaId::ROOT).map(|d| area(tree.get(d).row.code.as_str())).sum();
    assert!((sum - 82_402.0).abs() < 82_402.0 * 0.005, "{sum} km²");
    assert!((area("50") - sum).abs() < sum * 0.001, "outline {} districts {sum}", area("50"));

    // The statistics have the codes since 2016, the boundaries two older ones.
    for (code, name, old) in
        [("500155", "梁平区", "500228"), ("500156", "武隆区", "500232"), ("500154", "开州区", "")]
    {
        let row = district(code);
        assert_eq!(row.name, name);
        assert!(row.shape.is_some() && tree.find(old).is_none());
        assert_eq!(!old.is_empty(), row.note.as_ref().is_some_and(|n| n.contains(old)));
    }
}

#[test]
fn real_positions_are_located_in_the_real_districts() {
    let Some(rows) = merged() else { return };
    let tree = AreaTree::build(rows.clone()).unwrap();
    let jiefangbei = [106.577, 29.557];
    let found = tree.locate(jiefangbei).unwrap();
    assert_eq!(tree.get(found).row.code.as_str(), "500103");
    assert_eq!(tree.locate([116.4, 39.9]), None);

    // With generated centres and grids the same position is placed down to a grid cell.
    let whole = AreaTree::build(complete(rows).unwrap()).unwrap();
    let grid = whole.locate(jiefangbei).unwrap();
    assert_eq!(whole.get(grid).row.tier, Tier::Grid);
    assert!(whole.contains(whole.find("500103").unwrap(), grid));
    let grids = whole.iter().filter(|(_, a)| a.row.tier == Tier::Grid).count();
    assert!((66_000..=68_500).contains(&grids), "{grids}");
}

#[test]
fn one_broken_row_refuses_the_real_file_and_names_its_line() {
    let Some(good) = rows() else { return };
    let check = |line: u32, break_it: &dyn Fn(&mut AreaRow)| {
        let mut rows = good.clone();
        let row = rows.iter_mut().find(|row| row.line == line).unwrap();
        break_it(row);
        let faults = AreaTree::build(rows).unwrap_err();
        let lines: Vec<u32> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [line], "{faults:?}");
    };
    let date = |text: &str| Some(text.parse().unwrap());
    // Line 4 is a town, line 3 its district, lines 5 and 6 its first communities.
    check(4, &|row| row.parent = AreaCode::new("500199"));
    check(6, &|row| row.code = AreaCode::new("500101001001").unwrap());
    check(3, &|row| row.parent = Some(row.code.clone()));
    check(12_293, &|row| row.center = Some([29.5, 106.5]));
    check(9000, &|row| {
        row.valid_from = date("2024-06-30");
        row.valid_to = date("2023-06-30");
    });
}

#[test]
fn a_cycle_and_a_broken_ring_refuse_files_as_they_are_written() {
    let check = |csv: &str, geojson: &str| -> Vec<AreaFault> {
        let mut rows = decode_rows(csv.as_bytes()).rows;
        let given = decode_boundaries(geojson.as_bytes());
        assert!(given.faults.is_empty(), "{:?}", given.faults);
        let given = given.rows.into_iter().map(|b| Boundary {
            line: b.line,
            code: b.code,
            name: b.name,
            center: b.center,
            shape: b.shape,
        });
        match merge_boundaries(&mut rows, given.collect(), &[]) {
            Ok(()) => AreaTree::build(rows).err().unwrap_or_default(),
            Err(faults) => faults,
        }
    };
    let csv = "code,parent,name,level\n50,,市,1\n500101,50,区,2\n500101001,500101,街道,3\n";
    let ring = |points: &str| {
        format!(
            "{{\"type\":\"FeatureCollection\",\"features\":[{{\"type\":\"Feature\",\"id\":\"500101\",\
             \"properties\":{{\"name\":\"区\"}},\"geometry\":{{\"type\":\"Polygon\",\"coordinates\":[[{points}]]}}}}]}}"
        )
    };
    let sound = ring("[106,29],[107,29],[107,30],[106,29]");
    assert_eq!(check(csv, &sound), []);

    let knot = check(csv, &ring("[106,29],[107,30],[107,29],[106,30.5],[106,29]"));
    assert_eq!(knot.len(), 1);
    assert!(knot[0].line == 3 && knot[0].reason.en.contains("crosses itself"), "{knot:?}");

    let cycle = check(&csv.replace("500101,50,", "500101,500101001,"), &sound);
    assert_eq!(cycle.iter().map(|f| f.line).collect::<Vec<_>>(), [3, 4]);
}
