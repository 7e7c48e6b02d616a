//! The pack of the benchmark: every kind of the workload is rolled up over five tiers and has a rule,
//! so that no reading gets away with less than the whole work.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use crate::workload::{kinds, limit};

/// Kinds that the built-in packs declare.
const DECLARED: [&str; 7] = ["methane", "h2s", "co", "temperature", "rainfall", "pm25", "noise"];

/// Code of the indicator that is the mean of a kind over five minutes.
pub(super) fn mean_of(kind: &str) -> String {
    format!("bench.{kind}_mean")
}

/// Writes the pack into a folder of its own below `folder`.
pub(super) fn write(folder: &Path) -> Result<()> {
    let folder = folder.join("bench");
    std::fs::create_dir_all(&folder)?;
    let head = "[pack]\nid = \"bench\"\nversion = \"1.0.0\"\n\
        name = { zh = \"基准\", en = \"Benchmark\" }\nsection = \"facility_operation\"\n\
        track = { zh = \"基准\", en = \"Benchmark\" }\nneeds = [\"gas >= 1\", \"air >= 1\", \"drainage >= 1\"]\n";
    std::fs::write(folder.join("pack.toml"), head)?;
    let (mut declared, mut indicators, mut rules) = (String::new(), String::new(), String::new());
    for kind in kinds() {
        // Writing to a string cannot fail.
        let _ = write!(
            indicators,
            "[[indicator]]\ncode = \"{}\"\nname = {{ zh = \"{kind}\", en = \"{kind}\" }}\nunit = \"1\"\n\
             better = \"lower\"\nvalue = \"mean({kind})\"\nwindow = \"5m\"\n\
             tiers = [\"city\", \"district\", \"town\", \"community\", \"grid\"]\n\
             owner = \"bench\"\nsource = \"benchmark\"\n\n",
            mean_of(kind),
        );
        if DECLARED.contains(&kind) {
            continue;
        }
        let _ = write!(
            declared,
            "[[kind]]\nid = \"{kind}\"\nname = {{ zh = \"{kind}\", en = \"{kind}\" }}\nunit = \"1\"\n\
             range = [-1000000, 1000000]\ndecimals = 4\nperiod = {{ normal = \"1m\" }}\nsource = \"benchmark\"\n\n",
        );
        let over = limit(kind);
        let _ = write!(
            rules,
            "[[rule]]\nid = \"{kind}_over\"\nname = {{ zh = \"{kind}\", en = \"{kind}\" }}\non = \"{kind}\"\n\
             alarm = {{ when = \"value > {over}\", clear = \"value <= {over}\", for = \"2 readings\" }}\n\
             grade = [{{ severity = 2, when = \"value > {over}\" }}]\ncause = \"area\"\n\
             answer = {{ yellow = \"15m\" }}\nsource = \"benchmark\"\n\n",
        );
    }
    std::fs::write(
        folder.join("README.md"),
        "基准测试所用，数值均为工作负载自带。For the benchmark; every number is the workload's own.\n",
    )?;
    std::fs::write(folder.join("kinds.toml"), declared)?;
    std::fs::write(folder.join("indicators.toml"), indicators)?;
    std::fs::write(folder.join("rules.toml"), rules)?;
    Ok(())
}
