//! Every text scenario of every pack comes true. `UPDATE_EXPECT=1 cargo test -p chengmai-engine`
//! writes down what happens instead; read the difference before you believe it.

use chengmai_engine::scenario;

use crate::packs;

#[test]
fn every_scenario_of_every_pack_comes_true() {
    let catalog = packs::catalog();
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut failed = Vec::new();
    let mut played = 0;
    for pack in packs::names() {
        let folder = packs::folder().join(&pack).join("scenarios");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            let name = format!("packs/{pack}/scenarios/{}", path.file_name().unwrap().display());
            let text = std::fs::read_to_string(&path).unwrap();
            if update {
                match scenario::rewrite(&catalog, &text) {
                    Ok(mended) if mended != text => std::fs::write(&path, mended).unwrap(),
                    Ok(_) => {}
                    Err(mismatch) => failed.push(format!("{name}\n{mismatch}")),
                }
            } else if let Err(mismatch) = scenario::run(&catalog, &text) {
                failed.push(format!("{name}\n{mismatch}"));
            }
            played += 1;
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {played} scenarios:\n\n{}",
        failed.len(),
        failed.join("\n\n")
    );
    assert!(played >= 25, "only {played} scenarios found");
}
