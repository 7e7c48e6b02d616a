//! The writing end: a group of what waits becomes frames, one commit, and then steps for the engine.

use chengmai_model::stream::Registration;
use chengmai_model::{Order, Reading, Timestamp};

use crate::error::{Error, Result};
use crate::journal::{EntryRef, Journal};

/// Readings in one frame; a larger batch becomes several frames of the same commit.
const FRAME_READINGS_MAX: usize = 2_000_000;
/// Registrations in one frame; an import may bring millions.
const FRAME_REGISTRATIONS_MAX: usize = 50_000;

/// What one commit takes, in this order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// New devices and streams, before the readings that need them; [`super::self_contained`].
    pub registrations: Vec<Registration>,
    /// When the batches came in.
    pub received_at: Timestamp,
    /// Readings, a batch a sender.
    pub batches: Vec<Vec<Reading>>,
    /// What people told the engine, at the same time.
    pub orders: Vec<Order>,
    /// The time that the engine is told behind them, if it is due.
    pub tick: Option<Timestamp>,
}

/// One durable step, in journal order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// New numbers.
    Registrations {
        /// Its frame.
        sequence: u64,
        /// What was registered.
        list: Vec<Registration>,
    },
    /// Readings.
    Readings {
        /// Their frame.
        sequence: u64,
        /// Number of the first.
        position: u64,
        /// When they came in.
        received_at: Timestamp,
        /// The readings.
        readings: Vec<Reading>,
    },
    /// A person's order.
    Order {
        /// Its frame.
        sequence: u64,
        /// When it came in.
        at: Timestamp,
        /// The order.
        order: Order,
    },
    /// Time passed.
    Tick {
        /// Its frame.
        sequence: u64,
        /// What time it was.
        now: Timestamp,
    },
}

impl Step {
    /// The frame it stands in.
    pub const fn sequence(&self) -> u64 {
        match self {
            Self::Registrations { sequence, .. }
            | Self::Readings { sequence, .. }
            | Self::Order { sequence, .. }
            | Self::Tick { sequence, .. } => *sequence,
        }
    }
}

/// A group that was not written.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: Error,
    /// Registrations that are known to the registry and still to be journaled: they come first in
    /// the next group. The readings are their senders' again.
    pub registrations: Vec<Registration>,
}

impl Refused {
    /// Whether a later group may be taken: only the disk was full.
    pub const fn is_passing(&self) -> bool {
        matches!(self.error, Error::Full { .. })
    }
}

/// Puts groups into the journal.
#[derive(Debug)]
pub struct Writer {
    journal: Journal,
    stopped: bool,
}

impl Writer {
    /// Continues that journal.
    pub const fn new(journal: Journal) -> Self {
        Self { journal, stopped: false }
    }

    /// The journal behind it.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Makes a whole group durable. On `Ok` every batch in it may be acknowledged, and the steps
    /// go to the engine in the order given.
    ///
    /// # Errors
    /// [`Refused`]: nothing of the group may be acknowledged, nor go to the engine. When it
    /// [is not passing](Refused::is_passing), neither may any later group: all are refused.
    pub fn write(&mut self, mut group: Group) -> Result<Vec<Step>, Box<Refused>> {
        let outcome = if self.stopped { Err(Error::Poisoned) } else { Ok(()) };
        let mut steps = Vec::with_capacity(group.batches.len() + 2);
        let outcome = outcome
            .and_then(|()| self.append(&mut group, &mut steps))
            .and_then(|()| self.journal.commit());
        match outcome {
            Ok(()) => Ok(steps),
            Err(error) => {
                let refused = Refused { error, registrations: group.registrations };
                self.stopped |= !refused.is_passing();
                Err(Box::new(refused))
            }
        }
    }

    /// Deletes segments that nobody needs; see [`super::Reached::forget_before`].
    ///
    /// # Errors
    /// Of the disk; what was not deleted is merely kept.
    pub fn forget_before(&mut self, sequence: u64) -> Result<usize> {
        self.journal.remove_before(sequence)
    }

    fn append(&mut self, group: &mut Group, steps: &mut Vec<Step>) -> Result<()> {
        let at = group.received_at;
        for list in group.registrations.chunks(FRAME_REGISTRATIONS_MAX) {
            let sequence = self.journal.append(EntryRef::Registrations(list))?;
            steps.push(Step::Registrations { sequence, list: list.to_vec() });
        }
        for batch in group.batches.drain(..) {
            self.append_batch(at, batch, steps)?;
        }
        for order in group.orders.drain(..) {
            let sequence = self.journal.append(EntryRef::Order { at, order: &order })?;
            steps.push(Step::Order { sequence, at, order });
        }
        if let Some(now) = group.tick {
            let sequence = self.journal.append(EntryRef::Tick { now })?;
            steps.push(Step::Tick { sequence, now });
        }
        Ok(())
    }

    fn append_batch(
        &mut self,
        received_at: Timestamp,
        mut readings: Vec<Reading>,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        while !readings.is_empty() {
            let rest = readings.split_off(readings.len().min(FRAME_READINGS_MAX));
            let position = self.journal.next_position();
            let entry = EntryRef::Readings { position, received_at, readings: &readings };
            let sequence = self.journal.append(entry)?;
            steps.push(Step::Readings { sequence, position, received_at, readings });
            readings = rest;
        }
        Ok(())
    }
}
