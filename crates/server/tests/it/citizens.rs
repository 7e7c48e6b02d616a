//! Citizens: a report and its whole life by the pages, apps by Open311, and that nothing personal gets
//! out.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::browser::Browser;
use crate::harness::{City, Folder, PASSWORD};

/// With camera data: 29.56 N, 106.57 E, and the words `ZhangSanPhone`.
const PHOTO: &[u8] = include_bytes!("../../../../tests/corpus/geo_report/photo.jpg");
const TOWN: &str = "500103001";

/// A form as browsers send it.
fn multipart(fields: &[(&str, &str)], photo: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let part =
            format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.bytes());
    }
    if let Some(photo) = photo {
        body.extend(b"--XX\r\ncontent-disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\ncontent-type: image/jpeg\r\n\r\n");
        body.extend(photo);
        body.extend(b"\r\n");
    }
    body.extend(b"--XX--\r\n");
    body
}

/// Status and page, redirects followed; each sender has a purse of its own.
fn send(
    city: &City,
    path: &str,
    from: &str,
    fields: &[(&str, &str)],
    photo: Option<&[u8]>,
) -> (u16, String) {
    let headers = [("content-type", "multipart/form-data; boundary=XX"), ("x-forwarded-for", from)];
    city.send_with("POST", path, "", &headers, &multipart(fields, photo)).unwrap()
}

fn page(city: &City, path: &str) -> (u16, String) {
    city.send_with("GET", path, "", &[], b"").unwrap()
}

/// The secret of the tracking link that a page shows.
fn token(page: &str) -> String {
    let (_, rest) = page.split_once("/track/").unwrap_or_else(|| panic!("no link in {page}"));
    let token: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    assert_eq!(token.len(), 32, "{page}");
    token
}

fn step(city: &City, token: &str, case: &str, action: &str, body: &Value) -> Value {
    let (status, answer) = city.post(&format!("/api/v1/cases/{case}/{action}"), token, body);
    assert_eq!(status, 200, "{action}: {answer}");
    answer
}

/// An officer of the town and somebody of the agency that cleans it.
fn people(city: &City, town: &str) -> (String, String) {
    let duty = city.account("duty", &["duty_officer", "grid_worker"], town, None);
    let agency = format!("sanitation-{}", &town[..6]);
    let staff = city.account("staff", &["agency_staff"], &town[..6], Some(&agency));
    (duty, staff)
}

fn only_case(city: &City) -> Value {
    let mut cases = city.list("/api/v1/cases?state=all", &city.admin);
    assert_eq!(cases.len(), 1, "{cases:?}");
    cases.remove(0)
}

/// From reported to closed.
fn work(city: &City, duty: &str, staff: &str, case: &str) {
    step(city, duty, case, "accept", &json!({}));
    step(city, duty, case, "verify_pass", &json!({}));
    step(city, duty, case, "file", &json!({"type": "dirty_road", "row": 0}));
    step(city, duty, case, "dispatch", &json!({}));
    finish(city, duty, staff, case);
}

fn finish(city: &City, duty: &str, staff: &str, case: &str) {
    step(city, staff, case, "start", &json!({}));
    step(city, staff, case, "finish", &json!({"note": "已清扫"}));
    step(city, duty, case, "check_pass", &json!({}));
    step(city, duty, case, "close", &json!({}));
}

