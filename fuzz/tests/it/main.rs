//! Every kept sample through its target: what once stopped a decoder never does again.

use std::collections::BTreeSet;

use chengmai_fuzz::{Run, TARGETS, Target};

#[test]
fn no_kept_sample_stops_its_decoder() {
    for target in &TARGETS {
        let samples = target.samples().unwrap();
        assert!(!samples.is_empty(), "{} has samples", target.name);
        for sample in samples {
            (target.run)(&sample);
        }
    }
}

#[test]
fn every_folder_of_the_corpus_belongs_to_a_target() {
    let corpus = TARGETS[0].folder().with_file_name("");
    let folders = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name());
    for folder in folders {
        assert!(TARGETS.iter().any(|target| *target.name == folder), "{folder:?}");
    }
}

#[test]
fn a_run_throws_the_same_bytes_every_time() {
    let inputs = || {
        let mut run = Run::new(TARGETS[0]).unwrap();
        let mut inputs = Vec::new();
        for _ in 0..200 {
            let input = run.next_input();
            run.try_input(input.clone());
            inputs.push(input);
        }
        inputs
    };
    let first = inputs();
    assert_eq!(first, inputs());
    assert!(first.iter().collect::<BTreeSet<_>>().len() > 150, "and not always the same ones");
}

#[test]
fn spoiled_bytes_reach_what_a_fault_would_break() {
    // A decoder that stops at a mark: a run must find it, or it finds nothing.
    fn breaks(bytes: &[u8]) -> u64 {
        assert!(!bytes.windows(3).any(|part| part == b"NaN"), "found");
        bytes.len() as u64
    }
    let target = Target { name: "none-of-them", made: || vec![b"value=1".to_vec()], run: breaks };
    let found = std::panic::catch_unwind(|| {
        let mut run = Run::new(target).unwrap();
        for _ in 0..5_000 {
            let input = run.next_input();
            run.try_input(input);
        }
    });
    assert!(found.is_err(), "five thousand inputs do not hold the mark");
}
