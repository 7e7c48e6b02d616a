//! Files follow corrections 更正: the few files that hold a corrected reading are written again, and the
//! sums of their days are made anew from what is right.
//!
//! Until then readers ask the overlay (`overlay.rs`), so nothing hurries; only sums of finished days,
//! which cannot be corrected without their readings, wait for it.
//!
//! Cut short anywhere, it leaves files that the manifest does not name, and begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::cold::{Merge, merge_readings, thin_rung};
use crate::compact::{Compactor, Places};
use crate::day;
use crate::error::{Error, Result};
use crate::ladder::Rung;
use crate::manifest::{FileEntry, Manifest};
use crate::overlay::{Correction, Overlay};

/// What replaces what, each by its path.
type Rewritten = BTreeMap<String, Vec<FileEntry>>;

impl Compactor {
    /// Writes the files of one day again for all corrections of that day, if there are any whose rows
    /// are in files. Returns how many corrections are settled.
    ///
    /// # Errors
    /// When a file cannot be read or written; nothing has changed then. Files that do not read back
    /// are left alone from then on.
    pub fn settle_step(&mut self, places: &dyn Places) -> Result<Option<usize>> {
        let manifest = Arc::clone(&self.shared.state.read().manifest);
        let day_of = |at: i64| day::day_of(at, self.offset_ms);
        let Some(day) = manifest.corrections.first().map(|first| day_of(first.at)) else {
            return Ok(None);
        };
        let due = manifest.corrections.iter().filter(|one| day_of(one.at) == day);
        let due: Vec<Correction> = due.copied().collect();
        let overlay = Overlay::of(due.iter().copied());
        let touched: Vec<&FileEntry> = manifest
            .raw
            .iter()
            .filter(|file| overlay.touches(file) && !self.refused.contains(&file.path))
            .collect();
        let (mut rewritten, no_kinds) = (Rewritten::new(), BTreeSet::new());
        for &file in &touched {
            let files = std::slice::from_ref(file);
            let merge = Merge { overlay: &overlay, ..self.merge_of(&manifest, files, &no_kinds) };
            let outcome = merge_readings(&merge, places);
            if let Err(Error::Parquet { .. } | Error::UnknownStream { .. }) = &outcome {
                self.refused.insert(file.path.clone());
            }
            rewritten.insert(file.path.clone(), outcome?);
        }
        let summed = touched.iter().filter(|file| file.summed);
        let districts: BTreeSet<String> = summed.filter_map(|file| file.district.clone()).collect();
        let in_cell = |file: &FileEntry| {
            day_of(file.at_min) == day
                && file.district.as_ref().is_some_and(|district| districts.contains(district))
        };
        let thinned = self.without_sums(&manifest, &in_cell)?;
        drop(manifest);
        self.shared.publish(
            |manifest: &mut Manifest| {
                replace(&mut manifest.raw, rewritten);
                for (list, thinned) in manifest.rungs.iter_mut().zip(thinned) {
                    replace(list, thinned);
                }
                for file in manifest.raw.iter_mut().filter(|file| in_cell(file)) {
                    file.summed = false;
                }
                manifest.corrections.retain(|one| !due.contains(one));
            },
            |state| state.overlay = Arc::new(state.overlay.without(&due)),
        )?;
        self.shared.remove_retired();
        Ok(Some(due.len()))
    }

    /// Files of the rungs without what can be summed again from readings that are still there: sums of
    /// kinds whose readings have expired stay.
    fn without_sums(
        &self,
        manifest: &Manifest,
        in_cell: &dyn Fn(&FileEntry) -> bool,
    ) -> Result<[Rewritten; 3]> {
        let mut thinned: [Rewritten; 3] = Default::default();
        for (rung, thinned) in Rung::ALL.into_iter().zip(&mut thinned) {
            for file in manifest.rungs[rung as usize].iter().filter(|file| in_cell(file)) {
                let raw = manifest.raw.iter();
                let raw = raw.filter(|raw| in_cell(raw) && raw.district == file.district);
                let kinds: BTreeSet<String> = raw.flat_map(|raw| raw.kinds.clone()).collect();
                let gone = file.kinds.iter().filter(|kind| kinds.contains(*kind)).count();
                let kept = if gone == file.kinds.len() {
                    Vec::new()
                } else if gone == 0 {
                    continue;
                } else {
                    let files = std::slice::from_ref(file);
                    thin_rung(&self.merge_of(manifest, files, &kinds), rung)?
                };
                thinned.insert(file.path.clone(), kept);
            }
        }
        Ok(thinned)
    }
}

/// Puts new files where the old ones stand.
fn replace(list: &mut Vec<FileEntry>, mut rewritten: Rewritten) {
    let old = std::mem::take(list);
    list.extend(old.into_iter().flat_map(|file| match rewritten.remove(&file.path) {
        Some(files) => files,
        None => vec![file],
    }));
}
