//! The catalog: all packs, checked against each other and compiled. Names become dense numbers,
//! expressions become programs, and each kind learns which windows its readings must be written to.
//!
//! Invariants: everything a pack may get wrong is refused in [`Catalog::compile`]; what comes out
//! cannot fail later. Kinds may be added at run time (unknown devices), nothing else may change.

mod check;
mod compile;
mod parents;
mod rollup_terms;
mod rule_terms;

use std::ops::Range;

use chengmai_model::calendar::Calendar;
use chengmai_model::pack::{CaseType, Indicator, Keep, Kind, Layer, Pack, PackFault, PackHead};
use chengmai_model::pack::{Period, Plan, Procedure, Rule, Scenario};
use chengmai_model::time::MINUTE_MS;
use chengmai_model::{KindId, Severity, Text, Tier};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

pub(crate) use rollup_terms::{Load, SHARES, SlotTerm};
pub(crate) use rule_terms::{CompiledRule, Delay, ReadingTerm};

use crate::accumulator::Layout;
use crate::case::CaseRules;
use crate::expr::values::ValueSet;
use crate::limits::KINDS_MAX;
use crate::setpoint::Bounds;

/// Everything the packs declare, compiled.
#[derive(Debug, Clone)]
pub struct Catalog {
    packs: Vec<PackInfo>,
    kinds: Vec<KindDef>,
    kind_by_name: HashMap<String, KindId, FixedState>,
    declared_kinds: usize,
    indicators: Vec<IndicatorDef>,
    rules: Vec<RuleDef>,
    case_types: Vec<CaseTypeDef>,
    procedures: Vec<Procedure>,
    plans: Vec<Plan>,
    windows: Vec<WindowDef>,
    fingerprint: u64,
}

/// A pack without its kinds, indicators, rules and case types, which have their own lists.
#[derive(Debug, Clone, PartialEq)]
pub struct PackInfo {
    /// `pack.toml`.
    pub head: PackHead,
    /// How its devices look on the map.
    pub layers: Vec<Layer>,
    /// Its proof.
    pub scenarios: Vec<Scenario>,
    /// `README.md`.
    pub readme: String,
    /// How much of each it declares.
    pub counts: PackCounts,
}

/// How much a pack declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackCounts {
    /// Kinds of reading.
    pub kinds: usize,
    /// Indicators.
    pub indicators: usize,
    /// Rules, without those generated for indicators.
    pub rules: usize,
    /// Case types.
    pub case_types: usize,
    /// Text scenarios.
    pub scenarios: usize,
}

/// A kind of reading.
#[derive(Debug, Clone, PartialEq)]
pub struct KindDef {
    /// Its dense number.
    pub id: KindId,
    /// Index of its pack; `None` for a kind that no pack declares.
    pub pack: Option<u16>,
    /// What the pack says of it.
    pub kind: Kind,
    /// Lowest and highest value, both included.
    pub range: [f64; 2],
    /// Expected time between readings in milliseconds; never 0.
    pub period_ms: u32,
    /// The same while an alarm stands.
    pub alarm_period_ms: Option<u32>,
    /// The same value for so many milliseconds makes the device suspect.
    pub stuck_ms: Option<i64>,
    /// Rules that watch it, as indices into [`Catalog::rules`].
    pub rules: Vec<u16>,
    /// Windows its readings are written to, as indices into the list of windows.
    pub(crate) windows: Range<u16>,
    /// Values that no rule can have anything to say about, both ends included; empty if low > high.
    pub(crate) quiet: [f64; 2],
    /// Silences in milliseconds after which some rule must be asked, ascending.
    pub(crate) silences_ms: Vec<i64>,
    /// Shortest time of the same value after which somebody must be asked, in milliseconds.
    pub(crate) stuck_first_ms: Option<i64>,
    /// Longest span over which some rule asks for a slope, in milliseconds; 0 for none.
    pub(crate) slope_ms: i64,
    /// Some rule asks for the anomaly of its streams.
    pub(crate) anomaly: bool,
    /// Some rule asks for the set-points of its streams.
    pub(crate) setpoints: bool,
}

