//! The anomaly detector against the benchmark's labels, and the scorer against published figures.
//! The same scorer and reader as the example `nab`.

#[path = "../../examples/nab/corpus.rs"]
mod corpus;
#[path = "../../examples/nab/score.rs"]
mod score;

use chengmai_engine::Detector;
use chengmai_model::testing::shared_data;
use score::{PROFILES, Sheet, probation, shown, stakes};

/// Points of a detector that spoke at these rows, over one series.
fn raw(rows: usize, windows: &[(usize, usize)], spoken: &[usize]) -> f64 {
    let scores: Vec<f32> =
        (0..rows).map(|row| f32::from(u8::from(spoken.contains(&row)))).collect();
    let mut sheet = Sheet::default();
    sheet.add(0, windows, &scores);
    sheet.raw(PROFILES[0], 1.0)
}

fn close(left: f64, right: f64) {
    assert!((left - right).abs() < 1e-12, "{left} is not {right}");
}

/// Rows at which the benchmark's own windowed Gaussian is certain, and the points that
/// `windowedGaussian_standard_scores.csv` gives it there.
#[test]
fn scores_are_those_that_the_benchmark_published() {
    let exchange_3 =
        raw(1538, &[(271, 321), (413, 463), (952, 1002)], &[296, 297, 438, 439, 976, 1121]);
    close(exchange_3, 2.502_663_261_186_613_8);
    let exchange_4 =
        raw(1643, &[(340, 394), (749, 803), (1249, 1303)], &[367, 372, 514, 518, 1276, 1401, 1565]);
    close(exchange_4, 0.292_288_463_427_603_5);
    let travel_time = raw(
        2500,
        &[(387, 469), (948, 1030), (1485, 1567)],
        &[989, 2039, 2040, 2041, 2042, 2132, 2133],
    );
    close(travel_time, -1.795_981_330_785_282);
    close(raw(4032, &[(683, 883), (3582, 3782)], &[3682]), -0.138_449_197_924_402_25);
}

/// Raw totals of ARTime (`thresholds.json`) and what `final_results.json` makes of them.
#[test]
fn raw_totals_become_the_published_figures() {
    let totals = [57.660_751_578_606_38, 35.157_280_417_015_7, 47.660_751_578_606_38];
    let published = [74.853_772_232_157_92, 65.154_000_179_748_11, 80.362_284_936_381_14];
    for ((raw, published), profile) in totals.into_iter().zip(published).zip(PROFILES) {
        close(shown(raw, 116, profile), published);
    }
}

#[test]
fn silence_is_nothing_and_the_first_reading_of_every_window_is_all() {
    let windows = [(300, 399), (600, 620)];
    for profile in PROFILES {
        let mut silent = Sheet::default();
        silent.add(0, &windows, &[0.0; 1000]);
        let threshold = silent.best_threshold(profile);
        close(shown(silent.raw(profile, threshold), 2, profile), 0.0);
        let mut perfect = Sheet::default();
        let mut scores = [0.0; 1000];
        for (first, _) in windows {
            scores[first] = 0.5;
        }
        perfect.add(0, &windows, &scores);
        close(shown(perfect.raw(profile, perfect.best_threshold(profile)), 2, profile), 100.0);
    }
}

#[test]
fn the_first_part_of_a_series_counts_for_nothing() {
    assert_eq!([probation(1000), probation(5000), probation(20_000)], [150, 750, 750]);
    close(raw(1000, &[], &[149]), 0.0);
    close(raw(1000, &[], &[150]), -0.11);
}

/// Speaking outside costs less just behind a window, and inside it is the earlier the better.
#[test]
fn stakes_fall_from_the_left_end_of_a_window_to_far_behind_it() {
    let stakes = stakes(400, &[(200, 249)]);
    let worth: Vec<f64> = stakes.iter().map(|stake| stake.worth).collect();
    close(worth[199], -1.0);
    close(worth[200], 1.0);
    assert!(worth[200..300].windows(2).all(|pair| pair[0] > pair[1]), "{worth:?}");
    close(worth[399], -1.0);
}

/// The figure of docs/benchmarks/anomaly.md may not fall by a point.
#[test]
fn every_figure_of_the_benchmark_page_still_holds() {
    let Some(folder) = shared_data("nab") else { return };
    let corpus = corpus::read(&folder).unwrap();
    let mut all = Sheet::default();
    let mut halves = [Sheet::default(), Sheet::default()];
    for (index, series) in corpus.iter().enumerate() {
        let mut detector = Detector::default();
        let scores: Vec<f32> =
            series.readings.iter().map(|&(at, value)| detector.score(at, value)).collect();
        assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)), "{}", series.name);
        assert!(!series.category().is_empty());
        all.add(index, &series.windows, &scores);
        halves[index % 2].add(index, &series.windows, &scores);
    }
    let figure = |on: &Sheet, from: &Sheet| {
        let profile = PROFILES[0];
        shown(on.raw(profile, from.best_threshold(profile)), on.windows, profile)
    };
    assert!(figure(&all, &all) > 77.7, "{}", figure(&all, &all));
    assert!(figure(&halves[1], &halves[0]) > 74.2, "{}", figure(&halves[1], &halves[0]));
    assert!(figure(&halves[0], &halves[1]) > 77.7, "{}", figure(&halves[0], &halves[1]));
}
