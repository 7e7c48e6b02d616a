//! `chengmai openapi`: prints the OpenAPI document, for `cargo xtask gen api`.

use super::say;
use crate::http::router::openapi_json;

pub(crate) fn run() {
    say(openapi_json());
}
