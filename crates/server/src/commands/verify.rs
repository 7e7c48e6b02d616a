//! `chengmai verify`: reads journal and snapshots from end to end; every frame's checksum, every
//! position without a gap.

use std::ops::ControlFlow;

use chengmai_store::disk::RealDisk;
use chengmai_store::journal::{Entry, replay};
use chengmai_store::{error::Error as StoreError, snapshot};

use super::say;
use crate::city::layout::DataFolder;
use crate::cli::DataOnly;

#[derive(Debug, Default)]
struct Found {
    frames: u64,
    readings: u64,
    registrations: u64,
    orders: u64,
    ticks: u64,
}

pub(crate) fn run(verify: &DataOnly) -> anyhow::Result<()> {
    let folder = DataFolder::open(&verify.data)?;
    let mut found = Found::default();
    let mut each = |_sequence: u64, entry: Entry| {
        found.frames += 1;
        match entry {
            Entry::Readings { readings, .. } => found.readings += readings.len() as u64,
            Entry::Registrations(list) => found.registrations += list.len() as u64,
            Entry::Order { .. } => found.orders += 1,
            Entry::Tick { .. } => found.ticks += 1,
        }
        ControlFlow::Continue(())
    };
    let dir = folder.journal();
    match replay(&RealDisk, &dir, 1, &mut each) {
        Err(StoreError::Removed { first, .. }) => {
            say(format!("journal begins at frame {first}; older frames are in history"));
            replay(&RealDisk, &dir, first, &mut each)?;
        }
        other => {
            other?;
        }
    }
    let Found { frames, readings, registrations, orders, ticks } = found;
    say(format!(
        "journal: {frames} frames sound: {readings} readings, {registrations} registrations, {orders} orders, {ticks} ticks"
    ));
    match snapshot::latest(&RealDisk, &folder.snapshots())? {
        Some(found) => {
            say(format!("snapshot: sound, up to frame {}", found.sequence));
            for path in &found.damaged {
                say(format!("snapshot: damaged and passed over: {}", path.display()));
            }
        }
        None => say("snapshot: none yet"),
    }
    Ok(())
}
