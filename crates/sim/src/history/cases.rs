//! A week of made-up cases: of many types, in all districts, by agencies of which some are punctual
//! and some are not, so that their figures differ.
//!
//! Invariants: the steps of a case are in order of time, none lies after the end of the past, and
//! each is allowed after the one before it in the short loop.

use chengmai_model::calendar::{Limit, LimitUnit};
use chengmai_model::time::{DAY_MS, HOUR_MS, MINUTE_MS};
use chengmai_model::{AreaCode, AreaId, AreaTree, Tier, Timestamp};

use crate::random::{below, between, draw, unit};

/// How many cases a week has.
const CASES: u64 = 600;
/// How far back it reaches.
const SPAN_MS: i64 = 7 * DAY_MS;

/// A step of the short loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastStep {
    /// 派遣, to the case's agency.
    Dispatch,
    /// 开始处置.
    Start,
    /// 处置完成.
    Finish,
    /// 核查不通过: back for rework.
    CheckFail,
    /// 核查通过.
    CheckPass,
    /// 结案.
    Close,
}

/// A case of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct PastCase {
    /// Id of a case type of the built-in packs.
    pub case_type: &'static str,
    /// The row of the standard it cites, from 0.
    pub row: usize,
    /// The grid it lies in.
    pub area: AreaCode,
    /// The middle of that grid, where known.
    pub position: Option<[f64; 2]>,
    /// Id of the agency it goes to: `sanitation-500103`.
    pub agency: String,
    /// What was reported, in Chinese.
    pub description: String,
    /// When it was filed.
    pub filed_at: Timestamp,
    /// What happened then.
    pub steps: Vec<(Timestamp, PastStep)>,
}

/// A type that past cases are drawn from. Limits repeat the packs' own; a test compares them.
struct Kind {
    case_type: &'static str,
    row: usize,
    agency: &'static str,
    limit: &'static str,
    /// How many of a hundred or so.
    weight: usize,
    words: &'static str,
}

#[rustfmt::skip]
const KINDS: [Kind; 26] = [
    Kind { case_type: "exposed_rubbish", row: 0, agency: "sanitation", limit: "4 work_hour", weight: 9, words: "居民楼旁生活垃圾散落在桶外" },
    Kind { case_type: "dirty_road", row: 0, agency: "sanitation", limit: "2 work_hour", weight: 7, words: "人行道有落叶和散落垃圾" },
    Kind { case_type: "bin_overflow", row: 0, agency: "sanitation", limit: "4 work_hour", weight: 7, words: "果皮箱装满外溢" },
    Kind { case_type: "road_spill", row: 0, agency: "sanitation", limit: "4 work_hour", weight: 3, words: "运输车沿路撒漏砂石" },
    Kind { case_type: "old_furniture", row: 0, agency: "sanitation", limit: "2 work_day", weight: 3, words: "废旧沙发堆在人行道上" },
    Kind { case_type: "shop_overflow", row: 0, agency: "urban_management", limit: "2 urgent_hour", weight: 8, words: "店铺将货物摆到门外" },
    Kind { case_type: "road_stall", row: 0, agency: "urban_management", limit: "2 urgent_hour", weight: 7, words: "流动摊位占用非机动车道" },
    Kind { case_type: "bicycle_disorder", row: 0, agency: "urban_management", limit: "2 work_hour", weight: 7, words: "共享单车堵住轨道站出口" },
    Kind { case_type: "illegal_bills", row: 0, agency: "urban_management", limit: "1 work_day", weight: 5, words: "电杆上贴有小广告" },
    Kind { case_type: "manhole_missing", row: 0, agency: "urban_management", limit: "2 urgent_hour", weight: 3, words: "路边井盖移位" },
    Kind { case_type: "street_hanging", row: 0, agency: "urban_management", limit: "2 urgent_hour", weight: 2, words: "行道树之间晾晒衣被" },
    Kind { case_type: "piled_materials", row: 0, agency: "urban_management", limit: "1 work_day", weight: 3, words: "公共绿地旁堆放砖块" },
    Kind { case_type: "street_lamp", row: 2, agency: "power_company", limit: "2 work_day", weight: 5, words: "一盏路灯夜间不亮" },
    Kind { case_type: "fallen_cable", row: 0, agency: "power_company", limit: "2 work_hour", weight: 1, words: "线缆垂落到人行道" },
    Kind { case_type: "storm_grate", row: 4, agency: "drainage_company", limit: "1 work_day", weight: 4, words: "雨水箅子被落叶堵住" },
    Kind { case_type: "sewer_overflow", row: 0, agency: "drainage_company", limit: "4 work_hour", weight: 3, words: "污水从检查井冒出" },
    Kind { case_type: "road_flooding", row: 0, agency: "drainage_company", limit: "2 urgent_hour", weight: 2, words: "下穿道积水影响通行" },
    Kind { case_type: "manhole_sewage", row: 1, agency: "drainage_company", limit: "4 work_hour", weight: 2, words: "污水井盖破损" },
    Kind { case_type: "water_burst", row: 0, agency: "water_company", limit: "1 urgent_hour", weight: 2, words: "供水管漏水漫上路面" },
    Kind { case_type: "manhole_water", row: 2, agency: "water_company", limit: "2 work_day", weight: 2, words: "上水井盖经过时有响声" },
    Kind { case_type: "gas_regulator_box", row: 1, agency: "gas_company", limit: "2 work_day", weight: 1, words: "调压箱箱体锈蚀" },
    Kind { case_type: "manhole_gas", row: 1, agency: "gas_company", limit: "1 work_day", weight: 2, words: "燃气井盖边角破损" },
    Kind { case_type: "traffic_barrier", row: 0, agency: "traffic_police", limit: "1 work_day", weight: 3, words: "道路护栏移位" },
    Kind { case_type: "site_dust", row: 0, agency: "housing_construction", limit: "2 work_hour", weight: 3, words: "工地出入口扬尘" },
    Kind { case_type: "construction_noise", row: 1, agency: "housing_construction", limit: "2 urgent_hour", weight: 3, words: "工地夜间施工扰民" },
    Kind { case_type: "medical_waste", row: 0, agency: "ecology", limit: "2 work_day", weight: 1, words: "垃圾堆中有医疗废物" },
];

