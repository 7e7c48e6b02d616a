//! What everybody may see of a case that a citizen reported, and the counts of many of them.
//!
//! Invariants: a place is told as the middle of a cell of [`CELL_M`] or as an area, never as it is;
//! words and photos are shown only after a person on duty took the case up; no count below [`K`] is
//! told.

use std::collections::BTreeMap;

use chengmai_model::case::{Case, CaseState};
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{AreaId, AreaTree, Text, Tier, Timestamp};

use crate::city::{City, path_names};

/// Metres of a degree of latitude.
pub(crate) const DEGREE_M: f64 = 111_320.0;
/// Side of the cells that places are told by, in metres.
pub(crate) const CELL_M: f64 = 150.0;
/// The least number of reports that is told.
pub(crate) const K: u64 = 5;

/// A case as everybody sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PublicCase {
    pub(crate) id: String,
    pub(crate) type_id: String,
    pub(crate) type_name: Text,
    pub(crate) state: CaseState,
    /// Without personal data; none before a person took the case up.
    pub(crate) words: Option<String>,
    pub(crate) agency: Option<Text>,
    /// To the minute.
    pub(crate) reported_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) closed_at: Option<Timestamp>,
    /// Code and names of the town, or of the smallest area above it.
    pub(crate) area: String,
    pub(crate) area_names: String,
    /// The middle of its cell.
    pub(crate) position: Option<[f64; 2]>,
    /// How many more people reported it.
    pub(crate) joined: u32,
    pub(crate) simulated: bool,
}

impl PublicCase {
    pub(crate) fn is_open(&self) -> bool {
        !self.state.is_end()
    }
}

impl City {
    /// The case as everybody sees it; none when no citizen reported it.
    pub(crate) fn public_case(&self, case: &Case) -> Option<PublicCase> {
        case.filing.reporter.as_ref()?;
        let minute = |at: Timestamp| at.window_start(MINUTE_MS, 0);
        let area = town_of(&self.areas, case.area.code());
        Some(PublicCase {
            id: case.id.to_string(),
            type_id: case.filing.type_id.clone(),
            type_name: case.filing.type_name.clone(),
            state: case.state,
            words: is_taken_up(case.state)
                .then(|| super::without_personal_data(&case.filing.description))
                .filter(|words| !words.trim().is_empty()),
            agency: self.agency_name(case).filter(|_| is_taken_up(case.state)),
            reported_at: minute(case.reported_at.unwrap_or(case.filed_at)),
            changed_at: minute(case.changed_at),
            due_at: case.due_at.map(minute),
            closed_at: case.closed_at.map(minute),
            area: self.areas.get(area).row.code.to_string(),
            area_names: path_names(&self.areas, area),
            position: case.filing.position.map(cell),
            joined: case.joined,
            simulated: case.filing.simulated,
        })
    }
}

/// Whether a person on duty has taken it up as something to be done.
pub(crate) const fn is_taken_up(state: CaseState) -> bool {
    !matches!(
        state,
        CaseState::Reported | CaseState::Unverified | CaseState::NotAccepted | CaseState::Cancelled
    )
}

fn town_of(areas: &AreaTree, code: &str) -> AreaId {
    let area = areas.find(code).unwrap_or(AreaId::ROOT);
    areas.at_tier(area, Tier::Town).unwrap_or(area)
}

/// The middle of the cell that a place lies in: all places of a cell are told alike.
pub(crate) fn cell([longitude, latitude]: [f64; 2]) -> [f64; 2] {
    let middle = |value: f64, step: f64| ((value / step).floor() + 0.5) * step;
    let latitude = middle(latitude, CELL_M / DEGREE_M);
    let step = CELL_M / (DEGREE_M * latitude.to_radians().cos().abs().max(0.01));
    let round = |value: f64| (value * 1e5).round() / 1e5;
    [round(middle(longitude, step)), round(latitude)]
}

/// How many reports there are of an area, or of several small ones together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    /// Code of the area.
    pub(crate) area: String,
    /// Whether it stands for those below it that are not told one by one.
    pub(crate) is_rest: bool,
    pub(crate) reports: u64,
}

/// Counts by town of one week. What is below [`K`] is told together with others below the same
/// district, or else the city; and so much more with it that nothing can be found by subtracting.
pub(crate) fn counts(areas: &AreaTree, cases: &[PublicCase]) -> Vec<Count> {
    let mut by_town: BTreeMap<AreaId, u64> = BTreeMap::new();
    for case in cases {
        if let Some(area) = areas.find(&case.area) {
            *by_town.entry(area).or_default() += 1;
        }
    }
    let mut by_district: BTreeMap<AreaId, Vec<(AreaId, u64)>> = BTreeMap::new();
    for (town, n) in by_town {
        let district = areas.at_tier(town, Tier::District).unwrap_or(AreaId::ROOT);
        by_district.entry(district).or_default().push((town, n));
    }
    let mut told = Vec::new();
    let mut rests = Vec::new();
    for (district, towns) in by_district {
        let (shown, rest) = split(towns);
        let code = |id: AreaId| areas.get(id).row.code.to_string();
        told.extend(shown.into_iter().map(|(id, n)| Count {
            area: code(id),
            is_rest: false,
            reports: n,
        }));
        if rest > 0 {
            rests.push((district, rest));
        }
    }
    let (shown, rest) = split(rests);
    let code = |id: AreaId| areas.get(id).row.code.to_string();
    told.extend(shown.into_iter().map(|(id, n)| Count {
        area: code(id),
        is_rest: true,
        reports: n,
    }));
    if rest >= K {
        told.push(Count { area: code(AreaId::ROOT), is_rest: true, reports: rest });
    }
    told
}

/// Those that may be told, and the sum of the others: 0 or, when there are enough, at least [`K`].
pub(super) fn split(mut parts: Vec<(AreaId, u64)>) -> (Vec<(AreaId, u64)>, u64) {
    parts.sort_by_key(|&(id, n)| (n, id));
    let mut rest = 0;
    let mut hidden = 0;
    for &(_, n) in &parts {
        if n >= K && (rest == 0 || rest >= K) {
            break;
        }
        rest += n;
        hidden += 1;
    }
    parts.drain(..hidden);
    parts.sort_by_key(|&(id, _)| id);
    (parts, rest)
}
