//! Decodes area rows (CSV) and boundaries (GeoJSON).

use chengmai_model::area::{AreaCode, AreaRow, Boundary, CodeChange, Tier};
use chengmai_model::error::AREA_FILE;
use chengmai_model::geometry::{Polygon, Ring, Shape};
use chengmai_model::text::Text;
use geojson::{Feature, GeometryValue, JsonValue, feature};

use crate::error::{Decoded, Fault, quote};
use crate::json;
use crate::table::{Row, Table, boolean, position};

const COLUMNS: [&str; 12] = [
    "code",
    "parent",
    "name",
    "level",
    "tier",
    "kind",
    "valid_from",
    "valid_to",
    "lon",
    "lat",
    "generated",
    "note",
];

/// Reads CSV with the columns `code,parent,name` and `level` (1 city .. 5 grid) or `tier` (`city` ..
/// `grid`), and, where known, `valid_from,valid_to` (`YYYY-MM-DD`), `lon,lat` (degrees), `generated`
/// (`true`/`false`), `note`. A column `kind` (the official kind of division) is read over. Faults
/// carry the line and byte; an unknown column is a fault too.
pub fn decode_rows(body: &[u8]) -> Decoded<AreaRow> {
    let mut table = match Table::open(body, &AREA_FILE) {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    if let Err(fault) = table.require(&["code", "parent", "name"]) {
        return Decoded::refused(fault);
    }
    if !table.has("tier")
        && let Err(fault) = table.require(&["level"])
    {
        return Decoded::refused(fault);
    }
    let mut decoded = Decoded { rows: Vec::new(), faults: table.unknown(&COLUMNS) };
    while let Some(row) = table.next_row() {
        decoded.push(row.and_then(|row| area_row(&row)));
    }
    decoded
}

/// Columns of a list of changes.
const CHANGE_COLUMNS: [&str; 5] = ["old", "new", "old_name", "new_name", "source"];

/// Reads CSV with the columns `old,new`: a code that is no more and the code its area goes on under.
/// `old_name`, `new_name` and `source` may stand beside them, for whoever reads the file.
pub fn decode_changes(body: &[u8]) -> Decoded<CodeChange> {
    let mut table = match Table::open(body, &AREA_FILE) {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    if let Err(fault) = table.require(&["old", "new"]) {
        return Decoded::refused(fault);
    }
    let mut decoded = Decoded { rows: Vec::new(), faults: table.unknown(&CHANGE_COLUMNS) };
    while let Some(row) = table.next_row() {
        decoded.push(row.and_then(|row| {
            let code = |column| {
                row.required(column)?;
                let code = row.parsed(column, &code_words(), AreaCode::new)?;
                Ok(code.expect("a required column that parsed has a value"))
            };
            Ok(CodeChange { old: code("old")?, new: code("new")? })
        }));
    }
    decoded
}

/// What an area code is.
fn code_words() -> Text {
    Text::new(
        "区域代码（1 到 32 个字母、数字、- 或 _）",
        "an area code of 1 to 32 letters, digits, - or _",
    )
}

/// Reads a GeoJSON `FeatureCollection` of `Polygon` and `MultiPolygon` features.
pub fn decode_boundaries(body: &[u8]) -> Decoded<Boundary> {
    let features = match json::features(body, &AREA_FILE) {
        Ok(features) => features,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded::default();
    for item in features {
        decoded.push(boundary(&item));
    }
    decoded
}

fn area_row(row: &Row<'_>) -> Result<AreaRow, Fault> {
    let code_words = code_words();
    let date_words = Text::new("YYYY-MM-DD 日期", "a date YYYY-MM-DD");
    row.required("code")?;
    let code = row.parsed("code", &code_words, AreaCode::new)?;
    let parent = row.parsed("parent", &code_words, AreaCode::new)?;
    let name = row.required("name")?.to_owned();
    let truth = Text::new(" true 或 false", "true or false");
    Ok(AreaRow {
        line: row.line,
        code: code.expect("a required column that parsed has a value"),
        parent,
        name,
        tier: tier(row)?,
        valid_from: row.parsed("valid_from", &date_words, |t| t.parse().ok())?,
        valid_to: row.parsed("valid_to", &date_words, |t| t.parse().ok())?,
        center: position(row)?,
        shape: None,
        generated: row.parsed("generated", &truth, boolean)?.unwrap_or(false),
        note: row.text("note")?.map(str::to_owned),
    })
}

fn tier(row: &Row<'_>) -> Result<Tier, Fault> {
    let words = Text::new(
        "层级（1 到 5，或 city district town community grid）",
        "a tier: 1 to 5, or city, district, town, community, grid",
    );
    let parse = |text: &str| match text.parse::<usize>() {
        Ok(level) => Tier::ALL.get(level.checked_sub(1)?).copied(),
        Err(_) => Tier::from_word(text),
    };
    if let Some(tier) = row.parsed("tier", &words, parse)? {
        return Ok(tier);
    }
    match row.parsed("level", &words, parse)? {
        Some(tier) => Ok(tier),
        None => Err(row.fault("level", "缺少 level 或 tier", "level or tier is missing")),
    }
}

fn boundary(item: &json::Item<'_>) -> Result<Boundary, Fault> {
    let feature: Feature = item.parse()?;
    let property = |name: &str| feature.properties.as_ref().and_then(|p| p.get(name));
    let id = match &feature.id {
        Some(feature::Id::String(text)) => Some(text.clone()),
        Some(feature::Id::Number(number)) => Some(number.to_string()),
        None => property("code").or_else(|| property("adcode")).and_then(word),
    };
    let code = match id {
        None => None,
        Some(id) => Some(AreaCode::new(&id).ok_or_else(|| {
            let shown = quote(id.as_bytes());
            item.fault(
                format!("要素编号 `{shown}` 不是区域代码"),
                format!("feature id `{shown}` is not an area code"),
            )
        })?),
    };
    let center = ["center", "cp", "centroid"].into_iter().find_map(|key| lon_lat(property(key)?));
    let polygons = match feature.geometry.as_ref().map(|g| &g.value) {
        Some(GeometryValue::Polygon { coordinates }) => vec![polygon(item, coordinates)?],
        Some(GeometryValue::MultiPolygon { coordinates }) => {
            coordinates.iter().map(|p| polygon(item, p)).collect::<Result<_, _>>()?
        }
        other => {
            let found = other.map_or("null", |g| g.type_name());
            return Err(item.fault(
                format!("几何类型为 {found}，应为 Polygon 或 MultiPolygon"),
                format!("the geometry is {found}, not a Polygon or MultiPolygon"),
            ));
        }
    };
    let polygons: Vec<Polygon> = polygons.into_iter().flatten().collect();
    if polygons.is_empty() {
        return Err(item.fault(
            "没有围成面积的多边形（环至少三个点）",
            "no polygon encloses an area (rings have at least three points)",
        ));
    }
    let name = property("name").and_then(JsonValue::as_str).map(str::to_owned);
    Ok(Boundary { line: item.line, code, name, center, shape: Shape { polygons } })
}

/// A polygon without its slivers: published boundaries hold rings of one or two points, left over
/// from simplifying, that enclose nothing. `None` when the outer ring is one.
fn polygon(
    item: &json::Item<'_>,
    rings: &[Vec<geojson::Position>],
) -> Result<Option<Polygon>, Fault> {
    let mut kept = Polygon::with_capacity(rings.len());
    for (number, points) in rings.iter().enumerate() {
        let ring = ring(item, number + 1, points)?;
        let encloses = ring.len() >= 3;
        if number == 0 && !encloses {
            return Ok(None);
        }
        if encloses {
            kept.push(ring);
        }
    }
    Ok((!kept.is_empty()).then_some(kept))
}

fn ring(item: &json::Item<'_>, number: usize, points: &[geojson::Position]) -> Result<Ring, Fault> {
    let mut ring: Ring = Vec::with_capacity(points.len());
    for point in points {
        match point.as_slice() {
            &[lon, lat, ..] if lon.abs() <= 180.0 && lat.abs() <= 90.0 => ring.push([lon, lat]),
            other => {
                return Err(item.fault(
                    format!("第 {number} 环的点 {other:?} 不是经纬度"),
                    format!("point {other:?} of ring {number} is not a longitude and latitude"),
                ));
            }
        }
    }
    if ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    Ok(ring)
}

fn word(value: &JsonValue) -> Option<String> {
    match value {
        JsonValue::String(text) => Some(text.clone()),
        JsonValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn lon_lat(value: &JsonValue) -> Option<[f64; 2]> {
    match value.as_array()?.as_slice() {
        [lon, lat] => Some([lon.as_f64()?, lat.as_f64()?]),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::format_push_string, reason = "a failing test may allocate")]
mod tests {
    use super::*;
    use crate::error::assert_text;

    fn check_rows(input: &str, expected: &str) {
        let decoded = decode_rows(input.as_bytes());
        let mut out = String::new();
        for r in &decoded.rows {
            let parent = r.parent.as_ref().map_or("-", AreaCode::as_str);
            out += &format!("{} {} < {parent} {} {}", r.line, r.code, r.name, r.tier.word());
            for day in [r.valid_from, r.valid_to].into_iter().flatten() {
                out += &format!(" {day}");
            }
            r.center.inspect(|c| out += &format!(" {c:?}"));
            out += if r.generated { " generated" } else { "" };
            r.note.as_ref().inspect(|n| out += &format!(" ({n})"));
            out += "\n";
        }
        decoded.faults.iter().for_each(|f| out += &format!("! {f}\n"));
        assert_text(&out, expected);
    }

    fn check_boundaries(input: &str, expected: &str) {
        let decoded = decode_boundaries(input.as_bytes());
        let mut out = String::new();
        for b in &decoded.rows {
            let code = b.code.as_ref().map_or("-", AreaCode::as_str);
            let name = b.name.as_deref().unwrap_or("-");
            out += &format!("{} {code} {name} {:?} {:?}\n", b.line, b.center, b.shape.polygons);
        }
        decoded.faults.iter().for_each(|f| out += &format!("! {f}\n"));
        assert_text(&out, expected);
    }

    #[test]
    fn the_columns_of_the_statistics_bureau_are_read() {
        check_rows(
            "code,parent,name,level,kind\n50,,重庆市,1,city\n500101,50,万州区,2,district\n",
            "2 50 < - 重庆市 city
             3 500101 < 50 万州区 district",
        );
    }

    #[test]
    fn all_columns_are_read_whatever_their_order_case_and_line_ends() {
        check_rows(
            "\u{feff}Tier,Code,parent,name,lon,lat,generated,valid_from,valid_to,note\r\n\
             \r\n\
             grid,500101001001001,500101001001,\"一, 网格\",108.4,30.8,true,2020-06-30,2026-01-01,made up\r\n",
            "3 500101001001001 < 500101001001 一, 网格 grid 2020-06-30 2026-01-01 [108.4, 30.8] generated (made up)",
        );
    }

    #[test]
    fn each_bad_row_is_named_by_line_and_byte_and_the_others_are_kept() {
        check_rows(
            "code,parent,name,level,valid_from,lon,lat\n\
             50,,重庆市,1,,,\n\
             50 01,50,甲,2,,,\n\
             5002,50,,2,,,\n\
             5003,50,丙,6,,,\n\
             5004,50,丁,2,2020-13-01,,\n\
             5005,50,戊,2,,108.4,\n\
             5006,50,己,2,,190,30\n\
             5007,50,庚\n\
             5008,50,\"辛\",2,,108.4,30.8\n",
            "2 50 < - 重庆市 city
             10 5008 < 50 辛 district [108.4, 30.8]
             ! line 3, byte 1: E-201 code `50 01` is not an area code of 1 to 32 letters, digits, - or _
             ! line 4, byte 9: E-201 name is missing
             ! line 5, byte 13: E-201 level `6` is not a tier: 1 to 5, or city, district, town, community, grid
             ! line 6, byte 15: E-201 valid_from `2020-13-01` is not a date YYYY-MM-DD
             ! line 7, byte 22: E-201 a longitude without a latitude
             ! line 8, byte 16: E-201 lon `190` is not a longitude of -180 to 180 degrees
             ! line 9, byte 9: E-201 3 fields where the header has 7 columns",
        );
    }

    #[test]
    fn a_header_that_cannot_be_read_refuses_the_file() {
        check_rows("", "! line 1, byte 1: E-201 the file has no header");
        check_rows(
            "code,name\n50,x\n",
            "! line 1, byte 1: E-201 the header has no column `parent`",
        );
        check_rows(
            "code,parent,name\n50,,x\n",
            "! line 1, byte 1: E-201 the header has no column `level`",
        );
        check_rows(
            "code,name,code\n",
            "! line 1, byte 11: E-201 column `code` stands twice in the header",
        );
        check_rows(
            "code,parent,name,level,valid_form\n50,,x,1,\n",
            "2 50 < - x city
             ! line 1, byte 1: E-201 unknown column `valid_form`; known: code, parent, name, level, tier, kind, valid_from, valid_to, lon, lat, generated, note",
        );
    }

    #[test]
    fn an_open_quote_does_not_swallow_rows_unseen() {
        check_rows(
            "code,parent,name,level\n50,,\"重庆市,1\n5001,50,x,2\n",
            "! line 2, byte 1: E-201 a quote is not closed and swallows the lines after it",
        );
    }

    #[test]
    fn boundaries_are_read_by_id_code_or_adcode() {
        check_boundaries(
            r#"{"type":"FeatureCollection","features":[
{"type":"Feature","id":"500103","properties":{"name":"渝中区","cp":[106.5,29.5]},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}},
{"type":"Feature","properties":{"adcode":500104,"name":"大渡口区"},"geometry":{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]]]}},
{"type":"Feature","properties":{"name":"重庆"},"geometry":{"type":"Polygon","coordinates":[[[0,0],[2,0],[2,2]]]}}
]}"#,
            "2 500103 渝中区 Some([106.5, 29.5]) [[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]]
             3 500104 大渡口区 None [[[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]]
             4 - 重庆 None [[[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]]]",
        );
    }

    #[test]
    fn broken_boundaries_are_named() {
        check_boundaries(
            r#"{"type":"FeatureCollection","features":[
{"type":"Feature","id":"a b","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}},
{"type":"Feature","id":"a","properties":{},"geometry":{"type":"Point","coordinates":[0,0]}},
{"type":"Feature","id":"a","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[0,0]]]}},
{"type":"Feature","id":"a","properties":{},"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,95],[1,1],[0,0]]]}},
{"type":"Feature","id":"a","properties":{},"geometry":null},
{"type":"Nothing"}
]}"#,
            "! line 2, byte 42: E-201 item 1: feature id `a b` is not an area code
             ! line 3, byte 161: E-201 item 2: the geometry is Point, not a Polygon or MultiPolygon
             ! line 4, byte 254: E-201 item 3: no polygon encloses an area (rings have at least three points)
             ! line 5, byte 365: E-201 item 4: point [1.0, 95.0] of ring 1 is not a longitude and latitude
             ! line 6, byte 483: E-201 item 5: the geometry is null, not a Polygon or MultiPolygon
             ! line 7, byte 560: E-201 item 6: unknown variant `Nothing`, expected `Feature`",
        );
        check_boundaries(
            "{\"type\":\"FeatureCollection\",\n\"features\":[}",
            "! line 2, byte 42: E-201 not whole JSON: expected value",
        );
        check_boundaries(
            "{\"type\":\"Topology\"}",
            "! line 1, byte 1: E-201 the type is Topology, not FeatureCollection",
        );
    }

    #[test]
    fn the_real_areas_of_chongqing_are_read_whole() {
        let Some(file) = chengmai_model::testing::shared_data(
            "cn-divisions-chongqing/divisions_2020_5level.csv",
        ) else {
            return;
        };
        let decoded = decode_rows(&std::fs::read(file).unwrap());
        assert_eq!(decoded.faults, []);
        let count = |tier| decoded.rows.iter().filter(|r| r.tier == tier).count();
        assert_eq!(Tier::ALL.map(count), [1, 38, 1_029, 11_224, 0]);
        assert!(decoded.rows.iter().zip(2..).all(|(row, line)| row.line == line));
    }

    #[test]
    fn the_real_boundaries_of_chongqing_are_read_whole() {
        let Some(file) = chengmai_model::testing::shared_data(
            "chongqing-districts-geo/chongqing_districts.geojson",
        ) else {
            return;
        };
        let decoded = decode_boundaries(&std::fs::read(file).unwrap());
        assert_eq!(decoded.faults, []);
        assert_eq!(decoded.rows.len(), 38);
        let yuzhong = decoded.rows.iter().find(|b| b.name.as_deref() == Some("渝中区")).unwrap();
        assert!(yuzhong.shape.contains([106.562_88, 29.556_742]));
    }
}
