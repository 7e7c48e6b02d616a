//! `responsibility.toml` of a city's pack to [`Responsibilities`], with file, line and fix for every
//! fault: area by case type by owner of the thing, which kind of agency answers. Without the file the
//! lead of the case type does.
//!
//! Not here: finding the row of a case (`engine::case::Responsible`).

use serde::Deserialize;

use super::AgencyKind;
use crate::pack::document::Document;
use crate::pack::parse::{Faults, toml_file};
use crate::pack::shape::{Of, Shape, TEXT, may, must};
use crate::{AreaCode, Text};

/// The file's name.
pub const RESPONSIBILITY_FILE: &str = "responsibility.toml";

const SHAPE: Shape =
    Shape { keys: &[may("owner", Of::Tables(&OWNER)), may("row", Of::Tables(&ROW))] };
const OWNER: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("municipal", Of::Bool),
        must("words", Of::List(&Of::Line)),
    ],
};
const ROW: Shape = Shape {
    keys: &[
        may("area", Of::Line),
        may("cases", Of::List(&Of::Id)),
        may("owner", Of::Id),
        must("agency", Of::Id),
        must("why", Of::Table(&TEXT)),
        must("source", Of::Line),
    ],
};

/// Who may own the things that cases are about, and who answers for what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Responsibilities {
    /// Owners 权属单位.
    #[serde(default, rename = "owner")]
    pub owners: Vec<Owner>,
    /// The table; of the rows that fit a case the most special one holds.
    #[serde(default, rename = "row")]
    pub rows: Vec<Responsibility>,
}

/// An owner 权属单位 of things in the street (`[[owner]]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Owner {
    /// `telecom`.
    pub id: String,
    /// Its name.
    pub name: Text,
    /// False for owners outside the city's government: power, telecom, railway.
    pub municipal: bool,
    /// Words in a report that name it, in small letters.
    pub words: Vec<String>,
}

/// A row of the table 职责表 (`[[row]]`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Responsibility {
    /// Only in this area and below.
    pub area: Option<AreaCode>,
    /// Only these case types; none: all.
    #[serde(default)]
    pub cases: Vec<String>,
    /// Only when the report names this owner.
    pub owner: Option<String>,
    /// The kind of agency that answers; the nearest of that kind.
    pub agency: String,
    /// Why, for whoever sends the case.
    pub why: Text,
    /// Where that is laid down.
    pub source: String,
}

/// Reads the file, if there is one; `None` after a fault.
pub(super) fn read(
    files: &[(String, String)],
    kinds: &[AgencyKind],
    faults: &mut Faults,
) -> Option<Responsibilities> {
    if !files.iter().any(|(file, _)| file == RESPONSIBILITY_FILE) {
        return Some(Responsibilities::default());
    }
    let (table, document) =
        toml_file::<Responsibilities>(files, RESPONSIBILITY_FILE, &SHAPE, faults)?;
    let mut check = Check { document: &document, faults, sound: true };
    for (index, owner) in table.owners.iter().enumerate() {
        if table.owners[..index].iter().any(|other| other.id == owner.id) {
            check.fault("owner", index, "id", &owner.id, TWICE);
        }
        if let Some(word) = owner.words.iter().find(|word| **word != word.to_lowercase()) {
            check.fault("owner", index, "words", word, NOT_SMALL);
        }
    }
    for (index, row) in table.rows.iter().enumerate() {
        if row.cases.is_empty() && row.owner.is_none() {
            check.fault("row", index, "agency", &row.agency, EVERYTHING);
        }
        if let Some(owner) = &row.owner
            && !table.owners.iter().any(|known| known.id == *owner)
        {
            check.fault("row", index, "owner", owner, NO_OWNER);
        }
        if !kinds.iter().any(|kind| kind.id == row.agency) {
            check.fault("row", index, "agency", &row.agency, NO_KIND);
        }
        for case in &row.cases {
            let before = table.rows[..index].iter();
            let alike = |other: &&Responsibility| {
                other.cases.contains(case) && other.owner == row.owner && other.area == row.area
            };
            if before.filter(alike).count() > 0 {
                check.fault("row", index, "cases", case, TWICE);
            }
        }
    }
    check.sound.then_some(table)
}

