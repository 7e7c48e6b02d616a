//! Bodies and queries as handlers take them: a bad one answers with our numbered error instead of
//! the framework's plain text, and a body over the limit is counted.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use chengmai_model::error;
use chengmai_store::records::cases::RequestKey;
use chengmai_wire::geo_report;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::listener::body::TooSlow;
use super::problem::{Answer, Problem};
use crate::accounts::hex;
use crate::city::City;

/// Header with the key of a request.
pub(crate) const KEY_HEADER: &str = "idempotency-key";
/// Characters of a key.
const KEY_LEN: std::ops::RangeInclusive<usize> = 8..=64;

/// A whole body.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Arc<City>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let bytes = Bytes::from_request(request, city).await.map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let code = match too_large {
                true => &error::BODY_TOO_LARGE,
                false if TooSlow::is_in(&rejection) => &error::SLOW_BODY,
                false => &error::BAD_ENCODING,
            };
            city.counters.refuse(code, 1);
            Problem::new(code, rejection.body_text())
        })?;
        Ok(Self(bytes))
    }
}

/// The number of a thing as the last part of a path; what is none is the number of nothing.
#[derive(Debug)]
pub(crate) struct PathNumber(pub(crate) i64);

impl FromRequestParts<Arc<City>> for PathNumber {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, city: &Arc<City>) -> Answer<Self> {
        let text = Path::<String>::from_request_parts(parts, city).await;
        let Path(text) = text.map_err(|rejection| Problem::not_found(rejection.body_text()))?;
        text.parse().map(Self).map_err(|_none| Problem::not_found(text))
    }
}

/// A JSON body. An empty one stands for `{}`: most steps need no words.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<City>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let Body(bytes) = Body::from_request(request, city).await?;
        json(&bytes).map(Self)
    }
}

/// A JSON body that is read after something else was looked at.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Answer<T> {
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    serde_json::from_slice(text).map_err(|fault| Problem::new(&error::BAD_BODY, fault.to_string()))
}

/// A JSON body that may come with a key of its own, so that it is done once however often it is sent.
#[derive(Debug)]
pub(crate) struct KeyedBody<T> {
    pub(crate) body: T,
    key: Option<(String, String)>,
}

impl<T> KeyedBody<T> {
    /// The key as the records know it, of the account that sent it.
    pub(crate) fn key(&self, by: &str) -> Option<RequestKey> {
        let (key, asked) = self.key.clone()?;
        Some(RequestKey { by: by.to_owned(), key, asked })
    }
}

impl<T: DeserializeOwned> KeyedBody<T> {
    /// A body that was kept, under a key of ours.
    pub(crate) fn under(key: String, text: &str) -> Answer<Self> {
        let asked = hex(&Sha256::digest(text));
        Ok(Self { body: json(text.as_bytes())?, key: Some((key, asked)) })
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<City>> for KeyedBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let path = request.uri().path().to_owned();
        let key = request.headers().get(KEY_HEADER).cloned();
        let Body(bytes) = Body::from_request(request, city).await?;
        let key = key.map(|key| {
            let text = key.to_str().ok().filter(|text| {
                KEY_LEN.contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
            let asked = Sha256::new().chain_update(&path).chain_update([0]).chain_update(&bytes);
            text.map(|text| (text.to_owned(), hex(&asked.finalize())))
                .ok_or_else(|| Problem::new(&error::REQUEST_KEY, KEY_HEADER))
        });
        Ok(Self { body: json(&bytes)?, key: key.transpose()? })
    }
}

/// The query of an address.
#[derive(Debug)]
pub(crate) struct QueryOf<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<City>> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, city: &Arc<City>) -> Answer<Self> {
        let query = Query::<T>::from_request_parts(parts, city).await;
        query.map(|Query(query)| Self(query)).map_err(|fault| Problem::bad_query(fault.body_text()))
    }
}

/// A form's fields, and the photo of a multipart one.
pub(crate) struct Taken {
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) photo: Option<Vec<u8>>,
}

/// Reads a form, plain or multipart.
pub(crate) async fn fields(request: Request) -> Answer<Taken> {
    let bad = |detail: String| Problem::new(&error::BAD_BODY, detail);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    if !kind.is_some_and(|kind| kind.starts_with("multipart/")) {
        let bytes = Bytes::from_request(request, &()).await;
        let bytes = bytes.map_err(|error| bad(error.body_text()))?;
        return Ok(Taken { fields: geo_report::form_fields(&bytes), photo: None });
    }
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|error| bad(error.body_text()))?;
    let mut taken = Taken { fields: Vec::new(), photo: None };
    while let Some(part) = form.next_field().await.map_err(|error| bad(error.body_text()))? {
        let name = part.name().unwrap_or_default().to_owned();
        if part.file_name().is_some() || matches!(name.as_str(), "media" | "photo") {
            let bytes = part.bytes().await.map_err(|error| bad(error.body_text()))?;
            if !bytes.is_empty() {
                taken.photo = Some(bytes.to_vec());
            }
        } else if taken.fields.len() <= geo_report::FIELDS_MAX {
            let bytes = part.bytes().await.map_err(|error| bad(error.body_text()))?;
            taken.fields.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(taken)
}

/// Where we are, as the caller sees it.
pub(crate) fn base(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_host = |host: &&str| {
        host.len() <= 255
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]_".contains(&b))
    };
    let host = text("x-forwarded-host").or(text("host")).filter(is_host).unwrap_or("localhost");
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    format!("{scheme}://{host}")
}
