//! What a pack may get wrong beyond the shape of its files: references between packs, alarms that
//! can never ring, grades that no alarm can reach. And the one pass that tells each kind what its
//! rules need of it.

use chengmai_model::calendar::Calendar;
use chengmai_model::pack::{Better, Indicator, Pack, PackFault};
use chengmai_model::time::parse_duration_ms;
use chengmai_model::{Severity, Text};

use super::rollup_terms::unknown_kind;
use super::rule_terms::ReadingTerm;
use super::{Catalog, CompiledRule};
use crate::expr::values::{Known, ValueSet, exact, possible};
use crate::expr::{Node, Problem};
use crate::limits::CONDITIONS_MAX;
use crate::setpoint::Bounds;

/// Where a fault lies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pack: &'a str,
    file: &'static str,
    item: &'a str,
    key: &'a str,
}

impl<'a> Place<'a> {
    pub(super) fn pack(pack: &'a str, file: &'static str) -> Self {
        Self { pack, file, item: "", key: "" }
    }

    pub(super) fn item(pack: &'a str, file: &'static str, item: &'a str) -> Self {
        Self { pack, file, item, key: "" }
    }

    /// `grade.1.when` is the `when` of the second grade.
    pub(super) fn key<'b>(self, key: &'b str) -> Place<'b>
    where
        'a: 'b,
    {
        Place { key, ..self }
    }

    /// Its line in the pack's own text; 0 when there is none.
    fn line(self, packs: &[Pack]) -> u32 {
        let Some(pack) = packs.iter().find(|pack| pack.head.id == self.pack) else { return 0 };
        let named = |name: &String| name == self.item;
        let (list, index) = match self.file {
            "kinds.toml" => ("kind", pack.kinds.iter().position(|kind| named(&kind.id))),
            "indicators.toml" => {
                ("indicator", pack.indicators.iter().position(|sign| named(&sign.code)))
            }
            "rules.toml" => ("rule", pack.rules.iter().position(|rule| named(&rule.id))),
            "cases.toml" => ("case", pack.case_types.iter().position(|case| named(&case.id))),
            "layers.toml" => ("layer", pack.layers.iter().position(|layer| named(&layer.id))),
            _ => ("pack", Some(0)),
        };
        index.map_or(0, |index| pack.line(self.file, list, index, self.key))
    }
}

/// Faults found so far.
#[derive(Debug)]
pub(super) struct Faults<'p> {
    packs: &'p [Pack],
    pub(super) list: Vec<PackFault>,
}

impl<'p> Faults<'p> {
    pub(super) fn new(packs: &'p [Pack]) -> Self {
        Self { packs, list: Vec::new() }
    }

    pub(super) fn add(&mut self, place: Place<'_>, problem: Problem) {
        let file = match place.pack {
            "" => place.file.to_owned(),
            pack => format!("{pack}/{}", place.file),
        };
        let prefix = match (place.item, place.key) {
            ("", "") => String::new(),
            ("", key) => format!("`{key}`: "),
            (item, "") => format!("`{item}`: "),
            (item, key) => format!("`{item}` `{key}`: "),
        };
        let mut what = problem.what;
        what.zh.insert_str(0, &prefix);
        what.en.insert_str(0, &prefix);
        self.list.push(PackFault { file, line: place.line(self.packs), what, fix: problem.fix });
    }

    /// A typed duration longer than nothing.
    pub(super) fn duration(&mut self, place: Place<'_>, key: &str, text: &str) -> Option<i64> {
        let found = parse_duration_ms(text).filter(|&ms| ms > 0);
        if found.is_none() {
            self.add(place.key(key), bad_duration(text));
        }
        found
    }
}

/// Packs that must be there, and how new they must be.
pub(super) fn needs(packs: &[Pack], faults: &mut Faults<'_>) {
    for pack in packs {
        for need in &pack.head.needs {
            let (id, least) =
                need.split_once(">=").map_or((need.trim(), "0"), |(a, b)| (a.trim(), b.trim()));
            let there = packs.iter().find(|other| other.head.id == id);
            if there.is_none_or(|other| version(&other.head.version) < version(least)) {
                let place = Place::pack(&pack.head.id, "pack.toml").key("needs");
                faults.add(
                    place,
                    Problem::new(
                        (format!("缺少场景包 `{need}`"), format!("pack `{need}` is not loaded")),
                        ("装载该包，或升级到所需版本", "load it, or a version that is new enough"),
                    ),
                );
            }
        }
    }
}

