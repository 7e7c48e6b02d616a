//! Every pack of the house reads and compiles; and what the tests here share: reading their files.

use std::path::{Path, PathBuf};

use chengmai_engine::Catalog;
use chengmai_model::pack::{self, Pack, PackFault};

/// The folder of all packs.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs")
}

/// Names of the packs that declare kinds, rules and cases, in order: all but the one that holds the
/// city itself.
pub(crate) fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut names: Vec<String> = entries
        .filter(|path| path.join("pack.toml").exists() && !path.join("city.toml").exists())
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// One pack, read from its folder.
pub(crate) fn read(name: &str) -> Result<Pack, Vec<PackFault>> {
    let root = folder().join(name);
    let mut files = Vec::new();
    for part in ["", "scenarios"] {
        let Ok(entries) = std::fs::read_dir(root.join(part)) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let file = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            files.push((file, std::fs::read_to_string(&path).unwrap()));
        }
    }
    pack::parse(&files)
}

/// The catalog of all packs.
pub(crate) fn catalog() -> Catalog {
    let packs: Vec<Pack> = names().iter().map(|name| sound(read(name))).collect();
    sound(Catalog::compile(&packs))
}

/// The value, or all faults in a row.
#[track_caller]
fn sound<T>(result: Result<T, Vec<PackFault>>) -> T {
    result.unwrap_or_else(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    })
}

/// The pack with all it needs compiles, has at least five scenarios, and says where numbers come from.
#[track_caller]
fn check(name: &str) {
    let mut packs = vec![sound(read(name))];
    for need in packs[0].head.needs.clone() {
        packs.push(sound(read(need.split_whitespace().next().unwrap())));
    }
    let catalog = sound(Catalog::compile(&packs));
    let pack = &packs[0];
    assert_eq!(pack.head.id, name, "the folder is named as the pack");
    assert!(pack.scenarios.len() >= 5, "{name} has {} scenarios", pack.scenarios.len());
    assert!(pack.readme_text().en.starts_with("## English"), "{name}: README in both languages");
    let readme = pack.readme_text();
    let kinds = pack.kinds.iter().map(|kind| &kind.id);
    let rules = pack.rules.iter().map(|rule| &rule.id);
    for id in kinds.chain(rules).chain(pack.indicators.iter().map(|indicator| &indicator.code)) {
        let named = format!("`{id}`");
        let both = readme.zh.contains(&named) && readme.en.contains(&named);
        assert!(both, "{name}: README.md does not say where the numbers of {id} come from");
    }
    assert_eq!(catalog.pack(0).counts.rules, pack.rules.len());
    for case in &pack.case_types {
        for row in &case.limits {
            assert!(
                chengmai_model::calendar::Limit::parse(&row.handle).is_some(),
                "{}",
                row.handle
            );
        }
    }
}

#[test]
fn the_gas_pack_compiles() {
    check("gas");
}

#[test]
fn the_water_pack_compiles() {
    check("water");
}

#[test]
fn the_drainage_pack_compiles() {
    check("drainage");
}

#[test]
fn the_air_pack_compiles() {
    check("air");
}

#[test]
fn the_transit_pack_compiles() {
    check("transit");
}

#[test]
fn the_street_pack_compiles() {
    check("street");
}

#[test]
fn all_packs_live_together_and_use_every_kind_of_rule() {
    let packs: Vec<Pack> = names().iter().map(|name| sound(read(name))).collect();
    sound(Catalog::compile(&packs));
    let rules: Vec<_> = packs.iter().flat_map(|pack| &pack.rules).collect();
    for term in ["value", "rate", "anomaly", "slope(", "silent_for(", "stuck_for("] {
        assert!(rules.iter().any(|rule| rule.alarm.when.contains(term)), "no rule uses {term}");
    }
    let warns = |pack: &Pack| {
        pack.indicators.iter().any(|i| i.levels.as_ref().is_some_and(|l| !l.warn.is_empty()))
    };
    assert!(packs.iter().any(warns), "no indicator warns");
    for rule in rules.iter().filter(|rule| rule.files.is_some()) {
        let red = rule.grade.iter().any(|grade| grade.severity.number() == 4);
        assert!(!red || rule.files_at.is_some(), "{}: red files by itself", rule.id);
    }
}
