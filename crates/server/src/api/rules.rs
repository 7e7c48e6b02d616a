//! Rules: their texts, the check that `pack check` does, and enabling one that was tried on the past.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chengmai_model::pack::{PackFault, Rule};
use chengmai_model::time::DAY_MS;
use chengmai_model::{AreaId, Severity, error};
use chengmai_store::records::rules::RuleChangeRow;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::city::rules::{Fitted, fit};
use crate::city::{City, internal};
use crate::clock;
use crate::http::access::{Caller, Permission};
use crate::http::extract::JsonBody;
use crate::http::list::Page;
use crate::http::problem::{Answer, Problem, TextJson};

/// A backtest must cover so much time before its text may hold. Our default.
const TRIED_SPAN_MS_MIN: i64 = DAY_MS;
/// And must not be older than this. Our default.
const TRIED_MS_MAX: i64 = 7 * DAY_MS;

/// A fault of a rule, with its line in the text and how to mend it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"line": 6, "what": {"zh": "未知的键", "en": "unknown key"}, "fix": {"zh": "改成 alarm", "en": "write alarm"}}))]
pub(crate) struct FaultJson {
    /// From 1; 0 for the whole text.
    line: u32,
    what: TextJson,
    fix: TextJson,
}

impl From<PackFault> for FaultJson {
    fn from(fault: PackFault) -> Self {
        Self { line: fault.line, what: fault.what.into(), fix: fault.fix.into() }
    }
}

/// One grade, as a form shows it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct GradeFields {
    /// 1 to 4.
    severity: u8,
    when: String,
}

/// What a form can change of a rule; the rest stays as it is in the text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct RuleFields {
    when: String,
    clear: Option<String>,
    on_for: Option<String>,
    clear_for: Option<String>,
    need: Option<String>,
    healthy: bool,
    grades: Vec<GradeFields>,
}

impl From<&Rule> for RuleFields {
    fn from(rule: &Rule) -> Self {
        let grades = rule.grade.iter();
        Self {
            when: rule.alarm.when.clone(),
            clear: rule.alarm.clear.clone(),
            on_for: rule.alarm.on_for.clone(),
            clear_for: rule.alarm.clear_for.clone(),
            need: rule.recheck.need.clone(),
            healthy: rule.recheck.healthy,
            grades: grades
                .map(|g| GradeFields { severity: g.severity.number(), when: g.when.clone() })
                .collect(),
        }
    }
}

impl RuleFields {
    /// The rule with these fields. A grade without a known severity is left out.
    fn put_into(self, rule: &mut Rule) {
        let said = |text: Option<String>| text.filter(|t| !t.trim().is_empty());
        rule.alarm.when = self.when;
        rule.alarm.clear = said(self.clear);
        rule.alarm.on_for = said(self.on_for);
        rule.alarm.clear_for = said(self.clear_for);
        rule.recheck.need = said(self.need);
        rule.recheck.healthy = self.healthy;
        let grades = self.grades.into_iter().filter_map(|grade| {
            let severity = Severity::new(grade.severity)?;
            Some(chengmai_model::pack::Grade { severity, when: grade.when })
        });
        rule.grade = grades.collect();
    }
}

/// A rule's text to check, perhaps with what a form changed.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"pack": "gas", "text": "[[rule]]\nid = \"methane_in_manhole\"\n"}))]
pub(crate) struct CheckBody {
    pack: String,
    text: String,
    /// Put into the text before it is checked.
    fields: Option<RuleFields>,
}

/// What a check found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckJson {
    /// The text, with the form's changes in it.
    text: String,
    /// `methane_in_manhole`; nothing when the text cannot be read.
    rule: Option<String>,
    fields: Option<RuleFields>,
    faults: Vec<FaultJson>,
}

/// Checks a rule's text as `chengmai pack check` does.
#[utoipa::path(post, path = "/api/v1/rules/check", tag = "rules", request_body = CheckBody,
    responses((status = 200, body = CheckJson)))]
pub(crate) async fn check_rule(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<CheckBody>,
) -> Answer<Json<CheckJson>> {
    caller.need(Permission::Read)?;
    let packs = city.rules.packs();
    let mut text = body.text;
    let base = packs.iter().find(|p| p.head.id == body.pack).map(|p| p.only_rule(&text));
    if let (Some(fields), Some(Ok(pack))) = (body.fields, &base) {
        let mut rule = pack.rules[0].clone();
        fields.put_into(&mut rule);
        text = rule.to_toml();
    }
    Ok(Json(match fit(&packs, &body.pack, &text) {
        Ok(Fitted { rule, .. }) => CheckJson {
            text,
            rule: Some(rule.id.clone()),
            fields: Some((&rule).into()),
            faults: Vec::new(),
        },
        Err(faults) => {
            let rule = base.and_then(Result::ok).and_then(|pack| pack.rules.into_iter().next());
            CheckJson {
                text,
                rule: rule.as_ref().map(|r| r.id.clone()),
                fields: rule.as_ref().map(RuleFields::from),
                faults: faults.into_iter().map(FaultJson::from).collect(),
            }
        }
    }))
}

/// A rule as text, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"pack": "gas", "id": "methane_in_manhole", "name": {"zh": "地下空间燃气聚集", "en": "Gas in an underground space"},
    "kind": "methane", "text": "[[rule]]\n", "fields": {"when": "value >= 20", "clear": "value < 15", "on_for": "2 readings",
    "clear_for": null, "need": null, "healthy": true, "grades": [{"severity": 1, "when": "value >= 20"}]}, "own_text": "[[rule]]\n", "changes": []}))]
