//! Tumbling windows in event time. For one kind and width, a *pane* is one window; in it every node
//! of the kind's tree has an accumulator of a few words, as few as the formulas need.
//!
//! Invariants: a reading is added to exactly one accumulator of a pane; sums are whole millionths,
//! so their value does not depend on the order of arrival and a replay gives the same bits; panes
//! are in order of their start.

use serde::{Deserialize, Serialize};

/// Set in the count word of an accumulator that changed since the last fold.
pub(crate) const TOUCHED: u64 = 1 << 63;
const COUNT: u64 = TOUCHED - 1;
/// Parts of a unit that sums are kept in.
const SCALE: f64 = 1e6;

/// Which words an accumulator has. Word 0 is the count of readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layout {
    sum: Option<u16>,
    min: Option<u16>,
    max: Option<u16>,
    last: Option<u16>,
    conditions: Vec<(f64, f64)>,
    conditions_at: u16,
    stride: u16,
}

impl Layout {
    pub(crate) fn need_sum(&mut self) {
        self.sum = Some(0);
    }

    pub(crate) fn need_min(&mut self) {
        self.min = Some(0);
    }

    pub(crate) fn need_max(&mut self) {
        self.max = Some(0);
    }

    pub(crate) fn need_last(&mut self) {
        self.last = Some(0);
    }

    /// Counts readings with `low <= value <= high`.
    pub(crate) fn need_condition(&mut self, low: f64, high: f64) {
        if self.find_condition(low, high).is_none() {
            self.conditions.push((low, high));
        }
    }

    /// Gives every part its words; after this the layout is fixed.
    pub(crate) fn place(&mut self) {
        let mut next = 1;
        for (part, words) in
            [(&mut self.sum, 2), (&mut self.min, 1), (&mut self.max, 1), (&mut self.last, 2)]
        {
            if part.is_some() {
                *part = Some(next);
                next += words;
            }
        }
        self.conditions_at = next;
        self.stride = next + u16::try_from(self.conditions.len()).expect("CONDITIONS_MAX fits");
    }

    pub(crate) fn stride(&self) -> usize {
        usize::from(self.stride)
    }

    pub(crate) fn sum_at(&self) -> u16 {
        self.sum.unwrap_or(0)
    }

    pub(crate) fn min_at(&self) -> u16 {
        self.min.unwrap_or(0)
    }

    pub(crate) fn max_at(&self) -> u16 {
        self.max.unwrap_or(0)
    }

    /// Two words: time, value.
    pub(crate) fn last_at(&self) -> u16 {
        self.last.unwrap_or(0)
    }

    pub(crate) fn condition_at(&self, low: f64, high: f64) -> u16 {
        let index = self.find_condition(low, high).unwrap_or(0);
        self.conditions_at + u16::try_from(index).expect("CONDITIONS_MAX fits")
    }

    pub(crate) fn conditions(&self) -> usize {
        self.conditions.len()
    }

    fn find_condition(&self, low: f64, high: f64) -> Option<usize> {
        self.conditions
            .iter()
            .position(|&(a, b)| a.to_bits() == low.to_bits() && b.to_bits() == high.to_bits())
    }

    /// Adds one reading to an accumulator.
    #[inline]
    fn add(&self, words: &mut [u64], at: i64, value: f64) {
        let first = words[0] & COUNT == 0;
        words[0] = (words[0] + 1) | TOUCHED;
        if let Some(sum) = self.sum {
            let sum = usize::from(sum);
            write_sum(words, sum, read_sum(words, sum).wrapping_add(millionths(value)));
        }
        if let Some(min) = self.min {
            let word = &mut words[usize::from(min)];
            if first || value < f64::from_bits(*word) {
                *word = value.to_bits();
            }
        }
        if let Some(max) = self.max {
            let word = &mut words[usize::from(max)];
            if first || value > f64::from_bits(*word) {
                *word = value.to_bits();
            }
        }
        if let Some(last) = self.last {
            let last = usize::from(last);
            if first || newer((at, value), read_last(words, last)) {
                words[last] = at.cast_unsigned();
                words[last + 1] = value.to_bits();
            }
        }
        let conditions = &mut words[usize::from(self.conditions_at)..];
        for (word, &(low, high)) in conditions.iter_mut().zip(&self.conditions) {
            *word += u64::from(low <= value && value <= high);
        }
    }

