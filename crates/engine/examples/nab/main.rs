//! Scores the anomaly detector by the rules of the Numenta Anomaly Benchmark and prints the tables of
//! docs/benchmarks/anomaly.md: `cargo run --release -p chengmai-engine --example nab --
//! ../shared/data/nab`. Not part of the program.
#![expect(clippy::print_stdout, reason = "a measurement prints its numbers")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it needs clock and files"
)]

mod corpus;
mod published;
mod score;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use chengmai_engine::{Detector, Tuning};
use chengmai_model::time::DAY_MS;

use corpus::Series;
use published::PUBLISHED;
use score::{PROFILES, Profile, Sheet, probation, shown};

/// Halvings by lot.
const LOTS: u64 = 1_000;
/// Times the corpus is run to measure the time of a reading.
const RUNS: usize = 9;

fn main() -> Result<(), String> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.ok_or("name the folder of the benchmark's data")?;
    let corpus = corpus::read(&folder)?;
    let scores = corpus.iter().map(|series| run(series, &Tuning::default())).collect();
    let bench = Bench { corpus: &corpus, scores };
    bench.by_category();
    published(&corpus);
    bench.held_out();
    bench.by_lot();
    bench.left_out();
    chosen_on_half(&corpus);
    bench.quiet_days();
    speed(&corpus);
    Ok(())
}

fn run(series: &Series, tuning: &Tuning) -> Vec<f32> {
    let mut detector = Detector::default();
    series.readings.iter().map(|&(at, value)| detector.score_with(tuning, at, value)).collect()
}

struct Bench<'a> {
    corpus: &'a [Series],
    scores: Vec<Vec<f32>>,
}

