//! The city's identity provider 统一身份认证: OpenID Connect with the authorization code flow and PKCE (RFC 6749, RFC 7636,
//! OpenID Connect Core 1.0, Discovery 1.0).
//!
//! What it is not: whose account that is, and what they may do then. Invariants: an answer is taken once, in ten
//! minutes, and only in the browser that began; a token counts only when it is signed by a key of the provider with an
//! asymmetric algorithm, made for us, by that provider, not expired, and with the nonce of this sign-in. What is
//! remembered between begin and answer takes bounded room.

mod keys;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::{Timestamp, error};
use hashbrown::HashMap;
use keys::Keys;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{percent_encoded, random_token};
use crate::clock;
use crate::config::provider::{ProviderSettings, is_safe};
use crate::http::problem::{Answer, Problem};

/// How long somebody may take at the provider.
const PATIENCE_MS: i64 = 10 * MINUTE_MS;
/// Sign-ins that are under way at once.
const PENDING_MAX: usize = 10_000;
/// How long addresses of the provider are believed.
const KNOWN_MS: i64 = HOUR_MS;
/// A key that is not known is asked for so often at most.
const KEYS_EVERY_MS: i64 = MINUTE_MS;
/// Longest answer of the provider that is read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const ASK_FOR: Duration = Duration::from_secs(10);
/// Ways to sign in that are a second factor (RFC 8176).
const STRONG: [&str; 5] = ["mfa", "otp", "hwk", "swk", "sc"];

/// Where the provider is asked what (its discovery document).
#[derive(Debug, Clone, Deserialize)]
struct Endpoints {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Known {
    endpoints: Endpoints,
    keys: Keys,
    at: Timestamp,
    keys_at: Timestamp,
}

/// A sign-in that is under way.
#[derive(Debug, Clone)]
struct Pending {
    state: String,
    nonce: String,
    verifier: String,
    until: Timestamp,
    purpose: Purpose,
}

/// What somebody goes to the provider for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To sign in; then to this page of ours.
    SignIn { next: String },
    /// To link this account.
    Link { user: String },
}

/// Where to send a browser, and the cookie by which it is known again.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) url: String,
    pub(crate) cookie: String,
}

/// Who came back from the provider.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) purpose: Purpose,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    /// What the claim that names accounts says.
    pub(crate) account: Option<String>,
    /// A second factor was shown there.
    pub(crate) strong: bool,
}

/// What a code was exchanged for.
#[derive(Deserialize)]
struct Redeemed {
    id_token: String,
    access_token: String,
}

/// What a token says (OpenID Connect Core §2). Issuer, audience and expiry are judged where it is decoded.
#[derive(Debug, Clone, Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    azp: Option<String>,
    nonce: Option<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Provider {
    settings: Arc<ProviderSettings>,
    agent: OnceLock<ureq::Agent>,
    known: Mutex<Option<Known>>,
    pending: Mutex<HashMap<String, Pending, foldhash::fast::RandomState>>,
}

impl Provider {
    pub(crate) fn new(settings: Arc<ProviderSettings>) -> Self {
        let (agent, known, pending) = (OnceLock::new(), Mutex::default(), Mutex::default());
        Self { settings, agent, known, pending }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Begins: where to send the browser. Blocking.
    pub(crate) fn begin(&self, purpose: Purpose) -> Answer<Begun> {
        let now = clock::now();
        let known = self.known(now)?;
        let (cookie, state, nonce) = (random_token(), random_token(), random_token());
        let verifier = random_token();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client),
            ("redirect_uri", &self.settings.callback),
            ("scope", "openid profile email"),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let endpoint = &known.endpoints.authorization_endpoint;
        let sign = if endpoint.contains('?') { '&' } else { '?' };
        let url = format!("{endpoint}{sign}{query}");
        let until = now.plus_ms(PATIENCE_MS);
        let mut pending = self.pending.lock();
        if pending.len() >= PENDING_MAX {
            pending.retain(|_, one| now < one.until);
        }
        if pending.len() >= PENDING_MAX {
            return Err(Problem::new(&error::OVERLOADED, "sign-ins under way"));
        }
        let one = Pending { state, nonce, verifier, until, purpose };
        pending.insert(super::hash_token(&cookie), one);
        Ok(Begun { url, cookie })
    }

    /// Takes the answer of the provider, once. Blocking.
    pub(crate) fn finish(&self, cookie: &str, state: &str, code: &str) -> Answer<Person> {
        let now = clock::now();
        let begun = self.pending.lock().remove(&super::hash_token(cookie));
        let begun = begun.filter(|one| now < one.until && one.state == state);
        let begun = begun.ok_or_else(|| {
            refused("it was not begun in this browser, or longer than ten minutes ago")
        })?;
        let endpoints = self.known(now)?.endpoints;
        let redeemed = self.redeem(&endpoints, code, &begun.verifier)?;
        let claims = self.claims(&redeemed.id_token, now)?;
        if claims.nonce.as_deref() != Some(begun.nonce.as_str()) {
            return Err(refused("the nonce is another one"));
        }
        let several = claims.aud.as_array().is_some_and(|list| list.len() > 1);
        let party = claims.azp.as_deref();
        if party.map_or(several, |party| party != self.settings.client) {
            return Err(refused("the token was made for somebody else"));
        }
        Ok(Person {
            purpose: begun.purpose,
            issuer: self.settings.issuer.clone(),
            strong: claims.amr.iter().any(|way| STRONG.contains(&way.as_str())),
            account: self.account_of(&claims, &endpoints, &redeemed)?,
            subject: claims.sub,
        })
    }

