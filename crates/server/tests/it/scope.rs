//! Who sees and does what: every route of the OpenAPI document, without a token, and as the
//! mightiest user of one town against the things of another town and of another district.
//!
//! A route that is in the document and not in the table here fails the test, and so does a row of
//! the table that no route answers to.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{City, Folder, now_ms, until};

/// Routes that anybody may ask. Those of citizens show only cases that citizens reported, by cell and
/// without personal data (`citizens.rs`); a tracking page shows one of them to whoever has its secret;
/// a report by Open311 needs a key of its own and answers 403 without. Of the proof log anybody sees hashes
/// and signatures, which say nothing of what was decided. Of the catalogue anybody
/// sees that data sets exist, and where; of alerts the key that verifies them. Of OGC API Features
/// and tiles anybody sees documents and outlines of areas; who sees what of the rest is in `features.rs`.
pub(crate) const PUBLIC: [(&str, &str); 46] = [
    ("get", "/report"),
    ("post", "/report"),
    ("post", "/report/proposal"),
    ("get", "/track/{token}"),
    ("post", "/track/{token}"),
    ("get", "/track/{token}/photos/{hash}"),
    ("get", "/track/{token}/receipt"),
    ("get", "/track/{token}/mail"),
    ("post", "/track/{token}/mail"),
    ("get", "/public"),
    ("get", "/public/areas/{code}"),
    ("get", "/public/{file}"),
    ("get", "/public/photos/{hash}"),
    ("get", "/public/citizen.css"),
    ("get", "/public/citizen.js"),
    ("get", "/open311/v2/{document}"),
    ("post", "/open311/v2/{document}"),
    ("get", "/open311/v2/{list}/{document}"),
    ("get", "/tiles/{file}"),
    ("get", "/tiles/{layer}/{z}/{x}/{file}"),
    ("get", "/ogc"),
    ("get", "/ogc/api"),
    ("get", "/ogc/conformance"),
    ("get", "/ogc/collections"),
    ("get", "/ogc/collections/{collection}"),
    ("get", "/ogc/collections/{collection}/queryables"),
    ("get", "/ogc/collections/{collection}/items"),
    ("get", "/ogc/collections/{collection}/items/{id}"),
    ("get", "/cap/v1.2/key.pem"),
    ("get", "/catalog"),
    ("get", "/catalog.jsonld"),
    ("get", "/catalog.ttl"),
    ("get", "/api/v1/city"),
    ("get", "/api/v1/log/checkpoint"),
    ("get", "/api/v1/log/witnessed"),
    ("get", "/api/v1/log/key"),
    ("get", "/api/v1/log/tile/{name}"),
    ("get", "/api/v1/log/proof/inclusion"),
    ("get", "/api/v1/log/proof/consistency"),
    ("post", "/api/v1/session"),
    ("post", "/api/v1/session/provider"),
    ("get", "/api/v1/session/provider/callback"),
    ("get", "/ping"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
];

/// What a route is about, and so what the town's user must not get.
enum Check {
    /// Anybody may ask it.
    Public,
    /// The caller and nobody else.
    OwnAccount,
    /// The same for everybody: packs, kinds, the program. The text says why that is no leak.
    Everybody(&'static str),
    /// A list: by default nothing foreign, and asking for the foreign area by this parameter: 404.
    List(&'static str),
    /// `{}` is a thing's id: the foreign one 404, the own one 200.
    Thing(Thing),
    /// A deed on a thing: the foreign one 404, and it stays as it was.
    Deed(Thing, &'static [&'static str]),
    /// Has a test of its own, below, in `sensorthings.rs`, `sets.rs`, `ngsi_ld.rs`, `cap.rs`, `mcp.rs`, `influx.rs` or `transit.rs`.
    /// Topics of MQTT, which are no routes, have theirs in `follow.rs`.
    Apart,
}

#[derive(Clone, Copy)]
enum Thing {
    Area,
    Device,
    Warning,
    Case,
    User,
    /// A rule-less id that everybody may name; the area is asked for by this parameter.
    Indicator(&'static str),
}

#[rustfmt::skip]
const ROUTES: &[(&str, &str, Check)] = &[
    ("post", "/api/v1/session", Check::Public),
    ("get", "/api/v1/session", Check::OwnAccount),
    ("delete", "/api/v1/session", Check::OwnAccount),
    ("post", "/api/v1/session/password", Check::OwnAccount),
    ("get", "/api/v1/session/all", Check::OwnAccount),
    ("delete", "/api/v1/session/all/{id}", Check::OwnAccount),
    ("get", "/api/v1/session/second-factor", Check::OwnAccount),
    ("post", "/api/v1/session/second-factor", Check::OwnAccount),
    ("put", "/api/v1/session/second-factor", Check::OwnAccount),
    ("delete", "/api/v1/session/second-factor", Check::OwnAccount),
    ("post", "/api/v1/session/provider", Check::Public),
    ("get", "/api/v1/session/provider", Check::OwnAccount),
    ("delete", "/api/v1/session/provider", Check::OwnAccount),
    ("post", "/api/v1/session/provider/link", Check::OwnAccount),
    ("get", "/api/v1/session/provider/callback", Check::Public),
    ("get", "/api/v1/emergencies", Check::List("")),
    ("post", "/api/v1/emergencies", Check::OwnAccount),
    ("delete", "/api/v1/emergencies/current", Check::OwnAccount),
    ("post", "/api/v1/emergencies/{id}/review", Check::Apart),
    ("get", "/api/v1/audit", Check::List("")),
    ("get", "/api/v1/users", Check::List("")),
    ("post", "/api/v1/users", Check::Apart),
    ("delete", "/api/v1/users/{name}", Check::Deed(Thing::User, &[])),
    ("post", "/api/v1/users/{name}/token", Check::Deed(Thing::User, &[])),
    ("get", "/api/v1/users/{name}/tokens", Check::Thing(Thing::User)),
    ("delete", "/api/v1/users/{name}/tokens/{id}", Check::Apart),
    ("delete", "/api/v1/users/{name}/second-factor", Check::Deed(Thing::User, &[])),
    ("delete", "/api/v1/users/{name}/provider", Check::Deed(Thing::User, &[])),
    ("post", "/api/v2/write", Check::Apart),
    ("post", "/write", Check::Apart),
    ("get", "/ping", Check::Public),
    ("post", "/query", Check::Apart),
    ("post", "/api/v1/observations", Check::Apart),
    ("post", "/api/v1/transit/realtime", Check::Apart),
    ("get", "/api/v1/transit/feeds", Check::List("")),
    ("post", "/api/v1/transit/names", Check::Apart),
    ("get", "/api/v1/readings/corrections", Check::List("area")),
    ("post", "/api/v1/readings/corrections", Check::Apart),
    ("post", "/api/v1/gateway/streams", Check::Apart),
    ("post", "/api/v1/gateway/readings", Check::Apart),
    ("get", "/api/v1/city", Check::Public),
    ("get", "/api/v1/areas", Check::List("parent")),
    ("get", "/api/v1/areas/{code}", Check::Thing(Thing::Area)),
    ("get", "/api/v1/areas/{code}/shapes", Check::Thing(Thing::Area)),
    ("get", "/api/v1/case-plans", Check::Everybody("from packs")),
    ("get", "/api/v1/overlays", Check::Everybody("names of public areas, nothing about them")),
    ("get", "/api/v1/kinds", Check::Everybody("from packs")),
    ("get", "/api/v1/devices", Check::List("area")),
    ("post", "/api/v1/devices", Check::Apart),
    ("post", "/api/v1/setpoints", Check::Apart),
    ("get", "/api/v1/devices/summary", Check::List("area")),
    ("get", "/api/v1/devices/map", Check::List("area")),
    ("get", "/api/v1/latest", Check::Apart),
    ("post", "/api/v1/latest", Check::Apart),
    ("get", "/api/v1/devices/{id}", Check::Thing(Thing::Device)),
    ("get", "/api/v1/devices/{id}/observations", Check::Thing(Thing::Device)),
    ("get", "/api/v1/devices/{id}/series", Check::Thing(Thing::Device)),
    ("get", "/api/v1/indicators", Check::List("area")),
    ("get", "/api/v1/indicators/{code}", Check::Thing(Thing::Indicator("area"))),
    ("get", "/api/v1/indicators/{code}/areas", Check::Thing(Thing::Indicator("parent"))),
    ("get", "/api/v1/indicators/{code}/history", Check::Thing(Thing::Indicator("area"))),
    ("get", "/api/v1/indicators/{code}/sources", Check::Thing(Thing::Indicator("area"))),
    ("get", "/api/v1/indicators/{code}/windows", Check::Thing(Thing::Indicator("area"))),
    ("get", "/api/v1/warnings", Check::List("area")),
    ("get", "/api/v1/warnings/{id}", Check::Thing(Thing::Warning)),
    ("post", "/api/v1/warnings/{id}/confirm", Check::Deed(Thing::Warning, &[])),
    ("post", "/api/v1/warnings/{id}/dismiss", Check::Deed(Thing::Warning, &[])),
    ("post", "/api/v1/warnings/{id}/file", Check::Deed(Thing::Warning, &[])),
    ("get", "/api/v1/alarms/quality", Check::List("area")),
    ("get", "/api/v1/alarms/shelved", Check::List("area")),
    ("post", "/api/v1/alarms/shelved", Check::Apart),
    ("delete", "/api/v1/alarms/shelved/{id}", Check::Apart),
    ("get", "/api/v1/case-types", Check::Everybody("from packs")),
    ("get", "/api/v1/cases", Check::List("area")),
    ("post", "/api/v1/cases", Check::Apart),
    ("get", "/api/v1/cases/summary", Check::List("area")),
    ("post", "/api/v1/cases/import", Check::Apart),
    ("get", "/api/v1/cases/{id}", Check::Thing(Thing::Case)),
    ("post", "/api/v1/cases/{id}/{action}", Check::Deed(Thing::Case, &["dispatch", "start", "finish", "return", "check_pass", "check_fail", "close", "hand_up", "hand_down", "hand_sideways"])),
    ("get", "/api/v1/drafts", Check::List("area")),
    ("post", "/api/v1/drafts/{id}/approve", Check::Apart),
    ("post", "/api/v1/drafts/{id}/decline", Check::Apart),
    ("post", "/mcp", Check::Apart),
    ("post", "/api/v1/proposals", Check::Apart),
    ("get", "/api/v1/routing", Check::Everybody("how often proposals were right, and counts")),
    ("post", "/api/v1/routing/train", Check::Apart),
    ("get", "/api/v1/topics", Check::List("area")),
    ("get", "/api/v1/cases/{id}/contact", Check::Apart),
    ("delete", "/api/v1/cases/{id}/contact", Check::Deed(Thing::Case, &[])),
    ("get", "/api/v1/cases/{id}/photos/{hash}", Check::Apart),
    ("post", "/api/v1/cases/{id}/photos/{hash}", Check::Apart),
    ("post", "/api/v1/photos", Check::Apart),
    ("get", "/report", Check::Public),
    ("post", "/report", Check::Public),
    ("post", "/report/proposal", Check::Public),
    ("get", "/track/{token}", Check::Public),
    ("post", "/track/{token}", Check::Public),
    ("get", "/track/{token}/photos/{hash}", Check::Public),
    ("get", "/track/{token}/receipt", Check::Public),
    ("get", "/track/{token}/mail", Check::Public),
    ("post", "/track/{token}/mail", Check::Public),
    ("get", "/public", Check::Public),
    ("get", "/public/areas/{code}", Check::Public),
    ("get", "/public/{file}", Check::Public),
    ("get", "/public/photos/{hash}", Check::Public),
    ("get", "/public/citizen.css", Check::Public),
    ("get", "/public/citizen.js", Check::Public),
    ("get", "/open311/v2/{document}", Check::Public),
    ("post", "/open311/v2/{document}", Check::Public),
    ("get", "/open311/v2/{list}/{document}", Check::Public),
    ("get", "/sta/v1.1", Check::Everybody("names of sets, and what is served")),
    ("get", "/sta/v1.1/{path}", Check::Apart),
    ("post", "/sta/v1.1/{path}", Check::Apart),
    ("patch", "/sta/v1.1/{path}", Check::Apart),
    ("put", "/sta/v1.1/{path}", Check::Apart),
    ("delete", "/sta/v1.1/{path}", Check::Apart),
    ("get", "/ngsi-ld/v1/{path}", Check::Apart),
    ("post", "/ngsi-ld/v1/{path}", Check::Apart),
    ("patch", "/ngsi-ld/v1/{path}", Check::Apart),
    ("put", "/ngsi-ld/v1/{path}", Check::Apart),
    ("delete", "/ngsi-ld/v1/{path}", Check::Apart),
    ("get", "/api/v1/subscriptions", Check::List("")),
    ("post", "/api/v1/subscriptions", Check::Apart),
    ("put", "/api/v1/subscriptions/{id}", Check::Apart),
    ("delete", "/api/v1/subscriptions/{id}", Check::Apart),
    ("post", "/api/v1/subscriptions/{id}/test", Check::Apart),
    ("get", "/api/v1/deliveries", Check::List("area")),
    ("post", "/api/v1/deliveries/{id}/retry", Check::Apart),
    ("get", "/api/v1/patrols", Check::OwnAccount),
    ("post", "/api/v1/patrols", Check::OwnAccount),
    ("delete", "/api/v1/patrols/{key}", Check::OwnAccount),
    ("get", "/api/v1/workload", Check::List("area")),
    ("get", "/api/v1/agencies", Check::List("area")),
    ("get", "/api/v1/agencies/ratings", Check::List("area")),
    ("get", "/api/v1/evaluation", Check::List("area")),
    ("get", "/api/v1/evaluation/cases", Check::List("area")),
    ("get", "/api/v1/evaluation.xlsx", Check::Apart),
    ("get", "/api/v1/stars", Check::List("area")),
    ("post", "/api/v1/sql", Check::Apart),
    ("get", "/api/v1/packs", Check::Everybody("the packs themselves")),
    ("get", "/api/v1/packs/{id}", Check::Everybody("the packs themselves")),
    ("post", "/api/v1/rules/check", Check::Apart),
    ("get", "/api/v1/rules/{pack}/{rule}", Check::Apart),
    ("post", "/api/v1/rules/backtest", Check::Apart),
    ("post", "/api/v1/rules/enable", Check::Apart),
    ("get", "/api/v1/backtests/{id}", Check::Apart),
    ("delete", "/api/v1/backtests/{id}", Check::Apart),
    ("get", "/api/v1/reviews", Check::List("area")),
    ("get", "/api/v1/reviews/{id}", Check::Thing(Thing::Warning)),
    ("get", "/api/v1/reviews/{id}/moment", Check::Thing(Thing::Case)),
    ("post", "/api/v1/reviews/{id}/findings", Check::Deed(Thing::Warning, &[])),
    ("post", "/api/v1/reviews/{id}/tasks", Check::Deed(Thing::Case, &[])),
    ("get", "/api/v1/tasks", Check::List("area")),
    ("post", "/api/v1/tasks/{id}/done", Check::Apart),
    ("get", "/tiles/{file}", Check::Public),
    ("get", "/tiles/{layer}/{z}/{x}/{file}", Check::Public),
    ("get", "/ogc", Check::Public),
    ("get", "/ogc/api", Check::Public),
    ("get", "/ogc/conformance", Check::Public),
    ("get", "/ogc/collections", Check::Public),
    ("get", "/ogc/collections/{collection}", Check::Public),
    ("get", "/ogc/collections/{collection}/queryables", Check::Public),
    ("get", "/ogc/collections/{collection}/items", Check::Public),
    ("get", "/ogc/collections/{collection}/items/{id}", Check::Public),
    ("get", "/cap/v1.2/feed.atom", Check::Apart),
    ("get", "/cap/v1.2/alerts/{identifier}", Check::Apart),
    ("post", "/cap/v1.2/alerts", Check::Apart),
    ("get", "/cap/v1.2/key.pem", Check::Public),
    ("get", "/catalog", Check::Public),
    ("get", "/catalog.jsonld", Check::Public),
    ("get", "/catalog.ttl", Check::Public),
    ("get", "/api/v1/log/checkpoint", Check::Public),
    ("get", "/api/v1/log/witnessed", Check::Public),
    ("get", "/api/v1/log/key", Check::Public),
    ("get", "/api/v1/log/tile/{name}", Check::Public),
    ("get", "/api/v1/log/proof/inclusion", Check::Public),
    ("get", "/api/v1/log/proof/consistency", Check::Public),
    ("get", "/api/v1/log/tile/entries/{name}", Check::Apart),
    ("post", "/api/v1/log/cosignatures", Check::Apart),
    ("get", "/api/v1/events", Check::Apart),
    ("get", "/api/v1/system", Check::Everybody("counters of the program, no thing by name")),
    ("get", "/healthz", Check::Public),
    ("get", "/readyz", Check::Public),
    ("get", "/metrics", Check::Public),
];

/// Everything there is in one town.
struct Town {
    code: &'static str,
    grid: String,
    device: String,
    user: String,
    warning: String,
    case: String,
    /// An improvement task of the warning's review.
    task: i64,
}

const OWN: &str = "500103001";
const FOREIGN: [&str; 2] = ["500103002", "500105001"];

/// Every role at once, so that it is the area that refuses and nothing else.
const ALL_ROLES: [&str; 7] =
    ["admin", "duty_officer", "grid_worker", "supervisor", "engineer", "viewer", "ingest"];

impl Town {
    /// A device with a warning, a user and a case.
    fn people(city: &City, town: &'static str) -> Self {
        let grid = format!("{town}001001");
        let (device, user) = (format!("cover-{town}"), format!("user-{town}"));
        city.register(&format!("id,kinds,area,period\n{device},manhole_tilt,{grid},1m\n"));
        city.account(&user, &["viewer"], town, None);
        let line = format!("manhole_tilt,device={device} value=24 {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
        let warning = until("the cover's warning", || {
            let path = format!("/api/v1/warnings?area={town}");
            city.list(&path, &city.admin).into_iter().next()
        });
        let new = json!({"type": "dirty_road", "row": 0, "area": grid, "description": town});
        let (status, case) = city.post("/api/v1/cases", &city.admin, &new);
        assert_eq!(status, 200, "{case}");
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let (warning, case) = (id(&warning), id(&case));
        let task = json!({"text": town, "person": user, "due_at": "2999-01-01T00:00:00Z"});
        let path = format!("/api/v1/reviews/{warning}/tasks");
        let (status, task) = city.post(&path, &city.admin, &task);
        assert_eq!(status, 200, "{task}");
        let task = task["id"].as_i64().unwrap();
        Self { code: town, grid, device, user, warning, case, task }
    }

    fn id(&self, thing: Thing) -> &str {
        match thing {
            Thing::Area => self.code,
            Thing::Device => &self.device,
            Thing::Warning => &self.warning,
            Thing::Case => &self.case,
            Thing::User => &self.user,
            Thing::Indicator(_) => "street.manhole_closed_share",
        }
    }

    /// How its things stand, without what changes by itself.
    fn state(&self, city: &City) -> Value {
        let get = |path: String| city.get(&path, &city.admin).1;
        let warning = get(format!("/api/v1/warnings/{}", self.warning));
        let case = get(format!("/api/v1/cases/{}", self.case));
        let device = get(format!("/api/v1/devices/{}", self.device));
        let users = city.list("/api/v1/users", &city.admin);
        let cases = city.list(&format!("/api/v1/cases?area={}&state=all", self.code), &city.admin);
        let devices = city.list(&format!("/api/v1/devices?area={}", self.code), &city.admin);
        let review = get(format!("/api/v1/reviews/{}", self.warning));
        json!({
            "review": [review["findings"], review["tasks"]],
            "warning": [warning["state"], warning["answered_by"], warning["case"]],
            "case": [case["state"], case["level"], case["agency"], case["events"]],
            "device": [device["area"], device["name"], device["streams"]],
            "users": users.iter().filter(|u| u["area"] == self.code).collect::<Vec<_>>(),
            "cases": cases.len(),
            "devices": devices.len(),
        })
    }

    /// Texts by which anything of this town would be known.
    fn marks(&self) -> [&str; 2] {
        [self.code, &self.warning]
    }
}

struct World {
    city: City,
    own: Town,
    foreign: Vec<Town>,
    /// Token of the user of the own town.
    token: String,
    /// Last, so that the city ends before its folder is gone.
    _folder: Folder,
}

fn world() -> World {
    let folder = Folder::new();
    // Nobody listens at the address to which one town's subscriptions go.
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    let own = Town::people(&city, OWN);
    let foreign = FOREIGN.into_iter().map(|town| Town::people(&city, town)).collect();
    let token = city.account("mighty", &ALL_ROLES, OWN, None);
    World { city, own, foreign, token, _folder: folder }
}

/// Method and path of every documented route.
fn documented(city: &City) -> BTreeSet<(String, String)> {
    let (status, document) = city.get("/api/openapi.json", "");
    assert_eq!(status, 200);
    let paths = document["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone()))
    });
    routes.collect()
}

/// The path with its parts filled in.
fn filled(path: &str, id: &str, action: &str) -> String {
    let path = path.replace("{action}", action);
    match (path.find('{'), path.find('}')) {
        (Some(start), Some(end)) => format!("{}{id}{}", &path[..start], &path[end + 1..]),
        _ => path,
    }
}

#[test]
fn the_table_covers_every_documented_route_and_nothing_else() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let table: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    let documented = documented(&city);
    let missing: Vec<_> = documented.difference(&table).collect();
    let stale: Vec<_> = table.difference(&documented).collect();
    assert!(missing.is_empty(), "routes without a scope check: {missing:?}");
    assert!(stale.is_empty(), "rows without a route: {stale:?}");
    assert_eq!(table.len(), ROUTES.len(), "a row stands twice");
    let public = ROUTES.iter().filter(|r| matches!(r.2, Check::Public));
    assert_eq!(public.count(), PUBLIC.len());
}

#[test]
fn without_a_token_every_route_answers_401_except_the_public_ones() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    for (method, path) in documented(&city) {
        let asked = filled(&path, "x", "close");
        let body = if matches!(method.as_str(), "post" | "put") { "{}" } else { "" };
        let send = |token: &str| {
            let kind = Some("application/json");
            city.send(&method.to_uppercase(), &asked, token, kind, body.as_bytes()).0
        };
        if PUBLIC.contains(&(&method, &path)) {
            assert_ne!(send(""), 401, "{method} {path} is public");
        } else {
            assert_eq!(send(""), 401, "{method} {path} without a token");
            assert_eq!(send("cm_0000000000000000"), 401, "{method} {path} with a made-up token");
        }
    }
}

fn check_list(world: &World, path: &str, parameter: &str) {
    let World { city, token, own, foreign, .. } = world;
    let (status, body) = city.get(path, token);
    assert_eq!(status, 200, "{path}: {body}");
    let text = body.to_string();
    for town in foreign {
        for mark in town.marks() {
            assert!(!text.contains(mark), "{path} shows {mark}: {text}");
        }
        if !parameter.is_empty() {
            for area in [town.code, &town.grid, &town.code[..6], "50"] {
                let (status, body) = city.get(&format!("{path}?{parameter}={area}"), token);
                assert_eq!(status, 404, "{path}?{parameter}={area}: {body}");
            }
        }
    }
    if !parameter.is_empty() {
        let asked = format!("{path}?{parameter}={}", own.code);
        assert_eq!(city.get(&asked, token).0, 200, "{asked} is the own area");
    }
}

fn check_thing(world: &World, path: &str, thing: Thing) {
    let World { city, token, own, foreign, .. } = world;
    let ask = |town: &Town| {
        let path = filled(path, town.id(thing), "");
        match thing {
            Thing::Indicator(parameter) => format!("{path}?{parameter}={}", town.code),
            _ => path,
        }
    };
    assert_eq!(city.get(&ask(own), token).0, 200, "{} is the own one", ask(own));
    for town in foreign {
        let (status, body) = city.get(&ask(town), token);
        assert_eq!(status, 404, "{}: {body}", ask(town));
    }
}

fn check_deed(world: &World, method: &str, path: &str, thing: Thing, actions: &[&str]) {
    let World { city, token, foreign, .. } = world;
    let body = json!({"reason": "为什么", "note": "x", "agency": "sanitation-500103", "level": "district",
        "cause": "rule", "text": "x", "due_at": "2999-01-01T00:00:00Z"});
    for town in foreign {
        for action in if actions.is_empty() { &[""] } else { actions } {
            let asked = filled(path, town.id(thing), action);
            let kind = Some("application/json");
            let text = if method == "delete" { String::new() } else { body.to_string() };
            let sent = city.send(&method.to_uppercase(), &asked, token, kind, text.as_bytes());
            assert_eq!(sent.0, 404, "{method} {asked}: {}", sent.1);
        }
    }
}

#[test]
fn a_town_user_sees_and_changes_nothing_outside_the_town() {
    let world = world();
    let before: Vec<Value> = world.foreign.iter().map(|t| t.state(&world.city)).collect();
    for (method, path, check) in ROUTES {
        match check {
            Check::List(parameter) => check_list(&world, path, parameter),
            Check::Thing(thing) => check_thing(&world, path, *thing),
            Check::Deed(thing, actions) => check_deed(&world, method, path, *thing, actions),
            Check::Everybody(why) => {
                assert!(!why.is_empty());
                let (status, body) = world.city.get(&filled(path, "gas", ""), &world.token);
                assert_eq!(status, 200, "{path}: {body}");
                let marks: Vec<&str> = world.foreign.iter().map(|t| t.device.as_str()).collect();
                assert!(marks.iter().all(|m| !body.to_string().contains(m)), "{path}: {body}");
            }
            Check::Public | Check::OwnAccount | Check::Apart => {}
        }
    }
    // What is the town's own is there.
    for (path, id) in [
        ("/api/v1/devices", &world.own.device),
        ("/api/v1/warnings", &world.own.warning),
        ("/api/v1/cases", &world.own.case),
    ] {
        let items = world.city.list(path, &world.token);
        assert!(items.iter().any(|i| i["id"] == id.as_str()), "{path} lacks {id}");
    }
    write_for_others(&world);
    newest_of_others(&world);
    make_for_others(&world);
    ask_about_others(&world);
    shelve_for_others(&world);
    look_back_for_others(&world);
    tell_of_others(&world);
    let after: Vec<Value> = world.foreign.iter().map(|t| t.state(&world.city)).collect();
    assert_eq!(before, after);
}

/// Readings for devices of others are refused, however they come.
fn write_for_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let now = now_ms();
    for town in foreign {
        let line = format!("manhole_tilt,device={} value=80 {now}\n", town.device);
        for path in ["/api/v2/write?precision=ms", "/write?precision=ms"] {
            let (status, answer) =
                city.send("POST", path, token, Some("text/plain"), line.as_bytes());
            assert_eq!((status, &answer["accepted"]), (400, &json!(0)), "{answer}");
        }
        let item =
            json!([{"device": town.device, "kind": "manhole_tilt", "value": 80, "time": now}]);
        let (status, answer) = city.post("/api/v1/observations", token, &item);
        assert_eq!((status, &answer["accepted"]), (400, &json!(0)), "{answer}");
        // Neither a new device there, nor taking over an old one.
        for row in [
            format!("thief-1,methane,{}", town.grid),
            format!("{},methane,{}", town.device, own.grid),
        ] {
            let csv = format!("id,kinds,area\n{row}\n");
            let sent =
                city.send("POST", "/api/v1/devices", token, Some("text/csv"), csv.as_bytes());
            let taken = (&sent.1["registered"], &sent.1["updated"]);
            assert_eq!(taken, (&json!(0), &json!(0)), "{row}: {}", sent.1);
            assert_eq!(sent.1["refused"].as_array().unwrap().len(), 1, "{}", sent.1);
        }
    }
    set_for_others(world);
    number_for_others(world, now);
    let line = format!("manhole_tilt,device={} value=3 {now}\n", own.device);
    assert_eq!(city.write(token, &line).0, 204, "the own device");
}

