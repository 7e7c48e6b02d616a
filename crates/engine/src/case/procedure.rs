//! The table in force for a type of case: the standard one, shortened or lengthened by a pack; and
//! whether a table is sound.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chengmai_model::Text;
use chengmai_model::case::{CaseState, Command, CommandKind};
use chengmai_model::pack::{ClockMove, Move, Procedure};

/// The standard procedure, from its file.
static STANDARD: LazyLock<Table> = LazyLock::new(|| {
    let procedure = Procedure::parse(include_str!("standard.toml"))
        .expect("the standard procedure is part of the program and read by its tests");
    Table { moves: procedure.moves }
});

/// What may happen to cases of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    moves: Vec<Move>,
}

impl Table {
    /// The standard one.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// The standard one without the steps that a procedure leaves out, and with its own rows.
    pub fn of(procedure: &Procedure) -> Self {
        let mut moves = Self::standard().moves.clone();
        for own in &procedure.moves {
            let same = |row: &&mut Move| row.ask == own.ask && row.to_agency == own.to_agency;
            for row in moves.iter_mut().filter(same) {
                row.from.retain(|state| !own.from.contains(state));
            }
            moves.push(own.clone());
        }
        let own: BTreeSet<CommandKind> = procedure.moves.iter().map(|row| row.ask).collect();
        moves.retain(|row| {
            !row.from.is_empty()
                && (!procedure.without.contains(&row.ask) || own.contains(&row.ask))
        });
        Self { moves }
    }

    /// All rows.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// The rows that a kind of command may mean in a state.
    pub(super) fn rows(&self, state: CaseState, ask: CommandKind) -> impl Iterator<Item = &Move> {
        self.moves.iter().filter(move |row| row.ask == ask && row.from.contains(&state))
    }

    /// The row that answers the command in that state. Where two answer (`hand_sideways` of a
    /// dispatched case), what is named along with it decides: an agency or an area.
    pub(super) fn row(&self, state: CaseState, command: &Command) -> Option<&Move> {
        let to_agency = command.area.is_none() && command.agency.is_some();
        let mut rows = self.rows(state, command.kind);
        let first = rows.next()?;
        rows.find(|row| row.to_agency && to_agency).or(Some(first))
    }

    /// What is wrong with the table: a state that cannot be left, an end that cannot be reached, a
    /// clock that does not fit.
    pub fn faults(&self) -> Vec<Text> {
        let mut faults = Vec::new();
        let reached = self.reached();
        for &state in &reached {
            if !state.is_end() && !self.ends_from(state) {
                faults.push(Text::new(
                    format!("到达“{}”后无法结束", state.name().zh),
                    format!("a case that is `{}` can never come to its end", state.word()),
                ));
            }
        }
        if !reached.contains(&CaseState::Closed) {
            faults.push(Text::new("案件永远不能结案", "no case can ever be closed"));
        }
        for row in &self.moves {
            let ends = row.to.is_some_and(CaseState::is_end);
            if ends != (row.clock == Some(ClockMove::Stop)) {
                let ask = row.ask.word();
                faults.push(Text::new(
                    format!("`{ask}`：案件结束时计时停止（clock = \"stop\"），且只在结束时停止"),
                    format!("`{ask}`: the clock stops (clock = \"stop\") when a case ends, and only then"),
                ));
            }
            if row.who.is_empty() {
                let ask = row.ask.word();
                faults.push(Text::new(
                    format!("`{ask}`：没有人可以操作"),
                    format!("`{ask}`: nobody may do it"),
                ));
            }
        }
        faults
    }

    fn steps_from(&self, state: CaseState) -> impl Iterator<Item = CaseState> {
        self.moves.iter().filter(move |row| row.from.contains(&state)).flat_map(move |row| {
            // A grant may suspend, and what was put aside may come back to where it was.
            let suspended = (row.ask == CommandKind::Grant).then_some(CaseState::Suspended);
            let back = (row.clock == Some(ClockMove::Back)).then_some(CaseState::Handling);
            [row.to, suspended, back].into_iter().flatten()
        })
    }

    fn reached(&self) -> BTreeSet<CaseState> {
        let mut reached = BTreeSet::from([CaseState::Reported, CaseState::Filed]);
        let mut waiting: Vec<CaseState> = reached.iter().copied().collect();
        while let Some(state) = waiting.pop() {
            for next in self.steps_from(state) {
                if reached.insert(next) {
                    waiting.push(next);
                }
            }
        }
        reached
    }

    fn ends_from(&self, state: CaseState) -> bool {
        let mut seen = BTreeSet::from([state]);
        let mut waiting = vec![state];
        while let Some(state) = waiting.pop() {
            for next in self.steps_from(state) {
                if next.is_end() {
                    return true;
                }
                if seen.insert(next) {
                    waiting.push(next);
                }
            }
        }
        false
    }
}