impl Bench<'_> {
    fn sheet(&self, takes: impl Fn(usize, &Series) -> bool) -> Sheet {
        let mut sheet = Sheet::default();
        for (index, series) in self.corpus.iter().enumerate() {
            if takes(index, series) {
                sheet.add(index, &series.windows, &self.scores[index]);
            }
        }
        sheet
    }

    fn categories(&self) -> BTreeSet<&str> {
        self.corpus.iter().map(Series::category).collect()
    }

    /// One threshold for the whole corpus, best for each profile: the published way.
    fn by_category(&self) {
        let all = self.sheet(|_, _| true);
        let thresholds = PROFILES.map(|profile| all.best_threshold(profile));
        println!("| series | files | windows | standard | low FP | low FN |");
        println!("| --- | ---: | ---: | ---: | ---: | ---: |");
        let print = |name: &str, files: usize, sheet: &Sheet| {
            let cells = PROFILES.iter().zip(thresholds).map(|(&profile, threshold)| {
                let raw = sheet.raw(profile, threshold);
                if sheet.windows == 0 {
                    format!("{raw:.2} raw")
                } else {
                    points(raw, sheet, profile)
                }
            });
            let cells: Vec<_> = cells.collect();
            println!("| {name} | {files} | {} | {} |", sheet.windows, cells.join(" | "));
        };
        for category in self.categories() {
            let files = self.corpus.iter().filter(|s| s.category() == category).count();
            print(category, files, &self.sheet(|_, s| s.category() == category));
        }
        print("all, one threshold", self.corpus.len(), &all);
        let used: Vec<_> = thresholds.iter().map(|t| format!("{t:.4}")).collect();
        println!("\nThresholds: {}.", used.join(", "));
        self.lost(&all, thresholds[0]);
    }

    /// Where the points are lost at a threshold, and which windows.
    fn lost(&self, all: &Sheet, threshold: f32) {
        let mut found: BTreeMap<(usize, usize), f64> = BTreeMap::new();
        let (mut false_alarms, mut cost) = (0, 0.0);
        for spoken in all.spoken.iter().filter(|spoken| spoken.score >= threshold) {
            if let Some(window) = spoken.stake.window {
                let best = found.entry((spoken.series, window)).or_default();
                *best = best.max(spoken.stake.worth);
            } else {
                false_alarms += 1;
                cost -= spoken.stake.worth * PROFILES[0].false_positive;
            }
        }
        let late: f64 = found.values().map(|worth| 1.0 - worth).sum();
        let missed = all.windows - found.len();
        let share = |raw: f64| 100.0 * raw / (2.0 * all.windows as f64);
        println!(
            "Standard: {} of {} windows found, {false_alarms} false alarms. Points lost: {:.1} missed, {:.1} \
             late, {:.1} false alarms.",
            found.len(),
            all.windows,
            share(2.0 * missed as f64),
            share(late),
            share(cost)
        );
        for (index, series) in self.corpus.iter().enumerate() {
            for window in (0..series.windows.len()).filter(|w| !found.contains_key(&(index, *w))) {
                println!("Missed: window {} of {}.", window + 1, series.name);
            }
        }
        println!();
    }

    /// Every other series in order of name; the threshold of one half judges the other.
    fn held_out(&self) {
        let even = self.sheet(|index, _| index % 2 == 0);
        let odd = self.sheet(|index, _| index % 2 == 1);
        println!("| threshold from | tested on | standard | low FP | low FN |");
        println!("| --- | --- | ---: | ---: | ---: |");
        let cell = |from: &Sheet, on: &Sheet, profile| {
            points(on.raw(profile, from.best_threshold(profile)), on, profile)
        };
        let row = |from: &Sheet, on: &Sheet| PROFILES.map(|p| cell(from, on, p)).join(" | ");
        println!("| 1st, 3rd, … | 2nd, 4th, … | {} |", row(&even, &odd));
        println!("| 2nd, 4th, … | 1st, 3rd, … | {} |", row(&odd, &even));
        println!(
            "| each other | both together | {} |",
            PROFILES.map(|p| pooled(&even, &odd, p)).join(" | ")
        );
    }

    /// The same with halves by lot, because one halving is luck.
    fn by_lot(&self) {
        let mut figures: [Vec<f64>; 3] = Default::default();
        for lot in 0..LOTS {
            let half = draw(lot, self.corpus.len());
            let one = self.sheet(|index, _| half[index]);
            let other = self.sheet(|index, _| !half[index]);
            for (list, profile) in figures.iter_mut().zip(PROFILES) {
                list.push(pooled_points(&one, &other, profile));
            }
        }
        let row = |of: &dyn Fn(&[f64]) -> f64| {
            figures.each_ref().map(|list| format!("{:.1}", of(list))).join(" | ")
        };
        println!("| each other | mean of {LOTS} halvings by lot | {} |", row(&mean));
        println!(
            "| each other | worst twentieth of these | {} |",
            row(&|list| quantile(list, 0.05))
        );
    }

    /// Threshold from all categories but one, tested on that one.
    fn left_out(&self) {
        let mut raws = [0.0; 3];
        let all = self.sheet(|_, _| true);
        let mut rows = Vec::new();
        for category in self.categories() {
            let rest = self.sheet(|_, s| s.category() != category);
            let own = self.sheet(|_, s| s.category() == category);
            let cells = PROFILES.map(|p| own.raw(p, rest.best_threshold(p)));
            for (sum, raw) in raws.iter_mut().zip(cells) {
                *sum += raw;
            }
            rows.push((category, own, cells));
        }
        let cells: Vec<_> =
            PROFILES.iter().zip(raws).map(|(&p, raw)| points(raw, &all, p)).collect();
        println!("| all other categories | each category | {} |", cells.join(" | "));
        for (category, own, cells) in rows.iter().filter(|(_, own, _)| own.windows > 0) {
            let cells: Vec<_> =
                PROFILES.iter().zip(cells).map(|(&p, &raw)| points(raw, own, p)).collect();
            println!("| all other categories | {category} | {} |", cells.join(" | "));
        }
        println!();
    }

    /// How often a day without a window sees a score: what the score promises.
    fn quiet_days(&self) {
        let mut worst: BTreeMap<(usize, i64), f32> = BTreeMap::new();
        let mut loud = BTreeSet::new();
        for (index, series) in self.corpus.iter().enumerate() {
            for (row, &(at, _)) in series.readings.iter().enumerate() {
                let day = (index, at.0.div_euclid(DAY_MS));
                let inside = series.windows.iter().any(|&(a, b)| (a..=b).contains(&row));
                if inside || row < probation(series.readings.len()) {
                    loud.insert(day);
                }
                let most = worst.entry(day).or_default();
                *most = most.max(self.scores[index][row]);
            }
        }
        let quiet: Vec<f32> =
            worst.into_iter().filter(|(d, _)| !loud.contains(d)).map(|d| d.1).collect();
        println!("| score | share of {} quiet days that reach it |\n| ---: | ---: |", quiet.len());
        for score in [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999] {
            let reached = quiet.iter().filter(|worst| **worst >= score).count();
            println!("| {score} | {:.1} % |", 100.0 * reached as f64 / quiet.len() as f64);
        }
        println!();
    }
}

/// The best published detectors on the same series, and on the halves that we test on.
fn published(corpus: &[Series]) {
    let profile = PROFILES[0];
    let sum = |of: fn(&(&str, f64, f64)) -> f64, takes: fn(usize) -> bool| {
        let taken = corpus.iter().enumerate().filter(|(index, _)| takes(*index));
        let (mut raw, mut windows) = (0.0, 0);
        for (_, series) in taken {
            raw += PUBLISHED.iter().find(|row| row.0 == series.name).map_or(f64::NAN, of);
            windows += series.windows.len();
        }
        shown(raw, windows, profile)
    };
    println!("| published, standard | all | 1st, 3rd, … | 2nd, 4th, … |");
    println!("| --- | ---: | ---: | ---: |");
    for (name, of) in [("ARTime", artime as fn(&(&str, f64, f64)) -> f64), ("CAD OSE", cad_ose)] {
        let [all, odd, even] =
            [sum(of, |_| true), sum(of, |i| i % 2 == 0), sum(of, |i| i % 2 == 1)];
        println!("| {name} | {all:.1} | {odd:.1} | {even:.1} |");
    }
    println!();
}

