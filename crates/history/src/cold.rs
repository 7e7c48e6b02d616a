//! Rows in files: how they are sorted, encoded, found again and read.
//!
//! One flush writes one file per local day and kind of row. Row groups are small and carry a Bloom
//! filter on the leading name; pages are smaller still and indexed. A query thus reads the few
//! pages that can hold its rows, whatever the size of the file.

mod cache;
mod file;
mod read;
mod readings;
mod windows;

pub(crate) use cache::FileCache;
pub(crate) use file::Flush;
pub(crate) use read::{Wanted, column, read, word};
pub(crate) use readings::write_readings;
pub(crate) use windows::{WindowNames, write_windows};

/// Column numbers of a readings file.
pub(crate) mod raw_column {
    pub(crate) const DEVICE: usize = 0;
    pub(crate) const KIND: usize = 1;
    pub(crate) const AT: usize = 3;
    pub(crate) const VALUE: usize = 4;
}

/// Column numbers of a windows file.
pub(crate) mod window_column {
    pub(crate) const INDICATOR: usize = 0;
    pub(crate) const AREA: usize = 1;
    pub(crate) const START: usize = 3;
    pub(crate) const VALUE: usize = 4;
    pub(crate) const COVERAGE: usize = 5;
    pub(crate) const READINGS: usize = 6;
}
