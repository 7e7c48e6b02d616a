//! Entities in and out, terms, queries and subscriptions, by tables; any bytes.

use std::collections::BTreeMap;

use chengmai_model::Timestamp;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    Context, DEFAULT_VOCABULARY, Entity, EntityQuery, Form, Missing, Output, TypeTest, Wanted,
    entity, entity_json, entity_query, feature_json, fragment, is_core, link_target, parse_q,
    posted_query, subscription, temporal_json, temporal_query,
};
use crate::Fault;

const SCHEMA: &str = concat!("https:", "//schema.example/");

fn core() -> Context {
    Context::default()
}

fn pairs(text: &str) -> Vec<(String, String)> {
    let all = form_urlencoded::parse(text.as_bytes());
    all.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn built(json: &Json, known: &[(&str, Json)]) -> Result<Context, Missing> {
    let known: BTreeMap<String, Json> =
        known.iter().map(|(url, text)| ((*url).to_owned(), text.clone())).collect();
    Context::build(Wanted::Json(json), &known)
}

/// A well with something of every kind.
fn well() -> Json {
    json!({
        "id": "urn:ngsi-ld:Device:w1", "type": "Device",
        "temperature": {"type": "Property", "value": 21.5, "unitCode": "CEL",
            "observedAt": "2026-11-21T03:04:05.000Z",
            "accuracy": {"type": "Property", "value": 0.5}},
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [106.5, 29.5]}},
        "area": {"type": "Relationship", "object": "urn:ngsi-ld:AdministrativeArea:500103"},
        "name": {"type": "LanguageProperty", "languageMap": {"zh": "甲井", "en": "Well A"}},
        "category": {"type": "Property", "value": ["sensor", "lid"]},
        "address": {"type": "Property", "value": {"city": "渝中", "lines": {"first": "7"}}},
        "speed": [
            {"type": "Property", "value": 5, "datasetId": "urn:x:a"},
            {"type": "Property", "value": 7, "datasetId": "urn:x:b"}],
    })
}

fn read(json: &Json) -> Entity {
    entity(json, &core(), false).unwrap()
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Fault>) -> String {
    let fault = outcome.unwrap_err();
    format!("{} {}", fault.code.label(), fault.reason.en)
}

#[test]
fn what_is_sent_normalised_comes_back_the_same() {
    let (sent, context) = (well(), core());
    assert_eq!(entity_json(&read(&sent), &context, &Output::default()), sent);
    let concise = Output { form: Form::Concise, ..Output::default() };
    let short = entity_json(&read(&sent), &context, &concise);
    assert_eq!(short["category"], json!(["sensor", "lid"]));
    assert_eq!(
        short["location"],
        json!({"value": {"type": "Point", "coordinates": [106.5, 29.5]}})["value"]
    );
    assert_eq!(short["temperature"]["accuracy"], 0.5);
    assert!(short["temperature"].get("type").is_none());
    assert_eq!(entity(&short, &context, false).unwrap(), read(&sent), "concise says the same");
}

#[test]
fn bare_values_and_features_say_what_they_can() {
    let (whole, context) = (read(&well()), core());
    let bare = Output { form: Form::Simplified, ..Output::default() };
    let shown = entity_json(&whole, &context, &bare);
    assert_eq!(shown["temperature"], 21.5);
    assert_eq!(shown["area"], "urn:ngsi-ld:AdministrativeArea:500103");
    assert_eq!(shown["name"], json!({"languageMap": {"zh": "甲井", "en": "Well A"}}));
    assert_eq!(shown["speed"], json!({"dataset": {"urn:x:a": 5, "urn:x:b": 7}}));
    let english = Output { language: Some("en-GB".to_owned()), ..bare.clone() };
    assert_eq!(entity_json(&whole, &context, &english)["name"], "Well A");
    let feature = feature_json(&whole, &context, &bare);
    assert_eq!(feature["geometry"]["coordinates"], json!([106.5, 29.5]));
    assert_eq!(feature["properties"]["temperature"], 21.5);
    assert_eq!(
        (&feature["id"], &feature["type"]),
        (&json!("urn:ngsi-ld:Device:w1"), &json!("Feature"))
    );
    let again = json!({"id": "urn:x:1", "type": "T", "a": 1, "o": {"b": 2}, "l": {"languageMap": {"zh": "甲"}}});
    let read = entity(&again, &context, true).unwrap();
    assert_eq!(entity_json(&read, &context, &bare), again, "bare values are taken as well");
}

