//! Made-up cases of a city of forty districts, a thousand towns and fifty thousand grids. A function of
//! the number of a case, so that the same is made again.

use chengmai_engine::case::imported;
use chengmai_model::case::{Case, CaseEvent, CaseId, CommandKind, ImportedCase, ImportedStatus};
use chengmai_model::time::{HOUR_MS, MINUTE_MS};
use chengmai_model::{Actor, AreaPath, Role, Timestamp};

const START_MS: i64 = 1_700_000_000_000;
/// One is filed every 90 seconds: a million are three years.
const EVERY_MS: i64 = 90_000;
pub(crate) const DISTRICTS: u64 = 40;
const TOWNS: u64 = 25;
const COMMUNITIES: u64 = 10;
const GRIDS: u64 = 5;
const AGENCIES: u64 = 200;
const KINDS: [&str; 8] = [
    "井盖破损",
    "路灯不亮",
    "占道经营",
    "垃圾满溢",
    "路面坑洞",
    "油烟扰民",
    "违规停车",
    "树木倒伏",
];

pub(crate) fn root() -> AreaPath {
    AreaPath::parse("/50/").unwrap()
}

/// The area of a number: of a grid, or as many tiers up as asked.
pub(crate) fn area(number: u64, tier: usize) -> AreaPath {
    let district = 500_100 + number % DISTRICTS;
    let town = district * 1_000 + number / DISTRICTS % TOWNS;
    let community = town * 1_000 + number / (DISTRICTS * TOWNS) % COMMUNITIES;
    let grid = community * 100 + number / (DISTRICTS * TOWNS * COMMUNITIES) % GRIDS;
    let codes = [district, town, community, grid];
    let mut path = String::from("/50/");
    for code in &codes[..tier - 1] {
        path = format!("{path}{code}/");
    }
    AreaPath::parse(&path).unwrap()
}

pub(crate) fn agency(number: u64) -> String {
    format!("agency_{}", number % AGENCIES)
}

pub(crate) fn kind(number: u64) -> String {
    KINDS[usize::try_from(number % KINDS.len() as u64).unwrap()].to_owned()
}

/// Scatters neighbouring numbers.
pub(crate) fn mixed(number: u64) -> u64 {
    let x = (number ^ (number >> 15)).wrapping_mul(0x2c1b_3c6d_9e37_79b9);
    (x ^ (x >> 29)) >> 8
}

/// When the n-th case was filed.
pub(crate) fn filed_at(number: u64) -> Timestamp {
    Timestamp(START_MS + number.cast_signed() * EVERY_MS)
}

/// The n-th of so many cases: the newer, the likelier still open.
pub(crate) fn draft(number: u64, count: u64) -> (CaseId, Vec<CaseEvent>) {
    let mix = mixed(number);
    let opened_at = filed_at(number);
    let age = (count - number) * 100 / count;
    let open = mix.is_multiple_of(if age < 4 { 2 } else { 200 });
    let limit_ms = HOUR_MS * (4 + (mix % 240).cast_signed());
    let closed_at = opened_at.plus_ms(limit_ms / 8 * (1 + (mix / 7 % 9).cast_signed()));
    let kind = kind(mix / 3);
    let case = ImportedCase {
        line: 2,
        external_id: format!("made:{number}"),
        opened_at,
        due_at: Some(opened_at.plus_ms(limit_ms)),
        closed_at: (!open).then_some(closed_at),
        agency: agency(mix / 11),
        agency_name: None,
        kind: kind.clone(),
        detail: format!(
            "市民反映{kind}，位于第{}路{}号门前，影响通行，请尽快派人处理。lamp {} near the market, second call",
            mix % 997,
            mix / 997 % 400,
            mix % 99_991
        ),
        area_text: String::new(),
        position: Some([106.5, 29.5]),
        status: if open { ImportedStatus::Open } else { ImportedStatus::Closed },
        stated_on_time: None,
    };
    let area = area(mix, 5);
    let importer =
        Actor { name: "import".into(), roles: vec![Role::DutyOfficer], area: root(), agency: None };
    let day = day_of(opened_at);
    let events = imported(&case, &area, &importer, opened_at.plus_ms(MINUTE_MS));
    (CaseId::draft(&area, day.parse().unwrap()), events)
}

/// The day of a time as text.
fn day_of(time: Timestamp) -> String {
    time.to_string()[..10].to_owned()
}

/// Somebody who may do this to a case.
pub(crate) fn actor(case: &Case, kind: CommandKind) -> Actor {
    let of_agency = matches!(kind, CommandKind::Start | CommandKind::Finish);
    Actor {
        name: if of_agency { "staff" } else { "duty" }.into(),
        roles: vec![if of_agency { Role::AgencyStaff } else { Role::DutyOfficer }],
        area: if of_agency { root() } else { case.holder.area.clone() },
        agency: case.agency.clone().filter(|_| of_agency),
    }
}
