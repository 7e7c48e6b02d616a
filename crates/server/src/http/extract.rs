//! Bodies and queries as handlers take them: a bad one answers with our numbered error instead of
//! the framework's plain text, and a body over the limit is counted.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use chengmai_model::error;
use serde::de::DeserializeOwned;

use super::problem::{Answer, Problem};
use crate::city::City;

/// A whole body.
#[derive(Debug)]
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Arc<City>> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let bytes = Bytes::from_request(request, city).await.map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let code = if too_large { &error::BODY_TOO_LARGE } else { &error::BAD_ENCODING };
            city.counters.refuse(code, 1);
            Problem::new(code, rejection.body_text())
        })?;
        Ok(Self(bytes))
    }
}

/// A JSON body. An empty one stands for `{}`: most steps need no words.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<City>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let Body(bytes) = Body::from_request(request, city).await?;
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Self)
            .map_err(|fault| Problem::new(&error::BAD_BODY, fault.to_string()))
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
