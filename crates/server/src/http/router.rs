//! The map of the HTTP interface: every route, grouped by what it is about. Who may use a route is
//! decided in its handler's first lines (`Caller::need`, `Caller::scope`).

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chengmai_model::error;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use utoipa::Modify;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::armour;
use super::assets;
use super::document;
use super::problem::{Problem, ProblemBody};
use crate::api::{
    agencies, alarms, areas, audit, backtests, cap, case_import, case_steps, case_summary, cases,
    catalog, contacts, corrections, deliveries, device_summary, devices, drafts, emergencies,
    evaluation, evaluation_sheet, events, features, gateway, geo_report, indicator_windows,
    indicators, influx, latest, log, mcp, moments, ngsi_ld, packs, patrols, proposals, provider,
    readings, reviews, rules, sensorthings, series, session, setpoints, shelves, sql, stars,
    subscriptions, system, tasks, tiles, tokens, topics, transit, users, warnings, workload,
};
use crate::city::City;
use crate::pages::{self, advice, downloads, overview, receipt, report, stop_mail, track};

/// Title and text of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(title = "Chengmai 城脉", license(name = "Apache-2.0"),
        description = "City brain: readings in, indicators, warnings, cases. Every answer is limited to the caller's area and below; things outside it answer 404. Times are RFC 3339. Errors are application/problem+json with a stable number."),
    components(schemas(ProblemBody)),
    security(("bearer" = []), ("session" = [])),
    modifiers(&Doors),
)]
struct Document;

struct Doors;

impl Modify for Doors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let cookie = ApiKey::Cookie(ApiKeyValue::new(super::access::COOKIE));
        components.add_security_scheme("session", SecurityScheme::ApiKey(cookie));
    }
}

/// Warnings, cases, who answers for them, and how well.
fn decisions() -> OpenApiRouter<Arc<City>> {
    OpenApiRouter::new()
        .routes(routes!(warnings::list_warnings))
        .routes(routes!(warnings::get_warning))
        .routes(routes!(warnings::confirm_warning))
        .routes(routes!(warnings::dismiss_warning))
        .routes(routes!(warnings::file_warning))
        .routes(routes!(alarms::get_alarm_quality))
        .routes(routes!(shelves::list_shelved, shelves::shelve))
        .routes(routes!(shelves::unshelve))
        .routes(routes!(packs::list_case_types))
        .routes(routes!(packs::list_case_plans))
        .routes(routes!(cases::list_cases, case_steps::file_case))
        .routes(routes!(case_summary::summarise_cases))
        .routes(routes!(case_import::import_cases))
        .routes(routes!(cases::get_case))
        .routes(routes!(case_steps::act_on_case))
        .routes(routes!(proposals::propose))
        .routes(routes!(proposals::get_routing))
        .routes(routes!(proposals::train_routing))
        .routes(routes!(drafts::list_drafts))
        .routes(routes!(drafts::approve_draft))
        .routes(routes!(drafts::decline_draft))
        .routes(routes!(topics::list_topics))
        .routes(routes!(patrols::list_patrols, patrols::keep_patrol))
        .routes(routes!(patrols::delete_patrol))
        .routes(routes!(workload::get_workload))
        .routes(routes!(agencies::list_agencies))
        .routes(routes!(agencies::list_ratings))
        .routes(routes!(evaluation::get_evaluation))
        .routes(routes!(evaluation::list_behind))
        .routes(routes!(evaluation_sheet::get_workbook))
        .routes(routes!(stars::list_stars))
}

/// Who is there, and what they did.
fn people() -> OpenApiRouter<Arc<City>> {
    OpenApiRouter::new()
        .routes(routes!(session::sign_in, session::get_session, session::sign_out))
        .routes(routes!(session::change_password))
        .routes(routes!(session::list_sessions))
        .routes(routes!(session::end_one))
        .routes(routes!(
            session::get_factor,
            session::begin_factor,
            session::confirm_factor,
            session::remove_factor
        ))
        .routes(routes!(provider::begin_sign_in, provider::get_link, provider::remove_link))
        .routes(routes!(provider::begin_link))
        .routes(routes!(provider::come_back))
        .routes(routes!(provider::reset_link))
        .routes(routes!(emergencies::list, emergencies::begin))
        .routes(routes!(emergencies::end))
        .routes(routes!(emergencies::review))
        .routes(routes!(users::list_users, users::create_user))
        .routes(routes!(users::delete_user))
        .routes(routes!(tokens::create_token))
        .routes(routes!(tokens::list_tokens))
        .routes(routes!(tokens::end_token))
        .routes(routes!(tokens::reset_factor))
        .routes(routes!(audit::list_audit))
}

