//! Rows into order of their keys, without comparing: one pass that throws them into buckets, then each
//! bucket, small enough for the processor's own memory, by its digits. Rows of one key stay in order
//! of arrival, which nearly always is order of time; where it is not, the key's rows are sorted.

use parking_lot::Mutex;

/// A reading on its way to a file: 24 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Row {
    /// What rows are sorted by: the number of a stream, or its place in some order.
    pub(crate) key: u32,
    /// Milliseconds since a base time that all rows share.
    pub(crate) at: u32,
    pub(crate) value: f64,
    pub(crate) received_at: i64,
}

/// Rows that a bucket should hold: with its double they fit a cache of a megabyte.
const BUCKET_ROWS: usize = 16_384;
/// More buckets at once are more than the processor's tables of addresses hold.
const BUCKETS_MAX: usize = 512;
const DIGIT_BITS: u32 = 11;

/// Room for the rows of the next sorting. A flush of four million takes 96 MB, and to get them from the
/// system anew, page by page, costs more than to sort them.
static SPARE: Mutex<Vec<Row>> = Mutex::new(Vec::new());

/// Sorts what `rows` gives and hands it on part by part, in order; a key lies in one part whole.
/// `keys` gives the same rows' keys.
pub(crate) fn sorted<E>(
    keys: impl Iterator<Item = u32> + Clone,
    rows: impl Iterator<Item = Row>,
    mut each: impl FnMut(&[Row]) -> Result<(), E>,
) -> Result<(), E> {
    let (mut count, mut min, mut max) = (0_usize, u32::MAX, 0);
    for key in keys.clone() {
        count += 1;
        min = min.min(key);
        max = max.max(key);
    }
    if count == 0 {
        return Ok(());
    }
    let wanted = (count / BUCKET_ROWS).clamp(1, BUCKETS_MAX);
    let mut shift = 0;
    while (max - min).checked_shr(shift).unwrap_or(0) as usize >= wanted {
        shift += 1;
    }
    let bucket = |key: u32| (key - min).checked_shr(shift).unwrap_or(0) as usize;
    let mut ends = vec![0_usize; bucket(max) + 1];
    keys.for_each(|key| ends[bucket(key)] += 1);
    let mut start = 0;
    for end in &mut ends {
        // For now where the bucket begins; it moves to its end as the bucket fills.
        start += std::mem::replace(end, start);
    }
    // Every place is written before it is read, so what stood there before does not matter.
    let mut spare = std::mem::take(&mut *SPARE.lock());
    if spare.len() < count {
        spare.resize(count, Row::default());
    }
    let all = &mut spare[..count];
    for row in rows {
        let place = &mut ends[bucket(row.key)];
        all[*place] = row;
        *place += 1;
    }
    let (mut scratch, mut start) = (Vec::new(), 0);
    let outcome = ends.into_iter().try_for_each(|end| {
        let part = &mut all[start..end];
        by_digits(part, shift, min, &mut scratch);
        in_time(part);
        start = end;
        each(part)
    });
    *SPARE.lock() = spare;
    outcome
}

/// Sorts stably by the lowest `bits` bits of `key - min`.
fn by_digits(part: &mut [Row], bits: u32, min: u32, scratch: &mut Vec<Row>) {
    if part.windows(2).all(|pair| pair[0].key <= pair[1].key) {
        return;
    }
    scratch.clear();
    scratch.resize(part.len(), Row::default());
    let passes = bits.div_ceil(DIGIT_BITS);
    let width = bits.div_ceil(passes.max(1));
    let (mut from, mut to): (&mut [Row], &mut [Row]) = (part, scratch);
    for pass in 0..passes {
        let digit = |row: &Row| ((row.key - min) >> (pass * width)) as usize & ((1 << width) - 1);
        let mut places = vec![0_usize; 1 << width];
        for row in &*from {
            places[digit(row)] += 1;
        }
        let mut start = 0;
        for place in &mut places {
            start += std::mem::replace(place, start);
        }
        for row in &*from {
            let place = &mut places[digit(row)];
            to[*place] = *row;
            *place += 1;
        }
        std::mem::swap(&mut from, &mut to);
    }
    if passes % 2 == 1 {
        to.copy_from_slice(from);
    }
}

/// Rows of one key in order of time.
fn in_time(part: &mut [Row]) {
    for run in part.chunk_by_mut(|a, b| a.key == b.key) {
        if !run.is_sorted_by_key(|row| row.at) {
            run.sort_by_key(|row| (row.at, row.received_at));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_come_in_order_of_key_and_time_whatever_the_keys(
            rows in prop::collection::vec((prop_oneof![0..50_u32, any::<u32>()], 0..5_u32), 0..300),
            times in 1..60_usize,
        ) {
            let rows: Vec<Row> = std::iter::repeat_n(&rows, times)
                .flatten()
                .zip(0..)
                .map(|(&(key, at), n)| Row { key, at, value: f64::from(n), received_at: 7 })
                .collect();
            let mut expected = rows.clone();
            expected.sort_by_key(|row| (row.key, row.at, row.received_at));
            let mut found = Vec::new();
            let each = |part: &[Row]| -> Result<(), ()> { found.extend_from_slice(part); Ok(()) };
            sorted(rows.iter().map(|r| r.key), rows.iter().copied(), each).unwrap();
            prop_assert_eq!(found, expected);
        }
    }
}
