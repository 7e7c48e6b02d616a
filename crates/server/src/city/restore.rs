//! What a start takes from the newest snapshot: registry, engine, the bodies taken last; and what it
//! saves of an engine that cannot be taken over. Replaying the journal behind it is `start`'s.

use std::ops::ControlFlow;
use std::sync::Arc;

use anyhow::Context as _;
use chengmai_engine::{
    AlarmSettings, Catalog, Engine, Event, Settings, SnapshotError, setpoints_in,
};
use chengmai_model::StreamId;
use chengmai_model::area::Succession;
use chengmai_model::city::City as Profile;
use chengmai_model::stream::{Levels, Registration};
use chengmai_store::disk::{Disk, RealDisk};
use chengmai_store::snapshot;

use super::areas::Areas;
use super::brain::ENGINE_PART;
use super::layout::DataFolder;
use super::marks::{MARKS_PART, Marks};
use super::registry::{Registry, Restoring, SAVED_PREFIX};
use super::rules::Replayed;
use crate::accounts;
use crate::config::Config;
use crate::packs::Loaded;

/// The registry in snapshots of version 0.1.0: a list of registrations.
const OLD_REGISTRY_PART: &str = "registry";

/// The disk, and how far what was restored had come.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) disk: Arc<dyn Disk>,
    /// Last journal frame that the restored engine has seen; 0 for none.
    pub(super) snapshot_sequence: u64,
    /// The same of the registry, which outlives a change of packs.
    pub(super) registry_sequence: u64,
    /// Bodies taken before it, so that one sent again is known.
    pub(super) marks: Marks,
    /// Set-points of a snapshot whose engine could not be taken over.
    pub(super) setpoints: Vec<(StreamId, Levels)>,
    /// What the engine said when its areas became others.
    pub(super) said: Vec<Event>,
}

/// Registry and engine from the newest snapshot, or empty ones.
pub(super) fn restore(
    config: &Config,
    loaded: &Loaded,
    given: &Areas,
    folder: &DataFolder,
    rules: &mut Replayed,
) -> anyhow::Result<(Opened, Engine, Registry)> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let areas = &given.tree;
    let settings = engine_settings(config, &loaded.profile);
    let seed = accounts::random_number();
    let empty_registry =
        || Registry::new(Arc::clone(areas), &loaded.catalog, config.register_unknown, seed);
    let mut registry = empty_registry();
    let empty = || Engine::new(loaded.catalog.clone(), Arc::clone(areas), settings);
    let mut marks = Marks::default();
    let Some(found) = snapshot::find(&*disk, &folder.snapshots())? else {
        let opened = Opened {
            disk,
            snapshot_sequence: 0,
            registry_sequence: 0,
            marks,
            setpoints: Vec::new(),
            said: Vec::new(),
        };
        return Ok((opened, empty(), registry));
    };
    let registry_sequence = found.sequence;
    let engine_bytes = read_snapshot(&found, &*disk, &mut registry, &mut marks)?;
    let bytes = engine_bytes.unwrap_or_default();
    let restored = rules.at_snapshot(found.sequence, &loaded.catalog, |catalog| {
        restore_engine(catalog, given, settings, &bytes)
    });
    let (mut said, restored) = (Vec::new(), restored.map(|engine| renewed(engine, given)));
    let restored = restored.map(|(engine, events)| {
        said = events;
        engine
    });
    let (snapshot_sequence, setpoints) = match &restored {
        Ok(_) => (registry_sequence, Vec::new()),
        Err(error) => {
            if !bytes.is_empty() {
                tracing::warn!(%error, "the snapshot does not fit: windows are derived again from the journal");
            }
            (0, setpoints_in(&bytes).unwrap_or_default())
        }
    };
    let opened = Opened { disk, snapshot_sequence, registry_sequence, marks, setpoints, said };
    Ok((opened, restored.unwrap_or_else(|_| empty()), registry))
}

/// The engine over today's areas, or over those before: whichever the snapshot was taken over.
fn restore_engine(
    catalog: Catalog,
    given: &Areas,
    settings: Settings,
    bytes: &[u8],
) -> Result<Engine, SnapshotError> {
    match (
        Engine::restore(catalog.clone(), Arc::clone(&given.tree), settings, bytes),
        &given.before,
    ) {
        (Err(SnapshotError::Areas), Some(before)) => {
            Engine::restore(catalog, Arc::clone(before), settings, bytes)
        }
        (restored, _) => restored,
    }
}

/// The same engine over today's areas, and what it said of that.
fn renewed(mut engine: Engine, given: &Areas) -> (Engine, Vec<Event>) {
    let mut said = Vec::new();
    if let Some(before) = given.before.as_ref().filter(|before| Arc::ptr_eq(before, engine.areas()))
    {
        let became = Succession::between(before, &given.tree);
        engine.rearrange(Arc::clone(&given.tree), |area| became.of(area), &mut said);
    }
    (engine, said)
}

/// Fills the registry from a snapshot's blocks; the bytes of the engine, if it has any.
fn read_snapshot(
    found: &snapshot::Found,
    disk: &dyn Disk,
    registry: &mut Registry,
    marks: &mut Marks,
) -> anyhow::Result<Option<Vec<u8>>> {
    let (mut restoring, mut columns) = (Restoring::default(), false);
    let (mut engine, mut old) = (None::<Vec<u8>>, Vec::new());
    let mut fault = None;
    found.blocks(disk, |name, bytes| {
        match name {
            ENGINE_PART => engine.get_or_insert_default().extend_from_slice(bytes),
            MARKS_PART => marks.restore(bytes),
            OLD_REGISTRY_PART => old.extend_from_slice(bytes),
            _ if name.starts_with(SAVED_PREFIX) => {
                columns = true;
                fault = restoring.take(name, bytes).err();
            }
            // A part of a later version that this one can do without.
            _ => {}
        }
        if fault.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(fault) = fault {
        anyhow::bail!("the snapshot's registry: {fault}");
    }
    if columns {
        let done = restoring.finish(registry);
        done.map_err(|fault| anyhow::anyhow!("the snapshot's registry: {fault}"))?;
    } else if !old.is_empty() {
        let list: Vec<Registration> =
            postcard::from_bytes(&old).context("the snapshot's registry")?;
        for registration in &list {
            registry.apply(registration);
        }
    }
    Ok(engine)
}

/// How this city's engine is set up, and any engine beside it.
pub(crate) fn engine_settings(config: &Config, profile: &Profile) -> Settings {
    Settings {
        lateness_ms: config.lateness_ms,
        utc_offset_ms: profile.utc_offset_ms(),
        alarms: AlarmSettings::of(&profile.alarms),
        ..Settings::default()
    }
}