/// From which levels the devices of others warn is not the town's to say.
fn set_for_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    for town in foreign {
        let csv = format!("id,kind,red\n{},river_stage,3\n", town.device);
        let sent = city.send("POST", "/api/v1/setpoints", token, Some("text/csv"), csv.as_bytes());
        assert_eq!((sent.0, &sent.1["set"]), (200, &json!(0)), "{}", sent.1);
        assert_eq!(sent.1["refused"][0]["code"], "E-503", "{}", sent.1);
    }
    let viewer = city.account("looker", &["viewer"], own.code, None);
    let sent = city.send("POST", "/api/v1/setpoints", &viewer, Some("text/csv"), b"id,kind\n");
    assert_eq!(sent.0, 403, "{}", sent.1);
}

/// Newest values by name and by kind hold nothing of others.
fn newest_of_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let everybody: Vec<&str> =
        foreign.iter().chain([own]).map(|town| town.device.as_str()).collect();
    let (_, all) = city.post("/api/v1/latest", &city.admin, &json!({"devices": everybody}));
    assert_eq!(all["total"], json!(everybody.len()), "the city sees all: {all}");
    let (_, seen) = city.post("/api/v1/latest", token, &json!({"devices": everybody}));
    assert_eq!(seen["devices"], json!([own.device]), "{seen}");
    let (_, seen) = city.get("/api/v1/latest?kind=manhole_tilt&min=0", token);
    assert!(seen["total"].as_u64().unwrap() > 0, "{seen}");
    for town in foreign {
        assert!(!seen.to_string().contains(&town.device), "{seen}");
        let asked = format!("/api/v1/latest?kind=manhole_tilt&area={}", town.code);
        assert_eq!(city.get(&asked, token).0, 404, "{asked}");
    }
}

