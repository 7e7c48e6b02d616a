//! The areas change: codes are new, a town is split off, two become one. Devices keep their streams,
//! and what was counted goes with its area; what two areas held adds up in the one they became.

use std::sync::Arc;

use chengmai_model::pack::Cause;
use chengmai_model::{AreaId, AreaTree};

use super::Engine;
use crate::event::Event;
use crate::indicator::Board;
use crate::snapshot::fingerprint;

impl Engine {
    /// Goes on over other areas. `map` gives for each area of the old tree the one of the new tree that
    /// its devices belong to now. Values are worked out anew at the next tick. Where two areas with a
    /// warning of one indicator become one, the milder warning ends; `out` says so.
    pub fn rearrange(
        &mut self,
        areas: Arc<AreaTree>,
        map: impl Fn(AreaId) -> AreaId,
        out: &mut Vec<Event>,
    ) {
        // A snapshot on its way out is of the areas as they were.
        self.thaw_rest();
        let mut board = Board::new(&self.catalog, &areas);
        let moved: Vec<Vec<u32>> =
            self.trees.iter_mut().map(|tree| tree.rearrange(&areas, &map)).collect();
        for index in 0..self.streams.len() {
            let stream = self.streams.get_mut(index);
            stream.node = moved[usize::from(stream.kind)][stream.node as usize];
        }
        for (windows, def) in self.windows.iter_mut().zip(self.catalog.windows()) {
            let kind = usize::from(def.kind.0);
            windows.rearrange(&moved[kind], self.trees[kind].len());
        }
        let rules = self.catalog.rules();
        let about_area = |rule: u16| {
            let compiled = rules[usize::from(rule)].compiled.as_ref();
            compiled.is_some_and(|compiled| compiled.cause == Cause::Area)
        };
        let keys = self.warnings.rearrange(&about_area, &map);
        self.rules.rearrange(&keys);
        self.areas_print = fingerprint(&areas);
        self.areas = areas;
        self.find_inexact();
        self.with_screen(|screen, scene| screen.rearrange(scene, &keys, &map, out));
        self.fold();
        let start = out.len();
        board.take_over(&self.board, self.inputs(), &map, out);
        self.board = board;
        self.with_screen(|screen, scene| screen.pass(scene, out, start));
    }
}