fn routes() -> OpenApiRouter<Arc<City>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(people())
        // Readings in.
        .routes(routes!(readings::write_lines))
        .routes(routes!(influx::write_influx))
        .routes(routes!(influx::ping))
        .routes(routes!(influx::ask_influx))
        .routes(routes!(readings::post_observations))
        .routes(routes!(corrections::list_corrections, corrections::correct_readings))
        .routes(routes!(gateway::number_streams))
        .routes(routes!(gateway::write_columns))
        // The city.
        .routes(routes!(system::get_city))
        .routes(routes!(areas::list_areas))
        .routes(routes!(areas::get_area))
        .routes(routes!(areas::get_shapes))
        .routes(routes!(areas::list_overlays))
        // Devices and indicators.
        .routes(routes!(devices::list_kinds))
        .routes(routes!(devices::list_devices, devices::import_devices))
        .routes(routes!(device_summary::summarise_devices))
        .routes(routes!(device_summary::map_devices))
        .routes(routes!(latest::latest_of_devices, latest::latest_of_kind))
        .routes(routes!(devices::get_device))
        .routes(routes!(devices::list_observations))
        .routes(routes!(series::get_series))
        .routes(routes!(setpoints::import_setpoints))
        .routes(routes!(indicators::list_indicators))
        .routes(routes!(indicators::get_indicator))
        .routes(routes!(indicators::list_values))
        .routes(routes!(indicators::get_history))
        .routes(routes!(indicators::list_sources))
        .routes(routes!(indicator_windows::list_windows))
        .merge(decisions())
        .merge(citizens())
        .merge(maps())
        .merge(standards())
        // The proof that nothing was altered or dropped.
        .routes(routes!(log::get_checkpoint))
        .routes(routes!(log::get_witnessed))
        .routes(routes!(log::get_key))
        .routes(routes!(log::get_tile))
        .routes(routes!(log::get_entries))
        .routes(routes!(log::prove_inclusion))
        .routes(routes!(log::prove_consistency))
        .routes(routes!(log::cosign))
        // Who outside is told of what.
        .routes(routes!(subscriptions::list_subscriptions, subscriptions::make_subscription))
        .routes(routes!(subscriptions::change_subscription, subscriptions::remove_subscription))
        .routes(routes!(subscriptions::test_subscription))
        .routes(routes!(deliveries::list_deliveries))
        .routes(routes!(deliveries::retry_delivery))
        // Questions in SQL.
        .routes(routes!(sql::ask))
        // Packs, the live stream, the program itself.
        .routes(routes!(packs::list_packs))
        .routes(routes!(packs::get_pack))
        // Rules tried and enabled, incidents looked back on.
        .routes(routes!(rules::check_rule))
        .routes(routes!(rules::get_rule))
        .routes(routes!(rules::enable_rule))
        .routes(routes!(backtests::begin_backtest))
        .routes(routes!(backtests::get_backtest, backtests::cancel_backtest))
        .routes(routes!(reviews::list_reviews))
        .routes(routes!(reviews::get_review))
        .routes(routes!(moments::get_moment))
        .routes(routes!(reviews::add_finding))
        .routes(routes!(tasks::add_task))
        .routes(routes!(tasks::list_tasks))
        .routes(routes!(tasks::finish_task))
        .routes(routes!(events::listen))
        .routes(routes!(system::get_system))
        .routes(routes!(system::healthz))
        .routes(routes!(system::readyz))
        .routes(routes!(system::get_metrics))
}

/// The city for programs that draw maps.
fn maps() -> OpenApiRouter<Arc<City>> {
    OpenApiRouter::new()
        .routes(routes!(features::get_landing))
        // OWSLib asks for it with a stroke at the end.
        .route("/ogc/", get(features::get_landing))
        .routes(routes!(features::get_description))
        .routes(routes!(features::get_conformance))
        .routes(routes!(features::list_collections))
        .routes(routes!(features::get_collection))
        .routes(routes!(features::get_queryables))
        .routes(routes!(features::list_items))
        .routes(routes!(features::get_item))
        .routes(routes!(tiles::get_tile_json))
        .routes(routes!(tiles::get_map_tile))
}

/// The city in the words of standards: devices and readings, alerts, the catalogue, and all of it for assistants.
fn standards() -> OpenApiRouter<Arc<City>> {
    use sensorthings as sta;
    OpenApiRouter::new()
        .routes(routes!(mcp::post_message))
        .routes(routes!(sta::get_root))
        .routes(routes!(
            sta::get_resource,
            sta::post_resource,
            sta::patch_resource,
            sta::put_resource,
            sta::delete_resource
        ))
        .routes(routes!(transit::post_realtime))
        .routes(routes!(transit::list_feeds))
        .routes(routes!(transit::keep_names))
        .routes(routes!(
            ngsi_ld::get_resource,
            ngsi_ld::post_resource,
            ngsi_ld::patch_resource,
            ngsi_ld::put_resource,
            ngsi_ld::delete_resource
        ))
        .routes(routes!(cap::get_feed))
        .routes(routes!(cap::get_alert))
        .routes(routes!(cap::post_alert))
        .routes(routes!(cap::get_alert_key))
        .routes(routes!(catalog::get_catalog))
        .routes(routes!(catalog::get_json_ld))
        .routes(routes!(catalog::get_turtle))
}

