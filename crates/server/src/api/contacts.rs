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
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::cases::visible;
use crate::city::citizens::without_personal_data;
use crate::city::photos::Kept;
use crate::city::{City, blocking};
use crate::clock;
use crate::http::access::{Caller, Permission, known_purpose};
use crate::http::extract::{Body, QueryOf};
use crate::http::problem::{Answer, Problem};
use crate::policy::{Class, What};

/// The purpose for which masked data is shown.
const TO_HANDLE: &str = "handle";

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

impl ContactJson {
    /// The same with what would lead to a person covered.
    fn masked(self) -> Self {
        Self {
            name: self.name.map(|name| cover(&name, 1, 0)),
            phone: self.phone.map(|phone| cover(&phone, 3, 4)),
            email: self.email.map(|email| match email.split_once('@') {
                Some((name, host)) => format!("{}@{host}", cover(name, 1, 0)),
                None => cover(&email, 1, 0),
            }),
            words: self.words.map(|words| without_personal_data(&words)),
            ..self
        }
    }
}

/// Shows so many characters at the beginning and at the end; of a short text the first alone.
fn cover(text: &str, first: usize, last: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    let (first, last) = if (first + last) * 3 > all.len() * 2 { (1, 0) } else { (first, last) };
    let end = all.len().saturating_sub(last);
    let shown = |at: usize| at < first || at >= end;
    all.iter().enumerate().map(|(at, &c)| if shown(at) { c } else { '*' }).collect()
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

/// What it is read for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContactQuery {
    /// handle, review or law. Without it names and numbers come masked, and nothing is put on record.
    purpose: Option<String>,
}

/// Who reported a case and how to reach them, masked; for a purpose in full, which is put on record. For duty officers, and
/// for the agency that has the case.
#[utoipa::path(get, path = "/api/v1/cases/{id}/contact", tag = "cases",
    params(("id" = String, Path, example = "500103-20261121-00001"), ContactQuery),
    responses((status = 200, body = Vec<ContactJson>)))]
pub(crate) async fn get_contact(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
    QueryOf(query): QueryOf<ContactQuery>,
) -> Answer<Json<Vec<ContactJson>>> {
    caller.need(Permission::Read)?;
    let case = visible(&city, &caller, &id).await?;
    let asked = query.purpose.as_deref().filter(|purpose| !purpose.is_empty());
    let purpose = known_purpose(asked.or(Some(TO_HANDLE)))?;
    let what = personal(&case, Some(purpose));
    caller.need_for(Permission::PersonalRead, what)?;
    let citizens = city.records.citizens();
    if asked.is_none() {
        let rows = citizens.contacts_unsaid(&case.id).await?;
        return Ok(Json(rows.into_iter().map(|row| ContactJson::from(row).masked()).collect()));
    }
    let by = &caller.user.name;
    let rows = citizens.contacts(&case.id, by, purpose, clock::now()).await?;
    Ok(Json(rows.into_iter().map(ContactJson::from).collect()))
}

/// What is known of those who reported a case, as policies see it.
fn personal<'a>(case: &'a Case, purpose: Option<&'a str>) -> What<'a> {
    What { area: &case.area, class: Class::Personal, agency: case.agency.as_deref(), purpose }
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
    caller.need(Permission::CaseDecide)?;
    let case = visible(&city, &caller, &id).await?;
    caller.need_for(Permission::PersonalErase, personal(&case, None))?;
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

#[cfg(test)]
mod tests {
    use super::cover;

    #[test]
    fn what_is_covered_does_not_lead_to_a_person() {
        assert_eq!(cover("13800001234", 3, 4), "138****1234");
        assert_eq!(cover("110", 3, 4), "1**");
        assert_eq!(cover("张先生", 1, 0), "张**");
        assert_eq!(cover("", 1, 0), "");
    }
}
