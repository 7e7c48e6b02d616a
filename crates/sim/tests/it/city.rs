//! The demo city from its packs in the repository, built once for all tests.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use chengmai_engine::Catalog;
use chengmai_model::AreaTree;
use chengmai_model::city::City;
use chengmai_model::pack::{self, Pack};
use chengmai_sim::fleet::Fleet;

/// Domain packs that the fleet measures for.
const PACKS: [&str; 5] = ["air", "drainage", "gas", "street", "water"];

pub(crate) struct TestCity {
    pub(crate) profile: City,
    pub(crate) areas: Arc<AreaTree>,
    pub(crate) packs: Vec<Pack>,
    pub(crate) catalog: Catalog,
    pub(crate) fleet: Fleet,
}

/// The city with 100,000 devices, as the demo has it.
pub(crate) fn city() -> &'static TestCity {
    static CITY: OnceLock<TestCity> = OnceLock::new();
    CITY.get_or_init(|| {
        let files = read_pack("chongqing");
        let profile = City::parse(&files).unwrap();
        let rows = profile.area_rows(&files).unwrap();
        let areas = Arc::new(AreaTree::build(rows).unwrap());
        let packs: Vec<Pack> =
            PACKS.iter().map(|name| pack::parse(&read_pack(name)).unwrap()).collect();
        let catalog = Catalog::compile(&packs).unwrap();
        let fleet = Fleet::new(&areas, 100_000, 1);
        TestCity { profile, areas, packs, catalog, fleet }
    })
}

fn read_pack(name: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../packs").join(name);
    let mut files = Vec::new();
    read_folder(&folder, &folder, &mut files);
    files.sort();
    files
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_folder(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}
