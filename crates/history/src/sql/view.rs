//! What one asker sees: the tree of areas, and the part of it that is theirs. Every table goes through
//! here before it yields a row.

use std::sync::Arc;

use chengmai_model::{AreaId, AreaTree, Tier};

use super::Directory;

/// The eyes of one asker.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) areas: Arc<AreaTree>,
    pub(super) scope: AreaId,
    pub(super) directory: Arc<dyn Directory>,
}

impl View {
    /// True when everything is seen, rows of areas that are no longer in the tree too.
    pub(super) fn sees_all(&self) -> bool {
        self.scope == AreaId::ROOT
    }

    /// True when the area is the asker's own or below it.
    pub(super) fn sees(&self, area: AreaId) -> bool {
        self.areas.contains(self.scope, area)
    }

    /// Whether rows of an area by this code are seen, and which area it is, if it still exists.
    pub(super) fn place(&self, code: &str) -> (bool, Option<AreaId>) {
        let area = self.areas.find(code);
        (area.map_or_else(|| self.sees_all(), |area| self.sees(area)), area)
    }

    /// Whether a file may have rows that are seen, by the district whose rows it holds.
    pub(super) fn may_see(&self, district: Option<&str>) -> bool {
        let Some(district) = district.filter(|_| !self.sees_all()) else { return true };
        self.areas.find(district).is_some_and(|district| {
            self.sees(district) || self.areas.contains(district, self.scope)
        })
    }

    /// Areas of the asker, in pre-order.
    pub(super) fn visible(&self) -> impl Iterator<Item = AreaId> {
        let all = if self.areas.is_empty() { 0..0 } else { self.areas.subtree(self.scope) };
        all.map(AreaId)
    }

    /// First and last of the asker's codes in the order of text; none when everything is seen.
    pub(super) fn codes(&self) -> Option<(String, String)> {
        if self.sees_all() {
            return None;
        }
        let codes = || self.visible().map(|area| self.areas.get(area).row.code.as_str());
        Some((codes().min()?.to_owned(), codes().max()?.to_owned()))
    }

    pub(super) fn name(&self, area: AreaId) -> &str {
        &self.areas.get(area).row.name
    }

    pub(super) fn code(&self, area: AreaId) -> &str {
        self.areas.get(area).row.code.as_str()
    }

    /// The code of the area on a tier that holds `area`.
    pub(super) fn code_at(&self, area: AreaId, tier: Tier) -> Option<&str> {
        self.areas.at_tier(area, tier).map(|found| self.code(found))
    }
}
