//! The peers' own file, sent to us: the same lines, the same order, moved in time so that the last of
//! them is now; and the harness's four questions, whose answers must be the generator's.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use chengmai_model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pack::mean_of;
use crate::client::Client;

/// How often each question is asked; the median counts, as in the harness.
const ASKED: usize = 5;

/// What the generator says is in its files.
#[derive(Debug, Deserialize)]
pub(super) struct Expected {
    pub(super) devices: u64,
    pub(super) obs: u64,
    q1_devices: Vec<(String, String)>,
    q1_sum: f64,
    q2_kind: String,
    q2_from_s: i64,
    q2_to_s: i64,
    q2_cells: usize,
    q2_sum: f64,
    q3_kind: String,
    q3_limit: f64,
    q3_count: u64,
    q4_device: String,
    q4_count: usize,
    q4_sum: f64,
}

/// One question: how long it took, and whether the answer was the generator's.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) name: &'static str,
    pub(super) median_ms: f64,
    pub(super) right: bool,
}

impl Expected {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("expected.json");
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Files of line protocol, oldest first.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder.join("lp"))? {
        files.push(entry?.path());
    }
    files.sort();
    ensure!(!files.is_empty(), "no files in {}/lp", folder.display());
    Ok(files)
}

/// Time of the last line of a file, in milliseconds.
pub(crate) fn last_ms(file: &Path) -> Result<i64> {
    let text = std::fs::read(file)?;
    let line = text.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
    let nanoseconds: i64 = std::str::from_utf8(line)?.parse()?;
    Ok(nanoseconds / 1_000_000)
}

/// Asks all four; `shift_ms` is how far the file was moved in time.
pub(super) fn ask(
    client: &Client,
    token: &str,
    expected: &Expected,
    shift_ms: i64,
) -> Result<Vec<Asked>> {
    let devices: Vec<&str> = expected.q1_devices.iter().map(|(id, _)| id.as_str()).collect();
    let wanted = json!({ "devices": devices });
    let q1 = timed("Q1 latest of 1,000 devices", || {
        let answer = client.post("/api/v1/latest", token, &wanted)?;
        Ok(near(sum(&whole(answer)?["values"]), expected.q1_sum))
    })?;
    let at = |seconds: i64| Timestamp(seconds * 1_000 + shift_ms).to_rfc3339();
    let windows = format!(
        "/api/v1/indicators/{}/windows?tier=district&from={}&to={}",
        mean_of(&expected.q2_kind),
        at(expected.q2_from_s),
        at(expected.q2_to_s),
    );
    let q2 = timed("Q2 district means per 5 min of an hour", || {
        let table = whole(client.get(&windows, token)?)?;
        let rows = table["areas"].as_array().context("areas")?;
        let cells: Vec<f64> = rows
            .iter()
            .flat_map(|row| row["values"].as_array().into_iter().flatten())
            .filter_map(Value::as_f64)
            .collect();
        Ok(cells.len() == expected.q2_cells && near(cells.iter().sum(), expected.q2_sum))
    })?;
    // The question is "more than", and sensors tell tenths.
    let over = format!(
        "/api/v1/latest?kind={}&min={}&limit=100000",
        expected.q3_kind,
        expected.q3_limit + 0.05
    );
    let q3 = timed("Q3 devices above a threshold", || {
        let answer = whole(client.get(&over, token)?)?;
        Ok(answer["total"].as_u64() == Some(expected.q3_count))
    })?;
    let series = format!(
        "/api/v1/devices/{}/observations?from={}&limit=10000",
        expected.q4_device,
        Timestamp(shift_ms + 1_600_000_000_000).to_rfc3339(),
    );
    let q4 = timed("Q4 one device's series", || {
        let answer = whole(client.get(&series, token)?)?;
        let rows = answer["items"].as_array().context("items")?;
        let total: f64 = rows.iter().filter_map(|row| row["value"].as_f64()).sum();
        Ok(rows.len() == expected.q4_count && near(total, expected.q4_sum))
    })?;
    Ok(vec![q1, q2, q3, q4])
}

fn whole((status, answer): (u16, Value)) -> Result<Value> {
    ensure!(status == 200, "status {status}: {answer}");
    Ok(answer)
}

fn sum(values: &Value) -> f64 {
    values.as_array().into_iter().flatten().filter_map(Value::as_f64).sum()
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}

/// One question without counting, then several counted.
fn timed(name: &'static str, mut ask: impl FnMut() -> Result<bool>) -> Result<Asked> {
    let mut right = ask()?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..ASKED {
        let began = Instant::now();
        right &= ask()?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(Asked { name, median_ms: times[ASKED / 2].as_secs_f64() * 1_000.0, right })
}
