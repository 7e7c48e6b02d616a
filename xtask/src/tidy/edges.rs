//! Which crate may depend on which, and which outside crates are kept behind one door.
//!
//! A crate of ours exists only to forbid something; this is the list of what is forbidden.

use super::Fault;
use super::tree::{File, Tree};

/// Our crates and the ones of ours that each may use. A new edge needs a decision page.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("model", &[]),
    ("engine", &["model"]),
    ("store", &["model", "engine"]),
    ("history", &["model"]),
    ("wire", &["model"]),
    ("sim", &["model", "engine", "store", "wire"]),
    ("server", &["model", "engine", "store", "history", "wire", "sim"]),
    ("fuzz", &["model", "engine", "store", "wire"]),
    ("xtask", &[]),
];

/// Outside crates and the only ones of ours that may see them.
const BEHIND_A_DOOR: [(&[&str], &[&str]); 8] = [
    (&["arrow", "parquet", "datafusion", "object_store"], &["history"]),
    (&["sea-orm", "sea-orm-migration", "sqlx", "rusqlite"], &["store"]),
    (&["axum", "tower", "tower-http", "utoipa", "utoipa-axum", "rust-embed"], &["server"]),
    (&["mqtt-protocol-core", "rumqttc"], &["server", "sim", "fuzz"]),
    (&["ureq", "reqwest", "hyper"], &["server", "sim"]),
    (&["lettre", "hyper-util", "tokio-rustls", "rustls-webpki"], &["server"]),
    (&["mio", "rustix"], &["server", "sim"]),
    (&["tokio", "async-trait", "futures-util"], &["store", "history", "server", "sim"]),
];

/// Dependencies that reach the product; development ones may cross no edge either, except to test.
const TABLES: [&str; 2] = ["dependencies", "build-dependencies"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension(&["toml"]).filter(|file| is_manifest(&file.path)) {
        let folder = file.path.trim_end_matches("/Cargo.toml");
        let name = folder.rsplit('/').next().unwrap_or(folder);
        let Some((_, allowed)) = MAY_USE.iter().find(|(known, _)| *known == name) else {
            faults.push(Fault::new(
                &file.path,
                1,
                format!("crate {name} is not in the list of edges"),
                "add it to MAY_USE in xtask/src/tidy/edges.rs with a decision page that says what it forbids",
            ));
            continue;
        };
        for dependency in dependencies(file) {
            faults.extend(fault_of(file, name, allowed, &dependency));
        }
    }
    faults
}

fn fault_of(file: &File, name: &str, allowed: &[&str], dependency: &str) -> Option<Fault> {
    let line = file
        .lines()
        .find(|(_, line)| line.trim_start().starts_with(dependency))
        .map_or(1, |(number, _)| number);
    if let Some(ours) = dependency.strip_prefix("chengmai-") {
        return (!allowed.contains(&ours)).then(|| {
            Fault::new(
                &file.path,
                line,
                format!("{name} may not depend on {ours}"),
                "move the code to the crate that may, or pass what is needed as an argument",
            )
        });
    }
    let (_, doors) = BEHIND_A_DOOR.iter().find(|(crates, _)| crates.contains(&dependency))?;
    (!doors.contains(&name)).then(|| {
        Fault::new(
            &file.path,
            line,
            format!("{name} may not see {dependency}; only {} may", doors.join(", ")),
            "do it behind the interface of that crate",
        )
    })
}

fn is_manifest(path: &str) -> bool {
    matches!(path, "xtask/Cargo.toml" | "fuzz/Cargo.toml")
        || (path.starts_with("crates/") && path.ends_with("/Cargo.toml"))
}

/// The package names of all dependencies, whether for every platform or for some.
fn dependencies(file: &File) -> Vec<String> {
    let Ok(manifest) = file.text.parse::<toml::Table>() else { return Vec::new() };
    let mut names = Vec::new();
    let targets = manifest.get("target").and_then(toml::Value::as_table);
    let per_target = targets.into_iter().flat_map(|targets| targets.values());
    for scope in per_target.filter_map(toml::Value::as_table).chain([&manifest]) {
        for table in TABLES.iter().filter_map(|name| scope.get(*name)?.as_table()) {
            for (name, value) in table {
                let package = value.get("package").and_then(toml::Value::as_str);
                names.push(package.unwrap_or(name).to_owned());
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn check(path: &str, text: &str) -> Vec<String> {
        super::check(&Tree::of(&[(path, text)]))
            .iter()
            .map(|fault| format!("{}: {}", fault.line, fault.what))
            .collect()
    }

    #[test]
    fn the_listed_edges_are_allowed() {
        let text = "[dependencies]\nchengmai-model.workspace = true\nserde = \"1\"\n";
        assert_eq!(check("crates/engine/Cargo.toml", text), [""; 0]);
    }

    #[test]
    fn an_edge_against_the_direction_is_refused() {
        let text = "[dependencies]\nserde = \"1\"\nchengmai-store.workspace = true\n";
        let faults = check("crates/engine/Cargo.toml", text);
        assert_eq!(faults, ["3: engine may not depend on store"]);
    }

    #[test]
    fn an_edge_of_one_platform_or_under_another_name_is_still_an_edge() {
        let text = "[target.'cfg(unix)'.dependencies]\nback = { package = \"chengmai-server\" }\n";
        assert_eq!(check("crates/sim/Cargo.toml", text), ["1: sim may not depend on server"]);
    }

    #[test]
    fn an_outside_crate_behind_a_door_is_refused_elsewhere() {
        let text = "[dependencies]\ntokio.workspace = true\n";
        let faults = check("crates/wire/Cargo.toml", text);
        assert!(faults[0].starts_with("2: wire may not see tokio"), "{faults:?}");
    }

    #[test]
    fn a_new_crate_must_be_put_on_the_list() {
        assert_eq!(check("crates/extra/Cargo.toml", "").len(), 1);
    }
}
