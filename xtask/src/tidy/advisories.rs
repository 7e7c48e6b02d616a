//! No package with a known hole: the lock files against a list of advisories that is kept beside them.
//!
//! What it is not: the advisory database. It works without a network; how the list is refreshed stands in
//! SECURITY.md. Invariant: a line that cannot be read is a fault, so that no advisory is passed over.

use super::Fault;
use super::tree::Tree;

const LIST: &str = "xtask/advisories.txt";
const MEND: &str = "move to a version that is not affected, or do without the package";

/// A version as far as it is compared: what follows a hyphen is left out.
type Version = [u64; 3];

#[derive(Debug)]
struct Advisory<'a> {
    id: &'a str,
    package: &'a str,
    from: Version,
    /// The first version that is well again; none when there is no such.
    until: Option<Version>,
    what: &'a str,
}

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(list) = tree.file(LIST) else { return Vec::new() };
    let mut faults = Vec::new();
    let mut advisories = Vec::new();
    for (number, line) in list.lines().filter(|(_, line)| !line.starts_with('#')) {
        match advisory(line) {
            Some(advisory) => advisories.push(advisory),
            None => faults.push(Fault::new(
                LIST,
                number,
                "the line is not understood",
                "write `id package affected date what`, affected as `<1.2.3`, `>=1.0.0,<1.2.3` or `all`",
            )),
        }
    }
    for (lock, name, version) in packages(tree) {
        let Some(numbers) = parse(&version) else { continue };
        let known = advisories.iter().filter(|advisory| {
            advisory.package == name
                && numbers >= advisory.from
                && advisory.until.is_none_or(|until| numbers < until)
        });
        faults.extend(known.map(|Advisory { id, what, .. }| {
            Fault::new(lock, 1, format!("{name} {version} has {id}: {what}"), MEND)
        }));
    }
    faults
}

fn advisory(line: &str) -> Option<Advisory<'_>> {
    let mut words = line.splitn(5, ' ');
    let (id, package, affected) = (words.next()?, words.next()?, words.next()?);
    let (_date, what) = (words.next()?, words.next()?);
    let (from, until) = match affected {
        "all" => ([0; 3], None),
        range => match range.split_once(',') {
            None => ([0; 3], Some(parse(range.strip_prefix('<')?)?)),
            Some((from, until)) => {
                (parse(from.strip_prefix(">=")?)?, Some(parse(until.strip_prefix('<')?)?))
            }
        },
    };
    Some(Advisory { id, package, from, until, what })
}

fn parse(version: &str) -> Option<Version> {
    let version = version.split(['-', '+']).next()?;
    let mut parts = version.split('.').map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Lock file, name and version of every package.
fn packages(tree: &Tree) -> Vec<(&'static str, String, String)> {
    const RUST: &str = "Cargo.lock";
    const WEB: &str = "web/package-lock.json";
    let mut found = Vec::new();
    let lock = tree.file(RUST).map_or("", |file| file.text.as_str());
    let quoted = |line: &str, key: &str| {
        line.strip_prefix(key).map(|value| value.trim_matches([' ', '=', '"']).to_owned())
    };
    let mut name = String::new();
    for line in lock.lines() {
        name = quoted(line, "name = ").unwrap_or(name);
        if let Some(version) = quoted(line, "version = ").filter(|_| !name.is_empty()) {
            found.push((RUST, std::mem::take(&mut name), version));
        }
    }
    let lock = tree.file(WEB).and_then(|file| serde_json::from_str(&file.text).ok());
    let lock: serde_json::Value = lock.unwrap_or_default();
    for (path, package) in lock["packages"].as_object().into_iter().flatten() {
        if let Some((_, name)) = path.rsplit_once("node_modules/") {
            let version = package["version"].as_str().unwrap_or_default();
            found.push((WEB, name.to_owned(), version.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    fn whats(list: &str) -> Vec<String> {
        let lock = "version = 4\n\n[[package]]\nname = \"ring\"\nversion = \"0.17.11\"\n\n\
                    [[package]]\nname = \"h2\"\nversion = \"0.4.20\"\n";
        let web = r#"{"packages":{"":{"version":"1.0.0"},"node_modules/a/node_modules/vue":{"version":"3.5.1-rc.1"}}}"#;
        let files =
            [("Cargo.lock", lock), ("web/package-lock.json", web), ("xtask/advisories.txt", list)];
        super::check(&Tree::of(&files)).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn an_affected_package_of_either_lock_file_is_named_with_its_advisory() {
        let list = "# a list\nR-1 ring <0.17.12 2025-03-06 it may panic\nG-2 vue >=3.5.0,<3.5.2 2026-01-01 it runs scripts\n\
                    R-3 h2 all 2026-01-01 it is gone\n";
        assert_eq!(
            whats(list),
            [
                "ring 0.17.11 has R-1: it may panic",
                "h2 0.4.20 has R-3: it is gone",
                "vue 3.5.1-rc.1 has G-2: it runs scripts",
            ]
        );
    }

    #[test]
    fn versions_before_and_after_what_is_affected_are_fine() {
        let list = "R-1 ring <0.17.11 2025-03-06 x\nR-2 ring >=0.17.12,<0.18.0 2025-03-06 x\n\
                    R-3 h2 <0.4.4 2024-04-03 x\nR-4 rsa all 2023-11-22 x\n";
        assert_eq!(whats(list), [""; 0]);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_a_fault() {
        for line in [
            "R-1 ring",
            "R-1 ring 0.17 2025 x",
            "R-1 ring <0.x.1 2025 x",
            "R-1 ring >1.0.0,<2.0.0 2025 x",
        ] {
            assert_eq!(whats(line), ["the line is not understood"], "{line}");
        }
    }
}
