//! Addresses, options, expressions and documents, from text to what they mean and back; what is none is
//! refused where it stops being one. Nothing here knows a server.

use chengmai_model::Timestamp;
use serde_json::json;

use super::*;
use crate::Fault;

fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2026-11-22T12:00:00Z").unwrap()
}

/// A Thing with a Location and a Datastream of temperature.
fn thing() -> Entity {
    let property = Entity::new(Kind::ObservedProperty, Id::Number(4)).with("name", "temperature");
    let mut datastream = Entity::new(Kind::Datastream, Id::Number(3))
        .with("name", "air's temperature")
        .with("phenomenonTime", "2026-11-22T10:00:00Z/2026-11-22T11:00:00Z")
        .with("unitOfMeasurement", json!({"symbol": "°C"}));
    datastream.links.insert("ObservedProperty", Linked::One(Some(Box::new(property))));
    let place = json!({"type": "Point", "coordinates": [106.5, 29.5]});
    let location = Entity::new(Kind::Location, Id::Number(2)).with("location", place);
    let mut thing = Entity::new(Kind::Thing, Id::Number(i64::MAX))
        .with("name", "Station 一号")
        .with("properties", json!({"floor": 3, "tags": ["a", "b"], "height": 2.5}));
    let many =
        |entity| Linked::Many(Collection { entities: vec![entity], next: None, count: None });
    thing.links.insert("Datastreams", many(datastream));
    thing.links.insert("Locations", many(location));
    thing
}

fn answer(filter: &str) -> Result<bool, Fault> {
    let query: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("$filter", filter).finish();
    let options = options(Kind::Thing, &query)?;
    Ok(holds(&options.filter.unwrap(), &thing(), now()))
}

#[test]
fn expressions_are_worth_what_the_standard_says() {
    let all = "
        true  id eq 9223372036854775807
        false id eq 9223372036854775806
        true  @iot.id ge 5 and name eq 'Station 一号'
        true  name ne 'x' or 1 eq 2 and 1 eq 3
        false (name ne 'x' or 1 eq 2) and 1 eq 3
        true  not (name eq 'x')
        true  not name eq 'x'
        true  properties/floor add 2 mul 2 eq 7
        true  (properties/floor add 2) mul 2 eq 10
        true  7 div 2 eq 3 and 7.0 div 2 eq 3.5 and 7 mod 4 eq 3 and -7 lt 3 sub 9
        true  10 sub 3 sub 2 eq 5
        false 1 div 0 eq 1
        true  properties/tags/1 eq 'b'
        true  properties/nothing eq null
        false properties/nothing gt 1
        true  properties/height gt properties/floor sub 1
        true  startswith(name, 'Station') and endswith(name, '号') and substringof('tion', name)
        true  length(name) eq 10 and indexof(name, '一') eq 8 and substring(name, 8) eq '一号'
        true  substring(name, 0, 3) eq 'Sta' and tolower(name) eq 'station 一号' and toupper('a') eq 'A'
        true  trim('  a ') eq 'a' and concat(concat('a', 'b'), 'c') eq 'abc'
        true  round(2.5) eq 3 and floor(-2.5) eq -3 and ceiling(2.1) eq 3
        true  Datastreams/name eq 'air''s temperature'
        true  Datastreams/ObservedProperty/name eq 'temperature'
        true  Datastreams/unitOfMeasurement/symbol eq '°C'
        true  Datastreams/phenomenonTime lt 2026-11-22T12:00:00+01:00
        true  Datastreams/phenomenonTime gt 2026-11-22T09:59:59Z
        true  Datastreams/phenomenonTime ge 2026-11-22T10:00:00Z and Datastreams/phenomenonTime le 2026-11-22T11:00:00Z
        false Datastreams/phenomenonTime gt 2026-11-22T10:00:00Z or Datastreams/phenomenonTime lt 2026-11-22T10:59:59Z
        true  Datastreams/phenomenonTime eq 2026-11-22T10:00:00Z/2026-11-22T11:00:00Z
        true  now() gt Datastreams/phenomenonTime and Datastreams/phenomenonTime ne now()
        false Datastreams/phenomenonTime gt 2026-11-22T10:30:00Z
        true  now() eq 2026-11-22T20:00:00+08:00
        true  year(now()) eq 2026 and month(now()) eq 11 and day(now()) eq 22 and hour(now()) eq 12
        true  minute(now()) eq 0 and second(now()) eq 0 and fractionalseconds(now()) eq 0
        true  date(now()) eq 2026-11-22 and time(now()) eq 12:00:00 and totaloffsetminutes(now()) eq 0
        true  now() sub duration'PT1H30M' eq 2026-11-22T10:30:00Z
        true  now() sub 2026-11-21T12:00:00Z eq duration'P1D'
        true  mindatetime() lt now() and now() lt maxdatetime()
        true  st_within(Locations/location, geography'POLYGON ((106 29, 107 29, 107 30, 106 30, 106 29))')
        false st_within(Locations/location, geography'POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))')
        true  geo.distance(Locations/location, geography'POINT (106.5 30.5)') eq 1
        true  geo.intersects(Locations/location, geography'LINESTRING (106 29, 107 30)')
        true  geo.length(geography'LINESTRING (0 0, 3 4)') eq 5
        true  st_disjoint(Locations/location, geography'POINT (0 0)')
        true  st_equals(Locations/location, geography'POINT (106.5 29.5)')
        true  st_contains(geography'POLYGON ((106 29, 107 29, 107 30, 106 30, 106 29))', Locations/location)
        true  st_touches(geography'POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))', geography'POINT (0 0)')
        true  st_crosses(geography'LINESTRING (0 0, 2 2)', geography'LINESTRING (0 2, 2 0)')
        true  st_overlaps(geography'POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))', geography'POLYGON ((1 1, 3 1, 3 3, 1 3, 1 1))')
        true  st_intersects(geography'MULTIPOINT ((0 0), (1 1))', geography'POINT (1 1)')
        true  st_relate(Locations/location, geography'POINT (106.5 29.5)', 'T*F**FFF*')";
    for line in all.trim().lines() {
        let (wanted, filter) = line.trim().split_once(' ').unwrap();
        let found = answer(filter.trim()).unwrap_or_else(|fault| panic!("{filter}: {fault}"));
        assert_eq!(found.to_string(), wanted, "{filter}");
    }
}

