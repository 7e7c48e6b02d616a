//! Areas 区域: the tree, shapes for the map, overlays across districts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::geometry::Shape;
use chengmai_model::{AreaId, AreaTree, Tier};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging};
use crate::http::problem::{Answer, Problem, TextJson};

/// An area.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"code": "500103", "name": "渝中区", "tier": "district", "parent": "50",
    "center": [106.56, 29.55], "generated": false, "valid_from": "2020-06-30", "valid_to": null,
    "children": 11, "shape": "official", "note": null}))]
pub(crate) struct AreaJson {
    code: String,
    name: String,
    /// city, district, town, community, grid.
    tier: &'static str,
    parent: Option<String>,
    #[schema(value_type = Option<Vec<f64>>)]
    center: Option<[f64; 2]>,
    /// True when the program made it up because no open data exists.
    generated: bool,
    valid_from: Option<String>,
    valid_to: Option<String>,
    children: usize,
    /// official, generated, none.
    shape: &'static str,
    note: Option<String>,
}

pub(crate) fn area_json(areas: &AreaTree, id: AreaId) -> AreaJson {
    let area = areas.get(id);
    let row = &area.row;
    AreaJson {
        code: row.code.to_string(),
        name: row.name.clone(),
        tier: row.tier.word(),
        parent: (id != AreaId::ROOT).then(|| areas.get(area.parent).row.code.to_string()),
        center: row.center,
        generated: row.generated,
        valid_from: row.valid_from.map(|d| d.to_string()),
        valid_to: row.valid_to.map(|d| d.to_string()),
        children: areas.children(id).count(),
        shape: shape_word(areas, id),
        note: row.note.clone(),
    }
}

fn shape_word(areas: &AreaTree, id: AreaId) -> &'static str {
    let row = &areas.get(id).row;
    match (&row.shape, row.center) {
        (Some(_), _) => "official",
        (None, Some(_)) => "generated",
        (None, None) => "none",
    }
}

/// An area with the way down to it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AreaDetail {
    #[serde(flatten)]
    area: AreaJson,
    /// From the city down to its parent.
    ancestors: Vec<Ancestor>,
}

/// One step of the way down.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ancestor {
    code: String,
    name: String,
    tier: &'static str,
}

/// Filters of the list of areas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AreaQuery {
    /// Only direct children of this area.
    parent: Option<String>,
    /// Only this tier: city, district, town, community, grid.
    tier: Option<String>,
    /// Part of the name, or the beginning of the code.
    q: Option<String>,
    /// Only areas valid on this day, YYYY-MM-DD.
    at: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// Areas the caller sees.
#[utoipa::path(get, path = "/api/v1/areas", tag = "areas", params(AreaQuery),
    responses((status = 200, body = Page<AreaJson>)))]
pub(crate) async fn list_areas(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<AreaQuery>,
) -> Answer<Json<Page<AreaJson>>> {
    caller.need(Permission::Read)?;
    let tier = query.tier.as_deref().filter(|t| !t.is_empty()).map(|word| {
        Tier::from_word(word).ok_or_else(|| Problem::bad_query(format!("tier={word}")))
    });
    let tier = tier.transpose()?;
    let scope = caller.scope(query.parent.as_deref())?;
    let (areas, scope) = match query.at.as_deref().filter(|t| !t.is_empty()) {
        None => (Arc::clone(&city.areas), scope),
        Some(text) => on_day(&city, text, scope).await?,
    };
    let children = query.parent.as_deref().is_some_and(|p| !p.is_empty());
    let candidates: Box<dyn Iterator<Item = AreaId>> = if children {
        Box::new(areas.children(scope))
    } else {
        Box::new(areas.subtree(scope).map(AreaId))
    };
    let wanted = candidates.filter(|&id| {
        let row = &areas.get(id).row;
        tier.is_none_or(|t| row.tier == t)
            && query
                .q
                .as_deref()
                .is_none_or(|q| row.name.contains(q) || row.code.as_str().starts_with(q))
    });
    let paging = Paging { limit: query.limit, cursor: query.cursor };
    Ok(Json(paging.page(wanted, |id| area_json(&areas, id))?))
}

