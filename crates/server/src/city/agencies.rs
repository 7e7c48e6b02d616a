//! Agencies 责任单位 in memory: who answers for a type of case in an area.

use std::collections::BTreeMap;

use chengmai_model::{AreaPath, AreaTree};
use chengmai_store::records::Records;
use chengmai_store::records::agencies::AgencyRow;
use hashbrown::HashSet;

use crate::packs::Loaded;

/// All agencies of the city.
#[derive(Debug, Default)]
pub(crate) struct Agencies {
    by_id: BTreeMap<String, AgencyRow>,
    /// Kind and area code to id.
    by_place: BTreeMap<(String, String), String>,
}

impl Agencies {
    pub(crate) fn new(rows: Vec<AgencyRow>) -> Self {
        let mut agencies = Self::default();
        for row in rows {
            let place = (row.kind.clone(), row.area.code().to_owned());
            agencies.by_place.insert(place, row.id.clone());
            agencies.by_id.insert(row.id.clone(), row);
        }
        agencies
    }

    pub(crate) fn get(&self, id: &str) -> Option<&AgencyRow> {
        self.by_id.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &AgencyRow> {
        self.by_id.values()
    }

    /// The agency of that kind which looks after the smallest area around `area`.
    pub(crate) fn route(&self, kind: &str, area: &AreaPath) -> Option<&AgencyRow> {
        let codes: Vec<&str> = area.codes().collect();
        let id = codes
            .into_iter()
            .rev()
            .find_map(|code| self.by_place.get(&(kind.to_owned(), code.to_owned())))?;
        self.by_id.get(id)
    }
}

/// Brings the records up to what the city's profile says, and reads them.
pub(super) async fn sync(
    records: &Records,
    loaded: &Loaded,
    areas: &AreaTree,
) -> anyhow::Result<Agencies> {
    let rows: Vec<AgencyRow> = loaded
        .profile
        .agencies(areas)
        .into_iter()
        .filter_map(|agency| {
            let area = areas.find(agency.area.as_str())?;
            Some(AgencyRow {
                id: agency.id,
                name: agency.name,
                kind: agency.kind,
                area: AreaPath::of(areas, area),
                person: None,
            })
        })
        .collect();
    let known = records.agencies().all().await?;
    let ids: HashSet<&str> = known.iter().map(|row| row.id.as_str()).collect();
    let places: HashSet<(&str, &AreaPath)> =
        known.iter().map(|row| (row.kind.as_str(), &row.area)).collect();
    // An agency goes on when the code of its area changes, though its id may be made of the old one.
    let goes_on = |row: &AgencyRow| {
        !ids.contains(row.id.as_str()) && places.contains(&(row.kind.as_str(), &row.area))
    };
    let changed: Vec<AgencyRow> =
        rows.into_iter().filter(|row| !known.contains(row) && !goes_on(row)).collect();
    records.agencies().upsert(&changed).await?;
    Ok(Agencies::new(records.agencies().all().await?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chengmai_model::Text;

    fn agency(id: &str, kind: &str, path: &str) -> AgencyRow {
        AgencyRow {
            id: id.to_owned(),
            name: Text::new(id, id),
            kind: kind.to_owned(),
            area: AreaPath::parse(path).unwrap(),
            person: None,
        }
    }

    #[test]
    fn the_nearest_agency_of_the_kind_is_found() {
        let agencies = Agencies::new(vec![
            agency("gas-city", "gas", "/50/"),
            agency("gas-yz", "gas", "/50/500103/"),
            agency("water-yz", "water", "/50/500103/"),
        ]);
        let route = |kind, path: &str| {
            agencies.route(kind, &AreaPath::parse(path).unwrap()).map(|a| a.id.as_str())
        };
        assert_eq!(route("gas", "/50/500103/500103001/"), Some("gas-yz"));
        assert_eq!(route("gas", "/50/500104/"), Some("gas-city"));
        assert_eq!(route("water", "/50/500104/"), None);
    }
}
