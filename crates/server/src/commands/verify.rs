//! `chengmai verify`: reads journal and snapshots from end to end, every frame's checksum and every position
//! without a gap; and compares every decision in the records with the proof log, row by row.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chengmai_store::disk::RealDisk;
use chengmai_store::journal::{Entry, replay};
use chengmai_store::proof::note::Note;
use chengmai_store::proof::{LogReader, Verifier};
use chengmai_store::records::proof::check::{Checked, Fault};
use chengmai_store::records::{Place, Records};
use chengmai_store::{error::Error as StoreError, snapshot};

use super::{runtime, say};
use crate::city::layout::{self, DataFolder};
use crate::city::proof::WITNESSED;
use crate::cli::Verify;

#[derive(Debug, Default)]
struct Found {
    frames: u64,
    readings: u64,
    registrations: u64,
    orders: u64,
    ticks: u64,
}

pub(crate) fn run(verify: &Verify) -> anyhow::Result<()> {
    let data = &verify.data.data;
    let folder = DataFolder::open(data)?;
    journal(&folder)?;
    let place = verify.records.place(data)?;
    if !layout::proof_key(data).exists() {
        say("proof log: none yet");
        return Ok(());
    }
    let kept = verify.checkpoint.iter().map(|path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    });
    let kept = kept.collect::<anyhow::Result<Vec<_>>>()?;
    let faults = runtime()?.block_on(decisions(data, place, kept))?;
    anyhow::ensure!(faults == 0, "{faults} things are not as they were written");
    Ok(())
}

/// Checks the proof log, and every decision against it; how much is wrong.
async fn decisions(data: &Path, place: Place, kept: Vec<String>) -> anyhow::Result<u64> {
    let key = layout::read_proof_key(&layout::proof_key(data))?;
    let dir = layout::proof(data);
    let log = LogReader::open(Arc::new(RealDisk), &dir, key.verifier())?;
    let mut faults = 0;
    if let Some((path, index)) = log.check_levels()? {
        say(format!("proof log: damaged: hash {index} of {}", path.display()));
        faults += 1;
    }
    let size = log.tip().checkpoint.size;
    say(format!("proof log: {} leaves under a head signed by {}", size, key.verifier().text()));
    let witnessed = fs::read_to_string(dir.join(WITNESSED)).ok();
    for text in kept.into_iter().chain(witnessed) {
        faults += u64::from(!is_of_this_log(&log, key.verifier(), &text)?);
    }
    let records = Records::open_to_read(place).await?;
    let records = match layout::read_keyring(data)? {
        Some(keys) => records.with_keys(keys),
        None => records,
    };
    let told = |fault: Fault| {
        let (zh, en) = fault.kind.words();
        let leaf = fault.leaf.map(|leaf| format!(" (leaf {leaf})")).unwrap_or_default();
        say(format!("{} {}{leaf}: {en} {zh}", fault.table, fault.key));
    };
    let checked = records.proof().check(&log, told).await?;
    let Checked { rows, leaves, waiting, faults: of_rows } = checked;
    say(format!(
        "records: {rows} rows against {leaves} signed leaves, {waiting} not signed yet: {of_rows} faults"
    ));
    Ok(faults + of_rows)
}

/// Whether a checkpoint is one that this log continues.
fn is_of_this_log(log: &LogReader, key: &Verifier, text: &str) -> anyhow::Result<bool> {
    let note = Note::parse(text)?;
    note.signed_by(key)?;
    let checkpoint = &note.checkpoint;
    let is_same = log.root(checkpoint.size)? == Some(checkpoint.root);
    let said = if is_same {
        "the log continues it"
    } else {
        "NOT of this log's past: the log was replaced"
    };
    say(format!("checkpoint of {} leaves: {said}", checkpoint.size));
    Ok(is_same)
}

/// Checks journal and snapshots.
fn journal(folder: &DataFolder) -> anyhow::Result<()> {
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
