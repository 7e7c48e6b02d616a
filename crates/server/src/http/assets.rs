//! The web pages, inside the binary: nothing is fetched from anywhere else.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::armour;

/// What `npm run build` made. An empty folder is allowed: the interface works without pages.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../web/dist"]
#[allow_missing = true]
struct Pages;

/// A file of the pages, or the page itself for any other path (it routes in the browser).
pub(crate) async fn serve(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return crate::http::problem::Problem::not_found(uri.path()).into_response();
    }
    let (path, file) = match Pages::get(path).filter(|_| !path.is_empty()) {
        Some(file) => (path, file),
        None => match Pages::get("index.html") {
            Some(file) => ("index.html", file),
            None => return no_pages(),
        },
    };
    // Hashed names never change; the page itself must be asked for anew.
    let cache = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let page = (path == "index.html").then(|| std::str::from_utf8(&file.data).ok()).flatten();
    let page = page.map(armour::page_with_nonce);
    let (data, policy) = match page {
        Some((page, policy)) => (Body::from(page), Some(policy)),
        None => (Body::from(file.data), None),
    };
    let mut response = Response::new(data);
    let headers = response.headers_mut();
    if let Some(policy) = policy {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let kind = HeaderValue::from_str(file.metadata.mimetype());
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("text/plain")));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

fn no_pages() -> Response {
    let text = "This chengmai was built without its web pages. Build with `cargo xtask demo`, \
                or use the HTTP interface described in /api/openapi.json.\n";
    (StatusCode::NOT_FOUND, text).into_response()
}
