//! The words of a scenario: text to lines, each with its number so that a fault can name it.
//!
//! Not here: doing what the lines say (`world`).

use chengmai_model::Severity;
use chengmai_model::calendar::{Limit, WorkHours};
use chengmai_model::case::{CaseSource, CommandKind, EventLevel, PhotoKind, ReportForm, Stage};
use chengmai_model::stream::Levels;
use chengmai_model::time::parse_duration_ms;

/// What a line says. `Expect` keeps its words for comparison, one space apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Item {
    /// Blank or comment.
    Nothing,
    /// `area CQ > YZ > JLP`: codes from the city down.
    Area(Vec<String>),
    /// `agency yz_gas gas_company at YZ [hours 09:00-12:00,13:00-17:00]`.
    Agency { id: String, kind: String, area: String, hours: Option<WorkHours> },
    /// `date 2026-09-30`: the day whose midnight is `t=0`.
    Date(jiff::civil::Date),
    /// `holiday 2026-10-01`, `workday 2026-10-10`.
    Day { date: jiff::civil::Date, work: bool },
    /// `device m1 methane at G3 every 1m`.
    Device { id: String, kind: String, area: String, period_ms: Option<i64> },
    /// `setpoints v1 yellow=178 red=180.5`.
    Setpoints { device: String, levels: Levels },
    /// Something done, perhaps at a new time.
    Act { time: Option<Times>, action: Action },
    /// `expect ...`
    Expect(String),
}

/// When something is done, in milliseconds after the start: once, or again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the unit stands last in a name")]
pub(super) struct Times {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) every_ms: i64,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Time passes, nothing else.
    Tick,
    /// `obs m1 2.4, m2 7`, `obs m1 3 -> 30` over a time that repeats, `obs m1 5 late 2m`.
    Observe(Vec<Observed>),
    /// `confirm W1`, `dismiss W1 ...`.
    Answer { warning: usize, confirm: bool },
    /// `file W1 row 0`: a person files the case that a warning proposes.
    FileWarning { warning: usize, row: Option<usize> },
    /// `file exposed_rubbish at G3 row 0`.
    FileType { case_type: String, area: String, row: usize },
    /// `report exposed_rubbish at G3 from public by anna`: something that is not filed yet.
    Report { case_type: String, area: String, source: CaseSource, by: Option<String> },
    /// A step of a case: `dispatch K1 to yz_gas by YZ`.
    Command { case: usize, kind: CommandKind, said: Box<Said> },
}

/// What is said along with a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Said {
    /// `to WHOM`: an agency, an area or a level.
    pub(super) to: Option<String>,
    /// `by WHOM`: a centre's area, an agency, or `ROLE:NAME`.
    pub(super) by: Option<String>,
    /// `because REASON`, last.
    pub(super) reason: Option<String>,
    /// `type CASE_TYPE`.
    pub(super) case_type: Option<String>,
    /// `row 0`.
    pub(super) row: Option<usize>,
    /// `for 2 work_day`.
    pub(super) limit: Option<Limit>,
    /// `until 3d`, after the start.
    pub(super) until_ms: Option<i64>,
    /// `level II`.
    pub(super) level: Option<EventLevel>,
    /// `form phone`.
    pub(super) form: Option<ReportForm>,
    /// `plan gas_emergency`.
    pub(super) plan: Option<String>,
    /// `into K1`.
    pub(super) into: Option<usize>,
    /// `stage handle`.
    pub(super) stage: Option<Stage>,
    /// `stars 5`.
    pub(super) stars: Option<u8>,
    /// `photo after`, taken there and then.
    pub(super) photos: Vec<PhotoKind>,
}

/// A reading, or a straight line of readings over a time that repeats.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Observed {
    pub(super) device: String,
    pub(super) from: f64,
    pub(super) to: f64,
    /// How long after the measurement it comes in.
    pub(super) late_ms: i64,
}

/// A line that cannot be read, with what would be right.
pub(super) type Unreadable = (u32, String);

/// All lines of a scenario in order, numbered from 1.
pub(super) fn parse(text: &str) -> Result<Vec<Item>, Unreadable> {
    (1..).zip(text.lines()).map(|(number, line)| item(line).map_err(|why| (number, why))).collect()
}

