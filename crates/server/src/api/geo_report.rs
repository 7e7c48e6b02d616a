//! Open311 GeoReport v2 under `/open311/v2`: services, reports, requests and their updates. What is
//! shown is what everybody may see (`city::citizens::public`); the bytes are `wire`'s.
//!
//! Extensions: a photo in a multipart form (`media`), pages (`page`, `page_size`), `updated_after`,
//! `updated_before`, `q`, and `servicerequestupdates`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_engine::case::UNSORTED;
use chengmai_model::case::{Case, CaseEvent, CaseId, CaseSource, CaseState, Photo, PhotoKind};
use chengmai_model::pack::{CaseType, Pack};
use chengmai_model::{Text, Timestamp, error};
use chengmai_store::records::citizens::{PUBLIC_ROWS_MAX, PublicFilter};
use chengmai_wire::Fault;
use chengmai_wire::geo_report::{
    self, Attribute, DataType, Discovery, ErrorItem, Format, PAGE_ROWS_MAX, ROWS_MAX, Receipt,
    RequestQuery, Service, Status, Submission, Update,
};

use crate::city::City;
use crate::city::citizens::public::{PublicCase, is_taken_up};
use crate::city::citizens::{NewReport, Person};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::{base, fields};
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;
use crate::pages::Language;

/// The attribute that asks for the row of the filing standard.
const CONDITION: &str = "condition";
/// When what the discovery document says last changed.
const CHANGED_AT: Timestamp = Timestamp(1_795_305_600_000);

/// How an answer is to be written, and in which language.
#[derive(Debug, Clone, Copy)]
struct Asked {
    format: Format,
    language: Language,
}

/// `requests.json` is the list `requests`, to be written as JSON.
fn parse(document: &str, headers: &HeaderMap) -> Option<(String, Asked)> {
    let (name, extension) = document.rsplit_once('.')?;
    let format = Format::from_extension(extension)?;
    Some((name.to_owned(), Asked { format, language: Language::of(headers, None) }))
}

impl Asked {
    fn answer(self, body: Vec<u8>) -> Response {
        let headers =
            [(header::CONTENT_TYPE, self.format.media_type()), (header::CACHE_CONTROL, "no-cache")];
        (headers, body).into_response()
    }

    fn errors(self, status: u16, items: &[ErrorItem]) -> Response {
        let mut response = self.answer(geo_report::errors(self.format, items));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        response
    }

    fn refused(self, problem: &Problem) -> Response {
        // The standard knows no 422: what is missing or wrong in a report is 400.
        let status = if problem.code.status == 422 { 400 } else { problem.code.status };
        let words = self.language.of_text(&problem.code.text());
        let hint = self.language.of_text(&problem.code.hint());
        let detail =
            if problem.detail.is_empty() { String::new() } else { format!(": {}", problem.detail) };
        let description = format!("{} {words}{detail} ({hint})", problem.code.label());
        self.errors(status, &[ErrorItem { code: status, description }])
    }

    fn faults(self, faults: &[Fault]) -> Response {
        let item = |fault: &Fault| ErrorItem {
            code: 400,
            description: format!("{} {}", fault.code.label(), self.language.of_text(&fault.reason)),
        };
        self.errors(400, &faults.iter().map(item).collect::<Vec<_>>())
    }

    fn of(self, outcome: Answer<Response>) -> Response {
        outcome.unwrap_or_else(|problem| self.refused(&problem))
    }
}

/// Discovery, the list of services, or the list of requests, as XML or JSON.
///
/// `discovery`, `services` and `requests` with `.xml` or `.json`. Requests are those that citizens
/// reported: of the last 90 days, at most 1000, or in pages of at most 500. Open to everybody; places
/// are told as the middle of a cell of 150 m, words without personal data.
#[utoipa::path(get, path = "/open311/v2/{document}", tag = "open311",
    params(("document" = String, Path, example = "requests.xml"),
        ("jurisdiction_id" = Option<String>, Query), ("service_request_id" = Option<String>, Query),
        ("service_code" = Option<String>, Query), ("start_date" = Option<String>, Query),
        ("end_date" = Option<String>, Query), ("status" = Option<String>, Query),
        ("updated_after" = Option<String>, Query), ("updated_before" = Option<String>, Query),
        ("q" = Option<String>, Query), ("page" = Option<u32>, Query), ("page_size" = Option<u32>, Query)),
    security(()),
    responses((status = 200, description = "as the standard has it", body = String, content_type = "text/xml",
        example = "<services/>")))]
