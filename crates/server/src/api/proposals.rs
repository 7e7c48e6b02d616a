//! What a report is about, whose work it is, and whether it is there already, proposed; and the learning
//! behind it. Nothing here changes a case.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chengmai_engine::case::Responsible;
use chengmai_model::case::Case;
use chengmai_model::{AreaId, AreaPath, error};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::city::City;
use crate::city::triage::LikelyType;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::problem::{Answer, Problem, TextJson};

/// Letters of a text that are looked at.
const TEXT_LEN_MAX: usize = 4_000;

/// A report, as far as it is written.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"text": "人民路小学门口井盖不见了", "position": [106.5701, 29.5602], "type": "manhole_missing"}))]
pub(crate) struct ProposalBody {
    text: String,
    /// Longitude and latitude; without it nothing near is looked for.
    #[schema(value_type = Option<Vec<f64>>)]
    position: Option<[f64; 2]>,
    /// Code of the area, where there is no position; the caller's own if absent.
    area: Option<String>,
    /// The case type, if it was chosen already.
    r#type: Option<String>,
    /// The case it is about: it is not proposed as the same as itself.
    case: Option<String>,
}

/// A type that the report may have.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"type": "manhole_missing", "name": {"zh": "井盖缺失", "en": "Manhole cover missing"}, "probability": 0.83}))]
pub(crate) struct LikelyJson {
    r#type: String,
    name: TextJson,
    probability: f32,
}

impl From<&LikelyType> for LikelyJson {
    fn from(likely: &LikelyType) -> Self {
        Self {
            r#type: likely.id.clone(),
            name: (&likely.name).into(),
            probability: likely.probability,
        }
    }
}

/// Whose work it is, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "power_company-500103", "name": {"zh": "渝中区供电公司", "en": "Yuzhong Power Company"},
    "municipal": false, "owner": {"zh": "国网电力", "en": "State Grid"},
    "reason": {"zh": "职责表：电力井盖归供电公司（文字提到“供电”）", "en": "Table of responsibilities: power covers are the power company's (the words name \"供电\")"}}))]
pub(crate) struct ResponsibleJson {
    id: String,
    name: TextJson,
    /// False for owners such as power, telecom and railway companies.
    municipal: bool,
    owner: Option<TextJson>,
    reason: TextJson,
}

/// A case that may be the same.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "500103-20261121-00001", "type_name": {"zh": "井盖缺失", "en": "Manhole cover missing"},
    "description": "井盖没了", "state": "filed", "state_name": {"zh": "已立案", "en": "Filed"},
    "reported_at": "2026-11-21T03:04:05.678Z", "joined": 2, "probability": 0.91}))]
pub(crate) struct NearJson {
    id: String,
    type_name: TextJson,
    description: String,
    state: &'static str,
    state_name: TextJson,
    reported_at: String,
    joined: u32,
    probability: f32,
}

impl NearJson {
    fn new(case: &Case, probability: f32) -> Self {
        Self {
            id: case.id.to_string(),
            type_name: (&case.filing.type_name).into(),
            description: case.filing.description.clone(),
            state: case.state.word(),
            state_name: case.state.name().into(),
            reported_at: case.reported_at.unwrap_or(case.filed_at).to_rfc3339(),
            joined: case.joined,
            probability,
        }
    }
}

/// What is proposed for a report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"types": [{"type": "manhole_missing", "name": {"zh": "井盖缺失", "en": "Manhole cover missing"}, "probability": 0.83}],
    "decided": null, "responsible": null, "near": []}))]
pub(crate) struct ProposalJson {
    /// At most three, the most likely first; empty until the city has learnt from its cases.
    types: Vec<LikelyJson>,
    /// The type that would be taken without asking: as sure as the city's own later cases demand.
    decided: Option<String>,
    /// Of the chosen type, else of the decided one, else of the most likely one.
    responsible: Option<ResponsibleJson>,
    /// Cases reported within days and near that may be the same, inside the caller's area.
    near: Vec<NearJson>,
}

/// Propose types, the responsible agency and near duplicates for a report that is being written.
#[utoipa::path(post, path = "/api/v1/proposals", tag = "cases", request_body = ProposalBody,
    responses((status = 200, body = ProposalJson)))]
