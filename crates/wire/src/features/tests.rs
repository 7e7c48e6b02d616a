//! What is asked, by examples.

use chengmai_model::geometry::Shape;

use super::*;
use crate::cql2::{Kind, Place, Queryable};

fn declared() -> Vec<Queryable> {
    let one =
        |name, kind| Queryable { name, kind, title: Text::new(name, name), words: Vec::new() };
    vec![
        one("tier", Kind::Text),
        one("severity", Kind::Integer),
        one("simulated", Kind::Boolean),
        one("geometry", Kind::Geometry),
    ]
}

fn ask(query: &str) -> Result<CollectionQuery, String> {
    let pairs = crate::geo_report::form_fields(query.as_bytes());
    collection_query(&pairs, &declared()).map_err(|fault| fault.to_string())
}

fn check(query: &str, refusal: &str) {
    let found = ask(query).expect_err(query);
    assert!(found.contains(refusal), "{query}: {found}");
}

#[test]
fn what_is_not_known_stands_twice_or_has_no_sense_is_refused_by_name() {
    check("color=red", "E-470 `color` is not a parameter");
    check("limit=5&limit=6", "`limit` stands twice");
    check("limit=0", "`limit` cannot be `0`");
    check("limit=x", "`limit` cannot be `x`");
    check("f=xml", "`f` cannot be `xml`: json, html");
    check("bbox=1,2,3", "`bbox` cannot be `1,2,3`");
    check("bbox=1,4,3,2", "`bbox`");
    check("bbox=a,b,c,d", "`bbox`");
    check("crs=EPSG:4326", "E-473 `crs` cannot be `EPSG:4326`");
    check("bbox-crs=x", "E-473");
    check("datetime=yesterday", "`datetime`");
    check("datetime=2026-02-01T00:00:00Z/2026-01-01T00:00:00Z", "`datetime`");
    check("filter-lang=sql&filter=1=1", "`filter-lang`");
    check("severity=high", "`severity` cannot be `high`");
    check("geometry=x", "`geometry` is not a parameter");
    check("filter=colour%3D'red'", "E-471 `colour` is not a queryable property");
    check(&format!("cursor={}", "x".repeat(VALUE_BYTES_MAX + 1)), "is longer than");
    let many: Vec<String> = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1")).collect();
    check(&many.join("&"), "more than 50 parameters");
}

#[test]
fn a_limit_beyond_the_greatest_is_the_greatest() {
    assert_eq!(ask("").unwrap().limit, LIMIT_DEFAULT);
    assert_eq!(ask("limit=7").unwrap().limit, 7);
    assert_eq!(ask("limit=1000000").unwrap().limit, LIMIT_MAX);
}

#[test]
fn a_box_is_read_in_its_own_reference_system() {
    let bbox = |query: &str| ask(query).unwrap().bbox.unwrap();
    let meets = |query: &str, at| bbox(query).intersects(Place::Point(at));
    assert!(meets("bbox=106,29,107,30", [106.5, 29.5]));
    assert!(meets("bbox=106,29,0,107,30,500", [106.5, 29.5]));
    let latitude_first = "http://www.opengis.net/def/crs/EPSG/0/4490";
    assert!(meets(&format!("bbox=29,106,30,107&bbox-crs={latitude_first}"), [106.5, 29.5]));
    let metres = "http://www.opengis.net/def/crs/EPSG/0/3857";
    let query = format!("bbox=11800000,3370000,11912000,3504000&bbox-crs={metres}");
    assert!(meets(&query, [106.5, 29.5]));
    assert!(!meets(&query, [107.5, 29.5]));
    assert!(meets("bbox=170,-10,-170,10", [-175.0, 0.0]));
}

#[test]
fn a_span_may_be_open_at_either_end_and_a_day_is_whole() {
    let span = |query: &str| ask(&format!("datetime={query}")).unwrap().datetime.unwrap();
    let at = |text: &str| Timestamp::parse_rfc3339(text);
    let noon = at("2026-11-21T12:00:00Z");
    let instant = Interval { from: noon, to: noon };
    for (query, meets) in [
        ("2026-11-21T12:00:00Z", true),
        ("2026-11-21", true),
        ("2026-11-21T00:00:00Z/..", true),
        ("/2026-11-21", true),
        ("../2026-11-20", false),
        ("2026-11-22/", false),
        ("2026-11-21T20:00:00%2B08:00", true),
        ("../..", true),
    ] {
        assert_eq!(span(query).meets(instant), meets, "{query}");
    }
    assert!(span("2026-11-22").meets(Interval { from: noon, to: None }), "it goes on");
}

#[test]
fn properties_asked_for_by_name_and_a_filter_all_have_to_hold() {
    let query = ask("tier=town&simulated=true&filter=severity>2").unwrap();
    let Some(Expr::All(parts)) = query.filter else { panic!("{query:?}") };
    assert_eq!(parts.len(), 3);
}

#[test]
fn features_come_out_in_the_system_asked_for_with_their_rings_closed() {
    let ring = vec![[106.0, 29.0], [107.0, 29.0], [107.0, 30.0]];
    let one = Feature {
        id: "a".to_owned(),
        position: Some(Position::Shape(Shape { polygons: vec![vec![ring]] })),
        properties: Map::new(),
    };
    let out = feature(&one, &[], Crs::Epsg4490);
    let ring = &out["geometry"]["coordinates"][0][0];
    assert_eq!(ring[0], serde_json::json!([29.0, 106.0]));
    assert_eq!(ring[0], ring[3]);
    let nowhere = Feature { position: None, ..one };
    assert!(feature(&nowhere, &[], Crs::Crs84)["geometry"].is_null());
}
