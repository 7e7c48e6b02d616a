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
    Route { method: method.to_uppercase(), path: path.to_owned(), asked, kind, body }
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

/// The table as the guide shows it.
fn table(city: &City) -> String {
    let browsers: Vec<Browser<'_>> = ROLES
        .iter()
        .map(|role| {
            let agency = (*role == "agency_staff").then_some("gas_company-500103");
            let name = format!("some-{role}");
            person(city, &name, &[role], "50", agency);
            Browser::open(city, &name, STRONG, None).unwrap()
        })
        .collect();
    let mut table = format!("| route | {} |\n", ROLES.join(" | "));
    writeln!(table, "| --- |{}", " :-: |".repeat(ROLES.len())).unwrap();
    for route in routes(city) {
        let marks: String = browsers
            .iter()
            .map(|browser| if may(browser, &route) { " ● |" } else { " – |" })
            .collect();
        writeln!(table, "| {} `{}` |{marks}", route.method, route.path).unwrap();
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