fn item(line: &str) -> Result<Item, String> {
    let line = line.split_once('#').map_or(line, |(before, _)| before);
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Ok(Item::Nothing),
        ["area", path @ ..] => area(path),
        ["agency", id, kind, "at", area, rest @ ..] => Ok(Item::Agency {
            id: (*id).to_owned(),
            kind: (*kind).to_owned(),
            area: (*area).to_owned(),
            hours: match rest {
                [] => None,
                ["hours", text] => Some(
                    WorkHours::parse(text)
                        .ok_or_else(|| format!("`{text}` are no working hours"))?,
                ),
                _ => return Err("write `agency ID KIND at AREA [hours 09:00-17:00]`".to_owned()),
            },
        }),
        ["date", day] => Ok(Item::Date(date(day)?)),
        ["holiday", day] => Ok(Item::Day { date: date(day)?, work: false }),
        ["workday", day] => Ok(Item::Day { date: date(day)?, work: true }),
        ["device", id, kind, "at", area, rest @ ..] => Ok(Item::Device {
            id: (*id).to_owned(),
            kind: (*kind).to_owned(),
            area: (*area).to_owned(),
            period_ms: match rest {
                [] => None,
                ["every", period] => Some(duration(period)?),
                _ => return Err("write `device ID KIND at AREA [every 1m]`".to_owned()),
            },
        }),
        ["setpoints", device, rest @ ..] if !rest.is_empty() => {
            Ok(Item::Setpoints { device: (*device).to_owned(), levels: levels(rest)? })
        }
        ["expect", rest @ ..] if !rest.is_empty() => Ok(Item::Expect(rest.join(" "))),
        [first, "every", every, rest @ ..] if first.starts_with("t=") => {
            let (first_ms, last_ms) = span(&first[2..])?;
            let every_ms = duration(every)?;
            let time = Times { first_ms, last_ms, every_ms };
            Ok(Item::Act { time: Some(time), action: action(rest)? })
        }
        [first, rest @ ..] if first.starts_with("t=") => {
            let at = moment(&first[2..])?;
            let time = Times { first_ms: at, last_ms: at, every_ms: 1 };
            let action = if rest.is_empty() { Action::Tick } else { action(rest)? };
            Ok(Item::Act { time: Some(time), action })
        }
        words => Ok(Item::Act { time: None, action: action(words)? }),
    }
}

fn levels(words: &[&str]) -> Result<Levels, String> {
    let mut levels = [None; 4];
    for word in words {
        let (color, number) = word.split_once('=').unwrap_or((word, ""));
        let place = Severity::ALL.into_iter().position(|severity| severity.color() == color);
        match (place, number.parse::<f64>()) {
            (Some(place), Ok(number)) if number.is_finite() => levels[place] = Some(number),
            _ => return Err("write `setpoints ID blue=1 yellow=2 orange=3 red=4`".to_owned()),
        }
    }
    Ok(levels)
}

fn area(words: &[&str]) -> Result<Item, String> {
    let codes: Vec<String> = words.iter().step_by(2).map(|&w| w.to_owned()).collect();
    let joined = words.iter().skip(1).step_by(2).all(|&w| w == ">");
    if joined && words.len() % 2 == 1 && codes.len() <= 5 {
        Ok(Item::Area(codes))
    } else {
        Err("write `area CITY > DISTRICT > TOWN > COMMUNITY > GRID`".to_owned())
    }
}

fn action(words: &[&str]) -> Result<Action, String> {
    let action = match words {
        ["tick"] => Some(Action::Tick),
        ["obs", rest @ ..] => {
            let list = rest.join(" ");
            let list: Result<Vec<Observed>, String> = list.split(',').map(observed).collect();
            Some(Action::Observe(list?))
        }
        ["confirm", warning] => {
            number(warning, 'W').map(|warning| Action::Answer { warning, confirm: true })
        }
        ["dismiss", warning, ..] => {
            number(warning, 'W').map(|warning| Action::Answer { warning, confirm: false })
        }
        ["file", case, rest @ ..] if number(case, 'K').is_some() => {
            command(case, CommandKind::File, rest)?
        }
        ["file", what, rest @ ..] => Some(file(what, rest)?),
        ["report", what, "at", area, rest @ ..] => Some(report(what, area, rest)?),
        ["check", case, "pass", rest @ ..] => command(case, CommandKind::CheckPass, rest)?,
        ["check", case, "fail", rest @ ..] => command(case, CommandKind::CheckFail, rest)?,
        ["verify", case, "pass", rest @ ..] => command(case, CommandKind::VerifyPass, rest)?,
        ["verify", case, "fail", rest @ ..] => command(case, CommandKind::VerifyFail, rest)?,
        [verb, case, rest @ ..] => match kind(verb) {
            Some(kind) => command(case, kind, rest)?,
            None => None,
        },
        _ => None,
    };
    action.ok_or_else(|| {
        format!(
            "`{}` is not known; use obs, tick, confirm, dismiss, report, verify pass, check pass, up, \
             down, sideways or a step: {}",
            words.join(" "),
            CommandKind::WORDS.join(", ")
        )
    })
}