/// The gateway's door: no number of a foreign stream is told, and a guessed one opens nothing.
fn number_for_others(world: &World, now: i64) {
    let World { city, token, foreign, .. } = world;
    let path = "/api/v1/gateway/streams";
    for town in foreign {
        let asked = json!({"streams": [{"device": town.device, "kind": "manhole_tilt"}]});
        let (status, answer) = city.post(path, token, &asked);
        assert_eq!((status, &answer["numbers"][0]), (200, &Value::Null), "{answer}");
        assert_eq!(answer["refused"][0]["code"], "E-503", "{answer}");
        let (_, known) = city.post(path, &city.admin, &asked);
        let stream = u32::try_from(known["numbers"][0].as_u64().unwrap()).unwrap();
        let reading = chengmai_model::Reading {
            stream: chengmai_model::StreamId(stream),
            at: chengmai_model::Timestamp(now),
            value: 80.0,
        };
        let body = chengmai_wire::gateway::encode(&[reading]).unwrap();
        let binary = Some("application/octet-stream");
        let (status, answer) = city.send("POST", "/api/v1/gateway/readings", token, binary, &body);
        assert_eq!((status, &answer["accepted"]), (400, &json!(0)), "{answer}");
    }
}

/// Accounts and cases cannot be made in others' areas.
fn make_for_others(world: &World) {
    let World { city, token, foreign, .. } = world;
    let areas = foreign.iter().map(|t| t.code).chain(["500103", "500105", "50"]);
    for area in areas {
        let account = json!({"name": "spy", "display_name": "spy", "password": "long enough to pass",
            "roles": ["viewer"], "area": area, "agency": null});
        let (status, answer) = city.post("/api/v1/users", token, &account);
        assert_eq!(status, 404, "an account in {area}: {answer}");
        let case = json!({"type": "dirty_road", "row": 0, "area": area, "description": "x"});
        let (status, answer) = city.post("/api/v1/cases", token, &case);
        assert_eq!(status, 404, "a case in {area}: {answer}");
        let asked = format!("/api/v1/events?area={area}");
        assert_eq!(city.get(&asked, token).0, 404, "{asked}");
    }
    let path = "/api/v1/cases/import?format=nyc";
    let sent = city.send("POST", path, token, Some("text/csv"), b"unique_key\n1\n");
    assert!(matches!(sent.0, 403 | 404), "importing cases is the city's: {} {}", sent.0, sent.1);
}