pub(crate) async fn get_document(
    State(city): State<Arc<City>>,
    Path(document): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some((name, asked)) = parse(&document, &headers) else {
        return Problem::not_found(document).into_response();
    };
    let fields = geo_report::form_fields(query.unwrap_or_default().as_bytes());
    if let Err(problem) = jurisdiction(&city, &fields) {
        return asked.refused(&problem);
    }
    match name.as_str() {
        "discovery" => {
            asked.answer(geo_report::discovery(asked.format, &discovery(&city, &headers)))
        }
        "services" => asked.answer(geo_report::services(asked.format, &services(&city, asked))),
        "requests" => match geo_report::query(&fields, clock::now()) {
            Ok(query) => asked.of(requests(&city, asked, &query, &headers).await),
            Err(faults) => asked.faults(&faults),
        },
        other => asked.refused(&Problem::not_found(other)),
    }
}

/// One service's definition, one request, the number behind a token, or the updates of one request.
///
/// `services/{code}`, `requests/{id}`, `tokens/{token}` and `servicerequestupdates/{id}` with `.xml`
/// or `.json`; always a list but for the definition. Open to everybody.
#[utoipa::path(get, path = "/open311/v2/{list}/{document}", tag = "open311",
    params(("list" = String, Path, example = "requests"),
        ("document" = String, Path, example = "500103-20261121-00001.json")),
    security(()),
    responses((status = 200, description = "as the standard has it", body = String, content_type = "text/xml",
        example = "<service_requests/>")))]
pub(crate) async fn get_one(
    State(city): State<Arc<City>>,
    Path((list, document)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some((name, asked)) = parse(&document, &headers) else {
        return Problem::not_found(document).into_response();
    };
    let fields = geo_report::form_fields(query.unwrap_or_default().as_bytes());
    if let Err(problem) = jurisdiction(&city, &fields) {
        return asked.refused(&problem);
    }
    asked.of(match list.as_str() {
        "services" => definition(&city, asked, &name),
        "requests" => match public_one(&city, &name).await {
            Ok((_, shown)) => answer_requests(&city, asked, &[shown], &headers).await,
            Err(problem) => Err(problem),
        },
        "tokens" => token(&city, asked, &name).await,
        "servicerequestupdates" => updates(&city, asked, &name).await,
        other => Err(Problem::not_found(other)),
    })
}

/// Report something in the name of a citizen.
///
/// `requests.xml` or `requests.json`, as a form, or as multipart with a photo in `media`. Needs an
/// `api_key`: the token of an account with the permission `report`. Answers the number at once.
#[utoipa::path(post, path = "/open311/v2/{document}", tag = "open311",
    params(("document" = String, Path, example = "requests.json")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        example = "api_key=cm_...&service_code=dirty_road&lat=29.56&long=106.57&description=..."),
    security(()),
    responses((status = 200, description = "the number", body = String, content_type = "text/xml",
        example = "<service_requests><request><service_request_id>500103-20261121-00001</service_request_id></request></service_requests>")))]
pub(crate) async fn post_document(
    State(city): State<Arc<City>>,
    Path(document): Path<String>,
    request: Request,
) -> Response {
    let Some((name, asked)) = parse(&document, request.headers()) else {
        return Problem::not_found(document).into_response();
    };
    if name != "requests" {
        return asked.refused(&Problem::not_found(name));
    }
    let in_query = request.uri().query().unwrap_or_default().to_owned();
    let (parts, body) = request.into_parts();
    let from = sender(&parts);
    let taken = match fields(Request::from_parts(parts, body)).await {
        Ok(taken) => taken,
        Err(problem) => return asked.refused(&problem),
    };
    let mut all = geo_report::form_fields(in_query.as_bytes());
    all.extend(taken.fields);
    asked.of(submit(&city, asked, &all, taken.photo, &from).await)
}