/// How an agency works, drawn once for each.
#[derive(Debug, Clone, Copy)]
struct Habit {
    /// Share of cases handled beyond the limit.
    late: f64,
    /// Share of cases that fail the first check.
    rework: f64,
}

impl Habit {
    fn of(agency: &str, seed: u64) -> Self {
        let own = agency.bytes().fold(seed, |hash, byte| draw(hash, u64::from(byte), 21));
        let quality = unit(draw(own, 1, 22));
        Self {
            // The best agencies are hardly ever late, the worst every third time.
            late: 0.01 + 0.40 * (1.0 - quality).powi(2),
            rework: 0.02 + 0.22 * (1.0 - unit(draw(own, 2, 22))).powi(2),
        }
    }
}

/// About 600 cases filed in the seven days before `until`, in order of filing: most closed, some
/// late, some reworked, the newest still open.
pub fn past_cases(areas: &AreaTree, until: Timestamp, seed: u64) -> Vec<PastCase> {
    let leaves: Vec<AreaId> =
        areas.iter().filter(|(id, area)| area.end.0 == id.0 + 1).map(|(id, _)| id).collect();
    let districts: Vec<AreaId> =
        areas.iter().filter(|(_, a)| a.row.tier == Tier::District).map(|(id, _)| id).collect();
    let mut cases: Vec<PastCase> = (0..CASES)
        .filter_map(|number| {
            let bits = draw(seed, number, 31);
            // Half of them in the inner city, where more people report more.
            let area = if bits & 1 == 0 {
                inner(areas, &districts, &leaves, bits)?
            } else {
                *leaves.get(below(draw(bits, 1, 32), leaves.len()))?
            };
            Some(case(areas, area, until, draw(bits, 2, 32), seed))
        })
        .collect();
    cases.sort_by_key(|case| case.filed_at);
    cases
}

/// A leaf of one of the inner districts; anywhere when the city has none.
fn inner(areas: &AreaTree, districts: &[AreaId], leaves: &[AreaId], bits: u64) -> Option<AreaId> {
    let core: Vec<AreaId> = districts
        .iter()
        .copied()
        .filter(|&d| crate::fleet::CORE.contains(&areas.get(d).row.code.as_str()))
        .collect();
    if core.is_empty() {
        return leaves.get(below(draw(bits, 3, 33), leaves.len())).copied();
    }
    let subtree = areas.subtree(core[below(draw(bits, 4, 33), core.len())]);
    let low = leaves.partition_point(|leaf| leaf.0 < subtree.start);
    let high = leaves.partition_point(|leaf| leaf.0 < subtree.end);
    leaves[low..high].get(below(draw(bits, 5, 33), high - low)).copied()
}