#[test]
fn what_is_no_expression_is_refused_where_it_stops_being_one() {
    for (filter, byte) in [
        ("", 1),
        ("name eq", 8),
        ("name eq 'x", 9),
        ("name eq 'x' and", 16),
        ("(name eq 'x'", 13),
        ("colour eq 'x'", 1),
        ("Datastreams/colour eq 'x'", 1),
        ("name/first eq 'x'", 1),
        ("shout(name) eq 'X'", 1),
        ("length() eq 1", 1),
        ("name eq 'x' name", 13),
        ("geo.distance(name, geography'POINT (1)') eq 1", 20),
        ("name eq 12:99:99", 9),
    ] {
        let fault = answer(filter).unwrap_err();
        assert_eq!((fault.code.number, fault.byte), (461, byte), "{filter}: {fault}");
    }
    let deep = format!("{}1 eq 1{}", "(".repeat(2_000), ")".repeat(2_000));
    let long = ["1 eq 1"; 400].join(" and ");
    for filter in [deep, long, "x".repeat(9_000)] {
        assert_eq!(answer(&filter).unwrap_err().code.number, 461);
    }
}

#[test]
fn options_of_an_expansion_stand_in_its_brackets() {
    let query = "$expand=Datastreams($filter=name%20eq%20';)';$expand=Observations($orderby=phenomenonTime+desc;$top=1;$count=true),Sensor),Locations/HistoricalLocations&$top=5&$skip=2&$select=name,id&$count=true";
    let options = options(Kind::Thing, query).unwrap();
    assert_eq!((options.top, options.skip, options.count, options.rows()), (Some(5), 2, true, 5));
    assert_eq!(options.select, Some(vec!["name".to_owned(), "id".to_owned()]));
    let [datastreams, locations] = options.expand.as_slice() else { panic!("{options:?}") };
    assert!(datastreams.options.filter.is_some());
    let [observations, sensor] = datastreams.options.expand.as_slice() else {
        panic!("{datastreams:?}")
    };
    assert_eq!((observations.options.top, observations.options.count), (Some(1), true));
    assert!(observations.options.order.first().unwrap().descending);
    assert_eq!((sensor.relation.name, locations.relation.name), ("Sensor", "Locations"));
    assert_eq!(locations.options.expand.first().unwrap().relation.name, "HistoricalLocations");
}