async fn submit(
    city: &City,
    asked: Asked,
    fields: &[(String, String)],
    photo: Option<Vec<u8>>,
    from: &str,
) -> Answer<Response> {
    let field = |wanted: &str| {
        fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
    };
    let key = field("api_key").unwrap_or_default();
    let refused = || Problem::new(&error::API_KEY, "");
    let caller = Caller::with_key(city, key, from).await.map_err(|_unknown| refused())?;
    caller.need(Permission::Report).map_err(|_refused| refused())?;
    let app = caller.user;
    jurisdiction(city, fields)?;
    city.report_rate.apps.take(&format!("{} {from}", app.name), clock::now())?;
    let submission = match geo_report::submission(fields) {
        Ok(submission) => submission,
        Err(faults) => return Ok(asked.faults(&faults)),
    };
    let mut new = new_report(city, asked, &submission)?;
    new.person.app = Some(app.name);
    if let Some(bytes) = photo {
        let kept = city.keep_photo(bytes).await?;
        new.photos.push(Photo {
            kind: PhotoKind::Near,
            hash: kept.hash,
            at: None,
            position: kept.position,
        });
    }
    let reported = city.report(new).await?;
    let notice = asked.language.of_text(&Text::new(
        "已收到。请凭编号查询办理情况。",
        "Received. Ask by this number what becomes of it.",
    ));
    let receipt = Receipt {
        id: Some(reported.case.id.to_string()),
        notice: Some(notice),
        account_id: submission.contact.account_id,
        token: None,
    };
    Ok(asked.answer(geo_report::receipts(asked.format, &[receipt])))
}

fn new_report(city: &City, asked: Asked, submission: &Submission) -> Answer<NewReport> {
    let code = submission.service_code.as_str();
    let type_id = (code != UNSORTED).then(|| code.to_owned());
    let mut words = submission.description.clone();
    if let Some(id) = &type_id {
        let (_, case_type) = service(city, id)?;
        let answers = submission.attributes.iter().filter(|(code, _)| code == CONDITION);
        for row in answers.flat_map(|(_, values)| values) {
            let row = row.parse().ok().and_then(|row: usize| case_type.limits.get(row));
            let row =
                row.ok_or_else(|| Problem::new(&error::REPORT_FIELD, "attribute[condition]"))?;
            words = format!("{words}\n{}", asked.language.of_text(&row.condition));
        }
    }
    let contact = &submission.contact;
    let names: Vec<&str> = [&contact.last_name, &contact.first_name]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    Ok(NewReport {
        type_id,
        position: submission.position,
        area: submission.address_id.clone(),
        address: submission.address.clone(),
        words: words.trim().chars().take(chengmai_engine::case::WORDS_LEN_MAX).collect(),
        photos: Vec::new(),
        source: CaseSource::Open311,
        person: Person {
            name: Some(names.join(" ")).filter(|name| !name.is_empty()),
            phone: contact.phone.clone(),
            email: contact.email.clone(),
            mails: false,
            language: asked.language.word().to_owned(),
            app: None,
        },
    })
}

/// Goes on when no jurisdiction is named, or ours: the code of the city's root area.
fn jurisdiction(city: &City, fields: &[(String, String)]) -> Answer<()> {
    let named = fields.iter().find(|(name, value)| name == "jurisdiction_id" && !value.is_empty());
    match named {
        Some((_, id)) if *id != city.root_path().code() => {
            Err(Problem::new(&error::NO_JURISDICTION, id.clone()))
        }
        _ => Ok(()),
    }
}