/// A vital sign 体征指标.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorDef {
    /// Index of its pack.
    pub pack: u16,
    /// What the pack says of it.
    pub def: Indicator,
    /// Its section, the pack's own if it names none.
    pub section: String,
    /// Its track, the pack's own if it names none.
    pub track: Text,
    /// Width of its tumbling window in milliseconds.
    pub window_ms: i64,
    /// Least coverage, 0 to 1, for a value to be certain.
    pub coverage_min: f64,
    /// How long a level must last before it counts, in milliseconds.
    pub hold_ms: i64,
    /// Index of the rule generated for it, when a level raises a warning.
    pub rule: Option<u16>,
    /// Kinds whose readings or registrations its formula names.
    pub kinds: Vec<KindId>,
    /// For each of `kinds`, the window that holds its readings; `None` when only counted as
    /// registered or online.
    pub(crate) windows: Vec<Option<u16>>,
    /// Its formula asks how many streams are online.
    pub(crate) uses_online: bool,
    /// Its formula asks for a smallest, greatest or newest reading.
    pub(crate) uses_chosen: bool,
    pub(crate) program: crate::expr::Program<SlotTerm>,
}

impl IndicatorDef {
    /// True when it is shown on that tier.
    pub fn on_tier(&self, tier: Tier) -> bool {
        self.def.tiers.contains(&tier)
    }

    /// True when reaching a level raises a warning on that tier.
    pub fn warns_on(&self, tier: Tier) -> bool {
        self.def.levels.as_ref().is_some_and(|levels| levels.warn.contains(&tier))
    }

    /// True when the formula reads readings, not only registrations.
    pub(crate) fn has_readings(&self) -> bool {
        self.windows.iter().any(Option::is_some)
    }
}

/// A rule: one that a pack wrote, or one generated for an indicator whose levels raise warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleDef {
    /// `gas/methane_in_manhole`; for an indicator the pack and its code, `gas/gas.safe_share`.
    pub id: String,
    /// Index of its pack.
    pub pack: u16,
    /// Its name.
    pub name: Text,
    /// Who wrote it.
    pub origin: RuleOrigin,
    /// How soon a warning must be answered, in milliseconds, by severity from 1 at index 0.
    pub answer_ms: [Option<i64>; 4],
    /// Case type it proposes.
    pub files: Option<String>,
    /// From this severity on the case is filed without waiting for a person.
    pub files_at: Option<Severity>,
    /// Row of the case type's filing standard that the program cites, from 0.
    pub files_row: usize,
    /// Where the numbers come from.
    pub source: String,
    /// Rules of whose warnings its own are a consequence, as indices into [`Catalog::rules`].
    pub parents: Vec<u16>,
    /// The other way round: rules that fall silent under it.
    pub children: Vec<u16>,
    /// How far its parents reach: the area of this tier around the cause.
    pub under_within: Option<Tier>,
    pub(crate) compiled: Option<CompiledRule>,
}

/// Where a rule comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleOrigin {
    /// A pack's `rules.toml`.
    Readings {
        /// The kind it watches.
        kind: KindId,
        /// What the pack says.
        rule: Box<Rule>,
    },
    /// Levels of the indicator with this index.
    Indicator(u16),
}

/// A type of case.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseTypeDef {
    /// Index of its pack.
    pub pack: u16,
    /// What the pack says of it.
    pub def: CaseType,
}

/// Windows of one width over the readings of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WindowDef {
    pub(crate) kind: KindId,
    pub(crate) width_ms: i64,
    pub(crate) layout: Layout,
}

impl Catalog {
    /// Checks all packs against each other and compiles them.
    ///
    /// # Errors
    /// Every fault found, with the file (`gas/rules.toml`), what is wrong and how to mend it.
    pub fn compile(packs: &[Pack]) -> Result<Self, Vec<PackFault>> {
        compile::compile(packs)
    }

    /// A catalog of no packs: every kind is undeclared.
    pub fn empty() -> Self {
        compile::compile(&[]).expect("no packs have no faults")
    }

    /// All packs, in the order given.
    pub fn packs(&self) -> &[PackInfo] {
        &self.packs
    }

    /// The pack with that index.
    pub fn pack(&self, index: u16) -> &PackInfo {
        &self.packs[usize::from(index)]
    }

    /// All kinds, by number.
    pub fn kinds(&self) -> &[KindDef] {
        &self.kinds
    }

    /// The number of the kind with that name.
    pub fn kind_id(&self, name: &str) -> Option<KindId> {
        self.kind_by_name.get(name).copied()
    }

    /// The kind with that number.
    pub fn kind(&self, id: KindId) -> &KindDef {
        &self.kinds[usize::from(id.0)]
    }

    /// All indicators; the index is the number used in events.
    pub fn indicators(&self) -> &[IndicatorDef] {
        &self.indicators
    }

    /// The number of the indicator with that code.
    pub fn find_indicator(&self, code: &str) -> Option<u16> {
        let index = self.indicators.iter().position(|i| i.def.code == code)?;
        u16::try_from(index).ok()
    }

