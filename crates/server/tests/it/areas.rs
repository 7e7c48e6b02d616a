//! Importing areas: all or nothing, with line numbers.

use serde_json::json;

use crate::harness::{City, Folder};

fn import(folder: &Folder, text: &str, more: &[&str]) -> (bool, String) {
    let file = folder.path().join("given.csv");
    std::fs::write(&file, text).unwrap();
    let output = folder.import_areas(&file, more);
    let words = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(words).unwrap())
}

#[test]
fn one_bad_row_refuses_the_whole_file_and_names_its_line() {
    let folder = Folder::new();
    let before = std::fs::read(folder.data().join("areas.json")).unwrap();
    let head = "code,parent,name,tier\n60,,新市,city\n600001,60,东区,district\n";
    for (what, row) in [
        ("a code twice", "600001,60,重复,district"),
        ("an orphan", "600002,99,孤儿,district"),
        ("a tier above its parent's", "600003,600001,倒置,city"),
        ("a tier that does not exist", "600003,60,某区,borough"),
        ("a code with spaces", "600 003,60,某区,district"),
        ("a second city", "61,,另市,city"),
    ] {
        let (done, words) = import(&folder, &format!("{head}{row}\n"), &[]);
        assert!(!done, "{what} is taken: {words}");
        assert!(words.contains("line 4:"), "{what}: its line is not named: {words}");
        assert!(words.contains("E-201"), "{what}: {words}");
        let after = std::fs::read(folder.data().join("areas.json")).unwrap();
        assert_eq!(before, after, "{what}: a refused file changed the areas");
    }
    let two = format!("{head}600002,99,孤儿,district\n600003,98,孤儿,district\n");
    let (_, words) = import(&folder, &two, &[]);
    assert!(words.contains("line 4:") && words.contains("line 5:"), "{words}");
    let city = City::start(&folder, &[]);
    let (status, area) = city.get("/api/v1/areas/500103001", &city.admin);
    assert_eq!((status, &area["name"]), (200, &json!("甲一街道")));
}

#[test]
fn a_cycle_is_refused_and_so_is_broken_geometry() {
    let folder = Folder::empty();
    let cycle = "code,parent,name,tier\n60,,新市,city\n600001,600001001,东区,district\n600001001,600001,一街,town\n";
    let (done, words) = import(&folder, cycle, &[]);
    assert!(!done && words.contains("line 3:"), "{words}");
    let good = "code,parent,name,tier\n60,,新市,city\n600001,60,东区,district\n";
    let bow_tie = json!({"type": "FeatureCollection", "features": [{"type": "Feature",
        "properties": {"adcode": "600001", "name": "东区"},
        "geometry": {"type": "Polygon", "coordinates":
            [[[106.0, 29.0], [107.0, 30.0], [107.0, 29.0], [106.0, 30.0], [106.0, 29.0]]]}}]});
    let shapes = folder.path().join("shapes.geojson");
    std::fs::write(&shapes, bow_tie.to_string()).unwrap();
    let (done, words) = import(&folder, good, &["--boundaries", shapes.to_str().unwrap()]);
    assert!(!done && words.contains("E-201"), "{words}");
    assert!(!folder.data().join("areas.json").exists(), "something was written");
}

#[test]
fn a_right_file_is_served_and_its_missing_grids_are_labelled_as_generated() {
    let folder = Folder::empty();
    let text = "\
code,parent,name,tier
60,,新市,city
600001,60,东区,district
600001001,600001,一街,town
600001001001,600001001,一社区,community
";
    let (done, words) = import(&folder, text, &[]);
    assert!(done && words.contains("generated"), "{words}");
    let city = City::start(&folder, &[]);
    let (_, about) = city.get("/api/v1/city", "");
    assert_eq!(about["root"], "60", "{about}");
    let grids = city.list("/api/v1/areas?tier=grid", &city.admin);
    assert!((3..=9).contains(&grids.len()), "{grids:#?}");
    for grid in &grids {
        assert_eq!((&grid["generated"], &grid["parent"]), (&json!(true), &json!("600001001001")));
        assert_eq!(grid["code"].as_str().unwrap().len(), 15);
    }
    let (_, community) = city.get("/api/v1/areas/600001001001", &city.admin);
    assert_eq!(community["generated"], false);
    let tiers: Vec<&str> = community["ancestors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["tier"].as_str().unwrap())
        .collect();
    assert_eq!(tiers, ["city", "district", "town"]);
}
