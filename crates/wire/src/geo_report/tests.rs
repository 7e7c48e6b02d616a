//! What the standard says of forms, queries and answers, and that no text breaks XML.

use proptest::prelude::*;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::*;

fn fields(form: &str) -> Vec<(String, String)> {
    form_fields(form.as_bytes())
}

fn faults(form: &str) -> Vec<String> {
    let refused = submission(&fields(form)).unwrap_err();
    refused.iter().map(ToString::to_string).collect()
}

fn xml(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const NOW: Timestamp = Timestamp(1_790_000_000_000);

#[test]
fn a_form_gives_service_place_words_and_attributes_of_both_spellings() {
    let report = submission(&fields(
        "service_code=road_damage&lat=29.56&long=106.57&description=%E5%9D%91&attribute[depth]=3\
         &attribute%5Bkind%5D%5B%5D=a&attribute[kind][]=b&email=a%40b.cn&phone=&unknown=1",
    ))
    .unwrap();
    assert_eq!(report.service_code, "road_damage");
    assert_eq!(report.position, Some([106.57, 29.56]));
    assert_eq!(report.description, "坑");
    let answers: Vec<(&str, Vec<&str>)> = report
        .attributes
        .iter()
        .map(|(code, values)| (code.as_str(), values.iter().map(String::as_str).collect()))
        .collect();
    assert_eq!(answers, [("depth", vec!["3"]), ("kind", vec!["a", "b"])]);
    assert_eq!(report.contact.email.as_deref(), Some("a@b.cn"));
    assert_eq!(report.contact.phone, None);
}

#[test]
fn a_form_without_service_or_place_is_refused_with_all_that_is_wrong() {
    assert_eq!(
        faults("lat=91&long=x"),
        [
            "line 1, byte 0: E-418 `lat` is degrees from -90 to 90, not `91`",
            "line 2, byte 0: E-418 `long` is degrees from -180 to 180, not `x`",
            "line 0, byte 0: E-418 `service_code` is missing",
            "line 0, byte 0: E-418 no place: give `lat` and `long`, or `address_string`, or `address_id`",
        ]
    );
    assert_eq!(
        faults("service_code=a&lat=1&address_string=b"),
        ["line 0, byte 0: E-418 `lat` and `long` go together"]
    );
    let long = format!("service_code=a&address_id=1&description={}", "x".repeat(4_001));
    assert_eq!(faults(&long), ["line 3, byte 0: E-418 `description` has at most 4000 characters"]);
    assert!(submission(&fields(&"a=1&".repeat(201))).is_err());
}

#[test]
fn a_query_looks_back_ninety_days_and_no_further() {
    let asked = |text: &str| query(&fields(text), NOW);
    let none = asked("").unwrap();
    assert_eq!((none.from, none.to, none.page), (NOW.plus_ms(-SPAN_MS_MAX), NOW, None));
    let from = asked("start_date=2026-01-01T00:00:00Z").unwrap();
    assert_eq!(from.to.since(from.from), SPAN_MS_MAX);
    let both = asked("start_date=2026-01-01T00:00:00+08:00&end_date=2026-02-01T00:00:00Z").unwrap();
    assert_eq!(both.from.to_rfc3339(), "2025-12-31T16:00:00.000Z");
    for bad in [
        "start_date=2026-01-01T00:00:00Z&end_date=2026-04-02T00:00:00Z",
        "start_date=2026-02-01T00:00:00Z&end_date=2026-01-01T00:00:00Z",
        "start_date=2026-02-01T00:00:00",
        "status=shut",
        "page=0",
        "page_size=501",
    ] {
        assert!(asked(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_query_names_ids_services_states_and_pages() {
    let asked = query(
        &fields(
            "service_request_id=1,%202&service_code=a,b&status=open,closed&page_size=10&page=3&q=x",
        ),
        NOW,
    )
    .unwrap();
    assert_eq!(asked.ids, ["1", "2"]);
    assert_eq!(asked.service_codes, ["a", "b"]);
    assert_eq!((asked.status, asked.page, asked.page_rows), (None, Some(3), 10));
    assert_eq!(query(&fields("status=closed"), NOW).unwrap().status, Some(Status::Closed));
}

#[test]
fn xml_and_json_say_the_same_of_a_request() {
    let request = Request {
        id: "500103-20261121-00001".into(),
        service_name: "A & <b>".into(),
        service_code: "pothole".into(),
        requested_at: Some(Timestamp(0)),
        position: Some([106.5, 29.5]),
        ..Request::default()
    };
    assert_eq!(
        xml(&requests(Format::Xml, std::slice::from_ref(&request))),
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><service_requests><request>\
         <service_request_id>500103-20261121-00001</service_request_id><status>open</status>\
         <status_notes/><service_name>A &amp; &lt;b&gt;</service_name>\
         <service_code>pothole</service_code><description/><agency_responsible/><service_notice/>\
         <requested_datetime>1970-01-01T00:00:00.000Z</requested_datetime><updated_datetime/>\
         <expected_datetime/><address/><address_id/><zipcode/><lat>29.5</lat><long>106.5</long>\
         <media_url/></request></service_requests>"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&requests(Format::Json, &[request])).unwrap();
    assert_eq!(json[0]["service_name"], "A & <b>");
    assert_eq!(json[0]["lat"], 29.5);
    assert!(json[0]["zipcode"].is_null());
}

#[test]
fn a_definition_lists_its_attributes_in_order_with_their_values() {
    let attribute = Attribute {
        variable: true,
        code: "kind".into(),
        data_type: DataType::SingleValueList,
        required: true,
        data_type_description: String::new(),
        description: "Which?".into(),
        values: vec![("1".into(), "one".into())],
    };
    let text = xml(&service_definition(Format::Xml, "a", std::slice::from_ref(&attribute)));
    assert!(
        text.contains(
            "<attributes><attribute><variable>true</variable><code>kind</code>\
             <datatype>singlevaluelist</datatype><required>true</required><datatype_description/>\
             <order>1</order><description>Which?</description>\
             <values><value><key>1</key><name>one</name></value></values></attribute></attributes>"
        ),
        "{text}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&service_definition(Format::Json, "a", &[attribute])).unwrap();
    assert_eq!(json["attributes"][0]["values"][0]["name"], "one");
}

#[test]
fn errors_receipts_services_and_discovery_have_the_shape_of_the_standard() {
    let error = ErrorItem { code: 400, description: "a < b".into() };
    assert!(xml(&errors(Format::Xml, std::slice::from_ref(&error))).ends_with(
        "<errors><error><code>400</code><description>a &lt; b</description></error></errors>"
    ));
    assert_eq!(xml(&errors(Format::Json, &[error])), r#"[{"code":400,"description":"a < b"}]"#);
    let receipt = Receipt { token: Some("t".into()), ..Receipt::default() };
    let said: serde_json::Value =
        serde_json::from_str(&xml(&receipts(Format::Json, &[receipt]))).unwrap();
    let member = serde_json::json!({"account_id": null, "service_notice": null, "token": "t"});
    assert_eq!(said, serde_json::json!([member]));
    let service = Service {
        code: "a".into(),
        name: "b".into(),
        description: String::new(),
        has_definition: false,
        keywords: vec!["x".into(), "y".into()],
        group: "g".into(),
    };
    assert!(xml(&services(Format::Xml, &[service])).ends_with(
        "<services><service><service_code>a</service_code><service_name>b</service_name>\
             <description/><metadata>false</metadata><type>realtime</type>\
             <keywords>x,y</keywords><group>g</group></service></services>"
    ));
    let document = discovery(
        Format::Xml,
        &Discovery {
            changed_at: Timestamp(0),
            contact: "c".into(),
            key_service: "k".into(),
            url: "u".into(),
            kind: "production",
        },
    );
    assert!(
        xml(&document).contains(
            "<formats><format>text/xml</format><format>application/json</format></formats>"
        )
    );
}

/// All text of a document, when it is well-formed.
fn read_back(bytes: &[u8]) -> String {
    let mut reader = Reader::from_reader(bytes);
    let (mut text, mut depth) = (String::new(), 0_i32);
    loop {
        match reader.read_event().unwrap() {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            Event::Text(part) => text.push_str(&part.decode().unwrap()),
            Event::GeneralRef(part) => text.push_str(match &*part.decode().unwrap() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                other => panic!("{other}"),
            }),
            Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
    text
}

proptest! {
    #[test]
    fn whatever_is_said_both_formats_stay_well_formed(said in "\\PC{0,40}|[\u{0}-\u{1f}<>&'\"\\]]{0,20}") {
        let update = Update {
            id: "1".into(),
            request_id: "2".into(),
            at: Timestamp(0),
            is_closed: true,
            description: said.clone(),
            agency: None,
        };
        let text = read_back(&updates(Format::Xml, std::slice::from_ref(&update)));
        let carried: String = said.chars().filter(|&c| c >= ' ' || "\t\n\r".contains(c)).collect();
        prop_assert_eq!(text, format!("12closed1970-01-01T00:00:00.000Z{carried}"));
        let json: serde_json::Value =
            serde_json::from_slice(&updates(Format::Json, &[update])).unwrap();
        prop_assert_eq!(json[0]["description"].as_str().unwrap(), said);
    }

    #[test]
    fn what_is_taken_has_a_service_a_place_and_words_within_limits(body in "[a-z_\\[\\]=&%0-9.+-]{0,120}") {
        if let Ok(report) = submission(&form_fields(body.as_bytes())) {
            prop_assert!(!report.service_code.is_empty());
            prop_assert!(report.position.is_some() || report.address.is_some() || report.address_id.is_some());
        }
    }
}
