//! The formulas of the evaluation 综合评价: which cases stand in a rate's denominator and numerator in
//! a period. One function ([`classify`]) says it of one case; tallies, drill-down and screens all use it.
//!
//! **Due** 应处置 (应派遣, 应结案 …) in a period: the stage's deadline falls in it, or the stage was done
//! in it. A deadline counts once it has passed: cases whose deadline still lies ahead are not yet due,
//! so a running month is not blamed for its last days. A late case is due twice: open and overdue in the
//! period of its deadline, handled late in the period of its handling. So months do not add up to a
//! quarter, and each period is counted by itself.
//!
//! **Excused**: a breach whose appeal was upheld counts as in time; the raw figure stays beside it. An
//! appeal excuses a breach that is over; what still goes on is extended or paused instead.
//!
//! Not here: weights and grades ([`super::composite`]). Invariant: a case that is open past its deadline
//! is never outside the on-time rate of the period of that deadline.

use chengmai_model::formula::FORMULAS;
use chengmai_model::pack::rating::EvaluationObject;
use chengmai_model::{EvaluationPeriod, Formula, Timestamp};

use super::Rate;
use super::facts::{CaseFacts, NOBODY, StageFacts};

/// What is seen: the period, cut at the moment of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    from: Timestamp,
    end: Timestamp,
}

impl Span {
    /// A period as seen at `now`; a period that is over is seen as at its end.
    pub fn new(period: EvaluationPeriod, now: Timestamp) -> Self {
        Self { from: period.from, end: period.to.min(now).max(period.from) }
    }

    fn holds(self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.end
    }
}

/// Where a case stands in every formula: bit `n` is formula `n` of [`Formula::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Membership {
    /// In the denominator.
    pub of: u32,
    /// In the numerator, with upheld appeals.
    pub counted: u32,
    /// In the numerator as if there were no appeals.
    pub raw: u32,
    /// Time used on handling, of a case that was handled in the period.
    pub handled_ms: Option<i64>,
}

impl Membership {
    fn put(&mut self, formula: Formula, of: bool, counted: bool, raw: bool) {
        let place = formula.index();
        self.of |= u32::from(of) << place;
        self.counted |= u32::from(of && counted) << place;
        self.raw |= u32::from(of && raw) << place;
    }

    fn plain(&mut self, formula: Formula, of: bool, counted: bool) {
        self.put(formula, of, counted, counted);
    }

    /// True when the case stands in that part of a formula.
    pub const fn is(&self, formula: Formula, part: Part) -> bool {
        let bits = match part {
            Part::Denominator => self.of,
            Part::Numerator => self.counted,
            Part::RawNumerator => self.raw,
            Part::Rest => self.of & !self.counted,
        };
        bits >> formula.index() & 1 == 1
    }
}

/// A part of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that it is a share of.
    Denominator,
    /// What is counted.
    Numerator,
    /// What would be counted without appeals.
    RawNumerator,
    /// What is not counted.
    Rest,
}

/// One stage of a case as seen in a span.
struct Standing {
    /// In the denominator.
    due: bool,
    done: bool,
    done_here: bool,
    on_time: bool,
    raw_on_time: bool,
    /// Past its deadline, not done and not ended, whatever the period of the deadline.
    overdue: bool,
}

fn standing(stage: &StageFacts, ended_at: Timestamp, span: Span) -> Standing {
    let done = stage.done_at < span.end;
    let done_here = span.holds(stage.done_at);
    // What was cancelled before its deadline never fell due.
    let stood = stage.done_at <= ended_at || ended_at > stage.due_at;
    let raw_on_time = done && !stage.breached && stage.done_at <= stage.due_at;
    Standing {
        due: (stood && span.holds(stage.due_at)) || done_here,
        done,
        done_here,
        on_time: raw_on_time || (done && stage.excused),
        raw_on_time,
        overdue: !done && stage.due_at < span.end && ended_at >= span.end,
    }
}