pub(crate) struct RuleText {
    pack: String,
    id: String,
    name: TextJson,
    /// What it watches.
    kind: String,
    /// As it holds now.
    text: String,
    /// What a form can change of it.
    fields: RuleFields,
    /// As the pack wrote it; nothing for one that no pack has.
    own_text: Option<String>,
    /// What was enabled, newest first.
    changes: Vec<ChangeJson>,
}

/// A change of a rule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"at": "2026-11-21T03:04:05.678Z", "by": "li", "backtest": "B-0123456789abcdef", "reason": null, "journal_sequence": 4711}))]
pub(crate) struct ChangeJson {
    at: String,
    by: String,
    backtest: String,
    /// Why, where the backtest spoke against it.
    reason: Option<String>,
    /// The frame of the journal after which it holds.
    journal_sequence: Option<u64>,
}

impl From<&RuleChangeRow> for ChangeJson {
    fn from(row: &RuleChangeRow) -> Self {
        Self {
            at: row.at.to_rfc3339(),
            by: row.by.clone(),
            backtest: row.backtest.clone(),
            reason: row.reason.clone(),
            journal_sequence: row.sequence,
        }
    }
}

/// One rule of a pack as text.
#[utoipa::path(get, path = "/api/v1/rules/{pack}/{rule}", tag = "rules",
    params(("pack" = String, Path, example = "gas"), ("rule" = String, Path, example = "methane_in_manhole")),
    responses((status = 200, body = RuleText)))]
pub(crate) async fn get_rule(
    State(city): State<Arc<City>>,
    caller: Caller,
    Path((pack, rule)): Path<(String, String)>,
) -> Answer<Json<RuleText>> {
    caller.need(Permission::Read)?;
    let missing = || Problem::not_found(format!("rule {pack}/{rule}"));
    let packs = city.rules.packs();
    let found = packs.iter().find(|p| p.head.id == pack).ok_or_else(missing)?;
    let shown = found.rules.iter().find(|r| r.id == rule).ok_or_else(missing)?;
    let own = city.packs.iter().find(|p| p.head.id == pack);
    let changes = city.records.rules().changes().await?;
    let of_this = changes.iter().rev().filter(|c| c.pack == pack && c.rule == rule);
    Ok(Json(RuleText {
        id: shown.id.clone(),
        name: (&shown.name).into(),
        kind: shown.on.clone(),
        fields: shown.into(),
        text: found.rule_text(&rule).ok_or_else(missing)?,
        own_text: own.and_then(|p| p.rule_text(&rule)),
        changes: of_this.map(ChangeJson::from).collect(),
        pack,
    }))
}

/// A rule to enable.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"pack": "gas", "text": "[[rule]]\nid = \"methane_in_manhole\"\n", "reason": null}))]
pub(crate) struct EnableBody {
    pack: String,
    /// Exactly the text that was tried.
    text: String,
    /// Needed when the backtest floods.
    reason: Option<String>,
}

/// Lets a rule hold from now on, everywhere. It must have been tried, as this very text, within a week
/// on at least a day of the whole city's history; against a backtest that floods only with a reason.
#[utoipa::path(post, path = "/api/v1/rules/enable", tag = "rules", request_body = EnableBody,
    responses((status = 200, body = Page<ChangeJson>)))]
pub(crate) async fn enable_rule(
    State(city): State<Arc<City>>,
    caller: Caller,
    JsonBody(body): JsonBody<EnableBody>,
) -> Answer<Json<Page<ChangeJson>>> {
    caller.need(Permission::RuleManage)?;
    if caller.area != AreaId::ROOT {
        return Err(Problem::new(&error::RULE_WHOLE_CITY, caller.user.area.code()));
    }
    // To its end, even when the caller hangs up in between.
    let by = caller.user.name.clone();
    let enacted = tokio::spawn(async move { enact(&city, body, by).await });
    let row = enacted.await.map_err(|error| internal(&error))??;
    Ok(Json(Page::whole(vec![(&row).into()])))
}

async fn enact(city: &City, body: EnableBody, by: String) -> Answer<RuleChangeRow> {
    // One change at a time: each is fitted into the rules that the one before left.
    let _gate = city.rules.gate.lock().await;
    let fitted = fit(&city.rules.packs(), &body.pack, &body.text)
        .map_err(|faults| Problem::new(&error::RULE_FAULTY, crate::packs::render(&faults)))?;
    let now = clock::now();
    let rules = city.records.rules();
    let (text, since) = ((body.pack.as_str(), body.text.as_str()), now.plus_ms(-TRIED_MS_MAX));
    let tried = rules.backtest_of(text, &city.root_path(), TRIED_SPAN_MS_MIN, since).await?;
    let tried = tried.ok_or_else(|| {
        Problem::new(&error::RULE_NOT_TRIED, format!("{}/{}", body.pack, fitted.rule.id))
    })?;
    let reason = body.reason.map(|r| r.trim().to_owned()).filter(|r| !r.is_empty());
    if tried.floods && reason.is_none() {
        return Err(Problem::new(&error::RULE_FLOODS, tried.id));
    }
    let mut row = RuleChangeRow {
        id: 0,
        at: now,
        by,
        pack: body.pack,
        rule: fitted.rule.id,
        text: body.text,
        backtest: tried.id,
        reason,
        sequence: None,
    };
    row.id = rules.add_change(&row).await?;
    let Some(sequence) = city.change_rules(fitted.catalog).await else {
        let detail = "the change is on record and holds from the next start";
        return Err(Problem::new(&error::STOPPED, detail));
    };
    city.rules.set(fitted.packs);
    rules.took_effect(row.id, sequence).await?;
    row.sequence = Some(sequence);
    tracing::info!(rule = %row.rule, pack = %row.pack, sequence, "a rule was enabled");
    Ok(row)
}
