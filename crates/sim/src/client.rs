//! A small HTTP client for the server's public interface: JSON in and out, a bearer token, kept
//! connections. What play, bench and the probe share.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

/// No request takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server to talk to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self { agent: config.new_agent(), base: base.trim_end_matches('/').to_owned() }
    }

    /// Status and body of a GET; null when the body is not JSON.
    pub(crate) fn get(&self, path: &str, token: &str) -> Result<(u16, Value)> {
        let request = self.agent.get(format!("{}{path}", self.base));
        let answer = request.header("authorization", format!("Bearer {token}")).call();
        read(answer.with_context(|| format!("GET {path}"))?)
    }

    /// The text of a GET that needs no token.
    pub(crate) fn get_text(&self, path: &str) -> Result<String> {
        let mut answer = self.agent.get(format!("{}{path}", self.base)).call()?;
        anyhow::ensure!(answer.status() == 200, "GET {path}: status {}", answer.status());
        Ok(answer.body_mut().read_to_string()?)
    }

    /// Status and body of a POST of JSON.
    pub(crate) fn post(&self, path: &str, token: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let answer = request.header("authorization", format!("Bearer {token}")).send_json(body);
        read(answer.with_context(|| format!("POST {path}"))?)
    }

    /// Status and body of a POST of text.
    pub(crate) fn post_text(&self, path: &str, token: &str, text: &str) -> Result<(u16, Value)> {
        self.post_as("text/plain; charset=utf-8", path, token, text)
    }

    /// Status and body of a POST of a table.
    pub(crate) fn post_csv(&self, path: &str, token: &str, text: &str) -> Result<(u16, Value)> {
        self.post_as("text/csv", path, token, text)
    }

    fn post_as(
        &self,
        content_type: &str,
        path: &str,
        token: &str,
        text: &str,
    ) -> Result<(u16, Value)> {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("authorization", format!("Bearer {token}"));
        let request = request.header("content-type", content_type);
        read(request.send(text).with_context(|| format!("POST {path}"))?)
    }

    /// Whether the server says it is ready.
    pub(crate) fn is_ready(&self) -> bool {
        let answer = self.agent.get(format!("{}/readyz", self.base)).call();
        answer.is_ok_and(|a| a.status() == 200)
    }

    /// Signs in and makes a bearer token for the same account.
    pub(crate) fn token(&self, name: &str, password: &str) -> Result<String> {
        let request = self.agent.post(format!("{}/api/v1/session", self.base));
        let answer = request.send_json(json!({"name": name, "password": password}))?;
        if answer.status() != 200 {
            bail!("signing in as {name}: status {}", answer.status());
        }
        let cookie = answer.headers().get("set-cookie").and_then(|v| v.to_str().ok());
        let cookie = cookie.and_then(|c| c.split(';').next()).context("no session cookie")?;
        let url = format!("{}/api/v1/users/{name}/token", self.base);
        let request = self.agent.post(url).header("cookie", cookie);
        made(read(request.send_json(json!({}))?)?, name)
    }

    /// A new bearer token for an account, made by somebody who may.
    pub(crate) fn token_for(&self, token: &str, name: &str) -> Result<String> {
        made(self.post(&format!("/api/v1/users/{name}/token"), token, &json!({}))?, name)
    }
}

/// The token in an answer.
fn made((status, body): (u16, Value), name: &str) -> Result<String> {
    let made = body["token"].as_str().filter(|_| status == 201);
    made.map(str::to_owned).with_context(|| format!("a token for {name}: status {status}"))
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<(u16, Value)> {
    let status = answer.status().as_u16();
    let text = answer.body_mut().with_config().limit(64 << 20).read_to_string()?;
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}
