//! Cases gathered for evaluations 评价 and stars: read a page at a time, turned into facts, counted.
//!
//! Not here: the formulas (`engine::rating`) and how they are shown (`api::evaluation`, `api::stars`).
//! Invariant: no more than a page of cases is in memory; what is kept of them are counts.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_engine::rating::evidence::{Evidence, Strata};
use chengmai_engine::rating::facts::{CaseFacts, NEVER};
use chengmai_engine::rating::formulas::{Part, Span, Tally, classify, key, roll_up};
use chengmai_engine::rating::gather::{Numbers, class_of, of_case, parts_of, posts_of};
use chengmai_engine::rating::stars::{Peers, UnitStars, peer_groups};
use chengmai_model::area::Tier;
use chengmai_model::case::{Case, CaseId};
use chengmai_model::pack::rating::EvaluationObject;
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, AreaPath, AreaTree, EvaluationPeriod, Formula, Timestamp};
use chengmai_store::records::cases::{CaseScan, NewestCases};

use super::City;
use crate::http::problem::Answer;

/// What is evaluated, over which cases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) area: AreaId,
    pub(crate) object: EvaluationObject,
    pub(crate) period: EvaluationPeriod,
    /// As known at this moment.
    pub(crate) now: Timestamp,
}

impl Asked {
    pub(crate) fn span(&self) -> Span {
        Span::new(self.period, self.now)
    }
}

/// Objects with their counts.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Id of the object and its counts, in order of the id.
    pub(crate) rows: BTreeMap<String, Tally>,
}

/// What the newest cases say of the areas of a tier.
#[derive(Debug)]
pub(crate) struct RatedArea {
    pub(crate) area: AreaId,
    /// How many it was compared with, itself included.
    pub(crate) peers: usize,
    pub(crate) stars: UnitStars,
    /// Good cases in a row that would bring four and five stars.
    pub(crate) needed: [Option<u32>; 2],
}

impl City {
    /// Gives every case that may count in the period to `each`, once; for agencies also each part that
    /// another agency does of it; the last argument is true of parts.
    async fn each_case(
        &self,
        asked: &Asked,
        numbers: &mut Numbers,
        mut each: impl FnMut(&Case, &CaseFacts, &Numbers, bool),
    ) -> Answer<()> {
        let posts = is_post(asked.object);
        let mut scan = CaseScan {
            areas: vec![AreaPath::of(&self.areas, asked.area)],
            from: asked.period.from,
            end: asked.period.to.min(asked.now.plus_ms(1)),
            cursor: None,
        };
        let mut seen: BTreeSet<CaseId> = BTreeSet::new();
        loop {
            let page = self.records.cases().scan(&scan).await?;
            let asked_for = page.items.iter().filter(|_| posts);
            let ids: Vec<CaseId> = asked_for.map(|case| case.id.clone()).collect();
            let histories: BTreeMap<String, _> =
                self.records.cases().histories(&ids).await?.into_iter().collect();
            for case in &page.items {
                if !seen.insert(case.id.clone()) {
                    continue;
                }
                let area = self.area_of(&case.area);
                let mut facts = of_case(case, 0, area, numbers);
                if let Some(events) = histories.get(&case.id.to_string()) {
                    facts.posts = posts_of(events, numbers);
                }
                each(case, &facts, numbers, false);
                if asked.object == EvaluationObject::Agency {
                    for part in parts_of(case, 0, area, numbers) {
                        each(case, &part, numbers, true);
                    }
                }
            }
            match page.next_cursor {
                Some(cursor) => scan.cursor = Some(cursor),
                None => return Ok(()),
            }
        }
    }

    /// The smallest area on the path that there is today.
    fn area_of(&self, path: &AreaPath) -> AreaId {
        let codes: Vec<&str> = path.codes().collect();
        codes.into_iter().rev().find_map(|code| self.areas.find(code)).unwrap_or(AreaId::ROOT)
    }

    /// Counts of all objects. Areas: the one asked for and those just below it, each with all below.
    pub(crate) async fn tallies(&self, asked: &Asked) -> Answer<Tallies> {
        let (mut numbers, mut tallies) = (Numbers::default(), Vec::new());
        let (object, span) = (asked.object, asked.span());
        if object == EvaluationObject::Area {
            tallies.resize(self.areas.len(), Tally::default());
        }
        self.each_case(asked, &mut numbers, |_, facts, _, _| {
            let Some(key) = key(facts, object) else { return };
            let place = key as usize;
            if place >= tallies.len() {
                tallies.resize(place + 1, Tally::default());
            }
            tallies[place].add(&classify(facts, span));
        })
        .await?;
        let mut rows = BTreeMap::new();
        if object == EvaluationObject::Area {
            roll_up(&mut tallies, &self.areas.parents());
            for area in std::iter::once(asked.area).chain(self.areas.children(asked.area)) {
                rows.insert(self.areas.get(area).row.code.to_string(), tallies[area.index()]);
            }
        } else {
            for (name, tally) in names(object, &numbers).iter().zip(tallies) {
                if tally != Tally::default() {
                    rows.insert(name.clone(), tally);
                }
            }
        }
        Ok(Tallies { rows })
    }

    /// Gives every case to `each` that counts for one object, or without an id for any, with its facts.
    pub(crate) async fn each_of(
        &self,
        asked: &Asked,
        id: Option<&str>,
        mut each: impl FnMut(&Case, &CaseFacts, bool),
    ) -> Answer<()> {
        let object = asked.object;
        self.each_case(asked, &mut Numbers::default(), |case, facts, numbers, is_part| {
            let Some(key) = key(facts, object) else { return };
            let counts = match id {
                Some(id) if object != EvaluationObject::Area => {
                    names(object, numbers).get(key as usize).is_some_and(|name| name == id)
                }
                _ => true,
            };
            if counts {
                each(case, facts, is_part);
            }
        })
        .await
    }

