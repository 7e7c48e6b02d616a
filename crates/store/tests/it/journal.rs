//! The journal in health: what goes in comes out, segments come and go.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaCode, CorrectionOrder, DeviceId, Order, Reading, StreamId, Timestamp};
use chengmai_store::disk::RealDisk;
use chengmai_store::error::Error;
use chengmai_store::journal::{Entry, EntryRef, Journal, JournalSettings, Recovered, replay};
use proptest::prelude::*;

pub(crate) fn open(dir: &Path, segment_bytes_max: u64) -> (Journal, Recovered) {
    Journal::open(Arc::new(RealDisk), dir, JournalSettings { segment_bytes_max }).unwrap()
}

pub(crate) fn reading(stream: u32, at: i64, value: f64) -> Reading {
    Reading { stream: StreamId(stream), at: Timestamp(at), value }
}

/// All entries from a sequence on, with their sequences checked to be without gaps.
pub(crate) fn entries_of(dir: &Path, from: u64) -> Vec<Entry> {
    let mut entries = Vec::new();
    let next = replay(&RealDisk, dir, from, &mut |sequence, entry| {
        assert_eq!(sequence, from.max(1) + entries.len() as u64);
        entries.push(entry);
        ControlFlow::Continue(())
    });
    assert_eq!(next.unwrap(), from.max(1) + entries.len() as u64);
    entries
}

pub(crate) fn as_ref(entry: &Entry) -> EntryRef<'_> {
    match entry {
        Entry::Registrations(list) => EntryRef::Registrations(list),
        Entry::Readings { position, received_at, readings } => {
            EntryRef::Readings { position: *position, received_at: *received_at, readings }
        }
        Entry::Order { at, order } => EntryRef::Order { at: *at, order },
        Entry::Tick { now } => EntryRef::Tick { now: *now },
    }
}

pub(crate) fn registrations() -> Vec<Registration> {
    let spec = DeviceSpec {
        name: "燃气-001".to_owned(),
        title: Some("井盖".to_owned()),
        area: AreaCode::new("500103001001").unwrap(),
        position: Some([106.56, 29.55]),
        agency: None,
        period_ms: 60_000,
        simulated: true,
    };
    vec![
        Registration::Device { id: DeviceId(0), spec: spec.clone(), at: Timestamp(5) },
        Registration::Stream { id: StreamId(0), device: DeviceId(0), kind: "gas_ch4".to_owned() },
        Registration::Update { id: DeviceId(0), spec: DeviceSpec { position: None, ..spec } },
    ]
}

#[test]
fn entries_of_every_kind_and_time_width_read_back_equal() {
    let dir = tempfile::tempdir().unwrap();
    let mut entries =
        vec![Entry::Registrations(registrations()), Entry::Tick { now: Timestamp(-9) }];
    let mut position = 0;
    let spreads = [0, 1, 0xFF, 0x100, 0xFFFF, 0x1_0000, 0xFFFF_FFFF, 0x1_0000_0000, i64::MAX];
    for spread in spreads {
        let ends = [0, spread / 2, spread];
        let readings: Vec<Reading> =
            ends.iter().zip(0..).map(|(&at, i)| reading(u32::MAX - i, at, -0.1)).collect();
        let count = readings.len() as u64;
        entries.push(Entry::Readings { position, received_at: Timestamp(i64::MIN), readings });
        position += count;
    }
    let extremes = vec![reading(0, i64::MIN, f64::MAX), reading(1, i64::MAX, f64::MIN_POSITIVE)];
    entries.push(Entry::Readings { position, received_at: Timestamp(0), readings: extremes });
    position += 2;
    let correction = CorrectionOrder {
        stream: StreamId(7),
        at: Timestamp(60_000),
        old: 80.0,
        new: None,
        area: AreaCode::new("500103001001"),
        by: "engineer".to_owned(),
        reason: "校准".to_owned(),
    };
    entries.push(Entry::Order { at: Timestamp(5), order: Order::Correct(correction) });
    entries.push(Entry::Readings { position, received_at: Timestamp(1), readings: vec![] });
    let (mut journal, _) = open(dir.path(), 1 << 20);
    for (entry, sequence) in entries.iter().zip(1..) {
        assert_eq!(journal.append(as_ref(entry)).unwrap(), sequence);
    }
    journal.commit().unwrap();
    assert_eq!(entries_of(dir.path(), 0), entries);
    assert_eq!(entries_of(dir.path(), 3), entries[2..]);
    drop(journal);
    let (_, recovered) = open(dir.path(), 1 << 20);
    let next_sequence = entries.len() as u64 + 1;
    let expected = Recovered { next_sequence, next_position: position, torn_bytes: 0, segments: 1 };
    assert_eq!(recovered, expected);
}