/// No question in SQL shows anything of another town: no row, no name, no count.
fn ask_about_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let ask = |sql: &str| {
        let (status, body) = city.post("/api/v1/sql", token, &json!({"sql": sql}));
        assert_eq!(status, 200, "{sql}: {body}");
        body
    };
    for sql in [
        "SELECT * FROM readings",
        "SELECT * FROM windows",
        "SELECT * FROM areas",
        "SELECT * FROM devices",
        "SELECT * FROM readings r FULL JOIN devices d ON true FULL JOIN areas a ON true",
        "SELECT area FROM readings UNION ALL SELECT code FROM areas UNION ALL SELECT area FROM windows",
        "SELECT string_agg(id, ',') FROM devices WHERE id NOT IN (SELECT device FROM readings)",
        "EXPLAIN ANALYZE SELECT * FROM readings JOIN areas ON code = area",
    ] {
        let body = ask(sql).to_string();
        for town in foreign {
            for mark in [town.code, &town.device] {
                assert!(!body.contains(mark), "{sql} shows {mark}: {body}");
            }
        }
    }
    until("the town's own reading is in history", || {
        let count = ask("SELECT count(*) FROM readings")["rows"][0][0].as_u64()?;
        (count > 0).then_some(())
    });
    let devices = ask("SELECT id FROM devices");
    assert_eq!(devices["rows"], json!([[own.device]]), "{devices}");
}

