//! What we may link and ship: every dependency, of Rust and of the web, under a licence listed here.

use serde::Deserialize;

use super::Fault;
use super::tree::Tree;

/// Licences that go with Apache-2.0. MPL-2.0 binds only its own files, which we do not change.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Python-2.0",
    "Unicode-3.0",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !tree.cargo_metadata.is_empty() {
        match serde_json::from_str::<Metadata>(&tree.cargo_metadata) {
            Ok(metadata) => faults.extend(metadata.packages.iter().filter_map(rust_fault)),
            Err(error) => faults.push(Fault::new(
                "Cargo.lock",
                1,
                format!("cargo metadata is not understood: {error}"),
                "adapt xtask/src/tidy/licences.rs",
            )),
        }
    }
    faults.extend(web_faults(tree));
    faults
}

fn rust_fault(package: &Package) -> Option<Fault> {
    // Packages without a source are our own.
    package.source.as_ref()?;
    let licence = package.license.as_deref().unwrap_or("(none stated)");
    refuse("Cargo.lock", &format!("{} {}", package.name, package.version), licence)
}

fn web_faults(tree: &Tree) -> Vec<Fault> {
    const LOCK: &str = "web/package-lock.json";
    let Some(file) = tree.file(LOCK) else { return Vec::new() };
    let Ok(lock) = serde_json::from_str::<serde_json::Value>(&file.text) else {
        return vec![Fault::new(LOCK, 1, "not JSON", "run npm install in web")];
    };
    let packages = lock["packages"].as_object().into_iter().flatten();
    packages
        .filter(|(path, _)| !path.is_empty())
        .filter_map(|(path, package)| {
            let name = path.rsplit("node_modules/").next().unwrap_or(path);
            refuse(LOCK, name, package["license"].as_str().unwrap_or("(none stated)"))
        })
        .collect()
}

fn refuse(path: &str, package: &str, licence: &str) -> Option<Fault> {
    (!is_allowed(licence)).then(|| {
        Fault::new(
            path,
            1,
            format!("{package} is under {licence}"),
            "use another library, or allow the licence in xtask/src/tidy/licences.rs with a decision page",
        )
    })
}

/// Whether a licence expression can be met: one side of each OR, both sides of each AND.
fn is_allowed(expression: &str) -> bool {
    // Older packages write a slash for OR.
    let expression = expression.replace('/', " OR ");
    let expression = outer(expression.trim());
    let options = split(expression, " OR ");
    if options.len() > 1 {
        return options.into_iter().any(is_allowed);
    }
    let parts = split(expression, " AND ");
    if parts.len() > 1 {
        return parts.into_iter().all(is_allowed);
    }
    ALLOWED.contains(&expression.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
}

/// The text without parentheses around the whole of it.
fn outer(text: &str) -> &str {
    let Some(inner) = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) else {
        return text;
    };
    let mut depth = 1;
    for letter in inner.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text;
        }
    }
    outer(inner.trim())
}

/// Splits at an operator that stands outside parentheses.
fn split<'a>(text: &'a str, operator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ' ' if depth == 0 && index >= start && text[index..].starts_with(operator) => {
                parts.push(text[start..index].trim());
                start = index + operator.len();
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::is_allowed;

    #[test]
    fn expressions_are_read_as_the_standard_says() {
        assert!(is_allowed("MIT OR Apache-2.0"));
        assert!(is_allowed("Unlicense/MIT"));
        assert!(is_allowed("GPL-3.0 OR MIT"));
        assert!(is_allowed("(MIT OR GPL-2.0) AND Unicode-3.0"));
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT"));
        assert!(!is_allowed("MIT AND GPL-3.0"));
        assert!(!is_allowed("(MIT AND GPL-2.0) OR AGPL-3.0"));
        assert!(!is_allowed("AGPL-3.0-only"));
        assert!(!is_allowed(""));
    }

    #[test]
    fn a_crate_under_another_licence_is_named() {
        let cargo_metadata = r#"{"packages":[
            {"name":"ours","version":"0.1.0","license":null,"source":null},
            {"name":"good","version":"1.0.0","license":"MIT","source":"registry"},
            {"name":"evalexpr","version":"13.0.0","license":"AGPL-3.0-only","source":"registry"},
            {"name":"mute","version":"1.0.0","license":null,"source":"registry"}]}"#;
        let mut tree = Tree::default();
        tree.cargo_metadata = cargo_metadata.to_owned();
        let whats: Vec<_> = super::check(&tree).into_iter().map(|fault| fault.what).collect();
        assert_eq!(
            whats,
            ["evalexpr 13.0.0 is under AGPL-3.0-only", "mute 1.0.0 is under (none stated)"]
        );
    }

    #[test]
    fn a_package_of_the_web_under_another_licence_is_named() {
        let lock = r#"{"packages":{"":{"name":"web"},"node_modules/vue":{"license":"MIT"},
            "node_modules/a/node_modules/viral":{"license":"GPL-3.0"}}}"#;
        let faults = super::check(&Tree::of(&[("web/package-lock.json", lock)]));
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].what, "viral is under GPL-3.0");
    }
}