#[test]
fn what_is_not_right_is_refused_with_its_name() {
    for (json, expected) in [
        (json!([]), "E-521 an entity is an object"),
        (json!({"type": "T"}), "E-521 the id is missing"),
        (json!({"id": "urn:x:1"}), "E-521 the type is missing"),
        (json!({"id": "no uri", "type": "T"}), "E-521 the id is a URI, as urn:ngsi-ld:Device:m1"),
        (json!({"id": "urn:x:1", "type": []}), "E-521 the type is missing"),
        (json!({"id": "urn:x:1", "type": "T", "a": null}), "E-521 `a`: null is no value"),
        (json!({"id": "urn:x:1", "type": "T", "a<": 1}), "E-521 `a<` is no name"),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"type": "Property"}}),
            "E-521 `a`: value is missing",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"b": 1}}),
            "E-521 `a`: neither type nor value, object or the like",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"type": "Proprety", "value": 1}}),
            "E-521 `a`: \"Proprety\" is no type of attribute",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"type": "Relationship", "object": "m1"}}),
            "E-521 `a`: the object is a URI",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"type": "Property", "value": 1, "object": "urn:x:2"}}),
            "E-521 `a`: a Property has no object",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": {"value": 1, "observedAt": "yesterday"}}),
            "E-521 `a`: observedAt is a time of RFC 3339",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "location": {"type": "GeoProperty",
            "value": {"type": "Point", "coordinates": [200, 29]}}}),
            "E-521 `location`: the value is no geometry of GeoJSON",
        ),
        (
            json!({"id": "urn:x:1", "type": "T", "a": [{"type": "Property", "value": 1},
            {"type": "Property", "value": 2}]}),
            "E-521 `a`: two instances have one datasetId",
        ),
    ] {
        assert_eq!(refused(entity(&json, &core(), false)), expected, "{json}");
    }
    let deep = (0..8).fold(json!({"value": 1}), |inner, _| json!({"value": 1, "a": inner}));
    let json = json!({"id": "urn:x:1", "type": "T", "a": deep});
    assert_eq!(refused(entity(&json, &core(), false)), "E-521 `a`: attributes are nested too deep");
    assert_eq!(refused(super::json(b"{\"a\": 1,}")), "E-520 not whole JSON: trailing comma");
    assert!(super::json("[".repeat(100).as_bytes()).is_err());
}

#[test]
fn a_change_replaces_parts_and_takes_away_what_is_null() {
    let context = core();
    let change = super::change(
        &json!({"temperature": {"value": 22}, "category": "urn:ngsi-ld:null", "name": null,
            "speed": [{"type": "Property", "value": 9, "datasetId": "urn:x:a"}], "new": 1}),
        &context,
        false,
    );
    let merged = read(&well()).merged(&change.unwrap());
    let shown = entity_json(&merged, &context, &Output::default());
    assert_eq!(shown["temperature"]["value"], 22);
    assert_eq!(shown["temperature"]["unitCode"], "CEL", "what is not named stays");
    assert!(shown.get("category").is_none() && shown.get("name").is_none());
    assert_eq!(shown["speed"][0]["value"], 9);
    assert_eq!(shown["speed"][1]["value"], 7);
    assert_eq!(shown["new"]["value"], 1);
    let part = super::change(&json!({"other": {"unitCode": "CEL"}}), &context, false).unwrap();
    assert_eq!(
        read(&well()).merged(&part).incomplete().map(|n| n.rsplit('/').next().unwrap()),
        Some("other")
    );
}