fn discovery(city: &City, headers: &HeaderMap) -> Discovery {
    Discovery {
        changed_at: CHANGED_AT,
        contact: city.profile.name.zh.clone() + " · " + &city.profile.name.en,
        key_service: "POST /api/v1/users, role app; POST /api/v1/users/{name}/token".to_owned(),
        url: format!("{}/open311/v2", base(headers)),
        kind: if city.config.simulated { "test" } else { "production" },
    }
}

/// A case type that can be reported, and its pack.
fn service<'a>(city: &'a City, id: &str) -> Answer<(&'a Pack, &'a CaseType)> {
    let mut all = city.packs.iter().flat_map(|pack| pack.case_types.iter().map(move |t| (pack, t)));
    all.find(|(_, t)| t.id == id).ok_or_else(|| Problem::new(&error::NO_SERVICE, id))
}

fn services(city: &City, asked: Asked) -> Vec<Service> {
    let of_type = |(pack, t): (&Pack, &CaseType)| Service {
        code: t.id.clone(),
        name: asked.language.of_text(&t.name),
        description: t
            .limits
            .iter()
            .map(|row| asked.language.of_text(&row.condition))
            .collect::<Vec<_>>()
            .join("; "),
        has_definition: !t.limits.is_empty(),
        keywords: vec![t.name.zh.clone(), t.name.en.clone(), t.class.clone()],
        group: asked.language.of_text(&pack.head.name),
    };
    let types = city.packs.iter().flat_map(|pack| pack.case_types.iter().map(move |t| (pack, t)));
    let mut services: Vec<Service> = types.map(of_type).collect();
    let other = Text::new("其他，或不确定", "Something else, or not sure");
    services.push(Service {
        code: UNSORTED.to_owned(),
        name: asked.language.of_text(&other),
        description: String::new(),
        has_definition: false,
        keywords: Vec::new(),
        group: String::new(),
    });
    services
}

fn definition(city: &City, asked: Asked, code: &str) -> Answer<Response> {
    let attributes = if code == UNSORTED {
        Vec::new()
    } else {
        let (_, case_type) = service(city, code)?;
        let rows = case_type.limits.iter().enumerate();
        let question = Text::new("哪一种情况最符合？", "Which of these is it?");
        vec![Attribute {
            variable: true,
            code: CONDITION.to_owned(),
            data_type: DataType::SingleValueList,
            required: false,
            data_type_description: String::new(),
            description: asked.language.of_text(&question),
            values: rows
                .map(|(n, row)| (n.to_string(), asked.language.of_text(&row.condition)))
                .collect(),
        }]
    };
    Ok(asked.answer(geo_report::service_definition(asked.format, code, &attributes)))
}

/// A public case by its number.
pub(crate) async fn public_one(city: &City, id: &str) -> Answer<(Case, PublicCase)> {
    let missing = || Problem::not_found(id);
    let parsed = CaseId::parse(id).ok_or_else(missing)?;
    let case = city.records.cases().find(&parsed).await?.ok_or_else(missing)?;
    let shown = city.public_case(&case).ok_or_else(missing)?;
    Ok((case, shown))
}

async fn requests(
    city: &City,
    asked: Asked,
    query: &RequestQuery,
    headers: &HeaderMap,
) -> Answer<Response> {
    let mut shown = Vec::new();
    if query.ids.is_empty() {
        let types = &query.service_codes;
        for id in types.iter().filter(|id| *id != UNSORTED) {
            service(city, id)?;
        }
        let rows = if query.page.is_some() { query.page_rows.min(PAGE_ROWS_MAX) } else { ROWS_MAX };
        let skip = query.page.unwrap_or(1).saturating_sub(1).saturating_mul(rows);
        // Words are looked for in what is public, which the database does not hold.
        let words = query.words.as_ref().map(|words| words.to_lowercase());
        let filter = PublicFilter {
            areas: vec![city.root_path()],
            types: types.clone(),
            from: query.from,
            to: query.to,
            changed_from: query.updated_from,
            changed_to: query.updated_to,
            open: query.status.map(|status| status == Status::Open),
            skip: if words.is_some() { 0 } else { skip as u64 },
            rows_max: if words.is_some() { PUBLIC_ROWS_MAX } else { rows as u64 },
        };
        let cases = city.records.citizens().list(&filter).await?;
        let cases = cases.iter().filter_map(|case| city.public_case(case));
        shown = match &words {
            None => cases.collect(),
            Some(words) => cases.filter(|case| holds(case, words)).skip(skip).take(rows).collect(),
        };
    } else {
        for id in query.ids.iter().take(ROWS_MAX) {
            if let Ok((_, case)) = public_one(city, id).await {
                shown.push(case);
            }
        }
    }
    answer_requests(city, asked, &shown, headers).await
}

