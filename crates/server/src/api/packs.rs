//! Packs 场景包 as loaded, and the filing standards their case types carry.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::case::{CommandKind, EventLevel, PhotoKind};
use chengmai_model::pack::{CaseType, Layer, LimitRow, Pack, Rule};
use serde::Serialize;
use utoipa::ToSchema;

use crate::city::City;
use crate::http::access::{Caller, Permission};
use crate::http::extract::QueryOf;
use crate::http::list::{Page, Paging};
use crate::http::problem::{Answer, Problem, TextJson};

/// A pack in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "gas", "version": "1.0.0", "name": {"zh": "智慧燃气", "en": "Gas safety"}, "section": "facility_operation",
    "track": {"zh": "城市生命线", "en": "Lifelines"}, "counts": {"kinds": 3, "indicators": 6, "rules": 6, "case_types": 2, "scenarios": 7},
    "layers": [{"id": "methane", "name": {"zh": "可燃气体", "en": "Combustible gas"}, "kind": "methane", "color": "#3A7CA5", "symbol": "circle"}]}))]
pub(crate) struct PackJson {
    id: String,
    version: String,
    name: TextJson,
    section: String,
    track: TextJson,
    counts: Counts,
    layers: Vec<LayerJson>,
}

/// How much a pack holds.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Counts {
    kinds: usize,
    indicators: usize,
    rules: usize,
    case_types: usize,
    scenarios: usize,
}

/// How devices of a kind look on the map.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LayerJson {
    id: String,
    name: TextJson,
    kind: String,
    color: String,
    symbol: String,
}

impl From<&Layer> for LayerJson {
    fn from(layer: &Layer) -> Self {
        Self {
            id: layer.id.clone(),
            name: (&layer.name).into(),
            kind: layer.kind.clone(),
            color: layer.color.clone(),
            symbol: layer.symbol.clone(),
        }
    }
}

impl From<&Pack> for PackJson {
    fn from(pack: &Pack) -> Self {
        Self {
            id: pack.head.id.clone(),
            version: pack.head.version.clone(),
            name: (&pack.head.name).into(),
            section: pack.head.section.clone(),
            track: (&pack.head.track).into(),
            counts: Counts {
                kinds: pack.kinds.len(),
                indicators: pack.indicators.len(),
                rules: pack.rules.len(),
                case_types: pack.case_types.len(),
                scenarios: pack.scenarios.len(),
            },
            layers: pack.layers.iter().map(LayerJson::from).collect(),
        }
    }
}

/// All loaded packs.
#[utoipa::path(get, path = "/api/v1/packs", tag = "packs", params(Paging),
    responses((status = 200, body = Page<PackJson>)))]
pub(crate) async fn list_packs(
    State(city): State<Arc<City>>,
    caller: Caller,
    QueryOf(paging): QueryOf<Paging>,
) -> Answer<Json<Page<PackJson>>> {
    caller.need(Permission::Read)?;
    Ok(Json(paging.page(city.rules.packs().iter(), PackJson::from)?))
}

/// A rule as a person reads it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RuleJson {
    id: String,
    name: TextJson,
    on: String,
    /// When a stream is in alarm.
    when: String,
    clear: Option<String>,
    grades: Vec<GradeJson>,
    files: Option<String>,
    files_at: Option<u8>,
    source: String,
}

/// One grade.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GradeJson {
    severity: u8,
    when: String,
}

impl From<&Rule> for RuleJson {
    fn from(rule: &Rule) -> Self {
        let grades = rule.grade.iter();
        Self {
            id: rule.id.clone(),
            name: (&rule.name).into(),
            on: rule.on.clone(),
            when: rule.alarm.when.clone(),
            clear: rule.alarm.clear.clone(),
            grades: grades
                .map(|g| GradeJson { severity: g.severity.number(), when: g.when.clone() })
                .collect(),
            files: rule.files.clone(),
            files_at: rule.files_at.map(chengmai_model::Severity::number),
            source: rule.source.clone(),
        }
    }
}

/// An indicator in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackIndicator {
    code: String,
    name: TextJson,
    unit: String,
    formula: String,
    window: String,
    source: String,
}

/// A kind in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackKind {
    id: String,
    name: TextJson,
    unit: String,
    range: [f64; 2],
    period: String,
    source: String,
}

/// A case type with its filing standard.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "gas_leak", "name": {"zh": "燃气泄漏", "en": "Gas leak"}, "pack": "gas", "class": "05-02",
    "severity": 4, "level": "district", "lead_kind": "gas_company", "rows": [{"index": 0,
    "condition": {"zh": "管道破裂", "en": "Burst pipe"}, "closes": {"zh": "险情消除", "en": "Made safe"},
    "limit": "1 urgent_hour", "source": "GB/T 30428.8"}],
    "photos": {"finish": ["after"]}, "plan": null}))]
pub(crate) struct CaseTypeJson {
    id: String,
    name: TextJson,
    pack: String,
    class: String,
    severity: u8,
    level: &'static str,
    /// Kind of agency that handles it.
    lead_kind: String,
    rows: Vec<RowJson>,
    /// Kinds of photos that a step needs, each with time and place, by the word of the step.
    photos: BTreeMap<&'static str, Vec<&'static str>>,
    /// The plan that is fired when none is named; one of `/api/v1/case-plans`.
    plan: Option<String>,
}

