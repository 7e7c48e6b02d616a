use std::sync::Arc;

use chengmai_engine::Catalog;
use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaCode, AreaId, AreaTree, Timestamp};

use super::*;

fn areas() -> Arc<AreaTree> {
    let profile = crate::packs::load(None).unwrap();
    let rows = profile.profile.area_rows(&profile.city_files).unwrap();
    let history = chengmai_model::area::AreaHistory::new(rows).unwrap();
    Arc::new(history.on(crate::commands::import::today()).unwrap())
}

fn spec(number: u32, area: &AreaCode) -> DeviceSpec {
    DeviceSpec {
        name: format!("d{number}"),
        title: number.is_multiple_of(3).then(|| format!("装置 {number}")),
        area: area.clone(),
        position: number.is_multiple_of(2).then_some([106.551_234_5, 29.56]),
        agency: number.is_multiple_of(5).then(|| format!("a{}", number % 7)),
        period_ms: 60_000 + number,
        simulated: number.is_multiple_of(4),
    }
}

fn some_devices(registry: &mut Registry, count: u32) {
    let codes: Vec<AreaCode> =
        registry.areas().iter().take(50).map(|(_, area)| area.row.code.clone()).collect();
    for number in 0..count {
        let spec = spec(number, &codes[number as usize % codes.len()]);
        let at = Timestamp(1_790_000_000_000 + i64::from(number) * 1_000);
        registry.apply(&Registration::Device { id: DeviceId(number), spec, at });
        for kind in ["methane", "made_up"] {
            let (id, device) = (StreamId(dense(registry.stream_count())), DeviceId(number));
            registry.apply(&Registration::Stream { id, device, kind: kind.to_owned() });
            let series = format!("{kind},device=d{number}");
            registry.remember_series(series.as_bytes(), b"value", id);
        }
    }
}

fn saved(registry: &Registry, devices: usize, streams: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut saving = Saving::of(devices, streams);
    let (mut blocks, mut bytes) = (Vec::new(), Vec::new());
    while let Some(name) = saving.next(registry, &mut bytes) {
        blocks.push((name, bytes.clone()));
    }
    blocks
}

fn restored(areas: &Arc<AreaTree>, blocks: &[(&'static str, Vec<u8>)]) -> Registry {
    let mut restoring = Restoring::default();
    for (name, bytes) in blocks {
        restoring.take(name, bytes).unwrap();
    }
    let mut registry = Registry::new(Arc::clone(areas), &Catalog::empty(), true, 99);
    restoring.finish(&mut registry).unwrap();
    registry
}

#[test]
fn a_registry_comes_back_as_it_was() {
    let areas = areas();
    let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
    some_devices(&mut registry, 1_000);
    let moved = DeviceSpec { period_ms: 5, ..spec(17, registry.device(DeviceId(3)).code()) };
    registry.apply(&Registration::Update { id: DeviceId(17), spec: moved });
    let back = restored(&areas, &saved(&registry, 1_000, 2_000));
    assert_eq!((back.device_count(), back.stream_count()), (1_000, 2_000));
    for number in 0..1_000 {
        let (a, b) = (registry.device(DeviceId(number)), back.device(DeviceId(number)));
        assert_eq!(a.spec(), b.spec());
        assert_eq!((a.area(), a.registered_at()), (b.area(), b.registered_at()));
        assert!(a.streams().eq(b.streams()));
        assert_eq!(back.find(b.name()), Some(DeviceId(number)));
        let key = back.series().key(format!("made_up,device=d{number}").as_bytes(), b"value");
        assert_eq!(back.series().find(key).unwrap().0, StreamId(number * 2 + 1));
    }
    let listed = |r: &Registry| r.devices(AreaId::ROOT).map(|(id, _)| id).collect::<Vec<_>>().len();
    assert_eq!((listed(&registry), listed(&back)), (1_000, 1_000));
}

#[test]
fn what_the_journal_does_not_hold_yet_is_left_out() {
    let areas = areas();
    let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
    some_devices(&mut registry, 100);
    let back = restored(&areas, &saved(&registry, 90, 180));
    assert_eq!((back.device_count(), back.stream_count(), back.series().len()), (90, 180, 180));
    assert_eq!(back.find("d95"), None);
}

#[test]
fn damaged_blocks_are_refused_in_words() {
    let areas = areas();
    let mut registry = Registry::new(Arc::clone(&areas), &Catalog::empty(), true, 11);
    some_devices(&mut registry, 10);
    let blocks = saved(&registry, 10, 20);
    for (name, bytes) in &blocks {
        let cut = &bytes[..bytes.len() - 1];
        let mut restoring = Restoring::default();
        assert!(restoring.take(name, cut).is_err(), "{name} without its last byte");
    }
    let mut without_words = Restoring::default();
    without_words.take(blocks[0].0, &blocks[0].1).unwrap();
    let mut empty = Registry::new(areas, &Catalog::empty(), true, 1);
    assert_eq!(without_words.finish(&mut empty), Err("the words are missing"));
}
