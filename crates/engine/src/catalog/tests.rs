//! Expressions and references: what is accepted, what is refused, and with which words.

use chengmai_model::pack::{Pack, PackFault};

use crate::Catalog;
use crate::expr::{Program, Type, resolve};
use crate::testing::{indicator, kind, pack, rule};

use super::rule_terms::{Conditions, ReadingTerm};

/// Value 30, rate unknown, anomaly 0.995, slope 2, silent for 5 minutes.
fn holds(condition: &str) -> Result<bool, String> {
    let node = resolve(condition, Type::Bool, &mut Conditions).map_err(|p| p.what.en)?;
    Ok(Program::compile(&node).holds(|term| match term {
        ReadingTerm::Value => 30.0,
        ReadingTerm::Rate | ReadingTerm::Setpoint(_) => f64::NAN,
        ReadingTerm::Anomaly => 0.995,
        ReadingTerm::Slope(_) => 2.0,
        ReadingTerm::SilentFor(ms) => f64::from(u8::from(ms <= 300_000)),
        ReadingTerm::StuckFor(_) => 0.0,
    }))
}

#[test]
fn conditions_mean_what_they_say() {
    let table = [
        ("value >= 30", true),
        ("anomaly > 0.99 && value > 20", true),
        ("anomaly > 0.999", false),
        ("value > 30", false),
        ("30 <= value", true),
        ("value == 30", true),
        ("value != 30", false),
        ("value - 10 * 2 > 9", true),
        ("-value < -29.5", true),
        ("value > 1 && value < 20", false),
        ("value > 1 || value < 20", true),
        ("!(value > 40)", true),
        ("value >= 100 || (value >= 25 && slope('10m') > 1)", true),
        ("value > 40 ? rate > 1 : slope('5m') == 2", true),
        ("silent_for('5m')", true),
        ("silent_for('6m')", false),
        // What is not known is neither true nor false.
        ("rate > 1", false),
        ("!(rate > 1)", false),
        ("rate > 1 || value > 1", true),
        ("rate > 1 && value > 1", false),
        ("value / 0 > 1", false),
        ("true && value > 1u", true),
    ];
    for (condition, expected) in table {
        assert_eq!(holds(condition), Ok(expected), "{condition}");
    }
}

#[test]
fn faulty_conditions_say_what_is_wrong() {
    let table = [
        ("value >=", "is not an expression"),
        ("", "empty or too long"),
        ("value", "a condition (true or false) is wanted"),
        ("value + true > 1", "a number is wanted"),
        ("value > 1 && 2", "a condition (true or false) is wanted"),
        ("valeu > 1", "a rule knows no `valeu`"),
        ("slope(10) > 1", "takes one duration"),
        ("slope('10x') > 1", "takes one duration"),
        ("median('10m') > 1", "there is no function `median`"),
        ("value > 'a'", "a text cannot stand here"),
        ("value in [1, 2]", "not supported"),
        ("[1, 2].exists(x, x > 1)", "not supported"),
    ];
    for (condition, expected) in table {
        let said = holds(condition).unwrap_err();
        assert!(said.contains(expected), "`{condition}` said: {said}");
    }
    let deep = format!("{}value{} > 1", "(".repeat(60), ")".repeat(60));
    assert!(holds(&deep).is_err(), "nesting has a limit");
}

fn faults(packs: &[Pack]) -> Vec<PackFault> {
    Catalog::compile(packs).err().unwrap_or_default()
}

/// The only fault of a pack with kind `k` (0 to 100) and these files, as `file: text`.
fn only_fault(files: &[(&str, &str)]) -> String {
    let kinds = kind("k", "") + &kind("other", "");
    let mut all = vec![("kinds.toml", kinds.as_str())];
    all.extend(files);
    let found = faults(&[pack(&all)]);
    let [fault] = found.as_slice() else { panic!("one fault wanted, not {found:#?}") };
    assert!(!fault.what.zh.is_empty() && !fault.fix.zh.is_empty() && !fault.fix.en.is_empty());
    assert!(fault.line > 0, "{fault}");
    format!("{}: {}", fault.file, fault.what.en)
}

