//! One message on its way by HTTP: body, signature, and what the answer means. Blocking.
//!
//! Not here: when it is tried again (`notify`), e-mail (`mail`). Invariants: a request goes only where the
//! guard lets it, follows no redirect and takes ten seconds at most; of an answer only its number is kept,
//! so that nobody reads a server of ours through us.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chengmai_model::Timestamp;
use chengmai_store::records::subscriptions::{Channel, SubscriptionRow};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::transport::DefaultConnector;

use super::address::{Guard, Refused};

/// How long a receiver may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How much of an answer is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;
/// What a secret of ours begins with, as Standard Webhooks has it.
const SECRET_PREFIX: &str = "whsec_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 24;

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Perhaps later.
    Later(String),
    /// Never: the message itself is refused.
    Never(String),
    /// The receiver wants no more of any.
    Gone(String),
}

/// What a server said of what it gave, to be asked whether it changed.
#[derive(Debug, Default, Clone)]
pub(crate) struct Known {
    tag: Option<String>,
    changed: Option<String>,
}

/// What was fetched.
#[derive(Debug)]
pub(crate) enum Fetched {
    New(Vec<u8>, Known),
    AsItWas,
}

/// What messages by HTTP go through.
#[derive(Debug)]
pub(crate) struct Sender {
    guard: Guard,
    agent: OnceLock<ureq::Agent>,
}

/// A message that is whole: where to, of which type, with which headers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Posted {
    pub(crate) url: String,
    pub(crate) kind: &'static str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Addresses and headers may hold secrets of the receiver: they are printed nowhere.
impl std::fmt::Debug for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Posted").finish_non_exhaustive()
    }
}

/// A request that is ready.
#[derive(Debug, PartialEq, Eq)]
struct Ready {
    url: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Sender {
    pub(crate) const fn new(guard: Guard) -> Self {
        Self { guard, agent: OnceLock::new() }
    }

    /// Whether messages may go to a web address. Blocking.
    pub(crate) fn check(&self, url: &str) -> Result<(), Refused> {
        self.guard.check(url)
    }

    /// Fetches what is at a web address, unless it is as it was. Blocking.
    pub(crate) fn fetch(
        &self,
        url: &str,
        known: &Known,
        bytes_max: usize,
    ) -> Result<Fetched, String> {
        let agent = self.agent.get_or_init(|| agent(self.guard.clone()));
        let mut request = agent.get(url);
        if let Some(tag) = &known.tag {
            request = request.header("if-none-match", tag);
        }
        if let Some(changed) = &known.changed {
            request = request.header("if-modified-since", changed);
        }
        let mut answer = request.call().map_err(|error| words_of(&error))?;
        match answer.status().as_u16() {
            200 => {}
            304 => return Ok(Fetched::AsItWas),
            status => return Err(format!("HTTP {status}")),
        }
        let header = |name: &str| answer.headers().get(name)?.to_str().ok().map(str::to_owned);
        let known = Known { tag: header("etag"), changed: header("last-modified") };
        let body = answer.body_mut().with_config().limit(bytes_max as u64).read_to_vec();
        body.map(|body| Fetched::New(body, known)).map_err(|error| words_of(&error))
    }

    /// Sends a message: its JSON, or its words where people read it.
    pub(crate) fn send(
        &self,
        to: &SubscriptionRow,
        id: &str,
        body: &str,
        words: &str,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let ready = ready(to, id, body, words, now)?;
        let mut answer = self.ask(&ready.url, "application/json", &ready.headers, &ready.body)?;
        if matches!(to.channel, Channel::Wecom | Channel::Dingtalk) {
            let read = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
            return chat_took_it(&read.unwrap_or_default());
        }
        Ok(())
    }

    /// Sends a message that is whole already.
    pub(crate) fn post(&self, posted: &Posted) -> Result<(), Failure> {
        let headers: Vec<(&str, String)> =
            posted.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.ask(&posted.url, posted.kind, &headers, &posted.body).map(|_answer| ())
    }

    fn ask(
        &self,
        url: &str,
        kind: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<ureq::http::Response<ureq::Body>, Failure> {
        let agent = self.agent.get_or_init(|| agent(self.guard.clone()));
        let mut request = agent.post(url).content_type(kind);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let answer = request.send(body).map_err(|error| Failure::Later(words_of(&error)))?;
        match answer.status().as_u16() {
            200..=299 => Ok(answer),
            410 => Err(Failure::Gone("HTTP 410".to_owned())),
            status => Err(Failure::Later(format!("HTTP {status}"))),
        }
    }
}

/// Chats answer 200 whatever happens, and say in the body whether they took it.
fn chat_took_it(answer: &str) -> Result<(), Failure> {
    let answer: Value = serde_json::from_str(answer).unwrap_or(Value::Null);
    match answer["errcode"].as_i64() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::Later(format!("errcode {code}"))),
        None => Err(Failure::Later("no errcode in the answer".to_owned())),
    }
}

