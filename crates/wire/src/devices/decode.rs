//! Decodes devices from CSV and GeoJSON points.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chengmai_model::AreaCode;
use chengmai_model::error::{DEVICE_FILE, ID_TOO_LONG};
use chengmai_model::stream::ID_LEN_MAX;
use chengmai_model::time::parse_duration_ms;
use geojson::{Feature, GeometryValue, JsonValue, feature};

use super::DeviceRow;
use crate::error::{Decoded, Fault, quote};
use crate::json;
use crate::table::{Row, Table, boolean, position};

const COLUMNS: [&str; 10] =
    ["id", "kind", "kinds", "title", "area", "lon", "lat", "agency", "period", "simulated"];

/// Reads CSV with the column `id` and, where known, `kind` or `kinds` (several separated by spaces
/// or `;`), `title`, `area` (its code), `lon,lat` (degrees), `agency`, `period` (`30s`, `5m`) and
/// `simulated` (`true`/`false`). A row needs an area or a position. An unknown column is named as a
/// fault of line 1 and the rows are read all the same.
pub fn decode_csv(body: &[u8]) -> Decoded<DeviceRow> {
    let opened = Table::open(body, &DEVICE_FILE).and_then(|table| {
        table.require(&["id"])?;
        Ok(table)
    });
    let mut table = match opened {
        Ok(table) => table,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded { rows: Vec::new(), faults: table.unknown(&COLUMNS) };
    let mut seen = Seen::default();
    while let Some(row) = table.next_row() {
        let device = row.and_then(|row| {
            let device = device(row.line, &row, position(&row)?)?;
            seen.check(&device, &row)?;
            Ok(device)
        });
        decoded.push(device);
    }
    decoded
}

/// Reads a GeoJSON `FeatureCollection` of points. The feature's `id` (or property `id`) is the
/// device's; the other properties are named as the columns of [`decode_csv`], `kinds` may also be
/// an array.
pub fn decode_geojson(body: &[u8]) -> Decoded<DeviceRow> {
    let items = match json::features(body, &DEVICE_FILE) {
        Ok(items) => items,
        Err(fault) => return Decoded::refused(fault),
    };
    let mut decoded = Decoded::default();
    let mut seen = Seen::default();
    for item in &items {
        let device = item.parse().and_then(|feature: Feature| {
            let point = point(item, &feature)?;
            let facts = Properties { item, feature: &feature };
            let device = device(item.line, &facts, point)?;
            seen.check(&device, &facts)?;
            Ok(device)
        });
        decoded.push(device);
    }
    decoded
}

/// Named facts of one device, wherever they stand.
trait Facts {
    fn fact(&self, name: &str) -> Result<Option<Cow<'_, str>>, Fault>;
    fn refuse(&self, name: &str, zh: String, en: String) -> Fault;
}

impl Facts for Row<'_> {
    fn fact(&self, name: &str) -> Result<Option<Cow<'_, str>>, Fault> {
        Ok(self.text(name)?.map(Cow::Borrowed))
    }

    fn refuse(&self, name: &str, zh: String, en: String) -> Fault {
        self.fault(name, zh, en)
    }
}

struct Properties<'a> {
    item: &'a json::Item<'a>,
    feature: &'a Feature,
}

impl Facts for Properties<'_> {
    fn fact(&self, name: &str) -> Result<Option<Cow<'_, str>>, Fault> {
        if name == "id"
            && let Some(id) = &self.feature.id
        {
            return Ok(Some(match id {
                feature::Id::String(text) => Cow::Borrowed(text.as_str()),
                feature::Id::Number(number) => Cow::Owned(number.to_string()),
            }));
        }
        let text = match self.feature.properties.as_ref().and_then(|p| p.get(name)) {
            None | Some(JsonValue::Null) => None,
            Some(JsonValue::String(text)) => Some(Cow::Borrowed(text.trim())),
            Some(JsonValue::Number(number)) => Some(Cow::Owned(number.to_string())),
            Some(JsonValue::Bool(truth)) => Some(Cow::Owned(truth.to_string())),
            Some(JsonValue::Array(words)) => {
                let words: Option<Vec<&str>> = words.iter().map(JsonValue::as_str).collect();
                Some(Cow::Owned(words.ok_or_else(|| self.not_text(name))?.join(" ")))
            }
            Some(JsonValue::Object(_)) => return Err(self.not_text(name)),
        };
        Ok(text.filter(|t| !t.is_empty()))
    }

    fn refuse(&self, _name: &str, zh: String, en: String) -> Fault {
        self.item.fault(zh, en)
    }
}

