//! Bad text in, rendered faults out; and every pack of the house reads without a fault.

use super::parse;
use crate::pack::PackFault;

const HEAD: &str = r#"[pack]
id = "gas"
version = "1.0.0"
name = { zh = "燃气", en = "Gas" }
section = "facility_operation"
track = { zh = "城市生命线", en = "Lifelines" }
"#;

const KIND: &str = r#"[[kind]]
id = "methane"
name = { zh = "可燃气体", en = "Gas" }
unit = "%LEL"
range = [0, 100]
period = { normal = "30m", alarm = "1m" }
source = "default"
"#;

const INDICATOR: &str = r#"[[indicator]]
code = "gas.max"
name = { zh = "最高", en = "Highest" }
unit = "%LEL"
better = "lower"
value = "max(methane)"
window = "5m"
tiers = ["city", "town"]
levels = { blue = 20, yellow = 25, red = 50, hysteresis = 2, hold = "5m", warn = ["town"] }
coverage_min = 80
owner = "gas_office"
files = "gas_leak"
source = "default"
"#;

const RULE: &str = r#"[[rule]]
id = "leak"
name = { zh = "泄漏", en = "Leak" }
on = "methane"
alarm = { when = "value >= 20", clear = "value < 15", for = "2 readings", clear_for = "5m" }
recheck = { need = "2 of 3 within 10m", healthy = true }
grade = [
  { severity = 1, when = "value >= 20" },
  { severity = 4, when = "value >= 50" },
]
cause = "area"
answer = { red = "5m", orange = "5m", yellow = "15m", blue = "30m" }
files = "gas_leak"
files_at = 4
files_row = 0
source = "default"
"#;

const CASE: &str = r#"[[case]]
id = "gas_leak"
name = { zh = "燃气泄漏", en = "Gas leak" }
class = "05-02"
object = "event"
severity = 3
level = "district"
lead = "gas_company"
with = ["fire_rescue"]
limits = [
  { condition = { zh = "泄漏", en = "leaks" }, handle = "1 urgent_hour", closes = { zh = "排除", en = "safe" }, source = "default" },
]
"#;

const LAYER: &str = r##"[[layer]]
id = "points"
name = { zh = "监测点", en = "Points" }
kind = "methane"
color = "#7A5195"
symbol = "diamond"
"##;

const FEED: &str = r#"[[feed]]
id = "bus"
name = { zh = "公交", en = "Buses" }
url = "https://feeds.example/vehicles.pb"
every = "15s"
area = "500103"
source = "default"
"#;

fn files() -> Vec<(String, String)> {
    [
        ("pack.toml", HEAD),
        ("kinds.toml", KIND),
        ("indicators.toml", INDICATOR),
        ("rules.toml", RULE),
        ("cases.toml", CASE),
        ("layers.toml", LAYER),
        ("feeds.toml", FEED),
        ("README.md", "# 燃气\n\n## English\n\nGas"),
        ("scenarios/a.txt", "area CQ\n"),
    ]
    .map(|(file, text)| (file.to_owned(), text.to_owned()))
    .into()
}

fn faults_of(files: &[(String, String)]) -> Vec<PackFault> {
    parse(files).err().unwrap_or_default()
}

/// Replaces `from` by `to` in one file of the sound pack and compares the faults as rendered.
#[track_caller]
fn check(file: &str, from: &str, to: &str, expected: &str) {
    let mut files = files();
    let text = &mut files.iter_mut().find(|(name, _)| name == file).unwrap().1;
    assert!(text.contains(from), "{file} has no {from}");
    *text = text.replace(from, to);
    let faults = faults_of(&files);
    for fault in &faults {
        for zh in [&fault.what.zh, &fault.fix.zh] {
            assert!(zh.chars().any(|c| c >= '\u{4e00}'), "not Chinese: {zh}");
        }
    }
    let found: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(found.join("\n"), expected.trim());
}