#[test]
fn a_citizen_reports_follows_rates_says_it_is_not_fixed_and_checks_the_receipt() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (duty, staff) = people(&city, TOWN);
    let fields = [
        ("type", "dirty_road"),
        ("area", TOWN),
        ("words", "路口很脏 13812345678"),
        ("name", "张三"),
        ("phone", "13912345678"),
    ];
    let (status, sent) = send(&city, "/report", "10.0.0.1", &fields, Some(PHOTO));
    assert_eq!(status, 200, "{sent}");
    let link = format!("/track/{}", token(&sent));
    let case = only_case(&city);
    let id = case["id"].as_str().unwrap();
    assert_eq!((&case["state"], &case["source"]), (&json!("reported"), &json!("public")));
    assert_eq!(case["description"], "路口很脏 〔电话〕");
    assert!(!case.to_string().contains("张三"));
    // Who it was: the officer of the place alone, and on record.
    let contact = format!("/api/v1/cases/{id}/contact");
    assert_eq!(city.get(&contact, &duty).0, 403, "a program");
    let officer = Browser::open(&city, "duty", PASSWORD, None).unwrap();
    let (status, who) = officer.get(&format!("{contact}?purpose=handle"));
    assert_eq!(
        (status, &who[0]["name"], &who[0]["words"]),
        (200, &json!("张三"), &json!("路口很脏 13812345678"))
    );
    assert_eq!(city.get(&contact, &staff).0, 403);
    let foreign = city.account("other", &["duty_officer"], "500105", None);
    assert_eq!(city.get(&contact, &foreign).0, 404);
    work(&city, &duty, &staff, id);
    let (_, shown) = page(&city, &link);
    for words in ["已结案", "已清扫", "评价", "甲区"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(!shown.contains("duty") && !shown.contains("13912345678"), "{shown}");
    let form = |fields: &[(&str, &str)]| send(&city, &link, "10.0.0.1", fields, None);
    let (status, shown) = form(&[("action", "rate"), ("stars", "2")]);
    assert_eq!(status, 200, "{shown}");
    assert!(shown.contains("2 / 5"), "{shown}");
    assert_eq!(form(&[("action", "reopen")]).0, 422, "why is asked for");
    let (status, shown) = form(&[("action", "reopen"), ("words", "还是脏")]);
    assert_eq!(status, 200, "{shown}");
    assert!(shown.contains("返工") && shown.contains("还是脏"), "{shown}");
    assert_eq!(only_case(&city)["reopens"], 1);
    check_receipt(&city, &link, id);
    // Erased, and the link goes on working.
    assert_eq!(officer.ask("DELETE", &contact, &json!({})).0, 204);
    let (_, who) = officer.get(&contact);
    assert_eq!((&who[0]["name"], &who[0]["words"]), (&Value::Null, &Value::Null));
    assert_eq!(page(&city, &link).0, 200);
    assert_eq!(page(&city, "/track/00000000000000000000000000000000").0, 404);
}