/// Nothing of others is shelved, no shelf of theirs or of a centre above is ended, and a device is
/// named to nobody who may not see it.
fn shelve_for_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let path = "/api/v1/alarms/shelved";
    let about = |key: &str, value: &str, area: &str| {
        let mut asked = json!({"area": area, "hours": 1.0, "reason": "检修"});
        asked[key] = json!(value);
        asked
    };
    let rule = |area: &str| about("rule", "street/manhole_open", area);
    for area in foreign.iter().map(|t| t.code).chain(["500103", "500105", "50"]) {
        let (status, answer) = city.post(path, token, &rule(area));
        assert_eq!(status, 404, "a shelf in {area}: {answer}");
    }
    for town in foreign {
        let (status, answer) = city.post(path, token, &about("device", &town.device, own.code));
        assert_eq!(status, 404, "a shelf for {}: {answer}", town.device);
        let (status, theirs) = city.post(path, &city.admin, &about("device", &town.device, "50"));
        assert_eq!(status, 200, "{theirs}");
        until("their shelf is there", || (!city.list(path, &city.admin).is_empty()).then_some(()));
        let seen = city.list(path, token);
        assert!(seen.iter().all(|s| s["device"].is_null()), "{seen:?}");
        let one = format!("{path}/{}", theirs["id"].as_str().unwrap());
        assert_eq!(city.send("DELETE", &one, token, None, b"").0, 404, "{one}");
        assert_eq!(city.send("DELETE", &one, &city.admin, None, b"").0, 204, "{one}");
        until("their shelf is gone", || city.list(path, &city.admin).is_empty().then_some(()));
    }
    let (status, ours) = city.post(path, token, &rule(own.code));
    assert_eq!((status, &ours["may_end"]), (200, &json!(true)), "{ours}");
    let one = format!("{path}/{}", ours["id"].as_str().unwrap());
    until("the shelf is there", || (!city.list(path, token).is_empty()).then_some(()));
    assert_eq!(city.send("DELETE", &one, token, None, b"").0, 204, "the own one");
}

