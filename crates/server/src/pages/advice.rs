//! What the page of a report says while it is written: which kind it may be, and which report near there may
//! be the same. Without scripts the page itself asks when it is sent (`report`).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use chengmai_model::error;
use chengmai_wire::geo_report::form_fields;
use serde::Serialize;
use utoipa::ToSchema;

use super::Language;
use super::report::Form;
use crate::city::City;
use crate::city::citizens::public::PublicCase;
use crate::clock;
use crate::http::problem::{Answer, Problem};
use crate::http::rate::sender;

/// Longest form that is looked at while it is written.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// Where the page's script says what it may be, while it is written.
pub(super) fn advice_html(language: Language) -> String {
    format!(
        "<div id=\"advice\" role=\"status\" data-types=\"{}\" data-near=\"{}\"></div>",
        language.say("可能是（点一下选定）：", "It may be (touch to choose):"),
        language.say(
            "附近已有人报过，可能是同一个；提交时可以选择“算我一个”：",
            "Reported near there already, perhaps the same; when you send you can add yourself:"
        ),
    )
}

/// What a report may be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"types": [{"id": "manhole_missing", "name": "井盖缺失", "percent": 83}],
    "near": [{"id": "500103-20261121-00001", "name": "井盖缺失", "words": "井盖没了", "state": "已立案"}]}))]
pub(crate) struct Guess {
    types: Vec<GuessedType>,
    near: Vec<GuessedCase>,
}

/// A kind that it may be.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuessedType {
    id: String,
    name: String,
    percent: u8,
}

/// A report that may be the same.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GuessedCase {
    id: String,
    name: String,
    words: String,
    state: String,
}

/// What a report may be, said while it is written. Open to everybody, a few at a time from one address.
#[utoipa::path(post, path = "/report/proposal", tag = "citizens", security(()),
    request_body(content = String, content_type = "application/x-www-form-urlencoded", example = "words=井盖没了&lat=29.56&long=106.57&type=&lang=zh"),
    responses((status = 200, body = Guess)))]
pub(crate) async fn advise(State(city): State<Arc<City>>, request: Request) -> Answer<Json<Guess>> {
    let (parts, body) = request.into_parts();
    city.report_rate.proposals.take(&sender(&parts), clock::now())?;
    let body = axum::body::to_bytes(body, FORM_BYTES_MAX).await;
    let body = body.map_err(|_| Problem::new(&error::BODY_TOO_LARGE, ""))?;
    let form = Form(form_fields(&body));
    let language = Language::of(&parts.headers, Some(form.text("lang")));
    let (words, position, type_id) = (form.text("words"), form.position(), form.some("type"));
    let proposed = city.propose_to_citizen(words, position);
    let near = match position {
        Some(at) => city.near_reports(words, at, type_id.as_deref(), &proposed).await?,
        None => Vec::new(),
    };
    let types = proposed.types.iter().map(|likely| GuessedType {
        id: likely.id.clone(),
        name: language.of_text(&likely.name),
        percent: percent(likely.probability),
    });
    let near = near.iter().filter_map(|case| city.public_case(case)).map(|case| GuessedCase {
        name: language.of_text(&case.type_name),
        state: language.of_text(&case.state.name()),
        words: shown_words(language, &case).to_owned(),
        id: case.id,
    });
    Ok(Json(Guess { types: types.collect(), near: near.collect() }))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
pub(super) fn percent(probability: f32) -> u8 {
    (probability.clamp(0.0, 1.0) * 100.0).round() as u8
}

pub(super) fn shown_words(language: Language, case: &PublicCase) -> &str {
    let unseen =
        language.say("（尚在核实，文字暂不公开）", "(not verified yet, words are not shown)");
    case.words.as_deref().unwrap_or(unseen)
}
