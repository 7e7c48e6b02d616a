//! Which clocks want attention, and when: of every open case the moment of its next event (yellow, red,
//! a step of escalation), handed out when it has come. What the moments are, and what happens then, is
//! decided elsewhere; working time is [`chengmai_model::calendar`].
//!
//! Not a timer: it knows no time but what [`DueQueue::fire`] is told, so a clock that goes back makes
//! nothing happen twice and one that jumps ahead leaves nothing out.
//! Invariant: a key waits for one moment only, and leaves in order of moment, then key.

use std::collections::BTreeSet;
use std::hash::Hash;

use chengmai_model::Timestamp;
use hashbrown::HashMap;

/// Keys, each waiting for its moment.
#[derive(Debug, Clone)]
pub struct DueQueue<K> {
    by_moment: BTreeSet<(Timestamp, K)>,
    moment_of: HashMap<K, Timestamp>,
}

impl<K: Copy + Ord + Hash> DueQueue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        Self { by_moment: BTreeSet::new(), moment_of: HashMap::new() }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.moment_of.len()
    }

    /// True when none waits.
    pub fn is_empty(&self) -> bool {
        self.moment_of.is_empty()
    }

    /// The moment a key waits for.
    pub fn moment(&self, key: K) -> Option<Timestamp> {
        self.moment_of.get(&key).copied()
    }

    /// The earliest moment that any key waits for.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_moment.first().map(|&(moment, _)| moment)
    }

    /// Lets a key wait for a moment, and for no other: the one it waited for before is returned.
    pub fn set(&mut self, key: K, moment: Timestamp) -> Option<Timestamp> {
        let before = self.moment_of.insert(key, moment);
        if before != Some(moment) {
            if let Some(before) = before {
                self.by_moment.remove(&(before, key));
            }
            self.by_moment.insert((moment, key));
        }
        before
    }

    /// Lets a key wait no more; the moment it waited for.
    pub fn remove(&mut self, key: K) -> Option<Timestamp> {
        let moment = self.moment_of.remove(&key)?;
        self.by_moment.remove(&(moment, key));
        Some(moment)
    }

    /// Takes out all whose moment has come by `now` and appends them to `out` with that moment.
    pub fn fire(&mut self, now: Timestamp, out: &mut Vec<(Timestamp, K)>) {
        while let Some(&(moment, key)) = self.by_moment.first()
            && moment <= now
        {
            self.by_moment.pop_first();
            self.moment_of.remove(&key);
            out.push((moment, key));
        }
    }
}

impl<K: Copy + Ord + Hash> Default for DueQueue<K> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
