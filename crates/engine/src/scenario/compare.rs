//! Expected against found. Lines are taken in groups: what is done at one time, and the `expect`
//! lines that follow it.
//!
//! Invariant: playing does not depend on what is expected, so rewriting and running see the same.

use super::parse::{Item, parse};
use super::world::World;
use super::{Difference, Mismatch};
use crate::Catalog;

/// What was done at one time, what was expected of it, and what happened.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// Line of the last thing done.
    last_line: u32,
    /// Expected warnings, steps of cases and refusals, with their lines; `none` among them.
    expected: Vec<(u32, String)>,
    /// What happened of these, in order.
    happened: Vec<String>,
    /// Expected alarms, device states and indicators, each with what is so; `None` if it is not.
    asked: Vec<(u32, String, Option<String>)>,
    /// Whether the group has anything done in it.
    done: bool,
}

impl Group {
    /// Where the group is not as expected.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let mut differences: Vec<Difference> = self
            .asked
            .iter()
            .filter(|(_, expected, found)| found.as_ref() != Some(expected))
            .map(|(line, expected, found)| Difference {
                line: *line,
                expected: Some(expected.clone()),
                found: found.clone(),
            })
            .collect();
        let expected: Vec<&(u32, String)> =
            self.expected.iter().filter(|(_, text)| text != "none").collect();
        for n in 0..expected.len().max(self.happened.len()) {
            let (line, text) = match expected.get(n) {
                Some((line, text)) => (*line, Some(text.clone())),
                None => (self.last_line, None),
            };
            let found = self.happened.get(n);
            if text.as_ref() != found {
                let found = match (&text, found) {
                    (None, Some(found)) => Some(format!("not expected: `{found}`")),
                    (_, found) => found.cloned(),
                };
                differences.push(Difference { line, expected: text, found });
            }
        }
        differences.sort_by_key(|difference| difference.line);
        differences
    }

    fn as_expected(&self) -> bool {
        let expected = self.expected.iter().map(|(_, text)| text).filter(|text| *text != "none");
        expected.eq(self.happened.iter())
    }
}

/// Plays a scenario to its end.
pub(super) fn play(catalog: &Catalog, text: &str) -> Result<Vec<Group>, Mismatch> {
    let items = parse(text).map_err(|(line, why)| Mismatch::unreadable(line, why))?;
    let mut world = World::new(catalog, &items)?;
    let mut groups = Vec::new();
    let mut group = Group::default();
    let mut expecting = false;
    for (line, item) in (1..).zip(&items) {
        match item {
            Item::Nothing
            | Item::Area(_)
            | Item::Agency { .. }
            | Item::Date(_)
            | Item::Day { .. }
            | Item::Device { .. }
            | Item::Setpoints { .. } => {}
            Item::Act { time, action } => {
                if expecting || time.is_some() {
                    finish(&mut world, &mut group, &mut groups);
                    expecting = false;
                }
                world.act(*time, action).map_err(|why| Mismatch::unreadable(line, why))?;
                group.last_line = line;
                group.done = true;
            }
            Item::Expect(words) => {
                if !expecting {
                    world.settle();
                    expecting = true;
                }
                expect(&world, &mut group, line, words)?;
            }
        }
    }
    finish(&mut world, &mut group, &mut groups);
    Ok(groups)
}

fn expect(world: &World<'_>, group: &mut Group, line: u32, words: &str) -> Result<(), Mismatch> {
    match words.split(' ').next().unwrap_or_default() {
        "warning" | "case" | "refused" | "none" => {
            group.expected.push((line, words.to_owned()));
        }
        "alarm" | "device" => {
            let found = world.quiet(words);
            group.asked.push((line, words.to_owned(), found));
        }
        "indicator" => {
            let found = world.indicator(words).map_err(|why| Mismatch::unreadable(line, why))?;
            group.asked.push((line, words.to_owned(), Some(found)));
        }
        other => {
            let why = format!(
                "`expect {other}` is not known; use warning, case, refused, alarm, device, \
                 indicator or none"
            );
            return Err(Mismatch::unreadable(line, why));
        }
    }
    Ok(())
}

fn finish(world: &mut World<'_>, group: &mut Group, groups: &mut Vec<Group>) {
    if !group.done && group.expected.is_empty() && group.asked.is_empty() {
        return;
    }
    world.settle();
    group.happened = world.take_happened();
    groups.push(std::mem::take(group));
}

/// The text with what happened in place of what was expected.
pub(super) fn rewritten(text: &str, groups: &[Group]) -> String {
    let mut lines: Vec<Vec<String>> = text.lines().map(|line| vec![line.to_owned()]).collect();
    for group in groups {
        for (line, expected, found) in &group.asked {
            if found.as_ref() != Some(expected) {
                lines[*line as usize - 1] = found.iter().map(|found| expect_line(found)).collect();
            }
        }
        if group.as_expected() {
            continue;
        }
        for (line, _) in &group.expected {
            lines[*line as usize - 1].clear();
        }
        let mut found: Vec<String> = group.happened.iter().map(|text| expect_line(text)).collect();
        match group.expected.first() {
            Some((line, _)) => {
                if found.is_empty() {
                    found.push(expect_line("none"));
                }
                lines[*line as usize - 1] = found;
            }
            None => lines[group.last_line as usize - 1].append(&mut found),
        }
    }
    let mut text = lines.concat().join("\n");
    text.push('\n');
    text
}

fn expect_line(words: &str) -> String {
    format!("        expect {words}")
}
