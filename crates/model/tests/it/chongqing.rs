//! The city's own pack: its areas build, are where they should be, and need no other file.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends there")]

use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chengmai_model::area::{AreaRow, AreaTree};
use chengmai_model::city::City;
use chengmai_model::{AreaId, Tier};

type Files = Vec<(String, String)>;

fn files() -> Files {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/chongqing");
    let entries = std::fs::read_dir(pack).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

fn load() -> (City, Vec<AreaRow>) {
    let files = files();
    let city = City::parse(&files).unwrap();
    let rows = city.area_rows(&files).unwrap();
    (city, rows)
}

static CHONGQING: LazyLock<(City, AreaTree)> = LazyLock::new(|| {
    let (city, rows) = load();
    (city, AreaTree::build(rows).unwrap())
});

/// The least time that three runs took of this thread's processor. What else the machine does at the
/// time must not fail a test; systems that do not tell get the time on the wall.
fn least_time(mut run: impl FnMut()) -> Duration {
    let start = Instant::now();
    let now = || {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
        nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
    };
    let runs = (0..3).map(|_| {
        let before = now();
        run();
        now().saturating_sub(before)
    });
    let least = runs.min().unwrap();
    assert!(!least.is_zero(), "this system's clock stands still");
    least
}

fn count(tree: &AreaTree, tier: Tier) -> usize {
    tree.iter().filter(|(_, area)| area.row.tier == tier).count()
}

fn find(code: &str) -> AreaId {
    CHONGQING.1.find(code).unwrap_or_else(|| panic!("there is no area {code}"))
}

#[test]
fn the_city_has_its_published_areas_and_about_67_000_generated_grids() {
    let tree = &CHONGQING.1;
    let counts = Tier::ALL.map(|tier| count(tree, tier));
    assert_eq!(counts[..4], [1, 38, 1031, 11270]);
    assert!((66_500..=68_000).contains(&counts[4]), "{} grids", counts[4]);
    for (_, area) in tree.iter() {
        assert_eq!(area.row.generated, area.row.tier == Tier::Grid);
        assert!(area.row.center.is_some(), "{} has no centre", area.row.code);
    }
}

#[test]
fn names_are_whole_again_though_the_file_shortens_them() {
    let tree = &CHONGQING.1;
    let name = |code: &str| tree.get(find(code)).row.name.as_str();
    assert_eq!(name("500101001001"), "东方广场社区居民委员会");
    assert_eq!(name("500103"), "渝中区");
    assert_eq!(name("500101001001001"), "第一网格");
}

#[test]
fn the_tree_builds_from_the_packs_files_alone_in_a_second_and_a_half() {
    let files = files();
    let took = least_time(|| {
        let city = City::parse(&files).unwrap();
        let tree = AreaTree::build(city.area_rows(&files).unwrap()).unwrap();
        assert!(tree.len() > 79_000);
    });
    assert!(took < Duration::from_millis(1500), "took {took:?}");
}

#[test]
fn rows_are_the_same_on_every_run() {
    assert_eq!(load().1, load().1);
}

#[test]
fn the_three_districts_whose_codes_changed_have_their_boundaries() {
    let tree = &CHONGQING.1;
    let check = |code: &str, name: &str, km2: f64, note: Option<&str>| {
        let row = &tree.get(find(code)).row;
        assert_eq!(row.name, name);
        let area = row.shape.as_ref().unwrap().area_km2();
        assert!((area - km2).abs() < km2 * 0.02, "{name}: {area} km²");
        let said = row.note.as_deref().unwrap_or_default();
        assert_eq!(note.is_some(), said.contains("former"), "{name}: {said}");
        assert!(said.contains(note.unwrap_or_default()));
    };
    // Official areas of the districts.
    check("500155", "梁平区", 1892.0, Some("500228"));
    check("500156", "武隆区", 2901.0, Some("500232"));
    check("500154", "开州区", 3963.0, None);
    assert!(tree.find("500228").is_none() && tree.find("500232").is_none());
}

#[test]
fn thinned_boundaries_keep_the_citys_area_and_do_not_overlap() {
    let tree = &CHONGQING.1;
    let area = |id: AreaId| tree.get(id).row.shape.as_ref().unwrap().area_km2();
    let city = area(AreaId::ROOT);
    assert!((city - 82_402.0).abs() < 82_402.0 * 0.005, "{city} km²");
    let sum: f64 = tree.children(AreaId::ROOT).map(area).sum();
    assert!((sum - city).abs() < city * 0.002, "districts {sum}, city {city}");
    let core = area(find("500103"));
    assert!((core - 22.8).abs() < 1.2, "渝中区 {core} km²");
    let mut homes = 0;
    for step in 0..40_u32 {
        let position = [105.6 + f64::from(step) * 0.11, 29.0 + f64::from(step % 7) * 0.3];
        let around = tree
            .children(AreaId::ROOT)
            .filter(|&d| tree.get(d).row.shape.as_ref().unwrap().contains(position));
        let districts = around.count();
        assert!(districts <= 1, "{position:?} lies in {districts} districts");
        homes += districts;
    }
    assert!(homes > 15, "only {homes} probes fell into the city");
}

#[test]
fn known_places_are_located_in_their_districts() {
    let tree = &CHONGQING.1;
    let check = |position: [f64; 2], code: Option<&str>| {
        let district = tree.locate(position).and_then(|id| tree.at_tier(id, Tier::District));
        let found = district.map(|id| tree.get(id).row.code.as_str());
        assert_eq!(found, code, "{position:?}");
    };
    check([106.577, 29.557], Some("500103")); // 解放碑
    check([106.4575, 29.5586], Some("500106")); // 三峡广场
    check([106.5112, 29.5020], Some("500107")); // 杨家坪
    check([108.4087, 30.8078], Some("500101")); // 万州主城
    check([108.3935, 31.1607], Some("500154")); // 开州主城
    check([107.7602, 29.3255], Some("500156")); // 武隆主城
    check([116.4, 39.9], None); // 北京
}

#[test]
fn every_centre_is_located_in_its_own_area() {
    let tree = &CHONGQING.1;
    // A step that meets all tiers and districts without asking for all eighty thousand.
    for (id, area) in tree.iter().step_by(37) {
        let found = tree.locate(area.row.center.unwrap()).unwrap();
        assert!(
            tree.contains(id, found),
            "{} is located in {}",
            area.row.code,
            tree.get(found).row.code
        );
    }
}

#[test]
fn the_children_of_an_area_are_drawn_in_ten_milliseconds() {
    let tree = &CHONGQING.1;
    for code in ["500101", "500235", "500116", "500103001", "500101001001"] {
        let shapes = tree.child_shapes(find(code));
        assert_eq!(shapes.len(), tree.children(find(code)).count());
        assert!(shapes.iter().all(|(_, shape, made)| *made && shape.check().is_ok()));
    }
    let districts = tree.child_shapes(AreaId::ROOT);
    assert!(districts.len() == 38 && districts.iter().all(|(_, _, made)| !made));

    // The district with the most towns, a hundred times: the system's clock is coarse.
    let most = tree.children(AreaId::ROOT).max_by_key(|&d| tree.children(d).count()).unwrap();
    let took = least_time(|| {
        for _ in 0..100 {
            assert!(tree.child_shapes(most).len() > 50);
        }
    });
    assert!(took < Duration::from_secs(1), "{took:?} for a hundred");
}

#[test]
fn the_city_says_what_it_is() {
    let city = &CHONGQING.0;
    assert_eq!((city.root.as_str(), city.time_zone.as_str()), ("50", "Asia/Shanghai"));
    let sections: Vec<&str> = city.sections.iter().map(|s| s.name.zh.as_str()).collect();
    let eight = [
        "党建统领",
        "经济发展",
        "设施运行",
        "社会治理",
        "应急动员",
        "文明创建",
        "生态景观",
        "生产生活服务",
    ];
    assert_eq!(sections, eight);
    assert_eq!(city.tier_name(Tier::Grid).zh, "网格");
    for overlay in &city.overlays {
        for member in &overlay.members {
            assert!(CHONGQING.1.find(member.as_str()).is_some(), "{member} of {}", overlay.code);
        }
    }
    assert_eq!(city.overlays[0].members.len(), 9);
}

#[test]
fn every_district_and_town_has_its_agencies() {
    let (city, tree) = &*CHONGQING;
    let agencies = city.agencies(tree);
    let of = |kind: &str| agencies.iter().filter(|a| a.kind == kind).count();
    assert_eq!((of("gas_company"), of("town_office")), (38, 1031));
    let gas = agencies.iter().find(|a| a.id == "gas_company-500103").unwrap();
    assert_eq!(
        (gas.name.zh.as_str(), gas.name.en.as_str()),
        ("渝中区燃气公司", "Yuzhong Gas Company")
    );
    assert_eq!(gas.area.as_str(), "500103");
}
