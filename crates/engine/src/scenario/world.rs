//! The small city in which a scenario plays: areas, devices, an engine, warnings, cases.
//!
//! Invariant: what happens depends on the lines that act alone, never on what is expected.

use std::collections::BTreeMap;
use std::sync::Arc;

use chengmai_model::calendar::{Calendar, CalendarYear, WorkHours};
use chengmai_model::case::{Case, Refusal};
use chengmai_model::time::{HOUR_MS, MINUTE_MS, format_duration};
use chengmai_model::warning::{Subject, WarningChange, WarningId, WarningStep};
use chengmai_model::{
    Actor, AreaId, AreaPath, AreaTree, DeviceId, Reading, Severity, StreamId, Tier, Timestamp,
};

use super::parse::{Action, Item, Times};
use super::people::{self, Agency};
use super::{Mismatch, areas, show};
use crate::answer::{ANSWER_LIMITS_MS, escalation};
use crate::case::{AgencyRule, CaseRules};
use crate::event::{AlarmStep, DeviceStep};
use crate::{Catalog, Engine, Event, Settings, StreamSpec};

/// `t=0`: midnight of 2026-07-01 eight hours east of Greenwich.
const START: Timestamp = Timestamp(1_782_835_200_000);
const UTC_OFFSET_MS: i64 = 8 * HOUR_MS;

/// A warning as people see it.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) id: WarningId,
    rule: u16,
    area: AreaId,
    pub(super) severity: Severity,
    /// When it was raised or last became worse: the answer's clock begins.
    since: Timestamp,
    escalated_to: Option<Tier>,
    pub(super) answered: bool,
    cleared: bool,
    held: bool,
    pub(super) filed: bool,
}

/// The moment that the lines call `t=0`.
fn start_of(items: &[Item]) -> Timestamp {
    let given = items.iter().find_map(|item| match item {
        Item::Date(date) => Some(*date),
        _ => None,
    });
    let midnight = given.and_then(|date| date.to_zoned(zone()).ok());
    midnight.map_or(START, |at| Timestamp(at.timestamp().as_millisecond()))
}

/// Eight hours east of Greenwich, all year.
fn zone() -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::fixed(jiff::tz::offset(8))
}

/// Monday to Friday, 8 to 12 and 14 to 18, and the days that the lines name.
fn rules(catalog: &Catalog, items: &[Item]) -> CaseRules {
    let (mut off, mut work) = (Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Day { date, work: true } => work.push(*date),
            Item::Day { date, work: false } => off.push(*date),
            _ => {}
        }
    }
    let year =
        CalendarYear { year: 2026, source: "scenario".to_owned(), off, work, provisional: false };
    let weekend = [jiff::civil::Weekday::Saturday, jiff::civil::Weekday::Sunday];
    let hours = WorkHours::usual_hours();
    let calendar = Calendar::new(&zone(), &weekend, hours, "scenario", vec![year])
        .unwrap_or_else(|| Calendar::plain(&zone()));
    catalog.case_rules(calendar)
}

/// Everything of one scenario.
#[derive(Debug)]
pub(super) struct World<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) areas: Arc<AreaTree>,
    engine: Engine,
    devices: BTreeMap<String, (StreamId, u8)>,
    pub(super) agencies: Vec<Agency>,
    pub(super) warnings: Vec<Standing>,
    pub(super) cases: Vec<Case>,
    pub(super) rules: CaseRules,
    /// `t=0`.
    pub(super) start: Timestamp,
    pub(super) now: Timestamp,
    /// Readings given so far: the position in a journal that does not exist.
    position: u64,
    /// Something was done since the last tick.
    unsettled: bool,
    /// Warnings, cases, refusals: when and what.
    happened: Vec<(Timestamp, String)>,
    /// Alarms and devices.
    quiet: Vec<String>,
}

impl<'c> World<'c> {
    /// The city that the lines declare.
    pub(super) fn new(catalog: &'c Catalog, items: &[Item]) -> Result<Self, Mismatch> {
        let areas = Arc::new(areas::tree(items)?);
        let start = start_of(items);
        let settings = Settings { utc_offset_ms: UTC_OFFSET_MS, ..Settings::default() };
        let mut world = Self {
            catalog,
            engine: Engine::new(catalog.clone(), Arc::clone(&areas), settings),
            areas,
            devices: BTreeMap::new(),
            agencies: Vec::new(),
            warnings: Vec::new(),
            cases: Vec::new(),
            rules: rules(catalog, items),
            start,
            now: start,
            position: 0,
            unsettled: false,
            happened: Vec::new(),
            quiet: Vec::new(),
        };
        for (line, item) in (1..).zip(items) {
            world.declare(item).map_err(|why| Mismatch::unreadable(line, why))?;
        }
        Ok(world)
    }

