//! Reads CQL2 text. Words of the language may be written in any case, properties only as they are.

use std::borrow::Cow;

use chengmai_model::Timestamp;
use chengmai_model::geometry::Shape;

use super::{
    Compare, Edge, Expr, Geometry, Room, Span, Spatial, Temporal, Value, day, deeper, moment, wrong,
};
use crate::Fault;
use crate::error::quote;
use crate::features::Crs;

/// A filter from its text, whose positions are in that reference system.
///
/// # Errors
/// Where it stops being one, or the limit it goes beyond.
pub fn parse_text(text: &str, crs: Crs) -> Result<Expr, Fault> {
    let mut reader = Reader { text, at: 0, crs, room: Room::for_filter(text.len())? };
    let expr = reader.any(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.expected("AND、OR 或结尾", "AND, OR or the end"));
    }
    Ok(expr)
}

struct Reader<'t> {
    text: &'t str,
    /// The next byte.
    at: usize,
    crs: Crs,
    room: Room,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn expected(&self, zh: &str, en: &str) -> Fault {
        let rest = self.rest().trim_start();
        let found = quote(rest.as_bytes());
        wrong(
            self.text.len() - rest.len(),
            format!("此处应为{zh}，却是 `{found}`"),
            format!("expected {en}, found `{found}`"),
        )
    }

    /// Goes over a sign if it stands here.
    fn sign(&mut self, sign: &str) -> bool {
        self.skip_space();
        let here = self.rest().starts_with(sign);
        self.at += if here { sign.len() } else { 0 };
        here
    }

    fn need(&mut self, sign: &str) -> Result<(), Fault> {
        if self.sign(sign) {
            return Ok(());
        }
        Err(self.expected(&format!(" `{sign}`"), &format!("`{sign}`")))
    }

    /// The word that stands here.
    fn peek(&mut self) -> &'t str {
        self.skip_space();
        let rest = self.rest();
        let is_part = |(n, c): (usize, char)| {
            c == '_' || c.is_alphabetic() || (n > 0 && (c.is_numeric() || c == '.' || c == ':'))
        };
        let end = rest.char_indices().find(|&part| !is_part(part)).map_or(rest.len(), |(n, _)| n);
        &rest[..end]
    }

    /// Goes over a word of the language if it stands here.
    fn word(&mut self, word: &str) -> bool {
        let here = self.peek().eq_ignore_ascii_case(word);
        self.at += if here { word.len() } else { 0 };
        here
    }

    fn any(&mut self, depth: usize) -> Result<Expr, Fault> {
        let depth = deeper(depth, self.at)?;
        let mut parts = vec![self.all(depth)?];
        while self.word("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Expr::Any))
    }

    fn all(&mut self, depth: usize) -> Result<Expr, Fault> {
        let mut parts = vec![self.not(depth)?];
        while self.word("AND") {
            parts.push(self.not(depth)?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn not(&mut self, depth: usize) -> Result<Expr, Fault> {
        self.room.node(self.at)?;
        if self.word("NOT") {
            let depth = deeper(depth, self.at)?;
            return Ok(Expr::Not(Box::new(self.not(depth)?)));
        }
        if self.sign("(") {
            let inner = self.any(depth)?;
            self.need(")")?;
            return Ok(inner);
        }
        self.predicate()
    }

    fn predicate(&mut self) -> Result<Expr, Fault> {
        let word = self.peek().to_ascii_lowercase();
        if let Some(&(name, how)) = Spatial::ALL.iter().find(|(name, _)| *name == word) {
            return self.spatial(name, how);
        }
        if let Some(&(name, how)) = Temporal::ALL.iter().find(|(name, _)| *name == word) {
            self.at += name.len();
            self.need("(")?;
            let left = self.span()?;
            self.need(",")?;
            let right = self.span()?;
            self.need(")")?;
            return Ok(Expr::Temporal { how, left, right });
        }
        if let Some(value) = self.value_if()? {
            let Some(how) = self.operator() else {
                if let Value::Boolean(holds) = value {
                    return Ok(Expr::Constant(holds));
                }
                return Err(self.expected("比较符", "a comparison"));
            };
            let property = self.property()?;
            return Ok(Expr::Compare { property, how: how.turned(), value });
        }
        let property = self.property()?;
        self.about(property)
    }

    /// What is said of a property that was read.
    fn about(&mut self, property: String) -> Result<Expr, Fault> {
        if let Some(how) = self.operator() {
            let value = self.value()?;
            return Ok(Expr::Compare { property, how, value });
        }
        if self.word("IS") {
            let negated = self.word("NOT");
            if !self.word("NULL") {
                return Err(self.expected(" NULL", "NULL"));
            }
            return Ok(negate(negated, Expr::IsNull { property }));
        }
        let negated = self.word("NOT");
        let expr = if self.word("LIKE") {
            match self.value()? {
                Value::Text(pattern) => Expr::Like { property, pattern: pattern.into_owned() },
                _ => return Err(self.expected("引号中的样式", "a pattern in quotes")),
            }
        } else if self.word("BETWEEN") {
            let low = self.value()?;
            if !self.word("AND") {
                return Err(self.expected(" AND", "AND"));
            }
            Expr::Between { property, low, high: self.value()? }
        } else if self.word("IN") {
            self.need("(")?;
            let mut values = vec![self.value()?];
            while self.sign(",") {
                self.room.node(self.at)?;
                values.push(self.value()?);
            }
            self.need(")")?;
            Expr::In { property, values }
        } else {
            return Err(self.expected(
                "比较符、IS NULL、LIKE、BETWEEN 或 IN",
                "a comparison, IS NULL, LIKE, BETWEEN or IN",
            ));
        };
        Ok(negate(negated, expr))
    }

    fn operator(&mut self) -> Option<Compare> {
        Compare::ALL.iter().find(|(sign, _)| self.sign(sign)).map(|&(_, how)| how)
    }

    fn property(&mut self) -> Result<String, Fault> {
        self.skip_space();
        if let Some(quoted) = self.rest().strip_prefix('"') {
            let Some((name, _)) = quoted.split_once('"') else {
                return Err(self.expected("带引号的属性名", "a property in quotes"));
            };
            self.at += name.len() + 2;
            return Ok(name.to_owned());
        }
        let name = self.peek();
        if name.is_empty() || RESERVED.iter().any(|word| name.eq_ignore_ascii_case(word)) {
            return Err(self.expected("属性名", "a property"));
        }
        self.at += name.len();
        Ok(name.to_owned())
    }

    fn value(&mut self) -> Result<Value<'static>, Fault> {
        self.value_if()?.ok_or_else(|| self.expected("一个值", "a value"))
    }

    /// A value, if one stands here.
    fn value_if(&mut self) -> Result<Option<Value<'static>>, Fault> {
        self.skip_space();
        let rest = self.rest();
        if rest.starts_with('\'') {
            return self.quoted().map(|text| Some(Value::Text(Cow::Owned(text))));
        }
        if rest.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            return self.number().map(|number| Some(Value::Number(number)));
        }
        for (word, value) in [("TRUE", true), ("FALSE", false)] {
            if self.word(word) {
                return Ok(Some(Value::Boolean(value)));
            }
        }
        Ok(self.instant()?.map(|(from, _)| Value::Time(from)))
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        let mut text = String::new();
        let mut letters = self.rest().char_indices().skip(1).peekable();
        while let Some((n, letter)) = letters.next() {
            match letter {
                '\'' if letters.peek().is_some_and(|&(_, next)| next == '\'') => {
                    letters.next();
                    text.push('\'');
                }
                '\'' => {
                    self.at = start + n + 1;
                    return Ok(text);
                }
                '\\' if letters.peek().is_some_and(|&(_, next)| next == '\'') => {
                    letters.next();
                    text.push('\'');
                }
                other => text.push(other),
            }
        }
        Err(wrong(start, "引号没有结束", "the quotation does not end"))
    }

    fn number(&mut self) -> Result<f64, Fault> {
        self.skip_space();
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let number = rest[..end].parse().ok().filter(|n: &f64| n.is_finite());
        let number = number.ok_or_else(|| self.expected("数字", "a number"))?;
        self.at += end;
        Ok(number)
    }

    /// `DATE('...')` or `TIMESTAMP('...')`, if one stands here: its first and last moment.
    fn instant(&mut self) -> Result<Option<(Timestamp, Timestamp)>, Fault> {
        let is_day = match self.peek().to_ascii_lowercase().as_str() {
            "date" => true,
            "timestamp" => false,
            _ => return Ok(None),
        };
        let before = self.at;
        self.at += self.peek().len();
        if !self.sign("(") {
            self.at = before;
            return Ok(None);
        }
        self.skip_space();
        let start = self.at;
        let text = if self.rest().starts_with('\'') { self.quoted()? } else { String::new() };
        let found = if is_day { day(&text).and(moment(&text)) } else { moment(&text) };
        let found = found.ok_or_else(|| wrong(start, "时间无效", "this is no time of RFC 3339"))?;
        self.need(")")?;
        Ok(Some(found))
    }

    fn span(&mut self) -> Result<Span, Fault> {
        if let Some((from, to)) = self.instant()? {
            return Ok(Span { from: Edge::At(from), to: Edge::At(to) });
        }
        if self.word("INTERVAL") {
            self.need("(")?;
            let from = self.edge(false)?;
            self.need(",")?;
            let to = self.edge(true)?;
            self.need(")")?;
            return Ok(Span { from, to });
        }
        let name = self.property()?;
        Ok(Span { from: Edge::Property(name.clone()), to: Edge::Property(name) })
    }

    fn edge(&mut self, is_end: bool) -> Result<Edge, Fault> {
        self.skip_space();
        let at = |(from, to)| Edge::At(if is_end { to } else { from });
        if self.rest().starts_with('\'') {
            let start = self.at;
            let text = self.quoted()?;
            if text == ".." {
                return Ok(Edge::Open);
            }
            return moment(&text)
                .map(at)
                .ok_or_else(|| wrong(start, "时间无效", "this is no time of RFC 3339"));
        }
        match self.instant()? {
            Some(found) => Ok(at(found)),
            None => self.property().map(Edge::Property),
        }
    }

    fn spatial(&mut self, name: &str, how: Spatial) -> Result<Expr, Fault> {
        self.at += name.len();
        self.need("(")?;
        let swapped = self.geometry_if()?;
        if let Some(geometry) = swapped {
            self.need(",")?;
            let property = self.property()?;
            self.need(")")?;
            let how = match how {
                Spatial::Within => Spatial::Contains,
                Spatial::Contains => Spatial::Within,
                same => same,
            };
            return Ok(Expr::Spatial { how, property, geometry });
        }
        let property = self.property()?;
        self.need(",")?;
        let geometry = self.geometry_if()?.ok_or_else(|| self.expected("几何", "a geometry"))?;
        self.need(")")?;
        Ok(Expr::Spatial { how, property, geometry })
    }

    fn geometry_if(&mut self) -> Result<Option<Geometry>, Fault> {
        let mut geometry = Geometry::default();
        Ok(self.add_geometry(&mut geometry, 0)?.then_some(geometry))
    }

    /// Adds the geometry that stands here, if one does.
    fn add_geometry(&mut self, to: &mut Geometry, depth: usize) -> Result<bool, Fault> {
        let before = self.at;
        let word = self.peek().to_ascii_uppercase();
        self.at += word.len();
        for dimension in ["Z", "M", "ZM"] {
            let _skipped = self.word(dimension);
        }
        match word.as_str() {
            "POINT" => {
                self.need("(")?;
                to.points.push(self.position()?);
                self.need(")")?;
            }
            "MULTIPOINT" => self.list(|r| {
                let bracket = r.sign("(");
                to.points.push(r.position()?);
                if bracket { r.need(")") } else { Ok(()) }
            })?,
            "LINESTRING" => to.lines.push(self.line(2)?),
            "MULTILINESTRING" => self.list(|r| {
                to.lines.push(r.line(2)?);
                Ok(())
            })?,
            "POLYGON" => to.areas.push(self.polygon()?),
            "MULTIPOLYGON" => self.list(|r| {
                to.areas.push(r.polygon()?);
                Ok(())
            })?,
            "GEOMETRYCOLLECTION" => {
                let depth = deeper(depth, self.at)?;
                self.list(|r| {
                    if r.add_geometry(to, depth)? {
                        return Ok(());
                    }
                    Err(r.expected("几何", "a geometry"))
                })?;
            }
            "BBOX" => {
                let start = self.at;
                let mut numbers = Vec::new();
                self.list(|r| {
                    r.room.point(r.at)?;
                    numbers.push(r.number()?);
                    Ok(())
                })?;
                let corners = self.crs.box_from(&numbers);
                let corners = corners.ok_or_else(|| {
                    wrong(
                        start,
                        "BBOX 须为范围内的 4 或 6 个数",
                        "BBOX takes 4 or 6 numbers in range",
                    )
                })?;
                let found = Geometry::of_box(corners);
                to.lines.extend(found.lines);
                to.areas.extend(found.areas);
            }
            _ => {
                self.at = before;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `( ... , ... )`.
    fn list(&mut self, mut one: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.need("(")?;
        one(self)?;
        while self.sign(",") {
            one(self)?;
        }
        self.need(")")
    }

    fn position(&mut self) -> Result<[f64; 2], Fault> {
        self.room.point(self.at)?;
        let start = self.at;
        let found = [self.number()?, self.number()?];
        // A height, which plays no part.
        self.skip_space();
        if self.rest().starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            self.number()?;
        }
        self.crs.position_from(found).ok_or_else(|| outside(start))
    }

    fn line(&mut self, points_min: usize) -> Result<Vec<[f64; 2]>, Fault> {
        let start = self.at;
        let mut line = Vec::new();
        self.list(|r| {
            line.push(r.position()?);
            Ok(())
        })?;
        if line.len() < points_min {
            return Err(too_short(start, points_min));
        }
        Ok(line)
    }

    fn polygon(&mut self) -> Result<Shape, Fault> {
        let mut rings = Vec::new();
        self.list(|r| {
            let start = r.at;
            rings.push(open_ring(r.line(4)?, start)?);
            Ok(())
        })?;
        Ok(Shape { polygons: vec![rings] })
    }
}

/// Words that are no property unless in quotes.
const RESERVED: [&str; 10] =
    ["AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "TRUE", "FALSE"];

fn one_or(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

fn negate(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::Not(Box::new(expr)) } else { expr }
}

pub(super) fn outside(at: usize) -> Fault {
    wrong(at, "坐标超出范围", "the position is out of range")
}

pub(super) fn too_short(at: usize, points_min: usize) -> Fault {
    wrong(at, format!("至少 {points_min} 个点"), format!("at least {points_min} points"))
}

/// A ring as the model has it: the first point is not repeated at the end.
pub(super) fn open_ring(mut ring: Vec<[f64; 2]>, at: usize) -> Result<Vec<[f64; 2]>, Fault> {
    if ring.first() != ring.last() {
        return Err(wrong(at, "环没有闭合", "the ring is not closed"));
    }
    ring.pop();
    if ring.len() < 3 { Err(too_short(at, 4)) } else { Ok(ring) }
}
