//! OGC API Features under `/ogc`: areas, devices, warnings and cases as collections. The bytes and the
//! parameters are `wire::features`, the filter language is `wire::cql2`; a file here for each collection.
//!
//! Invariants: everybody may see the documents and the areas, whose outlines are public anyway; the other
//! collections need an account with `read`, and show what lies in its area; work for one answer is bounded,
//! and an answer that stops early says where to go on.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chengmai_model::{AreaId, AreaPath, Text, error};
use chengmai_store::records::PageRequest;
use chengmai_wire::cql2::{Compare, Expr, GEOMETRY, Geometry, Kind, Queryable, Spatial, Value};
use chengmai_wire::features::{
    self, Collection, CollectionQuery, Feature, FeaturePage, Link, media,
};
use chengmai_wire::{Fault, geo_report};
use serde_json::{Map, Value as Json};

use crate::city::City;
use crate::clock;
use crate::http::access::{Permission, Visitor};
use crate::http::problem::{Answer, Problem};

mod answer;
pub(super) mod areas;
mod cases;
mod devices;
mod warnings;

use answer::Asked;

/// Everything that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    Areas,
    Devices,
    Warnings,
    Cases,
}

/// Features found, and the cursor of the next page; none after the last.
pub(super) struct Found {
    pub(super) features: Vec<Feature>,
    pub(super) next: Option<String>,
}

impl Layer {
    const ALL: [Self; 4] = [Self::Areas, Self::Devices, Self::Warnings, Self::Cases];

    const fn id(self) -> &'static str {
        match self {
            Self::Areas => "areas",
            Self::Devices => "devices",
            Self::Warnings => "warnings",
            Self::Cases => "cases",
        }
    }

    fn words(self) -> (Text, Text) {
        let both = |title: [&str; 2], text: [&str; 2]| {
            (Text::new(title[0], title[1]), Text::new(text[0], text[1]))
        };
        match self {
            Self::Areas => both(
                ["区域", "Areas"],
                [
                    "五级区域的边界；没有公开数据的由程序生成，并注明 generated",
                    "Boundaries of five tiers; those without open data are generated and say so",
                ],
            ),
            Self::Devices => both(
                ["设备", "Devices"],
                ["设备的位置、健康与最新读数", "Devices with their health and newest reading"],
            ),
            Self::Warnings => both(
                ["预警", "Warnings"],
                ["分级预警，最新的在前", "Graded warnings, newest first"],
            ),
            Self::Cases => both(
                ["案件", "Cases"],
                [
                    "案件的类型、状态与时限，不含文字描述和个人信息",
                    "Cases with type, state and deadline, without words or personal data",
                ],
            ),
        }
    }

    fn queryables(self) -> Vec<Queryable> {
        let mut all = match self {
            Self::Areas => areas::queryables(),
            Self::Devices => devices::queryables(),
            Self::Warnings => warnings::queryables(),
            Self::Cases => cases::queryables(),
        };
        all.push(property(GEOMETRY, Kind::Geometry, "位置", "where it is"));
        all
    }

    pub(super) async fn page(
        self,
        city: &Arc<City>,
        scope: AreaId,
        query: CollectionQuery,
    ) -> Answer<Found> {
        match self {
            Self::Areas => areas::page(city, scope, query).await,
            Self::Devices => devices::page(city, scope, query).await,
            Self::Warnings => warnings::page(city, scope, &query).await,
            Self::Cases => cases::page(city, scope, &query).await,
        }
    }

    pub(super) async fn find(
        self,
        city: &Arc<City>,
        scope: AreaId,
        id: &str,
    ) -> Answer<Option<Feature>> {
        match self {
            Self::Areas => areas::find(city, scope, id).await,
            Self::Devices => Ok(devices::find(city, scope, id)),
            Self::Warnings => warnings::find(city, scope, id).await,
            Self::Cases => cases::find(city, scope, id).await,
        }
    }

    /// The area whose features this visitor may see.
    fn scope(self, visitor: &Visitor) -> Answer<AreaId> {
        match (&visitor.0, self) {
            (Some(caller), _) => caller.need(Permission::Read).map(|()| caller.area),
            (None, Self::Areas) => Ok(AreaId::ROOT),
            (None, _) => Err(Problem::new(&error::SIGN_IN, self.id())),
        }
    }

    fn collection(self, city: &City, visitor: &Visitor, asked: &Asked) -> Answer<Collection> {
        let scope = self.scope(visitor)?;
        let (title, description) = self.words();
        let address = asked.at(&format!("/collections/{}", self.id()));
        let link = |path: &str, rel, kind, title: Text| {
            asked.link(format!("{address}{path}"), rel, kind, &title)
        };
        let items = Text::new("要素", "features");
        let queryables = Text::new("可查询的属性", "properties to ask by");
        let bounds = city.outlines.of(&city.areas, scope).and_then(|o| o.shape.bounds());
        Ok(Collection {
            id: self.id(),
            title: asked.language.of_text(&title),
            description: asked.language.of_text(&description),
            bounds: bounds.map(|b| [b.min[0], b.min[1], b.max[0], b.max[1]]),
            is_temporal: true,
            links: vec![
                link("", "self", media::JSON, title.clone()),
                link("?f=html", "alternate", media::HTML, title),
                link("/items", "items", media::GEOJSON, items.clone()),
                link("/items?f=html", "items", media::HTML, items),
                link("/queryables", QUERYABLES, media::SCHEMA, queryables),
            ],
        })
    }
}