/// Citizens: their pages, and apps that speak Open311.
fn citizens() -> OpenApiRouter<Arc<City>> {
    OpenApiRouter::new()
        .routes(routes!(contacts::get_contact, contacts::erase_contact))
        .routes(routes!(contacts::keep_photo))
        .routes(routes!(contacts::get_photo, contacts::publish_photo))
        .routes(routes!(report::get_report, report::post_report))
        .routes(routes!(advice::advise))
        .routes(routes!(track::get_track, track::post_track))
        .routes(routes!(track::get_track_photo))
        .routes(routes!(receipt::get_receipt))
        .routes(routes!(stop_mail::get_stop_mail, stop_mail::post_stop_mail))
        .routes(routes!(overview::get_public))
        .routes(routes!(overview::get_outlines))
        .routes(routes!(downloads::get_file))
        .routes(routes!(downloads::get_public_photo))
        .routes(routes!(pages::get_style))
        .routes(routes!(pages::get_script))
        .routes(routes!(geo_report::get_document, geo_report::post_document))
        .routes(routes!(geo_report::get_one))
}

/// The OpenAPI document as JSON.
pub(crate) fn openapi_json() -> String {
    document::json(routes().into_openapi())
}

/// Everything the HTTP listener serves.
pub(crate) fn router(city: Arc<City>) -> Router {
    let bytes_max = city.config.body_bytes_max;
    let document: Arc<str> = openapi_json().into();
    let (router, _) = routes().split_for_parts();
    let compressed = DefaultPredicate::new().and(NotForContentType::const_new("text/event-stream"));
    let layers = ServiceBuilder::new()
        .layer(from_fn_with_state(Arc::clone(&city), armour::don))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(CompressionLayer::new().compress_when(compressed));
    router
        .route("/api/openapi.json", get(move || std::future::ready(openapi(&document))))
        // The root with a slash at its end is the root.
        .route("/sta/v1.1/", get(sensorthings::get_root))
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(bytes_max))
        .layer(layers)
        .with_state(city)
}

fn openapi(document: &str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document.to_owned()).into_response()
}

fn panicked(_payload: Box<dyn std::any::Any + Send>) -> Response {
    // The panic's own words were logged by the panic hook; they may hold data and stay inside.
    let mut response = Problem::new(&error::INTERNAL, "").into_response();
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

#[cfg(test)]
mod tests {
    use super::openapi_json;
    use serde_json::Value;

    /// True when the schema, or one it refers to, shows an example.
    fn shows_example(document: &Value, schema: &Value, depth: u8) -> bool {
        if depth == 0 {
            return false;
        }
        match schema {
            Value::Object(map) => map.iter().any(|(key, value)| {
                if key == "example" || key == "examples" {
                    return true;
                }
                let referred = (key == "$ref").then(|| value.as_str()).flatten();
                let referred = referred.and_then(|r| document.pointer(r.trim_start_matches('#')));
                shows_example(document, referred.unwrap_or(value), depth - 1)
            }),
            Value::Array(list) => list.iter().any(|v| shows_example(document, v, depth - 1)),
            _ => false,
        }
    }

    #[test]
    fn every_route_says_what_it_does_and_shows_an_example() {
        let document: Value = serde_json::from_str(&openapi_json()).unwrap();
        let mut lacking = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let route = format!("{method} {path}");
                let words = operation.get("summary").or(operation.get("description"));
                if words.is_none() {
                    lacking.push(format!("{route}: no words"));
                }
                let body = &operation["requestBody"];
                if !body.is_null() && !shows_example(&document, body, 8) {
                    lacking.push(format!("{route}: no example of the body"));
                }
                let answers = operation["responses"].as_object().unwrap();
                for (status, answer) in answers.iter().filter(|(s, _)| s.starts_with('2')) {
                    let content = &answer["content"];
                    if !content.is_null() && !shows_example(&document, content, 8) {
                        lacking.push(format!("{route}: no example of {status}"));
                    }
                }
            }
        }
        assert!(lacking.is_empty(), "{lacking:#?}");
    }

    #[test]
    fn the_document_refers_to_nothing_outside_ourselves() {
        let document = openapi_json();
        let outside: Vec<&str> = document
            .lines()
            .filter(|line| line.contains("http://") || line.contains("https://"))
            .collect();
        assert!(outside.is_empty(), "{outside:#?}");
    }
}
