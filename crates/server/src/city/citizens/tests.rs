//! Blurring places and counting reports.

use chengmai_model::AreaId;
use proptest::prelude::*;

use super::metres;
use super::public::{CELL_M, K, cell, split};

proptest! {
    #[test]
    fn a_place_is_told_within_a_cell_and_all_of_a_cell_alike(x in 105.0..110.0_f64, y in 28.0..33.0_f64) {
        let told = cell([x, y]);
        prop_assert!(metres([x, y], told) <= CELL_M * 0.75);
        prop_assert!(metres(cell(told), told) < 1e-6);
    }

    #[test]
    fn no_count_below_the_least_is_told_and_none_is_lost(counts in prop::collection::vec(1..12_u64, 0..20)) {
        let parts: Vec<(AreaId, u64)> = (1..).map(AreaId).zip(counts.iter().copied()).collect();
        let (shown, rest) = split(parts);
        prop_assert!(shown.iter().all(|&(_, n)| n >= K));
        // Too few to be told only where there is nothing else to hide them among.
        prop_assert!(rest == 0 || rest >= K || shown.is_empty());
        let told: u64 = shown.iter().map(|&(_, n)| n).sum();
        prop_assert_eq!(told + rest, counts.iter().sum::<u64>());
    }
}