/// Where a case stands in every formula.
pub fn classify(facts: &CaseFacts, span: Span) -> Membership {
    let mut m = Membership::default();
    let at = |stage: &StageFacts| standing(stage, facts.ended_at, span);

    let handle = at(&facts.handle);
    m.plain(Formula::Disposed, handle.due, handle.done);
    m.put(Formula::DisposedOnTime, handle.due, handle.on_time, handle.raw_on_time);
    let late = |on_time: bool| handle.done && !on_time;
    m.put(Formula::DisposedLate, handle.due, late(handle.on_time), late(handle.raw_on_time));
    m.plain(Formula::OpenOverdue, handle.due, handle.overdue);
    m.plain(Formula::Backlog, handle.due || handle.overdue, handle.overdue);
    m.plain(Formula::Delayed, handle.due, facts.delays > 0);
    m.handled_ms = handle.done_here.then_some(facts.handle.used_ms);

    let close = at(&facts.close);
    m.plain(Formula::Closed, close.due, close.done);
    m.put(Formula::ClosedOnTime, close.due, close.on_time, close.raw_on_time);
    m.plain(Formula::Reworked, close.due, facts.reworks > 0);

    let dispatch = at(&facts.dispatch);
    m.plain(Formula::DispatchedRight, dispatch.due, dispatch.done && facts.returns == 0);
    m.put(Formula::DispatchedOnTime, dispatch.due, dispatch.on_time, dispatch.raw_on_time);

    let file = at(&facts.file);
    m.put(Formula::FiledOnTime, file.done_here, file.on_time, file.raw_on_time);
    m.plain(Formula::FiledRight, file.done_here, !facts.misfiled);

    let decided = facts.accept.done_at < span.end && span.holds(facts.reported_at);
    m.plain(Formula::ReportedValid, decided, facts.valid);
    let counts = decided && facts.valid && (facts.missed || facts.by_collector);
    m.plain(Formula::Missed, counts, facts.missed);

    let verify = at(&facts.verify);
    m.put(Formula::VerifiedOnTime, verify.due, verify.on_time, verify.raw_on_time);
    let check = at(&facts.check);
    m.put(Formula::CheckedOnTime, check.due, check.on_time, check.raw_on_time);

    let answered = facts.satisfaction > 0 && span.holds(facts.answered_at);
    m.plain(Formula::Satisfied, answered, facts.satisfaction >= SATISFIED_MIN);
    m
}

/// The answer that counts as satisfied 满意; 5 is very satisfied 非常满意.
const SATISFIED_MIN: u8 = 4;

/// A rate with what it would be without appeals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Of what.
    pub formula: Formula,
    /// With upheld appeals.
    pub rate: Rate,
    /// Without.
    pub raw: Rate,
}

/// Counts over many cases. Cases are added and taken away one by one: a case that changed is its old
/// membership removed and its new one added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    of: [u32; FORMULAS],
    counted: [u32; FORMULAS],
    raw: [u32; FORMULAS],
    handled: u32,
    handled_ms: i64,
}

impl Tally {
    /// Counts a case.
    pub fn add(&mut self, m: &Membership) {
        for place in 0..FORMULAS {
            self.of[place] += m.of >> place & 1;
            self.counted[place] += m.counted >> place & 1;
            self.raw[place] += m.raw >> place & 1;
        }
        self.handled += u32::from(m.handled_ms.is_some());
        self.handled_ms += m.handled_ms.unwrap_or(0);
    }

    /// Takes back a case that was counted with the same membership.
    ///
    /// # Panics
    /// When it was not: a count below nought has lost its meaning.
    pub fn remove(&mut self, m: &Membership) {
        let less = |count: &mut u32, bit: u32| {
            *count = count.checked_sub(bit).expect("only what was added is taken back");
        };
        for place in 0..FORMULAS {
            less(&mut self.of[place], m.of >> place & 1);
            less(&mut self.counted[place], m.counted >> place & 1);
            less(&mut self.raw[place], m.raw >> place & 1);
        }
        less(&mut self.handled, u32::from(m.handled_ms.is_some()));
        self.handled_ms -= m.handled_ms.unwrap_or(0);
    }

