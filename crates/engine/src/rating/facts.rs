//! What an evaluation needs to know of a case: plain numbers and times, one record a case.
//!
//! Not here: how it is gathered (from a case's events, or from a row that keeps it up to date), and
//! what is counted of it ([`super::formulas`]). Invariant: facts are as known at one moment; to repeat a
//! figure that was published, gather them from the events up to the moment of publication.

use chengmai_model::{AreaId, Timestamp};

/// A moment that has not come; later than all others.
pub const NEVER: Timestamp = Timestamp(i64::MAX);

/// No agency, class or person.
pub const NOBODY: u32 = u32::MAX;

/// One stage of a case and its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageFacts {
    /// The deadline with all approved extensions and pauses; [`NEVER`] while the stage has none: not
    /// begun, or its clock stands.
    pub due_at: Timestamp,
    /// When it was done, at last if it was done again; [`NEVER`] while it is not.
    pub done_at: Timestamp,
    /// Time used by the stage's own clock, of all its runs.
    pub used_ms: i64,
    /// The clock ran out in any of its runs. Stays, whatever happens later.
    pub breached: bool,
    /// An appeal against the breach was upheld.
    pub excused: bool,
}

impl StageFacts {
    /// A stage that was never reached.
    pub const NONE: Self =
        Self { due_at: NEVER, done_at: NEVER, used_ms: 0, breached: false, excused: false };
}

/// Who did a step of a case, as numbers of people; [`NOBODY`] where none did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posts {
    /// 采集员 (or grid worker) who reported, verified or checked.
    pub collector: u32,
    /// 受理员.
    pub acceptor: u32,
    /// 派遣员.
    pub dispatcher: u32,
    /// 值班长, who filed it.
    pub duty_chief: u32,
}

/// One case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaseFacts {
    /// The caller's number of it, given back by [`super::formulas::behind`].
    pub case: u64,
    /// The smallest area known.
    pub area: AreaId,
    /// Number of the agency that handled or handles it.
    pub agency: u32,
    /// Number of its class.
    pub class: u32,
    /// Who did what.
    pub posts: Posts,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// 核实.
    pub verify: StageFacts,
    /// 受理: `done_at` is when it was decided whether the report is valid.
    pub accept: StageFacts,
    /// 立案.
    pub file: StageFacts,
    /// 派遣.
    pub dispatch: StageFacts,
    /// 处置.
    pub handle: StageFacts,
    /// 核查.
    pub check: StageFacts,
    /// 结案: `due_at` is the deadline of the whole loop.
    pub close: StageFacts,
    /// Ended without the stages it lacks: cancelled, merged, refused, or closed by force; [`NEVER`]
    /// otherwise. A deadline that had passed by then stays passed.
    pub ended_at: Timestamp,
    /// When somebody who was asked answered; [`NEVER`] without an answer.
    pub answered_at: Timestamp,
    /// The answer: 1 (very dissatisfied) to 5 (very satisfied); 0 without.
    pub satisfaction: u8,
    /// The report was found valid.
    pub valid: bool,
    /// A collector reported it.
    pub by_collector: bool,
    /// Others reported what a collector should have.
    pub missed: bool,
    /// It was found later that it should not have been filed, or not as this class.
    pub misfiled: bool,
    /// How often it failed the check.
    pub reworks: u16,
    /// How often an agency gave it back as not its own.
    pub returns: u16,
    /// How many extensions were approved.
    pub delays: u16,
}

impl CaseFacts {
    /// A case of which nothing is known but that it was reported.
    pub const fn reported(case: u64, area: AreaId, at: Timestamp) -> Self {
        Self {
            case,
            area,
            agency: NOBODY,
            class: NOBODY,
            posts: Posts {
                collector: NOBODY,
                acceptor: NOBODY,
                dispatcher: NOBODY,
                duty_chief: NOBODY,
            },
            reported_at: at,
            verify: StageFacts::NONE,
            accept: StageFacts::NONE,
            file: StageFacts::NONE,
            dispatch: StageFacts::NONE,
            handle: StageFacts::NONE,
            check: StageFacts::NONE,
            close: StageFacts::NONE,
            ended_at: NEVER,
            answered_at: NEVER,
            satisfaction: 0,
            valid: false,
            by_collector: false,
            missed: false,
            misfiled: false,
            reworks: 0,
            returns: 0,
            delays: 0,
        }
    }
}
