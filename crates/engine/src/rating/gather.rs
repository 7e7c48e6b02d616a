//! Facts for an evaluation gathered from cases as they are stored.
//!
//! A case keeps its clocks as rows. What followed a row says whether its stage was done: after handling
//! comes the check; where a dispatch follows, the agency gave the case back and nothing was handled.
//!
//! Not here: reading cases (`store`), what is counted ([`super::formulas`]). Invariants: a deadline that
//! passed before a clock stood still, was given back or ended stays a deadline; a case that another
//! agency takes over takes its breaches along, so handing over sheds none; a part counts for the agency
//! that does it, not for the one that leads.

use std::collections::BTreeMap;

use chengmai_model::case::{
    Case, CaseEvent, CaseSource, CaseState, CaseStep, Part, PartState, Stage, StageClock,
};
use chengmai_model::{AreaId, Timestamp};

use super::facts::{CaseFacts, NEVER, NOBODY, Posts, StageFacts};

/// Names numbered from 0 in the order they were first seen.
#[derive(Debug, Clone, Default)]
pub struct Names {
    numbers: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    /// The number of a name, a new one at its first sight.
    pub fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(NOBODY);
        self.numbers.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    /// The number of a name that was seen.
    pub fn find(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// All names, by their number.
    pub fn all(&self) -> &[String] {
        &self.names
    }
}

/// The numbers of all that cases are evaluated by, but areas, which have theirs.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    /// Ids of agencies.
    pub agencies: Names,
    /// Classes; of cases without one the id of their type.
    pub classes: Names,
    /// Names of accounts.
    pub people: Names,
}

/// The class a case counts for.
pub fn class_of(case: &Case) -> &str {
    let filing = &case.filing;
    if filing.class.is_empty() { &filing.type_id } else { &filing.class }
}

/// The facts of a case. `case_number` and `area` are the caller's numbers of the case and of its area.
/// Its posts are not known from a case alone: [`posts_of`].
pub fn of_case(case: &Case, case_number: u64, area: AreaId, numbers: &mut Numbers) -> CaseFacts {
    let reported_at = case.reported_at.unwrap_or(case.filed_at);
    let mut facts = CaseFacts::reported(case_number, area, reported_at);
    let runs = runs(case);
    facts.class = numbers.classes.number(class_of(case));
    facts.agency = agency_of(case, &runs).map_or(NOBODY, |agency| numbers.agencies.number(agency));
    facts.verify = stage(&runs, Stage::Verify);
    facts.dispatch = stage(&runs, Stage::Dispatch);
    facts.handle = stage(&runs, Stage::Handle);
    facts.check = stage(&runs, Stage::Check);
    facts.ended_at = ended_at(case);
    facts.close = whole_loop(case, &runs, reported_at);

    let filed = is_filed(case);
    facts.valid = filed;
    facts.accept.done_at = match (filed, case.closed_at) {
        (true, _) => case.filed_at,
        (false, Some(closed_at)) => closed_at,
        (false, None) => NEVER,
    };
    facts.file = filing(case, &runs, filed);
    if case.filing.source == CaseSource::Import {
        import_handling(case, &mut facts.handle);
    }
    facts.by_collector = case.filing.source == CaseSource::GridWorker;
    facts.missed = filed && case.filing.source.is_public();
    facts.misfiled = filed && case.state == CaseState::Cancelled;
    if let Some(answer) = case.circumstances.satisfaction {
        facts.satisfaction = answer.stars;
        facts.answered_at = answer.at;
    }
    facts.reworks = small(case.reworks);
    facts.returns = small(case.returns);
    facts.delays = small(case.delays);
    facts
}

/// The parts 多跨协同 that other agencies do of a case, each a piece of handling with a clock of its own.
/// They count for those agencies and for nobody else: in areas and classes the case counts once. What was
/// refused in time is not theirs; a part that the centre took back is on record as a step only.
pub fn parts_of(
    case: &Case,
    case_number: u64,
    area: AreaId,
    numbers: &mut Numbers,
) -> Vec<CaseFacts> {
    let reported_at = case.reported_at.unwrap_or(case.filed_at);
    let of_part = |part: &Part| CaseFacts {
        agency: numbers.agencies.number(&part.agency),
        class: numbers.classes.number(class_of(case)),
        handle: handled_part(part),
        ended_at: ended_at(case),
        ..CaseFacts::reported(case_number, area, reported_at)
    };
    case.circumstances.parts.iter().map(of_part).collect()
}

