//! Vector tiles under `/tiles`: areas, devices and open cases for maps, and TileJSON that describes them. The
//! bytes are `wire::vector_tile`, the way to the devices of a tile is `city::points`.
//!
//! Where a tile holds more things than can be told apart, it tells how many lie in each cell instead.
//! Invariants: as in `features`: areas are open to everybody, devices and cases need `read` and are those of
//! the caller's area; a tile has at most [`POINTS_MAX`] points, or counts of 16 × 16 cells.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chengmai_engine::Engine;
use chengmai_model::geometry::Bounds;
use chengmai_model::{AreaId, DeviceId, Tier, error};
use chengmai_wire::geo_report;
use chengmai_wire::vector_tile::{EXTENT, LayerWriter, MEDIA, Tile, Value};
use serde_json::{Value as Json, json};
use twox_hash::XxHash3_128;

use super::devices::status;
use crate::city::points::Place;
use crate::city::registry::{Device, Registry};
use crate::city::{City, blocking};
use crate::http::access::{Permission, Visitor};
use crate::http::extract;
use crate::http::problem::{Answer, Problem};

/// Most things that a tile shows one by one.
const POINTS_MAX: usize = 1_000;
/// A tile of more has two to the power of this many cells a side.
const CELL_BITS: u8 = 4;
/// Beyond this zoom clients enlarge what they have.
const ZOOM_MAX: u8 = 18;
/// From which zoom on a tier's outlines are drawn: about when one fills a tenth of a screen.
const TIER_ZOOMS: [(Tier, u8); 5] = [
    (Tier::City, 0),
    (Tier::District, 5),
    (Tier::Town, 9),
    (Tier::Community, 11),
    (Tier::Grid, 13),
];
/// Seconds after which a map asks again: outlines stay, devices and cases change.
const OUTLINES_AGE_S: u32 = 3_600;
const THINGS_AGE_S: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Areas,
    Devices,
    Cases,
}

impl Layer {
    fn find(id: &str) -> Answer<Self> {
        let all = [Self::Areas, Self::Devices, Self::Cases];
        let found = all.into_iter().find(|layer| layer.id() == id);
        found.ok_or_else(|| Problem::new(&error::TILE_ADDRESS, id))
    }

    const fn id(self) -> &'static str {
        match self {
            Self::Areas => "areas",
            Self::Devices => "devices",
            Self::Cases => "cases",
        }
    }

    fn fields(self) -> Json {
        match self {
            Self::Areas => json!({"code": "area code", "name": "name",
                "tier": "city, district, town, community, grid", "generated": "the outline is made up"}),
            Self::Devices => json!({"id": "device", "kind": "kind of its first stream",
                "status": "0 online, 1 offline, 2 fault, 3 never", "severity": "worst alarm that stands, 0 to 4",
                "count": "of a cell instead of the others: how many devices lie in it"}),
            Self::Cases => json!({"id": "case", "state": "how it stands", "severity": "1 to 4",
                "count": "of a cell instead of the others: how many open cases lie in it"}),
        }
    }

    /// The area asked for, inside what the visitor may see of this layer.
    fn scope(self, city: &City, visitor: &Visitor, query: Option<&str>) -> Answer<AreaId> {
        let pairs = geo_report::form_fields(query.unwrap_or_default().as_bytes());
        if let Some((name, _)) = pairs.iter().find(|(name, _)| name != "area") {
            return Err(Problem::bad_query(name));
        }
        let code = pairs.first().map(|(_, code)| code.as_str()).filter(|code| !code.is_empty());
        match (&visitor.0, self) {
            (Some(caller), _) => {
                caller.need(Permission::Read)?;
                caller.scope(code)
            }
            (None, Self::Areas) => code.map_or(Ok(AreaId::ROOT), |code| {
                city.areas.find(code).ok_or_else(|| Problem::not_found(format!("area {code}")))
            }),
            (None, _) => Err(Problem::new(&error::SIGN_IN, self.id())),
        }
    }
}

/// What a layer's tiles hold, where they lie and how to ask for them (TileJSON 3).
#[utoipa::path(get, path = "/tiles/{file}", tag = "features", security((), ("bearer" = [])),
    params(("file" = String, Path, example = "areas.json"), ("area" = Option<String>, Query, example = "500103")),
    responses((status = 200, body = Json, example = json!({"tilejson": "3.0.0", "tiles": ["/tiles/areas/{z}/{x}/{y}.mvt"], "vector_layers": []}))))]
