//! `cargo xtask gen sbom`: what a release is made of, as CycloneDX 1.6 JSON, from the two lock files.
//!
//! It is not committed: it says nothing that the lock files do not say, and follows from them alone, so the
//! same lock files give the same bytes. Licences of Rust packages come from what cargo knows of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use crate::shell;

#[derive(Debug, Args)]
pub(crate) struct SbomArgs {
    /// Where to write it [default: xtask/sbom.cdx.json in the target folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &SbomArgs) -> Result<()> {
    let root = shell::root();
    let read = |path: &str| {
        std::fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let mut cargo = shell::cargo();
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    let metadata = shell::output("read the licences of the dependencies", &mut cargo)?;
    let sbom = sbom(&read("Cargo.lock")?, &metadata, &read("web/package-lock.json")?)?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => shell::target_dir()?.join("xtask/sbom.cdx.json"),
    };
    if let Some(folder) = out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&out, serde_json::to_string_pretty(&sbom)? + "\n")?;
    let parts = sbom["components"].as_array().map_or(0, Vec::len);
    println!("wrote {parts} components to {}", out.display());
    Ok(())
}

fn sbom(cargo_lock: &str, cargo_metadata: &str, web_lock: &str) -> Result<Value> {
    let lock: toml::Table = cargo_lock.parse().context("Cargo.lock")?;
    let packages = lock["package"].as_array().context("Cargo.lock has no packages")?;
    let metadata: Value = serde_json::from_str(cargo_metadata).context("cargo metadata")?;
    let licences = licences(&metadata);
    let mut components: Vec<Value> =
        packages.iter().filter_map(|package| rust_component(package, &licences)).collect();
    let web: Value = serde_json::from_str(web_lock).context("web/package-lock.json")?;
    components.extend(web_components(&web));
    components.sort_by_key(|part| part["bom-ref"].as_str().unwrap_or_default().to_owned());
    components.dedup_by(|a, b| a["bom-ref"] == b["bom-ref"]);
    let ours = packages.iter().find(|p| text(p, "name") == Some("chengmai-server"));
    let version = ours.and_then(|package| text(package, "version")).unwrap_or("0.0.0");
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": "chengmai", "name": "chengmai", "version": version,
            "licenses": [{"expression": "Apache-2.0"}],
        }},
        "components": components,
        "dependencies": dependencies(packages),
    }))
}

fn text<'a>(package: &'a toml::Value, key: &str) -> Option<&'a str> {
    package.get(key).and_then(toml::Value::as_str)
}

/// Licence of each name and version that cargo knows.
fn licences(metadata: &Value) -> BTreeMap<(String, String), String> {
    let word = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter_map(|p| Some(((word(p, "name")?, word(p, "version")?), word(p, "license")?)))
        .collect()
}

/// Only what came from outside: what is ours is the application.
fn rust_component(
    package: &toml::Value,
    licences: &BTreeMap<(String, String), String>,
) -> Option<Value> {
    text(package, "source")?;
    let (name, version) = (text(package, "name")?, text(package, "version")?);
    let licence = licences.get(&(name.to_owned(), version.to_owned()));
    let purl = format!("pkg:cargo/{name}@{version}");
    let hash = text(package, "checksum").map(|sum| ("SHA-256", sum.to_owned()));
    Some(component(&purl, name, version, licence.map(String::as_str), hash))
}

fn web_components(lock: &Value) -> Vec<Value> {
    let packages = lock["packages"].as_object().into_iter().flatten();
    packages
        .filter_map(|(path, package)| {
            let (_, name) = path.rsplit_once("node_modules/")?;
            let version = package["version"].as_str()?;
            // The @ of a scope is written out in a purl.
            let purl = format!("pkg:npm/{}@{version}", name.replace('@', "%40"));
            let sum = package["integrity"].as_str().and_then(|sum| sum.strip_prefix("sha512-"));
            let hash = sum.and_then(hex_of_base64).map(|hex| ("SHA-512", hex));
            Some(component(&purl, name, version, package["license"].as_str(), hash))
        })
        .collect()
}