#[test]
fn names_are_made_whole_and_short_again_by_the_context() {
    let context = built(
        &json!([{"schema": SCHEMA, "temp": "schema:temperature", "Room": {"@id": "schema:Room", "@type": "@id"},
            "location": "schema:place", "plain": "other", "@version": 1.1}, "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.3.jsonld"]),
        &[],
    );
    let context = context.unwrap();
    for (short, whole) in [
        ("temp", format!("{SCHEMA}temperature")),
        ("Room", format!("{SCHEMA}Room")),
        ("schema:x", format!("{SCHEMA}x")),
        ("location", "https://uri.etsi.org/ngsi-ld/location".to_owned()),
        ("description", "http://purl.org/dc/terms/description".to_owned()),
        ("nobody", format!("{DEFAULT_VOCABULARY}nobody")),
        ("plain", format!("{DEFAULT_VOCABULARY}other")),
        ("urn:a:b", "urn:a:b".to_owned()),
        ("https://x.example/a", "https://x.example/a".to_owned()),
    ] {
        assert_eq!(context.expand(short), whole);
    }
    for (whole, short) in [
        (format!("{SCHEMA}temperature"), "temp"),
        ("https://uri.etsi.org/ngsi-ld/location".to_owned(), "location"),
        (format!("{DEFAULT_VOCABULARY}nobody"), "nobody"),
        // The short name means something else here.
        (format!("{DEFAULT_VOCABULARY}temp"), &format!("{DEFAULT_VOCABULARY}temp")),
        ("urn:a:b".to_owned(), "urn:a:b"),
    ] {
        assert_eq!(context.compact(&whole), short);
    }
}

#[test]
fn a_context_that_is_not_at_hand_is_missing_and_one_that_leads_in_circles_is_refused() {
    let (a, b) = ("https://a.example/c.jsonld", "https://b.example/c.jsonld");
    assert_eq!(built(&json!([a]), &[]), Err(Missing::Url(a.to_owned())));
    let known = [(a, json!({"@context": [b, {"x": "urn:a:x"}]}))];
    assert_eq!(built(&json!(a), &known), Err(Missing::Url(b.to_owned())));
    let known = [(a, json!({"@context": b})), (b, json!({"@context": {"y": "urn:b:y"}}))];
    let context = built(&json!(a), &known).unwrap();
    assert_eq!(context.expand("y"), "urn:b:y");
    assert_eq!((context.link(), context.said()[0].as_str()), (Some(a), Some(a)));
    let circle = [(a, json!({"@context": b})), (b, json!({"@context": a}))];
    for json in [json!(a), json!([a, b, a])] {
        assert!(matches!(built(&json, &circle), Err(Missing::Fault(_))), "{json}");
    }
    let steps = built(&json!({"a": "b:x", "b": "a:y", "@vocab": "a:"}), &[]).unwrap();
    assert!(steps.expand("a").len() < 100, "definitions in a circle end");
    assert!(matches!(built(&json!({"a": 7}), &[]), Err(Missing::Fault(_))));
    assert!(matches!(built(&json!({"@import": a}), &[]), Err(Missing::Fault(_))));
    let whole = built(&json!({"x": "urn:a:x"}), &[]).unwrap();
    assert_eq!((whole.link(), whole.said()[0]["x"].as_str()), (None, Some("urn:a:x")));
}

#[test]
fn the_core_context_is_known_by_every_name_it_has() {
    let core = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context";
    for (url, is_it) in [
        (format!("{core}.jsonld"), true),
        (format!("{core}-v1.3.jsonld"), true),
        (format!("{core}-v1.9.jsonld"), true),
        (format!("{core}-v2.0.jsonld"), false),
        (format!("{core}-v1..jsonld"), false),
        (format!("http{}", &core[5..]), false),
    ] {
        assert_eq!(is_core(&url), is_it, "{url}");
    }
    let rel = "http://www.w3.org/ns/json-ld#context";
    for (header, expected) in [
        (
            format!("<https://a.example/c>; rel=\"{rel}\"; type=\"application/ld+json\""),
            Ok(Some("https://a.example/c")),
        ),
        (
            format!("<https://b.example>; rel=\"next\", <https://a.example/c>; rel=\"{rel}\""),
            Ok(Some("https://a.example/c")),
        ),
        ("<https://b.example>; rel=\"next\"".to_owned(), Ok(None)),
        (format!("<a>; rel=\"{rel}\", <b>; rel=\"{rel}\""), Err(())),
        ("nothing".to_owned(), Err(())),
    ] {
        let found = link_target(&header).map_err(|_| ());
        assert_eq!(found, expected.map(|url| url.map(str::to_owned)), "{header}");
    }
}