    /// Stars of the areas of a tier that lie in `within`. Each is compared with all its peers, also those
    /// outside, of which nothing is told but their number.
    pub(crate) async fn stars(
        &self,
        tier: Tier,
        within: AreaId,
        now: Timestamp,
    ) -> Answer<Vec<RatedArea>> {
        let rules = &self.profile.ratings.stars;
        let strata = self.strata();
        let groups: Vec<((Tier, AreaId), Vec<AreaId>)> = peer_groups(&self.areas)
            .into_iter()
            .filter(|((of, _), units)| {
                *of == tier && units.iter().any(|&unit| self.areas.contains(within, unit))
            })
            .collect();
        let mut places: BTreeMap<AreaId, (usize, usize)> = BTreeMap::new();
        for (group, (_, units)) in groups.iter().enumerate() {
            places.extend(units.iter().enumerate().map(|(unit, &area)| (area, (group, unit))));
        }
        let mut evidence: Vec<Evidence> = groups
            .iter()
            .map(|(_, units)| Evidence::new(units.len(), strata.0.count(), rules.cases_max))
            .collect();
        let months = i64::from(rules.months_max);
        let mut newest = NewestCases {
            areas: groups.iter().map(|((_, top), _)| AreaPath::of(&self.areas, *top)).collect(),
            since: now.plus_ms(-months * MONTH_MS),
            cursor: None,
        };
        let mut numbers = Numbers::default();
        let mut seen: BTreeSet<CaseId> = BTreeSet::new();
        while !evidence.iter().all(Evidence::is_full) {
            let page = self.records.cases().newest(&newest).await?;
            for case in &page.items {
                let area = self.area_of(&case.area);
                let unit = self.areas.at_tier(area, tier).and_then(|unit| places.get(&unit));
                let facts = of_case(case, 0, area, &mut numbers);
                let (Some(&(group, unit)), Some(good)) = (unit, handled_on_time(&facts, now))
                else {
                    continue;
                };
                if seen.insert(case.id.clone()) {
                    evidence[group].add(unit, strata.of(case), good);
                }
            }
            match page.next_cursor {
                Some(cursor) => newest.cursor = Some(cursor),
                None => break,
            }
        }
        let mut rated = Vec::new();
        for ((_, units), evidence) in groups.iter().zip(evidence) {
            let peers = Peers::new(evidence.units(), rules);
            let stars = peers.stars();
            for (unit, (&area, stars)) in units.iter().zip(stars).enumerate() {
                if self.areas.contains(within, area) {
                    let needed = [4, 5].map(|wanted| peers.needed(unit, wanted));
                    rated.push(RatedArea { area, peers: units.len(), stars, needed });
                }
            }
        }
        Ok(rated)
    }

    /// Classes of the city's case types and the seasons; nothing tells sorts of areas apart.
    fn strata(&self) -> CaseStrata {
        let types = self.packs.iter().flat_map(|pack| &pack.case_types);
        let mut classes: Vec<String> = types.map(|t| t.class.clone()).collect();
        classes.sort_unstable();
        classes.dedup();
        let count = u32::try_from(classes.len()).unwrap_or(u32::MAX - 1);
        CaseStrata(Strata { classes: count + 1, seasons: SEASONS, area_sorts: 1 }, classes)
    }
}

/// How stars count months.
const MONTH_MS: i64 = 30 * DAY_MS;
/// Quarters of the year.
const SEASONS: u32 = 4;

/// Numbers of strata, and the classes known.
struct CaseStrata(Strata, Vec<String>);

impl CaseStrata {
    /// Class and season of a case; classes that no pack knows share a number.
    fn of(&self, case: &Case) -> usize {
        let class = self.1.binary_search_by(|class| class.as_str().cmp(class_of(case)));
        let class = u32::try_from(class.unwrap_or(self.1.len())).unwrap_or(0);
        let month = jiff::Timestamp::from_millisecond(case.filed_at.0)
            .map_or(1, |at| at.to_zoned(jiff::tz::TimeZone::UTC).month());
        let season = u32::from(month.unsigned_abs().saturating_sub(1) / 3);
        self.0.number(class, season.min(SEASONS - 1), 0)
    }
}

/// Whether a case was handled on time; `None` while that is open, and of what ended before its deadline.
fn handled_on_time(facts: &CaseFacts, now: Timestamp) -> Option<bool> {
    let always = EvaluationPeriod { from: Timestamp(i64::MIN), to: NEVER };
    let m = classify(facts, Span::new(always, now));
    let formula = Formula::DisposedOnTime;
    m.is(formula, Part::Denominator).then(|| m.is(formula, Part::Numerator))
}

/// True for people.
pub(crate) const fn is_post(object: EvaluationObject) -> bool {
    match object {
        EvaluationObject::Area | EvaluationObject::Agency | EvaluationObject::Class => false,
        EvaluationObject::Collector
        | EvaluationObject::Acceptor
        | EvaluationObject::Dispatcher
        | EvaluationObject::DutyChief => true,
    }
}

fn names(object: EvaluationObject, numbers: &Numbers) -> &[String] {
    match object {
        EvaluationObject::Agency => numbers.agencies.all(),
        EvaluationObject::Class => numbers.classes.all(),
        _ => numbers.people.all(),
    }
}

/// The tier just below an area's own; of a grid its own.
pub(crate) fn tier_below(areas: &AreaTree, area: AreaId) -> Tier {
    let child = areas.children(area).next().unwrap_or(area);
    areas.get(child).row.tier
}
