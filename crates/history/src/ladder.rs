//! The ladder: readings, and their minutes, hours and days, each kept for its own time.
//!
//! When a day is over and merged, every rung is built from its readings, in the same change of the
//! manifest that marks the readings as summed. Only summed readings ever expire, so nothing is lost
//! between. Readings that come for a day later are summed when they are merged; a step of a rung may
//! then stand in several files, and whoever reads adds them up.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};

use crate::cold::{Merge, merge_readings, sum_readings, thin_rung};
use crate::compact::{Compactor, Places, ROWS_MAX};
use crate::day;
use crate::error::Result;
use crate::manifest::{FileEntry, Manifest};
use crate::overlay::Overlay;

/// A rung above the readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// A step is a minute.
    Minute,
    /// A step is an hour.
    Hour,
    /// A step is a local day.
    Day,
}

impl Rung {
    /// From the finest to the coarsest.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// The length of a step in milliseconds.
    pub const fn step_ms(self) -> i64 {
        [MINUTE_MS, HOUR_MS, DAY_MS][self as usize]
    }

    pub(crate) const fn folder(self) -> &'static str {
        ["m1", "h1", "d1"][self as usize]
    }
}

/// How long the readings of a kind and their rungs are kept, in milliseconds; `None` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The readings themselves.
    pub raw: Option<i64>,
    /// Minutes, hours and days.
    pub rungs: [Option<i64>; 3],
}

/// Knows how long a kind is kept.
pub trait Keeps {
    /// For the kind of that id.
    fn keep(&self, kind: &str) -> Keep;
}

/// What a step of expiry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Files that were deleted or written again without the kinds that had expired.
    pub files: usize,
    /// Rows that are gone.
    pub rows: u64,
    /// Bytes that are free.
    pub bytes: u64,
}

impl Compactor {
    /// Builds the rungs of some files of a day that is over and merged, if there is one. Returns how
    /// many readings were summed.
    ///
    /// # Errors
    /// When a file cannot be read or written; nothing has changed then.
    pub fn sum_step(&mut self, now_ms: i64, places: &dyn Places) -> Result<Option<u64>> {
        let manifest = std::sync::Arc::clone(&self.shared.state.read().manifest);
        let Some(files) = self.to_sum(&manifest, now_ms) else { return Ok(None) };
        let none = BTreeSet::new();
        let merge = self.merge_of(&manifest, &files, &none);
        let rungs = sum_readings(&merge, places)?;
        drop(manifest);
        self.shared.publish(
            |manifest: &mut Manifest| {
                for (list, files) in manifest.rungs.iter_mut().zip(rungs) {
                    list.extend(files);
                }
                for entry in &mut manifest.raw {
                    entry.summed |= files.iter().any(|file| file.path == entry.path);
                }
            },
            |_| {},
        )?;
        Ok(Some(files.iter().map(|file| file.rows).sum()))
    }

    /// Deletes one file that has expired, or writes it again without the kinds that have. `None` when
    /// nothing is left to do.
    ///
    /// # Errors
    /// When a file cannot be read or written; nothing has changed then.
    pub fn expire_step(
        &mut self,
        now_ms: i64,
        keeps: &dyn Keeps,
        places: &dyn Places,
    ) -> Result<Option<Expired>> {
        let manifest = std::sync::Arc::clone(&self.shared.state.read().manifest);
        let Some((rung, file, gone)) = self.to_expire(&manifest, now_ms, keeps) else {
            return Ok(None);
        };
        let whole = gone.len() == file.kinds.len();
        let files = [file];
        let merge = self.merge_of(&manifest, &files, &gone);
        let kept = match rung {
            _ if whole => Vec::new(),
            None => merge_readings(&merge, places)?,
            Some(rung) => thin_rung(&merge, rung)?,
        };
        let sum =
            |files: &[FileEntry], of: fn(&FileEntry) -> u64| files.iter().map(of).sum::<u64>();
        let expired = Expired {
            files: 1,
            rows: sum(&files, |f| f.rows) - sum(&kept, |f| f.rows),
            bytes: sum(&files, |f| f.bytes).saturating_sub(sum(&kept, |f| f.bytes)),
        };
        drop(manifest);
        self.shared.publish(
            |manifest: &mut Manifest| {
                let list = match rung {
                    None => &mut manifest.raw,
                    Some(rung) => &mut manifest.rungs[rung as usize],
                };
                list.retain(|entry| entry.path != files[0].path);
                list.extend(kept);
            },
            |_| {},
        )?;
        self.shared.remove_retired();
        Ok(Some(expired))
    }

    pub(crate) fn merge_of<'a>(
        &'a self,
        manifest: &'a Manifest,
        files: &'a [FileEntry],
        without: &'a BTreeSet<String>,
    ) -> Merge<'a> {
        let (dir, offset_ms) = (self.shared.dir.as_path(), self.offset_ms);
        Merge { dir, manifest, files, offset_ms, without, overlay: Overlay::none() }
    }

    /// Files of one day and district that no rung holds yet, when no fresh files of that day are left.
    fn to_sum(&self, manifest: &Manifest, now_ms: i64) -> Option<Vec<FileEntry>> {
        let today = day::day_of(now_ms, self.offset_ms);
        let day = |file: &FileEntry| day::day_of(file.at_min, self.offset_ms);
        let fresh: BTreeSet<i64> =
            manifest.raw.iter().filter(|file| file.district.is_none()).map(day).collect();
        let mut cells: BTreeMap<(i64, &str), Vec<&FileEntry>> = BTreeMap::new();
        for file in manifest.raw.iter().filter(|file| !file.summed) {
            let Some(district) = file.district.as_deref() else { continue };
            if day(file) < today && !fresh.contains(&day(file)) {
                cells.entry((day(file), district)).or_default().push(file);
            }
        }
        let (_, files) = cells.pop_first()?;
        let mut rows = 0;
        let taken = files.into_iter().take_while(|file| {
            rows += file.rows;
            rows == file.rows || rows <= ROWS_MAX
        });
        Some(taken.cloned().collect())
    }

    /// The oldest file with kinds that are kept no longer, and those kinds.
    fn to_expire(
        &self,
        manifest: &Manifest,
        now_ms: i64,
        keeps: &dyn Keeps,
    ) -> Option<(Option<Rung>, FileEntry, BTreeSet<String>)> {
        let over = |file: &FileEntry, keep_ms: Option<i64>| {
            // All files of a day expire together, so that an answer never mixes half a day.
            let end = day::start(day::day_of(file.at_max, self.offset_ms) + 1, self.offset_ms);
            keep_ms.is_some_and(|keep| end <= now_ms.saturating_sub(keep))
        };
        let raw = manifest.raw.iter().filter(|file| file.summed).map(|file| (None, file));
        let rungs = Rung::ALL.into_iter().zip(&manifest.rungs);
        let rungs =
            rungs.flat_map(|(rung, files)| files.iter().map(move |file| (Some(rung), file)));
        raw.chain(rungs).find_map(|(rung, file)| {
            let expired = |kind: &&String| {
                let keep = keeps.keep(kind);
                over(file, rung.map_or(keep.raw, |rung| keep.rungs[rung as usize]))
            };
            let gone: BTreeSet<String> = file.kinds.iter().filter(expired).cloned().collect();
            (!gone.is_empty()).then(|| (rung, file.clone(), gone))
        })
    }
}
