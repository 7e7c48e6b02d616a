//! Every role at every route: the table in the guide is what the server answers, line for line.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::browser::{Browser, STRONG, person};
use crate::harness::{City, Folder};
use crate::locks::reported;
use crate::scope::PUBLIC;

const GUIDE: &str = "docs/guides/access-matrix.md";
const ROLES: [&str; 9] = [
    "admin",
    "duty_officer",
    "agency_staff",
    "grid_worker",
    "supervisor",
    "engineer",
    "viewer",
    "ingest",
    "app",
];
/// What everybody does with their own session; these would end it under the test's feet.
const OWN: &str = "/api/v1/session";
/// The procedure of a case's type says who takes which step (tests of the procedure).
const STEP: &str = "/api/v1/cases/{id}/{action}";
/// Assistants come with a token of a program, never with a session.
const ASSISTANTS: &str = "/mcp";
/// Asked for last: it widens what somebody sees.
const LAST: &str = "/api/v1/emergencies";

/// One route of the document, with what it takes to ask it.
struct Route {
    /// The class of what it answers, as the document says it.
    class: String,
    method: String,
    path: String,
    asked: String,
    kind: Option<String>,
    body: String,
}

/// What the document shows as an example of this shape.
fn example(document: &Value, schema: &Value) -> Value {
    let named = schema["$ref"].as_str().map(|name| {
        let pointer = name.trim_start_matches('#');
        document.pointer(pointer).unwrap_or_else(|| panic!("{name} is not in the document"))
    });
    named.unwrap_or(schema)["example"].clone()
}

/// A value for a parameter: its example, or a thing that nobody has.
fn value_of(parameter: &Value) -> String {
    let shown = [&parameter["example"], &parameter["schema"]["example"]];
    match shown.into_iter().find(|value| !value.is_null()) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None if parameter["schema"]["type"] == "integer" => "1".to_owned(),
        None => "x".to_owned(),
    }
}

fn route(document: &Value, case: &str, method: &str, path: &str, operation: &Value) -> Route {
    // What a citizen reported is a real one, so that its class and its agency are judged too.
    let mut asked = path.replace("/cases/{id}", &format!("/cases/{case}"));
    let mut query = String::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        match parameter["in"].as_str() {
            Some("path") => {
                let value = value_of(parameter);
                let value = if path.starts_with("/sta/") { "Things" } else { &value };
                asked = asked.replace(&format!("{{{name}}}"), value);
            }
            Some("query") if name == "purpose" => query.push_str("&purpose=review"),
            Some("query") if parameter["required"] == true => {
                write!(query, "&{name}={}", value_of(parameter)).unwrap();
            }
            _ => {}
        }
    }
    if !query.is_empty() {
        asked = format!("{asked}?{}", &query[1..]);
    }
    let content = operation["requestBody"]["content"].as_object();
    let (kind, body) = match content.and_then(|content| content.iter().next()) {
        None => (None, String::new()),
        Some((kind, media)) => {
            let shown = media["example"].clone();
            let body = if shown.is_null() { example(document, &media["schema"]) } else { shown };
            assert!(!body.is_null(), "{method} {path}: the document shows no example of a body");
            let text = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            (Some(kind.clone()), text)
        }
    };
    let class = operation["x-data-class"].as_str().unwrap().to_owned();
    Route { class, method: method.to_uppercase(), path: path.to_owned(), asked, kind, body }
}

/// All routes that ask who is there, those that widen somebody's sight last.
fn routes(city: &City) -> Vec<Route> {
    let case = reported(city);
    let (_, document) = city.get("/api/openapi.json", "");
    let paths = document["paths"].as_object().unwrap();
    let mut routes: Vec<Route> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().iter().map(move |m| (path, m)))
        .filter(|(path, (method, _))| {
            let asks = !PUBLIC.contains(&(method.as_str(), path.as_str()));
            asks && !path.starts_with(OWN) && ![STEP, ASSISTANTS].contains(&path.as_str())
        })
        .map(|(path, (method, operation))| route(&document, &case, method, path, operation))
        .collect();
    routes.sort_by_key(|r| (r.path.starts_with(LAST), r.path.clone(), r.method.clone()));
    routes
}

