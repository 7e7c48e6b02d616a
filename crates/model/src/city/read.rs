//! `pack.toml` and `city.toml` to [`City`], with file, line and fix for every fault.
//!
//! It reads as other packs are read: first TOML, then keys and single values, then values against
//! each other. Not here: the area files.

use serde::Deserialize;

use super::{
    AgencyKind, AreaFiles, City, CityAlarms, CityHead, EnglishName, Publisher, Section,
    SeverityName, TierName, calendar, responsibility,
};
use crate::area::{Overlay, Recoded};
use crate::pack::PackFault;
use crate::pack::document::Document;
use crate::pack::parse::{Faults, toml_file};
use crate::pack::rating;
use crate::pack::shape::{Of, Shape, TEXT, TIER, may, must};
use crate::{AreaCode, Severity, Text};

const FILE: &str = "city.toml";

const HEAD_FILE: Shape = Shape { keys: &[must("pack", Of::Table(&HEAD))] };
const HEAD: Shape = Shape {
    keys: &[must("id", Of::Id), must("version", Of::Version), must("name", Of::Table(&TEXT))],
};
const CITY_FILE: Shape = Shape {
    keys: &[
        must("city", Of::Table(&CITY)),
        must("tier", Of::Tables(&TIER_NAME)),
        must("section", Of::Tables(&SECTION)),
        must("severity", Of::Tables(&SEVERITY)),
        may("overlay", Of::Tables(&OVERLAY)),
        may("recoded", Of::Tables(&RECODED)),
        must("agency_kind", Of::Tables(&AGENCY_KIND)),
        may("english", Of::Tables(&ENGLISH)),
        must("areas", Of::Table(&AREAS)),
        may("alarms", Of::Table(&ALARMS)),
        may("publisher", Of::Table(&PUBLISHER)),
    ],
};
const PUBLISHER: Shape = Shape {
    keys: &[may("name", Of::Table(&TEXT)), may("contact", Of::Line), may("licence", Of::Line)],
};
const ALARMS: Shape = Shape {
    keys: &[
        may("operator", TIER),
        may("shelf_max", Of::Duration),
        may("reopen", Of::Duration),
        may("collapse_begins", Of::Integer(1, 1_000)),
        may("collapse_ends", Of::Integer(1, 1_000)),
    ],
};
const CITY: Shape = Shape {
    keys: &[
        must("name", Of::Table(&TEXT)),
        must("root", Of::Line),
        must("time_zone", Of::Line),
        must("languages", Of::List(&Of::Line)),
    ],
};
const TIER_NAME: Shape = Shape {
    keys: &[must("id", TIER), must("name", Of::Table(&TEXT)), must("digits", Of::Integer(1, 32))],
};
const SECTION: Shape = Shape { keys: &[must("id", Of::Id), must("name", Of::Table(&TEXT))] };
const SEVERITY: Shape =
    Shape { keys: &[must("severity", Of::Integer(1, 4)), must("name", Of::Table(&TEXT))] };
const OVERLAY: Shape = Shape {
    keys: &[
        must("code", Of::Line),
        must("name", Of::Table(&TEXT)),
        must("members", Of::List(&Of::Line)),
    ],
};
const RECODED: Shape = Shape {
    keys: &[
        must("old", Of::Line),
        must("old_name", Of::Line),
        must("new", Of::Line),
        must("new_name", Of::Line),
        must("source", Of::Line),
    ],
};
const AGENCY_KIND: Shape = Shape {
    keys: &[
        must("id", Of::Id),
        must("name", Of::Table(&TEXT)),
        must("tier", TIER),
        may("hours", Of::Hours),
    ],
};
const ENGLISH: Shape = Shape { keys: &[must("code", Of::Line), must("name", Of::Line)] };
const AREAS: Shape = Shape {
    keys: &[
        must("valid_from", Of::Line),
        may("endings", Of::Tables(&ENDING)),
        must("source", Of::Line),
    ],
};
const ENDING: Shape = Shape { keys: &[must("id", Of::Id), must("text", Of::Line)] };

