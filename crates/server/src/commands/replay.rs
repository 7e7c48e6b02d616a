//! `chengmai replay`: the readings of a CSV file into a running city, in the file's own rhythm or
//! faster. By default the file's beginning becomes now, so that windows and rules see live readings.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chengmai_model::Timestamp;
use chengmai_wire::observations::{self, Observation, Sink};
use serde_json::json;

use super::import::{Tally, post};
use super::{progress, say};
use crate::cli::Replay;
use crate::clock;

/// Readings of one request at most.
const BATCH_MAX: usize = 5_000;

#[derive(Debug, Default)]
struct Rows {
    rows: Vec<Row>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Row {
    /// Of the file, from 1.
    line: u32,
    device: String,
    kind: Option<String>,
    value: f64,
    at: Timestamp,
}

impl Sink for Rows {
    fn observation(&mut self, o: Observation<'_>, line: u32, _byte: u32) {
        let Some(at) = o.at else {
            self.faults.push(format!("line {line}: no time"));
            return;
        };
        let (device, kind) = (o.device.into_owned(), o.kind.map(std::borrow::Cow::into_owned));
        self.rows.push(Row { line, device, kind, value: o.value, at });
    }

    fn fault(&mut self, fault: chengmai_wire::Fault) {
        self.faults.push(fault.to_string());
    }
}

pub(crate) fn run(replay: &Replay) -> anyhow::Result<()> {
    if !(replay.speed >= 0.0 && replay.speed.is_finite()) {
        bail!("--speed {}: give 0 or more", replay.speed);
    }
    let body = std::fs::read(&replay.file)
        .with_context(|| format!("cannot read {}", replay.file.display()))?;
    let mut rows = Rows::default();
    observations::decode_csv(&body, &mut rows);
    for fault in rows.faults.iter().take(20) {
        say(format!("  left out: {fault}"));
    }
    let left_out = rows.faults.len();
    let mut rows = rows.rows;
    rows.sort_by_key(|row| row.at);
    let Some(first) = rows.first().map(|row| row.at) else {
        bail!("{} holds no reading", replay.file.display());
    };
    let bar = progress(rows.len() as u64, "readings");
    let (began, began_at) = (Instant::now(), clock::now());
    // How long after the beginning a row is due, in milliseconds of our time.
    let due_ms = |row: &Row| match replay.speed {
        0.0 => 0.0,
        speed => row.at.since(first) as f64 / speed,
    };
    let mut tally = Tally::default();
    let mut start = 0;
    while start < rows.len() {
        let wait = Duration::from_secs_f64(due_ms(&rows[start]) / 1000.0);
        std::thread::sleep(wait.saturating_sub(began.elapsed()));
        let elapsed = began.elapsed().as_secs_f64() * 1000.0;
        let due = rows[start..].iter().take(BATCH_MAX);
        let end = start + due.take_while(|row| due_ms(row) <= elapsed).count().max(1);
        let batch: Vec<_> = rows[start..end]
            .iter()
            .map(|row| {
                let at = if replay.original_times {
                    row.at
                } else {
                    began_at.plus_ms(whole_ms(due_ms(row)))
                };
                json!({"device": row.device, "kind": row.kind, "value": row.value, "time": at.0})
            })
            .collect();
        let body = serde_json::to_vec(&batch)?;
        let answer = post(&replay.to, "/api/v1/observations", "application/json", &body)?;
        let batch_rows = &rows[start..end];
        tally.add_by(&answer, |item| line_of(batch_rows, item));
        bar.inc(batch.len() as u64);
        start = end;
    }
    bar.finish_and_clear();
    tally.say();
    if left_out > 0 {
        say(format!("left out: {left_out}"));
    }
    Ok(())
}

/// Line of the file that holds an item of a batch; items count from 1.
fn line_of(batch: &[Row], item: u64) -> u64 {
    let index = usize::try_from(item).ok().and_then(|item| item.checked_sub(1));
    index.and_then(|index| batch.get(index)).map_or(0, |row| u64::from(row.line))
}

#[expect(clippy::cast_possible_truncation, reason = "a replay is shorter than 2^53 ms")]
fn whole_ms(ms: f64) -> i64 {
    ms as i64
}
