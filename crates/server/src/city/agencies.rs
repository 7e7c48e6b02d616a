//! Agencies 责任单位 in memory, by id. Who answers for a type of case in an area is `engine::case::Responsible`.

use std::collections::BTreeMap;

use chengmai_store::records::agencies::AgencyRow;

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
