//! Packs that somebody answers for: signed by one key, taken by a city that asks for it, refused when a byte differs.

use std::fs;
use std::process::{Command, Output};

use crate::harness::{City, Folder, PROGRAM};

fn pack(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).arg("pack").args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_city_that_asks_for_signed_packs_starts_with_those_and_with_no_others() {
    let folder = Folder::new();
    let packs = folder.path().join("packs");
    let heat = packs.join("heat");
    let (heat_text, key) = (heat.to_str().unwrap(), folder.path().join("packs.key"));
    assert!(pack(&["new", heat_text]).status.success());
    let sign = ["sign", heat_text, "--key", key.to_str().unwrap(), "--name", "packs.example"];
    let first = said(&pack(&sign));
    let public = first.split("--pack-signers ").nth(1).unwrap().lines().next().unwrap().to_owned();
    assert!(first.contains("heat: signed by packs.example"), "{first}");
    let checked = pack(&["check", heat_text, "--signers", &public]);
    assert!(checked.status.success() && said(&checked).contains("signed by packs.example"));

    let flags = ["--packs", packs.to_str().unwrap(), "--pack-signers", &public];
    let city = City::start(&folder, &flags);
    assert_eq!(city.get("/api/v1/packs/heat", &city.admin).0, 200);
    drop(city);

    // A threshold is changed by somebody who has no key.
    let rules = heat.join("rules.toml");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("{text}\n# a word more\n")).unwrap();
    let started = || {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--http", "127.0.0.1:0", "--mqtt", "off", "--data"]);
        command.arg(folder.data()).args(flags).output().unwrap()
    };
    let refused = started();
    let words = said(&refused);
    assert!(!refused.status.success() && words.contains("E-302"), "{words}");
    assert!(words.contains("heat: its files are not as they were signed"), "{words}");
    fs::remove_file(heat.join("pack.sig")).unwrap();
    let words = said(&started());
    assert!(words.contains("heat: there is no pack.sig"), "{words}");
    // Looked at and signed again, it is taken.
    assert!(!said(&pack(&sign)).contains("a new key"));
    let city = City::start(&folder, &flags);
    assert_eq!(city.get("/api/v1/packs/heat", &city.admin).0, 200);
}
