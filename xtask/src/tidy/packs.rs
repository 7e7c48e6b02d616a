//! Every pack is complete: it declares itself, explains its numbers, and proves itself.
//!
//! What is inside the files is the business of `chengmai pack check`.

use std::collections::BTreeSet;

use super::Fault;
use super::tree::Tree;

const SCENARIOS_MIN: usize = 5;

/// The city's own pack holds areas and names; it has no rules that scenarios could prove.
const CITY: &str = "chongqing";

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let names: BTreeSet<&str> = tree
        .files()
        .iter()
        .filter_map(|file| Some(file.path.strip_prefix("packs/")?.split_once('/')?.0))
        .collect();
    let mut faults = Vec::new();
    for name in names {
        for needed in ["pack.toml", "README.md"] {
            let path = format!("packs/{name}/{needed}");
            if tree.file(&path).is_none_or(|file| file.text.trim().is_empty()) {
                let mend = "write it; docs/guides/adding-a-pack.md says what belongs in it";
                faults.push(Fault::new(&path, 1, format!("pack {name} has no {needed}"), mend));
            }
        }
        let folder = format!("packs/{name}/scenarios/");
        let scenarios = tree
            .with_extension(&["txt"])
            .filter(|file| file.path.starts_with(&folder) && !file.text.trim().is_empty())
            .count();
        if name != CITY && scenarios < SCENARIOS_MIN {
            faults.push(Fault::new(
                &folder,
                1,
                format!("pack {name} has {scenarios} scenarios, at least {SCENARIOS_MIN}"),
                "add text scenarios: one a rule, and one that must stay silent",
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn whats(files: &[(&str, &str)], scenarios: usize) -> Vec<String> {
        let paths: Vec<String> =
            (0..scenarios).map(|number| format!("packs/gas/scenarios/{number}.txt")).collect();
        let mut files = files.to_vec();
        files.extend(paths.iter().map(|path| (path.as_str(), "area CQ\n")));
        super::check(&Tree::of(&files)).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_whole_pack_passes() {
        let files = [("packs/gas/pack.toml", "x"), ("packs/gas/README.md", "x")];
        assert_eq!(whats(&files, 5), [""; 0]);
    }

    #[test]
    fn a_pack_that_explains_nothing_is_refused() {
        let files = [("packs/gas/pack.toml", "x"), ("packs/gas/README.md", "\n")];
        assert_eq!(whats(&files, 5), ["pack gas has no README.md"]);
    }

    #[test]
    fn a_pack_without_enough_proof_is_refused() {
        let files = [("packs/gas/pack.toml", "x"), ("packs/gas/README.md", "x")];
        assert_eq!(whats(&files, 4), ["pack gas has 4 scenarios, at least 5"]);
    }

    #[test]
    fn the_citys_own_pack_needs_no_scenarios() {
        let files = [("packs/chongqing/pack.toml", "x"), ("packs/chongqing/README.md", "x")];
        assert_eq!(whats(&files, 0), [""; 0]);
        assert_eq!(whats(&files[..1], 0).len(), 1);
    }
}