    fn declare(&mut self, item: &Item) -> Result<(), String> {
        match item {
            Item::Agency { id, kind, area, hours } => {
                let area = people::path_of(&self.areas, area)?;
                let rule =
                    AgencyRule { kind: kind.clone(), area: area.clone(), hours: hours.clone() };
                self.rules.set_agency(id, rule);
                self.agencies.push(Agency { id: id.clone(), kind: kind.clone(), area });
            }
            Item::Device { id, kind, area, period_ms } => {
                let kind = self.catalog.kind_id(kind).ok_or_else(|| format!("no kind `{kind}`"))?;
                let def = self.catalog.kind(kind);
                let area = self.find_area(area)?;
                let given = period_ms.map(u32::try_from).transpose();
                let given = given.map_err(|_| "the period is too long")?;
                let period_ms = given.unwrap_or(def.period_ms);
                let device = DeviceId(u32::try_from(self.devices.len()).unwrap_or(u32::MAX));
                let stream = self.engine.register(StreamSpec { kind, area, period_ms, device });
                if self.devices.insert(id.clone(), (stream, def.kind.decimals)).is_some() {
                    return Err(format!("the device `{id}` is there already"));
                }
            }
            Item::Setpoints { device, levels } => {
                let known = self.devices.get(device).ok_or("that device is not declared above")?;
                self.engine.set_setpoints(known.0, levels);
            }
            Item::Nothing
            | Item::Area(_)
            | Item::Date(_)
            | Item::Day { .. }
            | Item::Act { .. }
            | Item::Expect(_) => {}
        }
        Ok(())
    }

    fn find_area(&self, code: &str) -> Result<AreaId, String> {
        self.areas.find(code).ok_or_else(|| format!("there is no area `{code}`"))
    }

    /// Does one line.
    pub(super) fn act(&mut self, time: Option<Times>, action: &Action) -> Result<(), String> {
        let Some(time) = time else { return self.act_now(action, 0.0) };
        let mut at = time.first_ms;
        let whole = (time.last_ms - time.first_ms).max(1) as f64;
        loop {
            self.move_to(self.start.plus_ms(at))?;
            self.act_now(action, (at - time.first_ms) as f64 / whole)?;
            at += time.every_ms;
            if at > time.last_ms {
                return Ok(());
            }
            self.settle();
        }
    }

    /// `share`: how much of a repeating line's time has passed.
    fn act_now(&mut self, action: &Action, share: f64) -> Result<(), String> {
        self.unsettled = true;
        match action {
            Action::Tick => Ok(()),
            Action::Observe(list) => list.iter().try_for_each(|observed| {
                let value = observed.from + (observed.to - observed.from) * share;
                self.observe(&observed.device, value, observed.late_ms)
            }),
            Action::Answer { warning, confirm } => self.answer(*warning, *confirm),
            Action::FileWarning { warning, row } => {
                let standing = self.warning(*warning)?;
                self.file_warning(standing, *row)
            }
            Action::FileType { case_type, area, row } => {
                let area = people::path_of(&self.areas, area)?;
                let actor = Actor::program(area.clone());
                self.file(case_type, *row, area, None, &actor)
            }
            Action::Report { case_type, area, source, by } => {
                self.report(case_type, area, *source, by.as_deref())
            }
            Action::Command { case, kind, said } => self.command(*case, *kind, said),
        }
    }

    /// Lets time pass, with a tick once a minute.
    fn move_to(&mut self, then: Timestamp) -> Result<(), String> {
        if then < self.now {
            return Err("time does not run backwards".to_owned());
        }
        self.settle();
        let mut next = self.now.window_start(MINUTE_MS, 0).plus_ms(MINUTE_MS);
        while next < then {
            self.now = next;
            self.tick();
            next = next.plus_ms(MINUTE_MS);
        }
        self.now = then;
        Ok(())
    }

    /// A tick, if anything was done since the last one.
    pub(super) fn settle(&mut self) {
        if self.unsettled {
            self.tick();
        }
    }

    fn tick(&mut self) {
        self.unsettled = false;
        let mut events = Vec::new();
        self.engine.tick(self.now, &mut events);
        self.follow(events);
        self.escalate();
    }