    /// Adds the accumulator of a child to that of its parent.
    #[inline]
    pub(crate) fn merge(&self, into: &mut [u64], from: &[u64]) {
        if count(from) == 0 {
            into[0] |= from[0] & TOUCHED;
            return;
        }
        let first = count(into) == 0;
        into[0] = (count(into) + count(from)) | ((into[0] | from[0]) & TOUCHED);
        if let Some(sum) = self.sum {
            let sum = usize::from(sum);
            write_sum(into, sum, read_sum(into, sum).wrapping_add(read_sum(from, sum)));
        }
        if let Some(min) = self.min {
            let min = usize::from(min);
            if first || f64::from_bits(from[min]) < f64::from_bits(into[min]) {
                into[min] = from[min];
            }
        }
        if let Some(max) = self.max {
            let max = usize::from(max);
            if first || f64::from_bits(from[max]) > f64::from_bits(into[max]) {
                into[max] = from[max];
            }
        }
        if let Some(last) = self.last {
            let last = usize::from(last);
            if first || newer(read_last(from, last), read_last(into, last)) {
                into[last] = from[last];
                into[last + 1] = from[last + 1];
            }
        }
        for index in usize::from(self.conditions_at)..self.stride() {
            into[index] += from[index];
        }
    }
}

/// Readings in an accumulator.
pub(crate) fn count(words: &[u64]) -> u64 {
    words[0] & COUNT
}

/// The sum at that offset, in units.
#[expect(clippy::cast_precision_loss, reason = "a sum is shown as f64 at last")]
pub(crate) fn sum(words: &[u64], at: u16) -> f64 {
    read_sum(words, usize::from(at)) as f64 / SCALE
}

fn read_sum(words: &[u64], at: usize) -> i128 {
    (u128::from(words[at]) | (u128::from(words[at + 1]) << 64)).cast_signed()
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
fn write_sum(words: &mut [u64], at: usize, sum: i128) {
    let bits = sum.cast_unsigned();
    words[at] = bits as u64;
    words[at + 1] = (bits >> 64) as u64;
}

fn read_last(words: &[u64], at: usize) -> (i64, f64) {
    (words[at].cast_signed(), f64::from_bits(words[at + 1]))
}

/// Later in time; of two readings of one moment the greater, so that the order of arrival does not
/// matter.
fn newer(a: (i64, f64), b: (i64, f64)) -> bool {
    a.0 > b.0 || (a.0 == b.0 && a.1 > b.1)
}

/// A value in whole millionths, halves away from zero. Saturates far beyond any sensor.
#[expect(clippy::cast_possible_truncation, reason = "rounding to a whole number is the purpose")]
pub(crate) fn millionths(value: f64) -> i128 {
    let scaled = value * SCALE;
    let rounded = scaled + f64::copysign(0.5, scaled);
    if scaled.abs() < 9e18 { i128::from(rounded as i64) } else { rounded as i128 }
}

/// One window of a kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pane {
    pub(crate) start: i64,
    /// What was written, by node; may be shorter than the tree.
    pub(crate) leaf: Vec<u64>,
    /// The same folded up to the city, as of the last fold.
    #[serde(skip)]
    pub(crate) folded: Vec<u64>,
    /// Something was written since the last fold.
    #[serde(skip, default = "yes")]
    pub(crate) dirty: bool,
    /// It was folded in this tick.
    #[serde(skip)]
    pub(crate) fresh: bool,
}

fn yes() -> bool {
    true
}