/// Nobody is told of another town's things, and its subscriptions and messages are seen by nobody else.
fn tell_of_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let path = "/api/v1/subscriptions";
    let asked = |area: &str| {
        json!({"name": area, "channel": "webhook", "address": "http://127.0.0.1:9/",
            "matters": ["step"], "area": area})
    };
    for area in foreign.iter().map(|t| t.code).chain(["500103", "500105", "50"]) {
        let (status, answer) = city.post(path, token, &asked(area));
        assert_eq!(status, 404, "a subscription of {area}: {answer}");
    }
    let (status, ours) = city.post(path, token, &asked(own.code));
    assert_eq!(status, 201, "{ours}");
    let own_one = format!("{path}/{}", ours["subscription"]["id"].as_str().unwrap());
    let viewer = city.account("onlooker", &["viewer", "engineer"], own.code, None);
    assert_eq!(city.get(path, &viewer).0, 403, "for administrators and duty officers");
    for town in foreign {
        let (status, theirs) = city.post(path, &city.admin, &asked(town.code));
        assert_eq!(status, 201, "{theirs}");
        let id = theirs["subscription"]["id"].as_str().unwrap().to_owned();
        let one = format!("{path}/{id}");
        let sent = city.post(&format!("{one}/test"), &city.admin, &json!({}));
        assert_eq!(sent.0, 202, "{}", sent.1);
        let message = sent.1["id"].as_str().unwrap().to_owned();
        let json_kind = Some("application/json");
        for (method, path) in [
            ("PUT", one.clone()),
            ("DELETE", one.clone()),
            ("POST", format!("{one}/test")),
            ("POST", format!("/api/v1/deliveries/{message}/retry")),
        ] {
            let body = asked(own.code).to_string();
            let body = if method == "DELETE" { String::new() } else { body };
            let sent = city.send(method, &path, token, json_kind, body.as_bytes());
            assert_eq!(sent.0, 404, "{method} {path}: {}", sent.1);
        }
        let listed = city.get(path, token).1.to_string();
        assert!(!listed.contains(&id), "{listed}");
        for query in [String::new(), format!("?subscription={id}")] {
            let asked = format!("/api/v1/deliveries{query}");
            assert!(!city.get(&asked, token).1.to_string().contains(&message), "{asked}");
        }
        // Nor can the own one be moved there.
        let body = asked(town.code).to_string();
        let sent = city.send("PUT", &own_one, token, json_kind, body.as_bytes());
        assert_eq!(sent.0, 404, "{}", sent.1);
        assert_eq!(city.send("DELETE", &one, &city.admin, None, b"").0, 204);
    }
    assert_eq!(city.send("DELETE", &own_one, token, None, b"").0, 204, "the own one");
}

