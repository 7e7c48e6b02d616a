//! Reads CQL2 JSON. Faults name no byte: the part that is wrong is quoted.

use std::borrow::Cow;

use chengmai_model::geometry::Shape;
use serde_json::{Map, Value as Json};

use super::text::{open_ring, outside, too_short};
use super::{
    Compare, Edge, Expr, Geometry, Room, Span, Spatial, Temporal, Value, day, deeper, moment, wrong,
};
use crate::Fault;
use crate::error::quote;
use crate::features::Crs;

/// A filter from its JSON, whose positions are in that reference system.
///
/// # Errors
/// What is wrong with it, or the limit it goes beyond.
pub fn parse_json(text: &str, crs: Crs) -> Result<Expr, Fault> {
    let room = Room::for_filter(text.len())?;
    let json: Json = serde_json::from_str(text)
        .map_err(|error| wrong(0, format!("不是 JSON：{error}"), format!("not JSON: {error}")))?;
    Reader { crs, room }.expr(&json, 0)
}

struct Reader {
    crs: Crs,
    room: Room,
}

fn expected(zh: &str, en: &str, found: &Json) -> Fault {
    let found = quote(found.to_string().as_bytes());
    wrong(0, format!("此处应为{zh}，却是 `{found}`"), format!("expected {en}, found `{found}`"))
}

impl Reader {
    fn expr(&mut self, json: &Json, depth: usize) -> Result<Expr, Fault> {
        let depth = deeper(depth, 0)?;
        self.room.node(0)?;
        if let Json::Bool(holds) = json {
            return Ok(Expr::Constant(*holds));
        }
        let bad = || expected("带 op 与 args 的条件", "a condition with op and args", json);
        let op = json["op"].as_str().ok_or_else(bad)?;
        let args = json["args"].as_array().map(Vec::as_slice).ok_or_else(bad)?;
        if let Some(&(_, how)) = Compare::ALL.iter().find(|(sign, _)| *sign == op) {
            let [left, right] = args else { return Err(bad()) };
            return match property_if(left) {
                Some(property) => Ok(Expr::Compare { property, how, value: value(right)? }),
                None => Ok(Expr::Compare {
                    property: property(right)?,
                    how: how.turned(),
                    value: value(left)?,
                }),
            };
        }
        if let Some(&(_, how)) = Spatial::ALL.iter().find(|(name, _)| *name == op) {
            let [left, right] = args else { return Err(bad()) };
            return self.spatial(how, left, right);
        }
        if let Some(&(_, how)) = Temporal::ALL.iter().find(|(name, _)| *name == op) {
            let [left, right] = args else { return Err(bad()) };
            return Ok(Expr::Temporal { how, left: span(left)?, right: span(right)? });
        }
        match (op, args) {
            ("and" | "or", parts) if parts.len() >= 2 => {
                let parts = parts.iter().map(|part| self.expr(part, depth));
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                Ok(if op == "and" { Expr::All(parts) } else { Expr::Any(parts) })
            }
            ("not", [part]) => Ok(Expr::Not(Box::new(self.expr(part, depth)?))),
            ("isNull", [name]) => Ok(Expr::IsNull { property: property(name)? }),
            ("like", [name, Json::String(pattern)]) => {
                Ok(Expr::Like { property: property(name)?, pattern: pattern.clone() })
            }
            ("between", [name, low, high]) => Ok(Expr::Between {
                property: property(name)?,
                low: value(low)?,
                high: value(high)?,
            }),
            ("in", [name, Json::Array(values)]) => {
                values.iter().try_for_each(|_| self.room.node(0))?;
                let values = values.iter().map(value).collect::<Result<_, _>>()?;
                Ok(Expr::In { property: property(name)?, values })
            }
            _ => Err(bad()),
        }
    }

    fn spatial(&mut self, how: Spatial, left: &Json, right: &Json) -> Result<Expr, Fault> {
        if let Some(property) = property_if(left) {
            return Ok(Expr::Spatial { how, property, geometry: self.geometry(right)? });
        }
        let how = match how {
            Spatial::Within => Spatial::Contains,
            Spatial::Contains => Spatial::Within,
            same => same,
        };
        Ok(Expr::Spatial { how, property: property(right)?, geometry: self.geometry(left)? })
    }

    fn geometry(&mut self, json: &Json) -> Result<Geometry, Fault> {
        if let Some(numbers) = json["bbox"].as_array() {
            let numbers: Vec<f64> = numbers.iter().filter_map(Json::as_f64).collect();
            let corners = self.crs.box_from(&numbers).ok_or_else(|| outside(0))?;
            return Ok(Geometry::of_box(corners));
        }
        let mut geometry = Geometry::default();
        self.add(&mut geometry, json, 0)?;
        Ok(geometry)
    }

