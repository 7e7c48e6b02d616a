//! What stands in a snapshot besides the columns, in the order in which it is written.

use serde::{Deserialize, Serialize};

use crate::indicator::Board;
use crate::rule::RuleState;
use crate::screen::{AlarmSettings, Screen};
use crate::warning::Warnings;

#[derive(Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) format: u32,
    pub(super) catalog: u64,
    pub(super) areas: u64,
    pub(super) lateness_ms: i64,
    pub(super) utc_offset_ms: i64,
    pub(super) offline_periods: u32,
    pub(super) alarms: AlarmSettings,
    pub(super) added_kinds: Vec<String>,
}

/// What is small and stands before what rules remember: the first fields of [`Small`], in its order.
#[derive(Serialize)]
pub(super) struct FirstView {
    pub(super) clock: i64,
    pub(super) totals: [u64; 5],
    /// How many streams rules remember anything of.
    pub(super) rules: usize,
}

/// What stands behind them and the warnings: the last fields of [`Small`].
#[derive(Serialize)]
pub(super) struct LastView<'a> {
    pub(super) board: &'a Board,
    pub(super) sizes: Sizes,
}

/// What is small, as it is read.
#[derive(Deserialize)]
pub(super) struct Small {
    pub(super) clock: i64,
    pub(super) totals: [u64; 5],
    pub(super) rules: Vec<(u32, Vec<RuleState>)>,
    pub(super) warnings: Warnings,
    pub(super) screen: Screen,
    pub(super) board: Board,
    pub(super) sizes: Sizes,
}

/// How long the columns are that follow, in the order in which they follow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sizes {
    pub(super) streams: usize,
    /// Streams whose readings for slopes are kept as they are.
    pub(super) rings: usize,
    pub(super) watched: usize,
    /// Nodes of each kind's tree.
    pub(super) trees: Vec<usize>,
    /// Start and sizes of each pane of each window.
    pub(super) panes: Vec<Vec<(i64, [usize; 3])>>,
    /// Areas of each group of indicators.
    pub(super) board: Vec<usize>,
}