fn version(text: &str) -> Vec<u64> {
    let mut parts: Vec<u64> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

pub(super) fn layers(packs: &[Pack], catalog: &Catalog, faults: &mut Faults<'_>) {
    for pack in packs {
        for layer in pack.layers.iter().filter(|layer| catalog.kind_id(&layer.kind).is_none()) {
            let place = Place::item(&pack.head.id, "layers.toml", &layer.id);
            faults.add(place.key("kind"), unknown_kind(&layer.kind));
        }
    }
}

/// The case type and the row that an indicator or rule proposes.
pub(super) fn files(
    catalog: &Catalog,
    files: Option<&str>,
    row: usize,
    place: Place<'_>,
    faults: &mut Faults<'_>,
) {
    let Some(id) = files else { return };
    match catalog.case_type(id) {
        None => faults.add(
            place.key("files"),
            Problem::new(
                (format!("没有案件类型 `{id}`"), format!("there is no case type `{id}`")),
                (
                    "检查拼写，或在某个场景包的 cases.toml 中声明它",
                    "check the spelling, or declare it in some pack's cases.toml",
                ),
            ),
        ),
        Some(case) if row >= case.def.limits.len() => faults.add(
            place.key("files_row"),
            Problem::new(
                (
                    format!("`{id}` 的立结案标准没有第 {row} 行"),
                    format!("the filing standard of `{id}` has no row {row}"),
                ),
                (
                    format!("行号从 0 起，小于 {}", case.def.limits.len()),
                    format!("rows count from 0 and stay below {}", case.def.limits.len()),
                ),
            ),
        ),
        Some(_) => {}
    }
}

/// Levels must grow worse from blue to red, and an indicator without a good side has none.
pub(super) fn levels(def: &Indicator, place: Place<'_>, faults: &mut Faults<'_>) {
    let Some(levels) = &def.levels else { return };
    let given: Vec<f64> =
        [levels.blue, levels.yellow, levels.orange, levels.red].into_iter().flatten().collect();
    let ordered = given.windows(2).all(|pair| match def.better {
        Better::Higher => pair[0] > pair[1],
        Better::Lower => pair[0] < pair[1],
        Better::Band => false,
    });
    let fits = !given.is_empty()
        && ordered
        && def.better != Better::Band
        && given.iter().all(|level| level.is_finite())
        && levels.hysteresis >= 0.0;
    if !fits {
        faults.add(
            place.key("levels"),
            Problem::new(
                ("各级阈值的次序不对", "the levels are not in order"),
                (
                    "从蓝到红逐级变差；better = \"band\" 时不写 levels；hysteresis 不为负",
                    "each level is worse than the one before, blue to red; none with better = \"band\"; hysteresis is not negative",
                ),
            ),
        );
    }
    if let Some(tier) = levels.warn.iter().find(|tier| !def.tiers.contains(tier)) {
        faults.add(
            place.key("levels.warn"),
            Problem::new(
                (
                    format!("`{}` 不在 tiers 中", tier.word()),
                    format!("`{}` is not one of its tiers", tier.word()),
                ),
                ("先把该层级写进 tiers", "add it to `tiers` first"),
            ),
        );
    }
}

/// While a stream reports, what is known of each term.
fn at_a_reading(term: ReadingTerm) -> Known {
    match term {
        ReadingTerm::Value => Known::Value,
        ReadingTerm::Setpoint(_) => Known::Number(f64::NAN),
        ReadingTerm::Rate | ReadingTerm::Slope(_) | ReadingTerm::Anomaly => Known::Unknown,
        // Asked on their own: when time passes without a reading, and when a value repeats.
        ReadingTerm::SilentFor(_) | ReadingTerm::StuckFor(_) => Known::False,
    }
}

/// At any moment, what is known of each term.
fn at_any_time(term: ReadingTerm) -> Known {
    if term == ReadingTerm::Value { Known::Value } else { Known::Unknown }
}

/// The alarm can ring inside the range, does not clear where it rings, and every grade can be
/// reached while it stands.
pub(super) fn reachable(
    when: &Node<ReadingTerm>,
    clear: Option<&Node<ReadingTerm>>,
    grades: &[(usize, Severity, Node<ReadingTerm>)],
    range: [f64; 2],
    place: Place<'_>,
    faults: &mut Faults<'_>,
) {
    let inside = ValueSet::interval(range[0], range[1]);
    let rings = possible(when, true, &at_any_time).and(&inside);
    if rings.is_empty() {
        faults.add(place.key("alarm.when"), never(range));
        return;
    }
    let stays = match clear {
        Some(clear) => possible(clear, false, &at_any_time).and(&inside),
        None => rings.clone(),
    };
    if let Some(clear) = clear {
        let both = rings.and(&possible(clear, true, &at_any_time));
        if exact(when, &at_any_time) && exact(clear, &at_any_time) && !both.is_empty() {
            faults.add(
                place.key("alarm.clear"),
                Problem::new(
                    (
                        "同一个值既满足报警又满足解除",
                        "the same value both raises and clears the alarm",
                    ),
                    (
                        "让 clear 离开 when 一段回差，例如 when >= 20、clear < 15",
                        "keep clear away from when, such as when >= 20 and clear < 15",
                    ),
                ),
            );
        }
    }
    for (index, severity, grade) in grades {
        if possible(grade, true, &at_any_time).and(&stays.or(&rings)).is_empty() {
            faults.add(
                place.key(&format!("grade.{index}.when")),
                Problem::new(
                    (
                        format!("第 {} 级永远达不到：报警期间没有这样的值", severity.number()),
                        format!(
                            "grade {} can never be reached: no value of a standing alarm meets it",
                            severity.number()
                        ),
                    ),
                    (
                        "检查数值与量程，或放宽 alarm.when",
                        "check the number and the kind's range, or widen alarm.when",
                    ),
                ),
            );
        }
    }
}

/// Tells each kind its quiet band, the silences and repetitions to ask about, its slopes, and
/// whether its streams are watched for anomalies.
pub(super) fn finish_kinds(catalog: &mut Catalog) {
    for kind in &mut catalog.kinds {
        let rules = kind.rules.iter().map(|&rule| &catalog.rules[usize::from(rule)]);
        let compiled: Vec<&CompiledRule> = rules.filter_map(|r| r.compiled.as_ref()).collect();
        let mut loud = ValueSet::none();
        let mut stuck = kind.stuck_ms;
        for rule in &compiled {
            loud = loud.or(&rule.loud);
            for term in rule.terms() {
                match term {
                    ReadingTerm::Slope(ms) => kind.slope_ms = kind.slope_ms.max(ms),
                    ReadingTerm::Anomaly => kind.anomaly = true,
                    ReadingTerm::SilentFor(ms) => kind.silences_ms.push(ms),
                    ReadingTerm::StuckFor(ms) => {
                        stuck = Some(stuck.map_or(ms, |first| first.min(ms)));
                    }
                    ReadingTerm::Setpoint(_) => kind.setpoints = true,
                    ReadingTerm::Value | ReadingTerm::Rate => {}
                }
            }
        }
        kind.quiet = quiet_band(&loud, kind.range);
        kind.silences_ms.sort_unstable();
        kind.silences_ms.dedup();
        kind.stuck_first_ms = stuck;
    }
}

/// Values at which a reading can make the condition hold.
pub(super) fn loud_values(when: &Node<ReadingTerm>) -> ValueSet {
    possible(when, true, &at_a_reading)
}

/// The same for a stream with these set-points.
pub(super) fn loud_values_of(when: &Node<ReadingTerm>, bounds: &Bounds) -> ValueSet {
    possible(when, true, &|term| match term {
        ReadingTerm::Setpoint(severity) => {
            Known::Number(bounds[usize::from(severity.number()) - 1])
        }
        other => at_a_reading(other),
    })
}

/// The widest band inside the range without a loud value; low > high when there is none.
pub(super) fn quiet_band(loud: &ValueSet, range: [f64; 2]) -> [f64; 2] {
    let widest = loud.widest_gap(range[0], range[1]);
    widest.map_or([f64::INFINITY, f64::NEG_INFINITY], |(low, high)| [low, high])
}

fn never(range: [f64; 2]) -> Problem {
    let [low, high] = range;
    Problem::new(
        (
            format!("量程 [{low}, {high}] 内没有值能引起报警"),
            format!("no value of the range [{low}, {high}] can raise this alarm"),
        ),
        ("检查数值、单位与该类型的 range", "check the number, the unit and the kind's range"),
    )
}

/// What is not known is neither true nor false: such an alarm would stand for ever.
pub(super) fn clears_by_setpoint() -> Problem {
    Problem::new(
        (
            "clear 不能用 setpoint：限值被取消后报警将永远无法解除",
            "clear cannot ask for a set-point: once that is taken away, the alarm would never clear",
        ),
        (
            "去掉 clear，用 clear_for 给出回差，例如 clear_for = \"2 readings\"",
            "leave clear out and give clear_for, such as clear_for = \"2 readings\"",
        ),
    )
}

pub(super) fn too_many() -> Problem {
    Problem::new(
        ("规则或指标过多", "too many rules or indicators"),
        ("减少场景包", "load fewer packs"),
    )
}

pub(super) fn no_terms() -> Problem {
    Problem::new(
        ("公式没有用到任何类型", "the formula names no kind"),
        ("例如 mean(methane)", "such as mean(methane)"),
    )
}

pub(super) fn too_many_conditions() -> Problem {
    Problem::new(
        (
            format!("同一类型同一窗口的 count 条件超过 {CONDITIONS_MAX} 个"),
            format!("more than {CONDITIONS_MAX} count conditions on one kind and window"),
        ),
        ("合并条件相同的指标", "merge indicators that ask the same"),
    )
}

pub(super) fn bad_range() -> Problem {
    Problem::new(
        ("range 须为两个由小到大的有限数", "range must be two finite numbers, the lower one first"),
        ("例如 range = [0, 100]", "such as range = [0, 100]"),
    )
}

/// Procedures that lead nowhere, and procedures and plans that no pack declares.
pub(super) fn procedures(packs: &[Pack], catalog: &Catalog, faults: &mut Faults<'_>) {
    for (id, what) in catalog.case_rules(Calendar::default()).faults() {
        let has = |pack: &&Pack| {
            pack.procedures.iter().any(|procedure| procedure.id == id)
                || pack.case_types.iter().any(|case_type| case_type.id == id)
        };
        let pack = packs.iter().find(has).map_or("", |pack| pack.head.id.as_str());
        let fix = Text::new(
            "对照 docs/guides/adding-a-pack.md 中的流程一节",
            "see the part on procedures in docs/guides/adding-a-pack.md",
        );
        faults.add(Place::item(pack, "cases.toml", &id), Problem { what, fix });
    }
}

pub(super) fn declared_twice(name: &str) -> Problem {
    Problem::new(
        (format!("`{name}` 声明了两次"), format!("`{name}` is declared twice")),
        ("改名，或删去其中一个", "rename or remove one of them"),
    )
}

pub(super) fn bad_window(text: &str) -> Problem {
    Problem::new(
        (format!("没有宽度为 `{text}` 的窗口"), format!("there is no window of `{text}`")),
        ("写 1m、5m、1h 或 1d", "write 1m, 5m, 1h or 1d"),
    )
}

pub(super) fn no_grade() -> Problem {
    Problem::new(
        ("没有等级", "there is no grade"),
        (
            "至少写一级：grade = [{ severity = 1, when = \"value >= 20\" }]",
            "write at least one: grade = [{ severity = 1, when = \"value >= 20\" }]",
        ),
    )
}

pub(super) fn bad_delay(text: &str) -> Problem {
    Problem::new(
        (format!("`{text}` 不是延时"), format!("`{text}` is not a delay")),
        ("写 `2 readings` 或 `30s`", "write `2 readings` or `30s`"),
    )
}

pub(super) fn bad_recheck(text: &str, most: u8) -> Problem {
    Problem::new(
        (format!("`{text}` 不是复核条件"), format!("`{text}` is not a re-check")),
        (
            format!("写 `2 of 3 within 10m`，最多看 {most} 个读数"),
            format!("write `2 of 3 within 10m`, of at most {most} readings"),
        ),
    )
}

fn bad_duration(text: &str) -> Problem {
    Problem::new(
        (format!("`{text}` 不是时长"), format!("`{text}` is not a duration")),
        ("例如 30s、5m、1h30m、2d", "such as 30s, 5m, 1h30m, 2d"),
    )
}
