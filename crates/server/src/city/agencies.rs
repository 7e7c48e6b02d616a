//! Agencies 责任单位 in memory, by id. Who answers for a type of case in an area is `engine::case::Responsible`.

use std::collections::BTreeMap;

use chengmai_model::{AreaPath, AreaTree};
use chengmai_store::records::Records;
use chengmai_store::records::agencies::AgencyRow;
use hashbrown::HashSet;

use crate::packs::Loaded;

/// All agencies of the city.
#[derive(Debug, Default)]
pub(crate) struct Agencies(BTreeMap<String, AgencyRow>);

impl Agencies {
    pub(crate) fn new(rows: Vec<AgencyRow>) -> Self {
        Self(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
    }

    pub(crate) fn get(&self, id: &str) -> Option<&AgencyRow> {
        self.0.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &AgencyRow> {
        self.0.values()
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
