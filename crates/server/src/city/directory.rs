//! What SQL may know by name: streams and devices from the registry, kinds and indicators from packs.
//! Locks are held for a few thousand names at a time.

use std::sync::Arc;

use chengmai_history::sql::{DeviceFacts, Directory, IndicatorFacts, KindFacts};
use chengmai_history::{StreamLabel, StreamNames};
use chengmai_model::{AreaId, DeviceId, StreamId};

use super::City;
use super::archive::Names;
use super::registry::Registry;

/// The city as a directory of names.
#[derive(Debug)]
pub(crate) struct CityDirectory(pub(crate) Arc<City>);

impl CityDirectory {
    /// As files will call them: rows in memory are of where their device was.
    fn names(&self) -> Names {
        Names { registry: Arc::clone(&self.0.registry), areas: Arc::clone(&self.0.areas) }
    }
}

impl Directory for CityDirectory {
    fn streams_of(&self, device: &str) -> Vec<StreamId> {
        let registry = self.0.registry.read();
        let streams = registry.find(device).map(|id| registry.device(id).streams().collect());
        streams.unwrap_or_default()
    }

    fn devices(&self, start: usize, rows_max: usize) -> Vec<DeviceFacts> {
        let registry = self.0.registry.read();
        let end = start.saturating_add(rows_max).min(registry.device_count());
        let ids = (start..end).filter_map(|index| u32::try_from(index).ok()).map(DeviceId);
        ids.map(|id| facts(&registry, id)).collect()
    }

    fn kinds(&self) -> Vec<KindFacts> {
        let kinds = self.0.packs.iter().flat_map(|pack| {
            pack.kinds.iter().map(|kind| KindFacts {
                id: kind.id.clone(),
                name_zh: kind.name.zh.clone(),
                name_en: kind.name.en.clone(),
                unit: kind.unit.clone(),
                lowest: kind.range[0],
                highest: kind.range[1],
                pack: pack.head.id.clone(),
            })
        });
        kinds.collect()
    }

    fn indicators(&self) -> Vec<IndicatorFacts> {
        let indicators = self.0.packs.iter().flat_map(|pack| {
            pack.indicators.iter().map(|indicator| IndicatorFacts {
                code: indicator.code.clone(),
                name_zh: indicator.name.zh.clone(),
                name_en: indicator.name.en.clone(),
                unit: indicator.unit.clone(),
                pack: pack.head.id.clone(),
            })
        });
        indicators.collect()
    }
}

fn facts(registry: &Registry, id: DeviceId) -> DeviceFacts {
    let device = registry.device(id);
    let kinds = device.streams().map(|stream| &*registry.kind(registry.stream(stream).kind).name);
    DeviceFacts {
        id: device.name().to_owned(),
        name: device.title().map(str::to_owned),
        area: device.area(),
        position: device.position(),
        agency: device.agency().map(str::to_owned),
        kinds: kinds.collect::<Vec<_>>().join(","),
        simulated: device.simulated(),
        registered_at: device.registered_at(),
    }
}

impl StreamNames for CityDirectory {
    fn labels(&self, streams: &[StreamId], each: &mut dyn FnMut(StreamLabel<'_>)) {
        self.names().labels(streams, each);
    }

    fn kind(&self, kind: u32) -> String {
        self.names().kind(kind)
    }

    fn area(&self, area: AreaId) -> String {
        self.names().area(area)
    }
}
