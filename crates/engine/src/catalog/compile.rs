//! Packs to catalog: first every name gets its number, then every expression is compiled, then each
//! kind and window learns what the formulas and rules need of it.

use std::collections::BTreeMap;

use chengmai_model::pack::{Better, Indicator, Pack, PackFault, Rule};
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS, parse_duration_ms};
use chengmai_model::{KindId, Severity, Text};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::check::{self, Faults, Place};
use super::parents;
use super::rollup_terms::{Field, Formula, RollupTerm, unknown_kind};
use super::rule_terms::{CompiledRule, Conditions, Delay, ReadingTerm, Recheck};
use super::{
    CaseTypeDef, Catalog, IndicatorDef, KindDef, Load, PackCounts, PackInfo, RuleDef, RuleOrigin,
    SlotTerm, WindowDef,
};
use crate::accumulator::Layout;
use crate::expr::{Node, Program, Type, resolve};
use crate::hash::Hash64;
use crate::limits::{CONDITIONS_MAX, EVIDENCE_READINGS_MAX, INDICATORS_MAX, RULES_MAX};

pub(super) fn compile(packs: &[Pack]) -> Result<Catalog, Vec<PackFault>> {
    let mut faults = Faults::new(packs);
    let mut catalog = Catalog {
        packs: packs.iter().map(info).collect(),
        kinds: Vec::new(),
        kind_by_name: HashMap::with_hasher(FixedState::default()),
        declared_kinds: 0,
        indicators: Vec::new(),
        rules: Vec::new(),
        case_types: Vec::new(),
        procedures: Vec::new(),
        plans: Vec::new(),
        windows: Vec::new(),
        fingerprint: fingerprint(packs),
    };
    check::needs(packs, &mut faults);
    add_kinds(packs, &mut catalog, &mut faults);
    add_case_types(packs, &mut catalog, &mut faults);
    check::procedures(packs, &catalog, &mut faults);
    check::layers(packs, &catalog, &mut faults);
    let formulas = add_indicators(packs, &mut catalog, &mut faults);
    add_rules(packs, &mut catalog, &mut faults);
    add_indicator_rules(&mut catalog);
    parents::link(packs, &mut catalog, &mut faults);
    let too_many = catalog.rules.len() > RULES_MAX || catalog.indicators.len() > INDICATORS_MAX;
    if too_many {
        faults.add(Place::pack("", "pack.toml"), check::too_many());
    }
    let layouts = lay_windows(&formulas, &catalog);
    if layouts.values().any(|layout| layout.conditions() > CONDITIONS_MAX) {
        faults.add(Place::pack("", "indicators.toml"), check::too_many_conditions());
    }
    if !faults.list.is_empty() {
        return Err(faults.list);
    }
    open_windows(layouts, &formulas, &mut catalog);
    check::finish_kinds(&mut catalog);
    Ok(catalog)
}

fn info(pack: &Pack) -> PackInfo {
    PackInfo {
        head: pack.head.clone(),
        layers: pack.layers.clone(),
        scenarios: pack.scenarios.clone(),
        readme: pack.readme.clone(),
        counts: PackCounts {
            kinds: pack.kinds.len(),
            indicators: pack.indicators.len(),
            rules: pack.rules.len(),
            case_types: pack.case_types.len(),
            scenarios: pack.scenarios.len(),
        },
    }
}

/// Covers all that changes what the engine does; texts of layers and README may change freely.
fn fingerprint(packs: &[Pack]) -> u64 {
    packs
        .iter()
        .fold(Hash64::new(), |hash, pack| {
            let meaning = (&pack.head.id, &pack.kinds, &pack.indicators, &pack.rules);
            let bytes = postcard::to_stdvec(&meaning).expect("plain data always serialises");
            hash.bytes(&bytes)
        })
        .finish()
}

