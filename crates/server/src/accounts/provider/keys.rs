//! Tokens of the identity provider (JWS, RFC 7515, as OpenID Connect uses it), judged by its keys (JWK, RFC 7517).
//!
//! What it is not: how keys and tokens come here. Invariants: only signatures that need the provider's private key
//! count (never a shared secret, never none); the key's kind and curve fit the token's algorithm; nothing of a token is
//! believed before its signature is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature as ways;
use ring::signature::{
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far the provider's clock may differ, in seconds.
const CLOCKS_DIFFER: i64 = 60;
/// Longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Keys of the provider.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

/// One of them. What is not of its kind is absent.
#[derive(Debug, Clone, Deserialize)]
struct Key {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The head of a token. One with `crit` asks for something that we do not know (RFC 7515 §4.1.11).
#[derive(Debug, Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// How a token is signed.
enum Way {
    Rsa(&'static RsaParameters),
    /// A kind of key, its curve, and how signatures of it are checked.
    Curve(&'static str, &'static str, &'static dyn VerificationAlgorithm),
}

impl Way {
    /// Only those with a private and a public key.
    fn of(algorithm: &str) -> Option<Self> {
        Some(match algorithm {
            "RS256" => Self::Rsa(&ways::RSA_PKCS1_2048_8192_SHA256),
            "RS384" => Self::Rsa(&ways::RSA_PKCS1_2048_8192_SHA384),
            "RS512" => Self::Rsa(&ways::RSA_PKCS1_2048_8192_SHA512),
            "PS256" => Self::Rsa(&ways::RSA_PSS_2048_8192_SHA256),
            "PS384" => Self::Rsa(&ways::RSA_PSS_2048_8192_SHA384),
            "PS512" => Self::Rsa(&ways::RSA_PSS_2048_8192_SHA512),
            "ES256" => Self::Curve("EC", "P-256", &ways::ECDSA_P256_SHA256_FIXED),
            "ES384" => Self::Curve("EC", "P-384", &ways::ECDSA_P384_SHA384_FIXED),
            "EdDSA" | "Ed25519" => Self::Curve("OKP", "Ed25519", &ways::ED25519),
            _ => return None,
        })
    }

    fn fits(&self, key: &Key) -> bool {
        match self {
            Self::Rsa(_) => key.kty == "RSA",
            Self::Curve(kind, curve, _) => key.kty == *kind && key.crv.as_deref() == Some(curve),
        }
    }

    /// Whether the signature is this key's; nothing when the key itself cannot be read.
    fn check(&self, key: &Key, message: &[u8], signed: &[u8]) -> Option<bool> {
        let part = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        match self {
            Self::Rsa(way) => {
                let (n, e) = (part(&key.n)?, part(&key.e)?);
                Some(RsaPublicKeyComponents { n, e }.verify(way, message, signed).is_ok())
            }
            Self::Curve(kind, _, way) => {
                let mut point = part(&key.x)?;
                if *kind == "EC" {
                    // An uncompressed point, as ring takes it (SEC 1 §2.3.3).
                    point.insert(0, 4);
                    point.extend(part(&key.y)?);
                }
                Some(UnparsedPublicKey::new(*way, point).verify(message, signed).is_ok())
            }
        }
    }
}

/// A token in its three parts.
struct Token<'a> {
    head: Head,
    way: Way,
    message: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    fn parse(token: &'a str) -> Result<Self, String> {
        let bad = |what: &str| format!("not a token: {what}");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(bad("too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| bad("one part"))?;
        let (head, claims) = message.split_once('.').ok_or_else(|| bad("two parts"))?;
        let head = URL_SAFE_NO_PAD.decode(head).map_err(|fault| bad(&fault.to_string()))?;
        let head: Head = serde_json::from_slice(&head).map_err(|fault| bad(&fault.to_string()))?;
        if head.crit.is_some() {
            return Err("the token asks for what is not known here".to_owned());
        }
        let way = Way::of(&head.alg);
        let way = way.ok_or_else(|| format!("signatures by {} are not taken", head.alg))?;
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|fault| bad(&fault.to_string()))?;
        Ok(Self { head, way, message, claims, signature })
    }

    /// The key that it names; where it names none, the only one that fits.
    fn key<'k>(&self, keys: &'k Keys) -> Result<&'k Key, String> {
        let fits = |key: &&Key| {
            let is_named = self.head.kid.is_none() || key.kid == self.head.kid;
            let is_for_it = key.alg.as_ref().is_none_or(|alg| *alg == self.head.alg);
            is_named && is_for_it && self.way.fits(key) && key.usage.as_deref() != Some("enc")
        };
        let mut fitting = keys.keys.iter().filter(fits);
        let first = fitting.next().ok_or_else(|| "no key of the provider fits".to_owned())?;
        if fitting.next().is_some() {
            return Err("the token does not say which key".to_owned());
        }
        Ok(first)
    }
}

/// Whether the key that a token names is among these.
pub(super) fn has_key(keys: &Keys, token: &str) -> bool {
    Token::parse(token).is_ok_and(|token| token.key(keys).is_ok())
}

/// What a token says, when it is signed by one of these keys, for this client, by this issuer, and holds at this second.
pub(super) fn claims(
    keys: &Keys,
    token: &str,
    issuer: &str,
    client: &str,
    now: i64,
) -> Result<Map<String, Value>, String> {
    let token = Token::parse(token)?;
    let key = token.key(keys)?;
    match token.way.check(key, token.message.as_bytes(), &token.signature) {
        Some(true) => {}
        Some(false) => return Err("the signature is not right".to_owned()),
        None => return Err("the provider's key cannot be read".to_owned()),
    }
    let said = URL_SAFE_NO_PAD.decode(token.claims).map_err(|fault| fault.to_string())?;
    let said: Map<String, Value> =
        serde_json::from_slice(&said).map_err(|fault| fault.to_string())?;
    let is = |value: &Value, wanted: &str| value.as_str() == Some(wanted);
    let absent = Value::Null;
    let claim = |name: &str| said.get(name).unwrap_or(&absent);
    if !is(claim("iss"), issuer) {
        return Err(format!("it is by {}", claim("iss")));
    }
    let to = claim("aud");
    if !is(to, client) && !to.as_array().is_some_and(|list| list.iter().any(|to| is(to, client))) {
        return Err(format!("it is for {to}"));
    }
    let second = |name: &str| claim(name).as_f64();
    #[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact in a double")]
    let (earliest, latest) = ((now - CLOCKS_DIFFER) as f64, (now + CLOCKS_DIFFER) as f64);
    if second("exp").is_none_or(|end| end <= earliest) {
        return Err("it does not hold any more".to_owned());
    }
    if !claim("nbf").is_null() && second("nbf").is_none_or(|begin| begin > latest) {
        return Err("it does not hold yet".to_owned());
    }
    if claim("sub").as_str().is_none_or(str::is_empty) {
        return Err("it names nobody".to_owned());
    }
    Ok(said)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;

    const ISSUER: &str = "https://id.example";
    const CLIENT: &str = "chengmai";
    /// A second of 2026.
    const NOW: i64 = 1_790_000_000;

    /// A provider with one key.
    struct Provider {
        key: EcdsaKeyPair,
        random: SystemRandom,
    }

    fn encoded(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }

    fn good() -> Value {
        json!({"iss": ISSUER, "aud": CLIENT, "sub": "77", "exp": 4_000_000_000_u64, "nonce": "n"})
    }

    impl Provider {
        fn new() -> Self {
            let random = SystemRandom::new();
            let way = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let document = EcdsaKeyPair::generate_pkcs8(way, &random).unwrap();
            let key = EcdsaKeyPair::from_pkcs8(way, document.as_ref(), &random).unwrap();
            Self { key, random }
        }

        fn keys(&self) -> Keys {
            let point = &self.key.public_key().as_ref()[1..];
            let [x, y] = [&point[..32], &point[32..]].map(|half| URL_SAFE_NO_PAD.encode(half));
            let one =
                json!({"kty": "EC", "crv": "P-256", "kid": "a", "use": "sig", "x": x, "y": y});
            serde_json::from_value(json!({"keys": [one]})).unwrap()
        }

        fn sign(&self, header: &Value, claims: &Value) -> String {
            let message = format!("{}.{}", encoded(header), encoded(claims));
            let signed = self.key.sign(&self.random, message.as_bytes()).unwrap();
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signed))
        }

        fn judge(&self, token: &str) -> Result<Value, String> {
            claims(&self.keys(), token, ISSUER, CLIENT, NOW).map(Value::Object)
        }
    }

    #[test]
    fn a_token_of_the_provider_for_us_is_taken() {
        let provider = Provider::new();
        for header in [json!({"alg": "ES256", "kid": "a"}), json!({"alg": "ES256"})] {
            let token = provider.sign(&header, &good());
            assert_eq!(provider.judge(&token).unwrap()["sub"], "77");
        }
    }

    #[test]
    fn a_token_that_says_something_else_is_refused() {
        let provider = Provider::new();
        let header = json!({"alg": "ES256", "kid": "a"});
        for (claim, value) in [
            ("iss", json!("https://id.example.evil")),
            ("aud", json!("another")),
            ("aud", json!([])),
            ("exp", json!(1)),
            ("exp", json!(NOW - 61)),
            ("exp", json!("4000000000")),
            ("nbf", json!(4_000_000_000_u64)),
            ("sub", json!("")),
        ] {
            let mut said = good();
            said[claim] = value.clone();
            let judged = provider.judge(&provider.sign(&header, &said));
            assert!(judged.is_err(), "{claim} {value}: {judged:?}");
        }
        for claim in ["iss", "aud", "sub", "exp"] {
            let mut said = good();
            said.as_object_mut().unwrap().remove(claim);
            let judged = provider.judge(&provider.sign(&header, &said));
            assert!(judged.is_err(), "without {claim}: {judged:?}");
        }
    }

    #[test]
    fn a_token_that_somebody_else_made_is_refused() {
        let (provider, thief) = (Provider::new(), Provider::new());
        let header = json!({"alg": "ES256", "kid": "a"});
        assert!(provider.judge(&thief.sign(&header, &good())).is_err(), "another key of that name");
        // The claims are changed after signing.
        let token = provider.sign(&header, &good());
        let parts: Vec<&str> = token.split('.').collect();
        let mut other = good();
        other["sub"] = json!("admin");
        let changed = format!("{}.{}.{}", parts[0], encoded(&other), parts[2]);
        assert!(provider.judge(&changed).is_err());
        // No signature, or one by a secret that everybody knows: the public key.
        let none = format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(&good()));
        assert!(provider.judge(&none).is_err());
        let message =
            format!("{}.{}", encoded(&json!({"alg": "HS256", "kid": "a"})), encoded(&good()));
        let secret =
            ring::hmac::Key::new(ring::hmac::HMAC_SHA256, provider.key.public_key().as_ref());
        let tag = URL_SAFE_NO_PAD.encode(ring::hmac::sign(&secret, message.as_bytes()));
        assert!(provider.judge(&format!("{message}.{tag}")).is_err());
        for bad in [
            json!({"alg": "ES256", "kid": "b"}),
            json!({"alg": "RS256", "kid": "a"}),
            json!({"alg": "ES384", "kid": "a"}),
            json!({"alg": "ES256", "kid": "a", "crit": ["b64"], "b64": false}),
        ] {
            assert!(provider.judge(&provider.sign(&bad, &good())).is_err(), "{bad}");
        }
        for bad in ["", ".", "..", "a.b.c", &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert!(provider.judge(bad).is_err());
        }
    }
}