impl Properties<'_> {
    fn not_text(&self, name: &str) -> Fault {
        self.item.fault(format!("{name} 不是文本"), format!("{name} is not a text"))
    }
}

/// Ids met so far and their lines.
#[derive(Default)]
struct Seen(BTreeMap<String, u32>);

impl Seen {
    fn check(&mut self, device: &DeviceRow, facts: &impl Facts) -> Result<(), Fault> {
        match self.0.get(&device.id) {
            None => {
                self.0.insert(device.id.clone(), device.line);
                Ok(())
            }
            Some(line) => {
                let shown = quote(device.id.as_bytes());
                Err(facts.refuse(
                    "id",
                    format!("设备 `{shown}` 在第 {line} 行已经出现"),
                    format!("device `{shown}` stands on line {line} already"),
                ))
            }
        }
    }
}

fn device(line: u32, facts: &impl Facts, position: Option<[f64; 2]>) -> Result<DeviceRow, Fault> {
    let id = short_id(facts, "id")?
        .ok_or_else(|| facts.refuse("id", "缺少 id".to_owned(), "id is missing".to_owned()))?;
    let kinds = match facts.fact("kinds")? {
        Some(kinds) => Some(kinds),
        None => facts.fact("kind")?,
    };
    let kinds = kinds.map_or_else(Vec::new, |kinds| {
        let words = kinds.split([' ', ';']).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    });
    let area = parsed(facts, "area", ("区域代码", "an area code"), AreaCode::new)?;
    if area.is_none() && position.is_none() {
        let (zh, en) = ("缺少 area 或位置", "neither area nor position is given");
        return Err(facts.refuse("area", zh.to_owned(), en.to_owned()));
    }
    let duration = ("时长，如 30s 或 5m", "a duration such as 30s or 5m");
    let period = parsed(facts, "period", duration, |text| {
        parse_duration_ms(text).and_then(|ms| u32::try_from(ms).ok())
    })?;
    let truth = (" true 或 false", "true or false");
    Ok(DeviceRow {
        line,
        id,
        kinds,
        title: facts.fact("title")?.map(Cow::into_owned),
        area,
        position,
        agency: short_id(facts, "agency")?,
        period_ms: period.unwrap_or(0),
        simulated: parsed(facts, "simulated", truth, boolean)?.unwrap_or(false),
    })
}

fn short_id(facts: &impl Facts, name: &str) -> Result<Option<String>, Fault> {
    let Some(id) = facts.fact(name)? else { return Ok(None) };
    if id.len() > ID_LEN_MAX {
        let length = id.len();
        let fault = facts.refuse(
            name,
            format!("{name} 有 {length} 字节，最多 {ID_LEN_MAX}"),
            format!("{name} has {length} bytes, at most {ID_LEN_MAX} are allowed"),
        );
        return Err(Fault { code: &ID_TOO_LONG, ..fault });
    }
    Ok(Some(id.into_owned()))
}

fn parsed<T>(
    facts: &impl Facts,
    name: &str,
    expected: (&str, &str),
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(text) = facts.fact(name)? else { return Ok(None) };
    let value = parse(&text).ok_or_else(|| {
        let shown = quote(text.as_bytes());
        let zh = format!("{name} `{shown}` 不是{}", expected.0);
        facts.refuse(name, zh, format!("{name} `{shown}` is not {}", expected.1))
    })?;
    Ok(Some(value))
}

fn point(item: &json::Item<'_>, feature: &Feature) -> Result<Option<[f64; 2]>, Fault> {
    match feature.geometry.as_ref().map(|g| &g.value) {
        None => Ok(None),
        Some(GeometryValue::Point { coordinates }) => match coordinates.as_slice() {
            &[lon, lat, ..] if lon.abs() <= 180.0 && lat.abs() <= 90.0 => Ok(Some([lon, lat])),
            other => Err(item.fault(
                format!("{other:?} 不是经纬度"),
                format!("{other:?} is not a longitude and latitude"),
            )),
        },
        Some(other) => {
            let found = other.type_name();
            Err(item.fault(
                format!("几何类型为 {found}，应为 Point"),
                format!("the geometry is {found}, not a Point"),
            ))
        }
    }
}

#[cfg(test)]
#[expect(clippy::format_push_string, reason = "a failing test may allocate")]
mod tests {
    use super::*;
    use crate::error::assert_text;