#[test]
fn a_fault_names_the_line_of_its_key() {
    let rules = rule(
        "r",
        r#"alarm = { when = "value >= 20" }
grade = [
  { severity = 1, when = "value >= 20" },
  { severity = 4, when = "value > 100" },
]"#,
    );
    let files = [("kinds.toml", kind("k", "")), ("rules.toml", rules.clone())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let found = faults(&[pack(&files)]);
    let line = rules.lines().position(|line| line.contains("value > 100")).unwrap() + 1;
    assert_eq!(found.len(), 1);
    assert_eq!(usize::try_from(found[0].line).unwrap(), line, "{}", found[0]);
}

#[test]
fn faulty_formulas_are_refused() {
    let table = [
        ("count(methan)", "p/indicators.toml: `p.s` `value`: there is no kind `methan`"),
        ("k / 2", "p/indicators.toml: `p.s` `value`: `k` cannot stand alone"),
        ("count(k) > 1", "p/indicators.toml: `p.s` `value`: a number is wanted here"),
        ("count()", "p/indicators.toml: `p.s` `value`: `count` takes one argument"),
        ("sum(k > 1)", "p/indicators.toml: `p.s` `value`: the argument of `sum` must be a kind"),
        ("median(k)", "p/indicators.toml: `p.s` `value`: there is no function `median`"),
        (
            "count(k > other)",
            "p/indicators.toml: `p.s` `value`: two kinds in one count: `k` and `other`",
        ),
        ("1 + 2", "p/indicators.toml: `p.s` `value`: the formula names no kind"),
    ];
    for (formula, expected) in table {
        let indicators = indicator("p.s", formula, "5m", "");
        assert_eq!(only_fault(&[("indicators.toml", &indicators)]), expected, "{formula}");
    }
    for formula in ["count(k < 1 || k > 2)", "count(2 * k > 1)", "count(k > 5 && k < 5)"] {
        let indicators = indicator("p.s", formula, "5m", "");
        let said = only_fault(&[("indicators.toml", &indicators)]);
        assert!(said.contains("must be one interval"), "{formula}: {said}");
    }
}

#[test]
fn alarms_that_cannot_ring_and_grades_that_cannot_be_reached_are_refused() {
    let check = |body: &str, expected: &str| {
        let said = only_fault(&[("rules.toml", &rule("r", body))]);
        assert!(said.starts_with("p/rules.toml: `r` ") && said.contains(expected), "{said}");
    };
    check(
        r#"alarm = { when = "value > 100" }
           grade = [ { severity = 1, when = "value > 0" } ]"#,
        "no value of the range [0, 100] can raise this alarm",
    );
    check(
        r#"alarm = { when = "value >= 20", clear = "value < 15" }
           grade = [ { severity = 1, when = "value >= 20" }, { severity = 2, when = "value < 10" } ]"#,
        "grade 2 can never be reached",
    );
    check(
        r#"alarm = { when = "value >= 20", clear = "value < 25" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
        "the same value both raises and clears the alarm",
    );
}

#[test]
fn references_between_packs_are_checked() {
    let rules = rule(
        "r",
        r#"alarm = { when = "value >= 20" }
           grade = [ { severity = 1, when = "value >= 20" } ]"#,
    );
    let good = pack(&[("kinds.toml", &kind("k", "")), ("rules.toml", &rules)]);
    assert_eq!(faults(std::slice::from_ref(&good)), []);

    let mut orphan = good.clone();
    orphan.kinds.clear();
    orphan.rules[0].files = Some("nothing".to_owned());
    let said: Vec<String> = faults(&[orphan]).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("there is no case type `nothing`"), "{said:?}");
    assert!(said[1].contains("there is no kind `k`"), "{said:?}");

    let mut needy = good.clone();
    needy.head.needs = vec!["p >= 1.3".to_owned()];
    assert!(faults(&[needy])[0].what.en.contains("pack `p >= 1.3` is not loaded"));
    let mut content = good.clone();
    content.head.needs = vec!["p >= 1.2".to_owned()];
    assert_eq!(faults(&[content]), []);

    let twice = faults(&[good.clone(), good]);
    let said: Vec<&str> = twice.iter().map(|f| f.what.en.as_str()).collect();
    assert_eq!(said, ["`k` `id`: `k` is declared twice", "`r` `id`: `p/r` is declared twice"]);
}

#[test]
fn the_quiet_band_is_what_no_rule_asks_about() {
    let band = |when: &[&str]| {
        let rules: String = (0..)
            .zip(when)
            .map(|(i, when)| {
                rule(
                    &format!("r{i}"),
                    &format!(
                        "alarm = {{ when = \"{when}\" }}\ngrade = [ {{ severity = 1, when = \"{when}\" }} ]"
                    ),
                )
            })
            .collect();
        let kinds = kind("k", "");
        let mut files = vec![("kinds.toml", kinds.as_str())];
        if !rules.is_empty() {
            files.push(("rules.toml", rules.as_str()));
        }
        let catalog = Catalog::compile(&[pack(&files)]).unwrap();
        let [low, high] = catalog.kinds()[0].quiet;
        (low <= high).then_some((low, high))
    };
    let below = |x: f64| x.next_down();
    let above = |x: f64| x.next_up();
    assert_eq!(band(&[]), Some((0.0, 100.0)));
    assert_eq!(band(&["value >= 20"]), Some((0.0, below(20.0))));
    assert_eq!(band(&["value > 20"]), Some((0.0, 20.0)));
    assert_eq!(band(&["value < 6.5", "value > 8.5"]), Some((6.5, 8.5)));
    assert_eq!(band(&["value < 6.5 || value > 80"]), Some((6.5, 80.0)));
    assert_eq!(band(&["value >= 20", "rate < -1 && value < 5"]), Some((5.0, below(20.0))));
    assert_eq!(band(&["value >= 10 && value <= 20"]), Some((above(20.0), 100.0)));
    assert_eq!(band(&["rate > 1"]), None);
    assert_eq!(band(&["silent_for('1h')"]), Some((0.0, 100.0)));
    assert_eq!(band(&["!(value < 20)"]), Some((0.0, below(20.0))));
}

#[test]
fn a_number_that_changes_meaning_changes_the_fingerprint_and_a_readme_does_not() {
    let kinds = kind("k", "");
    let base = pack(&[("kinds.toml", &kinds)]);
    let print = |pack: Pack| Catalog::compile(&[pack]).unwrap().fingerprint();
    let mut readme = base.clone();
    readme.readme.push_str("more");
    let mut range = base.clone();
    range.kinds[0].range[1] = 101.0;
    assert_eq!(print(base.clone()), print(readme));
    assert_ne!(print(base), print(range));
}

#[test]
fn kinds_that_no_pack_declares_are_added_once() {
    let mut catalog = Catalog::compile(&[pack(&[("kinds.toml", &kind("k", ""))])]).unwrap();
    let known = catalog.kind_or_add("k");
    let added = catalog.kind_or_add("wind");
    assert_eq!(catalog.kind_or_add("wind"), added);
    assert_ne!(known, added);
    let def = catalog.kind(added);
    assert_eq!((def.pack, def.period_ms, def.kind.unit.as_str()), (None, 60_000, ""));
}