#[derive(Deserialize)]
struct HeadFile {
    pack: CityHead,
}

#[derive(Deserialize)]
struct CityFile {
    city: Names,
    tier: Vec<TierName>,
    section: Vec<Section>,
    severity: Vec<SeverityName>,
    #[serde(default)]
    overlay: Vec<Overlay>,
    #[serde(default)]
    recoded: Vec<Recoded>,
    agency_kind: Vec<AgencyKind>,
    #[serde(default)]
    english: Vec<EnglishName>,
    areas: AreaFiles,
    #[serde(default)]
    alarms: CityAlarms,
    #[serde(default)]
    publisher: Publisher,
}

#[derive(Deserialize)]
struct Names {
    name: Text,
    root: AreaCode,
    time_zone: String,
    languages: Vec<String>,
}

pub(super) fn read(files: &[(String, String)]) -> Result<City, Vec<PackFault>> {
    let mut faults = Faults::default();
    let head = toml_file::<HeadFile>(files, "pack.toml", &HEAD_FILE, &mut faults);
    let city = toml_file::<CityFile>(files, FILE, &CITY_FILE, &mut faults);
    if let Some((city, document)) = &city {
        check(city, document, &mut faults);
    }
    let zone = city.as_ref().and_then(|(city, document)| zone(city, document, &mut faults));
    let calendar = calendar::read(files, &zone.unwrap_or(jiff::tz::TimeZone::UTC), &mut faults);
    let ratings = rating::read(files, &mut faults);
    let kinds = city.as_ref().map_or(&[][..], |(city, _)| &city.agency_kind);
    let table = responsibility::read(files, kinds, &mut faults);
    let found = faults.sorted();
    match (head, city, ratings, table) {
        (Some((head, _)), Some((city, _)), Some(ratings), Some(responsibilities))
            if found.is_empty() =>
        {
            Ok(City {
                head: head.pack,
                name: city.city.name,
                root: city.city.root,
                time_zone: city.city.time_zone,
                languages: city.city.languages,
                tiers: city.tier,
                sections: city.section,
                severities: city.severity,
                overlays: city.overlay,
                recoded: city.recoded,
                agency_kinds: city.agency_kind,
                english: city.english,
                areas: city.areas,
                alarms: city.alarms,
                publisher: city.publisher,
                calendar,
                ratings,
                responsibilities,
            })
        }
        _ => Err(found),
    }
}

fn check(city: &CityFile, document: &Document<'_>, faults: &mut Faults) {
    check_tiers(city, document, faults);
    check_severities(city, document, faults);
    check_publisher(city, document, faults);
    let ids = |list: &'static str, key: &'static str, ids: Vec<&str>, faults: &mut Faults| {
        for (index, id) in ids.iter().enumerate() {
            if ids[..index].contains(id) {
                faults.add(
                    FILE,
                    document.line(list, index, key),
                    (format!("`{id}` 重复"), format!("`{id}` comes twice")),
                    ("改用别的标识，或删去一处", "choose another, or remove one of them"),
                );
            }
        }
    };
    ids("section", "id", city.section.iter().map(|s| s.id.as_str()).collect(), faults);
    ids("agency_kind", "id", city.agency_kind.iter().map(|k| k.id.as_str()).collect(), faults);
    ids("overlay", "code", city.overlay.iter().map(|o| o.code.as_str()).collect(), faults);
    ids("recoded", "old", city.recoded.iter().map(|r| r.old.as_str()).collect(), faults);
    ids("english", "code", city.english.iter().map(|e| e.code.as_str()).collect(), faults);
    for (index, kind) in city.agency_kind.iter().enumerate() {
        if !kind.name.zh.contains("{area}") || !kind.name.en.contains("{area}") {
            faults.add(
                FILE,
                document.line("agency_kind", index, "name"),
                (
                    format!("`{}` 的名称没有 {{area}}，各区域的单位将同名", kind.id),
                    format!("the name of `{}` lacks {{area}}: all areas' would be alike", kind.id),
                ),
                (
                    "中英文名称都写上 {area}，例如 \"{area}燃气公司\"",
                    "write {area} into both, for example \"{area} Gas Company\"",
                ),
            );
        }
    }
}

