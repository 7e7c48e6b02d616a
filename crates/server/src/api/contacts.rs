//! Who reported a case: read and erased by the duty officers of its area, each time on record. And the
//! photos of cases: kept, shown to staff, let out to everybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::case::Case;
use chengmai_model::{Role, Timestamp, error};
use chengmai_store::records::citizens::ContactRow;
use serde::Serialize;
use utoipa::ToSchema;

use super::cases::visible;
use crate::city::photos::Kept;
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::Body;
use crate::http::problem::{Answer, Problem};

/// Someone who reported a case or joined in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!([{"reporter": "citizen-0123456789ab", "at": "2026-11-21T03:04:05.678Z", "app": null,
    "language": "zh", "name": "张先生", "phone": "13800000000", "email": null, "mails": false, "words": "井盖没了", "erased_at": null}]))]
pub(crate) struct ContactJson {
    reporter: String,
    at: String,
    /// Account of the app it came by.
    app: Option<String>,
    language: String,
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    /// Whether they are told by e-mail.
    mails: bool,
    /// Word for word what they wrote.
    words: Option<String>,
    erased_at: Option<String>,
}

impl From<ContactRow> for ContactJson {
    fn from(row: ContactRow) -> Self {
        Self {
            reporter: row.reporter,
            at: row.at.to_rfc3339(),
            app: row.app,
            language: row.language,
            name: row.person,
            phone: row.phone,
            email: row.email,
            mails: row.mails,
            words: row.words,
            erased_at: row.erased_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// The case, when the caller is a duty officer in whose area it lies.
async fn of_officer(city: &City, caller: &Caller, id: &str) -> Answer<Case> {
    caller.need(Permission::CaseDecide)?;
    let case = visible(city, caller, id).await?;
    if caller.actor().acts_as(Role::DutyOfficer) {
        Ok(case)
    } else {
        Err(Problem::new(&error::FORBIDDEN, "duty officers only"))
    }
}

/// Who reported a case and how to reach them. Duty officers only; every reading is on record.
#[utoipa::path(get, path = "/api/v1/cases/{id}/contact", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001")),
    responses((status = 200, body = Vec<ContactJson>)))]
pub(crate) async fn get_contact(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<Vec<ContactJson>>> {
    let case = of_officer(&city, &caller, &id).await?;
    let rows = city.records.citizens().contacts(&case.id, &caller.user.name, clock::now()).await?;
    Ok(Json(rows.into_iter().map(ContactJson::from).collect()))
}

/// Erase names, numbers, addresses and words of those who reported a case. The case and their tracking
/// links stay.
#[utoipa::path(delete, path = "/api/v1/cases/{id}/contact", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001")),
    responses((status = 204, description = "erased")))]
pub(crate) async fn erase_contact(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    let case = of_officer(&city, &caller, &id).await?;
    city.records.citizens().erase(&case.id, &caller.user.name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A photo that was kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "position": [106.57, 29.56]}))]
pub(crate) struct KeptJson {
    /// To be named in the photos of a step.
    hash: String,
    /// Where the camera says it was taken.
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
}

/// Keep a photo (JPEG, PNG or WebP) to be named in a step of a case. Camera data is read and removed.
#[utoipa::path(post, path = "/api/v1/photos", tag = "cases",
    request_body(content = Vec<u8>, content_type = "image/jpeg", example = "the bytes of a photo"),
    responses((status = 200, body = KeptJson)))]
pub(crate) async fn keep_photo(
    State(city): State<Arc<City>>,
    caller: Caller,
    Body(body): Body,
) -> Answer<Json<KeptJson>> {
    caller.need(Permission::Read)?;
    let Kept { hash, position } = city.keep_photo(body.to_vec()).await?;
    Ok(Json(KeptJson { hash, position }))
}

/// The case, when the photo belongs to it.
async fn with_photo(city: &City, caller: &Caller, id: &str, hash: &str) -> Answer<Case> {
    let case = visible(city, caller, id).await?;
    let events = city.records.cases().events(&case.id).await?;
    let has = events.iter().flat_map(|event| &event.photos).any(|photo| photo.hash == hash);
    if has { Ok(case) } else { Err(Problem::not_found(format!("photo {hash}"))) }
}

/// A photo of a case.
#[utoipa::path(get, path = "/api/v1/cases/{id}/photos/{hash}", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001"), ("hash" = String, Path, example = "e3b0c442")),
    responses((status = 200, description = "a JPEG")))]
pub(crate) async fn get_photo(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((id, hash)): Path<(String, String)>,
) -> Answer<Response> {
    caller.need(Permission::Read)?;
    with_photo(&city, &caller, &id, &hash).await?;
    city.photo(&hash, "private, max-age=86400").await
}

/// Let everybody see a photo of a case that a citizen reported. Duty officers only: look for faces and
/// plates first.
#[utoipa::path(post, path = "/api/v1/cases/{id}/photos/{hash}", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001"), ("hash" = String, Path, example = "e3b0c442")),
    responses((status = 204, description = "public from now on")))]
pub(crate) async fn publish_photo(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((id, hash)): Path<(String, String)>,
) -> Answer<StatusCode> {
    of_officer(&city, &caller, &id).await?;
    let case = with_photo(&city, &caller, &id, &hash).await?;
    if case.filing.reporter.is_none() {
        return Err(Problem::new(&error::NOT_ALLOWED_NOW, "no citizen reported this case"));
    }
    city.records.citizens().publish_photo(&case.id, &hash, &caller.user.name, clock::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl City {
    /// Draws a photo anew and keeps it.
    pub(crate) async fn keep_photo(&self, bytes: Vec<u8>) -> Answer<Kept> {
        let photos = self.photos.clone();
        blocking(move || photos.take(&bytes)).await?
    }

    /// A kept photo as an answer.
    pub(crate) async fn photo(&self, hash: &str, cache: &'static str) -> Answer<Response> {
        let (photos, wanted) = (self.photos.clone(), hash.to_owned());
        let bytes = blocking(move || photos.read(&wanted)).await?;
        let bytes = bytes.ok_or_else(|| Problem::not_found(format!("photo {hash}")))?;
        let mut response = bytes.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}
