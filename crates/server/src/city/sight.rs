//! What of a device's past somebody may see. A device moves, and what it measured belongs to where it was:
//! whoever sees it now sees what it measured in their areas, and nothing of others'.
//!
//! Not here: whether the device itself is seen; that is asked before.

use std::sync::Arc;

use chengmai_history::Within;
use chengmai_model::{AreaId, AreaTree};
use parking_lot::RwLock;

use super::City;
use super::registry::Registry;

/// The eyes of somebody with one area, and all below it.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    scope: AreaId,
    areas: Arc<AreaTree>,
    registry: Arc<RwLock<Registry>>,
}

impl Sight {
    pub(crate) fn new(city: &City, scope: AreaId) -> Self {
        let (areas, registry) = (Arc::clone(&city.areas), Arc::clone(&city.registry));
        Self { scope, areas, registry }
    }

    /// Asks of a device's past what may be seen of it. Whoever sees the whole city is not held up.
    pub(crate) fn of<T>(&self, device: &str, ask: impl FnOnce(Option<Within<'_>>) -> T) -> T {
        if self.scope == AreaId::ROOT {
            return ask(None);
        }
        let sees = |area: AreaId| self.areas.contains(self.scope, area);
        let holds = |code: &str| self.areas.find(code).is_some_and(sees);
        let memory = || {
            let registry = self.registry.read();
            registry.find(device).is_some_and(|id| sees(registry.area_in_history(id)))
        };
        ask(Some(Within { holds: &holds, memory: &memory }))
    }
}