#[test]
fn a_file_with_every_key_reads_through_shape_and_struct_alike() {
    let mut files = files();
    files[0].1.push_str("alerts = [\"Infra\"]\n");
    let pack = parse(&files).unwrap();
    assert_eq!(pack.rules[0].files_at.map(crate::Severity::number), Some(4));
    assert_eq!(pack.indicators[0].levels.as_ref().unwrap().red, Some(50.0));
    assert_eq!(pack.case_types[0].helpers, ["fire_rescue"]);
    assert_eq!(pack.head.alerts, ["Infra"]);
    assert_eq!((pack.feeds[0].every_ms(), pack.feeds[0].area.as_deref()), (15_000, Some("500103")));
    assert_eq!(pack.scenarios[0].file, "a.txt");
    assert_eq!(pack.readme_text().zh, "# 燃气");
}

#[test]
fn a_feed_is_fetched_from_a_web_address_that_holds_no_secret_and_not_too_often() {
    check(
        "feeds.toml",
        "https://feeds.example/",
        "https://me:secret@feeds.example/",
        "feeds.toml:4: `https://me:secret@feeds.example/vehicles.pb` is no web address; write https://…, without a name and password in it",
    );
    check("feeds.toml", "15s", "1s", "feeds.toml:5: fetching every 1s is too often; 5s or more");
}

#[test]
fn bad_toml_is_named_by_line() {
    check(
        "kinds.toml",
        "unit = \"%LEL\"",
        "unit = \"%LEL",
        "kinds.toml:4: bad TOML: invalid basic string, expected `\"`; check quotes, brackets and equals signs on that line",
    );
}

#[test]
fn keys_are_checked_all_at_once() {
    check(
        "kinds.toml",
        "unit = \"%LEL\"\nrange = [0, 100]",
        "unti = \"%LEL\"\nrange = [\"0\", 100]\nzzz = 1",
        r#"
kinds.toml:1: missing key `unit`; add `unit = "..."` to this table
kinds.toml:4: unknown key `unti`; did you mean `unit`?
kinds.toml:5: `range` = ["0", 100] is not two numbers; write for example `range = [0, 100]`
kinds.toml:6: unknown key `zzz`; remove it, or use one of: id, name, unit, unit_aliases, range, decimals, period, stuck_after, keep, source
"#,
    );
    check(
        "kinds.toml",
        "[[kind]]",
        "[[kinds]]",
        r#"
kinds.toml:1: unknown key `kinds`; did you mean `kind`?
kinds.toml:1: missing key `kind`; add `kind = [{ id = "gas_leak", name = { zh = "...", en = "..." }, unit = "...", range = [0, 100], period = { normal = "30m" }, source = "..." }]` to this table
"#,
    );
}

#[test]
fn values_are_checked_by_their_sort() {
    check(
        "pack.toml",
        "1.0.0",
        "1.0",
        "pack.toml:3: `version` = \"1.0\" is not a version; write for example `version = \"1.0.0\"`",
    );
    check(
        "pack.toml",
        "facility_operation",
        "facility_operations",
        "pack.toml:5: there is no section `facility_operations`; did you mean `facility_operation`?",
    );
    check(
        "kinds.toml",
        "30m",
        "30 minutes",
        "kinds.toml:6: `normal` = \"30 minutes\" is not a duration; write for example `normal = \"30m\"`",
    );
    check(
        "kinds.toml",
        "\"default\"",
        "\" \"",
        "kinds.toml:7: `source` = \" \" is not a text; write for example `source = \"...\"`",
    );
    check(
        "kinds.toml",
        ", en = \"Gas\"",
        "",
        "kinds.toml:3: missing key `en`; add `en = \"...\"` to this table",
    );
    check(
        "indicators.toml",
        "\"lower\"",
        "\"lowr\"",
        "indicators.toml:5: `better` = \"lowr\" is not one of higher, lower, band; did you mean `lower`?",
    );
    check(
        "indicators.toml",
        "\"city\", \"town\"",
        "\"city\", \"twon\"",
        "indicators.toml:8: `tiers` = \"twon\" is not one of city, district, town, community, grid; did you mean `town`?",
    );
}

