//! The demo's past: readings take the same way as live ones, through journal and brain, with a
//! made-up clock.

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{Reading, Timestamp};
use chengmai_store::journal::{EntryRef, Journal};
use chengmai_store::order::Step;
use parking_lot::RwLock;

use super::brain::Brain;
use super::registry::Registry;

/// Time between ticks.
const TICK_MS: i64 = 5 * MINUTE_MS;

/// The way into the past of a city that does not run yet.
#[derive(Debug)]
pub(crate) struct Past<'a> {
    journal: &'a mut Journal,
    brain: &'a mut Brain,
    ticked_at: Timestamp,
}

impl<'a> Past<'a> {
    pub(crate) fn new(journal: &'a mut Journal, brain: &'a mut Brain) -> Self {
        Self { journal, brain, ticked_at: Timestamp::default() }
    }

    /// Registers through the registry, then journals what it queued.
    pub(crate) fn registered(&mut self) -> anyhow::Result<()> {
        let list = self.brain.registry.write().take_pending();
        let sequence = self.journal.append(EntryRef::Registrations(&list))?;
        self.brain.step(Step::Registrations { sequence, list });
        Ok(())
    }

    /// Readings as if they had come in at `now`, and from time to time the tick after them: time
    /// that only looks back needs no second hand.
    pub(crate) fn readings(
        &mut self,
        now: Timestamp,
        readings: Vec<Reading>,
    ) -> anyhow::Result<()> {
        let position = self.journal.next_position();
        let entry = EntryRef::Readings { position, received_at: now, readings: &readings };
        let sequence = self.journal.append(entry)?;
        let work = Step::Readings { sequence, position, received_at: now, readings };
        self.brain.step(work);
        if now.since(self.ticked_at) < TICK_MS {
            return Ok(self.journal.commit()?);
        }
        self.ticked_at = now;
        let sequence = self.journal.append(EntryRef::Tick { now })?;
        self.journal.commit()?;
        self.brain.step(Step::Tick { sequence, now });
        Ok(())
    }

    /// The registry, to find or make streams.
    pub(crate) fn registry(&self) -> &RwLock<Registry> {
        &self.brain.registry
    }
}