/// The relation of the document with the queryables of a collection.
const QUERYABLES: &str = concat!("http:", "//www.opengis.net/def/rel/ogc/1.0/queryables");

fn layer(id: &str) -> Answer<Layer> {
    let found = Layer::ALL.into_iter().find(|layer| layer.id() == id);
    found.ok_or_else(|| Problem::not_found(format!("collection {id}")))
}

/// Where one enters: links to everything else.
#[utoipa::path(get, path = "/ogc", tag = "features", security((), ("bearer" = [])),
    params(("f" = Option<String>, Query, example = "html"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, example = json!({"title": "重庆市", "links": []}))))]
pub(crate) async fn get_landing(
    State(city): State<Arc<City>>,
    _visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let link = |path: &str, rel, kind, zh: &str, en: &str| {
        asked.link(asked.at(path), rel, kind, &Text::new(zh, en))
    };
    let links = vec![
        link("", "self", media::JSON, "本页", "this document"),
        link("?f=html", "alternate", media::HTML, "本页", "this document"),
        link("/api", "service-desc", media::OPENAPI, "接口说明", "description of the interface"),
        link("?f=html", "service-doc", media::HTML, "接口入口", "the interface for people"),
        link("/conformance", "conformance", media::JSON, "符合的标准", "what is conformed to"),
        link("/collections", "data", media::JSON, "集合", "collections"),
    ];
    let title = asked.language.of_text(&city.profile.name);
    let about =
        Text::new("城脉：区域、设备、预警和案件", "Chengmai: areas, devices, warnings and cases");
    let document = features::landing(&title, &asked.language.of_text(&about), &links);
    Ok(asked.document_answer(&city, &title, &document))
}

/// This part of the interface as OpenAPI 3.0, for clients that know only that.
#[utoipa::path(get, path = "/ogc/api", tag = "features", security((), ("bearer" = [])),
    params(("f" = Option<String>, Query, example = "json"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, content_type = "application/vnd.oai.openapi+json;version=3.0",
        example = json!({"openapi": "3.0.3", "paths": {}}))))]
pub(crate) async fn get_description(
    State(city): State<Arc<City>>,
    _visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let title = asked.language.of_text(&city.profile.name);
    let all = Layer::ALL
        .map(|layer| (layer.id(), asked.language.of_text(&layer.words().0), layer.queryables()));
    let document = features::description(&asked.at(""), &title, &all);
    Ok(asked.description_answer(&city, &title, &document))
}