#[test]
fn values_of_rules_cases_and_layers_are_checked_by_their_sort() {
    check(
        "rules.toml",
        "2 readings",
        "two readings",
        "rules.toml:5: `for` = \"two readings\" is not a duration or a number of readings; write for example `for = \"2 readings\"`",
    );
    check(
        "rules.toml",
        "2 of 3 within",
        "4 of 3 within",
        "rules.toml:6: `need` = \"4 of 3 within 10m\" is not an `n of m within` condition; write for example `need = \"2 of 3 within 10m\"`",
    );
    check(
        "rules.toml",
        "severity = 4",
        "severity = 5",
        "rules.toml:9: `severity` = 5 is not a whole number from 1 to 4; write for example `severity = 1`",
    );
    check(
        "cases.toml",
        "1 urgent_hour",
        "1 hour",
        "cases.toml:11: `handle` = \"1 hour\" is not a handling limit; write for example `handle = \"4 work_hour\"`",
    );
    check(
        "cases.toml",
        "05-02",
        "5-2",
        "cases.toml:4: `class` = \"5-2\" is not a class code; write for example `class = \"05-02\"`",
    );
    check(
        "layers.toml",
        "\"diamond\"",
        "\"star\"",
        "layers.toml:6: `symbol` = \"star\" is not one of circle, square, triangle, diamond, drop; write for example `symbol = \"circle\"`",
    );
    check(
        "layers.toml",
        "#7A5195",
        "purple",
        "layers.toml:5: `color` = \"purple\" is not a colour; write for example `color = \"#2A9D8F\"`",
    );
}

#[test]
fn kinds_make_sense() {
    check(
        "kinds.toml",
        "[0, 100]",
        "[100, 0]",
        "kinds.toml:5: the range runs from 100 to 0, which is not upwards; write [lowest, highest]",
    );
    check(
        "kinds.toml",
        "alarm = \"1m\"",
        "alarm = \"1h\"",
        "kinds.toml:6: the period in alarm, 1h, is longer than the normal 30m; make it as short as the normal one or shorter",
    );
    check(
        "kinds.toml",
        "source",
        "stuck_after = \"30m\"\nsource",
        "kinds.toml:7: stuck_after 30m is not longer than the period 30m; write several periods",
    );
    check(
        "kinds.toml",
        "source",
        "keep = { raw = \"1y\" }\nsource",
        "kinds.toml:7: `raw` = \"1y\" is not a duration or `forever`; write for example `raw = \"30d\"`",
    );
    check(
        "kinds.toml",
        "source",
        "keep = { raw = \"400d\", h1 = \"forever\" }\nsource",
        "kinds.toml:7: m1 is kept for 180d, which is shorter than raw for 400d; keep the coarser as long as the finer or longer",
    );
    check(
        "kinds.toml",
        KIND,
        &format!("{KIND}{KIND}"),
        "kinds.toml:9: `methane` is already used in line 2; give each its own name",
    );
}

#[test]
fn levels_are_in_order_and_warn_where_they_show() {
    check(
        "indicators.toml",
        "yellow = 25",
        "yellow = 15",
        "indicators.toml:9: yellow = 15 is not worse than blue = 20; put yellow above 20",
    );
    check(
        "indicators.toml",
        "\"lower\"",
        "\"higher\"",
        "indicators.toml:9: yellow = 25 is not worse than blue = 20; put yellow below 20\nindicators.toml:9: red = 50 is not worse than yellow = 25; put red below 25",
    );
    check(
        "indicators.toml",
        "\"lower\"",
        "\"band\"",
        "indicators.toml:9: a `band` indicator has no levels, and a table of levels names at least one; remove `levels`, or give `better` and numbers",
    );
    check(
        "indicators.toml",
        "hysteresis = 2",
        "hysteresis = -2",
        "indicators.toml:9: the hysteresis is negative; write zero or more; `better` gives the direction",
    );
    check(
        "indicators.toml",
        "warn = [\"town\"]",
        "warn = [\"grid\"]",
        "indicators.toml:9: it warns on the tier grid, where it is not shown; add grid to `tiers`, or remove it from `warn`",
    );
    check(
        "indicators.toml",
        "coverage_min = 80",
        "coverage_min = 180",
        "indicators.toml:10: coverage_min is not between 0 and 100; write a percentage such as 80",
    );
}

