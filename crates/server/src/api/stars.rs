//! Stars 五星评价 of districts, towns, communities and grids, with all that they rest on.
//!
//! Not here: evaluations by period (`evaluation`), the arithmetic (`engine::rating::stars`). Invariant:
//! of areas outside the caller's nothing is told but how many there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::rating::stars::{Lack, Place, Verdict};
use chengmai_model::Tier;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::evaluation::ShareJson;
use crate::city::City;
use crate::city::evaluation::{RatedArea, tier_below};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::problem::{Answer, Problem, TextJson};

/// Stars of which areas.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StarsQuery {
    /// district, town, community or grid; by default the tier just below `area`.
    tier: Option<String>,
    /// Only in this area and below.
    area: Option<String>,
}

/// Where an area stands among its peers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceJson {
    /// The chance to be among the best tenth (as the pack says), 0 to 1: five stars.
    best_outer: f64,
    /// The chance to be in the upper part: four stars.
    best_upper: f64,
    /// The chance to be in the middle: three stars.
    middle: f64,
    /// The chance to be in the lower part: two stars.
    last_upper: f64,
    /// The chance to be among the last: one star.
    last_outer: f64,
    /// The true rate as it is believed to be, on cases of average difficulty.
    rate: f64,
    /// The interval around it.
    #[schema(value_type = Vec<f64>)]
    interval: [f64; 2],
    /// The rank expected; 1 is best, not whole.
    rank: f64,
}

impl From<Place> for PlaceJson {
    fn from(place: Place) -> Self {
        let Place { best_outer, best_upper, middle, last_upper, last_outer, .. } = place;
        let Place { rate, interval, rank, .. } = place;
        Self { best_outer, best_upper, middle, last_upper, last_outer, rate, interval, rank }
    }
}

/// Stars of an area.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AreaStarsJson {
    area: String,
    name: String,
    path: String,
    /// 1 to 5; null: `lack` says why.
    stars: Option<u8>,
    /// few_peers, alike, no_cases, undecided.
    lack: Option<&'static str>,
    lack_text: Option<TextJson>,
    /// With how many it was compared, itself included.
    peers: usize,
    /// Cases handled on time of those it is judged by, as counted.
    on_time: ShareJson,
    /// Of those, how many such cases would be on time over all peers.
    expected: f64,
    place: Option<PlaceJson>,
    /// Further cases on time in a row that would bring four stars, and five; null: out of reach.
    #[schema(value_type = Vec<Option<u32>>)]
    needed: [Option<u32>; 2],
}

/// What stars ask for, in percent.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StarRulesJson {
    certainty: f64,
    outer: f64,
    upper: f64,
    middle: f64,
    interval: f64,
    peers_min: u32,
    cases_max: u32,
    months_max: u32,
    source: String,
}

/// Stars of all areas of a tier.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"tier": "town", "seen_at": "2026-11-22T07:00:00Z", "simulated": true,
    "rules": {"certainty": 80.0, "outer": 10.0, "upper": 30.0, "middle": 20.0, "interval": 90.0, "peers_min": 10, "cases_max": 500, "months_max": 12, "source": "default"},
    "items": [{"area": "500103001", "name": "七星岗街道", "path": "重庆市 / 渝中区 / 七星岗街道", "stars": null, "lack": "undecided",
        "lack_text": {"zh": "证据不足：案件数尚不能确定其位次", "en": "insufficient evidence: the cases do not yet tell its place"}, "peers": 1031,
        "on_time": {"numerator": 47, "denominator": 50, "value": 0.94}, "expected": 45.1,
        "place": {"best_outer": 0.31, "best_upper": 0.6, "middle": 0.35, "last_upper": 0.05, "last_outer": 0.01, "rate": 0.93, "interval": [0.88, 0.97], "rank": 240.5},
        "needed": [40, 120]}], "next_cursor": null, "total": 1}))]
pub(crate) struct StarsJson {
    tier: &'static str,
    seen_at: String,
    /// True in a simulated city.
    simulated: bool,
    rules: StarRulesJson,
    items: Vec<AreaStarsJson>,
    next_cursor: Option<String>,
    total: u64,
}

fn lack_word(lack: Lack) -> &'static str {
    match lack {
        Lack::FewPeers => "few_peers",
        Lack::Alike => "alike",
        Lack::NoCases => "no_cases",
        Lack::Undecided => "undecided",
    }
}

fn area_stars(city: &City, rated: &RatedArea) -> AreaStarsJson {
    let (stars, lack) = match rated.stars.verdict {
        Verdict::Stars(stars) => (Some(stars), None),
        Verdict::Insufficient(lack) => (None, Some(lack)),
    };
    let row = &city.areas.get(rated.area).row;
    AreaStarsJson {
        area: row.code.to_string(),
        name: row.name.clone(),
        path: city.path_names(rated.area),
        stars,
        lack: lack.map(lack_word),
        lack_text: lack.map(|lack| lack.text().into()),
        peers: rated.peers,
        on_time: rated.stars.evidence.raw.into(),
        expected: rated.stars.evidence.expected,
        place: rated.stars.place.map(Into::into),
        needed: rated.needed,
    }
}

/// Stars of the areas of a tier, most first, with the evidence behind them.
#[utoipa::path(get, path = "/api/v1/stars", tag = "evaluation", params(StarsQuery),
    responses((status = 200, body = StarsJson)))]
pub(crate) async fn list_stars(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(query): QueryOf<StarsQuery>,
) -> Answer<Json<StarsJson>> {
    caller.need(Permission::Read)?;
    let within = caller.scope(query.area.as_deref())?;
    let tier = match query.tier.filter(|t| !t.is_empty()) {
        None => tier_below(&city.areas, within),
        Some(word) => {
            Tier::from_word(&word).ok_or_else(|| Problem::bad_query(format!("tier={word}")))?
        }
    };
    let now = clock::now();
    let rated = city.stars(tier, within, now).await?;
    let mut items: Vec<AreaStarsJson> = rated.iter().map(|one| area_stars(&city, one)).collect();
    let rank = |one: &AreaStarsJson| one.place.as_ref().map_or(f64::MAX, |place| place.rank);
    items.sort_by(|a, b| {
        b.stars.cmp(&a.stars).then(rank(a).total_cmp(&rank(b))).then(a.area.cmp(&b.area))
    });
    let rules = &city.profile.ratings.stars;
    Ok(Json(StarsJson {
        tier: tier.word(),
        seen_at: now.to_rfc3339(),
        simulated: city.config.simulated,
        rules: StarRulesJson {
            certainty: rules.certainty,
            outer: rules.outer,
            upper: rules.upper,
            middle: rules.middle,
            interval: rules.interval,
            peers_min: rules.peers_min,
            cases_max: rules.cases_max,
            months_max: rules.months_max,
            source: rules.source.clone(),
        },
        total: items.len() as u64,
        items,
        next_cursor: None,
    }))
}