#[test]
fn queries_hold_as_the_grammar_says() {
    let well = read(&well());
    for (q, holds) in [
        ("temperature", true),
        ("nothing", false),
        ("!nothing", true),
        ("temperature==21.5", true),
        ("temperature!=21.5", false),
        ("temperature>21;temperature<22", true),
        ("temperature>22|temperature<22", true),
        ("temperature>=21.5;temperature<=21.5", true),
        ("(temperature>22|speed==5);category==\"lid\"", true),
        ("temperature>22|speed==5;category==\"none\"", false),
        ("temperature==20..22", true),
        ("temperature!=20..22", false),
        ("temperature==\"2026-01-01T00:00:00Z\"", false),
        ("temperature==1,21.5,3", true),
        ("category==sensor", true),
        ("category!=sensor", false),
        ("category==\"sensor\",\"other\"", true),
        ("temperature.accuracy==0.5", true),
        ("temperature.accuracy<0.5", false),
        ("temperature.unitCode==\"CEL\"", true),
        ("temperature.observedAt>=2026-11-21T03:04:05Z", true),
        ("temperature.observedAt<\"2026-11-21T11:04:05+08:00\"", false),
        ("address[city]==\"渝中\"", true),
        ("address[lines.first]==\"7\"", true),
        ("address.city==\"渝中\"", true),
        ("address[city]==\"江北\"", false),
        ("name==\"甲井\"", true),
        ("name[en]==\"甲井\"", false),
        ("name[en]~=^Well", true),
        ("name[en]!~=^Well", false),
        ("name[en]~=\"(?i)well (A|B)$\"", true),
        ("name[en]~=Well (A|B)|nothing", true),
        ("nothing!~=x", false),
        ("nothing!=5", false),
        ("area==urn:ngsi-ld:AdministrativeArea:500103", true),
        ("speed==7", true),
        ("speed>7", false),
        ("https://uri.etsi.org/ngsi-ld/default-context/temperature>21", true),
        ("location", true),
    ] {
        let read = parse_q(q, &core()).unwrap_or_else(|fault| panic!("{q}: {fault}"));
        assert_eq!(read.holds(&well), holds, "{q}");
    }
}

#[test]
fn a_query_that_is_not_one_is_refused_where_it_breaks() {
    for (q, byte) in [
        ("", 1),
        ("a=1", 2),
        ("a==", 4),
        ("a==1;", 6),
        ("(a==1", 6),
        ("a==1)", 5),
        ("a>1,2", 6),
        ("a>1..2", 7),
        ("a.==1", 1),
        ("a[b==1", 3),
        ("a==\"x", 4),
        ("a==50%", 4),
        ("a~=(", 1),
        ("a~=((((a{9}){9}){9}){9}){99}", 1),
    ] {
        let fault = parse_q(q, &core()).unwrap_err();
        assert_eq!((fault.code.number, fault.byte), (522, byte), "{q}: {fault}");
    }
    for q in ["(".repeat(40), "a;".repeat(200) + "a", "a".repeat(5_000)] {
        assert!(parse_q(&q, &core()).is_err());
    }
}

#[test]
fn types_are_lists_and_brackets() {
    let whole = |names: &[&str]| names.iter().map(|n| core().expand(n)).collect::<Vec<_>>();
    for (test, types, holds) in [
        ("A", &["A"][..], true),
        ("A,B", &["B"], true),
        ("A|B", &["C"], false),
        ("A;B", &["A"], false),
        ("(A;B),C", &["B", "A"], true),
        ("A;(B|C)", &["A", "C"], true),
    ] {
        let read = TypeTest::parse(test, &core()).unwrap();
        assert_eq!(read.holds(&whole(types)), holds, "{test} {types:?}");
    }
    for test in ["", "A,", "(A", "A)", "((((((((((A))))))))))"] {
        assert!(TypeTest::parse(test, &core()).is_err(), "{test}");
    }
}

fn asked(text: &str) -> Result<EntityQuery, Fault> {
    entity_query(&pairs(text), &core(), &[])
}