/// The city's zone, when there is one of that name.
fn zone(
    city: &CityFile,
    document: &Document<'_>,
    faults: &mut Faults,
) -> Option<jiff::tz::TimeZone> {
    let name = &city.city.time_zone;
    let zone = jiff::tz::TimeZone::get(name).ok();
    if zone.is_none() {
        faults.add(
            FILE,
            document.line("city", 0, "time_zone"),
            (format!("没有时区 `{name}`"), format!("there is no time zone `{name}`")),
            (
                "写 IANA 名称，例如 \"Asia/Shanghai\"",
                "write an IANA name such as \"Asia/Shanghai\"",
            ),
        );
    }
    zone
}

/// What stands there goes out as an address, to be followed by programs.
fn check_publisher(city: &CityFile, document: &Document<'_>, faults: &mut Faults) {
    let is_address = |text: &str| {
        let rest = text.strip_prefix("mailto:").or_else(|| text.strip_prefix("https://"));
        rest.is_some_and(|rest| {
            let plain = |b: u8| b.is_ascii_graphic() && !b"<>\"{}|\\^`".contains(&b);
            !rest.is_empty() && rest.bytes().all(plain)
        })
    };
    let publisher = &city.publisher;
    for (key, value) in [("contact", &publisher.contact), ("licence", &publisher.licence)] {
        if let Some(text) = value.as_deref().filter(|text| !is_address(text)) {
            faults.add(
                FILE,
                document.line("publisher", 0, key),
                (format!("`{text}` 不是地址"), format!("`{text}` is no address")),
                (
                    "以 `mailto:` 或 `https://` 开头，不含空格",
                    "begin it with `mailto:` or `https://`, without blanks",
                ),
            );
        }
    }
}

/// Top down, codes longer from tier to tier, the root's length that of the first.
fn check_tiers(city: &CityFile, document: &Document<'_>, faults: &mut Faults) {
    for (index, pair) in city.tier.windows(2).enumerate() {
        if pair[1].id <= pair[0].id || pair[1].digits <= pair[0].digits {
            faults.add(
                FILE,
                document.line("tier", index + 1, "id"),
                (
                    format!("层级 {} 不在 {} 之下", pair[1].id.word(), pair[0].id.word()),
                    format!("tier {} is not below {}", pair[1].id.word(), pair[0].id.word()),
                ),
                (
                    "自上而下列出层级，代码逐级加长",
                    "list the tiers from the top down, with longer codes at each",
                ),
            );
        }
    }
    let digits = city.tier.first().map_or(0, |tier| tier.digits);
    if digits != city.city.root.as_str().len() {
        faults.add(
            FILE,
            document.line("tier", 0, "digits"),
            (
                format!("城市代码 {} 不是 {digits} 位", city.city.root),
                format!("the city's code {} has not {digits} digits", city.city.root),
            ),
            ("改正 root 或第一层级的 digits", "mend `root` or the first tier's `digits`"),
        );
    }
}

