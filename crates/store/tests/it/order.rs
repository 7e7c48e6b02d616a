//! The order of things: groups, publications and starts.

use std::path::Path;
use std::sync::Arc;

use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaCode, DeviceId, Order, Reading, ShelfId, StreamId, Timestamp};
use chengmai_store::disk::simulated::{Fuses, SimulatedDisk};
use chengmai_store::error::Error;
use chengmai_store::journal::{Entry, Journal, JournalSettings};
use chengmai_store::order::{Group, Reached, Restart, Step, Use, Writer, self_contained};

use crate::journal::reading;

fn dir() -> &'static Path {
    Path::new("/journal")
}

fn writer(disk: &SimulatedDisk, segment_bytes_max: u64) -> (Writer, u64) {
    let settings = JournalSettings { segment_bytes_max };
    let (journal, found) = Journal::open(Arc::new(disk.clone()), dir(), settings).unwrap();
    (Writer::new(journal), found.next_sequence)
}

fn batch(values: &[f64]) -> Vec<Reading> {
    values.iter().map(|&value| reading(0, 1, value)).collect()
}

fn spec(area: &str) -> DeviceSpec {
    DeviceSpec {
        name: "井盖-1".to_owned(),
        title: None,
        area: AreaCode::new(area).unwrap(),
        position: None,
        agency: None,
        period_ms: 0,
        simulated: true,
    }
}

fn group(batches: &[&[f64]]) -> Group {
    let device = Registration::Device { id: DeviceId(0), spec: spec("A"), at: Timestamp(1) };
    Group {
        registrations: vec![device],
        received_at: Timestamp(5),
        batches: batches.iter().map(|values| batch(values)).collect(),
        orders: vec![Order::Unshelve { id: ShelfId(7), by: "u".to_owned() }],
        tick: Some(Timestamp(6)),
    }
}

#[test]
fn a_group_becomes_registrations_then_readings_then_orders_then_the_tick() {
    let disk = SimulatedDisk::new(1);
    let (mut writer, _) = writer(&disk, 1 << 20);
    let steps = writer.write(group(&[&[1.0, 2.0], &[], &[3.0]])).unwrap();
    let told: Vec<String> = steps
        .iter()
        .map(|step| match step {
            Step::Registrations { sequence, list } => format!("{sequence}: {} new", list.len()),
            Step::Readings { sequence, position, readings, .. } => {
                format!("{sequence}: {} from {position}", readings.len())
            }
            Step::Order { sequence, at, .. } => format!("{sequence}: order at {}", at.0),
            Step::Tick { sequence, now } => format!("{sequence}: tick {}", now.0),
        })
        .collect();
    assert_eq!(told, ["1: 1 new", "2: 2 from 0", "3: 1 from 2", "4: order at 5", "5: tick 6"]);
    assert_eq!(writer.journal().pending_bytes(), 0);
}

#[test]
fn a_full_disk_refuses_a_group_and_gives_its_registrations_back() {
    let disk = SimulatedDisk::new(1);
    let (mut writer, _) = writer(&disk, 1 << 20);
    disk.set_capacity(disk.used_bytes() + 60);
    let refused = writer.write(group(&[&[1.0]])).unwrap_err();
    assert!(refused.is_passing());
    assert_eq!(refused.registrations.len(), 1);
    disk.set_capacity(usize::MAX);
    let again = Group { registrations: refused.registrations, ..group(&[&[1.0]]) };
    assert_eq!(writer.write(again).unwrap()[0].sequence(), 1);
}

#[test]
fn after_a_failed_sync_every_group_is_refused() {
    let disk = SimulatedDisk::new(1);
    let (mut writer, _) = writer(&disk, 1 << 20);
    disk.set_fuses(Fuses { sync: Some(0), ..Fuses::default() });
    for _ in 0..3 {
        let refused = writer.write(group(&[&[1.0]])).unwrap_err();
        assert!(!refused.is_passing());
        assert_eq!(refused.registrations.len(), 1);
    }
}

