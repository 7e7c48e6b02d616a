//! Finds packs: the built-in ones and those of a folder, which win over built-in ones of the same
//! id. Reading is here; what a pack means is `model` and `engine`.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use chengmai_engine::Catalog;
use chengmai_model::city::City as Profile;
use chengmai_model::error;
use chengmai_model::pack::{self, Pack, PackFault};
use chengmai_store::proof::Verifier;
use rust_embed::RustEmbed;

use crate::clock;
use crate::config::Config;

pub(crate) mod signed;

/// The packs as they stand in the repository, inside the binary.
#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../../packs"]
struct BuiltIn;

/// Files of one pack: path relative to its folder, content.
pub(crate) type PackFiles = Vec<(String, String)>;

/// The pack that holds the city itself: names, tiers, areas, agencies.
const CITY_PACK_FILE: &str = "city.toml";

/// The packs of a city; what a duty officer should know of the calendar is said in the log.
pub(crate) fn load_for(config: &Config) -> anyhow::Result<Loaded> {
    let loaded = load_signed(config.packs.as_deref(), &config.pack_signers)?;
    for note in loaded.profile.calendar.notes(loaded.profile.local_date(clock::now())) {
        tracing::info!("{}", note.en);
    }
    Ok(loaded)
}

/// All packs by folder name. With signers, those of a folder must be signed by one of them.
fn find(
    folder: Option<&Path>,
    signers: &[Verifier],
) -> anyhow::Result<BTreeMap<String, PackFiles>> {
    let mut found: BTreeMap<String, PackFiles> = BTreeMap::new();
    for path in BuiltIn::iter() {
        let Some((name, file)) = path.split_once('/') else { continue };
        let content = BuiltIn::get(&path).context("a built-in file is there")?;
        let text = String::from_utf8(content.data.into_owned())
            .with_context(|| format!("packs/{path} is not UTF-8"))?;
        found.entry(name.to_owned()).or_default().push((file.to_owned(), text));
    }
    let Some(folder) = folder else { return Ok(found) };
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read the packs folder {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let files = read_folder(&path)?;
            if !signers.is_empty() {
                let signer = signed::signer_of(&name, &files, signers)
                    .with_context(|| error::PACK_UNSIGNED.line())?;
                tracing::info!(pack = name, signer, "the pack is signed");
            }
            found.insert(name, signed::without(files));
        }
    }
    Ok(found)
}

/// All text files of a pack's folder, one level of sub-folders deep.
pub(crate) fn read_folder(folder: &Path) -> anyhow::Result<PackFiles> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        let entries = std::fs::read_dir(&next)
            .with_context(|| format!("cannot read the folder {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().replace('\\', "/");
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            files.push((name, text));
        }
    }
    files.sort();
    Ok(files)
}

/// Everything the packs say: the domain packs, the city, and its files.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) packs: Vec<Pack>,
    pub(crate) catalog: Catalog,
    pub(crate) profile: Profile,
    pub(crate) city_files: PackFiles,
}

/// Loads, parses and compiles all packs.
///
/// # Errors
/// Every fault of every pack, with file, line and fix.
pub(crate) fn load(folder: Option<&Path>) -> anyhow::Result<Loaded> {
    load_signed(folder, &[])
}

/// The same, when one of these must have signed each pack of the folder.
fn load_signed(folder: Option<&Path>, signers: &[Verifier]) -> anyhow::Result<Loaded> {
    let mut packs = Vec::new();
    let mut faults = Vec::new();
    let mut city_files: Option<PackFiles> = None;
    for (name, files) in find(folder, signers)? {
        if is_city(&files) {
            city_files = Some(files);
            continue;
        }
        match pack::parse(&files) {
            Ok(pack) => packs.push(pack),
            Err(found) => faults.extend(found.into_iter().map(|f| in_folder(&name, f))),
        }
    }
    let city_files = city_files.context("no pack holds a city.toml")?;
    let profile = Profile::parse(&city_files).unwrap_or_else(|found| {
        faults.extend(found.into_iter().map(|f| in_folder("city", f)));
        Profile::default()
    });
    if !faults.is_empty() {
        bail!("E-301\n{}", render(&faults));
    }
    let catalog = Catalog::compile(&packs);
    let catalog = catalog.map_err(|faults| anyhow::anyhow!("E-301\n{}", render(&faults)))?;
    Ok(Loaded { packs, catalog, profile, city_files })
}

/// True for the files of a pack that holds a city.
pub(crate) fn is_city(files: &[(String, String)]) -> bool {
    files.iter().any(|(file, _)| file == CITY_PACK_FILE)
}

pub(crate) fn in_folder(name: &str, fault: PackFault) -> PackFault {
    PackFault { file: format!("{name}/{}", fault.file), ..fault }
}

/// Faults as a person reads them, one a line, fix below.
pub(crate) fn render(faults: &[PackFault]) -> String {
    let lines = faults.iter().map(|f| {
        format!(
            "{}:{}: {} / {}\n    fix 改法: {} / {}",
            f.file, f.line, f.what.zh, f.what.en, f.fix.zh, f.fix.en
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}
