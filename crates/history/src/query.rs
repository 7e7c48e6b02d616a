//! What is asked of the history, what is given to it, and what it answers.

use chengmai_model::{StreamId, Tier, Timestamp};

/// Asks for the readings of one device.
#[derive(Debug, Clone, Copy)]
pub struct ReadingsQuery<'a> {
    /// The device's id as in the files.
    pub device: &'a str,
    /// Its streams that are wanted, each with the id of its kind.
    pub streams: &'a [(StreamId, &'a str)],
    /// Earliest event time wanted.
    pub from: Timestamp,
    /// First event time that is not wanted any more.
    pub to: Timestamp,
    /// Most readings in the answer. When there are more, the newest are given.
    pub limit: usize,
    /// Only what was measured in some areas; a device moves, and what it measured stays where it was.
    pub within: Option<Within<'a>>,
}

/// Some areas, for readings that were measured in them.
#[derive(Clone, Copy)]
pub struct Within<'a> {
    /// Whether the area of this code, as in the files, is one of them.
    pub holds: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether the device was in one of them when it measured what is in no file yet. It was in one
    /// place: everything in memory goes to files before history follows a move. Asked under the lock that
    /// rows are taken in under, so it may wait for nobody who asks the history meanwhile.
    pub memory: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Within<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Within").finish_non_exhaustive()
    }
}

/// Asks for the windows of one indicator in one area.
#[derive(Debug, Clone, Copy)]
pub struct WindowsQuery<'a> {
    /// The indicator's code.
    pub indicator: &'a str,
    /// The area's code.
    pub area: &'a str,
    /// Earliest window start wanted.
    pub from: Timestamp,
    /// First window start that is not wanted any more.
    pub to: Timestamp,
}

/// One closed (or corrected) window of one indicator in one area.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowRow<'a> {
    /// The indicator's code.
    pub indicator: &'a str,
    /// The area's code.
    pub area: &'a str,
    /// The area's tier.
    pub tier: Tier,
    /// The area's place in pre-order, by which files are sorted.
    pub area_order: u32,
    /// Start of the window.
    pub start: Timestamp,
    /// The indicator's value; `None` when the formula has none (nothing to divide by).
    pub value: Option<f64>,
    /// Share of the expected readings that came in, 0 to 1.
    pub coverage: f32,
    /// How many readings the value rests on.
    pub readings: u64,
}

/// One window in an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowPoint {
    /// Start of the window.
    pub start: Timestamp,
    /// The indicator's value; `None` when the formula had none.
    pub value: Option<f64>,
    /// Share of the expected readings that came in, 0 to 1.
    pub coverage: f32,
    /// How many readings the value rests on.
    pub readings: u64,
}

/// What an answer took: for metrics, and for tests that hold the pruning to its promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Files that were opened.
    pub files: usize,
    /// Row groups of which any page was read.
    pub row_groups: usize,
    /// Rows of the pages that were read.
    pub rows: usize,
}
