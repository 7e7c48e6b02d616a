//! People in a browser: accounts with passwords, and requests with the cookie of a session.

use serde_json::{Value, json};

use crate::harness::City;

/// A password that nobody guesses.
pub(crate) const STRONG: &str = "five trams wait below the bridge";

/// A browser: a cookie that it was given, and requests with it.
pub(crate) struct Browser<'a> {
    pub(crate) city: &'a City,
    pub(crate) cookie: String,
}

impl<'a> Browser<'a> {
    /// Signs in; what was said when that failed.
    pub(crate) fn open(
        city: &'a City,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<Self, Value> {
        let body = json!({"name": name, "password": password, "code": code}).to_string();
        let kind = [("content-type", "application/json")];
        let (status, headers, text) =
            city.whole("POST", "/api/v1/session", "", &kind, body.as_bytes());
        if status != 200 {
            return Err(serde_json::from_str(&text).unwrap());
        }
        let cookie = headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        Ok(Self { city, cookie })
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = body.to_string();
        let headers = [("content-type", "application/json"), ("cookie", self.cookie.as_str())];
        let sent = if method == "GET" { &b""[..] } else { text.as_bytes() };
        let (status, text) = self.city.send_with(method, path, "", &headers, sent).unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, &Value::Null)
    }
}

/// Somebody with that password.
pub(crate) fn person(city: &City, name: &str, roles: &[&str], area: &str, agency: Option<&str>) {
    let account = json!({"name": name, "display_name": name, "password": STRONG,
        "roles": roles, "area": area, "agency": agency});
    let (status, body) = city.post("/api/v1/users", &city.admin, &account);
    assert_eq!(status, 201, "{body}");
}
