//! What was counted can be taken back: a reading that turned out to be wrong is replaced or retracted in
//! every window that still takes corrections, exactly.
//!
//! Sums, counts and conditions subtract. A smallest, greatest or newest value that is taken out is not
//! known any more; the cell says so, everything above it is shown as uncertain where a formula asks for
//! one of these, and [`Engine::inexact`] names the cell, whose readings the caller has at hand.
//!
//! Not here: rules. An alarm that rang on a wrong reading did ring, and stays on record.

use chengmai_model::{AreaId, CorrectionOrder, KindId, StreamId, Timestamp};

use super::Engine;
use crate::stream::NEVER;

/// A reading that turned out to be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Correction {
    /// Whose reading.
    pub stream: StreamId,
    /// Its event time.
    pub at: Timestamp,
    /// The value as it was counted.
    pub old: f64,
    /// The right value; `None` when there should have been no reading.
    pub new: Option<f64>,
    /// Where it was counted, if its device has moved since; `None` where the device is now.
    pub area: Option<AreaId>,
}

/// What became of a correction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Corrected {
    /// Windows that it was taken out of or put into.
    pub windows: u32,
    /// Windows that it belonged to and that take no more corrections, or do not hold it.
    pub missed: u32,
    /// Cells whose smallest, greatest or newest value is not known until they are refilled.
    pub refill: Vec<Refill>,
}

/// A cell: the readings of one kind, of devices of one smallest area, in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refill {
    /// Which kind.
    pub kind: KindId,
    /// Which area; only readings that were counted at the area itself, none from below it.
    pub area: AreaId,
    /// Start of the window.
    pub start: Timestamp,
    /// Width of the window in milliseconds.
    pub width_ms: i64,
}

impl Engine {
    /// Takes the old value of a reading out of every open window and puts the right one in.
    ///
    /// # Panics
    /// When the stream was not registered.
    pub fn correct(&mut self, received_at: Timestamp, correction: &Correction) -> Corrected {
        self.advance(received_at);
        let index = correction.stream.0 as usize;
        let stream = self.streams[index];
        let kind = KindId(stream.kind);
        let [low, high] = self.catalog.kind(kind).range;
        let counts = |value: &f64| *value >= low && *value <= high;
        let old = Some(correction.old).filter(counts);
        let new = correction.new.filter(counts);
        #[expect(clippy::float_cmp, reason = "it is the very reading")]
        let newest = stream.last_at == correction.at.0 && stream.last_value == correction.old;
        if newest {
            // What a slope was worked out from stays as it was.
            self.rings.widen(correction.stream.0, (stream.last_at, stream.last_value));
            let state = self.streams.get_mut(index);
            match new {
                Some(value) => state.last_value = value,
                // What came before it is not known here.
                None => state.last_at = NEVER,
            }
        }
        let tree = &self.trees[usize::from(kind.0)];
        let node = correction.area.map_or(Some(stream.node), |area| tree.find(area));
        let mut corrected = Corrected::default();
        let windows = &mut self.windows[self.gates[usize::from(kind.0)].windows()];
        let Some(node) = node else {
            corrected.missed = u32::try_from(windows.len()).unwrap_or(u32::MAX);
            return corrected;
        };
        let area = AreaId(tree.areas[node as usize]);
        for window in windows {
            match window.correct(node, correction.at.0, old, new) {
                None => corrected.missed += 1,
                Some(exact) => {
                    corrected.windows += 1;
                    if !exact {
                        let start = Timestamp(window.start_of(correction.at.0));
                        let width_ms = window.width_ms;
                        corrected.refill.push(Refill { kind, area, start, width_ms });
                    }
                }
            }
        }
        self.inexact.extend(&corrected.refill);
        corrected
    }

    /// The same as a person's order says it. One about a stream that is not known here, which only an
    /// engine can meet that is derived anew from a part of the journal, changes nothing.
    pub(super) fn correct_by(&mut self, received_at: Timestamp, order: &CorrectionOrder) {
        if order.stream.0 >= self.stream_count() {
            return;
        }
        let area = order.area.as_ref().and_then(|code| self.areas.find(code.as_str()));
        let CorrectionOrder { stream, at, old, new, .. } = *order;
        self.correct(received_at, &Correction { stream, at, old, new, area });
    }

    /// Whether any window that holds this time of the stream still takes corrections. If not, a
    /// correction of it changes history only.
    pub fn takes_corrections(&self, stream: StreamId, at: Timestamp) -> bool {
        let kind = self.streams[stream.0 as usize].kind;
        let windows = &self.windows[self.gates[usize::from(kind)].windows()];
        windows.iter().any(|window| window.is_open(at.0))
    }

    /// Cells that wait to be told their readings again, as far as their windows still take any.
    pub fn inexact(&self) -> Vec<Refill> {
        self.inexact.iter().filter(|cell| self.is_open(cell)).copied().collect()
    }

    fn is_open(&self, cell: &Refill) -> bool {
        let windows = &self.windows[self.gates[usize::from(cell.kind.0)].windows()];
        let window = windows.iter().find(|window| window.width_ms == cell.width_ms);
        window.is_some_and(|window| window.is_open(cell.start.0))
    }

    /// Looks for such cells in a state that came from elsewhere.
    pub(crate) fn find_inexact(&mut self) {
        self.inexact.clear();
        for (window, def) in self.windows.iter().zip(self.catalog.windows()) {
            let areas = &self.trees[usize::from(def.kind.0)].areas;
            let cell = |node: usize, start| Refill {
                kind: def.kind,
                area: AreaId(areas[node]),
                start: Timestamp(start),
                width_ms: window.width_ms,
            };
            for pane in &window.panes {
                let nodes = pane.inexact(window.layout.stride());
                self.inexact.extend(nodes.map(|node| cell(node, pane.start)));
            }
        }
    }

    /// Tells a cell its readings again, so that its smallest, greatest and newest value are known.
    /// They must be the very readings it holds: when number, sum or conditions differ, nothing is
    /// done and the answer is false.
    pub fn refill(&mut self, cell: &Refill, readings: &[(Timestamp, f64)]) -> bool {
        let done = self.told_again(cell, readings);
        if done || !self.is_open(cell) {
            self.inexact.remove(cell);
        }
        done
    }

    fn told_again(&mut self, cell: &Refill, readings: &[(Timestamp, f64)]) -> bool {
        let [low, high] = self.catalog.kind(cell.kind).range;
        let readings: Vec<(Timestamp, f64)> =
            readings.iter().copied().filter(|(_, value)| *value >= low && *value <= high).collect();
        let Some(node) = self.trees[usize::from(cell.kind.0)].find(cell.area) else {
            return false;
        };
        let windows = &mut self.windows[self.gates[usize::from(cell.kind.0)].windows()];
        let window = windows.iter_mut().find(|window| window.width_ms == cell.width_ms);
        window.is_some_and(|window| window.refill(node, cell.start.0, &readings))
    }
}
