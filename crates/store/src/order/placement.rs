//! Where streams count. The registry hears of a moved device at once and the engine when the frame
//! comes round; a replay hears of both at other times again. So that all three agree, a frame of
//! registrations carries what it needs, and the engine is placed from the frame alone.

use std::collections::{BTreeMap, BTreeSet};

use chengmai_engine::{Engine, StreamSpec};
use chengmai_model::stream::{DeviceSpec, Registration};
use chengmai_model::{AreaId, AreaTree, DeviceId, StreamId};

/// Registrations of one frame, completed: before a stream whose device the list does not describe,
/// the device is described as it is now. `spec_of` must know everything in the list and nothing that
/// is still to be journaled.
pub fn self_contained(
    list: Vec<Registration>,
    mut spec_of: impl FnMut(DeviceId) -> DeviceSpec,
) -> Vec<Registration> {
    let mut described = BTreeSet::new();
    let mut complete = Vec::with_capacity(list.len());
    for registration in list {
        match &registration {
            Registration::Device { id, .. } | Registration::Update { id, .. } => {
                described.insert(*id);
            }
            Registration::Stream { device, .. } => {
                if described.insert(*device) {
                    complete.push(Registration::Update { id: *device, spec: spec_of(*device) });
                }
            }
            Registration::Setpoints { .. } => {}
        }
        complete.push(registration);
    }
    complete
}

/// Brings the streams of one frame to the engine, and moves those whose device moved. `streams_of`
/// names a device's streams, newer ones too; `placed` is asked for a device that the frame does not
/// describe, which only older journals leave out.
///
/// # Panics
/// When the engine numbers streams otherwise than the list does.
pub fn place(
    engine: &mut Engine,
    list: &[Registration],
    mut streams_of: impl FnMut(DeviceId) -> Vec<StreamId>,
    mut placed: impl FnMut(DeviceId) -> (AreaId, u32),
) {
    let mut places: BTreeMap<DeviceId, (AreaId, u32)> = BTreeMap::new();
    let mut known = engine.totals().streams;
    for registration in list {
        match registration {
            Registration::Device { id, spec, .. } => {
                places.insert(*id, place_of(engine.areas(), spec));
            }
            Registration::Update { id, spec } => {
                let (area, period_ms) = place_of(engine.areas(), spec);
                places.insert(*id, (area, period_ms));
                for stream in streams_of(*id) {
                    // Streams of later frames are not known to the engine yet.
                    if u64::from(stream.0) < known {
                        engine.reassign(stream, area, period_ms);
                    }
                }
            }
            Registration::Stream { id, device, kind } => {
                if u64::from(id.0) < known {
                    continue;
                }
                let kind = engine.catalog_mut().kind_or_add(kind);
                let (area, period_ms) =
                    places.get(device).copied().unwrap_or_else(|| placed(*device));
                let given = engine.register(StreamSpec { kind, area, period_ms, device: *device });
                assert_eq!(given, *id, "registry and engine number streams alike");
                known += 1;
            }
            Registration::Setpoints { stream, levels } => engine.set_setpoints(*stream, levels),
        }
    }
}

/// Area and period as the registry understands a device's description.
fn place_of(areas: &AreaTree, spec: &DeviceSpec) -> (AreaId, u32) {
    (areas.find(spec.area.as_str()).unwrap_or(AreaId::ROOT), spec.period_ms)
}
