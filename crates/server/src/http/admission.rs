//! Room for bodies of readings. There is so much of it and no more: who finds none within a moment is
//! told to come back, so that under any load memory is bounded and what is taken is taken soon.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use chengmai_model::error;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::extract::Body;
use super::problem::{Answer, Problem};
use crate::city::City;

/// Room for bodies on their way to the disk, in KiB: some seventy bodies of 10,000 lines.
const ROOM_KIB: usize = 48 * 1_024;
/// How long a body waits for room.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long a body with room may take to come in.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// Room for a body that does not say how long it is.
const UNKNOWN_KIB: usize = 1_024;
/// So much longer a packed body is taken to be.
const PACKED: usize = 8;

/// Room for bodies of readings.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM_KIB)))
    }
}

/// A body of readings that was given room; the room is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) body: Bytes,
    _room: OwnedSemaphorePermit,
}

impl FromRequest<Arc<City>> for Admitted {
    type Rejection = Problem;

    async fn from_request(request: Request, city: &Arc<City>) -> Answer<Self> {
        let kib = u32::try_from(wanted_kib(request.headers())).unwrap_or(u32::MAX);
        let Ok(Ok(room)) =
            timeout(PATIENCE, Arc::clone(&city.room.0).acquire_many_owned(kib)).await
        else {
            return Err(refuse(request, city).await);
        };
        let body = timeout(BODY_PATIENCE, Body::from_request(request, city)).await;
        let Body(body) = body.unwrap_or_else(|_| {
            city.counters.refuse(&error::SLOW_BODY, 1);
            Err(Problem::new(&error::SLOW_BODY, ""))
        })?;
        Ok(Self { body, _room: room })
    }
}

fn wanted_kib(headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let kib = length.and_then(|text| text.parse::<usize>().ok()).map(|bytes| bytes / 1_024 + 1);
    let packed = headers.contains_key(header::CONTENT_ENCODING);
    let factor = if packed { PACKED } else { 1 };
    kib.unwrap_or(UNKNOWN_KIB).saturating_mul(factor).min(ROOM_KIB)
}

/// Reads the body and forgets it: most senders hear an answer only when they have said all.
async fn refuse(request: Request, city: &City) -> Problem {
    let mut body = request.into_body().into_data_stream();
    let drained = async { while let Some(Ok(_)) = body.next().await {} };
    // One that does not end is cut off.
    let _ = timeout(BODY_PATIENCE, drained).await;
    city.counters.refuse(&error::OVERLOADED, 1);
    Problem::new(&error::OVERLOADED, "no room for another body")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_body_wants_as_much_room_as_it_is_long_and_never_more_than_there_is() {
        let mut headers = HeaderMap::new();
        assert_eq!(wanted_kib(&headers), UNKNOWN_KIB);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("700000"));
        assert_eq!(wanted_kib(&headers), 684);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(wanted_kib(&headers), 8 * 684);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("18446744073709551615"));
        assert_eq!(wanted_kib(&headers), ROOM_KIB);
    }
}
