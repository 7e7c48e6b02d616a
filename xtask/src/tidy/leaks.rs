//! Nothing tracked names one machine: no absolute path of a person, no mirror of a registry.

use super::Fault;
use super::tree::Tree;

/// Beginnings of absolute paths that exist on one machine only. In halves: this file is read too.
const PATHS: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/tm", "p/"),
    concat!("/Us", "ers/"),
    concat!("/ho", "me/"),
];

/// Registries everybody has; a lock file may name them.
const PUBLIC: [&str; 3] =
    ["github.com/rust-lang/crates.io-index", "crates.io", "registry.npmjs.org"];

/// Parts of a host's name that tell a package registry or a mirror of one.
const HOST_PARTS: [&str; 7] =
    ["registry", "mirror", "artifact", "nexus", "proxy", "pypi", "crates.io"];

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files() {
        let is_lock = file.path.ends_with("Cargo.lock") || file.path.ends_with("package-lock.json");
        for (number, line) in file.lines() {
            for path in PATHS.iter().filter(|path| names_path(line, path)) {
                faults.push(Fault::new(
                    &file.path,
                    number,
                    format!("`{path}` is a place on one machine"),
                    "write it relative to the workspace, or ask the system for a temporary folder",
                ));
            }
            for host in hosts(line).filter(|host| is_registry(host, is_lock)) {
                faults.push(Fault::new(
                    &file.path,
                    number,
                    format!("`{host}` is a package registry"),
                    "leave it to each machine's own settings; npm: omit-lockfile-registry-resolved",
                ));
            }
        }
    }
    faults
}

/// Whether an absolute path begins here, and not the middle of a URL or of a relative path.
fn names_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        before.is_none_or(|letter| {
            letter.is_whitespace() || ['"', '\'', '`', '(', '=', ':', '[', ','].contains(&letter)
        })
    })
}

/// Host and path of each web address in a line.
fn hosts(line: &str) -> impl Iterator<Item = &str> {
    line.split("://").skip(1).map(|rest| {
        let end = rest.find(|letter: char| {
            letter.is_whitespace() || ['"', '\'', '`', ')', '>', '#', '?'].contains(&letter)
        });
        &rest[..end.unwrap_or(rest.len())]
    })
}

fn is_registry(address: &str, is_lock: bool) -> bool {
    if is_lock && PUBLIC.iter().any(|public| address.starts_with(public)) {
        return false;
    }
    let host = address.split('/').next().unwrap_or(address);
    HOST_PARTS.iter().any(|part| host.contains(part))
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::PATHS;

    fn count(path: &str, text: &str) -> usize {
        super::check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn a_path_of_one_machine_is_refused() {
        for path in PATHS {
            assert_eq!(count("a.md", &format!("see `{path}me/notes`\n")), 1, "{path}");
        }
    }

    #[test]
    fn a_relative_path_or_a_page_of_that_name_is_fine() {
        assert_eq!(count("a.md", "../shared/data and paper/work/x\n"), 0);
        assert_eq!(count("a.md", "https://example.org/home/page\n"), 0);
    }

    #[test]
    fn a_private_registry_is_refused_everywhere() {
        let line = concat!("\"resolved\": \"https:/", "/npm-mirror.example.org/vue.tgz\"\n");
        assert_eq!(count("web/package-lock.json", line), 1);
        assert_eq!(count("README.md", concat!("use http:/", "/proxy.example.org:8080/\n")), 1);
    }

    #[test]
    fn the_public_registry_of_a_lock_file_is_fine() {
        let line = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
        assert_eq!(count("Cargo.lock", line), 0);
    }
}
