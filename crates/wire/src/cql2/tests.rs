//! The filter language by examples: a filter, in text or JSON, and the features it takes.

use chengmai_model::geometry::Shape;

use super::*;
use crate::features::Crs;

struct Thing {
    name: &'static str,
    severity: Option<f64>,
    at: &'static str,
    until: Option<&'static str>,
    place: Option<[f64; 2]>,
}

impl Fields for Thing {
    fn value(&self, property: &str) -> Option<Value<'_>> {
        let time = |text: &str| Timestamp::parse_rfc3339(text).map(Value::Time);
        match property {
            "name" => Some(Value::Text(self.name.into())),
            "severity" => self.severity.map(Value::Number),
            "old" => Some(Value::Boolean(self.until.is_some())),
            "at" => time(self.at),
            "until" => self.until.and_then(time),
            _ => None,
        }
    }

    fn place(&self) -> Option<Place<'_>> {
        self.place.map(Place::Point)
    }
}

/// `a` is at the middle of a town, `b` beyond it, `c` nowhere and without a severity.
const THINGS: [Thing; 3] = [
    Thing {
        name: "a",
        severity: Some(4.0),
        at: "2026-01-01T00:00:00Z",
        until: Some("2026-02-01T00:00:00Z"),
        place: Some([106.5, 29.5]),
    },
    Thing {
        name: "b 50%",
        severity: Some(2.0),
        at: "2026-03-01T00:00:00Z",
        until: None,
        place: Some([107.5, 29.5]),
    },
    Thing { name: "c'", severity: None, at: "2026-05-01T00:00:00Z", until: None, place: None },
];

fn declared() -> Vec<Queryable> {
    [
        ("name", Kind::Text),
        ("severity", Kind::Integer),
        ("old", Kind::Boolean),
        ("at", Kind::Time),
        ("until", Kind::Time),
        ("geometry", Kind::Geometry),
    ]
    .map(|(name, kind)| Queryable { name, kind, title: Text::new(name, name), words: Vec::new() })
    .into()
}

fn takes(expr: &Expr) -> String {
    let taken = THINGS.iter().filter(|thing| holds(expr, *thing));
    taken.filter_map(|thing| thing.name.chars().next()).collect()
}

fn check(filter: &str, taken: &str) {
    let expr = parse_text(filter, Crs::Crs84).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
    expr.check(&declared()).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
    assert_eq!(takes(&expr), taken, "{filter}");
}

fn check_json(filter: &str, taken: &str) {
    let expr = parse_json(filter, Crs::Crs84).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
    expr.check(&declared()).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
    assert_eq!(takes(&expr), taken, "{filter}");
}

fn refused(filter: &str, byte: u32, words: &str) {
    let fault =
        parse_text(filter, Crs::Crs84).and_then(|expr| expr.check(&declared())).unwrap_err();
    assert!(fault.reason.en.contains(words), "{filter}: {fault}");
    assert_eq!(fault.byte, byte, "{filter}: {fault}");
}

#[test]
fn comparisons_stand_either_way_around() {
    check("severity = 4", "a");
    check("4 = severity", "a");
    check("severity <> 4", "b");
    check("3 < severity", "a");
    check("severity<=2", "b");
    check("severity >= 2 and severity < 4.5e0", "ab");
    check("name = 'c'''", "c");
    check("name = 'c\\''", "c");
    check("\"name\" > 'b'", "bc");
    check("old = TRUE", "a");
    check("at >= TIMESTAMP('2026-03-01T00:00:00Z')", "bc");
    check("at > DATE('2026-03-01')", "c");
    check("at < TIMESTAMP('2026-03-01T08:00:00+08:00')", "a");
}

#[test]
fn and_binds_closer_than_or_and_not_closest() {
    check("severity = 4 OR severity = 2 AND name = 'x'", "a");
    check("(severity = 4 OR severity = 2) AND NOT name = 'a'", "b");
    check("NOT (severity = 4)", "b");
    check("TRUE", "abc");
    check("FALSE OR severity = 2", "b");
}

#[test]
fn what_is_null_is_neither_like_nor_unlike_anything() {
    check("severity IS NULL", "c");
    check("severity IS NOT NULL", "ab");
    check("NOT severity > 0", "");
    check("severity > 0 OR name LIKE 'c%'", "abc");
    check("NOT (severity > 0 AND name = 'c''')", "ab");
    check("until IS NULL", "bc");
    check("geometry IS NULL", "c");
}

#[test]
fn like_between_and_in_may_be_negated() {
    check("name LIKE '% 50\\%'", "b");
    check("name NOT LIKE '_'", "bc");
    check("severity BETWEEN 2 AND 3", "b");
    check("severity NOT BETWEEN 2 AND 3", "a");
    check("name IN ('a', 'c''')", "ac");
    check("severity NOT IN (4)", "b");
}