    fn add(&mut self, to: &mut Geometry, json: &Json, depth: usize) -> Result<(), Fault> {
        let depth = deeper(depth, 0)?;
        let part = &json["coordinates"];
        match json["type"].as_str().unwrap_or_default() {
            "Point" => to.points.push(self.position(part)?),
            "MultiPoint" => {
                for point in list(part)? {
                    to.points.push(self.position(point)?);
                }
            }
            "LineString" => to.lines.push(self.line(part, 2)?),
            "MultiLineString" => {
                for line in list(part)? {
                    to.lines.push(self.line(line, 2)?);
                }
            }
            "Polygon" => to.areas.push(self.polygon(part)?),
            "MultiPolygon" => {
                for polygon in list(part)? {
                    to.areas.push(self.polygon(polygon)?);
                }
            }
            "GeometryCollection" => {
                for part in list(&json["geometries"])? {
                    self.add(to, part, depth)?;
                }
            }
            _ => return Err(expected("几何", "a geometry", json)),
        }
        Ok(())
    }

    fn position(&mut self, json: &Json) -> Result<[f64; 2], Fault> {
        self.room.point(0)?;
        let bad = || expected("坐标", "a position", json);
        let number = |n: usize| json[n].as_f64().ok_or_else(bad);
        self.crs.position_from([number(0)?, number(1)?]).ok_or_else(|| outside(0))
    }

    fn line(&mut self, json: &Json, points_min: usize) -> Result<Vec<[f64; 2]>, Fault> {
        let points = list(json)?;
        if points.len() < points_min {
            return Err(too_short(0, points_min));
        }
        points.iter().map(|point| self.position(point)).collect()
    }

    fn polygon(&mut self, json: &Json) -> Result<Shape, Fault> {
        let rings = list(json)?;
        if rings.is_empty() {
            return Err(too_short(0, 4));
        }
        let rings = rings.iter().map(|ring| open_ring(self.line(ring, 4)?, 0));
        Ok(Shape { polygons: vec![rings.collect::<Result<_, _>>()?] })
    }
}

fn list(json: &Json) -> Result<&[Json], Fault> {
    json.as_array().map(Vec::as_slice).ok_or_else(|| expected("数组", "an array", json))
}

fn property_if(json: &Json) -> Option<String> {
    Some(json.as_object()?.get("property")?.as_str()?.to_owned())
}

fn property(json: &Json) -> Result<String, Fault> {
    property_if(json).ok_or_else(|| expected("属性", "a property", json))
}

fn value(json: &Json) -> Result<Value<'static>, Fault> {
    let bad = || expected("一个值", "a value", json);
    match json {
        Json::String(text) => Ok(Value::Text(Cow::Owned(text.clone()))),
        Json::Number(number) => number.as_f64().map(Value::Number).ok_or_else(bad),
        Json::Bool(value) => Ok(Value::Boolean(*value)),
        Json::Object(parts) => match instant(parts) {
            Some(Some((from, _))) => Ok(Value::Time(from)),
            _ => Err(bad()),
        },
        _ => Err(bad()),
    }
}

/// `{"date": ...}` or `{"timestamp": ...}`: its first and last moment, if it is one of RFC 3339.
#[expect(clippy::option_option, reason = "no moment at all is not a wrong one")]
fn instant(
    parts: &Map<String, Json>,
) -> Option<Option<(chengmai_model::Timestamp, chengmai_model::Timestamp)>> {
    if let Some(text) = parts.get("date") {
        return Some(text.as_str().and_then(|text| day(text).and(moment(text))));
    }
    let text = parts.get("timestamp")?;
    Some(text.as_str().and_then(moment))
}

fn span(json: &Json) -> Result<Span, Fault> {
    let bad = || expected("时间、区间或属性", "a time, an interval or a property", json);
    let parts = json.as_object().ok_or_else(bad)?;
    if let Some(found) = instant(parts) {
        let (from, to) = found.ok_or_else(bad)?;
        return Ok(Span { from: Edge::At(from), to: Edge::At(to) });
    }
    if let Some(ends) = parts.get("interval") {
        let Some([from, to]) = ends.as_array().map(Vec::as_slice) else { return Err(bad()) };
        return Ok(Span { from: edge(from, false)?, to: edge(to, true)? });
    }
    let name = property(json)?;
    Ok(Span { from: Edge::Property(name.clone()), to: Edge::Property(name) })
}

fn edge(json: &Json, is_end: bool) -> Result<Edge, Fault> {
    let bad = || expected("时间", "a time", json);
    let found = match json {
        Json::String(text) if text == ".." => return Ok(Edge::Open),
        Json::String(text) => moment(text),
        Json::Object(parts) => match instant(parts) {
            Some(found) => found,
            None => return property(json).map(Edge::Property),
        },
        _ => None,
    };
    let (from, to) = found.ok_or_else(bad)?;
    Ok(Edge::At(if is_end { to } else { from }))
}
