//! The document of the interface is its contract: a linter finds no fault in it, a client that somebody else's program
//! makes of it works, and what it does not allow is refused as it says.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{City, Folder};

/// What schemathesis looks at: that nothing fails inside, and that an answer has a status, a kind and a shape that the
/// document says. (That who shows nothing gets nothing is in `scope.rs`.)
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// Left out: a stream, which is no document; routes that end the session or the account that asks; and doors of other
/// standards and forms, whose own clients are in other tests.
const LEFT_OUT: &str = "^/(api/v1/(events|session|users|transit/realtime)|sta|ngsi-ld|write|query|ping|ogc|tiles|mcp|track|report|\
                        public|open311|cap|catalog)";

fn run(python: &Path, place: &Path, args: &[&str]) -> String {
    let output =
        Command::new(python).args(args).env("NO_PROXY", "*").current_dir(place).output().unwrap();
    let (said, more) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{more}");
    said.into_owned()
}

#[test]
fn other_peoples_programs_find_the_interface_as_its_document_says_it() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the programs");
    };
    let python = Path::new(&python);
    let folder = Folder::new();
    let city = City::start(&folder, &[]);
    let script = folder.path().join("contract.py");
    std::fs::write(&script, include_str!("contract.py")).unwrap();
    let (url, place) = (city.url(""), folder.path().to_str().unwrap());
    let said = run(python, folder.path(), &[script.to_str().unwrap(), &url, &city.admin, place]);
    let said: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(said["lint"], json!([]));
    assert_eq!((&said["filed"], &said["refused"]), (&json!(200), &json!([404, "E-204"])));
    assert!(said["areas"].as_u64() > Some(0), "{said}");
}

#[test]
fn whatever_the_document_allows_or_forbids_is_answered_as_it_says() {
    let Some(python) = std::env::var_os("CHENGMAI_PYTHON") else {
        return chengmai_model::testing::skip("CHENGMAI_PYTHON names no Python with the programs");
    };
    let folder = Folder::new();
    let city = City::start(&folder, &["--requests-per-second", "100000"]);
    let (document, admin) =
        (city.url("/api/openapi.json"), format!("Authorization: Bearer {}", city.admin));
    let said = run(
        Path::new(&python),
        folder.path(),
        &[
            "-m",
            "schemathesis.cli",
            "run",
            &document,
            "-H",
            &admin,
            "--checks",
            CHECKS,
            "--exclude-path-regex",
            LEFT_OUT,
            "--max-examples",
            "4",
            "--seed",
            "7",
            "--workers",
            "2",
            "--no-color",
            "--output-truncate",
            "false",
        ],
    );
    let sent = |line: &str| line.trim().split_once(" generated,")?.0.parse::<u32>().ok();
    let count = said.lines().find_map(sent).unwrap_or_else(|| panic!("{said}"));
    assert!(count > 1_000, "{said}");
    assert_eq!(city.get("/api/v1/system", &city.admin).0, 200);
}