/// All open windows of one kind and width.
#[derive(Debug, Clone)]
pub(crate) struct Windows {
    pub(crate) layout: Layout,
    pub(crate) width_ms: i64,
    offset_ms: i64,
    /// In order of their start.
    pub(crate) panes: Vec<Pane>,
    /// The newest pane's time, so that the usual reading finds it in two comparisons.
    newest: (i64, i64),
    /// Windows that end at or before this take no more corrections.
    closed_before: i64,
}

impl Windows {
    pub(crate) fn new(layout: Layout, width_ms: i64, offset_ms: i64) -> Self {
        Self {
            layout,
            width_ms,
            offset_ms,
            panes: Vec::new(),
            newest: (i64::MAX, i64::MIN),
            closed_before: i64::MIN,
        }
    }

    /// Start of the window that holds a moment.
    pub(crate) fn start_of(&self, at: i64) -> i64 {
        chengmai_model::Timestamp(at).window_start(self.width_ms, self.offset_ms).0
    }

    /// Windows that end at or before `horizon` take no more readings.
    pub(crate) fn close_before(&mut self, horizon: i64) {
        self.closed_before = self.closed_before.max(horizon);
        if self.newest.1 <= self.closed_before {
            self.newest = (i64::MAX, i64::MIN);
        }
    }

    /// Adds one reading to the accumulator of a node; false when its window is closed.
    #[inline]
    pub(crate) fn add(&mut self, node: u32, at: i64, value: f64) -> bool {
        let index = if at >= self.newest.0 && at < self.newest.1 {
            self.panes.len() - 1
        } else if let Some(index) = self.find_or_open(at) {
            index
        } else {
            return false;
        };
        let pane = &mut self.panes[index];
        pane.dirty = true;
        let stride = self.layout.stride();
        let from = node as usize * stride;
        if pane.leaf.len() < from + stride {
            grow(&mut pane.leaf, from + stride);
        }
        self.layout.add(&mut pane.leaf[from..from + stride], at, value);
        true
    }

    /// Some word of a node's newest accumulator, for the sake of having read it.
    #[inline]
    pub(crate) fn peek(&self, node: u32) -> u64 {
        let from = node as usize * self.layout.stride();
        self.panes.last().and_then(|pane| pane.leaf.get(from)).copied().unwrap_or(0)
    }

    #[cold]
    fn find_or_open(&mut self, at: i64) -> Option<usize> {
        let start = self.start_of(at);
        if start + self.width_ms <= self.closed_before {
            return None;
        }
        let place = self.panes.partition_point(|pane| pane.start < start);
        if self.panes.get(place).is_none_or(|pane| pane.start != start) {
            let pane =
                Pane { start, leaf: Vec::new(), folded: Vec::new(), dirty: true, fresh: false };
            self.panes.insert(place, pane);
        }
        if place + 1 == self.panes.len() {
            self.newest = (start, start + self.width_ms);
        }
        Some(place)
    }

    /// Goes on with the panes of a snapshot, in order of their start.
    pub(crate) fn restore(&mut self, panes: Vec<Pane>) {
        self.newest = panes
            .last()
            .map_or((i64::MAX, i64::MIN), |pane| (pane.start, pane.start + self.width_ms));
        self.panes = panes;
    }

    /// Takes out the panes that are closed now, oldest first.
    pub(crate) fn take_closed(&mut self) -> Vec<Pane> {
        let (width, horizon) = (self.width_ms, self.closed_before);
        let closed = self.panes.partition_point(|pane| pane.start + width <= horizon);
        self.panes.drain(..closed).collect()
    }

    /// The pane that starts then.
    pub(crate) fn find(&self, start: i64) -> Option<&Pane> {
        let index = self.panes.binary_search_by_key(&start, |pane| pane.start).ok()?;
        Some(&self.panes[index])
    }
}

#[cold]
fn grow(leaf: &mut Vec<u64>, least: usize) {
    leaf.resize(least.next_power_of_two(), 0);
}