/// A row of the filing standard.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"index": 0, "condition": {"zh": "管道破裂", "en": "Burst pipe"},
    "closes": {"zh": "险情消除", "en": "Made safe"}, "limit": "1 urgent_hour", "source": "GB/T 30428.8"}))]
pub(crate) struct RowJson {
    index: usize,
    condition: TextJson,
    closes: TextJson,
    limit: String,
    source: String,
}

impl RowJson {
    pub(crate) fn new(index: usize, row: &LimitRow) -> Self {
        Self {
            index,
            condition: (&row.condition).into(),
            closes: (&row.closes).into(),
            limit: row.handle.clone(),
            source: row.source.clone(),
        }
    }
}

fn case_type_json(pack: &Pack, case_type: &CaseType) -> CaseTypeJson {
    CaseTypeJson {
        id: case_type.id.clone(),
        name: (&case_type.name).into(),
        pack: pack.head.id.clone(),
        class: case_type.class.clone(),
        severity: case_type.severity.number(),
        level: case_type.level.word(),
        lead_kind: case_type.lead.clone(),
        rows: case_type.limits.iter().enumerate().map(|(i, r)| RowJson::new(i, r)).collect(),
        photos: case_type
            .photos
            .iter()
            .map(|(step, kinds)| {
                let kinds = kinds.iter().copied().map(PhotoKind::word).collect();
                (CommandKind::word(*step), kinds)
            })
            .collect(),
        plan: case_type.plan.clone(),
    }
}

/// A pack with everything it declares.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PackDetail {
    #[serde(flatten)]
    pack: PackJson,
    kinds: Vec<PackKind>,
    indicators: Vec<PackIndicator>,
    rules: Vec<RuleJson>,
    case_types: Vec<CaseTypeJson>,
    /// README.md of the pack, Markdown.
    readme: String,
}

/// One pack.
#[utoipa::path(get, path = "/api/v1/packs/{id}", tag = "packs",
    params(("id" = String, Path, example = "gas")), responses((status = 200, body = PackDetail)))]
pub(crate) async fn get_pack(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<Json<PackDetail>> {
    caller.need(Permission::Read)?;
    let packs = city.rules.packs();
    let pack = packs.iter().find(|p| p.head.id == id);
    let pack = pack.ok_or_else(|| Problem::not_found(format!("pack {id}")))?;
    let kinds = pack.kinds.iter().map(|k| PackKind {
        id: k.id.clone(),
        name: (&k.name).into(),
        unit: k.unit.clone(),
        range: k.range,
        period: k.period.normal.clone(),
        source: k.source.clone(),
    });
    let indicators = pack.indicators.iter().map(|i| PackIndicator {
        code: i.code.clone(),
        name: (&i.name).into(),
        unit: i.unit.clone(),
        formula: i.value.clone(),
        window: i.window.clone(),
        source: i.source.clone(),
    });
    Ok(Json(PackDetail {
        pack: pack.into(),
        kinds: kinds.collect(),
        indicators: indicators.collect(),
        rules: pack.rules.iter().map(RuleJson::from).collect(),
        case_types: pack.case_types.iter().map(|t| case_type_json(pack, t)).collect(),
        readme: pack.readme.clone(),
    }))
}

/// All case types with the rows of their filing standards.
#[utoipa::path(get, path = "/api/v1/case-types", tag = "cases",
    responses((status = 200, body = Page<CaseTypeJson>)))]
pub(crate) async fn list_case_types(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<CaseTypeJson>>> {
    caller.need(Permission::Read)?;
    let types = city
        .packs
        .iter()
        .flat_map(|pack| pack.case_types.iter().map(move |t| case_type_json(pack, t)));
    Ok(Json(Page::whole(types.collect())))
}

/// A plan 预案: what an emergency changes in a case.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "gas_emergency", "name": {"zh": "燃气突发事件预案", "en": "Gas emergency plan"}, "pack": "gas",
    "level": "city", "lead_kind": "fire_brigade", "limit": "1 urgent_hour", "fires_at": "II", "source": "our default"}))]
pub(crate) struct PlanJson {
    id: String,
    name: TextJson,
    pack: String,
    /// Centre that takes the case over: town, district, city.
    level: &'static str,
    /// Kind of agency that leads; null: the one that has the case.
    lead_kind: Option<String>,
    /// Handling limit while it is in force.
    limit: String,
    /// Level of event at which it is fired by itself: I, II, III, IV.
    fires_at: Option<&'static str>,
    source: String,
}

/// All plans that may be fired for a case.
#[utoipa::path(get, path = "/api/v1/case-plans", tag = "cases",
    responses((status = 200, body = Page<PlanJson>)))]
pub(crate) async fn list_case_plans(
    State(city): State<Arc<City>>,
    caller: Caller,
) -> Answer<Json<Page<PlanJson>>> {
    caller.need(Permission::Read)?;
    let plans = city.packs.iter().flat_map(|pack| {
        pack.plans.iter().map(|plan| PlanJson {
            id: plan.id.clone(),
            name: (&plan.name).into(),
            pack: pack.head.id.clone(),
            level: plan.level.word(),
            lead_kind: plan.lead.clone(),
            limit: plan.handle.clone(),
            fires_at: plan.fires_at.map(EventLevel::word),
            source: plan.source.clone(),
        })
    });
    Ok(Json(Page::whole(plans.collect())))
}
