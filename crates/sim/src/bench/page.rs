//! The page that the benchmark writes: every number on it was measured in the run it describes.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use chengmai_model::Timestamp;
use serde_json::Value;

use super::{IngestArgs, Run, rate};
use crate::machine;

/// One run in one line.
pub(super) fn line(run: &Run) -> String {
    let per_million = run.server_cpu_s / (run.load.readings as f64 / 1e6);
    format!(
        "{} devices: {} readings/s durable, rolled up, rules on; server {per_million:.2} CPU s a million, \
         peak {:.0} MB; acknowledged in {:.1} ms (p50), {:.1} ms (p99); warning on the stream after \
         {:.0} ms (p50), {:.0} ms (p99)",
        run.devices,
        grouped(rate(run)),
        run.server_peak_mb,
        run.load.p50_ms,
        run.load.p99_ms,
        run.probe.p50_ms,
        run.probe.p99_ms,
    )
}

/// The whole page.
pub(super) fn render(args: &IngestArgs, runs: &[Run]) -> String {
    let mut page = String::from("# Ingest: readings per second, durable, rolled up, rules on\n\n");
    let devices: Vec<String> = args.devices.iter().map(ToString::to_string).collect();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "Written by `cargo xtask bench ingest`; nothing on this page was typed in.\n\n\
         * Date: {}\n* Machine: {}; data on {}\n* Commit: {}\n\
         * Command: `chengmai-sim bench ingest --devices {} --seconds {} --lines {} --connections {}`\n\n",
        today(),
        machine::describe(),
        file_system(&args.folder),
        commit(),
        devices.join(","),
        args.seconds,
        args.lines,
        args.connections,
    );
    page.push_str(WHAT);
    page.push_str(TABLE_HEAD);
    for run in runs {
        let million = run.load.readings as f64 / 1e6;
        let _ = writeln!(
            page,
            "| {} | **{}** | {:.2} + {:.2} | {:.0} | {:.1} / {:.1} / {:.1} | {:.0} / {:.0} ({} of {}) | {:.2} |",
            grouped(run.devices as f64),
            grouped(rate(run)),
            run.server_cpu_s / million,
            run.load.cpu_s / million,
            run.server_peak_mb,
            run.load.p50_ms,
            run.load.p99_ms,
            run.load.max_ms,
            run.probe.p50_ms,
            run.probe.p99_ms,
            run.probe.seen,
            run.probe.seen + run.probe.missed,
            run.busy_elsewhere,
        );
    }
    for run in runs {
        beside_peers(&mut page, &args.peers, run);
    }
    page
}

const WHAT: &str = "\
What is measured: one server process and one load process share the machine. The load process sends
line protocol (`kind,device=…,area=… value=… TS`, about 75 bytes a line, the peers' workload: 12 kinds,
67,000 grids of five tiers, one reading in 5,000 an incident) over kept HTTP connections, one request at a
time on each. A reading counts when its request is answered 204: it is in the journal after `fdatasync`.
Meanwhile the server keeps the latest values, rolls up five tiers once a second, evaluates the built-in
packs' rules, raises warnings and writes Parquet. Time stamps are the time of sending, so a device
reports far more often than once a minute; every other property is that of the peers' file.
Registration of all devices and two seconds of load come before the measurement.

`From reading to warning` is a probe during the load: the lid of a fresh manhole is reported open twice; the time
runs from sending the second reading to having read the `warning` event on the live stream.

";

const TABLE_HEAD: &str = "\
| devices | readings/s | CPU s per million: server + load | server peak MB | sent to acknowledged, ms: p50 / p99 / max | reading to warning, ms: p50 / p99 | cores busy elsewhere |
|---|---|---|---|---|---|---|
";

/// The peers' figures at the same number of devices, where they were measured.
fn beside_peers(page: &mut String, folder: &Path, run: &Run) {
    let file = folder.join(format!("results-{}.jsonl", run.devices));
    let Ok(text) = std::fs::read_to_string(file) else { return };
    let _ = write!(
        page,
        "\n## Beside the peers, {} devices\n\nMeasured by the peers' own harness on the same kind of \
         machine, same workload; ratio is ours to theirs. Only the row with views does the whole job.\n\n\
         | peer | readings/s | ratio | server CPU s per million | durability |\n|---|---|---|---|---|\n",
        grouped(run.devices as f64)
    );
    for row in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let (Some(peer), Some(theirs)) = (row["peer"].as_str(), row["obs_per_s"].as_f64()) else {
            continue;
        };
        let _ = writeln!(
            page,
            "| {peer} | {} | {:.2} | {} | {} |",
            grouped(theirs),
            rate(run) / theirs,
            row["cpu_s_per_Mobs"].as_f64().map_or_else(String::new, |cpu| format!("{cpu:.2}")),
            row["durability"].as_str().unwrap_or_default(),
        );
    }
}

/// 1234567.8 as 1,234,568.
pub(super) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp(i64::try_from(since.as_millis()).unwrap_or(0));
    now.to_rfc3339().chars().take(10).collect()
}

pub(super) fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "none yet".to_owned();
    };
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{head} with changes") } else { head }
}

/// Kind of file system that a folder is on.
pub(super) fn file_system(folder: &Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let folder = folder.canonicalize().unwrap_or_default();
    let rows = mounts.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (device, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        folder.starts_with(place).then(|| (place.len(), format!("{kind} ({device})")))
    });
    rows.max().map_or_else(|| "an unknown file system".to_owned(), |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(0.4), "0");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(grouped(1_234_567.8), "1,234,568");
    }
}