/// Commands by their words in the API; the three between centres also by short ones.
fn kind(verb: &str) -> Option<CommandKind> {
    match verb {
        "up" => Some(CommandKind::HandUp),
        "down" => Some(CommandKind::HandDown),
        "sideways" => Some(CommandKind::HandSideways),
        _ => CommandKind::from_word(verb),
    }
}

fn date(word: &str) -> Result<jiff::civil::Date, String> {
    word.parse().map_err(|_| format!("`{word}` is not a day such as 2026-10-01"))
}

fn report(what: &str, area: &str, mut rest: &[&str]) -> Result<Action, String> {
    let (mut source, mut by) = (CaseSource::Public, None);
    while let [word, value, after @ ..] = rest {
        match *word {
            "from" => {
                source = CaseSource::from_word(value).ok_or_else(|| {
                    format!("`{value}` is no source; use {}", CaseSource::WORDS.join(", "))
                })?;
            }
            "by" => by = Some((*value).to_owned()),
            _ => break,
        }
        rest = after;
    }
    if !rest.is_empty() {
        return Err("write `report CASE_TYPE at AREA [from SOURCE] [by NAME]`".to_owned());
    }
    Ok(Action::Report { case_type: what.to_owned(), area: area.to_owned(), source, by })
}

fn observed(text: &str) -> Result<Observed, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (device, from, to, late_ms) = match words[..] {
        [device, value] => (device, decimal(value)?, decimal(value)?, 0),
        [device, from, "->", to] => (device, decimal(from)?, decimal(to)?, 0),
        [device, value, "late", late] => {
            (device, decimal(value)?, decimal(value)?, duration(late)?)
        }
        _ => {
            let forms =
                "`obs DEVICE VALUE, ...`, `obs DEVICE FROM -> TO` or `obs DEVICE VALUE late 2m`";
            return Err(format!("write {forms}"));
        }
    };
    Ok(Observed { device: device.to_owned(), from, to, late_ms })
}

fn file(what: &str, rest: &[&str]) -> Result<Action, String> {
    let row = |word: &str| word.parse().map_err(|_| format!("`{word}` is not the number of a row"));
    if let Some(warning) = number(what, 'W') {
        return match rest {
            [] => Ok(Action::FileWarning { warning, row: None }),
            ["row", word] => Ok(Action::FileWarning { warning, row: Some(row(word)?) }),
            _ => Err("write `file W1 [row 0]`".to_owned()),
        };
    }
    match rest {
        ["at", area, "row", word] => Ok(Action::FileType {
            case_type: what.to_owned(),
            area: (*area).to_owned(),
            row: row(word)?,
        }),
        _ => Err("write `file W1 [row 0]` or `file CASE_TYPE at AREA row 0`".to_owned()),
    }
}

