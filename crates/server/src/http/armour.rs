//! What every answer says to the browser that gets it: load nothing from elsewhere, run nothing that
//! stands in the page, tell nobody, keep nothing that was for one caller.
//!
//! Not here: who may ask what (`access`). Invariant: an answer that sets such a header itself knows
//! better; all others get the strictest.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::city::City;

/// What the screens' own page holds where its nonce is to stand.
const NONCE_MARK: &str = "{{nonce}}";

/// Pages load only from us, and run and look as the files of ours say. MapLibre works in blobs.
const CONTENT_SECURITY: &str = "default-src 'self'; img-src 'self' data: blob:; \
    style-src 'self'; worker-src 'self' blob:; connect-src 'self'; object-src 'none'; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// On every answer.
const ALWAYS: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY),
    // Grid workers say where they are and take photos; nobody listens, pays or plugs in.
    (
        HeaderName::from_static("permissions-policy"),
        "geolocation=(self), camera=(self), microphone=(), payment=(), usb=(), serial=(), \
         display-capture=()",
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A browser that was here over TLS comes back over TLS only, for a year.
const ONLY_TLS: &str = "max-age=31536000";

/// Adds what is missing to an answer.
pub(crate) async fn don(State(city): State<Arc<City>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_api = path.starts_with("/api/") || path == "/mcp";
    let mut answer = next.run(request).await;
    let headers = answer.headers_mut();
    for (name, value) in ALWAYS {
        add(headers, name, value);
    }
    if city.config.tls.is_some() {
        add(headers, header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    }
    // What a caller was told is for that caller.
    if is_api {
        add(headers, header::CACHE_CONTROL, "no-store");
    }
    answer
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// The screens' page with a number of its own, and the policy that lets styles with that number in: the
/// editor for SQL makes its own.
pub(crate) fn page_with_nonce(page: &str) -> (String, HeaderValue) {
    let nonce = format!(
        "{:016x}{:016x}",
        crate::accounts::random_number(),
        crate::accounts::random_number()
    );
    let policy =
        CONTENT_SECURITY.replace("style-src 'self'", &format!("style-src 'self' 'nonce-{nonce}'"));
    let policy = HeaderValue::try_from(policy).expect("a policy is plain ASCII");
    (page.replace(NONCE_MARK, &nonce), policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_and_its_policy_hold_the_same_nonce_and_no_two_pages_do() {
        let page = "<meta name=\"csp-nonce\" content=\"{{nonce}}\">";
        let (first, policy) = page_with_nonce(page);
        let nonce = first.split('"').nth(3).unwrap();
        assert_eq!(nonce.len(), 32);
        assert!(policy.to_str().unwrap().contains(&format!("style-src 'self' 'nonce-{nonce}';")));
        assert_ne!(first, page_with_nonce(page).0);
    }

    #[test]
    fn no_policy_lets_in_what_stands_in_a_page() {
        let (_, policy) = page_with_nonce("");
        for policy in [CONTENT_SECURITY, policy.to_str().unwrap()] {
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }
}