/// TLS as the machine's own list of authorities has it.
pub(crate) fn tls() -> TlsConfig {
    let found = rustls_native_certs::load_native_certs();
    let roots: Vec<Certificate<'static>> =
        found.certs.iter().map(|cert| Certificate::from_der(cert).to_owned()).collect();
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

fn agent(guard: Guard) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .timeout_global(Some(PATIENCE))
        .user_agent("chengmai")
        .tls_config(tls())
        .build();
    ureq::Agent::with_parts(config, DefaultConnector::default(), guard)
}

/// What went wrong, without the address.
fn words_of(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::HostNotFound => "the host is not found".to_owned(),
        ureq::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::Other => "the connection failed".to_owned(),
            kind => kind.to_string(),
        },
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::Other(error) => error
            .downcast_ref::<Refused>()
            .map_or_else(|| "the request failed".to_owned(), ToString::to_string),
        _ => "the request failed".to_owned(),
    }
}

fn ready(
    to: &SubscriptionRow,
    id: &str,
    body: &str,
    words: &str,
    now: Timestamp,
) -> Result<Ready, Failure> {
    let mut ready = Ready { url: to.address.clone(), headers: Vec::new(), body: String::new() };
    match to.channel {
        Channel::Webhook => {
            let seconds = now.0.div_euclid(1000).to_string();
            let secret = to.secret.as_deref().unwrap_or_default();
            let signature = signature(secret, id, &seconds, body)
                .ok_or_else(|| Failure::Never("the secret is damaged".to_owned()))?;
            body.clone_into(&mut ready.body);
            ready.headers = vec![
                ("webhook-id", id.to_owned()),
                ("webhook-timestamp", seconds),
                ("webhook-signature", signature),
            ];
        }
        Channel::Wecom => {
            ready.body = json!({"msgtype": "markdown", "markdown": {"content": words}}).to_string();
        }
        Channel::Dingtalk => {
            ready.body = json!({"msgtype": "text", "text": {"content": words}}).to_string();
            if let Some(secret) = to.secret.as_deref().filter(|secret| !secret.is_empty()) {
                ready.url.push_str(&dingtalk_sign(&ready.url, secret, now));
            }
        }
        Channel::Sms => {
            let template = to.template.as_deref().unwrap_or_default();
            ready.body = filled(template, words, &to.recipients)
                .ok_or_else(|| Failure::Never("the template is no JSON".to_owned()))?;
            ready.headers = vec![("webhook-id", id.to_owned())];
        }
        Channel::Email => return Err(Failure::Never("no web address".to_owned())),
    }
    Ok(ready)
}

/// `v1,` and the signature of Standard Webhooks over id, time and body.
fn signature(secret: &str, id: &str, seconds: &str, body: &str) -> Option<String> {
    let key = BASE64.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    let text = format!("{id}.{seconds}.{body}");
    Some(format!("v1,{}", BASE64.encode(mac(&key, text.as_bytes()))))
}

/// A new secret for a webhook.
pub(crate) fn new_secret() -> String {
    let mut bytes = [0_u8; SECRET_BYTES];
    getrandom::fill(&mut bytes).expect("the operating system gives random numbers");
    format!("{SECRET_PREFIX}{}", BASE64.encode(bytes))
}

/// HMAC-SHA256.
pub(super) fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