pub(crate) async fn get_tile_json(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path(file): Path<String>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let id = file.strip_suffix(".json").unwrap_or_default();
    let layer = Layer::find(id)?;
    let scope = layer.scope(&city, &visitor, query.as_deref())?;
    let bounds = city.outlines.of(&city.areas, scope).and_then(|outline| outline.shape.bounds());
    let bounds = bounds.unwrap_or(Bounds { min: [-180.0, -85.0], max: [180.0, 85.0] });
    let query = query.filter(|query| !query.is_empty()).map(|query| format!("?{query}"));
    let tiles = format!(
        "{}/tiles/{id}/{{z}}/{{x}}/{{y}}.mvt{}",
        extract::base(&headers),
        query.unwrap_or_default()
    );
    let document = json!({
        "tilejson": "3.0.0",
        "name": format!("{} · {id}", city.profile.name.en),
        "tiles": [tiles],
        "minzoom": 0,
        "maxzoom": ZOOM_MAX,
        "bounds": [bounds.min[0], bounds.min[1], bounds.max[0], bounds.max[1]],
        "vector_layers": [{"id": id, "fields": layer.fields(), "minzoom": 0, "maxzoom": ZOOM_MAX}],
    });
    let kind = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "private")];
    Ok((kind, document.to_string()).into_response())
}

/// A tile of a layer (Mapbox Vector Tile 2.1).
///
/// One layer of the same name. `area` narrows it to an area and what lies below. The tag of an answer changes
/// when the tile does.
#[utoipa::path(get, path = "/tiles/{layer}/{z}/{x}/{file}", tag = "features", security((), ("bearer" = [])),
    params(("layer" = String, Path, example = "areas"), ("z" = u8, Path, example = 10), ("x" = u32, Path, example = 815),
        ("file" = String, Path, example = "423.mvt"), ("area" = Option<String>, Query, example = "500103")),
    responses((status = 200, description = "a tile; without bytes where nothing is"), (status = 304, description = "the tile is as it was")))]
pub(crate) async fn get_map_tile(
    State(city): State<Arc<City>>,
    visitor: Visitor,
    Path((layer, z, x, file)): Path<(String, String, String, String)>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Answer<Response> {
    let layer = Layer::find(&layer)?;
    let tile = tile(&z, &x, &file);
    let tile = tile.ok_or_else(|| Problem::new(&error::TILE_ADDRESS, format!("{z}/{x}/{file}")))?;
    let scope = layer.scope(&city, &visitor, query.as_deref())?;
    let bytes = blocking(move || match layer {
        Layer::Areas => areas(&city, scope, tile),
        Layer::Devices => devices(&city, scope, tile),
        Layer::Cases => cases(&city, scope, tile),
    });
    let age_s = if layer == Layer::Areas { OUTLINES_AGE_S } else { THINGS_AGE_S };
    Ok(answer(bytes.await?, age_s, &headers))
}

fn tile(z: &str, x: &str, file: &str) -> Option<Tile> {
    let zoom = z.parse().ok().filter(|&zoom| zoom <= ZOOM_MAX)?;
    Tile::new(zoom, x.parse().ok()?, file.strip_suffix(".mvt")?.parse().ok()?)
}

fn answer(bytes: Vec<u8>, age_s: u32, headers: &HeaderMap) -> Response {
    // Weak, because what goes over the wire may be compressed.
    let tag = format!("W/\"{:032x}\"", XxHash3_128::oneshot(&bytes));
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, MEDIA)], bytes).into_response()
    };
    let texts = [
        (header::ETAG, tag),
        (header::CACHE_CONTROL, format!("private, max-age={age_s}")),
        (header::VARY, "Authorization, Cookie, Accept-Encoding".to_owned()),
    ];
    for (name, text) in texts {
        response.headers_mut().extend(HeaderValue::from_str(&text).ok().map(|value| (name, value)));
    }
    response
}

fn areas(city: &City, scope: AreaId, tile: Tile) -> Vec<u8> {
    let mut layer = LayerWriter::new(Layer::Areas.id());
    let seen = tile.bounds();
    let mut left = vec![scope];
    while let Some(id) = left.pop() {
        let area = city.areas.get(id);
        if let Some(outline) = city.outlines.of(&city.areas, id) {
            if !outline.shape.bounds().is_some_and(|bounds| overlap(bounds, seen)) {
                continue;
            }
            if is_drawn(area.row.tier, tile) {
                let text = |text: &str| Value::Text(text.to_owned());
                let properties = [
                    ("code", text(area.row.code.as_str())),
                    ("name", text(&area.row.name)),
                    ("tier", text(area.row.tier.word())),
                    ("generated", Value::Boolean(outline.generated)),
                ];
                let polygons = tile.polygons(&outline.shape);
                layer.polygons(Some(u64::from(id.0)), &polygons, &properties);
            }
        }
        let drawn = |&child: &AreaId| is_drawn(city.areas.get(child).row.tier, tile);
        left.extend(city.areas.children(id).filter(drawn));
    }
    layer.finish()
}

