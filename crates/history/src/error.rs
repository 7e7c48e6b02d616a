//! What can go wrong with the history. Every variant names the file.

use std::io;
use std::path::{Path, PathBuf};

/// Result of history calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the history.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused an operation.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb.
        what: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A Parquet file cannot be written or does not read back.
    #[error("{}: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        source: parquet::errors::ParquetError,
    },
    /// The manifest cannot be read.
    #[error("{} is not a manifest that this program can read: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A file that the manifest names is gone: restore it, or take its entry out of the manifest.
    #[error("{} is named in the manifest and missing", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file of the first format has rows of a stream that nobody knows; it stays as it is.
    #[error("{}: no stream is known of device {device} and kind {kind}", path.display())]
    UnknownStream {
        /// The file.
        path: PathBuf,
        /// The device's id.
        device: String,
        /// The kind's id.
        kind: String,
    },
    /// A flush is still running; there is one at a time.
    #[error("a flush is still running")]
    Busy,
}

impl Error {
    /// For `map_err`: `what` is a verb ("write", "sync").
    pub(crate) fn io<'a>(
        what: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self::Io { what, path: path.to_path_buf(), source }
    }

    /// For `map_err` on anything that Arrow or Parquet answers.
    pub(crate) fn parquet<E>(path: &Path) -> impl FnOnce(E) -> Self + use<'_, E>
    where
        E: Into<parquet::errors::ParquetError>,
    {
        move |error| Self::Parquet { path: path.to_path_buf(), source: error.into() }
    }
}
