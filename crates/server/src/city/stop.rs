//! The way down: what a running city must wait for when it stops.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::City;
use super::kept::Keeping;
use super::notify::Telling;
use super::proof::Taking;
use super::sequencer::Message;

/// A running city and what must be waited for when it stops.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) city: Arc<City>,
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) decisions: tokio::task::JoinHandle<()>,
    pub(super) telling: Telling,
    pub(super) taking: Taking,
    pub(super) keeping: Keeping,
}

impl Running {
    /// Takes nothing more, finishes what is queued, leaves a snapshot and writes history out.
    pub(crate) async fn stop(self) {
        self.telling.stop().await;
        // A closed inbox means that it stopped by itself.
        let _ = self.city.sequencer.send(Message::Stop).await;
        let (threads, keeping) = (self.threads, self.keeping);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the city panicked");
                }
            }
            // Nobody writes to the journal any more: the kept one gets all of it.
            keeping.stop();
        });
        if joined.await.is_err() {
            tracing::error!("the city's threads could not be waited for");
        }
        if self.decisions.await.is_err() {
            tracing::error!("the decisions ended early");
        }
        self.taking.stop().await;
    }
}