fn may(browser: &Browser<'_>, route: &Route) -> bool {
    let mut headers = vec![("cookie", browser.cookie.as_str())];
    headers.extend(route.kind.as_deref().map(|kind| ("content-type", kind)));
    let status = browser.city.status(&route.method, &route.asked, &headers, route.body.as_bytes());
    let asked = format!("{} {}", route.method, route.asked);
    assert!(!matches!(status, 401 | 429 | 500..), "{asked}: {status}");
    status != 403
}

fn browsers<'a>(city: &'a City, roles: &[&str]) -> Vec<Browser<'a>> {
    let open = |role: &&str| {
        let agency = (*role == "agency_staff").then_some("gas_company-500103");
        let name = format!("some-{role}");
        person(city, &name, &[role], "50", agency);
        Browser::open(city, &name, STRONG, None).unwrap()
    };
    roles.iter().map(open).collect()
}

/// The table as the guide shows it.
fn table(city: &City) -> String {
    let browsers = browsers(city, &ROLES);
    let mut table = format!("| route | class | {} |\n", ROLES.join(" | "));
    writeln!(table, "| --- | --- |{}", " :-: |".repeat(ROLES.len())).unwrap();
    for route in routes(city) {
        let marks: String = browsers
            .iter()
            .map(|browser| if may(browser, &route) { " ● |" } else { " – |" })
            .collect();
        writeln!(table, "| {} `{}` | {} |{marks}", route.method, route.path, route.class).unwrap();
    }
    table
}

#[test]
fn each_role_may_do_at_each_route_what_the_guide_says() {
    let folder = Folder::new();
    let city = City::start(&folder, &["--allow-webhook-to", "127.0.0.1"]);
    let table = table(&city);
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE);
    let text = std::fs::read_to_string(&guide).unwrap_or_default();
    let (head, told) = text.split_at(text.find("| route").unwrap_or(text.len()));
    if told != table {
        let fresh = Path::new(env!("CARGO_TARGET_TMPDIR")).join("access-matrix.md");
        std::fs::write(&fresh, format!("{head}{table}")).unwrap();
        let changed: Vec<&str> =
            table.lines().filter(|line| !told.lines().any(|t| t == *line)).collect();
        panic!("{GUIDE} says otherwise; as it is now: {}\n{}", fresh.display(), changed.join("\n"));
    }
}

#[test]
fn what_nobody_needs_an_account_for_is_public_or_their_own() {
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let (_, document) = city.get("/api/openapi.json", "");
    for (method, path) in PUBLIC {
        let class = document["paths"][path][method]["x-data-class"].as_str().unwrap();
        // Of these anybody gets outlines of areas; who gets the rest is in `features.rs` and `tiles.rs`.
        let by_layer = path.ends_with("/items")
            || path.ends_with("/items/{id}")
            || path.starts_with("/tiles/{layer}");
        assert!(matches!(class, "public" | "own") || by_layer, "{method} {path}: {class}");
    }
}

#[test]
fn a_city_that_forbids_a_class_closes_the_routes_of_that_class_and_no_other() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(GUIDE);
    let guide = std::fs::read_to_string(&guide).unwrap();
    for class in ["sensitive", "personal"] {
        let folder = Folder::new();
        let policies = folder.path().join("policies");
        std::fs::create_dir_all(&policies).unwrap();
        let forbids = format!(
            "@id(\"nobody\") forbid (principal, action, resource) when {{ resource.class == \"{class}\" }} \
             unless {{ principal in Role::\"admin\" }};"
        );
        std::fs::write(policies.join("own.cedar"), forbids).unwrap();
        let city = City::start(&folder, &["--policies", policies.to_str().unwrap()]);
        let mut closed = 0;
        let roles = ["duty_officer", "supervisor"];
        for (role, browser) in roles.iter().zip(browsers(&city, &roles)) {
            let column = ROLES.iter().position(|known| known == role).unwrap();
            for route in routes(&city) {
                let line = format!("| {} `{}` | {} |", route.method, route.path, route.class);
                let told = guide.lines().find_map(|row| row.strip_prefix(&line)).unwrap();
                let usual = told.split('|').nth(column).unwrap().trim() == "●";
                let is_of_it = route.class == class;
                assert_eq!(may(&browser, &route), usual && !is_of_it, "{role}: {line}");
                closed += u32::from(usual && is_of_it);
            }
        }
        assert!(closed > 1, "{class}: nothing was closed");
    }
}