fn component(
    purl: &str,
    name: &str,
    version: &str,
    licence: Option<&str>,
    hash: Option<(&str, String)>,
) -> Value {
    let mut part =
        json!({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl});
    if let Some(licence) = licence {
        // Older packages write a slash for OR.
        part["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some((algorithm, content)) = hash {
        part["hashes"] = json!([{"alg": algorithm, "content": content}]);
    }
    part
}

/// Which Rust package needs which.
fn dependencies(packages: &[toml::Value]) -> Vec<Value> {
    let purl = |name: &str, version: &str| format!("pkg:cargo/{name}@{version}");
    let mut needed_by_us = Vec::new();
    let mut all = Vec::new();
    for package in packages {
        let (Some(name), Some(version)) = (text(package, "name"), text(package, "version")) else {
            continue;
        };
        let named = package.get("dependencies").and_then(toml::Value::as_array);
        let needs: Vec<String> = named
            .into_iter()
            .flatten()
            .filter_map(|need| {
                // A version stands there only where a name has several.
                let mut words = need.as_str()?.split(' ');
                let (name, version) = (words.next()?, words.next());
                let found = packages.iter().find(|other| {
                    text(other, "name") == Some(name)
                        && version.is_none_or(|version| text(other, "version") == Some(version))
                })?;
                text(found, "source")?;
                Some(purl(name, text(found, "version")?))
            })
            .collect();
        if text(package, "source").is_none() {
            needed_by_us.extend(needs);
        } else {
            all.push(json!({"ref": purl(name, version), "dependsOn": needs}));
        }
    }
    needed_by_us.sort();
    needed_by_us.dedup();
    all.insert(0, json!({"ref": "chengmai", "dependsOn": needed_by_us}));
    all
}

/// The bytes that a text in base 64 stands for, in hexadecimal; none when it is no such text.
fn hex_of_base64(text: &str) -> Option<String> {
    use std::fmt::Write as _;
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut hex = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|letter| *letter == byte)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            write!(hex, "{:02x}", bits >> count & 0xFF).ok()?;
        }
    }
    Some(hex)
}

#[cfg(test)]
mod tests {
    use super::{hex_of_base64, sbom};

    const LOCK: &str = r#"
version = 4
[[package]]
name = "chengmai-server"
version = "0.1.0"
dependencies = ["ring", "rand 0.9.5"]
[[package]]
name = "ring"
version = "0.17.14"
source = "registry"
checksum = "a4689e"
dependencies = ["rand 0.8.8"]
[[package]]
name = "rand"
version = "0.8.8"
source = "registry"
[[package]]
name = "rand"
version = "0.9.5"
source = "registry"
"#;
    const METADATA: &str =
        r#"{"packages":[{"name":"ring","version":"0.17.14","license":"Apache-2.0/ISC"}]}"#;
    const WEB: &str = r#"{"packages":{"":{"version":"0.1.0"},"node_modules/@vue/shared":
        {"version":"3.5.1","license":"MIT","integrity":"sha512-TWFu"}}}"#;

    #[test]
    fn every_outside_package_of_both_lock_files_is_a_component_and_ours_is_the_whole() {
        let made = sbom(LOCK, METADATA, WEB).unwrap();
        assert_eq!(made["metadata"]["component"]["version"], "0.1.0");
        let refs: Vec<&str> = made["components"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part["bom-ref"].as_str().unwrap())
            .collect();
        assert_eq!(
            refs,
            [
                "pkg:cargo/rand@0.8.8",
                "pkg:cargo/rand@0.9.5",
                "pkg:cargo/ring@0.17.14",
                "pkg:npm/%40vue/shared@3.5.1",
            ]
        );
        let ring = &made["components"][2];
        assert_eq!(ring["licenses"][0]["expression"], "Apache-2.0 OR ISC");
        assert_eq!(ring["hashes"][0]["content"], "a4689e");
        assert_eq!(made["components"][3]["hashes"][0]["content"], "4d616e");
    }

    #[test]
    fn who_needs_whom_is_said_to_the_version() {
        let made = sbom(LOCK, METADATA, WEB).unwrap();
        let needs = |number: usize| made["dependencies"][number]["dependsOn"].to_string();
        assert_eq!(made["dependencies"][0]["ref"], "chengmai");
        assert_eq!(needs(0), r#"["pkg:cargo/rand@0.9.5","pkg:cargo/ring@0.17.14"]"#);
        assert_eq!(needs(1), r#"["pkg:cargo/rand@0.8.8"]"#);
    }

    #[test]
    fn base_64_is_read_and_what_is_none_is_not() {
        assert_eq!(hex_of_base64("TWE=").as_deref(), Some("4d61"));
        assert_eq!(hex_of_base64("+/+/").as_deref(), Some("fbffbf"));
        assert_eq!(hex_of_base64("T-Fu"), None);
    }
}