fn handled_part(part: &Part) -> StageFacts {
    let breached = part.ended_at.is_some_and(|at| at > part.clock.due_at);
    let refused = part.state == PartState::Refused;
    // Of parts that ended before their own time was kept.
    let elapsed = part.ended_at.map(|at| at.since(part.clock.started_at));
    StageFacts {
        due_at: if refused && !breached { NEVER } else { part.clock.due_at },
        done_at: part.ended_at.filter(|_| !refused).unwrap_or(NEVER),
        used_ms: part.used_ms.or(elapsed).unwrap_or(0),
        breached,
        excused: false,
    }
}

/// Who did what of a case, from its events in order; of a step that was done again the last.
pub fn posts_of(events: &[CaseEvent], numbers: &mut Numbers) -> Posts {
    let mut posts =
        Posts { collector: NOBODY, acceptor: NOBODY, dispatcher: NOBODY, duty_chief: NOBODY };
    for event in events {
        let by_collector = event
            .filing
            .as_deref()
            .is_some_and(|f| f.source == CaseSource::GridWorker && event.seq == 1);
        let post = match event.step {
            _ if by_collector => &mut posts.collector,
            CaseStep::Accepted | CaseStep::Refused => &mut posts.acceptor,
            CaseStep::Dispatched => &mut posts.dispatcher,
            CaseStep::Filed => &mut posts.duty_chief,
            CaseStep::VerifyPassed
            | CaseStep::VerifyFailed
            | CaseStep::CheckPassed
            | CaseStep::CheckFailed => &mut posts.collector,
            _ => continue,
        };
        *post = numbers.people.number(&event.actor);
    }
    posts
}

fn small(count: u32) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// One run of the clock of a stage.
struct Run<'a> {
    stage: Stage,
    agency: Option<&'a str>,
    due_at: Timestamp,
    /// When the stage was done with this run; [`NEVER`] when it still runs or ended undone.
    done_at: Timestamp,
    used_ms: i64,
    overdue: bool,
    excused: bool,
    /// It runs, or ended together with the case.
    holds: bool,
}

/// The stages of the loop, in order; the others stand beside it.
const LOOP: [Stage; 7] = [
    Stage::Accept,
    Stage::Verify,
    Stage::File,
    Stage::Dispatch,
    Stage::Handle,
    Stage::Check,
    Stage::Close,
];

fn place(stage: Stage) -> Option<usize> {
    LOOP.iter().position(|&s| s == stage)
}

/// All runs of clocks of the loop, in order, the one that runs or stands still last.
fn runs(case: &Case) -> Vec<Run<'_>> {
    let open = last_clock(case);
    let rows: Vec<_> = case.clocks.iter().filter(|row| place(row.stage).is_some()).collect();
    let mut runs: Vec<Run<'_>> = Vec::with_capacity(rows.len() + 1);
    for (n, row) in rows.iter().enumerate() {
        let next = rows.get(n + 1).map(|row| row.stage).or(open.as_ref().map(|o| o.clock.stage));
        let done = match next {
            Some(next) => leads_on(row.stage, next),
            None => row.stage == Stage::Close && case.state == CaseState::Closed,
        };
        runs.push(Run {
            stage: row.stage,
            agency: row.agency.as_deref(),
            due_at: row.due_at,
            done_at: if done { row.ended_at } else { NEVER },
            used_ms: row.used_ms,
            overdue: row.overdue,
            excused: row.excused,
            holds: next.is_none(),
        });
    }
    if let Some(Open { clock, stands_since }) = open {
        let overdue = stands_since.is_some_and(|since| since > clock.due_at);
        runs.push(Run {
            stage: clock.stage,
            agency: case.agency.as_deref().filter(|_| clock.stage == Stage::Handle),
            due_at: clock.due_at,
            done_at: NEVER,
            used_ms: clock.used_before_ms,
            overdue,
            excused: false,
            holds: stands_since.is_none(),
        });
    }
    runs
}

/// The stage was done when what follows lies further on; and a check was made and a case was closed
/// also when handling begins again.
fn leads_on(stage: Stage, next: Stage) -> bool {
    let again = matches!(stage, Stage::Check | Stage::Close) && next == Stage::Handle;
    again || place(stage) < place(next)
}

/// A clock that has not ended.
struct Open<'a> {
    clock: &'a StageClock,
    /// Since when it stands still; `None` when it runs, or ended with a merger.
    stands_since: Option<Timestamp>,
}

fn last_clock(case: &Case) -> Option<Open<'_>> {
    let aside = case.circumstances.aside.as_ref();
    match (case.state, aside) {
        (CaseState::Suspended, Some(aside)) => {
            Some(Open { clock: &aside.clock, stands_since: Some(aside.since) })
        }
        (_, Some(aside)) if case.circumstances.parent.is_some() => {
            Some(Open { clock: &aside.clock, stands_since: None })
        }
        _ => {
            let clock = case.clock.as_ref().filter(|clock| place(clock.stage).is_some())?;
            Some(Open { clock, stands_since: None })
        }
    }
}

