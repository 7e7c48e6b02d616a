//! The lists and maps of the screens, each asked many times with other areas, agencies and words.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chengmai_model::case::{CaseState, Light};
use chengmai_model::{Actor, Role, Timestamp};
use chengmai_store::records::cases::{CaseFilter, CaseOrder, CaseStateFilter};
use chengmai_store::records::{PageRequest, Records};

use crate::{city, spread};

/// How often each is asked.
const TIMES: u64 = 40;

type Question = (&'static str, fn(u64) -> CaseFilter);

const QUESTIONS: [Question; 22] = [
    ("all of the city, newest first", |_| of(1, 0)),
    ("all of the city, soonest due", |_| CaseFilter { order: CaseOrder::Due, ..of(1, 0) }),
    ("the second page of it", |n| CaseFilter {
        page: PageRequest { limit: 100, cursor: Some(format!("{}~5", city::filed_at(n * 999).0)) },
        ..of(1, 0)
    }),
    ("open in the city, soonest due", |_| due(open(of(1, 0)))),
    ("open in a district, newest first", |n| open(of(2, n))),
    ("open in a district, soonest due", |n| due(open(of(2, n)))),
    ("open in a town, soonest due", |n| due(open(of(3, n)))),
    ("map: open in a district, 1,000 of them", |n| map(open(of(2, n)))),
    ("map: open in a town", |n| map(open(of(3, n)))),
    ("all of a district", |n| of(2, n)),
    ("all of a town", |n| of(3, n)),
    ("all of a community", |n| of(4, n)),
    ("all of a grid", |n| of(5, n)),
    ("red in the city", |n| light(Light::Red, of(1, n))),
    ("yellow in a district", |n| light(Light::Yellow, of(2, n))),
    ("green in a town", |n| light(Light::Green, of(3, n))),
    ("dispatched in a district", |n| CaseFilter {
        state: CaseStateFilter::In(CaseState::Dispatched),
        ..of(2, n)
    }),
    ("of an agency in the city", |n| CaseFilter { agency: Some(city::agency(n)), ..of(1, 0) }),
    ("in an agency's hands, soonest due", |n| {
        due(CaseFilter { held_by: Some((staff(n), late())), ..of(1, 0) })
    }),
    ("of a type in a town", |n| CaseFilter { type_id: Some(city::kind(n)), ..of(3, n) }),
    ("with a frequent word in the city", |n| words(&city::kind(n)[..6], of(1, 0))),
    ("with a rare word in the city", |n| words(&format!("lamp {} near", n * 77), of(1, 0))),
];

/// How many cases there are.
static CASES: AtomicU64 = AtomicU64::new(0);

/// When all but the newest hundredth were filed.
fn late() -> Timestamp {
    city::filed_at(CASES.load(Ordering::Relaxed) / 100 * 99)
}

pub(crate) async fn measure(records: &Records, cases: u64) {
    CASES.store(cases, Ordering::Relaxed);
    println!("lists, page of 100 with its total, asked {TIMES} times each:");
    for (name, filter) in QUESTIONS {
        let mut took = Vec::new();
        let mut rows = 0;
        let start = Instant::now();
        for n in 0..TIMES {
            let filter = filter(city::mixed(n + 1));
            let asked = Instant::now();
            let page = records.cases().list(&filter).await.unwrap();
            took.push(asked.elapsed());
            rows = rows.max(page.total);
            if start.elapsed().as_secs() > 20 {
                break;
            }
        }
        println!("  {name}: {}; total up to {rows}", spread(&mut took));
    }
}

fn of(tier: usize, number: u64) -> CaseFilter {
    CaseFilter { areas: vec![city::area(number, tier)], ..CaseFilter::default() }
}

fn open(filter: CaseFilter) -> CaseFilter {
    CaseFilter { state: CaseStateFilter::Open, ..filter }
}

fn due(filter: CaseFilter) -> CaseFilter {
    CaseFilter { order: CaseOrder::Due, ..filter }
}

fn map(filter: CaseFilter) -> CaseFilter {
    CaseFilter { page: PageRequest { limit: 1_000, cursor: None }, ..filter }
}

fn light(light: Light, filter: CaseFilter) -> CaseFilter {
    CaseFilter { light: Some((light, late())), ..filter }
}

fn words(words: &str, filter: CaseFilter) -> CaseFilter {
    CaseFilter { words: Some(words.to_owned()), ..filter }
}

fn staff(number: u64) -> Actor {
    Actor {
        name: "staff".into(),
        roles: vec![Role::AgencyStaff],
        area: city::root(),
        agency: Some(city::agency(number)),
    }
}