/// Rules are the whole city's; what they would have done elsewhere, and others' tasks, are not told.
fn look_back_for_others(world: &World) {
    let World { city, token, own, foreign, .. } = world;
    let (status, rule) = city.get("/api/v1/rules/street/manhole_open", token);
    assert_eq!(status, 200, "a pack's rule is everybody's: {rule}");
    let text = &rule["text"];
    let body = json!({"pack": "street", "text": text});
    assert_eq!(city.post("/api/v1/rules/check", token, &body).0, 200);
    let begin = |token: &str, area: &str| {
        let body = json!({"pack": "street", "text": text, "area": area});
        city.post("/api/v1/rules/backtest", token, &body)
    };
    let areas = foreign.iter().map(|town| town.code).chain(["500103", "50"]);
    for area in areas {
        let (status, answer) = begin(token, area);
        assert_eq!(status, 404, "a backtest in {area}: {answer}");
    }
    let ended = |path: &str, token: &str| {
        until("the backtest ends", || {
            let (status, body) = city.get(path, token);
            assert_eq!(status, 200, "{body}");
            (body["state"] == "done").then_some(body)
        })
    };
    for (token, area) in [(token.as_str(), own.code), (city.admin.as_str(), foreign[0].code)] {
        let (status, begun) = begin(token, area);
        assert_eq!(status, 200, "{begun}");
        let path = format!("/api/v1/backtests/{}", begun["id"].as_str().unwrap());
        let done = ended(&path, token);
        assert_eq!(done["result"]["streams"], json!(1), "only the devices there: {done}");
        let seen = if area == own.code { 200 } else { 404 };
        assert_eq!(city.get(&path, &world.token).0, seen, "the backtest of {area}");
        let sent = city.send("DELETE", &path, &world.token, None, b"");
        assert_eq!(sent.0, seen, "{}", sent.1);
    }
    let (status, answer) = city.post("/api/v1/rules/enable", token, &body);
    assert_eq!((status, &answer["code"]), (403, &json!("E-745")), "{answer}");
    let evidence = json!({"evidence": "x"});
    for town in foreign {
        let path = format!("/api/v1/tasks/{}/done", town.task);
        let (status, answer) = city.post(&path, token, &evidence);
        assert_eq!(status, 404, "{path}: {answer}");
    }
    let path = format!("/api/v1/tasks/{}/done", own.task);
    assert_eq!(city.post(&path, token, &evidence).0, 200, "the own task");
}