fn artime(row: &(&str, f64, f64)) -> f64 {
    row.1
}

fn cad_ose(row: &(&str, f64, f64)) -> f64 {
    row.2
}

/// The tunings tried: the chosen one and its neighbours.
fn tunings() -> Vec<Tuning> {
    let mut all = Vec::new();
    for scale in [2.0, 4.0, 8.0, 16.0] {
        for learn in [0.1, 0.2, 0.3] {
            for half_new in [0.0, 50.0, 100.0] {
                // The bar halves in 8, 16 and 32 readings.
                for fade in [0.917_004_04, 0.957_603_3, 0.978_572_1] {
                    all.push(Tuning { scale, learn, half_new, fade });
                }
            }
        }
    }
    all
}

/// The tuning too is chosen on one half, and what comes out is tested on the other.
fn chosen_on_half(corpus: &[Series]) {
    let profile = PROFILES[0];
    let names = ["1st, 3rd, … judging 2nd, 4th, …", "2nd, 4th, … judging 1st, 3rd, …"];
    let mut best = [(f64::NEG_INFINITY, 0.0, Tuning::default()); 2];
    let mut held = [Vec::new(), Vec::new()];
    let mut alls = Vec::new();
    for tuning in tunings() {
        let scores = corpus.iter().map(|series| run(series, &tuning)).collect();
        let bench = Bench { corpus, scores };
        let halves = [0, 1].map(|half| bench.sheet(|index, _| index % 2 == half));
        for (from, on) in [(0, 1), (1, 0)] {
            let threshold = halves[from].best_threshold(profile);
            let own = halves[from].raw(profile, threshold);
            let other = shown(halves[on].raw(profile, threshold), halves[on].windows, profile);
            held[from].push(other);
            if own > best[from].0 {
                best[from] = (own, other, tuning);
            }
        }
        let all = bench.sheet(|_, _| true);
        alls.push(shown(all.raw(profile, all.best_threshold(profile)), all.windows, profile));
    }
    println!("| {} tunings | standard: worst, median, best |\n| --- | ---: |", alls.len());
    let lists = [(names[0], &held[0]), (names[1], &held[1]), ("one threshold for all", &alls)];
    for (name, list) in lists {
        let [worst, median, best] = [0.0, 0.5, 0.999].map(|share| quantile(list, share));
        println!("| {name} | {worst:.1}, {median:.1}, {best:.1} |");
    }
    for (name, (_, other, tuning)) in names.iter().zip(best) {
        println!("| {name}, the tuning chosen there too: {tuning:?} | {other:.1} |");
    }
    println!();
}

fn points(raw: f64, sheet: &Sheet, profile: Profile) -> String {
    format!("{:.1}", shown(raw, sheet.windows, profile))
}

fn pooled(one: &Sheet, other: &Sheet, profile: Profile) -> String {
    format!("{:.1}", pooled_points(one, other, profile))
}

/// Both halves, each judged by the threshold of the other.
fn pooled_points(one: &Sheet, other: &Sheet, profile: Profile) -> f64 {
    let raw = one.raw(profile, other.best_threshold(profile))
        + other.raw(profile, one.best_threshold(profile));
    shown(raw, one.windows + other.windows, profile)
}

fn mean(list: &[f64]) -> f64 {
    list.iter().sum::<f64>() / list.len() as f64
}

fn quantile(list: &[f64], share: f64) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = (share * sorted.len() as f64) as usize;
    sorted[index]
}

/// Half of the series, drawn by a small generator so that everybody draws the same.
fn draw(lot: u64, series: usize) -> Vec<bool> {
    let mut state = lot.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut order: Vec<(u64, usize)> = (0..series)
        .map(|index| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 20, index)
        })
        .collect();
    order.sort_unstable();
    let mut half = vec![false; series];
    for &(_, index) in order.iter().take(series / 2) {
        half[index] = true;
    }
    half
}

fn speed(corpus: &[Series]) {
    let readings: usize = corpus.iter().map(|series| series.readings.len()).sum();
    let tuning = Tuning::default();
    let best = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            let said: f32 = corpus.iter().flat_map(|series| run(series, &tuning)).sum();
            std::hint::black_box(said);
            start.elapsed()
        })
        .min()
        .unwrap_or_default();
    let each = best.as_secs_f64() * 1e9 / readings as f64;
    println!(
        "{readings} readings, {each:.0} ns a reading (best of {RUNS} runs), {} bytes a stream.",
        size_of::<Detector>()
    );
}
