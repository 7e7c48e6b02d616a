//! The catalogue 数据目录 under `/catalog`: every data set of the city, by which doors it may be had, and on
//! which terms, in the words of DCAT 3 (`wire::dcat`).
//!
//! Invariants: open to everybody, because it says what there is and nothing that is in it; every address in
//! it is one of ours that answers, or the name of a standard.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_model::{AreaId, Text, Timestamp};
use chengmai_wire::dcat::{
    self, Access, Catalogue, DataSet, Distribution, JSON_LD, Service, TURTLE,
};

use crate::city::City;
use crate::http::extract::base;
use crate::http::problem::Answer;

mod sets;

/// The catalogue, as JSON-LD or, when Turtle is preferred, as Turtle.
#[utoipa::path(get, path = "/catalog", tag = "catalog", security(()),
    responses((status = 200, description = "DCAT 3", body = String, content_type = "application/ld+json",
        example = "{\"@graph\": []}")))]
pub(crate) async fn get_catalog(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
) -> Answer<Response> {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let accepted = accepted.unwrap_or_default();
    let turtle = accepted.find("turtle");
    let is_turtle = turtle.is_some_and(|at| accepted.find("json").is_none_or(|json| at < json));
    answer(&city, &headers, is_turtle).await
}

/// The catalogue as JSON-LD that carries its context.
#[utoipa::path(get, path = "/catalog.jsonld", tag = "catalog", security(()),
    responses((status = 200, description = "DCAT 3", body = String, content_type = "application/ld+json",
        example = "{\"@graph\": []}")))]
pub(crate) async fn get_json_ld(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
) -> Answer<Response> {
    answer(&city, &headers, false).await
}

/// The catalogue as Turtle.
#[utoipa::path(get, path = "/catalog.ttl", tag = "catalog", security(()),
    responses((status = 200, description = "DCAT 3", body = String, content_type = "text/turtle",
        example = "<catalog> a dcat:Catalog .")))]
pub(crate) async fn get_turtle(
    State(city): State<Arc<City>>,
    headers: HeaderMap,
) -> Answer<Response> {
    answer(&city, &headers, true).await
}

async fn answer(city: &City, headers: &HeaderMap, is_turtle: bool) -> Answer<Response> {
    let graph = dcat::graph(&catalogue(city, &base(headers)).await?);
    let (media, body) =
        if is_turtle { (TURTLE, graph.to_turtle()) } else { (JSON_LD, graph.to_json_ld()) };
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::VARY, "Accept"),
    ];
    Ok((headers, body).into_response())
}

async fn catalogue(city: &City, base: &str) -> Answer<Catalogue> {
    let (name, publisher) = (&city.profile.name, &city.profile.publisher);
    let bounds = city.outlines.of(&city.areas, AreaId::ROOT);
    let bounds = bounds.and_then(|outline| outline.shape.bounds());
    let made_up = if city.config.simulated {
        Text::new(
            "本城市为演示，数据均为模拟。",
            "This city is a demonstration: all data is simulated. ",
        )
    } else {
        Text::default()
    };
    Ok(Catalogue {
        address: format!("{base}/catalog"),
        title: Text::new(format!("{}数据目录", name.zh), format!("Data of {}", name.en)),
        description: Text::new(
            format!("{}{}城市运行的数据集与获取方式", made_up.zh, name.zh),
            format!("{}Data sets of {} in operation, and how to get them", made_up.en, name.en),
        ),
        publisher: publisher.name.clone().unwrap_or_else(|| name.clone()),
        contact: publisher.contact.clone(),
        licence: publisher.licence.clone(),
        rights: Text::new(
            "发布者未声明许可；使用前请询问",
            "the publisher names no licence: ask before use",
        ),
        bounds: bounds.map(|b| [b.min[0], b.min[1], b.max[0], b.max[1]]),
        changed: city.started_at,
        sets: sets::all(base, &sets::Begins::of(city).await?),
        services: services(base),
    })
}

fn services(base: &str) -> Vec<Service> {
    let one =
        |id, words: [&str; 2], path: &str, description: Option<&str>, standard, access| Service {
            id,
            title: Text::new(words[0], words[1]),
            address: format!("{base}{path}"),
            description: description.map(|path| format!("{base}{path}")),
            standard,
            access,
            serves: sets::served_by(id),
        };
    vec![
        one(
            "features",
            ["OGC API 要素服务", "OGC API Features"],
            "/ogc",
            Some("/ogc/api"),
            Some(concat!("http:", "//www.opengis.net/spec/ogcapi-features-1/1.0/conf/core")),
            Access::Public,
        ),
        one(
            "sensorthings",
            ["SensorThings 接口", "OGC SensorThings API"],
            "/sta/v1.1",
            None,
            Some(concat!("http:", "//www.opengis.net/spec/iot_sensing/1.1")),
            Access::Restricted,
        ),
        one(
            "open311",
            ["Open311 接口", "Open311 GeoReport v2"],
            "/open311/v2/services.json",
            Some("/open311/v2/discovery.json"),
            Some(concat!("http:", "//wiki.open311.org/GeoReport_v2")),
            Access::Public,
        ),
        one(
            "cap",
            ["对外预警（CAP）", "Alerts (CAP 1.2)"],
            "/cap/v1.2/feed.atom",
            None,
            Some("urn:oasis:names:tc:emergency:cap:1.2"),
            Access::Restricted,
        ),
        one(
            "api",
            ["本系统接口", "The program's own interface"],
            "/api/v1",
            Some("/api/openapi.json"),
            None,
            Access::Restricted,
        ),
    ]
}