/// What of the standards is kept to.
#[utoipa::path(get, path = "/ogc/conformance", tag = "features", security((), ("bearer" = [])),
    params(("f" = Option<String>, Query, example = "html"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, example = json!({"conformsTo": ["..."]}))))]
pub(crate) async fn get_conformance(
    State(city): State<Arc<City>>,
    _visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let title = asked.language.say("符合的标准", "What is conformed to");
    Ok(asked.document_answer(&city, title, &features::conformance()))
}

/// Collections the caller sees; without an account, those open to everybody.
#[utoipa::path(get, path = "/ogc/collections", tag = "features", security((), ("bearer" = [])),
    params(("f" = Option<String>, Query, example = "html"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, example = json!({"collections": [], "links": []}))))]
pub(crate) async fn list_collections(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let all = Layer::ALL.into_iter().filter_map(|l| l.collection(&city, &visitor, &asked).ok());
    let title = Text::new("集合", "Collections");
    let links = [
        asked.link(asked.at("/collections"), "self", media::JSON, &title),
        asked.link(asked.at("/collections?f=html"), "alternate", media::HTML, &title),
    ];
    let document = features::collections(&all.collect::<Vec<_>>(), &links);
    Ok(asked.document_answer(&city, &asked.language.of_text(&title), &document))
}

/// One collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}", tag = "features", security((), ("bearer" = [])),
    params(("collection" = String, Path, example = "areas"), ("f" = Option<String>, Query, example = "html"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, example = json!({"id": "areas", "links": []}))))]
pub(crate) async fn get_collection(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let collection = layer(&id)?.collection(&city, &visitor, &asked)?;
    let document = features::collection(&collection);
    Ok(asked.document_answer(&city, &collection.title, &document))
}

/// The properties of a collection that may stand in a filter, as a JSON schema.
#[utoipa::path(get, path = "/ogc/collections/{collection}/queryables", tag = "features", security((), ("bearer" = [])),
    params(("collection" = String, Path, example = "areas"), ("f" = Option<String>, Query, example = "json"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, content_type = "application/schema+json",
        example = json!({"type": "object", "properties": {"tier": {"type": "string"}}}))))]
pub(crate) async fn get_queryables(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let asked = Asked::document(&city, &headers, query.as_deref(), false)?;
    let layer = layer(&id)?;
    layer.scope(&visitor)?;
    let address = asked.at(&format!("/collections/{id}/queryables"));
    let title = asked.language.of_text(&layer.words().0);
    let document = features::queryables(&address, &title, &layer.queryables());
    Ok(asked.schema_answer(&city, &title, &document))
}

/// Features of a collection.
///
/// Follow the link `next` until there is none: an answer may hold fewer features than `limit` and still have
/// one, because the work for one answer is bounded. Any property of the queryables may be asked by name.
#[utoipa::path(get, path = "/ogc/collections/{collection}/items", tag = "features", security((), ("bearer" = [])),
    params(("collection" = String, Path, example = "areas"),
        ("limit" = Option<usize>, Query, minimum = 1, maximum = 1000, example = 100),
        ("bbox" = Option<String>, Query, example = "106.4,29.4,106.7,29.7"),
        ("bbox-crs" = Option<String>, Query, example = "[EPSG:4490]"),
        ("crs" = Option<String>, Query, example = "[EPSG:4490]"),
        ("datetime" = Option<String>, Query, example = "2026-11-21T00:00:00Z/.."),
        ("filter" = Option<String>, Query, example = "tier = 'district' AND name LIKE '渝%'"),
        ("filter-lang" = Option<String>, Query, example = "cql2-text"),
        ("filter-crs" = Option<String>, Query, example = "[EPSG:4490]"),
        ("cursor" = Option<String>, Query, example = ""),
        ("f" = Option<String>, Query, example = "json"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, content_type = "application/geo+json",
        example = json!({"type": "FeatureCollection", "numberReturned": 0, "features": [], "links": []}))))]
