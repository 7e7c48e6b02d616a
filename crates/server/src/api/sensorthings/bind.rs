//! What a client's Datastream or MultiDatastream measures, and the device that stands behind it when that
//! is a kind of the packs: so its observations are readings, which indicators and rules see.
//!
//! Behind a MultiDatastream the device has a stream for each part that is of such a kind; of a kind that
//! occurs twice, the first.

use chengmai_model::error;
use chengmai_wire::devices::DeviceRow;
use chengmai_wire::sensorthings::{Entity, Id, Kind, shape};
use serde_json::{Map, Value as Json, json};

use super::read::View;
use super::registry::{self, COMPLEX, KIND, KINDS, MEASUREMENT};
use crate::city::registry::Refused;
use crate::http::problem::{Answer, Problem};

/// The kinds of a MultiDatastream's parts, where they are of any.
pub(super) fn kinds_of(multi: &Entity) -> Vec<Option<&str>> {
    let kinds = multi.fields.get(KINDS).and_then(Json::as_array);
    kinds.into_iter().flatten().map(Json::as_str).collect()
}

impl View<'_> {
    /// The kind of the packs that a Datastream measures: by what its ObservedProperty says it is, or is
    /// called, where unit and sort of result fit.
    pub(super) fn measured(
        &self,
        fields: &Map<String, Json>,
        property: &Map<String, Json>,
    ) -> Answer<Option<String>> {
        let text = |map: &Map<String, Json>, name: &str| {
            map.get(name).and_then(Json::as_str).map(str::to_owned)
        };
        let registry = self.city.registry.read();
        let declared = |name: &str| {
            let kind = registry.kind(registry.kind_index(name)?);
            kind.declared.then_some(kind)
        };
        let said = text(property, "definition").unwrap_or_default();
        let named = registry::definition("");
        let meant = said.strip_prefix(named.as_str());
        let candidates = [meant.map(str::to_owned), Some(said.clone()), text(property, "name")];
        let found = candidates.into_iter().flatten().find_map(|name| declared(&name));
        let Some(kind) = found else {
            return match meant {
                Some(name) => Err(Problem::new(&error::UNKNOWN_KIND, name)),
                None => Ok(None),
            };
        };
        let unit = fields.get("unitOfMeasurement");
        let unit = |name: &str| unit.and_then(|unit| unit.get(name)).and_then(Json::as_str);
        let fits = ["symbol", "name"]
            .into_iter()
            .filter_map(unit)
            .any(|said| *said == *kind.unit || kind.unit_aliases.iter().any(|alias| alias == said));
        let number = text(fields, "observationType").is_some_and(|sort| sort == MEASUREMENT);
        match (fits && number, meant) {
            (true, _) => Ok(Some(kind.name.to_string())),
            (false, Some(_)) => {
                let detail = format!("{} is a number in {}", kind.name, kind.unit);
                Err(Problem::new(&error::WRONG_UNIT, detail))
            }
            (false, None) => Ok(None),
        }
    }

    /// Notes the kinds of a new MultiDatastream's parts; whether there are any.
    pub(super) fn measured_parts(
        &self,
        fields: &mut Map<String, Json>,
        properties: &[Map<String, Json>],
    ) -> Answer<bool> {
        let part = |name: &str, place: usize| {
            fields.get(name).and_then(|list| list.get(place)).cloned().unwrap_or_default()
        };
        let mut kinds: Vec<Option<String>> = Vec::with_capacity(properties.len());
        for (place, property) in properties.iter().enumerate() {
            let own = [
                ("unitOfMeasurement".to_owned(), part("unitOfMeasurements", place)),
                ("observationType".to_owned(), part("multiObservationDataTypes", place)),
            ];
            let measured = self.measured(&own.into_iter().collect(), property)?;
            let again = measured.is_some() && kinds.contains(&measured);
            kinds.push(measured.filter(|_| !again));
        }
        fields.entry("observationType").or_insert_with(|| COMPLEX.into());
        let any = kinds.iter().any(Option::is_some);
        if any {
            fields.insert(KINDS.to_owned(), json!(kinds));
        }
        Ok(any)
    }

    /// Registers the device behind a Datastream or MultiDatastream, or tells the registry where it is now.
    /// Within a set of changes that is done when all else has been.
    pub(super) async fn bind(&self, datastream: i64) -> Answer<()> {
        if let Some(set) = self.set {
            set.bind(datastream);
            return Ok(());
        }
        let id = Id::Number(datastream);
        let mut found = self.find(Kind::Datastream, &id).await?;
        if found.is_none() {
            found = self.find(Kind::MultiDatastream, &id).await?;
        }
        // It may have been removed again.
        let Some(entity) = found else { return Ok(()) };
        let own = entity.fields.get(KIND).and_then(Json::as_str);
        let parts = kinds_of(&entity);
        let kinds: Vec<String> =
            own.into_iter().chain(parts.into_iter().flatten()).map(str::to_owned).collect();
        if kinds.is_empty() {
            return Ok(());
        }
        let area = self.area_of_known(&entity).await?;
        let position = self.position_of(&entity).await?;
        let name = match entity.kind {
            Kind::MultiDatastream => registry::parts_name(datastream),
            _ => registry::backing_name(datastream),
        };
        let row = DeviceRow {
            line: 1,
            id: name,
            kinds,
            title: entity.fields.get("name").and_then(Json::as_str).map(str::to_owned),
            area: chengmai_model::AreaCode::new(area.code()),
            position,
            agency: None,
            period_ms: 0,
            simulated: false,
        };
        self.city.registry.write().import(&row, self.caller.area, self.now).map_err(|refused| {
            let Refused { code, detail } = refused;
            Problem::new(code, detail)
        })?;
        self.city.registrations_durable().await
    }

    /// Where the Thing of a Datastream is.
    async fn position_of(&self, datastream: &Entity) -> Answer<Option<[f64; 2]>> {
        let location = self.location_of(datastream).await?;
        let shape = location.as_ref().and_then(|at| at.fields.get("location")).and_then(shape);
        Ok(shape.and_then(|shape| shape.middle()))
    }

    /// The Location of the Thing of a Datastream.
    pub(super) async fn location_of(&self, datastream: &Entity) -> Answer<Option<Entity>> {
        let mut at = datastream.clone();
        for to in [Kind::Thing, Kind::Location] {
            let Some(way) = at.kind.way_to(to) else { return Ok(None) };
            let found = self.neighbours(std::slice::from_ref(&at), way).await?;
            match found.into_iter().flatten().next() {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }
}