fn is_drawn(tier: Tier, tile: Tile) -> bool {
    TIER_ZOOMS.iter().any(|&(one, zoom)| one == tier && zoom <= tile.zoom())
}

fn overlap(a: Bounds, b: Bounds) -> bool {
    (0..2).all(|axis| a.min[axis] <= b.max[axis] && b.min[axis] <= a.max[axis])
}

fn devices(city: &City, scope: AreaId, tile: Tile) -> Vec<u8> {
    let index = city.points.now(&city.registry);
    let areas = city.areas.subtree(scope);
    let inside = index.on(tile).iter().filter(|entry| areas.contains(&entry.area.0));
    let mut layer = LayerWriter::new(Layer::Devices.id());
    if inside.clone().nth(POINTS_MAX).is_some() {
        counts(&mut layer, tile, inside.map(|entry| entry.place));
        return layer.finish();
    }
    let registry = city.registry.read();
    let engine = city.engine.read();
    for entry in inside {
        let device = registry.device(entry.device);
        // It may have moved since the index was made.
        if areas.contains(&device.area().0) {
            point(&mut layer, tile, (entry.device, device), &registry, &engine);
        }
    }
    layer.finish()
}

fn point(
    layer: &mut LayerWriter,
    tile: Tile,
    (id, device): (DeviceId, Device<'_>),
    registry: &Registry,
    engine: &Engine,
) {
    let Some(at) = device.position() else { return };
    let state = match status(engine, device).0 {
        "online" => 0,
        "offline" => 1,
        "fault" => 2,
        _ => 3,
    };
    let kind = device.streams().next().map(|stream| registry.stream(stream).kind);
    let kind = kind.map_or("", |kind| &*registry.kind(kind).name);
    let severity = device.streams().map(|s| engine.stream(s).severity).max().unwrap_or(0);
    let properties = [
        ("id", Value::Text(device.name().to_owned())),
        ("kind", Value::Text(kind.to_owned())),
        ("status", Value::Number(state)),
        ("severity", Value::Number(u64::from(severity))),
    ];
    layer.point(Some(u64::from(id.0)), tile.local(at).map(whole), &properties);
}

fn cases(city: &City, scope: AreaId, tile: Tile) -> Vec<u8> {
    let areas = city.areas.subtree(scope);
    let [from, to] = Place::on(tile);
    let mut found = Vec::new();
    city.book.each_case(|id, case| {
        let Some(position) = case.position.filter(|_| areas.contains(&case.area.0)) else { return };
        let place = Place::of(position);
        if from <= place && place < to {
            found.push((place, id.to_owned(), *case, position));
        }
    });
    found.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut layer = LayerWriter::new(Layer::Cases.id());
    if found.len() > POINTS_MAX {
        counts(&mut layer, tile, found.iter().map(|one| one.0));
        return layer.finish();
    }
    for (_, id, case, position) in found {
        let properties = [
            ("id", Value::Text(id)),
            ("state", Value::Text(case.state.word().to_owned())),
            ("severity", Value::Number(u64::from(case.severity.number()))),
        ];
        layer.point(None, tile.local(position).map(whole), &properties);
    }
    layer.finish()
}

/// How many lie in each cell, told at the middle of where they are.
fn counts(layer: &mut LayerWriter, tile: Tile, places: impl Iterator<Item = Place>) {
    let mut cell = Cell::default();
    for place in places {
        let number = place.cell(tile.zoom(), CELL_BITS);
        if cell.count > 0 && cell.number != number {
            cell.write(layer, tile);
            cell = Cell::default();
        }
        let [x, y] = place.steps();
        cell =
            Cell { number, count: cell.count + 1, steps: [cell.steps[0] + x, cell.steps[1] + y] };
    }
    if cell.count > 0 {
        cell.write(layer, tile);
    }
}

/// What lies in a cell.
#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    number: u64,
    count: u64,
    /// Of all together.
    steps: [u64; 2],
}

impl Cell {
    fn write(self, layer: &mut LayerWriter, tile: Tile) {
        let middle = self.steps.map(|steps| steps as f64 / self.count as f64 + 0.5);
        let at = Place::local(middle, tile).map(whole);
        layer.point(None, at, &[("count", Value::Number(self.count))]);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what lies on a tile is within its extent")]
fn whole(part: f64) -> i32 {
    part.clamp(0.0, f64::from(EXTENT)).floor() as i32
}
