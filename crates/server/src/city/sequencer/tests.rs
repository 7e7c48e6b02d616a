//! What a sequencer does when the disk fails under it.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;

use chengmai_engine::Catalog;
use chengmai_model::{AreaTree, StreamId};
use chengmai_store::disk::{Disk, DiskFile, RealDisk};
use chengmai_store::journal::{Entry, JournalSettings, replay};

use super::*;

/// The machine's disk until `broken`; from then on nothing reaches it.
#[derive(Debug, Default)]
struct BreakingDisk(Arc<AtomicBool>);

#[derive(Debug)]
struct BreakingFile(Box<dyn DiskFile>, Arc<AtomicBool>);

impl DiskFile for BreakingFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync()
    }
}

impl Disk for BreakingDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }

    fn create(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(BreakingFile(RealDisk.create(file)?, Arc::clone(&self.0))))
    }

    fn open_append(&self, file: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(BreakingFile(RealDisk.open_append(file)?, Arc::clone(&self.0))))
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(file)
    }

    fn open_read(&self, file: &Path) -> io::Result<Box<dyn Read + Send>> {
        RealDisk.open_read(file)
    }

    fn len(&self, file: &Path) -> io::Result<u64> {
        RealDisk.len(file)
    }

    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()> {
        RealDisk.truncate(file, bytes)
    }

    fn rewrite(&self, file: &Path, from: u64) -> io::Result<()> {
        RealDisk.rewrite(file, from)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        RealDisk.remove(file)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

async fn hand_in(inbox: &mpsc::Sender<Message>, value: f64) -> Result<(), Refusal> {
    let (done, wait) = oneshot::channel();
    let readings = vec![Reading { stream: StreamId(0), at: Timestamp(1), value }];
    inbox.send(Message::Batch(Batch { readings, mark: None, done })).await.unwrap();
    wait.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_is_taken_any_more_and_it_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let disk = BreakingDisk::default();
    let broken = Arc::clone(&disk.0);
    let settings = JournalSettings::default();
    let (journal, _) = Journal::open(Arc::new(disk), dir.path(), settings).unwrap();
    let (work, brain) = sync_channel(1_000);
    let stop_reason = StopReason::default();
    let catalog = Catalog::empty();
    let registry = Registry::new(Arc::new(AreaTree::default()), &catalog, false, 1);
    let sequencer = Sequencer {
        next_position: journal.next_position(),
        journal,
        registry: Arc::new(RwLock::new(registry)),
        counters: Arc::default(),
        stop_reason: Arc::clone(&stop_reason),
        marks: Arc::default(),
        brain: work,
    };
    let (inbox, messages) = mpsc::channel(8);
    let runtime = tokio::runtime::Handle::current();
    let thread = std::thread::spawn(move || sequencer.run(messages, runtime));

    assert_eq!(hand_in(&inbox, 1.0).await, Ok(()));
    assert_eq!(*stop_reason.read(), None);
    broken.store(true, Ordering::SeqCst);
    assert_eq!(hand_in(&inbox, 2.0).await, Err(Refusal::Stopped));
    let reason = stop_reason.read().clone().unwrap();
    assert!(reason.contains("the disk is gone"), "{reason}");
    // The disk comes back, but what lies between is not known: it stays stopped.
    broken.store(false, Ordering::SeqCst);
    assert_eq!(hand_in(&inbox, 3.0).await, Err(Refusal::Stopped));

    inbox.send(Message::Stop).await.unwrap();
    thread.join().unwrap();
    let readings = brain.iter().filter(|work| matches!(work, Work::Readings { .. })).count();
    assert_eq!(readings, 1, "the brain sees only what was acknowledged");
    let mut first = None;
    replay(&RealDisk, dir.path(), 1, &mut |_, entry| {
        if let (Entry::Readings { readings, .. }, None) = (entry, first) {
            first = Some(readings[0].value);
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(first, Some(1.0), "what was acknowledged is on disk");
}