    /// What the claim says that names accounts; asked for where the token does not hold it (Core §5.3).
    fn account_of(
        &self,
        claims: &Claims,
        endpoints: &Endpoints,
        redeemed: &Redeemed,
    ) -> Answer<Option<String>> {
        let Some(name) = self.settings.account_claim.as_deref() else { return Ok(None) };
        if name == "sub" {
            return Ok(Some(claims.sub.clone()));
        }
        let mut told = claims.others.clone();
        if let Some(url) = endpoints.userinfo_endpoint.as_ref().filter(|_| !told.contains_key(name))
        {
            let bearer = format!("Bearer {}", redeemed.access_token);
            told = read(self.agent().get(url).header("authorization", bearer).call())?;
            if told.get("sub").and_then(Value::as_str) != Some(&claims.sub) {
                return Err(refused("what it told is of somebody else"));
            }
        }
        // Somebody may write any address that they do not have.
        if name == "email" && told.get("email_verified") != Some(&Value::Bool(true)) {
            return Ok(None);
        }
        Ok(told.get(name).and_then(Value::as_str).map(str::to_owned))
    }

    /// Exchanges the code for tokens.
    fn redeem(&self, endpoints: &Endpoints, code: &str, verifier: &str) -> Answer<Redeemed> {
        let ProviderSettings { client, secret, callback, .. } = &*self.settings;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", callback),
            ("client_id", client),
            ("code_verifier", verifier),
        ];
        let mut request = self.agent().post(&endpoints.token_endpoint);
        let ways = endpoints.token_endpoint_auth_methods_supported.as_ref();
        let in_header = ways.is_none_or(|ways| ways.iter().any(|way| way == "client_secret_basic"));
        match secret {
            Some(secret) if in_header => {
                let pair = format!("{}:{}", percent_encoded(client), percent_encoded(secret));
                let value = format!("Basic {}", STANDARD.encode(pair));
                request = request.header("authorization", value);
            }
            Some(secret) => fields.push(("client_secret", secret)),
            None => {}
        }
        let sent =
            request.content_type("application/x-www-form-urlencoded").send(form(&fields).as_str());
        read(sent)
    }

    /// What a token says, once it is known to be the provider's and for us.
    fn claims(&self, token: &str, now: Timestamp) -> Answer<Claims> {
        let mut known = self.known(now)?;
        if !keys::has_key(&known.keys, token) && now.since(known.keys_at) >= KEYS_EVERY_MS {
            known.keys = self.get(&known.endpoints.jwks_uri)?;
            known.keys_at = now;
            *self.known.lock() = Some(known.clone());
        }
        let (issuer, client) = (&self.settings.issuer, &self.settings.client);
        let claims = keys::claims(&known.keys, token, issuer, client, now.0 / 1_000);
        let claims = claims.map_err(|fault| refused(&fault))?;
        serde_json::from_value(Value::Object(claims)).map_err(|fault| refused(&fault.to_string()))
    }

    /// What is known of the provider; asked anew when that is old.
    fn known(&self, now: Timestamp) -> Answer<Known> {
        let known = self.known.lock().clone();
        if let Some(known) = known.filter(|known| now.since(known.at) < KNOWN_MS) {
            return Ok(known);
        }
        let issuer = self.settings.issuer.trim_end_matches('/');
        let endpoints: Endpoints =
            self.get(&format!("{issuer}/.well-known/openid-configuration"))?;
        if endpoints.issuer != self.settings.issuer {
            return Err(failed(format!("it calls itself {}", endpoints.issuer)));
        }
        let asked = [
            &endpoints.authorization_endpoint,
            &endpoints.token_endpoint,
            &endpoints.jwks_uri,
            endpoints.userinfo_endpoint.as_ref().unwrap_or(&endpoints.jwks_uri),
        ];
        for url in asked {
            if !is_safe(url) {
                return Err(failed(format!("{url} is not encrypted")));
            }
        }
        let keys = self.get(&endpoints.jwks_uri)?;
        let known = Known { endpoints, keys, at: now, keys_at: now };
        *self.known.lock() = Some(known.clone());
        Ok(known)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, url: &str) -> Answer<T> {
        read(self.agent().get(url).call())
    }

    /// Follows nobody elsewhere: what is asked is what the operator named.
    fn agent(&self) -> &ureq::Agent {
        self.agent.get_or_init(|| {
            let config = ureq::Agent::config_builder()
                .tls_config(crate::city::notify::send::tls())
                .timeout_global(Some(ASK_FOR))
                .max_redirects(0)
                .http_status_as_error(false);
            config.build().into()
        })
    }
}

fn read<T: serde::de::DeserializeOwned>(
    sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Answer<T> {
    let mut answer = sent.map_err(|fault| failed(fault.to_string()))?;
    let status = answer.status();
    let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
    let body = body.map_err(|fault| failed(fault.to_string()))?;
    if !status.is_success() {
        let said: Value = serde_json::from_str(&body).unwrap_or_default();
        let said = said["error"].as_str().unwrap_or_default();
        return Err(failed(format!("it answered {status} {said}")));
    }
    serde_json::from_str(&body).map_err(|fault| failed(fault.to_string()))
}

fn failed(detail: String) -> Problem {
    Problem::new(&error::PROVIDER_FAILED, detail)
}

fn refused(detail: &str) -> Problem {
    Problem::new(&error::PROVIDER_ANSWER, detail)
}

/// Fields as a query or form holds them.
fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}
