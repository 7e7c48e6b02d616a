//! SQL over the history: files and memory as one set of tables, for reading only.
//!
//! What it is not: no way to write, no catalogue of its own, no cache of answers. Who asks, and where
//! they may look, is given with each question ([`Question`]); the tables yield nothing else, so no query
//! can see round it.
//!
//! All queries run on one thread of their own. That is the bound on what asking may cost while readings
//! come in: one core, whatever is asked and by however many. Memory comes out of one bounded pool,
//! nothing is spilt to disk, and a question whose asker went away is dropped at its next step.
//!
//! Invariant: one question sees the files and the memory of one moment ([`crate::scan`]): no row twice,
//! none missing, whatever is flushed beside it.

mod bounds;
mod encode;
mod engine;
mod error;
mod functions;
mod guard;
mod hot;
mod lists;
mod metered;
mod pushdown;
mod readings;
mod session;
mod table;
mod view;
mod windows;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use chengmai_model::{AreaId, AreaTree, StreamId, Timestamp};

pub use engine::Sql;
pub use error::{Position, SqlError};

use crate::StreamNames;

/// What asking may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlSettings {
    /// Questions answered side by side; more wait for their turn.
    pub at_once_max: usize,
    /// Longest time from question to answer, waiting included.
    pub time_max: Duration,
    /// Memory of all questions together.
    pub memory_bytes_max: usize,
    /// Most bytes of one encoded answer.
    pub answer_bytes_max: usize,
}

impl Default for SqlSettings {
    fn default() -> Self {
        Self {
            at_once_max: 4,
            time_max: Duration::from_secs(30),
            memory_bytes_max: 512 << 20,
            answer_bytes_max: 128 << 20,
        }
    }
}

/// One question: the text, and who asks.
#[derive(Debug, Clone)]
pub struct Question {
    /// The SQL.
    pub text: String,
    /// Most rows of the answer; it says when there were more.
    pub rows_max: usize,
    /// How the answer is written.
    pub format: Format,
    /// The areas as they are today.
    pub areas: Arc<AreaTree>,
    /// Only this area and what lies below it is seen.
    pub scope: AreaId,
    /// What the server knows of devices, kinds and indicators.
    pub directory: Arc<dyn Directory>,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{"columns": [{"name", "type"}], "rows": [[...]], "row_count": 1, "cut": false}`.
    Json,
    /// With a header line.
    Csv,
    /// Arrow's stream format.
    Arrow,
    /// One Parquet file.
    Parquet,
}

/// An answer, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// In the format asked for.
    pub bytes: Vec<u8>,
    /// Rows in it.
    pub rows: usize,
    /// There were more rows than asked for.
    pub cut: bool,
}

/// What the server knows by name. Asked on the thread of the queries.
pub trait Directory: StreamNames + Debug + Send + Sync {
    /// The streams of a device.
    fn streams_of(&self, device: &str) -> Vec<StreamId>;
    /// Up to `rows_max` devices from the `start`-th on, in the order of their registration.
    fn devices(&self, start: usize, rows_max: usize) -> Vec<DeviceFacts>;
    /// All kinds of reading.
    fn kinds(&self) -> Vec<KindFacts>;
    /// All indicators.
    fn indicators(&self) -> Vec<IndicatorFacts>;
}

/// A row of the table `devices`.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceFacts {
    /// Its id.
    pub id: String,
    /// A title for people.
    pub name: Option<String>,
    /// The smallest area that holds it.
    pub area: AreaId,
    /// Longitude and latitude.
    pub position: Option<[f64; 2]>,
    /// Who answers for it.
    pub agency: Option<String>,
    /// Its kinds, joined by commas.
    pub kinds: String,
    /// Made up by the program.
    pub simulated: bool,
    /// Since when it is known.
    pub registered_at: Timestamp,
}

/// A row of the table `kinds`.
#[derive(Debug, Clone, PartialEq)]
pub struct KindFacts {
    /// Its id.
    pub id: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// Unit of its values.
    pub unit: String,
    /// Lowest value that it can mean.
    pub lowest: f64,
    /// Highest value that it can mean.
    pub highest: f64,
    /// The pack that declares it.
    pub pack: String,
}

/// A row of the table `indicators`.
#[derive(Debug, Clone, PartialEq)]
pub struct IndicatorFacts {
    /// Its code.
    pub code: String,
    /// Its name in Chinese.
    pub name_zh: String,
    /// Its name in English.
    pub name_en: String,
    /// Unit of its values.
    pub unit: String,
    /// The pack that declares it.
    pub pack: String,
}