fn stage(runs: &[Run<'_>], stage: Stage) -> StageFacts {
    let of = || runs.iter().filter(|run| run.stage == stage);
    let Some(last) = of().next_back() else { return StageFacts::NONE };
    let stays = last.done_at != NEVER || last.holds || last.overdue;
    StageFacts {
        due_at: if stays { last.due_at } else { NEVER },
        done_at: last.done_at,
        used_ms: of().map(|run| run.used_ms).sum(),
        breached: of().any(|run| run.overdue),
        excused: all_excused(of()),
    }
}

/// There were breaches, and an appeal against each was upheld.
fn all_excused<'a>(runs: impl Iterator<Item = &'a Run<'a>>) -> bool {
    let mut breaches = runs.filter(|run| run.overdue).peekable();
    breaches.peek().is_some() && breaches.all(|run| run.excused)
}

/// The whole loop. It is late because stages were; when all their breaches are excused, so is it.
fn whole_loop(case: &Case, runs: &[Run<'_>], reported_at: Timestamp) -> StageFacts {
    let closed_at = case.closed_at.filter(|_| case.state == CaseState::Closed);
    let due_at = case.due_at.unwrap_or(NEVER);
    let stands_since = case.circumstances.aside.as_ref().map(|aside| aside.since);
    let stands = case.state == CaseState::Suspended && stands_since.is_some_and(|s| s <= due_at);
    StageFacts {
        due_at: if stands { NEVER } else { due_at },
        done_at: closed_at.unwrap_or(NEVER),
        used_ms: closed_at.map_or(0, |at| at.since(reported_at)),
        breached: case.on_time == Some(false),
        excused: all_excused(runs.iter()),
    }
}

fn ended_at(case: &Case) -> Timestamp {
    let merged = case.circumstances.parent.is_some();
    let merged_at = case.circumstances.aside.as_ref().map(|aside| aside.since);
    match case.state {
        CaseState::NotAccepted | CaseState::Cancelled | CaseState::ForcedClosed => {
            case.closed_at.unwrap_or(case.changed_at)
        }
        CaseState::Merged | CaseState::Closed if merged => merged_at.unwrap_or(case.changed_at),
        _ => NEVER,
    }
}

/// Whether it was ever filed: only filing and imports promise a deadline.
fn is_filed(case: &Case) -> bool {
    let cancelled_before = case.state == CaseState::Cancelled && case.first_due_at.is_none();
    case.filing.source == CaseSource::Import
        || !(case.state.is_before_filing() || cancelled_before || merged_before_filing(case))
}

fn merged_before_filing(case: &Case) -> bool {
    let aside = case.circumstances.aside.as_ref().filter(|_| case.circumstances.parent.is_some());
    aside.is_some_and(|aside| aside.state.is_before_filing())
}

/// Filing by its own clock; straight from the report by that of acceptance; with the report it takes
/// no time. Of imports nothing is known of it.
fn filing(case: &Case, runs: &[Run<'_>], filed: bool) -> StageFacts {
    if case.filing.source == CaseSource::Import {
        return StageFacts::NONE;
    }
    let own = stage(runs, Stage::File);
    let facts = if own == StageFacts::NONE && filed { stage(runs, Stage::Accept) } else { own };
    if filed { StageFacts { done_at: case.filed_at, ..facts } } else { facts }
}

/// Of an imported case only the source's own deadline and close are known; they are of the handling. A
/// source that states no deadline calls nothing late, whatever clock we gave the case.
fn import_handling(case: &Case, handle: &mut StageFacts) {
    if handle.done_at == NEVER {
        handle.due_at = case.due_at.unwrap_or(NEVER);
    }
    let closed_at = case.closed_at.filter(|_| case.state == CaseState::Closed);
    if let Some(at) = closed_at.filter(|_| handle.done_at == NEVER) {
        handle.done_at = at;
        handle.used_ms = at.since(case.filed_at);
        handle.breached = case.on_time == Some(false);
    }
}

/// The agency that handled or handles it; one that is only proposed does not answer for it.
fn agency_of<'a>(case: &'a Case, runs: &[Run<'a>]) -> Option<&'a str> {
    let own = case.agency.as_deref();
    let last = runs.iter().rev().find(|run| run.stage == Stage::Handle);
    match last {
        Some(run) => run.agency.or(own),
        None => own.filter(|_| case.filing.source == CaseSource::Import),
    }
}

#[cfg(test)]
mod tests;
