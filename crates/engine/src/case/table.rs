//! The one table of what may happen to a case. Adding a step is adding a row.

use super::{CaseState, CaseStep, CommandKind, Role, Stage};

/// Who may take a step. The case must lie in the actor's area in every row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A duty officer of the very centre that owns the case.
    Centre,
    /// The same, or a duty officer of a centre above it.
    CentreOrAbove,
    /// Staff of the agency that has the case in hand.
    Agency,
    /// A supervisor, grid worker or duty officer who is not of the agency that handled.
    Checker,
}

/// What becomes of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// The running stage ends, this one begins with its whole limit.
    Begin(Stage),
    /// The stage goes on.
    Keep,
    /// The last stage ends.
    Stop,
}

/// Where a step leads besides to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// Nowhere else.
    Here,
    /// To the agency named, or else the one proposed.
    Agency,
    /// To no agency: it gave the case back.
    NoAgency,
    /// To the agency named, from another one.
    OtherAgency,
    /// To a centre above.
    Above,
    /// To a centre below.
    Below,
    /// To a centre beside, under the same higher one.
    Beside,
}

/// One row: in this state, asked for this, by such people, the case goes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Where the case stands.
    pub(super) from: CaseState,
    /// What is asked.
    pub(super) ask: CommandKind,
    /// Who may.
    pub(super) who: Who,
    /// A reason is required.
    pub(super) reason: bool,
    /// Where it stands after.
    pub(super) to: CaseState,
    /// Where it goes besides.
    pub(super) target: Target,
    /// In which capacity someone has it in hand after.
    pub(super) holder: Role,
    /// What becomes of the clock.
    pub(super) clock: Clock,
    /// What goes on record.
    pub(super) step: CaseStep,
}

/// Every step there is. Where two rows answer the same command (`hand_sideways` of a dispatched
/// case), what is named along with it decides: an agency or an area.
#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &{
    use CaseState::{Checked, Closed, Dispatched, Filed, Handled, Handling, Returned, Rework};
    use CommandKind as Ask;
    use Role::{AgencyStaff, DutyOfficer, Supervisor};
    use Stage::{Check, Close, Dispatch, Handle};
    use Who::{Agency, Centre, CentreOrAbove, Checker};
    const SAY: bool = true;
    const MAY: bool = false;
    [
        row(Filed, Ask::Dispatch, Centre, MAY, Dispatched, Target::Agency, AgencyStaff, Clock::Begin(Handle), CaseStep::Dispatched),
        row(Returned, Ask::Dispatch, Centre, MAY, Dispatched, Target::Agency, AgencyStaff, Clock::Begin(Handle), CaseStep::Dispatched),
        row(Dispatched, Ask::Start, Agency, MAY, Handling, Target::Here, AgencyStaff, Clock::Keep, CaseStep::Started),
        row(Rework, Ask::Start, Agency, MAY, Handling, Target::Here, AgencyStaff, Clock::Keep, CaseStep::Started),
        row(Handling, Ask::Finish, Agency, MAY, Handled, Target::Here, Supervisor, Clock::Begin(Check), CaseStep::Finished),
        row(Dispatched, Ask::Return, Agency, SAY, Returned, Target::NoAgency, DutyOfficer, Clock::Begin(Dispatch), CaseStep::Returned),
        row(Handling, Ask::Return, Agency, SAY, Returned, Target::NoAgency, DutyOfficer, Clock::Begin(Dispatch), CaseStep::Returned),
        row(Handled, Ask::CheckPass, Checker, MAY, Checked, Target::Here, DutyOfficer, Clock::Begin(Close), CaseStep::CheckPassed),
        row(Handled, Ask::CheckFail, Checker, SAY, Rework, Target::Here, AgencyStaff, Clock::Begin(Handle), CaseStep::CheckFailed),
        row(Checked, Ask::Close, Centre, MAY, Closed, Target::Here, DutyOfficer, Clock::Stop, CaseStep::Closed),
        row(Filed, Ask::HandUp, CentreOrAbove, SAY, Filed, Target::Above, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedUp),
        row(Returned, Ask::HandUp, CentreOrAbove, SAY, Returned, Target::Above, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedUp),
        row(Dispatched, Ask::HandUp, CentreOrAbove, SAY, Filed, Target::Above, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedUp),
        row(Filed, Ask::HandDown, Centre, SAY, Filed, Target::Below, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedDown),
        row(Returned, Ask::HandDown, Centre, SAY, Returned, Target::Below, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedDown),
        row(Dispatched, Ask::HandDown, Centre, SAY, Filed, Target::Below, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedDown),
        row(Filed, Ask::HandSideways, Centre, SAY, Filed, Target::Beside, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedSideways),
        row(Returned, Ask::HandSideways, Centre, SAY, Returned, Target::Beside, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedSideways),
        row(Dispatched, Ask::HandSideways, Centre, SAY, Filed, Target::Beside, DutyOfficer, Clock::Begin(Dispatch), CaseStep::HandedSideways),
        row(Dispatched, Ask::HandSideways, Centre, SAY, Dispatched, Target::OtherAgency, AgencyStaff, Clock::Begin(Handle), CaseStep::HandedSideways),
    ]
};

#[expect(clippy::too_many_arguments, reason = "columns of a table, read as one line each")]
const fn row(
    from: CaseState,
    ask: CommandKind,
    who: Who,
    reason: bool,
    to: CaseState,
    target: Target,
    holder: Role,
    clock: Clock,
    step: CaseStep,
) -> Row {
    Row { from, ask, who, reason, to, target, holder, clock, step }
}
