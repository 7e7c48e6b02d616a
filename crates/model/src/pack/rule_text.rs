//! One rule of a pack as a text of its own: how it is taken out of `rules.toml`, put in place of
//! another, checked alone (so that a fault names the line of this text), and written from a form.
//!
//! Not here: what a rule means. The checks are those of [`parse`](super::parse), asked of a pack
//! whose only rule is this one.

use std::fmt::Write as _;

use super::{AlarmSpec, Cause, Grade, Pack, PackFault, Recheck, Rule, parse};
use crate::Text;

/// The file that holds the rules of a pack.
pub const RULES_FILE: &str = "rules.toml";
/// Longest text of one rule, in bytes.
pub const RULE_TEXT_BYTES_MAX: usize = 16_384;
const HEADER: &str = "[[rule]]";

impl Pack {
    /// The text of one of its rules as somebody wrote it, comments included; `None` when there is no
    /// such rule.
    pub fn rule_text(&self, id: &str) -> Option<String> {
        let index = self.rules.iter().position(|rule| rule.id == id)?;
        let whole = &self.texts.iter().find(|(name, _)| name == RULES_FILE)?.1;
        let own = blocks(whole).nth(index).map(str::to_owned);
        // A file written in another shape (one array, say) has no block to show: write it anew.
        Some(own.unwrap_or_else(|| self.rules[index].to_toml()))
    }

    /// The same pack with `text`, which holds exactly one rule, as its only rule: for checking.
    ///
    /// # Errors
    /// What `pack check` would say; lines are those of `text`.
    pub fn only_rule(&self, text: &str) -> Result<Self, Vec<PackFault>> {
        if text.len() > RULE_TEXT_BYTES_MAX {
            return Err(vec![too_long()]);
        }
        let mut files: Vec<(String, String)> =
            self.texts.iter().filter(|(name, _)| name != RULES_FILE).cloned().collect();
        files.push((RULES_FILE.to_owned(), text.to_owned()));
        files.push(("README.md".to_owned(), self.readme.clone()));
        let pack = parse(&files)?;
        if pack.rules.len() == 1 { Ok(pack) } else { Err(vec![not_one()]) }
    }

    /// The same pack with this rule in place of the one with its id, or behind all others.
    ///
    /// # Errors
    /// As [`only_rule`](Self::only_rule).
    pub fn with_rule(&self, text: &str) -> Result<Self, Vec<PackFault>> {
        let rule = self.only_rule(text)?.rules.remove(0);
        let mut pack = self.clone();
        let mut parts: Vec<String> = Vec::new();
        for known in &self.rules {
            let kept = if known.id == rule.id { None } else { self.rule_text(&known.id) };
            parts.push(kept.unwrap_or_else(|| text.trim().to_owned()));
        }
        if let Some(known) = pack.rules.iter_mut().find(|known| known.id == rule.id) {
            *known = rule;
        } else {
            parts.push(text.trim().to_owned());
            pack.rules.push(rule);
        }
        pack.texts.retain(|(name, _)| name != RULES_FILE);
        pack.texts.push((RULES_FILE.to_owned(), parts.join("\n\n") + "\n"));
        Ok(pack)
    }
}

impl Rule {
    /// The rule as the text of a pack. Read back it is the same rule.
    pub fn to_toml(&self) -> String {
        let mut text = format!("{HEADER}\n");
        let mut line = |key: &str, value: &str| writeln!(text, "{key} = {value}");
        let written = (|| {
            line("id", &quoted(&self.id))?;
            let name = [("zh", quoted(&self.name.zh)), ("en", quoted(&self.name.en))];
            line("name", &table(&name))?;
            line("on", &quoted(&self.on))?;
            line("alarm", &alarm(&self.alarm))?;
            if self.recheck != Recheck::default() {
                line("recheck", &recheck(&self.recheck))?;
            }
            line("grade", &format!("[\n{}]", self.grade.iter().map(grade).collect::<String>()))?;
            if self.cause == Cause::Area {
                line("cause", "\"area\"")?;
            }
            let answer = &self.answer;
            let answers = [
                ("red", &answer.red),
                ("orange", &answer.orange),
                ("yellow", &answer.yellow),
                ("blue", &answer.blue),
            ];
            let answers: Vec<(&str, String)> =
                answers.iter().filter_map(|(k, v)| Some((*k, quoted(v.as_deref()?)))).collect();
            if !answers.is_empty() {
                line("answer", &table(&answers))?;
            }
            if let Some(files) = &self.files {
                line("files", &quoted(files))?;
            }
            if let Some(at) = self.files_at {
                line("files_at", &at.number().to_string())?;
            }
            if self.files_row > 0 {
                line("files_row", &self.files_row.to_string())?;
            }
            line("source", &quoted(&self.source))
        })();
        debug_assert!(written.is_ok(), "a string takes whatever is written to it");
        text
    }
}