/// The tree of another day, and the same area in it.
async fn on_day(city: &City, text: &str, scope: AreaId) -> Answer<(Arc<AreaTree>, AreaId)> {
    let day: jiff::civil::Date =
        text.parse().map_err(|_bad| Problem::bad_query(format!("at={text}")))?;
    let history = Arc::clone(&city.area_history);
    let tree = crate::city::blocking(move || history.on(day)).await?;
    let none = || Problem::not_found(format!("areas on {text}"));
    let tree = tree.map_err(|_no_tree| none())?;
    let scope = tree.find(city.areas.get(scope).row.code.as_str()).ok_or_else(none)?;
    Ok((Arc::new(tree), scope))
}

/// One area and the way down to it.
#[utoipa::path(get, path = "/api/v1/areas/{code}", tag = "areas",
    params(("code" = String, Path, example = "500103")),
    responses((status = 200, body = AreaDetail)))]
pub(crate) async fn get_area(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
) -> Answer<Json<AreaDetail>> {
    caller.need(Permission::Read)?;
    let id = caller.scope(Some(&code))?;
    let mut path = city.areas.path(id);
    path.pop();
    let ancestors = path
        .into_iter()
        .map(|a| {
            let row = &city.areas.get(a).row;
            Ancestor { code: row.code.to_string(), name: row.name.clone(), tier: row.tier.word() }
        })
        .collect();
    Ok(Json(AreaDetail { area: area_json(&city.areas, id), ancestors }))
}

/// The area's outline and its children's, as GeoJSON. Shapes below the district have no open data
/// and are generated; `generated` says so.
#[utoipa::path(get, path = "/api/v1/areas/{code}/shapes", tag = "areas",
    params(("code" = String, Path, example = "500103")),
    responses((status = 200, description = "GeoJSON FeatureCollection", body = Value,
        example = json!({"type": "FeatureCollection", "features": []}))))]
pub(crate) async fn get_shapes(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(code): Path<String>,
) -> Answer<Json<Value>> {
    caller.need(Permission::Read)?;
    let id = caller.scope(Some(&code))?;
    Ok(Json(shapes(&city, id).await?))
}

/// An area's outline and its children's as GeoJSON.
pub(crate) async fn shapes(city: &City, id: AreaId) -> Answer<Value> {
    let areas = Arc::clone(&city.areas);
    let features = crate::city::blocking(move || {
        let mut features = Vec::new();
        if let Some((shape, generated)) = areas.shape_of(id) {
            features.push(feature(&areas, id, "outline", &shape, generated));
        }
        for (child, shape, generated) in areas.child_shapes(id) {
            features.push(feature(&areas, child, "child", &shape, generated));
        }
        features
    })
    .await?;
    Ok(json!({"type": "FeatureCollection", "features": features}))
}

fn feature(areas: &AreaTree, id: AreaId, role: &str, shape: &Shape, generated: bool) -> Value {
    let row = &areas.get(id).row;
    let round = |v: f64| (v * 1e5).round() / 1e5;
    let ring = |ring: &Vec<[f64; 2]>| -> Vec<Value> {
        let closed = ring.iter().chain(ring.first());
        closed.map(|p| json!([round(p[0]), round(p[1])])).collect()
    };
    let polygons: Vec<Vec<Vec<Value>>> =
        shape.polygons.iter().map(|polygon| polygon.iter().map(ring).collect()).collect();
    json!({
        "type": "Feature",
        "id": row.code.as_str(),
        "properties": {
            "code": row.code.as_str(), "name": row.name, "tier": row.tier.word(),
            "role": role, "generated": generated, "center": row.center,
        },
        "geometry": {"type": "MultiPolygon", "coordinates": polygons},
    })
}

/// A set of areas that cuts across the tree.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"code": "core", "name": {"zh": "中心城区", "en": "Core city"}, "members": ["500103", "500104"]}))]
pub(crate) struct OverlayJson {
    code: String,
    name: TextJson,
    members: Vec<String>,
}

/// Overlay areas with the members the caller sees.
#[utoipa::path(get, path = "/api/v1/overlays", tag = "areas",
    responses((status = 200, body = Page<OverlayJson>)))]
pub(crate) async fn list_overlays(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<OverlayJson>>> {
    caller.need(Permission::Read)?;
    let items = city.profile.overlays.iter().filter_map(|overlay| {
        let members: Vec<String> = overlay
            .members
            .iter()
            .filter(|code| city.areas.find(code.as_str()).is_some_and(|id| caller.sees(id)))
            .map(ToString::to_string)
            .collect();
        (!members.is_empty()).then(|| OverlayJson {
            code: overlay.code.to_string(),
            name: (&overlay.name).into(),
            members,
        })
    });
    Ok(Json(Page::whole(items.collect())))
}