#[test]
fn parameters_select_place_and_shape_the_answer() {
    let well = read(&well());
    for (query, holds) in [
        ("type=Device", true),
        ("type=Room,Device", true),
        ("type=Room", false),
        ("id=urn:ngsi-ld:Device:w1,urn:ngsi-ld:Device:w2", true),
        ("idPattern=^urn:ngsi-ld:Device:.*1$", true),
        ("idPattern=^urn:ngsi-ld:Room", false),
        ("attrs=nothing,temperature", true),
        ("attrs=nothing", false),
        ("georel=near;maxDistance==1200&geometry=Point&coordinates=[106.51,29.5]", true),
        ("georel=near;maxDistance==900&geometry=Point&coordinates=[106.51,29.5]", false),
        ("georel=near;minDistance=900&geometry=Point&coordinates=[106.51,29.5]", true),
        (
            "georel=within&geometry=Polygon&coordinates=[[[106,29],[107,29],[107,30],[106,30],[106,29]]]",
            true,
        ),
        ("georel=disjoint&geometry=Point&coordinates=[0,0]", true),
        ("georel=equals&geometry=Point&coordinates=[106.5,29.5]", true),
        ("georel=intersects&geometry=LineString&coordinates=[[106,29.5],[107,29.5]]", true),
        ("georel=within&geometry=Point&coordinates=[0,0]&geoproperty=operationSpace", false),
    ] {
        assert_eq!(asked(query).unwrap().holds(&well), holds, "{query}");
    }
    let query =
        asked("type=Device&attrs=temperature,name&omit=name&options=keyValues,count&limit=5")
            .unwrap();
    let shown = entity_json(&query.shown(well), &core(), &query.output);
    assert_eq!(
        shown,
        json!({"id": "urn:ngsi-ld:Device:w1", "type": "Device", "temperature": 21.5})
    );
    assert_eq!((query.limit, query.count), (5, true));
    for (query, number) in [
        ("type=Device&colour=red", 520),
        ("type=Device&type=Room", 520),
        ("type=Device&options=pretty", 520),
        ("type=Device&count=yes", 520),
        ("type=Device&limit=1001", 522),
        ("type=Device&limit=0", 522),
        ("type=Device&offset=-1", 522),
        ("georel=within&geometry=Point", 522),
        ("georel=around&geometry=Point&coordinates=[0,0]", 522),
        ("georel=near;maxDistance==far&geometry=Point&coordinates=[0,0]", 522),
        ("georel=within&geometry=Point&coordinates=[0,95]", 522),
    ] {
        assert_eq!(asked(query).unwrap_err().code.number, number, "{query}");
    }
}

#[test]
fn a_posted_query_asks_the_same() {
    let json = json!({"type": "Query", "entities": [{"type": "Device", "idPattern": "w"}], "q": "temperature>20",
        "attrs": ["temperature"], "geoQ": {"georel": "near;maxDistance==10", "geometry": "Point",
            "coordinates": [106.5, 29.5]}});
    let query = posted_query(&json, &core(), asked("limit=9").unwrap()).unwrap();
    assert!(query.holds(&read(&well())) && query.limit == 9);
    for json in [json!({"type": "Question"}), json!({"type": "Query", "entities": [{}]}), json!([])]
    {
        assert!(posted_query(&json, &core(), asked("limit=9").unwrap()).is_err(), "{json}");
    }
}

fn subscribed(change: &Json) -> Result<super::Subscription, Fault> {
    let mut json = json!({"type": "Subscription", "entities": [{"type": "Device"}],
        "notification": {"endpoint": {"uri": "https://hook.example/x", "accept": "application/ld+json"}}});
    for (name, value) in change.as_object().unwrap() {
        json[name] = value.clone();
    }
    subscription(&json, &core())
}

#[test]
fn a_subscription_is_told_of_what_it_watches_and_refused_what_is_not_done() {
    let (well, temperature) = (read(&well()), vec![core().expand("temperature")]);
    for (change, holds) in [
        (json!({}), true),
        (json!({"watchedAttributes": ["temperature"]}), true),
        (json!({"watchedAttributes": ["speed"]}), false),
        (json!({"q": "temperature>21"}), true),
        (json!({"q": "temperature%3E21"}), true),
        (json!({"q": "category%3D%3D%22lid%22%3Btemperature%3E21"}), true),
        (json!({"q": "temperature>22"}), false),
        (json!({"entities": [{"type": "Room"}, {"idPattern": "w1$"}]}), true),
        (
            json!({"geoQ": {"georel": "near;maxDistance==1", "geometry": "Point", "coordinates": "[0,0]"}}),
            false,
        ),
    ] {
        let read = subscribed(&change).unwrap_or_else(|fault| panic!("{change}: {fault}"));
        assert_eq!(read.holds(&well, Some(&temperature)), holds, "{change}");
        assert!(read.is_ld && read.is_active);
    }
    for (change, number) in [
        (json!({"entities": []}), 521),
        (json!({"entities": [{}]}), 521),
        (json!({"type": "Subscribe"}), 521),
        (json!({"watchedAttributes": []}), 521),
        (json!({"throttling": -1}), 521),
        (json!({"expiresAt": "tomorrow"}), 521),
        (json!({"notification": {}}), 521),
        (json!({"notification": {"endpoint": {"uri": "mqtt://broker.example/t"}}}), 524),
        (
            json!({"notification": {"endpoint": {"uri": "https://h.example", "receiverInfo": [{"key": "a b", "value": ""}]}}}),
            521,
        ),
        (json!({"timeInterval": 60}), 524),
        (json!({"csf": "x"}), 524),
        (json!({"notificationTrigger": ["entityDeleted"]}), 524),
        (json!({"q": "a=="}), 522),
    ] {
        assert_eq!(subscribed(&change).unwrap_err().code.number, number, "{change}");
    }
}