/// The stretches of a `rules.toml`, one a rule, each without the comments in front of the next one.
fn blocks(whole: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = whole
        .match_indices(HEADER)
        .map(|(at, _)| at)
        .filter(|&at| whole[..at].rsplit('\n').next().is_some_and(|line| line.trim().is_empty()))
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([whole.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| without_tail(&whole[start..end]))
}

fn without_tail(block: &str) -> &str {
    let mut kept = block.trim_end();
    while let Some((before, last)) = kept.rsplit_once('\n') {
        if !last.trim_start().starts_with('#') && !last.trim().is_empty() {
            break;
        }
        kept = before.trim_end();
    }
    kept
}

/// A TOML string: what must be escaped is.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for sign in text.chars() {
        match sign {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                let code = u32::from(control);
                out.extend(format!("\\u{code:04x}").chars());
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

fn table(pairs: &[(&str, String)]) -> String {
    let inner: Vec<String> = pairs.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", inner.join(", "))
}

fn alarm(spec: &AlarmSpec) -> String {
    let keys = [("clear", &spec.clear), ("for", &spec.on_for), ("clear_for", &spec.clear_for)];
    let more = keys.iter().filter_map(|(key, value)| Some((*key, quoted(value.as_deref()?))));
    let pairs: Vec<(&str, String)> =
        std::iter::once(("when", quoted(&spec.when))).chain(more).collect();
    table(&pairs)
}

fn recheck(recheck: &Recheck) -> String {
    let need = recheck.need.as_deref().map(|need| ("need", quoted(need)));
    let healthy = recheck.healthy.then(|| ("healthy", "true".to_owned()));
    table(&need.into_iter().chain(healthy).collect::<Vec<_>>())
}

fn grade(grade: &Grade) -> String {
    let severity = grade.severity.number().to_string();
    format!("  {},\n", table(&[("severity", severity), ("when", quoted(&grade.when))]))
}

fn not_one() -> PackFault {
    PackFault {
        file: RULES_FILE.to_owned(),
        line: 0,
        what: Text::new("此处只能写一条规则", "exactly one rule is wanted here"),
        fix: Text::new("只留一个 [[rule]]", "keep a single [[rule]]"),
    }
}

fn too_long() -> PackFault {
    PackFault {
        file: RULES_FILE.to_owned(),
        line: 0,
        what: Text::new("规则文本过长", "the text of the rule is too long"),
        fix: Text::new(
            format!("不超过 {RULE_TEXT_BYTES_MAX} 字节"),
            format!("keep it under {RULE_TEXT_BYTES_MAX} bytes"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "# 注\n[[rule]]\nid = \"a\"\nname = { zh = \"甲\", en = \"A\" }\non = \"k\"\n\
        alarm = { when = \"value >= 20\", for = \"2 readings\" }\n\
        grade = [ { severity = 1, when = \"value >= 20\" } ]\nsource = \"x \\\"y\\\"\"\n\n\
        # about b\n[[rule]]\nid = \"b\"\nname = { zh = \"乙\", en = \"B\" }\non = \"k\"\n\
        alarm = { when = \"value < 1\", clear = \"value > 2\", clear_for = \"5m\" }\n\
        recheck = { need = \"2 of 3 within 10m\", healthy = true }\n\
        grade = [ { severity = 2, when = \"value < 1\" }, { severity = 4, when = \"value < 0.5\" } ]\n\
        cause = \"area\"\nanswer = { red = \"5m\" }\nfiles = \"leak\"\nfiles_at = 4\nfiles_row = 1\n\
        source = \"default\"\n";
    const HEAD: &str = "[pack]\nid = \"p\"\nversion = \"1.0.0\"\nname = { zh = \"包\", en = \"P\" }\n\
        section = \"facility_operation\"\ntrack = { zh = \"道\", en = \"T\" }\nneeds = [\"other\"]\n";

    fn pack() -> Pack {
        let files = [("pack.toml", HEAD), ("rules.toml", OWN), ("README.md", "说明")];
        parse(&files.map(|(name, text)| (name.to_owned(), text.to_owned()))).unwrap()
    }

    #[test]
    fn a_rule_written_anew_reads_back_as_the_same_rule() {
        let pack = pack();
        for rule in &pack.rules {
            assert_eq!(&pack.only_rule(&rule.to_toml()).unwrap().rules[0], rule);
        }
    }

    #[test]
    fn the_text_of_one_rule_is_its_own_and_not_its_neighbours() {
        let text = pack().rule_text("a").unwrap();
        assert!(text.starts_with("[[rule]]") && text.ends_with("\"x \\\"y\\\"\""), "{text}");
        assert!(!text.contains("about b"), "{text}");
    }

    #[test]
    fn a_changed_rule_takes_the_place_of_the_old_one_and_a_new_one_comes_last() {
        let pack = pack();
        let changed = pack.rule_text("a").unwrap().replace("20", "30");
        let with = pack.with_rule(&changed).unwrap();
        assert_eq!(with.rules[0].alarm.when, "value >= 30");
        assert_eq!(with.rules[1], pack.rules[1]);
        assert_eq!(with.rule_text("a").unwrap(), changed);
        let new = changed.replace("id = \"a\"", "id = \"c\"");
        let more = with.with_rule(&new).unwrap();
        assert_eq!(more.rules.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(more.rule_text("c").unwrap(), new);
    }

    #[test]
    fn a_fault_names_the_line_of_the_rule_alone() {
        let pack = pack();
        let text = pack.rule_text("b").unwrap().replace("cause =", "cuase =");
        let faults = pack.only_rule(&text).unwrap_err();
        assert_eq!((faults[0].line, faults[0].file.as_str()), (8, "rules.toml"), "{faults:?}");
        let two = pack.only_rule(OWN).unwrap_err();
        assert!(two[0].what.en.contains("exactly one"), "{two:?}");
    }
}
