//! The pack's `districts.geojson`: a plain GeoJSON FeatureCollection, so that any map tool opens it.
//!
//! Only what our own generator writes is read here: polygons with an id and a name. Foreign files
//! come in through `wire`.

use serde::Deserialize;

use crate::AreaCode;
use crate::Text;
use crate::area::{AreaFault, Boundary};
use crate::geometry::{Polygon, Shape, same_point};

#[derive(Deserialize)]
struct Collection {
    features: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    id: AreaCode,
    #[serde(default)]
    properties: Properties,
    geometry: Geometry,
}

#[derive(Deserialize, Default)]
struct Properties {
    name: Option<String>,
    center: Option<[f64; 2]>,
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "coordinates")]
enum Geometry {
    Polygon(Polygon),
    MultiPolygon(Vec<Polygon>),
}

/// The boundaries, numbered from 1.
pub(super) fn boundaries(file: &str, text: &str) -> Result<Vec<Boundary>, AreaFault> {
    let collection: Collection = serde_json::from_str(text).map_err(|error| {
        let line = u32::try_from(error.line()).unwrap_or(0);
        AreaFault {
            line,
            reason: Text::new(
                format!("{file} 无法读取：{error}"),
                format!("{file} cannot be read: {error}"),
            ),
        }
    })?;
    Ok((1..).zip(collection.features).map(|(line, feature)| boundary(line, feature)).collect())
}

fn boundary(line: u32, feature: Feature) -> Boundary {
    let mut polygons = match feature.geometry {
        Geometry::Polygon(polygon) => vec![polygon],
        Geometry::MultiPolygon(polygons) => polygons,
    };
    for ring in polygons.iter_mut().flatten() {
        if ring.len() > 1 && same_point(ring[0], ring[ring.len() - 1]) {
            ring.pop();
        }
    }
    Boundary {
        line,
        code: Some(feature.id),
        name: feature.properties.name,
        center: feature.properties.center,
        shape: Shape { polygons },
    }
}
