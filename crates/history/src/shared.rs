//! The state that writer and readers share, and its one lock. See the crate's page for who holds it
//! for how long.

use std::path::PathBuf;
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use crate::cold::FileCache;
use crate::hot::{Hot, ReadingsChunk, WindowsChunk};
use crate::manifest::Manifest;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) state: RwLock<State>,
    /// Footers of files that were read lately. Never locked together with `state`.
    pub(crate) cache: Mutex<FileCache>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) readings: Hot<ReadingsChunk>,
    pub(crate) windows: Hot<WindowsChunk>,
    pub(crate) indicators: Names,
    pub(crate) areas: Names,
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, manifest: Manifest) -> Self {
        let state = State {
            manifest: Arc::new(manifest),
            readings: Hot::default(),
            windows: Hot::default(),
            indicators: Names::default(),
            areas: Names::default(),
        };
        Self { dir, state: RwLock::new(state), cache: Mutex::new(FileCache::default()) }
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
