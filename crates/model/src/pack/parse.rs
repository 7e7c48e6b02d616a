//! Pack texts to [`Pack`], with file, line and fix for every fault.
//!
//! Three passes, each only over what the one before found sound: TOML (`document`), keys and single
//! values (`shape`), values against each other (`check`). Not here: expressions and references to
//! other packs, which `engine::catalog` checks.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::document::Document;
use super::shape::{self, Shape, did_you_mean, nearest};
use super::{
    CaseType, Indicator, Kind, Layer, Pack, PackFault, PackHead, Plan, Procedure, Rule, Scenario,
    TransitFeed, check,
};
use crate::Text;

/// The files a pack may have besides `scenarios/*.txt`.
const FILES: [&str; 8] = [
    "pack.toml",
    "kinds.toml",
    "indicators.toml",
    "rules.toml",
    "cases.toml",
    "layers.toml",
    "feeds.toml",
    "README.md",
];

/// Reads a pack from the texts of its files (path relative to the pack's folder, content).
///
/// # Errors
/// Every fault found: bad TOML, unknown key (with the nearest known one), missing file, a value out
/// of its range.
pub fn parse(files: &[(String, String)]) -> Result<Pack, Vec<PackFault>> {
    let mut faults = Faults::default();
    let head: Option<(HeadFile, Document<'_>)> =
        toml_file(files, "pack.toml", &shape::PACK, &mut faults);
    let kinds = list::<KindFile>(files, "kinds.toml", &shape::KINDS, &mut faults);
    let indicators =
        list::<IndicatorFile>(files, "indicators.toml", &shape::INDICATORS, &mut faults);
    let rules = list::<RuleFile>(files, "rules.toml", &shape::RULES, &mut faults);
    let cases = list::<CaseFile>(files, "cases.toml", &shape::CASES, &mut faults);
    let layers = list::<LayerFile>(files, "layers.toml", &shape::LAYERS, &mut faults);
    let feeds = list::<FeedFile>(files, "feeds.toml", &shape::FEEDS, &mut faults);
    let readme = readme(files, &mut faults);
    let scenarios = other_files(files, &mut faults);

    let parts = check::Parts {
        head: head.as_ref().map(|(file, document)| (&file.pack, document)),
        kinds: kinds.as_ref().map(|(file, document)| (&file.kind[..], document.as_ref())),
        indicators: indicators.as_ref().map(|(f, document)| (&f.indicator[..], document.as_ref())),
        rules: rules.as_ref().map(|(file, document)| (&file.rule[..], document.as_ref())),
        cases: cases.as_ref().map(|(file, document)| (&file.case[..], document.as_ref())),
        layers: layers.as_ref().map(|(file, document)| (&file.layer[..], document.as_ref())),
        feeds: feeds.as_ref().map(|(file, document)| (&file.feed[..], document.as_ref())),
    };
    check::check(&parts, &mut faults);

    match (faults.list.is_empty(), head, kinds, indicators, rules, cases, layers, feeds) {
        (
            true,
            Some(head),
            Some(kinds),
            Some(indicators),
            Some(rules),
            Some(cases),
            Some(layers),
            Some(feeds),
        ) => Ok(Pack {
            head: head.0.pack,
            kinds: kinds.0.kind,
            indicators: indicators.0.indicator,
            rules: rules.0.rule,
            case_types: cases.0.case,
            procedures: cases.0.procedure,
            plans: cases.0.plan,
            layers: layers.0.layer,
            feeds: feeds.0.feed,
            scenarios,
            readme,
            texts: files.iter().filter(|(name, _)| is_toml(name)).cloned().collect(),
        }),
        _ => Err(faults.sorted()),
    }
}

fn is_toml(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "toml")
}

/// Faults as they are found.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<PackFault>,
}

impl Faults {
    /// Adds one; `what` and `fix` in Chinese and English.
    pub(crate) fn add(
        &mut self,
        file: &str,
        line: u32,
        what: (impl Into<String>, impl Into<String>),
        fix: (impl Into<String>, impl Into<String>),
    ) {
        self.list.push(PackFault {
            file: file.to_owned(),
            line,
            what: Text::new(what.0, what.1),
            fix: Text::new(fix.0, fix.1),
        });
    }

    /// By file in the order of [`FILES`], then by line.
    pub(crate) fn sorted(mut self) -> Vec<PackFault> {
        let place = |file: &str| FILES.iter().position(|f| *f == file).unwrap_or(FILES.len());
        self.list.sort_by(|a, b| {
            (place(&a.file), &a.file, a.line).cmp(&(place(&b.file), &b.file, b.line))
        });
        self.list
    }
}

