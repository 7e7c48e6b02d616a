//! Raw readings and closed windows as Parquet. The only crate that sees Arrow.
//!
//! What it is not: it is not the memory of the senses (that is the journal in `chengmai-store`), and
//! it evaluates nothing. All of it can be made again from the journal, as long as that is kept.
//!
//! Two ends share one state. [`History`] is the writer, owned by one thread: it takes rows into
//! memory and flushes them to files. [`HistoryReader`] is cloned freely: a query sees the files and
//! the rows that are still in memory as one.
//!
//! Locking: one read-write lock guards the list of files and the rows in memory. The writer holds
//! it for the copy of one batch, or to swap a list at the end of a flush; a query holds it to
//! clone a list of `Arc`s and to scan the one chunk that is still growing (at most 65,536 rows).
//! Sorting, encoding, `fsync` and reading of files happen outside it. So neither a flush of millions
//! of rows nor a query of a year makes the other side wait for longer than a scan of one chunk.
//!
//! Invariants: the manifest is the truth; a file that it does not name is removed at open. A row is in
//! exactly one place: in memory, or in one file that the manifest names. Rows of journal frames up
//! to and including the watermark are in files, and are ignored when a replay brings them again.

mod cold;
mod compact;
mod day;
mod error;
mod hot;
mod kinds;
mod ladder;
mod manifest;
mod overlay;
mod query;
mod reader;
mod scan;
mod series;
mod settle;
mod shared;
pub mod sql;
mod writer;

pub use compact::{Compacted, Compactor, Place, Places};
pub use error::{Error, Result};
pub use kinds::{KindQuery, KindRow, SLICE_ROWS_MAX, TakeRows};
pub use ladder::{Expired, Keep, Keeps, Rung};
pub use overlay::CorrectedReading;
pub use query::{Cost, ReadingsQuery, WindowPoint, WindowRow, WindowsQuery, Within};
pub use reader::HistoryReader;
pub use series::{Series, SeriesPoint, SeriesQuery};
pub use writer::{FlushJob, History, HistorySettings, LABELS_MAX, StreamLabel, StreamNames};
