//! One word for one thing: every public type of `model` stands in docs/GLOSSARY.md, once.

use std::collections::{BTreeMap, BTreeSet};

use super::Fault;
use super::tree::{File, Tree};

const GLOSSARY: &str = "docs/GLOSSARY.md";

/// Columns of a glossary row: Chinese, English, identifier, the standard's term.
const COLUMNS: usize = 4;

pub(super) fn check(tree: &Tree) -> Vec<Fault> {
    let Some(glossary) = tree.file(GLOSSARY) else {
        return vec![Fault::new(GLOSSARY, 1, "there is no glossary", "write it")];
    };
    let rows = rows(glossary);
    let known: BTreeSet<&str> = rows.iter().flat_map(|row| identifiers(row.identifier)).collect();
    let mut faults = shape(glossary, &rows);
    for file in tree.with_extension(&["rs"]) {
        if !file.path.starts_with("crates/model/src/") || tree.is_test_only(&file.path) {
            continue;
        }
        let mut in_words = false;
        for (number, line) in file.code() {
            let name = if in_words { said_by_words(line) } else { public_type(line) };
            in_words = line.trim() == WORDS || (in_words && name.is_none());
            if let Some(name) = name.filter(|name| !known.contains(name)) {
                faults.push(Fault::new(
                    &file.path,
                    number,
                    format!("{name} is not in the glossary"),
                    format!("add a row with `{name}` in the identifier column of {GLOSSARY}"),
                ));
            }
        }
    }
    for row in &rows {
        for name in identifiers(row.identifier).filter(|name| is_type_name(name)) {
            if !is_used(tree, name) {
                faults.push(Fault::new(
                    GLOSSARY,
                    row.line,
                    format!("`{name}` is no type of ours any more"),
                    "rename it as the code did, or delete the row",
                ));
            }
        }
    }
    faults
}

struct Row<'a> {
    line: usize,
    chinese: &'a str,
    identifier: &'a str,
    cells: usize,
}

/// The rows of all tables, without their heads.
fn rows(glossary: &File) -> Vec<Row<'_>> {
    let is_head =
        |cells: &[&str]| cells.iter().all(|cell| cell.starts_with("--")) || cells[0] == "中文";
    glossary
        .lines()
        .filter_map(|(line, text)| {
            let inner = text.strip_prefix('|')?.strip_suffix('|')?;
            let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
            let identifier = cells.get(2).copied().unwrap_or_default();
            (!is_head(&cells)).then(|| Row {
                line,
                chinese: cells[0],
                identifier,
                cells: cells.len(),
            })
        })
        .collect()
}

/// Faults of the table itself: a row too short, or one Chinese word that means two things.
fn shape(glossary: &File, rows: &[Row<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        if row.cells != COLUMNS {
            let what = format!("{} columns, {COLUMNS} expected", row.cells);
            let mend = "write 中文, English, identifier, standard's term";
            faults.push(Fault::new(&glossary.path, row.line, what, mend));
        }
        if let Some(first) = seen.insert(row.chinese, row.line) {
            faults.push(Fault::new(
                &glossary.path,
                row.line,
                format!("{} already stands on line {first}", row.chinese),
                "keep one row a word, with all its identifiers",
            ));
        }
    }
    faults
}

/// The words in backticks of a cell.
fn identifiers(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn is_type_name(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
        && name.chars().all(char::is_alphanumeric)
}

/// The name after `pub struct`, `pub enum`, `pub type`, `pub trait`.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("pub ")?;
    let rest = ["struct ", "enum ", "type ", "trait "]
        .iter()
        .find_map(|keyword| rest.strip_prefix(keyword))?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    Some(&rest[..end.unwrap_or(rest.len())]).filter(|name| !name.is_empty())
}

/// How an enum whose values have words begins (`model::words`); its name is on a line of its own.
const WORDS: &str = "words! {";

/// The name in `Name {`.
fn said_by_words(line: &str) -> Option<&str> {
    let name = line.trim().strip_suffix('{')?.trim_end();
    // In the arms of another macro the values follow on the same line.
    let name = name.split_once(" {").map_or(name, |(name, _)| name);
    is_type_name(name).then_some(name)
}

fn is_used(tree: &Tree, name: &str) -> bool {
    let defined = |line: &str| {
        said_by_words(line.split_inclusive('{').next().unwrap_or_default()) == Some(name)
            || is_defined(line, name)
    };
    tree.with_extension(&["rs"])
        .filter(|file| file.path.starts_with("crates/"))
        .any(|file| file.text.lines().any(defined))
}

fn is_defined(line: &str, name: &str) -> bool {
    ["struct ", "enum ", "type ", "trait "].iter().any(|keyword| {
        line.split_once(keyword).is_some_and(|(_, rest)| {
            rest.strip_prefix(name)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;

    const HEAD: &str = "| 中文 | English | identifier | standard |\n| --- | --- | --- | --- |\n";

    fn whats(rows: &str, code: &str) -> Vec<String> {
        let glossary = format!("{HEAD}{rows}");
        let tree = Tree::of(&[("docs/GLOSSARY.md", &glossary), ("crates/model/src/area.rs", code)]);
        super::check(&tree).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn a_type_with_a_row_passes() {
        assert_eq!(whats("| 区域 | area | `Area` | x |\n", "pub struct Area {\n"), [""; 0]);
    }

    #[test]
    fn a_public_type_without_a_row_is_refused() {
        let faults = whats("| 区域 | area | `Area` | x |\n", "struct Area;\npub enum Tier {\n");
        assert_eq!(faults, ["Tier is not in the glossary"]);
        let faults = whats("", "pub type Streams<T> = Vec<T>;\n");
        assert_eq!(faults, ["Streams is not in the glossary"]);
    }

    #[test]
    fn an_enum_whose_values_have_words_needs_a_row_too() {
        let code = "words! {\n    /// Where.\n    Tier {\n        City = \"city\",\n    }\n}\n";
        assert_eq!(whats("| 区域 | area | `Area` | x |\n", code)[0], "Tier is not in the glossary");
        assert_eq!(whats("| 层级 | tier | `Tier` | x |\n", code), [""; 0]);
    }

    #[test]
    fn a_word_in_prose_is_not_a_row() {
        assert_eq!(whats("`Tier` is a tier.\n", "pub enum Tier {}\n").len(), 1);
    }

    #[test]
    fn a_row_whose_type_is_gone_is_refused() {
        let faults = whats("| 区域 | area | `Area` `area_code` | x |\n", "");
        assert_eq!(faults, ["`Area` is no type of ours any more"]);
    }

    #[test]
    fn two_rows_for_one_word_are_refused() {
        let rows = "| 区域 | area | `area` | x |\n| 区域 | region | `region` | x |\n";
        assert_eq!(whats(rows, ""), ["区域 already stands on line 3"]);
    }

    #[test]
    fn a_row_with_a_missing_column_is_refused() {
        assert_eq!(whats("| 区域 | area | `area` |\n", ""), ["3 columns, 4 expected"]);
    }

    #[test]
    fn a_missing_glossary_is_refused() {
        assert_eq!(super::check(&Tree::default()).len(), 1);
    }
}