#[test]
fn rules_refer_to_what_exists_and_grade_from_mild_to_severe() {
    check(
        "rules.toml",
        "on = \"methane\"",
        "on = \"methan\"",
        "rules.toml:4: there is no kind `methan` in kinds.toml; did you mean `methane`?",
    );
    check(
        "rules.toml",
        "files = \"gas_leak\"",
        "files = \"fire\"",
        "rules.toml:13: there is no case `fire` in cases.toml; declare it in cases.toml, or name the pack it comes from under `needs` in pack.toml",
    );
    check(
        "rules.toml",
        "severity = 1",
        "severity = 4",
        "rules.toml:9: the grades do not run from mild to severe, or name one twice; order them by severity, smallest first",
    );
    check(
        "rules.toml",
        "files_row = 0",
        "files_row = 3",
        "rules.toml:15: `gas_leak` has 1 rows, so there is no row 3 (counted from 0); write a row from 0 to 0",
    );
    check(
        "rules.toml",
        "  { severity = 4, when = \"value >= 50\" },\n",
        "",
        "rules.toml:13: no grade reaches 4; add such a grade, or lower files_at",
    );
    check(
        "rules.toml",
        "files = \"gas_leak\"\n",
        "",
        "rules.toml:13: there is files_at but no files; name the case type to file",
    );
}

#[test]
fn cases_and_layers_make_sense() {
    check(
        "cases.toml",
        "\"fire_rescue\"",
        "\"gas_company\"",
        "cases.toml:9: `gas_company` both leads and helps; remove it from `with`",
    );
    check(
        "layers.toml",
        "#7A5195",
        "#D83020",
        "layers.toml:5: the colour #D83020 looks like the warning colour red; the four warning colours are for warnings only; choose another",
    );
}

#[test]
fn a_name_from_another_pack_is_left_to_the_catalog() {
    let mut files = files();
    files[0].1.push_str("needs = [\"street >= 1\"]\n");
    files[3].1 = files[3].1.replace("files = \"gas_leak\"", "files = \"commercial_noise\"");
    assert_eq!(faults_of(&files), []);
}

#[test]
fn missing_and_unknown_files_are_faults() {
    let mut files = files();
    files.retain(|(name, _)| name != "pack.toml" && name != "README.md");
    files.push(("rule.toml".to_owned(), String::new()));
    let found: Vec<String> = faults_of(&files).iter().map(ToString::to_string).collect();
    assert_eq!(
        found.join("\n"),
        "pack.toml: the file pack.toml is missing; start from what `chengmai pack new` writes\n\
         README.md: there is no README.md; say what the pack does and where every number comes from, in Chinese and English\n\
         rule.toml: unknown file rule.toml; did you mean `rules.toml`?"
    );
}

#[test]
fn every_pack_of_the_house_reads_without_a_fault() {
    let packs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let mut names = Vec::new();
    for pack in std::fs::read_dir(&packs).unwrap().map(|entry| entry.unwrap().path()) {
        // The city's own pack has another form: `city` reads it.
        if !pack.join("pack.toml").exists() || pack.join("city.toml").exists() {
            continue;
        }
        let mut files = Vec::new();
        for folder in ["", "scenarios"] {
            let Ok(entries) = std::fs::read_dir(pack.join(folder)) else { continue };
            for path in entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
                let name = path.strip_prefix(&pack).unwrap().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
        let folder = pack.file_name().unwrap().to_string_lossy().into_owned();
        let found: Vec<String> = faults_of(&files).iter().map(ToString::to_string).collect();
        assert_eq!(found, Vec::<String>::new(), "{folder}");
        assert_eq!(parse(&files).unwrap().head.id, folder);
        names.push(folder);
    }
    for name in ["air", "drainage", "gas", "street", "water"] {
        assert!(names.iter().any(|found| found == name), "{name} is missing from {names:?}");
    }
}