#[test]
fn unknown_options_and_ways_are_refused() {
    for query in [
        "$foo=1",
        "$top=-1",
        "$top=x",
        "$count=maybe",
        "$expand=Nothing",
        "$expand=Datastreams(",
        "$select=colour",
        "$orderby=colour",
        "$resultFormat=dataArray",
        "$filter=",
    ] {
        let fault = options(Kind::Thing, query).unwrap_err();
        assert_eq!(fault.code.number, 461, "{query}");
    }
    assert!(
        options(Kind::Thing, "app=mine").is_ok(),
        "what is no option of the standard may be anybody's"
    );
    let mut deep = "$expand=Datastreams".to_owned();
    for _ in 0..40 {
        deep += "($expand=Thing($expand=Datastreams";
    }
    assert!(options(Kind::Thing, &deep).is_err());
}

#[test]
fn an_expression_says_where_to_look() {
    let narrow = |kind, text: &str| {
        let query: String =
            form_urlencoded::Serializer::new(String::new()).append_pair("$filter", text).finish();
        narrow(options(kind, &query).unwrap().filter.as_ref())
    };
    let found = narrow(
        Kind::Observation,
        "phenomenonTime ge 1970-01-01T00:00:01Z and 1970-01-01T00:00:02Z gt phenomenonTime and Datastream/id eq 7",
    );
    assert_eq!((found.from, found.to), (1_000, 2_000));
    assert_eq!(found.of.unwrap().1, Id::Number(7));
    let either = narrow(Kind::Thing, "name eq 'a' or name eq 'b'");
    assert_eq!(either, Narrow::default(), "one of two says nothing for certain");
    assert_eq!(narrow(Kind::Thing, "name eq 'a' and id eq 5").id, Some(Id::Number(5)));
}

#[test]
fn addresses_lead_from_step_to_step() {
    let found = path("/Things(1)/Datastreams(9223372036854775807)/Observations").unwrap();
    assert!(found.is_set() && found.kind() == Kind::Observation && found.tail == Tail::Whole);
    assert_eq!(found.steps.get(1).unwrap().id, Some(Id::Number(i64::MAX)));
    assert_eq!(path("Datastreams(1)/Thing/$ref").unwrap().tail, Tail::Ref);
    assert_eq!(path("Things(1)/name").unwrap().tail, Tail::Property(vec!["name".into()]));
    let value = Tail::RawValue(vec!["properties".into(), "a".into()]);
    assert_eq!(path("Things(1)/properties/a/$value").unwrap().tail, value);
    let quoted = path("Things('it''s/(1)')/name").unwrap();
    assert_eq!(quoted.steps.first().unwrap().id, Some(Id::Text("it's/(1)".into())));
    for bad in [
        "",
        "Nothing",
        "Things/name",
        "Things(1",
        "Things()",
        "Things(1)/Observations",
        "Things/Datastreams",
        "Things(1)/colour",
        "Datastreams(1)/Thing(2)",
        "Things(1)/$value",
        "Things(9223372036854775808)",
        "Things(1)/name/$value/more",
        "$ref",
    ] {
        assert_eq!(path(bad).unwrap_err().code.number, 460, "{bad}");
    }
    assert!(path(&"Things(1)/Datastreams(1)/Thing/".repeat(20)).is_err());
}

fn body(kind: Kind, text: &str) -> Result<Draft, Fault> {
    draft(kind, &json(text.as_bytes())?, None)
}

#[test]
fn a_deep_insert_is_read_whole() {
    let draft = body(Kind::Thing, r#"{"name": "a", "description": "b", "@iot.id": 5,
        "Locations": [{"@iot.id": 9223372036854775807}],
        "Datastreams": [{"name": "d", "description": "", "observationType": "x", "unitOfMeasurement": {},
            "phenomenonTime": "the server knows it better",
            "Sensor": {"name": "s", "description": "", "encodingType": "x", "metadata": "m"},
            "ObservedProperty": {"@iot.id": 1},
            "Observations": [{"result": 1, "phenomenonTime": "2026-11-22T20:00:00+08:00/2026-11-22T21:00:00+08:00"}]}]}"#).unwrap();
    let link = |of: &Draft, name: &str| {
        of.links.iter().find(|(way, _)| way.name == name).unwrap().1.clone()
    };
    assert_eq!(link(&draft, "Locations"), Link::Known(Id::Number(i64::MAX)));
    let Link::New(datastream) = link(&draft, "Datastreams") else { panic!("{draft:?}") };
    assert!(!datastream.fields.contains_key("phenomenonTime"));
    let Link::New(observation) = link(&datastream, "Observations") else { panic!("{draft:?}") };
    let span = "2026-11-22T12:00:00.000Z/2026-11-22T13:00:00.000Z";
    assert_eq!(observation.fields["phenomenonTime"], span);
}

