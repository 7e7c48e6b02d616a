//! What one core encodes, and what a disk takes with every batch synced. Prints one line a measure.

#![expect(clippy::print_stdout, reason = "a benchmark is run to be read")]

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_store::disk::RealDisk;
use chengmai_store::journal::{Entry, EntryRef, Journal, JournalSettings, replay};

const BATCH: usize = 65_536;
const BATCHES: u32 = 200;

fn main() {
    let readings: Vec<Reading> = (0..BATCH)
        .map(|i| Reading {
            stream: StreamId(u32::try_from(i * 7_919 % 1_000_003).expect("small")),
            at: Timestamp(1_795_226_400_000 + i64::try_from(i % 60_000).expect("small")),
            value: 20.0 + (i % 97) as f64 / 10.0,
        })
        .collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let settings = JournalSettings { segment_bytes_max: 64 << 20 };
    let (mut journal, _) =
        Journal::open(Arc::new(RealDisk), dir.path(), settings).expect("the journal opens");
    let received_at = Timestamp(1_795_226_460_000);
    let total = f64::from(BATCHES) * BATCH as f64;
    let (mut encode, mut commit) = (0.0, 0.0);
    for _ in 0..BATCHES {
        let position = journal.next_position();
        let start = Instant::now();
        let entry = EntryRef::Readings { position, received_at, readings: &readings };
        journal.append(entry).expect("the readings fit");
        encode += start.elapsed().as_secs_f64();
        let start = Instant::now();
        journal.commit().expect("the disk works");
        commit += start.elapsed().as_secs_f64();
    }
    println!("encode    {:8.1} M readings/s", total / encode / 1e6);
    println!("commit    {:8.1} M readings/s", total / commit / 1e6);
    println!("bytes     {:8.2} a reading", journal.bytes() as f64 / total);
    let start = Instant::now();
    let mut seen = 0;
    replay(&RealDisk, dir.path(), 1, &mut |_, entry| {
        if let Entry::Readings { readings, .. } = entry {
            seen += readings.len();
        }
        ControlFlow::Continue(())
    })
    .expect("the journal is sound");
    println!("replay    {:8.1} M readings/s", seen as f64 / start.elapsed().as_secs_f64() / 1e6);
}