fn case(areas: &AreaTree, area: AreaId, until: Timestamp, bits: u64, seed: u64) -> PastCase {
    let kind = kind_of(bits);
    let row = &areas.get(area).row;
    let district = areas.at_tier(area, Tier::District).unwrap_or(AreaId::ROOT);
    let agency = format!("{}-{}", kind.agency, areas.get(district).row.code);
    let community = areas.at_tier(area, Tier::Community).unwrap_or(area);
    let filed_at = filed_at(until, bits);
    let mut steps = steps(kind, Habit::of(&agency, seed), filed_at, bits);
    steps.retain(|(at, _)| *at <= until);
    PastCase {
        case_type: kind.case_type,
        row: kind.row,
        area: row.code.clone(),
        position: row.center,
        agency,
        description: format!("{}：{}", areas.get(community).row.name, kind.words),
        filed_at,
        steps,
    }
}

fn kind_of(bits: u64) -> &'static Kind {
    let total = KINDS.iter().map(|k| k.weight).sum();
    let mut left = below(draw(bits, 6, 34), total);
    for kind in &KINDS {
        if left < kind.weight {
            return kind;
        }
        left -= kind.weight;
    }
    &KINDS[0]
}

/// People report by day: between seven and eleven in the evening, UTC+8.
fn filed_at(until: Timestamp, bits: u64) -> Timestamp {
    let back = ms(between(draw(bits, 7, 35), 0.02, 1.0) * SPAN_MS as f64);
    let at = until.plus_ms(-back);
    let local_hour = (at.0 + 8 * HOUR_MS).rem_euclid(DAY_MS) / HOUR_MS;
    let night = !(7..23).contains(&local_hour);
    let moved = at.plus_ms(-9 * HOUR_MS);
    if night && until.since(moved) < SPAN_MS { moved } else { at }
}

fn steps(kind: &Kind, habit: Habit, filed_at: Timestamp, bits: u64) -> Vec<(Timestamp, PastStep)> {
    let limit_ms = wall_ms(kind.limit) as f64;
    let mut at = filed_at;
    let mut steps = Vec::new();
    let mut salt = 40;
    let mut wait = |steps: &mut Vec<_>, step, low_ms: f64, high_ms: f64| {
        salt += 1;
        at = at.plus_ms(ms(between(draw(bits, salt, 36), low_ms, high_ms)));
        steps.push((at, step));
    };
    let minutes = |n: f64| n * MINUTE_MS as f64;
    wait(&mut steps, PastStep::Dispatch, minutes(1.0), minutes(24.0));
    wait(&mut steps, PastStep::Start, limit_ms * 0.02, limit_ms * 0.25);
    // A late case overruns the slack of the other stages too, three and a half hours in all.
    let slack = 3.5 * HOUR_MS as f64;
    if unit(draw(bits, 8, 37)) < habit.late {
        wait(&mut steps, PastStep::Finish, limit_ms + slack, limit_ms * 1.6 + slack);
    } else {
        wait(&mut steps, PastStep::Finish, limit_ms * 0.08, limit_ms * 0.55);
    }
    let mut reworks = 0;
    while reworks < 2 && unit(draw(bits, 9, 38 + reworks)) < habit.rework {
        reworks += 1;
        wait(&mut steps, PastStep::CheckFail, minutes(6.0), minutes(50.0));
        wait(&mut steps, PastStep::Start, minutes(4.0), minutes(30.0));
        wait(&mut steps, PastStep::Finish, limit_ms * 0.03, limit_ms * 0.14);
    }
    wait(&mut steps, PastStep::CheckPass, minutes(6.0), minutes(70.0));
    wait(&mut steps, PastStep::Close, minutes(2.0), minutes(35.0));
    // A few are stuck half-way: agencies that do not answer.
    if unit(draw(bits, 10, 39)) < habit.late * 0.12 {
        steps.truncate(2);
    }
    steps
}

/// How long a limit is when nobody ever sleeps: what the made-up people hurry by.
fn wall_ms(limit: &str) -> i64 {
    let limit = Limit::parse(limit).unwrap_or(Limit::new(4, LimitUnit::UrgentHour));
    let unit = match limit.unit {
        LimitUnit::UrgentMinute | LimitUnit::WorkMinute => MINUTE_MS,
        LimitUnit::UrgentHour | LimitUnit::WorkHour => HOUR_MS,
        LimitUnit::WorkDay | LimitUnit::NaturalDay => DAY_MS,
    };
    i64::from(limit.amount) * unit
}

#[expect(clippy::cast_possible_truncation, reason = "spans of days in milliseconds")]
fn ms(value: f64) -> i64 {
    value.round() as i64
}
