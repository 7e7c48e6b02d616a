//! The engine's state as bytes, to start from instead of the whole journal. A snapshot is only ever
//! a shortcut: when it does not fit, it is refused and the journal is replayed.
//!
//! Not in it: what can be worked out again (folded windows, look-up tables, the expiry wheel).

use std::sync::Arc;

use chengmai_model::{AreaTree, Timestamp};
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::catalog::Catalog;
use crate::engine::{Engine, Settings, Totals};
use crate::hash::Hash64;
use crate::indicator::Board;
use crate::rollup::KindTree;
use crate::rule::{RuleState, RuleStates};
use crate::stream::{Ring, SCHEDULED, Stream, StreamFacts};
use crate::warning::Warnings;
use crate::window::Pane;

/// Changes with every change of the shapes below.
const FORMAT: u32 = 1;

/// Why a snapshot cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version of the program.
    #[error("snapshot format {found} is not {wanted}")]
    Format {
        /// The number in the snapshot.
        found: u32,
        /// The number this program writes.
        wanted: u32,
    },
    /// The packs mean something else now.
    #[error("the packs changed since the snapshot")]
    Catalog,
    /// The areas are others now.
    #[error("the areas changed since the snapshot")]
    Areas,
    /// The settings are others now.
    #[error("the settings changed since the snapshot")]
    Settings,
    /// Cut short or damaged.
    #[error("the snapshot cannot be read: {0}")]
    Broken(String),
}

#[derive(Serialize, Deserialize)]
struct Head {
    format: u32,
    catalog: u64,
    areas: u64,
    lateness_ms: i64,
    utc_offset_ms: i64,
    offline_periods: u32,
    added_kinds: Vec<String>,
}

/// The state as it is written: the same fields as [`State`], in the same order.
#[derive(Serialize)]
struct StateView<'a> {
    clock: i64,
    totals: [u64; 5],
    streams: &'a [Stream],
    facts: &'a [StreamFacts],
    rings: Vec<(u32, &'a Ring)>,
    trees: &'a [KindTree],
    windows: Vec<&'a [Pane]>,
    rules: Vec<(u32, &'a [RuleState])>,
    warnings: &'a Warnings,
    board: &'a Board,
}

/// The state as it is read.
#[derive(Deserialize)]
struct State {
    clock: i64,
    totals: [u64; 5],
    streams: Vec<Stream>,
    facts: Vec<StreamFacts>,
    rings: Vec<(u32, Ring)>,
    trees: Vec<KindTree>,
    windows: Vec<Vec<Pane>>,
    rules: Vec<(u32, Vec<RuleState>)>,
    warnings: Warnings,
    board: Board,
}

impl Engine {
    /// The whole state as bytes.
    pub fn snapshot(&self) -> Vec<u8> {
        let head = Head {
            format: FORMAT,
            catalog: self.catalog.fingerprint(),
            areas: fingerprint(&self.areas),
            lateness_ms: self.settings.lateness_ms,
            utc_offset_ms: self.settings.utc_offset_ms,
            offline_periods: self.settings.offline_periods,
            added_kinds: self.catalog.added_kinds().map(str::to_owned).collect(),
        };
        let mut rings: Vec<_> = self.rings.iter().map(|(stream, ring)| (*stream, ring)).collect();
        rings.sort_unstable_by_key(|(stream, _)| *stream);
        let totals = self.totals;
        let state = StateView {
            clock: self.clock,
            totals: [
                totals.streams,
                totals.readings,
                totals.duplicates,
                totals.late,
                totals.out_of_range,
            ],
            streams: &self.streams,
            facts: &self.facts,
            rings,
            trees: &self.trees,
            windows: self.windows.iter().map(|w| w.panes.as_slice()).collect(),
            rules: self.rules.to_list(),
            warnings: &self.warnings,
            board: &self.board,
        };
        postcard::to_stdvec(&(head, state)).expect("plain data always serialises")
    }

    /// An engine as it was when the snapshot was taken.
    ///
    /// # Errors
    /// When packs, areas, settings or the format are others, or the bytes are damaged.
    pub fn restore(
        catalog: Catalog,
        areas: Arc<AreaTree>,
        settings: Settings,
        bytes: &[u8],
    ) -> Result<Self, SnapshotError> {
        let broken = |e: postcard::Error| SnapshotError::Broken(e.to_string());
        let (head, rest): (Head, &[u8]) = postcard::take_from_bytes(bytes).map_err(broken)?;
        let mut engine = Self::new(catalog, areas, settings);
        engine.check(&head)?;
        let state: State = postcard::from_bytes(rest).map_err(broken)?;
        let fits = state.streams.len() == state.facts.len()
            && state.windows.len() == engine.windows.len()
            && state.trees.len() <= engine.catalog.kinds().len();
        if !fits {
            return Err(SnapshotError::Broken("its parts do not fit together".to_owned()));
        }
        engine.fill(state);
        Ok(engine)
    }

    fn check(&mut self, head: &Head) -> Result<(), SnapshotError> {
        if head.format != FORMAT {
            return Err(SnapshotError::Format { found: head.format, wanted: FORMAT });
        }
        if head.catalog != self.catalog.fingerprint() {
            return Err(SnapshotError::Catalog);
        }
        if head.areas != fingerprint(&self.areas) {
            return Err(SnapshotError::Areas);
        }
        let settings = Settings {
            lateness_ms: head.lateness_ms,
            utc_offset_ms: head.utc_offset_ms,
            offline_periods: head.offline_periods,
        };
        if settings != self.settings {
            return Err(SnapshotError::Settings);
        }
        for name in &head.added_kinds {
            self.catalog.kind_or_add(name);
        }
        // The same names in the same order, or the numbers in the state mean other kinds.
        let same = self.catalog.added_kinds().take(head.added_kinds.len()).eq(&head.added_kinds);
        if same { Ok(()) } else { Err(SnapshotError::Catalog) }
    }

    fn fill(&mut self, state: State) {
        let [streams, readings, duplicates, late, out_of_range] = state.totals;
        self.totals = Totals { streams, online: 0, readings, duplicates, late, out_of_range };
        self.streams = state.streams;
        self.facts = state.facts;
        self.rings = HashMap::from_iter(state.rings);
        self.trees = state.trees;
        for tree in &mut self.trees {
            tree.index();
        }
        self.open_gates();
        for (windows, panes) in self.windows.iter_mut().zip(state.windows) {
            windows.restore(panes);
        }
        self.rules = RuleStates::from_list(state.rules);
        self.warnings = state.warnings;
        self.board = state.board;
        self.clock = state.clock;
        self.advance(Timestamp(state.clock));
        for number in 0..self.streams.len() {
            if self.streams[number].has(SCHEDULED) {
                let number = u32::try_from(number).expect("streams are numbered in u32");
                // At the next tick each finds its own place; asking twice changes nothing.
                self.put_in_wheel(0, number);
            }
        }
    }
}

fn fingerprint(areas: &AreaTree) -> u64 {
    let hash = areas.iter().fold(Hash64::new(), |hash, (_, area)| {
        hash.bytes(area.row.code.as_str().as_bytes()).number(u64::from(area.parent.0))
    });
    hash.finish()
}