    fn observe(&mut self, device: &str, value: f64, late_ms: i64) -> Result<(), String> {
        let &(stream, decimals) =
            self.devices.get(device).ok_or_else(|| format!("there is no device `{device}`"))?;
        // What a sensor sends has no more digits than its kind.
        let scale = 10_f64.powi(i32::from(decimals));
        let value = (value * scale).round() / scale;
        let reading = Reading { stream, at: self.now.plus_ms(-late_ms), value };
        let mut events = Vec::new();
        self.engine.apply(self.position, self.now, &[reading], &mut events);
        self.position += 1;
        self.follow(events);
        Ok(())
    }

    fn follow(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Warning(change) => self.warning_changed(&change),
                Event::Alarm(change) => {
                    let step = match change.step {
                        AlarmStep::Raised => "raised",
                        AlarmStep::Cleared => "cleared",
                    };
                    let rule = &self.catalog.rules()[usize::from(change.rule)].id;
                    let device = self.device_of(change.stream);
                    self.quiet.push(format!("alarm {device} {step} rule={rule}"));
                }
                Event::Device(change) => {
                    let step = match change.step {
                        DeviceStep::Online => "online",
                        DeviceStep::Offline => "offline",
                        DeviceStep::Stuck => "stuck",
                        DeviceStep::OutOfRange => "out_of_range",
                        DeviceStep::Healthy => "healthy",
                    };
                    let device = self.device_of(change.stream);
                    self.quiet.push(format!("device {device} {step}"));
                }
                Event::Window(_) | Event::Tally(_) => {}
            }
        }
    }

    /// `W3`.
    fn number_of(&self, id: WarningId) -> String {
        let known = self.warnings.iter().position(|standing| standing.id == id);
        known.map_or_else(|| id.to_string(), |index| format!("W{}", index + 1))
    }

    fn device_of(&self, stream: StreamId) -> &str {
        let found = self.devices.iter().find(|(_, (id, _))| *id == stream);
        found.map_or("?", |(name, _)| name)
    }

    fn warning_changed(&mut self, change: &WarningChange) {
        let known = self.warnings.iter().position(|standing| standing.id == change.id);
        let value = match change.subject {
            Subject::Stream(stream) => {
                let found = self.devices.values().find(|(id, _)| *id == stream);
                show::number(change.value, found.map_or(6, |(_, decimals)| *decimals))
            }
            Subject::Group { .. } => show::number(change.value, 6),
            Subject::Indicator { indicator, .. } => {
                let def = &self.catalog.indicators()[usize::from(indicator)];
                show::number(change.value, def.def.decimals)
            }
        };
        let rule = &self.catalog.rules()[usize::from(change.rule)].id;
        let number = known.unwrap_or(self.warnings.len()) + 1;
        let said = match (change.step, known) {
            (WarningStep::Raised, _) | (_, None) => {
                show::raised(&self.areas, change.severity, change.area, rule, &value)
            }
            (WarningStep::Reopened, _) => {
                format!("reopened {} value={value}", change.severity.color())
            }
            (WarningStep::Held, _) => "held".to_owned(),
            (WarningStep::Released, _) => format!("released {}", change.severity.color()),
            (WarningStep::Regraded, _) => {
                format!("regraded {} value={value}", change.severity.color())
            }
            (WarningStep::Cleared, _) => format!("cleared value={value}"),
        };
        let why = show::why(change.held, |id| self.number_of(id));
        self.say(format!("warning W{number} {said}{why}"));
        let index = known.unwrap_or_else(|| {
            self.warnings.push(Standing {
                id: change.id,
                rule: change.rule,
                area: change.area,
                severity: change.severity,
                since: self.now,
                escalated_to: None,
                answered: false,
                cleared: false,
                held: false,
                filed: false,
            });
            self.warnings.len() - 1
        });
        let standing = &mut self.warnings[index];
        let shown_anew = matches!(change.step, WarningStep::Reopened | WarningStep::Released);
        if change.severity > standing.severity || shown_anew {
            standing.since = self.now;
            standing.escalated_to = None;
        }
        standing.severity = change.severity;
        standing.cleared = change.step == WarningStep::Cleared;
        standing.held = change.held.is_some();
        if matches!(change.subject, Subject::Group { .. }) {
            return;
        }
        self.file_by_rule(index);
    }

    /// Files the case that a rule files by itself.
    fn file_by_rule(&mut self, index: usize) {
        let standing = &self.warnings[index];
        let rule = &self.catalog.rules()[usize::from(standing.rule)];
        let due = rule.files_at.is_some_and(|least| standing.severity >= least) && !standing.held;
        if due && !standing.filed && !standing.cleared {
            self.file_warning(index, None).expect("the catalog has checked what a rule files");
        }
    }

    fn file_warning(&mut self, index: usize, row: Option<usize>) -> Result<(), String> {
        let standing = &self.warnings[index];
        let rule = &self.catalog.rules()[usize::from(standing.rule)];
        let files = rule.files.clone().ok_or("the rule proposes no case; file a type instead")?;
        let row = row.unwrap_or(rule.files_row);
        let area = AreaPath::of(&self.areas, standing.area);
        let actor = Actor::program(AreaPath::of(&self.areas, AreaId::ROOT));
        self.file(&files, row, area, Some(index), &actor)
    }

    fn answer(&mut self, warning: usize, confirm: bool) -> Result<(), String> {
        let index = self.warning(warning)?;
        let standing = &mut self.warnings[index];
        if standing.answered {
            return Err(format!("W{warning} was already answered"));
        }
        standing.answered = true;
        let word = if confirm { "confirmed" } else { "dismissed" };
        self.say(format!("warning W{warning} {word}"));
        Ok(())
    }

    fn warning(&self, number: usize) -> Result<usize, String> {
        let known = (1..=self.warnings.len()).contains(&number);
        if known { Ok(number - 1) } else { Err(format!("there is no W{number} yet")) }
    }

    /// Warnings that nobody answered in time go up.
    fn escalate(&mut self) {
        let mut said = Vec::new();
        for (number, standing) in (1..).zip(&mut self.warnings) {
            if standing.answered || standing.cleared || standing.held {
                continue;
            }
            let rule = &self.catalog.rules()[usize::from(standing.rule)];
            let grade = usize::from(standing.severity.number()) - 1;
            let limit = rule.answer_ms[grade].unwrap_or(ANSWER_LIMITS_MS[grade]);
            let tier = self.areas.get(standing.area).row.tier;
            let stands = escalation(tier, standing.since, limit, self.now);
            if stands.escalated_to != standing.escalated_to {
                standing.escalated_to = stands.escalated_to;
                if let Some(to) = stands.escalated_to {
                    said.push(format!("warning W{number} escalated to {}", to.word()));
                }
            }
        }
        for text in said {
            self.say(text);
        }
    }

    pub(super) fn refused(&mut self, what: &str, refusal: &Refusal) {
        let code = refusal.code;
        self.say(format!("refused {what} {} {}", code.label(), code.name));
    }

    pub(super) fn say(&mut self, text: String) {
        self.happened.push((self.now, text));
    }

    /// What happened since the last time this was asked; with its time where that is not now.
    pub(super) fn take_happened(&mut self) -> Vec<String> {
        self.quiet.clear();
        let (now, start) = (self.now, self.start);
        let happened = std::mem::take(&mut self.happened);
        let timed = |(at, text): (Timestamp, String)| {
            if at == now { text } else { format!("{text} at={}", format_duration(at.since(start))) }
        };
        happened.into_iter().map(timed).collect()
    }

    /// The words themselves if such an alarm or device change happened since the last
    /// [`Self::take_happened`]; else what happened to the same device last.
    pub(super) fn quiet(&self, words: &str) -> Option<String> {
        if self.quiet.iter().any(|said| said == words) {
            return Some(words.to_owned());
        }
        let mut start = words.split(' ');
        let start = [start.next()?, start.next()?].join(" ") + " ";
        self.quiet.iter().rev().find(|said| said.starts_with(&start)).cloned()
    }

    /// `indicator CODE AREA VALUE LEVEL [uncertain]` as it is now.
    pub(super) fn indicator(&self, words: &str) -> Result<String, String> {
        let mut parts = words.split(' ').skip(1);
        let (Some(code), Some(area)) = (parts.next(), parts.next()) else {
            return Err("write `expect indicator CODE AREA VALUE LEVEL`".to_owned());
        };
        let index = self
            .catalog
            .find_indicator(code)
            .ok_or_else(|| format!("there is no indicator `{code}`"))?;
        let value = self.engine.value(index, self.find_area(area)?);
        let def = &self.catalog.indicators()[usize::from(index)];
        let shown = value
            .value
            .map_or_else(|| "unknown".to_owned(), |value| show::number(value, def.def.decimals));
        let level = Severity::new(value.severity).map_or("normal", Severity::color);
        let uncertain = if value.uncertain { " uncertain" } else { "" };
        Ok(format!("indicator {code} {area} {shown} {level}{uncertain}"))
    }
}