    /// All rules; the index is the number used in events.
    pub fn rules(&self) -> &[RuleDef] {
        &self.rules
    }

    /// The number of the rule with that id (`gas/methane_in_manhole`).
    pub fn find_rule(&self, id: &str) -> Option<u16> {
        let index = self.rules.iter().position(|r| r.id == id)?;
        u16::try_from(index).ok()
    }

    /// All types of case.
    pub fn case_types(&self) -> &[CaseTypeDef] {
        &self.case_types
    }

    /// The type of case with that id.
    pub fn case_type(&self, id: &str) -> Option<&CaseTypeDef> {
        self.case_types.iter().find(|case| case.def.id == id)
    }

    /// What cases are decided by: the types, procedures and plans of all packs, with a calendar. Agencies
    /// are added by whoever knows them.
    pub fn case_rules(&self, calendar: Calendar) -> CaseRules {
        let types = self.case_types.iter().map(|case_type| &case_type.def);
        CaseRules::new(calendar, types, &self.procedures, &self.plans, [])
    }

    /// The number of the kind with that name, added if no pack declares it: no unit, any finite
    /// value, one reading a minute. Past [`KINDS_MAX`] all further names share the last kind.
    pub fn kind_or_add(&mut self, name: &str) -> KindId {
        if let Some(id) = self.kind_id(name) {
            return id;
        }
        let full = self.kinds.len() >= KINDS_MAX;
        if let (true, Some(last)) = (full, self.kinds.last()) {
            return last.id;
        }
        let id = KindId(u16::try_from(self.kinds.len()).expect("KINDS_MAX fits in u16"));
        self.kinds.push(undeclared(id, name));
        self.kind_by_name.insert(name.to_owned(), id);
        id
    }

    /// Names of the kinds that were added at run time, in order.
    pub(crate) fn added_kinds(&self) -> impl Iterator<Item = &str> {
        self.kinds[self.declared_kinds..].iter().map(|kind| kind.kind.id.as_str())
    }

    /// A number that changes whenever any meaning in the packs changes (added kinds do not count).
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// True when some rule of that kind asks for set-points.
    pub fn asks_setpoints(&self, kind: &str) -> bool {
        self.kind_id(kind).is_some_and(|id| self.kind(id).setpoints)
    }

    /// The quiet band of a stream of that kind with set-points of its own.
    pub(crate) fn quiet_with(&self, kind: KindId, bounds: &Bounds) -> [f64; 2] {
        let kind = self.kind(kind);
        let rules = kind.rules.iter().map(|&rule| &self.rules[usize::from(rule)]);
        let loud = rules.filter_map(|rule| rule.compiled.as_ref()).map(|rule| {
            let of_setpoints = rule.of_setpoints.as_deref();
            of_setpoints
                .map_or_else(|| rule.loud.clone(), |when| check::loud_values_of(when, bounds))
        });
        check::quiet_band(&loud.fold(ValueSet::none(), |all, one| all.or(&one)), kind.range)
    }

    pub(crate) fn windows(&self) -> &[WindowDef] {
        &self.windows
    }

    /// Same kinds, indicators and windows: only what rules say is different.
    pub(crate) fn differs_in_rules_only(&self, other: &Self) -> bool {
        let kinds =
            |catalog: &Self| catalog.kinds.iter().map(|k| k.kind.clone()).collect::<Vec<_>>();
        let signs =
            |catalog: &Self| catalog.indicators.iter().map(|i| i.def.clone()).collect::<Vec<_>>();
        kinds(self) == kinds(other) && signs(self) == signs(other) && self.windows == other.windows
    }
}

fn undeclared(id: KindId, name: &str) -> KindDef {
    let kind = Kind {
        id: name.to_owned(),
        name: Text::new(name, name),
        unit: String::new(),
        unit_aliases: Vec::new(),
        range: [f64::MIN, f64::MAX],
        decimals: 3,
        period: Period { normal: "1m".to_owned(), alarm: None },
        stuck_after: None,
        keep: Keep::default(),
        source: "undeclared".to_owned(),
    };
    KindDef {
        id,
        pack: None,
        range: kind.range,
        quiet: kind.range,
        kind,
        period_ms: u32::try_from(MINUTE_MS).expect("a minute fits"),
        alarm_period_ms: None,
        stuck_ms: None,
        rules: Vec::new(),
        windows: 0..0,
        silences_ms: Vec::new(),
        stuck_first_ms: None,
        slope_ms: 0,
        anomaly: false,
        setpoints: false,
    }
}

#[cfg(test)]
mod tests;
