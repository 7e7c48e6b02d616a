//! What clocks cost: working out when a limit has run out, and keeping a million open clocks:
//! `cargo run --release -p chengmai-engine --example clock_speed`. Time is this thread's own processor
//! time where the system tells it (Linux), the best of five runs. Not part of the program; reads a clock.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "it needs a clock")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use chengmai_engine::clock::DueQueue;
use chengmai_model::Timestamp;
use chengmai_model::calendar::{Calendar, Limit, LimitUnit, WorkHours};
use chengmai_model::city::City;
use chengmai_model::time::{DAY_MS, SECOND_MS};

const CLOCKS: u32 = 1_000_000;
const QUESTIONS: u32 = 1_000_000;
const TEN_DAYS_MS: u32 = 864_000_000;
/// Steps of cases a second, each of which sets a clock anew.
const STEPS_A_SECOND: u32 = 1_000;
const SECONDS: i64 = 600;
const RUNS: usize = 5;
/// Monday, 2026-11-23T08:00 in Chongqing.
const START: i64 = 1_795_392_000_000;

/// Numbers that jump about, the same on every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(((self.0 >> 32) * u64::from(below)) >> 32).expect("it is below a u32")
    }

    /// A moment within ten days of the start.
    fn moment(&mut self) -> Timestamp {
        Timestamp(START + i64::from(self.next(TEN_DAYS_MS)))
    }
}

/// Processor seconds of this thread.
fn cpu_s(since: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    ns.map_or_else(|| since.elapsed().as_secs_f64(), |ns| ns / 1e9)
}

/// The least seconds of some runs.
fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn chongqing() -> Calendar {
    let pack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/chongqing");
    let file = |name: &str| {
        (name.to_owned(), std::fs::read_to_string(pack.join(name)).expect("a file of the pack"))
    };
    let files = ["pack.toml", "city.toml", "calendar.toml"].map(file);
    City::parse(&files).expect("a sound pack").calendar
}

fn questions(name: &str, calendar: &Calendar, hours: &WorkHours) {
    let start = Instant::now();
    let ns = |mut ask: Box<dyn FnMut(Timestamp, u32) -> i64 + '_>| {
        let s = best(|| {
            let mut numbers = Numbers(7);
            let before = cpu_s(start);
            for _ in 0..QUESTIONS {
                let from = numbers.moment();
                black_box(ask(from, 1 + numbers.next(40)));
            }
            cpu_s(start) - before
        });
        s / f64::from(QUESTIONS) * 1e9
    };
    let due = |unit| {
        ns(Box::new(move |from, amount| calendar.due(from, Limit::new(amount, unit), hours).0))
    };
    let (hour, day) = (due(LimitUnit::WorkHour), due(LimitUnit::WorkDay));
    let used = ns(Box::new(|from, amount| {
        let to = from.plus_ms(i64::from(amount) * DAY_MS);
        calendar.used_ms(from, to, LimitUnit::WorkHour, hours)
    }));
    println!("{name}: due {hour:.0} ns in work hours, {day:.0} ns in work days, used {used:.0} ns");
}

fn queue() {
    let start = Instant::now();
    let filled = || {
        let (mut queue, mut numbers) = (DueQueue::new(), Numbers(1));
        for key in 0..CLOCKS {
            queue.set(key, numbers.moment());
        }
        queue
    };
    let insert = best(|| {
        let before = cpu_s(start);
        black_box(filled());
        cpu_s(start) - before
    });
    let full = filled();
    let mut replaced = full.clone();
    let replace = best(|| {
        let (before, mut numbers) = (cpu_s(start), Numbers(2));
        for _ in 0..CLOCKS {
            replaced.set(numbers.next(CLOCKS), numbers.moment());
        }
        cpu_s(start) - before
    });
    let taken = |take: &dyn Fn(&mut DueQueue<u32>)| {
        best(|| {
            let mut queue = full.clone();
            let before = cpu_s(start);
            take(&mut queue);
            cpu_s(start) - before
        })
    };
    let remove = taken(&|queue| {
        for key in 0..CLOCKS {
            // Every key once, in an order that jumps about.
            queue.remove((key * 787) % CLOCKS);
        }
        assert!(queue.is_empty(), "every key came");
    });
    let all = taken(&|queue| {
        let mut out = Vec::new();
        queue.fire(Timestamp(i64::MAX), &mut out);
        assert_eq!(out.len(), full.len(), "all leave");
    });
    let each = |s: f64| s / f64::from(CLOCKS) * 1e9;
    println!(
        "{CLOCKS} clocks: set {:.0} ns, set anew {:.0} ns, remove {:.0} ns, fire {:.0} ns each; all of them at once {:.2} s",
        each(insert),
        each(replace),
        each(remove),
        each(all),
        all
    );
}

/// A million open clocks for ten minutes: fired once a second, what fires is set anew, and a thousand
/// steps of cases a second set others anew.
fn live() {
    let start = Instant::now();
    let calendar = chongqing();
    let hours = calendar.default_hours();
    let mut numbers = Numbers(3);
    let mut queue = DueQueue::new();
    for key in 0..CLOCKS {
        queue.set(key, numbers.moment());
    }
    for (begin, steps) in [(0, 0), (SECONDS, STEPS_A_SECOND)] {
        let (before, mut fired, mut out) = (cpu_s(start), 0, Vec::new());
        for second in begin..begin + SECONDS {
            let now = Timestamp(START + second * SECOND_MS);
            queue.fire(now, &mut out);
            fired += out.len();
            for (_, key) in out.drain(..) {
                let limit = Limit::new(1 + numbers.next(40), LimitUnit::WorkHour);
                queue.set(key, calendar.due(now, limit, hours));
            }
            for _ in 0..steps {
                let limit = Limit::new(1 + numbers.next(40), LimitUnit::WorkHour);
                queue.set(numbers.next(CLOCKS), calendar.due(now, limit, hours));
            }
        }
        let share = (cpu_s(start) - before) / SECONDS as f64 * 100.0;
        println!(
            "{CLOCKS} open clocks, {steps} steps of cases a second: {share:.4} % of a core, {:.1} fired a second",
            fired as f64 / SECONDS as f64
        );
    }
}

fn main() {
    let city = chongqing();
    questions("Chongqing, its own hours", &city, city.default_hours());
    let short = WorkHours::parse("09:00-17:00; fri 09:00-12:30; sat 10:00-12:00").expect("hours");
    questions("Chongqing, other hours", &city, &short);
    let berlin = Calendar::plain(&jiff::tz::TimeZone::get("Europe/Berlin").expect("a zone"));
    questions("Berlin, its own hours", &berlin, berlin.default_hours());
    questions("Berlin, round the clock", &berlin, &WorkHours::always());
    queue();
    live();
}