fn check_severities(city: &CityFile, document: &Document<'_>, faults: &mut Faults) {
    let given: Vec<Severity> = city.severity.iter().map(|s| s.severity).collect();
    if given != Severity::ALL {
        faults.add(
            FILE,
            document.line("severity", 0, "severity"),
            (
                "四个等级的名称不全或次序不对",
                "the names of the four severities are not all there in order",
            ),
            ("依次写出 1、2、3、4 级", "write severities 1, 2, 3 and 4 in this order"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[city]
name = { zh = "小城", en = "Smallville" }
root = "50"
time_zone = "Asia/Shanghai"
languages = ["zh-CN", "en"]

[areas]
valid_from = "2023-06-30"
source = "made for a test"

[[tier]]
id = "city"
name = { zh = "市", en = "City" }
digits = 2
[[tier]]
id = "district"
name = { zh = "区", en = "District" }
digits = 4

[[section]]
id = "facility_operation"
name = { zh = "设施运行", en = "Facilities" }

[[severity]]
severity = 1
name = { zh = "蓝", en = "Blue" }
[[severity]]
severity = 2
name = { zh = "黄", en = "Yellow" }
[[severity]]
severity = 3
name = { zh = "橙", en = "Orange" }
[[severity]]
severity = 4
name = { zh = "红", en = "Red" }

[[agency_kind]]
id = "gas_company"
name = { zh = "{area}燃气公司", en = "{area} Gas" }
tier = "district"
"#;

    const HEAD_TOML: &str =
        "[pack]\nid = \"small\"\nversion = \"1.0.0\"\nname = { zh = \"小\", en = \"S\" }\n";

    fn read_text(text: &str) -> Result<City, Vec<PackFault>> {
        read(&[("pack.toml".into(), HEAD_TOML.into()), (FILE.into(), text.into())])
    }

    /// The lines of the faults after one replacement in a good file.
    fn check(from: &str, to: &str) -> Vec<u32> {
        assert!(GOOD.contains(from), "{from}");
        let faults = read_text(&GOOD.replacen(from, to, 1)).unwrap_err();
        assert!(faults.iter().all(|f| f.file == FILE && !f.fix.en.is_empty()));
        faults.iter().map(|f| f.line).collect()
    }

    fn line_of(part: &str) -> u32 {
        u32::try_from(GOOD.lines().position(|l| l.contains(part)).unwrap() + 1).unwrap()
    }

    #[test]
    fn a_publisher_is_reached_by_addresses_only() {
        let with = |lines: &str| read_text(&format!("{GOOD}\n[publisher]\n{lines}"));
        let city = with(
            "name = { zh = \"数据局\", en = \"Data office\" }\ncontact = \"mailto:data@example.org\"\n\
             licence = \"https://example.org/open\"\n",
        );
        let publisher = city.unwrap().publisher;
        assert_eq!(publisher.name.unwrap().en, "Data office");
        assert_eq!(publisher.contact.as_deref(), Some("mailto:data@example.org"));
        for bad in ["data@example.org", "https://", "https://a b", "javascript:x", "mailto:<a>"] {
            let faults = with(&format!("contact = \"{bad}\"\n")).unwrap_err();
            assert_eq!(faults.len(), 1, "{bad}");
            assert_eq!(faults[0].line, u32::try_from(GOOD.lines().count() + 2).unwrap(), "{bad}");
        }
    }

    #[test]
    fn a_good_file_reads() {
        let city = read_text(GOOD).unwrap();
        assert_eq!(city.tier_name(crate::Tier::District).zh, "区");
        assert_eq!(city.tier_name(crate::Tier::Grid).en, "grid");
        assert_eq!(city.severity_name(Severity::EXTREME).zh, "红");
    }

    #[test]
    fn faults_name_their_line() {
        assert_eq!(check("time_zone =", "timezone ="), [2, line_of("time_zone")]);
        assert_eq!(check("digits = 4", "digits = 2"), [line_of("\"district\"")]);
        assert_eq!(check("root = \"50\"", "root = \"500\""), [line_of("digits = 2")]);
        assert_eq!(check("severity = 3", "severity = 2"), [line_of("severity = 1")]);
        let gas = line_of("{area}燃气公司");
        assert_eq!(check("{area} Gas", "Gas"), [gas]);
        let twice = "[[section]]\nid = \"facility_operation\"\nname = { zh = \"又\", en = \"Again\" }\n\n[[severity]]";
        assert_eq!(check("[[severity]]", twice), [line_of("[[severity]]") + 1]);
    }

    #[test]
    fn a_missing_city_file_is_a_fault() {
        let faults = read(&[("pack.toml".into(), HEAD_TOML.into())]).unwrap_err();
        assert_eq!(faults[0].file, FILE);
    }
}
