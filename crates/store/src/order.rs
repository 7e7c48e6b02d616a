//! The order of things: what is appended before what, when a sender may be told that its readings
//! are safe, when an image of the state may become a snapshot, what may be forgotten, and where a
//! start begins. Threads, channels and clocks are the server's; the fault simulator drives the same
//! code on a simulated disk, one step at a time.
//!
//! What it is not: it knows no connection, no Parquet and no database, only how far each of them is.
//!
//! Invariants:
//! * Nothing is acknowledged before the commit that holds it, and nothing after a failed sync.
//! * A frame of registrations explains itself: where its streams count follows from frames, never
//!   from a registry that may be further ahead.
//! * A snapshot is published only when nothing older than it can be asked for by anybody.
//! * A start that cannot give the engine, the registry or history a frame they need is refused.

mod placement;
mod publish;
mod restart;
mod writer;

pub use placement::{place, self_contained};
pub use publish::Reached;
pub use restart::{Restart, Use};
pub use writer::{Group, Refused, Step, Writer};