/// What DingTalk wants behind the address of a robot that has a secret.
fn dingtalk_sign(url: &str, secret: &str, now: Timestamp) -> String {
    let text = format!("{}\n{secret}", now.0);
    let sign = BASE64.encode(mac(secret.as_bytes(), text.as_bytes()));
    let sign = sign.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{mark}timestamp={}&sign={sign}", now.0)
}

/// A template with its words in place. They are put into the texts of its JSON, so none can end one.
pub(crate) fn filled(template: &str, words: &str, to: &str) -> Option<String> {
    fn fill(value: &mut Value, words: &str, to: &str) {
        match value {
            Value::String(text) => {
                let parts: Vec<String> =
                    text.split("{text}").map(|part| part.replace("{to}", to)).collect();
                *text = parts.join(words);
            }
            Value::Array(items) => items.iter_mut().for_each(|item| fill(item, words, to)),
            Value::Object(fields) => fields.values_mut().for_each(|item| fill(item, words, to)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut value: Value = serde_json::from_str(template).ok()?;
    fill(&mut value, words, to);
    Some(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengmai_model::{AreaPath, Severity};

    fn to(channel: Channel) -> SubscriptionRow {
        SubscriptionRow {
            id: "s".into(),
            name: "s".into(),
            channel,
            address: "https://hooks.example/send?access_token=t".into(),
            recipients: "13800000000".into(),
            template: Some(r#"{"phones":["{to}"],"params":{"a":"城脉：{text}"},"n":1}"#.into()),
            secret: None,
            matters: Vec::new(),
            severity_min: Severity::MINOR,
            agency: None,
            area: AreaPath::parse("/50/").unwrap(),
            language: "zh".into(),
            active: true,
            stopped: None,
            made_by: "a".into(),
            made_at: Timestamp(0),
        }
    }

    fn body(channel: Channel) -> Value {
        let words = "一行\n\"{to}\",\"x\":1";
        let ready = ready(&to(channel), "msg_1", "{}", words, Timestamp(1_000)).unwrap();
        serde_json::from_str(&ready.body).unwrap()
    }

    #[test]
    fn a_signature_is_that_of_standard_webhooks() {
        // The example of the reference implementation.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let (id, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", r#"{"test": 2432232314}"#);
        let signed = signature(secret, id, "1614265330", body).unwrap();
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(signature("not ours", id, "1614265330", body), None);
        assert!(signature(&new_secret(), id, "0", body).is_some());
    }

    #[test]
    fn chats_and_gateways_get_their_own_words() {
        let words = "一行\n\"{to}\",\"x\":1";
        let wecom = json!({"msgtype": "markdown", "markdown": {"content": words}});
        assert_eq!(body(Channel::Wecom), wecom);
        let dingtalk = json!({"msgtype": "text", "text": {"content": words}});
        assert_eq!(body(Channel::Dingtalk), dingtalk);
        let sms =
            json!({"phones": ["13800000000"], "params": {"a": format!("城脉：{words}")}, "n": 1});
        assert_eq!(body(Channel::Sms), sms, "no word ends a text or is filled again");
        assert_eq!(filled("no json {text}", "x", "y"), None);
    }

    #[test]
    fn dingtalk_is_signed_as_it_asks_for() {
        let mut row = to(Channel::Dingtalk);
        row.secret = Some("SEC0123".into());
        let ready = ready(&row, "m", "{}", "x", Timestamp(1_700_000_000_000)).unwrap();
        // python3: quote_plus(base64(hmac_sha256("SEC0123", "1700000000000\nSEC0123")))
        let sign = "2lI0CLA9w0NryWAswdWUgPoOvPXo1wScAKa%2B6Qn%2BlxQ%3D";
        let expected = format!("{}&timestamp=1700000000000&sign={sign}", row.address);
        assert_eq!(ready.url, expected);
    }

    #[test]
    fn a_chat_says_in_its_body_whether_it_took_it() {
        assert_eq!(chat_took_it(r#"{"errcode":0,"errmsg":"ok"}"#), Ok(()));
        let later = |text: &str| Err(Failure::Later(text.to_owned()));
        assert_eq!(chat_took_it(r#"{"errcode":310000,"errmsg":"sign"}"#), later("errcode 310000"));
        assert_eq!(chat_took_it("<html>"), later("no errcode in the answer"));
    }
}