#[test]
fn places_are_points_lines_polygons_and_boxes() {
    check("S_INTERSECTS(geometry, BBOX(106,29,107,30))", "a");
    check("s_intersects(geometry, bbox(106,29,0,107,30,9))", "a");
    check("S_INTERSECTS(geometry, POINT(106.5 29.5))", "a");
    check("S_INTERSECTS(geometry, POINT Z (106.5 29.5 12))", "a");
    check("S_INTERSECTS(geometry, MULTIPOINT((107.5 29.5), (1 1)))", "b");
    check("S_INTERSECTS(geometry, LINESTRING(106 29, 107 30))", "a");
    check("S_WITHIN(geometry, POLYGON((106 29, 108 29, 108 30, 106 30, 106 29)))", "ab");
    check(
        "S_WITHIN(geometry, POLYGON((106 29, 108 29, 108 30, 106 30, 106 29),(107.4 29.4,107.6 29.4,107.6 29.6,107.4 29.6,107.4 29.4)))",
        "a",
    );
    check("S_DISJOINT(geometry, MULTIPOLYGON(((106 29, 107 29, 107 30, 106 29.9, 106 29))))", "b");
    check("S_CONTAINS(POLYGON((106 29, 107 29, 107 30, 106 30, 106 29)), geometry)", "a");
    check(
        "S_INTERSECTS(geometry, GEOMETRYCOLLECTION(POINT(106.5 29.5), LINESTRING(107 29.5, 108 29.5)))",
        "ab",
    );
}

#[test]
fn times_lie_to_each_other_in_fifteen_ways() {
    check("T_AFTER(at, DATE('2026-01-31'))", "bc");
    check("T_BEFORE(at, TIMESTAMP('2026-03-01T00:00:00Z'))", "a");
    check("T_DURING(at, INTERVAL('2026-02-01', '..'))", "bc");
    check("T_INTERSECTS(at, INTERVAL('..', '2026-03-01'))", "ab");
    check("T_INTERSECTS(INTERVAL(at, until), DATE('2026-01-15'))", "a");
    check("T_CONTAINS(INTERVAL(at, until), DATE('2026-01-15'))", "a");
    check("T_EQUALS(at, TIMESTAMP('2026-05-01T00:00:00Z'))", "c");
    check("T_DISJOINT(at, INTERVAL('2026-02-01','2026-04-01'))", "ac");
    let span = |text: &str| format!("INTERVAL('{text}')").replace('/', "','");
    let may = span("2026-05-01T00:00:00Z/2026-05-31T00:00:00Z");
    for (how, other) in [
        ("T_STARTS", "2026-05-01T00:00:00Z/2026-06-30T00:00:00Z"),
        ("T_STARTEDBY", "2026-05-01T00:00:00Z/2026-05-20T00:00:00Z"),
        ("T_FINISHES", "2026-04-01T00:00:00Z/2026-05-31T00:00:00Z"),
        ("T_FINISHEDBY", "2026-05-20T00:00:00Z/2026-05-31T00:00:00Z"),
        ("T_MEETS", "2026-05-31T00:00:00Z/2026-06-30T00:00:00Z"),
        ("T_METBY", "2026-04-01T00:00:00Z/2026-05-01T00:00:00Z"),
        ("T_OVERLAPS", "2026-05-20T00:00:00Z/2026-06-30T00:00:00Z"),
        ("T_OVERLAPPEDBY", "2026-04-01T00:00:00Z/2026-05-20T00:00:00Z"),
    ] {
        check(&format!("{how}({may}, {})", span(other)), "abc");
        check(&format!("{how}({}, {may})", span("2020-01-01T00:00:00Z/2020-02-01T00:00:00Z")), "");
    }
}

