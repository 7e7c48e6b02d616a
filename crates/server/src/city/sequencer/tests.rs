//! What a sequencer does when the disk fails under it, or is full.

use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use chengmai_engine::Catalog;
use chengmai_model::{AreaTree, StreamId, Timestamp};
use chengmai_store::disk::simulated::{Fuses, SimulatedDisk};
use chengmai_store::journal::{Entry, Journal, JournalSettings, replay};

use super::*;

/// A sequencer on a simulated disk, running.
struct City {
    disk: SimulatedDisk,
    inbox: mpsc::Sender<Message>,
    stop_reason: StopReason,
    brain: Receiver<Work>,
    thread: JoinHandle<()>,
}

impl City {
    fn start() -> Self {
        let disk = SimulatedDisk::new(1);
        let settings = JournalSettings::default();
        let (journal, _) = Journal::open(Arc::new(disk.clone()), dir(), settings).unwrap();
        let (work, brain) = sync_channel(1_000);
        let stop_reason = StopReason::default();
        let registry = Registry::new(Arc::new(AreaTree::default()), &Catalog::empty(), false, 1);
        let sequencer = Sequencer {
            writer: Writer::new(journal),
            registry: Arc::new(RwLock::new(registry)),
            counters: Arc::default(),
            stop_reason: Arc::clone(&stop_reason),
            marks: Arc::default(),
            brain: work,
            may_go: Arc::new(AtomicU64::new(u64::MAX)),
            full: false,
        };
        let (inbox, messages) = mpsc::channel(8);
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || sequencer.run(messages, runtime));
        Self { disk, inbox, stop_reason, brain, thread }
    }

    async fn hand_in(&self, value: f64) -> Result<(), Refusal> {
        let (done, wait) = oneshot::channel();
        let readings = vec![Reading { stream: StreamId(0), at: Timestamp(1), value }];
        self.inbox.send(Message::Batch(Batch { readings, mark: None, done })).await.unwrap();
        wait.await.unwrap()
    }

    fn reason(&self) -> String {
        self.stop_reason.read().clone().unwrap_or_default()
    }

    /// Stops it; the values that the brain saw, and those that are on disk.
    async fn stop(self) -> (Vec<f64>, Vec<f64>) {
        self.inbox.send(Message::Stop).await.unwrap();
        self.thread.join().unwrap();
        let mut seen = Vec::new();
        for work in self.brain {
            if let Work::Step(Step::Readings { readings, .. }) = work {
                seen.push(readings[0].value);
            }
        }
        let mut durable = Vec::new();
        replay(&self.disk, dir(), 1, &mut |_, entry| {
            if let Entry::Readings { readings, .. } = entry {
                durable.push(readings[0].value);
            }
            ControlFlow::Continue(())
        })
        .unwrap();
        (seen, durable)
    }
}

fn dir() -> &'static Path {
    Path::new("/journal")
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_taken_any_more_and_it_says_why() {
    let city = City::start();
    assert_eq!(city.hand_in(1.0).await, Ok(()));
    assert_eq!(city.reason(), "");
    city.disk.set_fuses(Fuses { sync: Some(0), ..Fuses::default() });
    // A tick may come first and burn the fuse; the readings are refused either way.
    assert_eq!(city.hand_in(2.0).await, Err(Refusal::Stopped));
    assert!(city.reason().contains("the simulated disk failed"), "{}", city.reason());
    // The disk works again, but what lies between is not known: it stays stopped.
    assert_eq!(city.hand_in(3.0).await, Err(Refusal::Stopped));
    let (seen, durable) = city.stop().await;
    assert_eq!(seen, [1.0], "the brain sees only what was acknowledged");
    assert_eq!(durable[..1], [1.0], "what was acknowledged is on disk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_readings_are_taken_again_when_there_is_room() {
    let city = City::start();
    assert_eq!(city.hand_in(1.0).await, Ok(()));
    city.disk.set_capacity(0);
    for _ in 0..2 {
        assert_eq!(city.hand_in(2.0).await, Err(Refusal::Stopped));
        assert!(city.reason().contains("the disk is full"), "{}", city.reason());
    }
    city.disk.set_capacity(usize::MAX);
    assert_eq!(city.hand_in(3.0).await, Ok(()));
    assert_eq!(city.reason(), "");
    let (seen, durable) = city.stop().await;
    assert_eq!((seen, durable), (vec![1.0, 3.0], vec![1.0, 3.0]));
}
