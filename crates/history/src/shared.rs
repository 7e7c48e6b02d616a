//! The state that writer and readers share, and its one lock. See the crate's page for who holds it
//! for how long.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::cold::FileCache;
use crate::error::Result;
use crate::hot::{Hot, ReadingsChunk, WindowsChunk};
use crate::manifest::Manifest;
use crate::overlay::Overlay;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    /// Local time's distance east of UTC.
    pub(crate) offset_ms: i64,
    pub(crate) state: RwLock<State>,
    /// Footers of files that were read lately. Never locked together with `state`.
    pub(crate) cache: Mutex<FileCache>,
    /// Held while a manifest is stored: flush and compaction run beside each other. What it guards
    /// are files that no manifest names any more and that a running query may still read.
    retired: Mutex<VecDeque<Retired>>,
}

/// Files that the manifest after `seen_by` does not name.
#[derive(Debug)]
struct Retired {
    seen_by: Arc<Manifest>,
    paths: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) manifest: Arc<Manifest>,
    /// What rows in memory and in the manifest's files are worth now.
    pub(crate) overlay: Arc<Overlay>,
    pub(crate) readings: Hot<ReadingsChunk>,
    pub(crate) windows: Hot<WindowsChunk>,
    pub(crate) indicators: Names,
    pub(crate) areas: Names,
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, offset_ms: i64, manifest: Manifest) -> Self {
        let state = State {
            overlay: Arc::new(Overlay::of(manifest.corrections.iter().copied())),
            manifest: Arc::new(manifest),
            readings: Hot::default(),
            windows: Hot::default(),
            indicators: Names::default(),
            areas: Names::default(),
        };
        Self {
            dir,
            offset_ms,
            state: RwLock::new(state),
            cache: Mutex::new(FileCache::default()),
            retired: Mutex::new(VecDeque::new()),
        }
    }

    /// Changes the manifest in one step, on disk and for queries. `swap` runs under the lock under
    /// which queries see the new files, to take away what they replace.
    pub(crate) fn publish(
        &self,
        change: impl FnOnce(&mut Manifest),
        swap: impl FnOnce(&mut State),
    ) -> Result<()> {
        let mut retired = self.retired.lock();
        let before = Arc::clone(&self.state.read().manifest);
        let mut manifest = Manifest::clone(&before);
        change(&mut manifest);
        manifest.generation += 1;
        manifest.store(&self.dir)?;
        let paths = before.names_missing_in(&manifest);
        let mut state = self.state.write();
        state.manifest = Arc::new(manifest);
        swap(&mut state);
        drop(state);
        if !paths.is_empty() {
            retired.push_back(Retired { seen_by: before, paths });
        }
        Ok(())
    }

    /// Removes files that neither a manifest nor a query needs any more. One that cannot be removed
    /// is removed at the next open.
    pub(crate) fn remove_retired(&self) {
        let mut retired = self.retired.lock();
        // The oldest first: as long as a query holds an old manifest, all later changes wait too.
        while let Some(first) = retired.front()
            && Arc::strong_count(&first.seen_by) == 1
        {
            for path in &first.paths {
                self.cache.lock().forget(path);
                let path = self.dir.join(path);
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::warn!(%error, file = %path.display(), "a merged file stays for now");
                }
            }
            retired.pop_front();
        }
    }
}

/// Names that were seen, each with a dense number. Few (indicators, areas); never forgotten.
#[derive(Debug, Default)]
pub(crate) struct Names {
    numbers: HashMap<Arc<str>, u32>,
    names: Vec<Arc<str>>,
}

impl Names {
    pub(crate) fn intern(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("there are few names");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }

    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// All names by number, as they are now.
    pub(crate) fn all(&self) -> Vec<Arc<str>> {
        self.names.clone()
    }
}