#[derive(Deserialize)]
struct HeadFile {
    pack: PackHead,
}

#[derive(Deserialize, Default)]
struct KindFile {
    kind: Vec<Kind>,
}

#[derive(Deserialize, Default)]
struct IndicatorFile {
    indicator: Vec<Indicator>,
}

#[derive(Deserialize, Default)]
struct RuleFile {
    rule: Vec<Rule>,
}

#[derive(Deserialize, Default)]
struct CaseFile {
    case: Vec<CaseType>,
    #[serde(default)]
    procedure: Vec<Procedure>,
    #[serde(default)]
    plan: Vec<Plan>,
}

#[derive(Deserialize, Default)]
struct LayerFile {
    layer: Vec<Layer>,
}

#[derive(Deserialize, Default)]
struct FeedFile {
    feed: Vec<TransitFeed>,
}

/// A file that a pack may leave out: then it is as if it were empty. `None` after a fault.
fn list<'t, T: DeserializeOwned + Default>(
    files: &'t [(String, String)],
    name: &'static str,
    shape: &Shape,
    faults: &mut Faults,
) -> Option<(T, Option<Document<'t>>)> {
    if !files.iter().any(|(file, _)| file == name) {
        return Some((T::default(), None));
    }
    toml_file(files, name, shape, faults).map(|(value, document)| (value, Some(document)))
}

/// Reads one TOML file through its shape and into its struct.
pub(crate) fn toml_file<'t, T: DeserializeOwned>(
    files: &'t [(String, String)],
    name: &'static str,
    shape: &Shape,
    faults: &mut Faults,
) -> Option<(T, Document<'t>)> {
    let Some((file, text)) = files.iter().find(|(file, _)| file == name) else {
        faults.add(
            name,
            0,
            (format!("缺少文件 {name}"), format!("the file {name} is missing")),
            (
                "用 `chengmai pack new` 生成一个样板再改".to_owned(),
                "start from what `chengmai pack new` writes".to_owned(),
            ),
        );
        return None;
    };
    let document = match Document::read(file, text) {
        Ok(document) => document,
        Err(found) => {
            faults.list.extend(found);
            return None;
        }
    };
    let before = faults.list.len();
    shape::walk(&document, shape, faults);
    if faults.list.len() > before {
        return None;
    }
    match toml::from_str(text) {
        Ok(value) => Some((value, document)),
        Err(error) => {
            let line = error.span().map_or(0, |span| document.line_at(span.start));
            let message = error.message();
            faults.add(
                file,
                line,
                (format!("无法读取：{message}"), format!("cannot be read: {message}")),
                ("按说明改正该值", "mend the value as it says"),
            );
            None
        }
    }
}

fn readme(files: &[(String, String)], faults: &mut Faults) -> String {
    let text = files.iter().find(|(file, _)| file == "README.md").map(|(_, text)| text.clone());
    let text = text.unwrap_or_default();
    if text.trim().is_empty() {
        faults.add(
            "README.md",
            0,
            ("缺少说明文件 README.md", "there is no README.md"),
            (
                "写明本包做什么、每个数值的出处（中英文）",
                "say what the pack does and where every number comes from, in Chinese and English",
            ),
        );
    }
    text
}

/// The scenarios; every file a pack does not know is a fault, since it would be ignored in silence.
fn other_files(files: &[(String, String)], faults: &mut Faults) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (path, text) in files.iter().filter(|(path, _)| !FILES.contains(&path.as_str())) {
        let scenario = path
            .strip_prefix("scenarios/")
            .filter(|name| !name.contains('/') && name.to_ascii_lowercase().ends_with(".txt"));
        match scenario {
            Some(name) if text.trim().is_empty() => faults.add(
                path,
                0,
                (format!("情景 {name} 是空的"), format!("the scenario {name} is empty")),
                ("写出情景，或删去该文件", "write the scenario, or delete the file"),
            ),
            Some(name) => {
                scenarios.push(Scenario { file: name.to_owned(), text: text.clone() });
            }
            None => {
                let list = FILES.join(", ");
                let fix = did_you_mean(
                    nearest(path, FILES.into_iter()),
                    (
                        format!("场景包只有这些文件：{list}, scenarios/*.txt"),
                        format!("a pack has only these files: {list}, scenarios/*.txt"),
                    ),
                );
                let what = (format!("未知的文件 {path}"), format!("unknown file {path}"));
                faults.add(path, 0, what, fix);
            }
        }
    }
    scenarios.sort_by(|a, b| a.file.cmp(&b.file));
    scenarios
}

#[cfg(test)]
mod tests;
