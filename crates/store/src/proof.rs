//! The proof log 存证日志: every decision is a leaf of a Merkle tree (RFC 6962), whose head is signed about once a
//! second, in the forms of C2SP (tlog-tiles, tlog-checkpoint, signed-note, tlog-cosignature), so that programs
//! that are not ours can check it.
//!
//! What it is not: the decisions themselves; those are rows of the records database, and a leaf holds only a
//! salted commitment to its row. Nor is it safe from whoever has both the machine and its key: for that the
//! heads are witnessed by a second party, or kept by whoever was given one.
//!
//! Invariants: leaves are added at the end only; a head is signed after all below it is on disk, and never two
//! heads of which one does not continue the other.

pub mod entry;
pub mod log;
pub mod note;
pub mod tiles;
pub mod tree;

pub use entry::{Entry, Salt, Source};
pub use log::{LogReader, LogWriter, Tip};
pub use note::{Checkpoint, Signer, Verifier};
pub use tree::{HASH_BYTES, Hash};
