//! `chengmai pack`: check packs, run their scenarios, start a new one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chengmai_engine::Catalog;
use chengmai_engine::scenario;
use chengmai_model::pack::{self, Pack as Parsed};

use super::say;
use crate::cli::{Pack, PackWhat};
use crate::packs;

pub(crate) fn run(pack: Pack) -> anyhow::Result<()> {
    match pack.what {
        PackWhat::Check { folders } => {
            for pack in &load(&folders)?.1 {
                say(format!("{} {}: sound", pack.head.id, pack.head.version));
            }
            Ok(())
        }
        PackWhat::Test { folders } => test(&folders),
        PackWhat::New { folder } => new(&folder),
    }
}

/// The packs of the folders together with the built-in ones, and those that were asked for.
fn load(folders: &[PathBuf]) -> anyhow::Result<(Catalog, Vec<Parsed>)> {
    let built_in = packs::load(None)?;
    if folders.is_empty() {
        return Ok((built_in.catalog, built_in.packs));
    }
    let mut asked = Vec::new();
    let mut faults = Vec::new();
    for folder in folders {
        let name = folder.display().to_string();
        match pack::parse(&packs::read_folder(folder)?) {
            Ok(pack) => asked.push(pack),
            Err(found) => faults.extend(found.into_iter().map(|f| packs::in_folder(&name, f))),
        }
    }
    if !faults.is_empty() {
        bail!("E-301\n{}", packs::render(&faults));
    }
    let mut all = asked.clone();
    let own = |p: &Parsed| asked.iter().any(|a| a.head.id == p.head.id);
    all.extend(built_in.packs.into_iter().filter(|p| !own(p)));
    let catalog = Catalog::compile(&all);
    let catalog = catalog.map_err(|f| anyhow::anyhow!("E-301\n{}", packs::render(&f)))?;
    Ok((catalog, asked))
}

fn test(folders: &[PathBuf]) -> anyhow::Result<()> {
    let (catalog, asked) = load(folders)?;
    let (mut passed, mut failed) = (0, 0);
    for pack in &asked {
        for scenario in &pack.scenarios {
            match scenario::run(&catalog, &scenario.text) {
                Ok(()) => passed += 1,
                Err(mismatch) => {
                    failed += 1;
                    say(format!("{}/scenarios/{}: {mismatch}", pack.head.id, scenario.file));
                }
            }
        }
    }
    say(format!("{passed} scenarios hold, {failed} do not"));
    if failed > 0 {
        bail!("{failed} scenarios do not hold");
    }
    Ok(())
}

/// Files of a new pack, with `{id}` for its name.
const EXAMPLE: &[(&str, &str)] = &[
    ("pack.toml", include_str!("new_pack/pack.toml")),
    ("kinds.toml", include_str!("new_pack/kinds.toml")),
    ("indicators.toml", include_str!("new_pack/indicators.toml")),
    ("rules.toml", include_str!("new_pack/rules.toml")),
    ("cases.toml", include_str!("new_pack/cases.toml")),
    ("layers.toml", include_str!("new_pack/layers.toml")),
    ("README.md", include_str!("new_pack/README.md")),
    ("scenarios/first.txt", include_str!("new_pack/scenario.txt")),
];

fn new(folder: &Path) -> anyhow::Result<()> {
    let id = folder.file_name().and_then(|n| n.to_str()).context("give the folder a name")?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    if !id.bytes().all(fits) || !id.starts_with(|c: char| c.is_ascii_lowercase()) {
        bail!("a pack's id has small letters, digits and _, and begins with a letter: {id}");
    }
    if folder.exists() {
        bail!("{} exists already", folder.display());
    }
    for (file, text) in EXAMPLE {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
        std::fs::write(&path, text.replace("{id}", id))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    say(format!("{} is there: a working example to change", folder.display()));
    say(format!("next: chengmai pack check {0} && chengmai pack test {0}", folder.display()));
    Ok(())
}
