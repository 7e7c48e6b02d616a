//! `chengmai pack`: check packs, run their scenarios, start a new one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chengmai_engine::Catalog;
use chengmai_engine::scenario;
use chengmai_model::city::City as Profile;
use chengmai_model::pack::{self, Pack as Parsed};

use super::{own_key, say};
use crate::cli::{Pack, PackWhat};
use crate::config::verifiers;
use crate::packs::signed;
use crate::{clock, packs};

pub(crate) fn run(pack: Pack) -> anyhow::Result<()> {
    match pack.what {
        PackWhat::Check { folders, signers } => {
            check_signatures(&folders, &signers)?;
            let loaded = load(&folders)?;
            for pack in &loaded.asked {
                say(format!("{} {}: sound", pack.head.id, pack.head.version));
            }
            for city in &loaded.cities {
                say(format!("{} {}: sound", city.head.id, city.head.version));
                for note in city.calendar.notes(city.local_date(clock::now())) {
                    say(format!("  {} / {}", note.zh, note.en));
                }
            }
            Ok(())
        }
        PackWhat::Test { folders } => test(&folders),
        PackWhat::New { folder } => new(&folder),
        PackWhat::Sign { folders, key, name } => sign(&folders, &key, &name),
    }
}

/// A pack's name is its folder's.
fn name_of(folder: &Path) -> anyhow::Result<String> {
    let folder = folder.canonicalize().with_context(|| format!("no {}", folder.display()))?;
    let name = folder.file_name().context("give the folder of a pack")?;
    Ok(name.to_string_lossy().into_owned())
}

fn check_signatures(folders: &[PathBuf], signers: &[String]) -> anyhow::Result<()> {
    let signers = verifiers("--signers", signers)?;
    for folder in folders.iter().filter(|_| !signers.is_empty()) {
        let name = name_of(folder)?;
        let signer = signed::signer_of(&name, &packs::read_folder(folder)?, &signers)?;
        say(format!("{name}: signed by {signer}"));
    }
    Ok(())
}

/// Signs packs that are sound, and prints what a city needs to know the signer by.
fn sign(folders: &[PathBuf], key: &Path, name: &str) -> anyhow::Result<()> {
    load(folders)?;
    let (signer, is_new) = own_key(key, name)?;
    if is_new {
        let public = signer.verifier().text();
        say(format!("a new key; start the city with\n    --pack-signers {public}"));
    }
    for folder in folders {
        let pack = name_of(folder)?;
        let text = signed::sign(&pack, &packs::read_folder(folder)?, &signer);
        let path = folder.join(signed::FILE);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        say(format!("{pack}: signed by {}", signer.verifier().name()));
    }
    Ok(())
}

/// What was asked for, and a catalog of it together with the built-in packs.
struct Loaded {
    catalog: Catalog,
    asked: Vec<Parsed>,
    /// Packs that hold a city.
    cities: Vec<Profile>,
}

fn load(folders: &[PathBuf]) -> anyhow::Result<Loaded> {
    let built_in = packs::load(None)?;
    if folders.is_empty() {
        let (catalog, asked) = (built_in.catalog, built_in.packs);
        return Ok(Loaded { catalog, asked, cities: vec![built_in.profile] });
    }
    let (mut asked, mut cities, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for folder in folders {
        let name = folder.display().to_string();
        let files = signed::without(packs::read_folder(folder)?);
        let found = if packs::is_city(&files) {
            Profile::parse(&files).map(|city| cities.push(city))
        } else {
            pack::parse(&files).map(|pack| asked.push(pack))
        };
        let found = found.err().unwrap_or_default();
        faults.extend(found.into_iter().map(|f| packs::in_folder(&name, f)));
    }
    if !faults.is_empty() {
        bail!("E-301\n{}", packs::render(&faults));
    }
    let mut all = asked.clone();
    let own = |p: &Parsed| asked.iter().any(|a| a.head.id == p.head.id);
    all.extend(built_in.packs.into_iter().filter(|p| !own(p)));
    let catalog = Catalog::compile(&all);
    let catalog = catalog.map_err(|f| anyhow::anyhow!("E-301\n{}", packs::render(&f)))?;
    Ok(Loaded { catalog, asked, cities })
}

fn test(folders: &[PathBuf]) -> anyhow::Result<()> {
    let Loaded { catalog, asked, .. } = load(folders)?;
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
