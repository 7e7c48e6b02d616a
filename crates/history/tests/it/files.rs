//! The files as another tool sees them: plain Parquet, sorted, with nothing of ours needed to read
//! them.

use std::fs::File;

use arrow::array::{Array, AsArray as _, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, TimeUnit, TimestampMillisecondType, UInt32Type};
use chengmai_model::{Reading, StreamId, Timestamp};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{DAY_MS, MIDNIGHT, Names, open, parquet_files, reading};

fn batches(path: &std::path::Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
    reader.map(Result::unwrap).collect()
}

fn words(batch: &RecordBatch, name: &str) -> Vec<String> {
    let column = cast(batch.column_by_name(name).unwrap(), &DataType::Utf8).unwrap();
    column.as_string::<i32>().iter().map(|word| word.unwrap().to_owned()).collect()
}

fn times(batch: &RecordBatch, name: &str) -> Vec<i64> {
    let column = batch.column_by_name(name).unwrap();
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    assert_eq!(column.data_type(), &utc);
    column.as_primitive::<TimestampMillisecondType>().values().to_vec()
}

#[test]
fn every_row_is_in_the_folder_of_its_local_day_with_its_names_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(40);
    let mut history = open(dir.path());
    let mut written = Vec::new();
    for sequence in 1..=50_i64 {
        let received_at = Timestamp(MIDNIGHT + sequence * 1_000);
        let readings: Vec<Reading> = (0..80)
            .map(|stream| {
                let at =
                    MIDNIGHT + (i64::from(stream) * 13 + sequence * 7) % 50 * 3_600_000 - DAY_MS;
                reading(stream, at, f64::from(stream) + sequence as f64 / 10.0)
            })
            .collect();
        history.append_readings(sequence.cast_unsigned(), received_at, &readings);
        written.extend(
            readings.iter().map(|r| (r.at.0, r.stream.0, r.value.to_bits(), received_at.0)),
        );
    }
    assert_eq!(history.flush(&names).unwrap(), 50);

    let mut found = Vec::new();
    for (file, day) in parquet_files(&dir.path().join("raw")).iter().zip([-1, 0, 1]) {
        let folder = format!("day=2026-11-{}/district=all", 21 + day);
        assert!(file.parent().unwrap().ends_with(&folder), "{} in {folder}", file.display());
        let mut order = Vec::new();
        for batch in batches(file) {
            let values = batch.column_by_name("value").unwrap().as_primitive::<Float64Type>();
            let (devices, kinds) = (words(&batch, "device"), words(&batch, "kind"));
            let (areas, ats) = (words(&batch, "area"), times(&batch, "at"));
            let received = times(&batch, "received_at");
            let streams = batch.column_by_name("stream").unwrap().as_primitive::<UInt32Type>();
            for row in 0..batch.num_rows() {
                let device: u32 = devices[row].trim_start_matches("设备-").parse().unwrap();
                let stream = device * 2 + u32::from(kinds[row] == "flow");
                assert!(kinds[row] == "flow" || kinds[row] == "level");
                assert_eq!(areas[row], format!("50010{}", device % 7));
                assert_eq!((ats[row] - MIDNIGHT).div_euclid(DAY_MS), day);
                assert_eq!(streams.value(row), stream);
                order.push((stream, ats[row]));
                found.push((ats[row], stream, values.value(row).to_bits(), received[row]));
            }
        }
        assert!(order.is_sorted(), "by stream and time");
    }
    written.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, written);
}

#[test]
fn values_that_never_repeat_read_back_bit_for_bit() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    let readings: Vec<Reading> =
        (0..5_000).map(|i| reading(0, MIDNIGHT + i, (i as f64).sin() * 1e-9)).collect();
    history.append_readings(1, Timestamp(0), &readings);
    history.flush(&names).unwrap();
    let (found, _) = crate::support::ask(&history.reader(), &names, 0, (0, i64::MAX), 10_000);
    assert_eq!(found, readings);
}

#[test]
fn times_outside_any_calendar_are_kept_like_others() {
    let dir = tempfile::tempdir().unwrap();
    let names = Names::new(1);
    let mut history = open(dir.path());
    let ats = [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX - 1];
    let readings: Vec<Reading> = ats.iter().map(|&at| reading(0, at, 1.0)).collect();
    history.append_readings(1, Timestamp(i64::MAX), &readings);
    history.flush(&names).unwrap();
    let (found, _) = crate::support::ask(&history.reader(), &names, 0, (i64::MIN, i64::MAX), 10);
    assert_eq!(found, readings);
    assert_eq!(found[0].stream, StreamId(0));
}
