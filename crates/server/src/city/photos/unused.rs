//! Photos that were sent and that no step has named yet: each has a mark, an empty file of its name in
//! a folder beside the photos. Naming it in a step takes the mark away, for good; what still has it
//! after a day is removed.
//!
//! Not here: what a photo proves (`engine::case`). Invariants: the mark of a photo is gone from the disk
//! before the step that names it is written, so no photo on record is ever removed; when that step is
//! refused, its photo stays, which costs a file and loses nothing.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::{Duration, SystemTime};

use chengmai_model::case::Photo;
use chengmai_model::error;

use super::{Photos, is_hash};
use crate::city::{City, blocking, counters, internal};
use crate::http::problem::{Answer, Problem};

/// How long a photo waits for a step.
const WAITS: Duration = Duration::from_hours(24);
/// How often is looked for what waited too long.
const LOOK_EVERY: Duration = Duration::from_hours(1);

impl Photos {
    /// Marks a photo as not named yet; one that was named before stays named.
    pub(super) fn mark(&self, hash: &str) -> io::Result<()> {
        let mark = self.mark_path(hash);
        if self.path(hash).exists() && !mark.exists() {
            return Ok(());
        }
        fs::create_dir_all(self.marks())?;
        // Written anew when it is sent again: its day begins again.
        fs::write(mark, hash)
    }

    /// Takes the marks of photos away, before the step that names them is written. Blocking.
    ///
    /// # Errors
    /// `PHOTO_REQUIRED` when a picture was not sent, or is not there any more.
    pub(crate) fn name(&self, photos: &[Photo]) -> Answer<()> {
        let _changing = self.changing.lock();
        let mut named = false;
        for photo in photos {
            if !self.has(&photo.hash) {
                let what = format!("send the picture {} to /api/v1/photos first", photo.hash);
                return Err(Problem::new(&error::PHOTO_REQUIRED, what));
            }
            match fs::remove_file(self.mark_path(&photo.hash)) {
                Ok(()) => named = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(internal(&error)),
            }
        }
        if named {
            let synced = fs::File::open(self.marks()).and_then(|folder| folder.sync_all());
            synced.map_err(|error| internal(&error))?;
        }
        Ok(())
    }

    /// Removes what no step has named within a day; their hashes. Blocking.
    pub(crate) fn remove_unused(&self, now: SystemTime) -> io::Result<Vec<String>> {
        let mut removed = Vec::new();
        let marks = match fs::read_dir(self.marks()) {
            Ok(marks) => marks,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(removed),
            Err(error) => return Err(error),
        };
        for mark in marks {
            let mark = mark?;
            let _changing = self.changing.lock();
            let Ok(hash) = mark.file_name().into_string() else { continue };
            // Named meanwhile.
            let Ok(facts) = mark.metadata() else { continue };
            let waited = now.duration_since(facts.modified()?).unwrap_or_default();
            if waited < WAITS || !is_hash(&hash) {
                continue;
            }
            match fs::remove_file(self.path(&hash)) {
                Ok(()) => removed.push(hash),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            fs::remove_file(mark.path())?;
        }
        Ok(removed)
    }

    fn marks(&self) -> PathBuf {
        self.folder.join("unused")
    }

    fn mark_path(&self, hash: &str) -> PathBuf {
        self.marks().join(hash)
    }
}

/// Removes, as long as the city runs, what no step has named within a day.
pub(crate) async fn watch(city: Weak<City>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        let Some(city) = city.upgrade() else { return };
        let photos = city.photos.clone();
        match blocking(move || photos.remove_unused(SystemTime::now())).await {
            Ok(Ok(removed)) => {
                for hash in &removed {
                    tracing::info!(%hash, "a photo that no step named within a day was removed");
                }
                counters::add(&city.counters.photos_removed, removed.len() as u64);
            }
            Ok(Err(error)) => tracing::error!(%error, "unused photos could not be removed"),
            // The city is stopping.
            Err(_) => return,
        }
    }
}