fn check_receipt(city: &City, link: &str, id: &str) {
    let (status, receipt) = city.get(&format!("{link}/receipt"), "");
    assert_eq!(status, 200);
    let hash = |text: &str| {
        Sha256::digest(text.as_bytes())
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    let mut chain = hash(id);
    for event in receipt["events"].as_array().unwrap() {
        chain = hash(&format!("{chain}{}", event["digest"].as_str().unwrap()));
        assert_eq!(event["chain"], chain.as_str(), "{receipt}");
    }
    assert!(receipt["events"].as_array().unwrap().len() > 10);
}

/// Texts by which somebody would be known.
const PERSONAL: [&str; 9] = [
    "13812345678",
    "138-1234-5678",
    "50010319900101123X",
    "zhang@example.com",
    "渝A12345",
    "张三",
    "ZhangSanPhone",
    "106.57011",
    "29.56022",
];

#[test]
fn nothing_personal_is_in_any_public_answer() {
    let folder = Folder::empty();
    let city = City::start(&folder, &[]);
    let said = PERSONAL[..5].join("，");
    let fields = [
        ("type", "dirty_road"),
        ("words", said.as_str()),
        ("address", said.as_str()),
        ("name", "张三"),
        ("phone", "13812345678"),
        ("email", "zhang@example.com"),
        ("long", "106.57011"),
        ("lat", "29.56022"),
    ];
    let (status, sent) = send(&city, "/report", "10.0.0.1", &fields, Some(PHOTO));
    assert_eq!(status, 200, "{sent}");
    let link = format!("/track/{}", token(&sent));
    let case = only_case(&city);
    let (id, town) = (case["id"].as_str().unwrap(), case["holder"]["area"].as_str().unwrap());
    let duty = city.account("duty", &["duty_officer", "grid_worker"], town, None);
    let photo =
        city.get(&format!("/api/v1/cases/{id}"), &duty).1["events"][0]["photos"][0]["hash"].clone();
    let photo = photo.as_str().unwrap();
    for action in ["", "accept", "verify_pass"] {
        if !action.is_empty() {
            step(&city, &duty, id, action, &json!({"note": said}));
        }
        let open = [
            "/public",
            "/public?lang=en",
            "/public/reports.csv",
            "/public/reports.geojson",
            "/public/reports.rss",
            "/public/reports.atom",
            "/open311/v2/requests.xml",
            "/open311/v2/requests.json",
            "/open311/v2/services.json",
            "/report",
        ];
        let mut paths: Vec<String> = open.iter().map(|path| (*path).to_owned()).collect();
        paths.extend([
            format!("/open311/v2/requests/{id}.json"),
            format!("/open311/v2/servicerequestupdates/{id}.xml"),
            link.clone(),
            format!("{link}/receipt"),
        ]);
        for path in paths {
            let (status, text) = page(&city, &path);
            assert_eq!(status, 200, "{path}: {text}");
            for mark in PERSONAL {
                assert!(!text.contains(mark), "{path} after `{action}` shows {mark}: {text}");
            }
        }
        // A photo is public only after somebody looked at it.
        assert_eq!(page(&city, &format!("/public/photos/{photo}")).0, 404);
    }
    let (_, text) = page(&city, "/public/reports.geojson");
    assert!(text.contains(id) && text.contains("\"coordinates\":[106.5"), "{text}");
    let publish = format!("/api/v1/cases/{id}/photos/{photo}");
    assert_eq!(city.post(&publish, &duty, &json!({})).0, 204);
    assert_eq!(photo_of(&city, &format!("/public/photos/{photo}")), 200);
    let (_, text) = page(&city, &format!("/open311/v2/requests/{id}.xml"));
    assert!(text.contains(&format!("/public/photos/{photo}</media_url>")), "{text}");
    let foreign = city.account("other", &["duty_officer"], "500105", None);
    assert_eq!(city.get(&publish, &foreign).0, 404);
    assert_eq!(city.post(&publish, &foreign, &json!({})).0, 404);
}

/// Status of a photo, whose bytes must be a JPEG without camera data.
fn photo_of(city: &City, path: &str) -> u16 {
    let answer = ureq::get(city.url(path)).call().unwrap();
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    let status = answer.status().as_u16();
    let bytes = answer.into_body().read_to_vec().unwrap();
    assert!(bytes.starts_with(&[0xff, 0xd8]));
    for mark in [&b"Exif"[..], b"ZhangSanPhone"] {
        assert!(!bytes.windows(mark.len()).any(|part| part == mark));
    }
    status
}

#[test]
fn what_is_reported_already_is_shown_first_and_can_be_joined() {
    let folder = Folder::empty();
    let city = City::start(&folder, &[]);
    let at = |long: &'static str| {
        [("type", "dirty_road"), ("words", "脏"), ("long", long), ("lat", "29.56")]
    };
    assert_eq!(send(&city, "/report", "10.0.0.1", &at("106.57"), None).0, 200);
    let case = only_case(&city);
    let id = case["id"].as_str().unwrap();
    // 97 m further on: the same; 300 m: another one.
    let (status, near) = send(&city, "/report", "10.0.0.2", &at("106.571"), None);
    assert_eq!(status, 200);
    assert!(near.contains(id) && near.contains("name=\"join\""), "{near}");
    assert_eq!(only_case(&city)["joined"], 0, "nothing was sent yet");
    let (status, joined) =
        send(&city, "/report", "10.0.0.2", &[("join", id), ("words", "我也看到")], None);
    assert_eq!(status, 200, "{joined}");
    assert_eq!(only_case(&city)["joined"], 1);
    // Whoever joined follows it, and neither rates nor reopens.
    let (_, followed) = page(&city, &format!("/track/{}", token(&joined)));
    assert!(followed.contains(id) && !followed.contains("value=\"remark\""), "{followed}");
    assert_eq!(send(&city, "/report", "10.0.0.3", &at("106.5732"), None).0, 200);
    assert_eq!(city.list("/api/v1/cases?state=all", &city.admin).len(), 2);
    let mut again = at("106.571").to_vec();
    again.push(("confirmed", "1"));
    assert_eq!(send(&city, "/report", "10.0.0.2", &again, None).0, 200);
    assert_eq!(city.list("/api/v1/cases?state=all", &city.admin).len(), 3);
}