#[test]
fn a_stream_of_an_older_device_brings_the_device_along() {
    let stream = |id, device| Registration::Stream {
        id: StreamId(id),
        device: DeviceId(device),
        kind: "level".to_owned(),
    };
    let moved = Registration::Update { id: DeviceId(1), spec: spec("B") };
    let list = vec![stream(4, 0), stream(5, 0), moved.clone(), stream(6, 1)];
    let complete = self_contained(list, |_| spec("C"));
    let described = Registration::Update { id: DeviceId(0), spec: spec("C") };
    assert_eq!(complete, [described, stream(4, 0), stream(5, 0), moved, stream(6, 1)]);
}

#[test]
fn an_image_is_published_only_when_nobody_lags_behind_it() {
    let (disk, dir) = (SimulatedDisk::new(1), Path::new("/snapshots"));
    let all = Reached { history: 9, decisions: 9, registry: true };
    for behind in [
        Reached { history: 8, ..all },
        Reached { decisions: 8, ..all },
        Reached { registry: false, ..all },
    ] {
        assert_eq!(behind.publish(&disk, dir, 9, &[]).unwrap(), None);
    }
    assert_eq!(disk.files(), []);
    assert_eq!(all.publish(&disk, dir, 9, &[]).unwrap(), Some(1), "one snapshot keeps everything");
    let later = Reached { history: 30, decisions: 20, registry: true };
    assert_eq!(later.publish(&disk, dir, 20, &[]).unwrap(), Some(10));
    assert_eq!(later.forget_before(40), 31, "history needs its own continuation");
}

/// Ten ticks, a segment each; the first frames are forgotten.
fn ten_ticks(disk: &SimulatedDisk, forget_before: u64) -> u64 {
    let (mut writer, _) = writer(disk, 1);
    for now in 1..=10 {
        let tick = Some(Timestamp(now));
        writer.write(Group { tick, ..Group::default() }).unwrap();
    }
    writer.forget_before(forget_before).unwrap();
    writer.journal().next_sequence()
}

/// Who is given what: `R`, `E`, `H` for registry, engine and history.
fn given(disk: &SimulatedDisk, restart: Restart, next: u64) -> Result<String, Error> {
    let mut told = String::new();
    let mut each = |sequence: u64, entry: Entry, to: Use| {
        assert_eq!(entry, Entry::Tick { now: Timestamp(sequence.cast_signed()) });
        let names = [(to.registry, 'R'), (to.engine, 'E'), (to.history, 'H')];
        let names: String = names.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        told.extend([sequence.to_string(), names, " ".to_owned()]);
    };
    restart.replay(disk, dir(), next, &mut each)?;
    Ok(told.trim_end().to_owned())
}

#[test]
fn a_start_gives_everyone_what_they_have_not_seen() {
    let disk = SimulatedDisk::new(1);
    let next = ten_ticks(&disk, 1);
    let restart = Restart { registry: 8, engine: 8, history: 9 };
    assert_eq!(given(&disk, restart, next).unwrap(), "9RE 10REH");
    let restart = Restart { registry: 9, engine: 9, history: 7 };
    assert_eq!(given(&disk, restart, next).unwrap(), "8H 9H 10REH");
    let anew = Restart { registry: 9, engine: 0, history: 9 };
    assert!(given(&disk, anew, next).unwrap().starts_with("1E 2E"));
}

#[test]
fn a_start_is_refused_when_frames_are_gone_that_somebody_needs() {
    let disk = SimulatedDisk::new(1);
    let next = ten_ticks(&disk, 6);
    let sound = Restart { registry: 5, engine: 5, history: 5 };
    assert!(given(&disk, sound, next).unwrap().starts_with("6REH"));
    // Packs changed: the engine does with what is left.
    let anew = Restart { registry: 5, engine: 0, history: 7 };
    assert!(given(&disk, anew, next).unwrap().starts_with("6RE 7RE 8REH"));
    for (registry, history) in [(0, 9), (4, 9), (9, 4)] {
        let refused = given(&disk, Restart { registry, engine: registry, history }, next);
        assert!(matches!(refused, Err(Error::Removed { first: 6, .. })), "{refused:?}");
    }
}

#[test]
fn a_start_is_refused_when_the_journal_lost_what_others_know() {
    let disk = SimulatedDisk::new(1);
    let next = ten_ticks(&disk, 1);
    for (engine, history) in [(11, 3), (3, 11)] {
        let refused = given(&disk, Restart { registry: engine, engine, history }, next);
        assert!(matches!(refused, Err(Error::Behind { wanted: 12, next: 11 })), "{refused:?}");
    }
}