async fn answer_requests(
    city: &City,
    asked: Asked,
    cases: &[PublicCase],
    headers: &HeaderMap,
) -> Answer<Response> {
    let ids: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    let photos = city.records.citizens().public_photos(&ids).await?;
    let address = |case: &PublicCase| {
        photos.get(&case.id).map(|hash| format!("{}/public/photos/{hash}", base(headers)))
    };
    let requests: Vec<_> =
        cases.iter().map(|case| request(city, asked, case, address(case))).collect();
    Ok(asked.answer(geo_report::requests(asked.format, &requests)))
}

fn holds(case: &PublicCase, words: &str) -> bool {
    let parts =
        [Some(&case.id), case.words.as_ref(), Some(&case.type_name.zh), Some(&case.type_name.en)];
    parts.into_iter().flatten().any(|part| part.to_lowercase().contains(words))
}

fn request(
    city: &City,
    asked: Asked,
    case: &PublicCase,
    media_url: Option<String>,
) -> geo_report::Request {
    let simulated = Text::new("模拟数据", "simulated");
    let state = asked.language.of_text(&case.state.name());
    let notes = if case.simulated {
        format!("{state} ({})", asked.language.of_text(&simulated))
    } else {
        state
    };
    let agency = case.agency.as_ref().map(|name| asked.language.of_text(name));
    geo_report::Request {
        id: case.id.clone(),
        is_closed: !case.is_open(),
        status_notes: Some(notes),
        service_name: asked.language.of_text(&case.type_name),
        service_code: case.type_id.clone(),
        description: case.words.clone(),
        agency: agency.or_else(|| Some(asked.language.of_text(&city.profile.name))),
        notice: None,
        requested_at: Some(case.reported_at),
        updated_at: Some(case.changed_at),
        expected_at: case.due_at,
        address: Some(case.area_names.clone()),
        address_id: Some(case.area.clone()),
        zipcode: None,
        position: case.position,
        media_url,
    }
}

/// Numbers are given at once here, so a token is one already: the standard lets apps ask all the same.
async fn token(city: &City, asked: Asked, token: &str) -> Answer<Response> {
    let (_, case) = public_one(city, token).await?;
    let receipt =
        Receipt { id: Some(case.id), token: Some(token.to_owned()), ..Receipt::default() };
    Ok(asked.answer(geo_report::receipts(asked.format, &[receipt])))
}

async fn updates(city: &City, asked: Asked, id: &str) -> Answer<Response> {
    let (case, _) = public_one(city, id).await?;
    let events = city.records.cases().events(&case.id).await?;
    let updates: Vec<Update> =
        events.iter().map(|event| update(city, asked, &case, event)).collect();
    Ok(asked.answer(geo_report::updates(asked.format, &updates)))
}

/// What happened, without who did it and what they wrote.
fn update(city: &City, asked: Asked, case: &Case, event: &CaseEvent) -> Update {
    let agency = event.agency.as_deref().and_then(|id| city.agencies.get(id));
    let shown = |state: CaseState| !state.is_before_filing() && is_taken_up(state);
    let agency = agency.filter(|_| shown(event.to));
    Update {
        id: format!("{}-{}", case.id, event.seq),
        request_id: case.id.to_string(),
        at: event.at,
        is_closed: event.to.is_end(),
        description: asked.language.of_text(&event.step.name()),
        agency: agency.map(|agency| asked.language.of_text(&agency.name)),
    }
}
