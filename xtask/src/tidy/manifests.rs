//! Every Cargo.toml takes lints, version and licence from the workspace, and says what it forbids.

use super::Fault;
use super::tree::Tree;

const SHARED: [&str; 4] = ["version", "edition", "rust-version", "license"];

/// The most cargo features all our crates may declare together: untested mixtures are no features.
const FEATURES_MAX: usize = 3;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut features = 0;
    for file in tree.with_extension(&["toml"]).filter(|file| file.path.ends_with("/Cargo.toml")) {
        let manifest = match file.text.parse::<toml::Table>() {
            Ok(manifest) => manifest,
            Err(error) => {
                faults.push(Fault::new(&file.path, 1, error.message(), "write valid TOML"));
                continue;
            }
        };
        let inherits = |value: Option<&toml::Value>| {
            value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool)
                == Some(true)
        };
        let mut fault = |what: String, mend: &str| {
            faults.push(Fault::new(&file.path, 1, what, mend));
        };
        if !inherits(manifest.get("lints")) {
            fault("the crate escapes the workspace's lints".into(), "add [lints] workspace = true");
        }
        let package = manifest.get("package");
        for key in SHARED {
            if !inherits(package.and_then(|package| package.get(key))) {
                fault(
                    format!("`{key}` is not the workspace's"),
                    &format!("write {key}.workspace = true"),
                );
            }
        }
        if package.and_then(|package| package.get("description")).is_none() {
            fault(
                "the crate has no description".into(),
                "say in one line what it is and what it forbids",
            );
        }
        let declared = manifest.get("features").and_then(toml::Value::as_table);
        features += declared.map_or(0, toml::Table::len);
        if declared.is_some() && features > FEATURES_MAX {
            fault(
                format!("{features} cargo features in the workspace, at most {FEATURES_MAX}"),
                "make it a setting that is read at run time",
            );
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    const GOOD: &str = "[package]\ndescription = \"A.\"\nversion.workspace = true\n\
        edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
        [lints]\nworkspace = true\n";

    fn whats(text: &str) -> Vec<String> {
        let faults = super::check(&Tree::of(&[("crates/a/Cargo.toml", text)]));
        faults.into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_manifest_of_the_house_passes() {
        assert_eq!(whats(GOOD), [""; 0]);
    }

    #[test]
    fn escaping_the_lints_is_refused() {
        let faults = whats(&GOOD.replace("[lints]\nworkspace = true\n", ""));
        assert_eq!(faults, ["the crate escapes the workspace's lints"]);
    }

    #[test]
    fn an_edition_or_licence_of_its_own_is_refused() {
        let faults = whats(&GOOD.replace("edition.workspace = true", "edition = \"2021\""));
        assert_eq!(faults, ["`edition` is not the workspace's"]);
    }

    #[test]
    fn a_crate_that_does_not_say_what_it_is_is_refused() {
        assert_eq!(whats(&GOOD.replace("description = \"A.\"\n", "")).len(), 1);
    }

    #[test]
    fn a_fourth_feature_is_refused() {
        let features = "[features]\na = []\nb = []\nc = []\n";
        assert_eq!(whats(&format!("{GOOD}{features}")), [""; 0]);
        assert_eq!(whats(&format!("{GOOD}{features}d = []\n")).len(), 1);
    }

    #[test]
    fn broken_toml_is_a_fault_and_not_a_crash() {
        assert_eq!(whats("[package\n").len(), 1);
    }
}
