//! Every relative link of a page leads to a file that is there.

use super::Fault;
use super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.with_extension(&["md"]) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut in_code = false;
        for (number, line) in file.lines() {
            if line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            if in_code {
                continue;
            }
            for target in targets(line).filter(|target| !exists(tree, &resolve(folder, target))) {
                faults.push(Fault::new(
                    &file.path,
                    number,
                    format!("the link to {target} leads nowhere"),
                    "write the file, or mend the link",
                ));
            }
        }
    }
    faults
}

/// The targets of Markdown links that stay inside the repository, without their `#part`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ']).next())
        .map(|target| target.split('#').next().unwrap_or(target))
        .filter(|target| !target.is_empty() && !target.contains(':'))
}

/// `docs` and `../README.md` make `README.md`.
fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn exists(tree: &Tree, path: &str) -> bool {
    // Data beside the clone is not ours to check.
    path.starts_with("../")
        || path.is_empty()
        || tree.files().iter().any(|file| {
            file.path == path
                || file.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'))
        })
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn whats(text: &str) -> Vec<String> {
        let tree = Tree::of(&[("docs/guides/a.md", text), ("docs/b.md", "B"), ("LICENSE", "x")]);
        super::check(&tree).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn links_to_files_folders_and_the_web_pass() {
        let text =
            "[b](../b.md#part) [l](../../LICENSE) [d](../../docs/) [w](https://example.org)\n";
        assert_eq!(whats(text), [""; 0]);
        assert_eq!(whats("```\n[x](none.md)\n```\n"), [""; 0]);
        assert_eq!(whats("[data](../../../shared/data)\n"), [""; 0]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_refused() {
        assert_eq!(whats("see ![shot](shot.png)\n"), ["the link to shot.png leads nowhere"]);
    }
}
