//! The fleet itself.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_model::time::HOUR_MS;
use chengmai_model::{AreaId, Timestamp};
use chengmai_sim::fleet::Fleet;
use chengmai_sim::script::Script;

use crate::city::city;

const NOON: Timestamp = Timestamp(1_795_230_000_000);

#[test]
fn every_device_stands_in_its_own_grid_and_has_an_agency_that_exists() {
    let city = city();
    let agencies: BTreeSet<String> =
        city.profile.agencies(&city.areas).into_iter().map(|a| a.id).collect();
    let mut names = BTreeSet::new();
    for device in city.fleet.devices() {
        let spec = &device.spec;
        let area = city.areas.find(spec.area.as_str()).unwrap();
        assert!(spec.simulated && names.insert(spec.name.clone()), "{spec:?}");
        assert!(agencies.contains(spec.agency.as_ref().unwrap()), "{spec:?}");
        assert_eq!(city.areas.children(area).next(), None, "not a leaf: {spec:?}");
        if let Some(position) = spec.position {
            let found = city.areas.locate(position).unwrap();
            assert!(found == area || city.areas.get(area).row.center == Some(position), "{spec:?}");
        }
    }
    assert_eq!(names.len(), 100_000);
}

#[test]
fn devices_are_spread_over_all_districts_and_stand_closer_in_the_inner_city() {
    let city = city();
    let root = &city.areas;
    let mut by_district = BTreeMap::new();
    for device in city.fleet.devices() {
        *by_district.entry(&device.spec.area.as_str()[..6]).or_insert(0_usize) += 1;
    }
    assert_eq!(by_district.len(), root.children(AreaId::ROOT).count());
    let core: usize = ["500103", "500105", "500107", "500112"].iter().map(|d| by_district[d]).sum();
    assert!(core > 10_000, "{core} of 100,000 in four inner districts");
}

#[test]
fn every_kind_of_the_fleet_is_declared_and_every_value_lies_in_its_range() {
    let city = city();
    let script = Script::afternoon(&city.fleet, NOON);
    let kinds: BTreeMap<&str, ([f64; 2], u8)> = city
        .packs
        .iter()
        .flat_map(|p| &p.kinds)
        .map(|k| (k.id.as_str(), (k.range, k.decimals)))
        .collect();
    let mut said = 0;
    for (index, device) in city.fleet.devices().iter().enumerate() {
        let ([low, high], decimals) = kinds[device.kind];
        for step in 0..5 {
            let at = NOON.plus_ms(step * 151_000);
            let Some(value) = city.fleet.value(index, at, &script) else { continue };
            said += 1;
            assert!((low..=high).contains(&value), "{} {value}", device.spec.name);
            let scaled = value * 10_f64.powi(i32::from(decimals));
            assert!((scaled - scaled.round()).abs() < 1e-6, "{} {value}", device.spec.name);
        }
    }
    assert!(said > 495_000, "{said} of 500,000");
}

#[test]
fn the_same_seed_gives_the_same_fleet_and_another_seed_another() {
    let city = city();
    let again = Fleet::new(&city.areas, 2_000, 7);
    let same = Fleet::new(&city.areas, 2_000, 7);
    let other = Fleet::new(&city.areas, 2_000, 8);
    assert_eq!(again.devices(), same.devices());
    assert_ne!(again.devices(), other.devices());
    let quiet = Script::quiet();
    let values = |fleet: &Fleet| -> Vec<Option<f64>> {
        (0..2_000).map(|d| fleet.value(d, NOON, &quiet)).collect()
    };
    assert_eq!(values(&again), values(&same));
}

#[test]
fn a_day_has_its_rhythm_and_a_few_devices_are_silent_or_stuck() {
    let city = city();
    let quiet = Script::quiet();
    let midnight = NOON.plus_ms(-11 * HOUR_MS);
    let (mut silent, mut stuck, mut busy) = (0, 0, 0);
    let flows = (0..100_000).filter(|&d| city.fleet.devices()[d].kind == "water_flow");
    for device in flows {
        let by_hour: Vec<Option<f64>> = (0..24)
            .map(|hour| city.fleet.value(device, midnight.plus_ms(hour * HOUR_MS), &quiet))
            .collect();
        let heard: Vec<f64> = by_hour.iter().flatten().copied().collect();
        silent += usize::from(heard.len() < 24);
        if heard.windows(2).all(|pair| pair[0].to_bits() == pair[1].to_bits()) {
            stuck += 1;
        } else if heard.len() == 24 {
            let night = by_hour[3].unwrap();
            busy += usize::from(by_hour[8].unwrap() > night * 1.5);
        }
    }
    assert!((1..60).contains(&silent), "{silent} silent");
    assert!((1..20).contains(&stuck), "{stuck} stuck");
    assert!(busy > 5_000, "{busy} flows are higher in the morning");
}

#[test]
fn every_device_has_one_second_of_the_minute() {
    let city = city();
    let mut seen = vec![0; 100_000];
    for second in 0..60 {
        let due = city.fleet.due(second);
        assert!((1_300..2_100).contains(&due.len()), "{} in second {second}", due.len());
        for &device in due {
            seen[usize::try_from(device).unwrap()] += 1;
        }
    }
    assert!(seen.iter().all(|&n| n == 1));
}