#[test]
fn json_says_the_same_as_text() {
    check_json(r#"{"op":"=","args":[{"property":"severity"},4]}"#, "a");
    check_json(r#"{"op":"<","args":[3,{"property":"severity"}]}"#, "a");
    check_json(
        r#"{"op":"or","args":[{"op":"like","args":[{"property":"name"},"c%"]},
            {"op":"not","args":[{"op":"between","args":[{"property":"severity"},2,3]}]}]}"#,
        "ac",
    );
    check_json(r#"{"op":"in","args":[{"property":"name"},["a","x"]]}"#, "a");
    check_json(r#"{"op":"isNull","args":[{"property":"severity"}]}"#, "c");
    check_json(r#"{"op":"and","args":[true,{"op":"=","args":[{"property":"old"},true]}]}"#, "a");
    check_json(
        r#"{"op":"s_intersects","args":[{"property":"geometry"},{"bbox":[106,29,107,30]}]}"#,
        "a",
    );
    check_json(
        r#"{"op":"s_within","args":[{"property":"geometry"},{"type":"Polygon",
            "coordinates":[[[107,29],[108,29],[108,30],[107,30],[107,29]]]}]}"#,
        "b",
    );
    check_json(
        r#"{"op":"t_during","args":[{"property":"at"},{"interval":["2026-02-01",".."]}]}"#,
        "bc",
    );
    check_json(r#"{"op":"t_after","args":[{"property":"at"},{"date":"2026-03-01"}]}"#, "c");
    check_json(
        r#"{"op":">=","args":[{"property":"at"},{"timestamp":"2026-05-01T00:00:00Z"}]}"#,
        "c",
    );
}

#[test]
fn positions_of_a_filter_are_in_the_system_named() {
    let expr = parse_text("S_INTERSECTS(geometry, BBOX(29,106,30,107))", Crs::Epsg4490).unwrap();
    assert_eq!(takes(&expr), "a");
}

#[test]
fn faults_name_the_byte_where_it_stops_being_a_filter() {
    refused("severity = ", 12, "expected a value");
    refused("severity 4", 10, "expected a comparison");
    refused("severity = 4 name = 'a'", 14, "expected AND, OR or the end");
    refused("(severity = 4", 14, "expected `)`");
    refused("name = 'a", 8, "the quotation does not end");
    refused("at > TIMESTAMP('noon')", 16, "no time of RFC 3339");
    refused("S_INTERSECTS(geometry, POINT(200 0))", 30, "out of range");
    refused("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1, 0 1)))", 32, "not closed");
    refused("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 0 0)))", 32, "at least 4 points");
    refused("S_INTERSECTS(geometry, 'x')", 24, "expected a geometry");
    refused("and = 1", 1, "expected a property");
    refused("", 1, "expected a property");
}

#[test]
fn properties_must_be_declared_and_hold_what_they_are_compared_with() {
    refused("colour = 'red'", 1, "`colour` is not a queryable property");
    refused("severity = 'high'", 1, "is of kind Integer");
    refused("name > 5", 1, "is of kind Text");
    refused("S_INTERSECTS(name, POINT(0 0))", 1, "is of kind Text");
    refused("severity LIKE 'x%'", 1, "is of kind Integer");
    refused("T_AFTER(name, DATE('2026-01-01'))", 1, "is of kind Text");
}

#[test]
fn depth_length_conditions_and_points_have_limits() {
    let code = |text: &str| parse_text(text, Crs::Crs84).map_err(|fault| fault.code.number);
    let nested = |n: usize| format!("{}severity = 4{}", "(".repeat(n), ")".repeat(n));
    assert!(code(&nested(DEPTH_MAX - 1)).is_ok());
    assert_eq!(code(&nested(DEPTH_MAX)), Err(472));
    assert_eq!(code(&"NOT ".repeat(DEPTH_MAX + 1)), Err(472));
    let many = |n: usize| vec!["old=TRUE"; n].join(" OR ");
    assert!(code(&many(NODES_MAX)).is_ok());
    assert_eq!(code(&many(NODES_MAX + 1)), Err(472));
    assert_eq!(code(&format!("name = '{}'", "x".repeat(FILTER_BYTES_MAX))), Err(472));
    let points =
        |n: usize| format!("S_INTERSECTS(geometry,MULTIPOINT({}))", vec!["1 1"; n].join(","));
    assert!(code(&points(POINTS_MAX)).is_ok());
    assert_eq!(code(&points(POINTS_MAX + 1)), Err(472));
    let deep = |n: usize| {
        let (open, close) = (r#"{"op":"not","args":["#.repeat(n), "]}".repeat(n));
        parse_json(&format!("{open}true{close}"), Crs::Crs84).map_err(|fault| fault.code.number)
    };
    assert!(deep(DEPTH_MAX - 1).is_ok());
    assert_eq!(deep(DEPTH_MAX), Err(472));
}

#[test]
fn a_longer_filter_costs_more() {
    let cost = |text: &str| parse_text(text, Crs::Crs84).unwrap().cost();
    assert_eq!(cost("severity = 4 AND NOT (old = TRUE OR severity > 2)"), 3);
    assert!(cost("name LIKE '%a%b%c%'") > cost("name = 'abc'"));
    assert_eq!(cost("severity IN (1, 2, 3)"), 4);
    assert_eq!(cost("S_INTERSECTS(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))"), 4);
}

#[test]
fn conditions_at_the_top_are_found() {
    let expr = parse_text("name = 'a' AND (severity = 4 AND NOT old = TRUE)", Crs::Crs84).unwrap();
    assert_eq!(expr.conjuncts().len(), 3);
    let either = parse_text("name = 'a' OR severity = 4", Crs::Crs84).unwrap();
    assert_eq!(either.conjuncts().len(), 1);
}

#[test]
fn a_shape_is_judged_as_a_whole() {
    struct Town(Shape);
    impl Fields for Town {
        fn value(&self, _property: &str) -> Option<Value<'_>> {
            None
        }
        fn place(&self) -> Option<Place<'_>> {
            Some(Place::Shape(&self.0))
        }
    }
    let town = Town(Shape {
        polygons: vec![vec![vec![[106.0, 29.0], [107.0, 29.0], [107.0, 30.0], [106.0, 30.0]]]],
    });
    let judge = |text: &str| holds(&parse_text(text, Crs::Crs84).unwrap(), &town);
    assert!(judge("S_INTERSECTS(geometry, BBOX(106.9,29.9,109,31))"));
    assert!(!judge("S_WITHIN(geometry, BBOX(106.9,29.9,109,31))"));
    assert!(judge("S_WITHIN(geometry, BBOX(105,28,109,31))"));
    assert!(judge("S_CONTAINS(geometry, POINT(106.5 29.5))"));
    assert!(judge("S_DISJOINT(geometry, BBOX(108,29,109,30))"));
}
