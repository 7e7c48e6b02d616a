//! Where entities must be: `georel`, `geometry`, `coordinates`, `geoproperty`.
//!
//! Not here: geometries themselves (`sensorthings::shape`). Lines are straight in degrees, as everywhere in
//! GeoJSON; `near` is in metres.

use chengmai_model::error::NGSI_QUERY;
use serde_json::{Value as Json, json};

use super::{Context, Entity, Kind, NAMESPACE, bad};
use crate::error::{Fault, quote};
use crate::sensorthings::{Lie, Shape, shape};

/// What is asked of places.
#[derive(Debug, Clone, PartialEq)]
pub struct GeoQuery {
    how: How,
    shape: Shape,
    /// Whole name of the attribute that says where.
    property: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum How {
    Lie(Lie),
    Within(f64),
    Beyond(f64),
}

impl GeoQuery {
    /// From its four parts; the geometry's coordinates as JSON.
    ///
    /// # Errors
    /// [`NGSI_QUERY`] with the part that is not right.
    pub fn new(
        georel: &str,
        geometry: &str,
        coordinates: &Json,
        geoproperty: Option<&str>,
        context: &Context,
    ) -> Result<Self, Fault> {
        let how = how(georel)?;
        let made = shape(&json!({"type": geometry, "coordinates": coordinates}));
        let shape = made.filter(Shape::is_on_earth).ok_or_else(|| {
            let (zh, en) = (
                "geometry 与 coordinates 不是 GeoJSON 几何",
                "geometry and coordinates are no geometry of GeoJSON",
            );
            bad(&NGSI_QUERY, zh, en)
        })?;
        let property =
            geoproperty.map_or_else(|| format!("{NAMESPACE}location"), |name| context.expand(name));
        Ok(Self { how, shape, property })
    }

    /// Whether it is about where entities usually say they are.
    pub fn is_of_location(&self) -> bool {
        self.property.strip_prefix(NAMESPACE) == Some("location")
    }

    /// Whether an entity fits.
    pub fn holds(&self, entity: &Entity) -> bool {
        let all = entity.attributes.get(&self.property).map(Vec::as_slice).unwrap_or_default();
        let places = all.iter().filter(|one| one.kind == Kind::GeoProperty);
        places.filter_map(|one| shape(&one.value)).any(|place| self.fits(&place))
    }

    /// Whether a point fits.
    pub fn fits_point(&self, position: [f64; 2]) -> bool {
        shape(&json!({"type": "Point", "coordinates": position})).is_some_and(|one| self.fits(&one))
    }

    fn fits(&self, place: &Shape) -> bool {
        match self.how {
            How::Lie(how) => place.lies(how, &self.shape),
            How::Within(metres) => place.metres(&self.shape) <= metres,
            How::Beyond(metres) => place.metres(&self.shape) >= metres,
        }
    }
}

fn how(georel: &str) -> Result<How, Fault> {
    let wrong = || {
        let shown = quote(georel.as_bytes());
        let (zh, en) = (
            format!("georel `{shown}` 应为 near;maxDistance==米、within 等"),
            format!("georel `{shown}` is none of near;maxDistance==metres, within and so on"),
        );
        bad(&NGSI_QUERY, zh, en)
    };
    if let Some(distance) = georel.strip_prefix("near;") {
        let (word, number) = distance.split_once('=').ok_or_else(wrong)?;
        let number = number.strip_prefix('=').unwrap_or(number);
        let metres = number.parse::<f64>().ok().filter(|m| m.is_finite() && *m >= 0.0);
        let metres = metres.ok_or_else(wrong)?;
        return match word {
            "maxDistance" => Ok(How::Within(metres)),
            "minDistance" => Ok(How::Beyond(metres)),
            _ => Err(wrong()),
        };
    }
    Ok(How::Lie(match georel {
        "equals" => Lie::Equals,
        "disjoint" => Lie::Disjoint,
        "intersects" => Lie::Intersects,
        "within" => Lie::Within,
        "contains" => Lie::Contains,
        "overlaps" => Lie::Overlaps,
        _ => return Err(wrong()),
    }))
}