#[test]
fn values_over_time_are_listed_or_summed_up() {
    let hour = 3_600_000;
    let points =
        (0..4).map(|n| (Timestamp(n * hour / 2), f64::from(i32::try_from(n).unwrap()))).collect();
    let values =
        super::Values { name: core().expand("t"), unit_code: Some("CEL".to_owned()), points };
    let entity =
        Entity { id: "urn:x:1".to_owned(), types: vec![core().expand("T")], ..Entity::default() };
    let told = |text: &str| {
        let query = temporal_query(&pairs(text)).unwrap();
        temporal_json(&entity, std::slice::from_ref(&values), &query, &core())
    };
    let listed = told("timerel=before&timeAt=1970-01-02T00:00:00Z&lastN=1");
    assert_eq!(
        listed["t"],
        json!([{"type": "Property", "value": 3.0, "unitCode": "CEL", "observedAt": "1970-01-01T01:30:00.000Z"}])
    );
    let bare = told("options=temporalValues,count&lastN=2");
    assert_eq!(
        bare["t"]["values"],
        json!([[2.0, "1970-01-01T01:00:00.000Z"], [3.0, "1970-01-01T01:30:00.000Z"]])
    );
    let summed = told(
        "options=aggregatedValues&aggrMethods=avg,max,totalCount,distinctCount,stddev&aggrPeriodDuration=PT1H\
        &timerel=between&timeAt=1970-01-01T00:00:00Z&endTimeAt=1970-01-01T02:00:00Z",
    );
    let (first, second) = (
        ["1970-01-01T00:00:00.000Z", "1970-01-01T01:00:00.000Z"],
        ["1970-01-01T01:00:00.000Z", "1970-01-01T02:00:00.000Z"],
    );
    assert_eq!(summed["t"]["avg"], json!([[0.5, first[0], first[1]], [2.5, second[0], second[1]]]));
    assert_eq!(summed["t"]["stddev"][0][0], 0.5);
    assert_eq!(summed["t"]["totalCount"][1][0], 2);
    let whole = told("aggrMethods=sum&options=aggregatedValues");
    assert_eq!(
        whole["t"]["sum"],
        json!([[6.0, "1970-01-01T00:00:00.000Z", "1970-01-01T01:30:00.001Z"]])
    );
    for text in [
        "timerel=since&timeAt=1970-01-01T00:00:00Z",
        "timerel=before",
        "timerel=between&timeAt=1970-01-02T00:00:00Z&endTimeAt=1970-01-01T00:00:00Z",
        "timeproperty=createdAt",
        "lastN=0",
        "aggrMethods=median",
        "aggrMethods=avg&aggrPeriodDuration=P1M",
        "aggrMethods=avg&aggrPeriodDuration=PT0.001S&timerel=between&timeAt=1970-01-01T00:00:00Z&endTimeAt=1990-01-01T00:00:00Z",
    ] {
        assert!(temporal_query(&pairs(text)).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_refused(text in "[ab.;|()=!<>~\\[\\]\"0-9%]{0,40}") {
        if let Ok(q) = parse_q(&text, &core()) {
            let _ = q.holds(&read(&well()));
        }
    }

    #[test]
    fn any_json_is_an_attribute_or_refused(number: f64, text in ".{0,20}", list in prop::collection::vec(any::<i32>(), 0..4)) {
        let json = json!({"a": number, "b": {"value": text}, "c": {"type": text}, "d": list, "e": {"object": text}});
        if let Ok(read) = fragment(&json, &core(), false) {
            let shown = entity_json(&read, &core(), &Output::default());
            prop_assert_eq!(fragment(&shown, &core(), false).unwrap().attributes, read.attributes);
        }
    }
}
