//! The journal kept elsewhere 日志留存: a thread that brings over what is new once a second, and says which segments the
//! journal may let go. With a backup it gives the city of any moment (`chengmai restore --journal … --until …`).
//!
//! Not here: how a copy follows (`chengmai_store::journal::Keeper`). Invariant: where the copy cannot follow, the
//! journal keeps everything; readings are taken as long as there is room.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use chengmai_store::disk::RealDisk;
use chengmai_store::journal::Keeper;

use super::counters::{self, Counters};

/// How often the copy is brought up to date: what a lost disk costs.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The thread, and what it says.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// Segments before this frame are kept; all of them may go where nothing is kept.
    may_go: Arc<AtomicU64>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Keeping {
    /// Begins to keep a journal in a folder, if there is one.
    pub(crate) fn start(
        journal: &Path,
        kept: Option<&Path>,
        counters: &Arc<Counters>,
    ) -> anyhow::Result<Self> {
        let Some(kept) = kept else {
            return Ok(Self { may_go: Arc::new(AtomicU64::new(u64::MAX)), thread: None });
        };
        let keeper = Keeper::open(Arc::new(RealDisk), journal, kept)
            .with_context(|| format!("--keep-journal {}", kept.display()))?;
        let may_go = Arc::new(AtomicU64::new(0));
        let work = Work { keeper, may_go: Arc::clone(&may_go), counters: Arc::clone(counters) };
        let (stop, stopped) = channel();
        let builder = std::thread::Builder::new().name("keep-journal".to_owned());
        let thread = builder.spawn(move || work.run(&stopped)).context("cannot start a thread")?;
        Ok(Self { may_go, thread: Some((stop, thread)) })
    }

    /// Segments before this frame may go.
    pub(crate) fn may_go(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.may_go)
    }

    /// Brings over the end and stops.
    pub(crate) fn stop(self) {
        let Some((stop, thread)) = self.thread else { return };
        drop(stop);
        if thread.join().is_err() {
            tracing::error!("the thread that keeps the journal panicked");
        }
    }
}

struct Work {
    keeper: Keeper,
    may_go: Arc<AtomicU64>,
    counters: Arc<Counters>,
}

impl Work {
    fn run(mut self, stopped: &Receiver<()>) {
        let mut failed = false;
        loop {
            let is_last = stopped.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Disconnected);
            match self.keeper.follow() {
                Ok(whole) => {
                    self.may_go.store(whole, Ordering::Release);
                    if failed {
                        tracing::info!("the journal is kept again");
                    }
                    failed = false;
                }
                Err(error) => {
                    counters::add(&self.counters.keep_failures, 1);
                    if !failed {
                        tracing::error!(%error, "the journal is not kept, and grows until it is");
                    }
                    failed = true;
                }
            }
            if is_last {
                return;
            }
        }
    }
}