/// What is wrong with a value, and how to mend it, in Chinese and English.
type Wrong = [&'static str; 4];

const TWICE: Wrong =
    ["重复", "comes twice", "删去一处，或加以区分", "remove one of them, or tell them apart"];
const NOT_SMALL: Wrong =
    ["含有大写字母", "has capital letters", "改用小写", "write it in small letters"];
const EVERYTHING: Wrong = [
    "这一行既不限案件类型也不限权属，会覆盖所有类型的主责单位",
    "is given everything: the row names neither case types nor an owner",
    "写上 cases 或 owner",
    "write `cases` or `owner`",
];
const NO_OWNER: Wrong =
    ["没有声明该权属单位", "is no declared owner", "先写 [[owner]]", "declare it as an [[owner]]"];
const NO_KIND: Wrong = [
    "没有这一类责任单位",
    "is no kind of agency here",
    "在 city.toml 中写 [[agency_kind]]",
    "write it as an [[agency_kind]] in city.toml",
];

struct Check<'a> {
    document: &'a Document<'a>,
    faults: &'a mut Faults,
    sound: bool,
}

impl Check<'_> {
    fn fault(&mut self, list: &str, index: usize, key: &str, value: &str, wrong: Wrong) {
        let [zh, en, fix_zh, fix_en] = wrong;
        let line = self.document.line(list, index, key);
        let what = (format!("`{value}` {zh}"), format!("`{value}` {en}"));
        self.faults.add(RESPONSIBILITY_FILE, line, what, (fix_zh, fix_en));
        self.sound = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tier;

    const GOOD: &str = r#"
[[owner]]
id = "telecom"
name = { zh = "通信企业", en = "Telecom companies" }
municipal = false
words = ["电信"]

[[row]]
cases = ["manhole_missing"]
owner = "telecom"
agency = "telecom_company"
why = { zh = "谁所有谁负责", en = "Whose it is, mends it" }
source = "made for a test"
"#;

    fn kinds() -> Vec<AgencyKind> {
        vec![AgencyKind {
            id: "telecom_company".into(),
            name: Text::new("{area}通信公司", "{area} Telecom"),
            tier: Tier::District,
            hours: None,
        }]
    }

    /// Lines and words of the faults after one replacement in a good file.
    fn check(from: &str, to: &str) -> Vec<(u32, String)> {
        assert!(GOOD.contains(from), "{from}");
        let files = [(RESPONSIBILITY_FILE.to_owned(), GOOD.replacen(from, to, 1))];
        let mut faults = Faults::default();
        assert!(read(&files, &kinds(), &mut faults).is_none());
        faults.sorted().into_iter().map(|fault| (fault.line, fault.what.en)).collect()
    }

    #[test]
    fn a_good_table_reads_and_none_is_an_empty_one() {
        let files = [(RESPONSIBILITY_FILE.to_owned(), GOOD.to_owned())];
        let table = read(&files, &kinds(), &mut Faults::default()).unwrap();
        assert_eq!((table.owners.len(), table.rows.len()), (1, 1));
        assert!(!table.owners[0].municipal);
        let none = read(&[], &kinds(), &mut Faults::default()).unwrap();
        assert_eq!(none, Responsibilities::default());
    }

    #[test]
    fn faults_name_their_line_and_what_is_wrong() {
        let one = |line: u32, what: &str| vec![(line, what.to_owned())];
        assert_eq!(
            check("owner = \"telecom\"", "owner = \"rail\""),
            one(10, "`rail` is no declared owner")
        );
        assert_eq!(
            check("agency = \"telecom_company\"", "agency = \"post\""),
            one(11, "`post` is no kind of agency here")
        );
        assert_eq!(check("\"电信\"", "\"电信\", \"CTC\""), one(6, "`CTC` has capital letters"));
        assert_eq!(
            check("cases = [\"manhole_missing\"]\nowner = \"telecom\"\n", ""),
            one(
                9,
                "`telecom_company` is given everything: the row names neither case types nor an owner"
            )
        );
        let again = format!("{}\n[[row]]", GOOD.split_once("[[row]]").unwrap().1);
        assert_eq!(
            check("[[row]]", &format!("[[row]]{again}")),
            one(16, "`manhole_missing` comes twice")
        );
    }
}
