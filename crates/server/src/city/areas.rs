//! The areas of a city as its data folder has them: imported, or built in; of today, of the last run, of
//! other days; and the changes of codes that were stated.
//!
//! When today's areas are not those of the last run, the city is first brought to an end over the old
//! ones (`start::prepare`), then [`renew`] notes what became of them. Until everything has moved the file
//! of the old areas stays: a start that was cut short begins again with it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use chengmai_model::area::{AreaHistory, AreaRow, CodeChange, Succession};
use chengmai_model::{AreaCode, AreaId, AreaTree};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::layout::AreaFiles;
use crate::commands::import;
use crate::packs::Loaded;

/// The areas that a start works with.
#[derive(Debug, Clone)]
pub(crate) struct Areas {
    /// Of all days.
    pub(crate) history: Arc<AreaHistory>,
    /// Of the day the start is for.
    pub(crate) tree: Arc<AreaTree>,
    /// Those of the run before, while not everything has moved from them.
    pub(crate) before: Option<Arc<AreaTree>>,
}

/// What tells two trees apart.
type Outline<'a> = Vec<(&'a AreaCode, AreaId)>;

impl Areas {
    /// Today's.
    pub(crate) fn today(files: &AreaFiles, loaded: &Loaded) -> anyhow::Result<Self> {
        let history = history(&files.imported(), loaded)?;
        let tree = history.on(import::today()).map_err(|faults| import::faults(&faults))?;
        let tree = tree.with_former(&changes(files, loaded)?);
        let before = match read::<Vec<AreaRow>>(&files.before())? {
            Some(rows) => Some(Arc::new(build(rows)?)),
            None => None,
        };
        Ok(Self { history: Arc::new(history), tree: Arc::new(tree), before })
    }

    /// Those of the last run, if they are not these of today. That run may not have come to where
    /// everything had moved from the areas before it, and it knew what their codes had become.
    pub(crate) fn of_last_run(
        &self,
        files: &AreaFiles,
        loaded: &Loaded,
    ) -> anyhow::Result<Option<Self>> {
        let Some(rows) = read::<Vec<AreaRow>>(&files.in_use())? else { return Ok(None) };
        let then = build(rows.clone())?;
        if outline(&self.tree) == outline(&then) {
            return Ok(None);
        }
        let tree = Arc::new(then.with_former(&changes(files, loaded)?));
        let history = AreaHistory::new(rows).map_err(|faults| import::faults(&faults))?;
        Ok(Some(Self { history: Arc::new(history), tree, before: self.before.clone() }))
    }
}

/// Notes that today's areas follow those, and under which codes the old ones go on.
pub(crate) fn renew(files: &AreaFiles, loaded: &Loaded, old: &AreaTree) -> anyhow::Result<()> {
    write(&files.before(), &rows(old))?;
    let today = Areas::today(files, loaded)?.tree;
    let gone = Succession::between(old, &today).changes(old, &today);
    tracing::info!(codes = gone.len(), "codes of areas are no more; what lay there moves");
    let mut known: Vec<CodeChange> = read(&files.changes())?.unwrap_or_default();
    known.extend(gone);
    write(&files.changes(), &known)?;
    write(&files.in_use(), &rows(&today))
}

/// Notes the areas of the first run; those of later ones are noted when they change.
pub(crate) fn first_run(files: &AreaFiles, tree: &AreaTree) -> anyhow::Result<()> {
    if files.in_use().exists() { Ok(()) } else { write(&files.in_use(), &rows(tree)) }
}

/// Everything has moved; the areas of the run before are not needed any more.
pub(crate) fn moved(files: &AreaFiles) -> anyhow::Result<()> {
    let path = files.before();
    std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
}

/// States changes of codes, beside those stated before.
pub(crate) fn state_changes(files: &AreaFiles, more: Vec<CodeChange>) -> anyhow::Result<()> {
    let mut known: Vec<CodeChange> = read(&files.changes())?.unwrap_or_default();
    known.extend(more);
    write(&files.changes(), &known)
}

/// The changes that the city's pack and the operators stated.
fn changes(files: &AreaFiles, loaded: &Loaded) -> anyhow::Result<Vec<CodeChange>> {
    let packed = loaded.profile.recoded.iter();
    let packed = packed.map(|it| CodeChange { old: it.old.clone(), new: it.new.clone() });
    Ok(packed.chain(read::<Vec<CodeChange>>(&files.changes())?.unwrap_or_default()).collect())
}

/// The areas of all days.
fn history(path: &Path, loaded: &Loaded) -> anyhow::Result<AreaHistory> {
    let rows = match read::<Vec<AreaRow>>(path)? {
        Some(rows) => rows,
        None => loaded
            .profile
            .area_rows(&loaded.city_files)
            .map_err(|faults| import::faults(&faults))?,
    };
    AreaHistory::new(rows).map_err(|faults| import::faults(&faults))
}

fn build(rows: Vec<AreaRow>) -> anyhow::Result<AreaTree> {
    AreaTree::build(rows).map_err(|faults| import::faults(&faults))
}

fn outline(tree: &AreaTree) -> Outline<'_> {
    tree.iter().map(|(_, area)| (&area.row.code, area.parent)).collect()
}

/// Rows without their boundaries: what a tree is, not where.
fn rows(tree: &AreaTree) -> Vec<AreaRow> {
    tree.iter().map(|(_, area)| AreaRow { shape: None, ..area.row.clone() }).collect()
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let value = serde_json::from_slice(&text);
    Ok(Some(value.with_context(|| format!("{} is damaged", path.display()))?))
}

/// The whole file or the old one.
fn write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    import::write_whole(path, &serde_json::to_vec(value)?)
}