fn command(case: &str, kind: CommandKind, mut rest: &[&str]) -> Result<Option<Action>, String> {
    let Some(case) = number(case, 'K') else { return Ok(None) };
    let mut said = Said::default();
    while let [word, value, after @ ..] = rest {
        rest = after;
        match *word {
            "to" => said.to = Some((*value).to_owned()),
            "by" => said.by = Some((*value).to_owned()),
            "type" => said.case_type = Some((*value).to_owned()),
            "plan" => said.plan = Some((*value).to_owned()),
            "row" => said.row = Some(whole(value)?),
            "stars" => said.stars = Some(whole(value)?),
            "into" => said.into = Some(number(value, 'K').ok_or("write `into K1`")?),
            "until" => said.until_ms = Some(duration(value)?),
            "level" => said.level = Some(named(value, EventLevel::WORDS, EventLevel::from_word)?),
            "form" => said.form = Some(named(value, ReportForm::WORDS, ReportForm::from_word)?),
            "stage" => said.stage = Some(named(value, Stage::WORDS, Stage::from_word)?),
            "photo" => said.photos.push(named(value, PhotoKind::WORDS, PhotoKind::from_word)?),
            "for" => {
                let unit = after.first().ok_or("write `for 2 work_day`")?;
                let limit = Limit::parse(&format!("{value} {unit}"));
                said.limit = Some(limit.ok_or("write `for 2 work_day`")?);
                rest = &after[1..];
            }
            "because" => {
                let mut words = vec![*value];
                words.extend(after);
                said.reason = Some(words.join(" "));
                rest = &[];
            }
            _ => return Err(along_with()),
        }
    }
    if !rest.is_empty() {
        return Err(along_with());
    }
    Ok(Some(Action::Command { case, kind, said: Box::new(said) }))
}

fn along_with() -> String {
    "after the case come `to WHOM`, `by WHOM`, `type`, `row`, `for`, `until`, `level`, `form`, `plan`, \
     `into`, `stage`, `stars`, `photo` and last `because REASON`"
        .to_owned()
}

fn whole<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("`{word}` is not a number here"))
}

fn named<T>(word: &str, words: &[&str], read: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    read(word).ok_or_else(|| format!("`{word}` is none of {}", words.join(", ")))
}

/// `W1`, `K2`: the number behind the letter, from 1.
fn number(word: &str, letter: char) -> Option<usize> {
    word.strip_prefix(letter)?.parse().ok().filter(|&n| n > 0)
}

fn decimal(word: &str) -> Result<f64, String> {
    let value: Option<f64> = word.parse().ok().filter(|v: &f64| v.is_finite());
    value.ok_or_else(|| format!("`{word}` is not a number"))
}

fn duration(word: &str) -> Result<i64, String> {
    parse_duration_ms(word)
        .filter(|&ms| ms > 0)
        .ok_or_else(|| format!("`{word}` is not a duration such as 30s, 5m, 1h30m"))
}

fn moment(word: &str) -> Result<i64, String> {
    if word == "0" { Ok(0) } else { duration(word) }
}

fn span(word: &str) -> Result<(i64, i64), String> {
    let both = word.split_once("..").ok_or("write `t=0..10m every 1m`")?;
    let (first, last) = (moment(both.0)?, moment(both.1)?);
    if first < last { Ok((first, last)) } else { Err(format!("`{word}` does not run forward")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let found = match parse(line) {
            Ok(items) => format!("{:?}", items[0]),
            Err((number, why)) => format!("{number}: {why}"),
        };
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn lines_read_as_they_are_meant() {
        check("area CQ > YZ", r#"Area(["CQ", "YZ"])"#);
        check("  # 说明", "Nothing");
        check(
            "t=1m obs m1 2.5 # 读数",
            "Act { time: Some(Times { first_ms: 60000, last_ms: 60000, every_ms: 1 }), action: \
             Observe([Observed { device: \"m1\", from: 2.5, to: 2.5, late_ms: 0 }]) }",
        );
        check(
            "t=0..5m every 1m obs m1 1 -> 6",
            "Act { time: Some(Times { first_ms: 0, last_ms: 300000, every_ms: 60000 }), action: \
             Observe([Observed { device: \"m1\", from: 1.0, to: 6.0, late_ms: 0 }]) }",
        );
        check("expect   none", r#"Expect("none")"#);
    }

    #[test]
    fn lines_that_mean_nothing_say_what_would() {
        check("area CQ YZ", "1: write `area CITY > DISTRICT > TOWN > COMMUNITY > GRID`");
        check("t=soon tick", "1: `soon` is not a duration such as 30s, 5m, 1h30m");
        check("t=5m..1m every 1m tick", "1: `5m..1m` does not run forward");
        check("obs m1 NaN", "1: `NaN` is not a number");
        check("file gas_leak", "1: write `file W1 [row 0]` or `file CASE_TYPE at AREA row 0`");
        assert!(parse("jump K1").unwrap_err().1.contains("`jump K1` is not known"));
        assert!(parse("return K1 loudly now").unwrap_err().1.contains("after the case come"));
    }
}
