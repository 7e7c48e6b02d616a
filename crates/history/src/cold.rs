//! Rows in files: how they are sorted, encoded, found again and read.
//!
//! A flush writes fresh files, one for a local day and kind of row; a merge writes packed ones, one for a
//! day and district. Pages are small and indexed, and packed files carry a Bloom filter on the
//! leading name. A query thus reads the few pages that can hold its rows, whatever the size of the
//! file. Why there are two sorts of files: docs/decisions/0018.

mod cache;
mod chunk;
mod columns;
mod encode;
mod file;
mod flush;
mod merge;
mod numbers;
mod read;
mod readings;
mod rungs;
mod sort;
mod windows;

pub(crate) use cache::FileCache;
pub(crate) use columns::raw_column;
pub(crate) use file::{Flush, schema, time_type, word_type};
pub(crate) use flush::write_readings;
pub(crate) use merge::{Merge, merge_readings};
pub(crate) use read::{Wanted, column, open_rows, read, word};
pub(crate) use rungs::{Summary, step_column, step_start, steps, sum_readings, thin_rung};
pub(crate) use windows::{WindowNames, merge_windows, write_windows};

/// Column numbers of a windows file.
pub(crate) mod window_column {
    pub(crate) const INDICATOR: usize = 0;
    pub(crate) const AREA: usize = 1;
    pub(crate) const TIER: usize = 2;
    pub(crate) const START: usize = 3;
    pub(crate) const VALUE: usize = 4;
    pub(crate) const COVERAGE: usize = 5;
    pub(crate) const READINGS: usize = 6;
}
