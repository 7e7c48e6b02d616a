//! Every move and guard of a case's life as text that an official can read: `tests/scenarios/cases`. A
//! file has a common beginning (areas, agencies) and many short scenarios, each under a line `== title`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chengmai_engine::{Catalog, case, scenario};
use chengmai_model::case::{CaseState, CommandKind};
use chengmai_model::{error, pack};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/scenarios/cases")
}

fn catalog() -> Catalog {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder().join("pack")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.push((name, std::fs::read_to_string(&path).unwrap()));
    }
    let faults = |faults: Vec<pack::PackFault>| -> Catalog {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    };
    match pack::parse(&files) {
        Ok(pack) => Catalog::compile(&[pack]).unwrap_or_else(faults),
        Err(list) => faults(list),
    }
}

/// A file: its common beginning, and its scenarios with their titles.
struct File {
    path: PathBuf,
    head: String,
    scenarios: Vec<(String, String)>,
}

fn files() -> Vec<File> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    let cut = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut head = String::new();
        let mut scenarios: Vec<(String, String)> = Vec::new();
        for line in text.lines() {
            match (line.strip_prefix("== "), scenarios.last_mut()) {
                (Some(title), _) => scenarios.push((title.to_owned(), String::new())),
                (None, Some((_, body))) => body.extend([line, "\n"]),
                (None, None) => head.extend([line, "\n"]),
            }
        }
        File { path, head, scenarios }
    };
    paths.into_iter().map(cut).collect()
}

#[test]
fn every_scenario_of_a_case_comes_true() {
    let catalog = catalog();
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let (mut count, mut wrong) = (0, Vec::new());
    for File { path, head, scenarios } in files() {
        let mut whole = head.clone();
        for (title, body) in &scenarios {
            count += 1;
            let text = format!("{head}{body}");
            if update {
                let text =
                    scenario::rewrite(&catalog, &text).unwrap_or_else(|e| panic!("{title}: {e}"));
                whole.extend(["== ", title, "\n", &text[head.len()..]]);
            } else if let Err(mismatch) = scenario::run(&catalog, &text) {
                let file = path.file_name().unwrap().to_string_lossy().into_owned();
                wrong.push(format!("{file}, {title} (lines count from the file's beginning and this one's):\n{mismatch}"));
            }
        }
        if update {
            std::fs::write(&path, whole).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(count >= 150, "{count} scenarios");
}

#[test]
fn every_command_state_and_refusal_of_cases_has_a_scenario() {
    let text: String = files()
        .iter()
        .flat_map(|file| file.scenarios.iter().map(|(_, body)| body.clone()))
        .collect();
    let words: BTreeSet<&str> = text.split_whitespace().collect();
    for &kind in CommandKind::ALL {
        let said = words.contains(kind.step().word());
        assert!(said, "no scenario has a case `{}`", kind.step().word());
        let refused = text.contains(&format!("refused {} ", kind.word()));
        assert!(refused, "no scenario refuses `{}`", kind.word());
    }
    let codes = [
        error::NOT_ALLOWED_NOW,
        error::REASON_REQUIRED,
        error::NO_AGENCY,
        error::NO_STANDARD_ROW,
        error::NOT_HOLDER,
        error::PHOTO_REQUIRED,
        error::OUTSIDE_DUTIES,
        error::LIMIT_REQUIRED,
        error::PETITION,
        error::PARTS_OPEN,
        error::RULING_FINAL,
        error::NOTHING_TO_APPEAL,
        error::SAME_PERSON,
        error::TOO_LATE,
        error::NO_PLAN,
        error::FORBIDDEN,
        error::NOT_FOUND,
    ];
    for code in codes {
        assert!(
            words.contains(code.label().as_str()),
            "no scenario is refused with {}",
            code.label()
        );
    }
}

#[test]
fn the_standard_procedure_is_sound_and_uses_every_state() {
    let table = case::Table::standard();
    assert_eq!(table.faults(), []);
    let used: BTreeSet<CaseState> =
        table.moves().iter().flat_map(|row| row.from.iter().copied().chain(row.to)).collect();
    // A suspension comes by a grant, so no row names it as its end; it is left by one.
    assert_eq!(used.len(), CaseState::ALL.len());
}