#[test]
fn a_report_that_cannot_be_taken_says_why_and_keeps_what_was_typed() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let refused = |fields: &[(&str, &str)], photo: Option<&[u8]>, number: &str| {
        let (_, text) = send(&city, "/report", "10.0.0.9", fields, photo);
        assert!(text.contains(number), "{number}: {text}");
        text
    };
    let text = refused(&[("words", "很脏<b>")], None, "E-424");
    assert!(text.contains("很脏&lt;b&gt;") && !text.contains("<b>"), "{text}");
    refused(&[("area", TOWN)], None, "E-418");
    refused(&[("area", "999"), ("words", "x")], None, "E-424");
    refused(&[("area", TOWN), ("words", "x")], Some(b"not a photo"), "E-422");
    refused(&[("area", TOWN), ("words", "x"), ("type", "nothing")], None, "E-404");
    let many = (0..1_000).find(|_| send(&city, "/report", "10.0.0.9", &[], None).0 == 429);
    assert!(many.is_some(), "a sender is held back at some time");
    assert!(city.list("/api/v1/cases?state=all", &city.admin).is_empty());
}

#[test]
fn an_app_reports_by_open311_and_everybody_reads_it() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let key = city.account("app", &["app"], "50", None);
    let viewer = city.account("viewer", &["viewer"], "50", None);
    let get = |path: &str| page(&city, &format!("/open311/v2/{path}"));
    let post = |format: &str, body: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        city.send_with(
            "POST",
            &format!("/open311/v2/requests.{format}"),
            "",
            &headers,
            body.as_bytes(),
        )
        .unwrap()
    };
    let (status, text) = get("services.xml");
    assert!(status == 200 && text.contains("<service_code>dirty_road</service_code>"), "{text}");
    let (status, text) = get("services/dirty_road.json");
    assert!(status == 200 && text.contains("\"code\":\"condition\""), "{text}");
    let report = format!(
        "service_code=dirty_road&address_id={TOWN}&description=%E8%84%8F&attribute[condition]=0&email=a%40b.cn"
    );
    for key in ["", "&api_key=cm_wrong", &format!("&api_key={viewer}")] {
        let (status, text) = post("json", &format!("{report}{key}"));
        assert_eq!(status, 403, "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()[0]["code"], 403);
    }
    let (status, text) = post("xml", &format!("description=x&api_key={key}"));
    assert!(status == 400 && text.contains("<errors><error><code>400</code>"), "{text}");
    assert_eq!(post("json", &format!("service_code=none&address_id={TOWN}&api_key={key}")).0, 404);
    assert_eq!(post("json", &format!("{report}&api_key={key}&jurisdiction_id=x")).0, 404);
    let (status, text) = post("json", &format!("{report}&api_key={key}"));
    assert_eq!(status, 200, "{text}");
    let id = serde_json::from_str::<Value>(&text).unwrap()[0]["service_request_id"]
        .as_str()
        .unwrap()
        .to_owned();
    read_by_open311(&city, &id);
}

/// A report that nobody on duty has seen, as everybody reads it.
fn read_by_open311(city: &City, id: &str) {
    let get = |path: &str| page(city, &format!("/open311/v2/{path}"));
    for path in [
        format!("requests/{id}.json"),
        "requests.json".to_owned(),
        format!("requests.json?service_request_id={id},x"),
        "requests.json?status=open&page_size=1".to_owned(),
    ] {
        let (status, text) = get(&path);
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((status, list.as_array().unwrap().len()), (200, 1), "{path}: {text}");
        assert_eq!(
            (&list[0]["service_request_id"], &list[0]["status"]),
            (&json!(id), &json!("open"))
        );
        // Nobody on duty has seen it: its words are not shown.
        assert_eq!(list[0]["description"], Value::Null);
    }
    for (path, count) in [
        ("requests.json?status=closed", 0),
        ("requests.json?service_code=street_lamp", 0),
        ("requests.json?page=2", 0),
        ("requests.json?q=nothing", 0),
    ] {
        let (status, text) = get(path);
        if status == 200 {
            let list: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(list.as_array().unwrap().len(), count, "{path}: {text}");
        } else {
            assert_eq!(status, 404, "{path}: {text}");
        }
    }
    assert_eq!(
        get("requests.xml?start_date=2020-01-01T00:00:00Z&end_date=2021-01-01T00:00:00Z").0,
        400
    );
    assert_eq!(get("requests/500103-20200101-00001.xml").0, 404);
    assert_eq!(get(&format!("tokens/{id}.json")).0, 200);
    let (status, text) = get(&format!("servicerequestupdates/{id}.json"));
    assert!(status == 200 && text.contains(&format!("{id}-1")), "{text}");
    assert!(get("discovery.json").1.contains("/open311/v2"));
    assert_eq!(get("requests.yaml").0, 404);
}