pub(crate) async fn list_items(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path(id): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let layer = layer(&id)?;
    let scope = layer.scope(&visitor)?;
    let pairs = geo_report::form_fields(query.unwrap_or_default().as_bytes());
    let query = features::collection_query(&pairs, &layer.queryables());
    let query = query.map_err(|fault| refused(&city, &fault))?;
    let asked = Asked::new(&headers, &query.document);
    let is_first = query.cursor.is_none();
    let found = layer.page(&city, scope, query).await?;
    let address = asked.at(&format!("/collections/{id}/items"));
    let title = layer.words().0;
    let link = |change: (&str, &str), rel, kind| Link {
        href: features::changed(&address, &pairs, change),
        rel,
        kind,
        title: asked.language.of_text(&title),
    };
    let mut links = vec![
        link(("f", "json"), "self", media::GEOJSON),
        link(("f", "html"), "alternate", media::HTML),
        asked.link(asked.at(&format!("/collections/{id}")), "collection", media::JSON, &title),
    ];
    links.extend(found.next.iter().map(|next| link(("cursor", next), "next", media::GEOJSON)));
    let whole = is_first && found.next.is_none();
    let page = FeaturePage {
        matched: whole.then_some(found.features.len() as u64),
        features: found.features,
        links,
        at: clock::now(),
    };
    Ok(asked.items_answer(&city, &asked.language.of_text(&title), &page))
}

/// One feature of a collection.
#[utoipa::path(get, path = "/ogc/collections/{collection}/items/{id}", tag = "features", security((), ("bearer" = [])),
    params(("collection" = String, Path, example = "areas"), ("id" = String, Path, example = "500103"),
        ("crs" = Option<String>, Query, example = "[EPSG:4490]"), ("f" = Option<String>, Query, example = "json"), ("lang" = Option<String>, Query, example = "en")),
    responses((status = 200, body = Json, content_type = "application/geo+json",
        example = json!({"type": "Feature", "id": "500103", "geometry": null, "properties": {}}))))]
pub(crate) async fn get_item(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let layer = layer(&collection)?;
    let scope = layer.scope(&visitor)?;
    let asked = Asked::document(&city, &headers, query.as_deref(), true)?;
    let found = layer.find(&city, scope, &id).await?;
    let feature = found.ok_or_else(|| Problem::not_found(format!("{collection} {id}")))?;
    let address = asked.at(&format!("/collections/{collection}"));
    let title = layer.words().0;
    let own = format!("{address}/items/{}", features::segment(&feature.id));
    let links = [
        asked.link(own.clone(), "self", media::GEOJSON, &title),
        asked.link(format!("{own}?f=html"), "alternate", media::HTML, &title),
        asked.link(address, "collection", media::JSON, &title),
    ];
    Ok(asked.item_answer(&city, &feature, &links))
}

/// A refusal of a query, counted.
fn refused(city: &City, fault: &Fault) -> Problem {
    city.counters.refuse(fault.code, 1);
    let mut problem = Problem::new(fault.code, fault.reason.en.clone());
    if fault.byte > 0 {
        let (line, column) = (u64::from(fault.line), u64::from(fault.byte));
        problem.place = Some(crate::http::problem::Place { line, column });
    }
    problem
}

/// The properties of a feature, written in braces.
fn object(json: Json) -> Map<String, Json> {
    match json {
        Json::Object(properties) => properties,
        _ => Map::new(),
    }
}

/// A row of the database is read while others wait, so fewer of them are looked at.
const ROW_STEPS: usize = 50;

/// Most comparisons for one answer: about a quarter of a second.
const STEPS_MAX: usize = 20_000_000;
/// Even with the longest filter some features are looked at.
const LOOKED_AT_MIN: usize = 50;

