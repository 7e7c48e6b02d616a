//! Many queries at once on the same files: each gets its own bytes.

use crate::support::{MIDNIGHT, Names, ask, expected, open, reading};

#[test]
fn queries_at_the_same_time_do_not_get_each_others_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(64);
    let mut history = open(dir.path());
    let all: Vec<_> = (0..60_000_u32)
        .map(|n| reading(n % 128, MIDNIGHT + i64::from(n) * 1_000, f64::from(n) / 8.0))
        .collect();
    history.append_readings(1, chengmai_model::Timestamp(MIDNIGHT), &all);
    history.flush(&names).unwrap();
    let reader = history.reader();
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let (reader, names, all) = (reader.clone(), &names, &all);
            scope.spawn(move || {
                for round in 0..40 {
                    let device = (thread * 7 + round) % 64;
                    let (got, _) = ask(&reader, names, device, (0, i64::MAX), 100_000);
                    assert_eq!(
                        got,
                        expected(all, device, (0, i64::MAX), 100_000),
                        "device {device}"
                    );
                }
            });
        }
    });
}