#[test]
fn readings_that_do_not_continue_the_numbering_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1 << 20);
    let readings = [reading(1, 1, 1.0)];
    for position in [1, u64::MAX] {
        let entry = EntryRef::Readings { position, received_at: Timestamp(1), readings: &readings };
        let refused = journal.append(entry);
        assert!(
            matches!(refused, Err(Error::Position { expected: 0, found }) if found == position)
        );
    }
    assert_eq!((journal.next_sequence(), journal.pending_bytes()), (1, 0));
}

#[test]
fn an_entry_over_the_frame_limit_is_refused_and_the_journal_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1 << 20);
    let readings = vec![reading(1, 1, 1.0); 6_000_000];
    let entry = EntryRef::Readings { position: 0, received_at: Timestamp(1), readings: &readings };
    assert!(matches!(journal.append(entry), Err(Error::TooLarge { .. })));
    journal.append(EntryRef::Tick { now: Timestamp(4) }).unwrap();
    journal.commit().unwrap();
    assert_eq!(entries_of(dir.path(), 1), [Entry::Tick { now: Timestamp(4) }]);
}

#[test]
fn what_was_not_committed_is_not_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1 << 20);
    journal.append(EntryRef::Tick { now: Timestamp(1) }).unwrap();
    journal.commit().unwrap();
    journal.append(EntryRef::Tick { now: Timestamp(2) }).unwrap();
    drop(journal);
    assert_eq!(entries_of(dir.path(), 1), [Entry::Tick { now: Timestamp(1) }]);
    assert_eq!(open(dir.path(), 1 << 20).0.next_sequence(), 2);
}

#[test]
fn removing_keeps_every_frame_from_the_sequence_on_and_the_open_segment() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1);
    for now in 0..10 {
        // Two frames a commit, one commit a segment.
        journal.append(EntryRef::Tick { now: Timestamp(now) }).unwrap();
        journal.append(EntryRef::Tick { now: Timestamp(now) }).unwrap();
        journal.commit().unwrap();
    }
    assert_eq!(journal.segments(), 10);
    let bytes = journal.bytes();
    assert_eq!(journal.remove_before(2).unwrap(), 0, "frame 2 shares its segment with frame 1");
    assert_eq!(journal.remove_before(8).unwrap(), 3);
    assert_eq!(journal.bytes(), bytes / 10 * 7);
    assert_eq!(entries_of(dir.path(), 8).len(), 13);
    let removed = replay(&RealDisk, dir.path(), 6, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(removed, Err(Error::Removed { wanted: 6, first: 7 })));
    assert_eq!(journal.remove_before(u64::MAX).unwrap(), 6);
    drop(journal);
    let (journal, recovered) = open(dir.path(), 1);
    assert_eq!((recovered.next_sequence, journal.segments()), (21, 1));
}

#[test]
fn a_replay_stops_when_it_is_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(dir.path(), 1);
    for now in 0..5 {
        journal.append(EntryRef::Tick { now: Timestamp(now) }).unwrap();
        journal.commit().unwrap();
    }
    let mut seen = 0;
    let next = replay(&RealDisk, dir.path(), 2, &mut |sequence, _| {
        seen += 1;
        if sequence == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((next.unwrap(), seen), (4, 2));
}

#[derive(Debug, Clone)]
enum Step {
    Readings(Vec<(u32, i64, f64)>),
    Tick(i64),
    Register,
    Commit,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let readings = prop::collection::vec((any::<u32>(), any::<i64>(), -1e9..1e9), 0..40);
    prop_oneof![
        4 => readings.prop_map(Step::Readings),
        2 => any::<i64>().prop_map(Step::Tick),
        1 => Just(Step::Register),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_any_steps_exactly_the_committed_entries_are_there(
        steps in prop::collection::vec(step(), 1..60),
        segment_bytes_max in 1_u64..4_096,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(dir.path(), segment_bytes_max);
        let (mut durable, mut pending) = (Vec::new(), Vec::new());
        for step in steps {
            let entry = match step {
                Step::Readings(rows) => Entry::Readings {
                    position: journal.next_position(),
                    received_at: Timestamp(7),
                    readings: rows.into_iter().map(|(s, at, v)| reading(s, at, v)).collect(),
                },
                Step::Tick(now) => Entry::Tick { now: Timestamp(now) },
                Step::Register => Entry::Registrations(registrations()),
                Step::Commit => {
                    journal.commit().unwrap();
                    durable.append(&mut pending);
                    continue;
                }
                Step::Reopen => {
                    pending.clear();
                    drop(journal);
                    let (opened, recovered) = open(dir.path(), segment_bytes_max);
                    prop_assert_eq!(recovered.torn_bytes, 0);
                    prop_assert_eq!(recovered.next_sequence, durable.len() as u64 + 1);
                    journal = opened;
                    continue;
                }
            };
            journal.append(as_ref(&entry)).unwrap();
            pending.push(entry);
        }
        prop_assert_eq!(entries_of(dir.path(), 1), durable);
    }
}