/// How many features may be looked at for one answer when each takes so many times the usual comparisons:
/// the longer the filter, the fewer.
fn looked_at_max(query: &CollectionQuery, times: usize, most: usize) -> usize {
    let bbox = query.bbox.as_ref().map_or(0, Geometry::cost);
    let cost = 1 + bbox + query.filter.as_ref().map_or(0, Expr::cost);
    (STEPS_MAX / (cost * times)).clamp(LOOKED_AT_MIN, most)
}

/// How much of a list the database gives at once: no more than is asked for when all of it will fit.
fn page_request(query: &CollectionQuery) -> PageRequest {
    let all_fit = query.filter.is_none() && query.bbox.is_none() && query.datetime.is_none();
    let limit = if all_fit { query.limit } else { features::LIMIT_MAX };
    let limit = limit.min(looked_at_max(query, ROW_STEPS, features::LIMIT_MAX));
    PageRequest { limit: u32::try_from(limit).unwrap_or(u32::MAX), cursor: query.cursor.clone() }
}

fn property(name: &'static str, kind: Kind, zh: &str, en: &str) -> Queryable {
    Queryable { name, kind, title: Text::new(zh, en), words: Vec::new() }
}

fn words(name: &'static str, zh: &str, en: &str, words: &[&'static str]) -> Queryable {
    let words = words.iter().map(|&word| word.to_owned()).collect();
    Queryable { words, ..property(name, Kind::Text, zh, en) }
}

/// What a query asks without any doubt, for databases and trees to look in the right place. The whole of it
/// is judged for every feature all the same.
struct Certain<'a>(Vec<&'a Expr>);

impl<'a> Certain<'a> {
    fn of(query: &'a CollectionQuery) -> Self {
        Self(query.filter.iter().flat_map(Expr::conjuncts).collect())
    }

    fn compared(&self, name: &str) -> impl Iterator<Item = (Compare, &'a Value<'static>)> {
        self.0.iter().filter_map(move |part| match part {
            Expr::Compare { property, how, value } if property == name => Some((*how, value)),
            _ => None,
        })
    }

    /// The text that a property must be.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.compared(name).find_map(|(how, value)| match (how, value) {
            (Compare::Equal, Value::Text(text)) => Some(text.as_ref()),
            _ => None,
        })
    }

    /// The first and last moment that a time can be.
    fn times(&self, name: &str) -> (Option<i64>, Option<i64>) {
        let (mut from, mut to) = (None, None);
        for (how, value) in self.compared(name) {
            let Value::Time(at) = value else { continue };
            match how {
                Compare::Greater | Compare::AtLeast => from = from.max(Some(at.0)),
                Compare::Less | Compare::AtMost => to = Some(to.map_or(at.0, |t: i64| t.min(at.0))),
                Compare::Equal => (from, to) = (from.max(Some(at.0)), Some(at.0)),
                Compare::Unequal => {}
            }
        }
        (from, to)
    }

    fn is_null(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Expr::IsNull { property } if property == name))
    }

    /// Places that a feature must meet.
    fn places(&self, query: &'a CollectionQuery) -> Vec<&'a Geometry> {
        let within = self.0.iter().filter_map(|part| match part {
            Expr::Spatial { how: Spatial::Intersects | Spatial::Within, geometry, .. } => {
                Some(geometry)
            }
            _ => None,
        });
        query.bbox.iter().chain(within).collect()
    }

    /// The path of the area that everything asked for lies in; none when that is outside the scope.
    fn area(&self, city: &City, scope: AreaId) -> Option<AreaPath> {
        let named = match self.text("area") {
            None => scope,
            Some(code) => {
                let area = city.areas.find_current(code)?;
                city.areas.contains(scope, area).then_some(area)?
            }
        };
        Some(AreaPath::of(&city.areas, named))
    }
}