    /// Counts all that another tally counted.
    pub fn merge(&mut self, other: &Self) {
        for place in 0..FORMULAS {
            self.of[place] += other.of[place];
            self.counted[place] += other.counted[place];
            self.raw[place] += other.raw[place];
        }
        self.handled += other.handled;
        self.handled_ms += other.handled_ms;
    }

    /// One figure.
    pub fn figure(&self, formula: Formula) -> Figure {
        let place = formula.index();
        let rate = |counted: u32| Rate::new(u64::from(counted), u64::from(self.of[place]));
        Figure { formula, rate: rate(self.counted[place]), raw: rate(self.raw[place]) }
    }

    /// All figures, in the order of [`Formula::ALL`].
    pub fn figures(&self) -> [Figure; FORMULAS] {
        Formula::ALL.map(|formula| self.figure(formula))
    }

    /// Mean time of handling by its own clock, in milliseconds, over the cases handled in the period;
    /// `None` ("n/a") without any.
    pub fn mean_handling_ms(&self) -> Option<f64> {
        (self.handled > 0).then(|| self.handled_ms as f64 / f64::from(self.handled))
    }
}

/// The number of what a case counts for, or none.
pub fn key(facts: &CaseFacts, object: EvaluationObject) -> Option<u32> {
    let key = match object {
        EvaluationObject::Area => facts.area.0,
        EvaluationObject::Agency => facts.agency,
        EvaluationObject::Class => facts.class,
        EvaluationObject::Collector => facts.posts.collector,
        EvaluationObject::Acceptor => facts.posts.acceptor,
        EvaluationObject::Dispatcher => facts.posts.dispatcher,
        EvaluationObject::DutyChief => facts.posts.duty_chief,
    };
    (key != NOBODY).then_some(key)
}

/// The formulas that say something of an object: a dispatcher does not answer for the handling.
pub const fn formulas_of(object: EvaluationObject) -> &'static [Formula] {
    match object {
        EvaluationObject::Area | EvaluationObject::Agency | EvaluationObject::Class => {
            &Formula::ALL
        }
        EvaluationObject::Collector => &[
            Formula::ReportedValid,
            Formula::Missed,
            Formula::VerifiedOnTime,
            Formula::CheckedOnTime,
        ],
        EvaluationObject::Acceptor => &[Formula::FiledOnTime, Formula::FiledRight],
        EvaluationObject::Dispatcher => &[Formula::DispatchedOnTime, Formula::DispatchedRight],
        EvaluationObject::DutyChief => {
            &[Formula::FiledOnTime, Formula::FiledRight, Formula::ClosedOnTime]
        }
    }
}

/// Tallies of all objects of a sort, numbered from 0 to `objects`; cases of other numbers are passed
/// over. Areas get only their own cases: [`roll_up`] adds those below.
pub fn fold<'a>(
    facts: impl IntoIterator<Item = &'a CaseFacts>,
    span: Span,
    object: EvaluationObject,
    objects: usize,
) -> Vec<Tally> {
    let mut tallies = vec![Tally::default(); objects];
    for facts in facts {
        let tally = key(facts, object).and_then(|key| tallies.get_mut(key as usize));
        if let Some(tally) = tally {
            tally.add(&classify(facts, span));
        }
    }
    tallies
}

/// Adds every area's cases to the areas above it. `parents` as of [`chengmai_model::AreaTree::parents`]:
/// areas in pre-order, so every parent stands before its children.
pub fn roll_up(tallies: &mut [Tally], parents: &[u32]) {
    for (index, &parent) in parents.iter().enumerate().take(tallies.len()).skip(1).rev() {
        let (above, below) = tallies.split_at_mut(index);
        above[parent as usize].merge(&below[0]);
    }
}

/// The cases behind a part of a figure.
pub fn behind<'a>(
    facts: impl IntoIterator<Item = &'a CaseFacts>,
    span: Span,
    formula: Formula,
    part: Part,
) -> impl Iterator<Item = u64> {
    facts
        .into_iter()
        .filter(move |facts| classify(facts, span).is(formula, part))
        .map(|facts| facts.case)
}

#[cfg(test)]
mod tests;