fn pack_index(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

fn add_kinds(packs: &[Pack], catalog: &mut Catalog, faults: &mut Faults<'_>) {
    for (index, pack) in packs.iter().enumerate() {
        for kind in &pack.kinds {
            let place = Place::item(&pack.head.id, "kinds.toml", &kind.id);
            let period = faults.duration(place, "period.normal", &kind.period.normal);
            let alarm = kind.period.alarm.as_deref();
            let alarm = alarm.and_then(|text| faults.duration(place, "period.alarm", text));
            let stuck = kind.stuck_after.as_deref();
            let stuck_ms = stuck.and_then(|text| faults.duration(place, "stuck_after", text));
            let [low, high] = kind.range;
            if !(low.is_finite() && high.is_finite() && low < high) {
                faults.add(place.key("range"), check::bad_range());
            }
            if catalog.kind_by_name.contains_key(&kind.id) {
                faults.add(place.key("id"), check::declared_twice(&kind.id));
                continue;
            }
            let id = KindId(u16::try_from(catalog.kinds.len()).unwrap_or(u16::MAX));
            let milliseconds = |ms: i64| u32::try_from(ms).unwrap_or(u32::MAX).max(1);
            catalog.kind_by_name.insert(kind.id.clone(), id);
            catalog.kinds.push(KindDef {
                id,
                pack: Some(pack_index(index)),
                range: kind.range,
                quiet: kind.range,
                period_ms: milliseconds(period.unwrap_or(MINUTE_MS)),
                alarm_period_ms: alarm.map(milliseconds),
                stuck_ms,
                kind: kind.clone(),
                rules: Vec::new(),
                windows: 0..0,
                silences_ms: Vec::new(),
                stuck_first_ms: None,
                slope_ms: 0,
                anomaly: false,
                setpoints: false,
            });
        }
    }
    catalog.declared_kinds = catalog.kinds.len();
}

fn add_case_types(packs: &[Pack], catalog: &mut Catalog, faults: &mut Faults<'_>) {
    for pack in packs {
        catalog.procedures.extend(pack.procedures.iter().cloned());
        catalog.plans.extend(pack.plans.iter().cloned());
    }
    for (index, pack) in packs.iter().enumerate() {
        for def in &pack.case_types {
            if catalog.case_type(&def.id).is_some() {
                let place = Place::item(&pack.head.id, "cases.toml", &def.id);
                faults.add(place.key("id"), check::declared_twice(&def.id));
            }
            catalog.case_types.push(CaseTypeDef { pack: pack_index(index), def: def.clone() });
        }
    }
}

/// Adds all indicators with empty programs; returns their formulas, to be compiled once the windows
/// are laid out.
fn add_indicators(
    packs: &[Pack],
    catalog: &mut Catalog,
    faults: &mut Faults<'_>,
) -> Vec<Program<RollupTerm>> {
    let mut formulas = Vec::new();
    for (index, pack) in packs.iter().enumerate() {
        for def in &pack.indicators {
            let place = Place::item(&pack.head.id, "indicators.toml", &def.code);
            if catalog.find_indicator(&def.code).is_some() {
                faults.add(place.key("code"), check::declared_twice(&def.code));
            }
            check::files(catalog, def.files.as_deref(), 0, place, faults);
            check::levels(def, place, faults);
            let window_ms = window_width(&def.window);
            if window_ms.is_none() {
                faults.add(place.key("window"), check::bad_window(&def.window));
            }
            let hold = def.levels.as_ref().and_then(|levels| levels.hold.as_deref());
            let hold_ms = hold.and_then(|text| faults.duration(place, "levels.hold", text));
            let lookup = |name: &str| catalog.kind_id(name);
            match resolve(&def.value, Type::Number, &mut Formula { kind_id: &lookup }) {
                Ok(node) => {
                    let formula = Program::compile(&node);
                    if formula.terms().next().is_none() {
                        faults.add(place.key("value"), check::no_terms());
                    }
                    formulas.push(formula);
                }
                Err(problem) => {
                    faults.add(place.key("value"), problem);
                    formulas.push(Program::compile(&Node::Number(f64::NAN)));
                }
            }
            catalog.indicators.push(IndicatorDef {
                pack: pack_index(index),
                section: def.section.clone().unwrap_or_else(|| pack.head.section.clone()),
                track: def.track.clone().unwrap_or_else(|| pack.head.track.clone()),
                window_ms: window_ms.unwrap_or(MINUTE_MS),
                coverage_min: (def.coverage_min / 100.0).clamp(0.0, 1.0),
                hold_ms: hold_ms.unwrap_or(0),
                rule: None,
                kinds: Vec::new(),
                windows: Vec::new(),
                uses_online: false,
                uses_chosen: false,
                program: Program::compile(&Node::Number(f64::NAN)),
                def: def.clone(),
            });
        }
    }
    formulas
}

fn window_width(text: &str) -> Option<i64> {
    parse_duration_ms(text).filter(|ms| [MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, DAY_MS].contains(ms))
}

fn add_rules(packs: &[Pack], catalog: &mut Catalog, faults: &mut Faults<'_>) {
    for (index, pack) in packs.iter().enumerate() {
        for rule in &pack.rules {
            let place = Place::item(&pack.head.id, "rules.toml", &rule.id);
            let id = format!("{}/{}", pack.head.id, rule.id);
            if catalog.find_rule(&id).is_some() {
                faults.add(place.key("id"), check::declared_twice(&id));
            }
            check::files(catalog, rule.files.as_deref(), rule.files_row, place, faults);
            let Some(kind) = catalog.kind_id(&rule.on) else {
                faults.add(place.key("on"), unknown_kind(&rule.on));
                continue;
            };
            let compiled = compile_rule(rule, catalog.kind(kind).range, place, faults);
            let number = pack_index(catalog.rules.len());
            catalog.kinds[usize::from(kind.0)].rules.push(number);
            let answer = &rule.answer;
            let answers = [&answer.blue, &answer.yellow, &answer.orange, &answer.red];
            catalog.rules.push(RuleDef {
                id,
                pack: pack_index(index),
                name: rule.name.clone(),
                origin: RuleOrigin::Readings { kind, rule: Box::new(rule.clone()) },
                answer_ms: answers.map(|a| faults.duration(place, "answer", a.as_deref()?)),
                files: rule.files.clone(),
                files_at: rule.files_at,
                files_row: rule.files_row,
                source: rule.source.clone(),
                parents: Vec::new(),
                children: Vec::new(),
                under_within: rule.under_within,
                compiled,
            });
        }
    }
}

fn compile_rule(
    rule: &Rule,
    range: [f64; 2],
    place: Place<'_>,
    faults: &mut Faults<'_>,
) -> Option<CompiledRule> {
    let mut condition = |key: &str, source: &str| {
        let resolved = resolve(source, Type::Bool, &mut Conditions);
        resolved.map_err(|problem| faults.add(place.key(key), problem)).ok()
    };
    let when = condition("alarm.when", &rule.alarm.when);
    let clear = rule.alarm.clear.as_deref().map(|source| condition("alarm.clear", source));
    let grades: Vec<_> = rule
        .grade
        .iter()
        .enumerate()
        .map(|(index, grade)| {
            let key = format!("grade.{index}.when");
            (index, grade.severity, condition(&key, &grade.when))
        })
        .collect();
    let on = delay(rule.alarm.on_for.as_deref(), place.key("alarm.for"), faults);
    let off = delay(rule.alarm.clear_for.as_deref(), place.key("alarm.clear_for"), faults);
    let recheck = recheck(rule.recheck.need.as_deref(), rule.recheck.healthy, place, faults);
    let when = when?;
    let clear = clear.map_or(Some(None), |inner| inner.map(Some))?;
    if clear.as_ref().is_some_and(asks_setpoints) {
        faults.add(place.key("alarm.clear"), check::clears_by_setpoint());
    }
    if grades.is_empty() {
        faults.add(place.key("grade"), check::no_grade());
    }
    let mut graded: Vec<(usize, Severity, Node<ReadingTerm>)> = Vec::new();
    for (index, severity, node) in grades {
        graded.push((index, severity, node?));
    }
    graded.sort_by_key(|(_, severity, _)| std::cmp::Reverse(*severity));
    check::reachable(&when, clear.as_ref(), &graded, range, place, faults);
    Some(CompiledRule {
        when: Program::compile(&when),
        clear: clear.as_ref().map(Program::compile),
        on,
        off,
        grade_falls: rule.alarm.clear_for.is_some(),
        recheck,
        grades: graded.iter().map(|(_, s, node)| (*s, Program::compile(node))).collect(),
        cause: rule.cause,
        loud: check::loud_values(&when),
        of_setpoints: asks_setpoints(&when).then(|| Box::new(when)),
    })
}

fn asks_setpoints(when: &Node<ReadingTerm>) -> bool {
    let terms = Program::compile(when);
    terms.terms().any(|term| matches!(term, ReadingTerm::Setpoint(_)))
}

/// `2 readings` or `30s`; one reading when absent.
fn delay(text: Option<&str>, place: Place<'_>, faults: &mut Faults<'_>) -> Delay {
    let Some(text) = text else { return Delay::Readings(1) };
    let mut words = text.split_whitespace();
    let count = words.next().and_then(|word| word.parse::<u32>().ok());
    let unit = words.next();
    match (count, unit, words.next()) {
        (Some(count @ 1..=1_000_000), Some("reading" | "readings"), None) => Delay::Readings(count),
        _ => parse_duration_ms(text).map_or_else(
            || {
                faults.add(place, check::bad_delay(text));
                Delay::Readings(1)
            },
            Delay::TimeMs,
        ),
    }
}

/// `2 of 3 within 10m`; the span may be left out.
fn recheck(
    text: Option<&str>,
    healthy: bool,
    place: Place<'_>,
    faults: &mut Faults<'_>,
) -> Recheck {
    let none = Recheck { need: 1, of: 1, within_ms: i64::MAX, healthy };
    let Some(text) = text else { return none };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (counts, span) = match words.as_slice() {
        [need, "of", of] => ((need, of), Some(i64::MAX)),
        [need, "of", of, "within", span @ ..] => ((need, of), parse_duration_ms(&span.join(" "))),
        _ => ((&"", &""), None),
    };
    let most = u8::try_from(EVIDENCE_READINGS_MAX).unwrap_or(u8::MAX);
    match (counts.0.parse::<u8>(), counts.1.parse::<u8>(), span) {
        (Ok(need), Ok(of), Some(within_ms)) if need >= 1 && need <= of && of <= most => {
            Recheck { need, of, within_ms, healthy }
        }
        _ => {
            faults.add(place.key("recheck.need"), check::bad_recheck(text, most));
            none
        }
    }
}

/// One rule for every indicator whose levels raise warnings.
fn add_indicator_rules(catalog: &mut Catalog) {
    for index in 0..catalog.indicators.len() {
        let number = pack_index(catalog.rules.len());
        let indicator = &mut catalog.indicators[index];
        let def: &Indicator = &indicator.def;
        if def.better == Better::Band || def.levels.as_ref().is_none_or(|l| l.warn.is_empty()) {
            continue;
        }
        let pack = &catalog.packs[usize::from(indicator.pack)];
        catalog.rules.push(RuleDef {
            id: format!("{}/{}", pack.head.id, def.code),
            pack: indicator.pack,
            name: Text::new(def.name.zh.as_str(), def.name.en.as_str()),
            origin: RuleOrigin::Indicator(pack_index(index)),
            answer_ms: [None; 4],
            files: def.files.clone(),
            files_at: None,
            files_row: 0,
            source: def.source.clone(),
            parents: Vec::new(),
            children: Vec::new(),
            under_within: None,
            compiled: None,
        });
        indicator.rule = Some(number);
    }
}

/// What the formulas need of every (kind, width).
fn lay_windows(
    formulas: &[Program<RollupTerm>],
    catalog: &Catalog,
) -> BTreeMap<(KindId, i64), Layout> {
    let mut layouts: BTreeMap<(KindId, i64), Layout> = BTreeMap::new();
    for (indicator, formula) in catalog.indicators.iter().zip(formulas) {
        for term in formula.terms().filter(|term| term.field.reads()) {
            let layout = layouts.entry((term.kind, indicator.window_ms)).or_default();
            match term.field {
                Field::Sum | Field::Mean => layout.need_sum(),
                Field::Min => layout.need_min(),
                Field::Max => layout.need_max(),
                Field::Last => layout.need_last(),
                Field::Quantile(_) => layout.need_sketch(),
                Field::CountWithin(low, high) => layout.need_condition(low, high),
                _ => {}
            }
        }
    }
    layouts
}

/// Numbers the windows and turns the formulas into programs over their words.
fn open_windows(
    layouts: BTreeMap<(KindId, i64), Layout>,
    formulas: &[Program<RollupTerm>],
    catalog: &mut Catalog,
) {
    for ((kind, width_ms), mut layout) in layouts {
        layout.place();
        let number = pack_index(catalog.windows.len());
        let range = &mut catalog.kinds[usize::from(kind.0)].windows;
        *range =
            if range.start == range.end { number..number + 1 } else { range.start..number + 1 };
        catalog.windows.push(WindowDef { kind, width_ms, layout });
    }
    for (indicator, formula) in catalog.indicators.iter_mut().zip(formulas) {
        place_terms(indicator, formula, &catalog.windows);
    }
}

fn place_terms(indicator: &mut IndicatorDef, formula: &Program<RollupTerm>, windows: &[WindowDef]) {
    let mut kinds: Vec<KindId> = formula.terms().map(|term| term.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let window_of = |kind: KindId| {
        let found =
            windows.iter().position(|w| w.kind == kind && w.width_ms == indicator.window_ms);
        found.map(pack_index)
    };
    let reads = |kind| formula.terms().any(|term| term.kind == kind && term.field.reads());
    indicator.windows =
        kinds.iter().map(|&kind| if reads(kind) { window_of(kind) } else { None }).collect();
    indicator.program = formula.map(|term| {
        let slot = kinds.iter().position(|&kind| kind == term.kind).unwrap_or(0);
        let layout = window_of(term.kind).map(|w| &windows[usize::from(w)].layout);
        let load = match (term.field, layout) {
            (Field::Registered, _) => Load::Registered,
            (Field::Online, _) => Load::Online,
            (Field::OnlineRatio, _) => Load::OnlineRatio,
            (Field::Sum, Some(layout)) => Load::Sum(layout.sum_at()),
            (Field::Mean, Some(layout)) => Load::Mean(layout.sum_at()),
            (Field::Min, Some(layout)) => Load::Float(layout.min_at()),
            (Field::Max, Some(layout)) => Load::Float(layout.max_at()),
            (Field::Last, Some(layout)) => Load::Float(layout.last_at() + 1),
            (Field::Quantile(share), Some(_)) => Load::Quantile(share),
            (Field::CountWithin(low, high), Some(layout)) => {
                Load::Word(layout.condition_at(low, high))
            }
            (_, _) => Load::Count,
        };
        SlotTerm { kind: u8::try_from(slot).unwrap_or(u8::MAX), load }
    });
    let about_online = |field| matches!(field, Field::Online | Field::OnlineRatio);
    indicator.uses_online = formula.terms().any(|term| about_online(term.field));
    let about_chosen = |field| matches!(field, Field::Min | Field::Max | Field::Last);
    indicator.uses_chosen = formula.terms().any(|term| about_chosen(term.field));
    indicator.kinds = kinds;
}