#[test]
fn what_is_missing_or_wrong_in_a_document_is_said() {
    for (kind, text, said) in [
        (Kind::Thing, r#"{"name": "a"}"#, "Thing: description is missing"),
        (Kind::Thing, r#"{"name": 5, "description": "b"}"#, "Thing: name is a text"),
        (
            Kind::Thing,
            r#"{"name": "a", "description": "b", "colour": 1}"#,
            "Thing: there is no `colour`",
        ),
        (Kind::Thing, "[]", "Thing: an object is expected"),
        (Kind::Observation, r#"{"result": 1}"#, "Observation: Datastream is missing"),
        (
            Kind::Observation,
            r#"{"result": 1, "resultTime": "soon", "Datastream": {"@iot.id": 1}}"#,
            "Observation: resultTime is a time of ISO 8601",
        ),
        (
            Kind::Thing,
            r#"{"name": "a", "description": "b", "Datastreams": [{"name": "d", "description": "",
            "observationType": "x", "unitOfMeasurement": {}, "Sensor": {"@iot.id": 1}}]}"#,
            "Datastream: ObservedProperty is missing",
        ),
        (
            Kind::Thing,
            r#"{"name": "a", "description": "b", "Locations": [{"@iot.id": {}}]}"#,
            "@iot.id is no id",
        ),
    ] {
        let fault = body(kind, text).unwrap_err();
        assert_eq!((fault.code.number, fault.reason.en.as_str()), (462, said));
    }
    let many = [r#"{"@iot.id": 1}"#; 10].join(",");
    assert!(
        body(
            Kind::Thing,
            &format!(r#"{{"name": "a", "description": "b", "Locations": [{many}]}}"#)
        )
        .is_ok()
    );
    let made =
        vec![r#"{"name": "l", "description": "", "encodingType": "x", "location": 1}"#; 1_000]
            .join(",");
    assert!(
        body(
            Kind::Thing,
            &format!(r#"{{"name": "a", "description": "b", "Locations": [{made}]}}"#)
        )
        .is_err()
    );
    assert!(json("[".repeat(100).as_bytes()).is_err());
    assert!(json(format!("{}{}", "[".repeat(60), "]".repeat(60)).as_bytes()).is_err());
}

#[test]
fn a_change_keeps_what_it_does_not_name() {
    let before = json!({"name": "a", "description": "b", "properties": {"x": 1}});
    let change =
        patch(Kind::Thing, &json!({"@iot.id": 9, "name": "c", "properties": null})).unwrap();
    let after = merged(Kind::Thing, before.as_object().unwrap(), &change).unwrap();
    assert_eq!(Json::Object(after), json!({"name": "c", "description": "b"}));
    let change = patch(Kind::Thing, &json!({"name": null})).unwrap();
    assert!(merged(Kind::Thing, before.as_object().unwrap(), &change).is_err());
    let steps = json!([
        {"op": "test", "path": "/name", "value": "a"},
        {"op": "add", "path": "/properties/y", "value": [1]},
        {"op": "add", "path": "/properties/y/-", "value": 2},
        {"op": "move", "from": "/properties/x", "path": "/properties/z"},
        {"op": "replace", "path": "/name", "value": "c"},
        {"op": "copy", "from": "/name", "path": "/description"},
        {"op": "remove", "path": "/properties/y/0"},
    ]);
    let after = json_patch(before.clone(), &steps).unwrap();
    assert_eq!(after, json!({"name": "c", "description": "c", "properties": {"y": [2], "z": 1}}));
    for step in [
        json!([{"op": "test", "path": "/name", "value": "b"}]),
        json!([{"op": "remove", "path": "/colour"}]),
        json!([{"op": "replace", "path": "/colour", "value": 1}]),
        json!([{"op": "shout", "path": "/name"}]),
        json!({"op": "remove"}),
    ] {
        assert!(json_patch(before.clone(), &step).is_err(), "{step}");
    }
}

#[test]
fn rows_of_a_table_are_observations_or_say_why_not() {
    let tables = json!([{"Datastream": {"@iot.id": 3}, "components": ["phenomenonTime", "result", "FeatureOfInterest/id"],
        "dataArray@iot.count": 3, "dataArray": [["2026-11-22T12:00:00Z", 1.5, 8], ["2026-11-22T12:00:00Z"], ["soon", 2, 8]]}]);
    let rows = data_arrays(&tables).unwrap();
    let first = rows.first().unwrap().as_ref().unwrap();
    assert_eq!((first.fields["result"].clone(), first.links.len()), (json!(1.5), 2));
    assert!(rows.iter().skip(1).all(Result::is_err) && rows.len() == 3);
    assert!(data_arrays(&json!([{"components": [], "dataArray": []}])).is_err());
}

#[test]
fn a_document_has_what_was_asked_and_the_ways_on() {
    let options = options(
        Kind::Thing,
        "$select=name,Locations,properties/floor&$expand=Datastreams($select=name)",
    )
    .unwrap();
    let mut one = thing();
    if let Some(Linked::Many(many)) = one.links.get_mut("Datastreams") {
        many.next = Some(Next::Skip(100));
        many.count = Some(101);
    }
    assert_eq!(
        encode_entity(&one, "http://h/v1.1", &options),
        json!({
            "name": "Station 一号",
            "properties": {"floor": 3},
            "Datastreams": [{"name": "air's temperature"}],
            "Datastreams@iot.count": 101,
            "Datastreams@iot.nextLink": "http://h/v1.1/Things(9223372036854775807)/Datastreams?$select=name&$skip=100",
            "Locations@iot.navigationLink": "http://h/v1.1/Things(9223372036854775807)/Locations",
        })
    );
}

#[test]
fn observations_of_a_datastream_are_one_table() {
    let options = options(Kind::Observation, "$resultFormat=dataArray&$select=id,result").unwrap();
    let observation = |id, of| {
        let mut one = Entity::new(Kind::Observation, Id::Number(id)).with("result", id * 2);
        let datastream = Entity::new(Kind::Datastream, Id::Number(of));
        one.links.insert("Datastream", Linked::One(Some(Box::new(datastream))));
        one
    };
    let page = Collection {
        entities: vec![observation(1, 7), observation(2, 8), observation(3, 7)],
        next: None,
        count: Some(3),
    };
    let found = collection(&page, "http://h/Observations", "http://h", &options);
    assert_eq!(
        found,
        json!({"@iot.count": 3, "value": [
            {"Datastream@iot.navigationLink": "http://h/Datastreams(7)", "components": ["id", "result"],
                "dataArray@iot.count": 2, "dataArray": [[1, 2], [3, 6]]},
            {"Datastream@iot.navigationLink": "http://h/Datastreams(8)", "components": ["id", "result"],
                "dataArray@iot.count": 1, "dataArray": [[2, 4]]},
        ]})
    );
}

#[test]
fn requests_of_a_batch_are_read_in_both_formats() {
    let text = br#"{"requests": [{"id": "0", "method": "get", "url": "Things(1)"},
        {"id": "1", "method": "post", "url": "Things", "headers": {"Content-Type": "application/json"}, "body": {"name": "a"}}]}"#;
    let requests = decode_batch_json(text).unwrap();
    assert_eq!(requests.first().unwrap().method, "GET");
    assert_eq!(requests.get(1).unwrap().body, br#"{"name":"a"}"#);
    let parts = "--b_1\r\nContent-Type: application/http\r\nContent-ID: first\r\n\r\nGET /v1.1/Things?$filter=name eq 'x' HTTP/1.1\r\nHost: h\r\n\r\n\r\n--b_1\r\nContent-Type: application/http\r\n\r\nPOST Things HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{\"name\": \"a\"}\r\n--b_1--\r\n";
    let requests =
        decode_batch_multipart("multipart/mixed; boundary=b_1", parts.as_bytes()).unwrap();
    let [first, second] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(
        (first.id.as_str(), first.url.as_str()),
        ("first", "/v1.1/Things?$filter=name eq 'x'")
    );
    assert_eq!((second.id.as_str(), second.body.as_slice()), ("2", &br#"{"name": "a"}"#[..]));
    let address = |url: &str| {
        let request = Request { url: url.to_owned(), ..first.clone() };
        request.address("/sta/v1.1")
    };
    for url in
        ["http://h:1/sta/v1.1/Things('a%2Fb+c')?$top=1", "/sta/v1.1/Things('a%2Fb+c')?$top=1"]
    {
        assert_eq!(address(url), ("/Things('a/b+c')".to_owned(), "$top=1".to_owned()));
    }
    assert_eq!(address("Things"), ("Things".to_owned(), String::new()));
    let reply = Reply {
        id: "first".into(),
        status: 201,
        location: Some("http://h/Things(1)".into()),
        body: None,
        group: None,
    };
    assert_eq!(
        encode_batch_json(std::slice::from_ref(&reply)),
        json!({"responses": [
        {"id": "first", "status": 201, "headers": {"location": "http://h/Things(1)"}}]})
    );
    let text = encode_batch_multipart(&[reply], "b");
    assert!(text.contains("HTTP/1.1 201\r\n") && text.ends_with("--b--\r\n"), "{text}");
    for (kind, text) in [
        (
            "multipart/mixed; boundary=b",
            "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--b--",
        ),
        (
            "multipart/mixed; boundary=b",
            "--b\r\nContent-Type: multipart/mixed\r\n\r\n--c--\r\n--b--",
        ),
        ("multipart/mixed", parts),
        ("multipart/mixed; boundary=b_1", "--b_1\r\n\r\n"),
        ("multipart/mixed; boundary=b", parts),
    ] {
        assert!(decode_batch_multipart(kind, text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn change_sets_are_read_in_both_formats_and_answered_in_theirs() {
    let one = |id: &str, group: &str| json!({"id": id, "atomicityGroup": group, "method": "post", "url": "Things", "body": {}});
    let read = |requests: &[serde_json::Value]| {
        decode_batch_json(json!({"requests": requests}).to_string().as_bytes())
    };
    let requests = read(&[one("1", "g"), one("2", "g"), one("3", "h")]).unwrap();
    let groups: Vec<_> = requests.iter().map(|request| request.group.as_deref()).collect();
    assert_eq!(groups, [Some("g"), Some("g"), Some("h")]);
    assert!(read(&[one("1", "g"), one("2", "h"), one("3", "g")]).is_err(), "they stand together");
    assert!(read(&vec![one("1", "g"); 201]).is_err(), "too many");
    // The inner mark begins as the outer one does.
    let parts = "--b\r\nContent-Type: multipart/mixed; boundary=b_c\r\n\r\n\
        --b_c\r\nContent-Type: application/http\r\nContent-ID: t\r\n\r\nPOST Things HTTP/1.1\r\n\r\n{}\r\n\
        --b_c\r\nContent-Type: application/http\r\n\r\nDELETE $t HTTP/1.1\r\n\r\n\r\n--b_c--\r\n\
        --b\r\nContent-Type: application/http\r\n\r\nGET Things HTTP/1.1\r\n\r\n\r\n--b--";
    let requests = decode_batch_multipart("multipart/mixed; boundary=b", parts.as_bytes()).unwrap();
    let seen: Vec<_> =
        requests.iter().map(|r| (r.id.as_str(), r.group.as_deref(), r.url.as_str())).collect();
    assert_eq!(seen, [("t", Some("1"), "Things"), ("2", Some("1"), "$t"), ("3", None, "Things")]);
    let replies: Vec<Reply> = requests
        .iter()
        .map(|r| Reply {
            id: r.id.clone(),
            status: 200,
            location: None,
            body: None,
            group: r.group.clone(),
        })
        .collect();
    let text = encode_batch_multipart(&replies, "a");
    assert_eq!(text.matches("--a_1\r\n").count(), 2, "{text}");
    assert!(text.contains("boundary=a_1\r\n") && text.contains("--a_1--\r\n--a\r\n"), "{text}");
    let mut body =
        json!({"Thing": {"@iot.id": "$t"}, "name": "$t", "list": [{"id": "$t"}, {"id": "$x"}]});
    referred(&mut body, &|name| (name == "t").then(|| json!(7)));
    assert_eq!(
        body,
        json!({"Thing": {"@iot.id": 7}, "name": "$t", "list": [{"id": 7}, {"id": "$x"}]})
    );
}

#[test]
fn a_link_names_an_entity_by_id_or_by_address() {
    for body in [
        json!({"@iot.id": 5}),
        json!({"id": 5}),
        json!({"@iot.selfLink": "http://h/sta/v1.1/Locations(5)"}),
        json!({"@odata.id": "Locations(5)"}),
        json!({"@odata.id": "Things(1)/Locations(5)"}),
        json!({"@id": "5"}),
    ] {
        assert_eq!(reference(Kind::Location, &body), Ok(Id::Number(5)), "{body}");
    }
    for body in
        [json!({}), json!([]), json!({"@odata.id": "Things(5)"}), json!({"@odata.id": "Locations"})]
    {
        assert!(reference(Kind::Location, &body).is_err(), "{body}");
    }
}