#[test]
fn the_live_stream_of_a_town_carries_nothing_of_another() {
    let world = world();
    let World { city, own, foreign, token, .. } = &world;
    let mut events = city.events("", token);
    // Others first: when the own one arrives, theirs would have arrived as well.
    for town in foreign.iter().chain([own]) {
        let id = format!("second-{}", town.code);
        city.register(&format!("id,kinds,area,period\n{id},manhole_tilt,{},1m\n", town.grid));
        let line = format!("manhole_tilt,device={id} value=26 {}\n", now_ms());
        assert_eq!(city.write(&city.admin, &line).0, 204);
        until("the second warning", || {
            let path = format!("/api/v1/warnings?area={}", town.code);
            (city.list(&path, &city.admin).len() == 2).then_some(())
        });
        let case = json!({"type": "dirty_road", "row": 0, "area": town.grid, "description": "z"});
        assert_eq!(city.post("/api/v1/cases", &city.admin, &case).0, 200);
    }
    let mut seen = events.until("warning", own.code);
    seen.extend(events.until("case", own.code));
    seen.extend(events.until("tick", "open_cases"));
    for event in &seen {
        for town in foreign {
            assert!(!event.data.contains(town.code), "{event:?}");
        }
    }
    let ids: Vec<u64> = seen.iter().filter_map(|e| e.id).collect();
    assert!(ids.windows(2).all(|pair| pair[0] <= pair[1]), "{ids:?}");
    let tick: Value = serde_json::from_str(&seen[seen.len() - 1].data).unwrap();
    assert_eq!((&tick["open_cases"], &tick["unanswered"]), (&json!(2), &json!(2)), "{tick}");
}