    fn check(decoded: Decoded<DeviceRow>, expected: &str) {
        let mut out = String::new();
        for d in &decoded.rows {
            out += &format!("{} {} [{}]", d.line, d.id, d.kinds.join(" "));
            d.title.as_ref().inspect(|t| out += &format!(" '{t}'"));
            d.area.as_ref().inspect(|a| out += &format!(" in {a}"));
            d.position.inspect(|p| out += &format!(" at {p:?}"));
            d.agency.as_ref().inspect(|a| out += &format!(" of {a}"));
            out += &format!(" {}ms{}\n", d.period_ms, if d.simulated { " simulated" } else { "" });
        }
        decoded.faults.iter().for_each(|f| out += &format!("! {f}\n"));
        assert_text(&out, expected);
    }

    #[test]
    fn rows_give_devices() {
        check(
            decode_csv(
                "id,kinds,title,area,lon,lat,agency,period,simulated\n\
                 m1,methane;temperature,井盖一号,500103,106.5,29.5,yz_gas,30s,true\n\
                 m2,level  rain,,,106.5,29.5,,,\n\
                 m3,,,500103,,,,1h30m,0\n"
                    .as_bytes(),
            ),
            "2 m1 [methane temperature] '井盖一号' in 500103 at [106.5, 29.5] of yz_gas 30000ms simulated
             3 m2 [level rain] at [106.5, 29.5] 0ms
             4 m3 [] in 500103 5400000ms",
        );
    }

    #[test]
    fn bad_rows_are_named_by_line_and_byte_and_the_others_are_kept() {
        let long = "x".repeat(129);
        check(
            decode_csv(
                format!(
                    "id,kind,area,lon,lat,period,colour\n\
                     m1,methane,500103,,,,\n\
                     ,methane,500103,,,,\n\
                     m3,methane,,,,,\n\
                     m4,methane,no code,,,,\n\
                     m5,methane,500103,106.5,,,\n\
                     m6,methane,500103,,,soon,\n\
                     m1,methane,500103,,,,\n\
                     {long},methane,500103,,,,\n\
                     m8,methane,500103,,,5m,\n"
                )
                .as_bytes(),
            ),
            "2 m1 [methane] in 500103 0ms
             10 m8 [methane] in 500103 300000ms
             ! line 1, byte 1: E-202 unknown column `colour`; known: id, kind, kinds, title, area, lon, lat, agency, period, simulated
             ! line 3, byte 1: E-202 id is missing
             ! line 4, byte 12: E-202 neither area nor position is given
             ! line 5, byte 12: E-202 area `no code` is not an area code
             ! line 6, byte 25: E-202 a longitude without a latitude
             ! line 7, byte 21: E-202 period `soon` is not a duration such as 30s or 5m
             ! line 8, byte 1: E-202 device `m1` stands on line 2 already
             ! line 9, byte 1: E-106 id has 129 bytes, at most 128 are allowed",
        );
    }

    #[test]
    fn points_give_devices() {
        check(
            decode_geojson(
                r#"{"type":"FeatureCollection","features":[
{"type":"Feature","id":"m1","properties":{"kinds":["methane","temperature"],"title":"一号","agency":"yz_gas","period":"1m","simulated":true},"geometry":{"type":"Point","coordinates":[106.5,29.5,240]}},
{"type":"Feature","properties":{"id":7,"kind":"level","area":500103},"geometry":null},
{"type":"Feature","id":"m3","properties":null,"geometry":{"type":"Point","coordinates":[106.5,99]}},
{"type":"Feature","id":"m4","properties":{},"geometry":{"type":"LineString","coordinates":[[0,0],[1,1]]}},
{"type":"Feature","id":"m1","properties":{},"geometry":{"type":"Point","coordinates":[106.5,29.5]}},
{"type":"Feature","id":"m6","properties":{"kinds":[1]},"geometry":{"type":"Point","coordinates":[106.5,29.5]}}
]}"#
                    .as_bytes(),
            ),
            "2 m1 [methane temperature] '一号' at [106.5, 29.5] of yz_gas 60000ms simulated
             3 7 [level] in 500103 0ms
             ! line 4, byte 333: E-202 item 3: [106.5, 99.0] is not a longitude and latitude
             ! line 5, byte 434: E-202 item 4: the geometry is LineString, not a Point
             ! line 6, byte 541: E-202 item 5: device `m1` stands on line 2 already
             ! line 7, byte 642: E-202 item 6: kinds is not a text",
        );
    }
}