pub(crate) async fn propose(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<ProposalBody>,
) -> Answer<Json<ProposalJson>> {
    caller.need(Permission::Read)?;
    let area = match (body.area.as_deref().filter(|code| !code.is_empty()), body.position) {
        (Some(code), _) => caller.scope(Some(code))?,
        (None, Some(position)) => {
            let found = city.areas.locate(position).filter(|&area| caller.sees(area));
            found.ok_or_else(|| Problem::not_found(format!("area at {position:?}")))?
        }
        (None, None) => caller.area,
    };
    let area = AreaPath::of(&city.areas, area);
    let text: String = body.text.chars().take(TEXT_LEN_MAX).collect();
    let chosen = body.r#type.as_deref().filter(|id| !id.is_empty());
    let chosen = chosen.map(|id| city.case_type(id)).transpose()?;
    let proposed = city.propose(&text, &area);
    let type_id = chosen.map(|chosen| chosen.id.as_str()).or(proposed
        .decided
        .as_ref()
        .or(proposed.types.first())
        .map(|likely| likely.id.as_str()));
    let responsible = type_id.and_then(|id| city.case_rules.responsible(id, &text, &area));
    let mut near = Vec::new();
    if let Some(position) = body.position {
        let chosen = chosen.map(|chosen| chosen.id.as_str());
        for (case, probability) in city.near_cases(&text, position, chosen, &proposed).await? {
            let id = case.id.to_string();
            let seen = city.areas.find(case.area.code()).is_some_and(|area| caller.sees(area));
            if seen && body.case.as_ref() != Some(&id) {
                near.push(NearJson::new(&case, probability));
            }
        }
    }
    Ok(Json(ProposalJson {
        types: proposed.types.iter().map(LikelyJson::from).collect(),
        decided: proposed.decided.map(|likely| likely.id),
        responsible: responsible.and_then(|found| responsible_json(&city, &found)),
        near,
    }))
}

fn responsible_json(city: &City, found: &Responsible<'_>) -> Option<ResponsibleJson> {
    let agency = city.agencies.get(found.agency)?;
    Some(ResponsibleJson {
        id: agency.id.clone(),
        name: (&agency.name).into(),
        municipal: found.owner.is_none_or(|owner| owner.municipal),
        owner: found.owner.map(|owner| (&owner.name).into()),
        reason: found.reason().into(),
    })
}

/// How the classifier of this city stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"trained": {"types": 41, "taught": 8000, "held_out": 2000, "right": 1790, "right_of_three": 1940,
    "decides_from": 0.83, "decided": 1500, "decided_right": 1426, "miscalibration": 0.02}, "under_way": false, "failed": null, "known": 240}))]
pub(crate) struct RoutingJson {
    /// The model in use; null before the first training.
    trained: Option<TrainedJson>,
    under_way: bool,
    /// Why the last training came to nothing.
    failed: Option<TextJson>,
    /// Cases of the last days among which duplicates are looked for.
    known: usize,
}

/// How good the classifier was on the latest fifth of the closed cases, which it had not seen.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TrainedJson {
    types: usize,
    taught: u32,
    held_out: u32,
    right: u32,
    right_of_three: u32,
    /// Probability from which it decides alone; null when it never may.
    decides_from: Option<f32>,
    decided: u32,
    decided_right: u32,
    /// Mean gap between the probability stated and the share that was right.
    miscalibration: f32,
}

fn routing_json(city: &City) -> RoutingJson {
    let standing = city.triage.standing();
    RoutingJson {
        trained: standing.trained.map(|(types, fitness, decides_from)| TrainedJson {
            types,
            taught: fitness.taught,
            held_out: fitness.held_out,
            right: fitness.right,
            right_of_three: fitness.right_of_three,
            decides_from,
            decided: fitness.decided,
            decided_right: fitness.decided_right,
            miscalibration: fitness.miscalibration,
        }),
        under_way: standing.under_way,
        failed: standing.failed.map(TextJson::from),
        known: city.book.near.len(),
    }
}

/// How good the proposals of this city are.
#[utoipa::path(get, path = "/api/v1/routing", tag = "cases",
    responses((status = 200, body = RoutingJson)))]
pub(crate) async fn get_routing(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<RoutingJson>> {
    caller.need(Permission::Read)?;
    Ok(Json(routing_json(&city)))
}

/// Begin to learn from the city's closed cases; the new model holds from the moment it is done.
#[utoipa::path(post, path = "/api/v1/routing/train", tag = "cases",
    responses((status = 200, body = RoutingJson)))]
pub(crate) async fn train_routing(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<RoutingJson>> {
    caller.need(Permission::RuleManage)?;
    if caller.area != AreaId::ROOT {
        return Err(Problem::new(&error::RULE_WHOLE_CITY, caller.user.area.code()));
    }
    city.begin_training()?;
    Ok(Json(routing_json(&city)))
}
