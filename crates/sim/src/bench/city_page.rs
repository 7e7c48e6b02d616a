//! The page of the city benchmark: every number on it was measured in the run it describes, every
//! goal stands beside its number, and a missed one says so.

use std::fmt::Write as _;

use super::city::{CityArgs, File, Whole};
use super::page::{commit, file_system, grouped, today};
use super::{Run, rate};
use crate::load::Format;
use crate::machine;

/// The whole page.
pub(super) fn render(
    args: &CityArgs,
    runs: &[Run],
    whole: Option<&Whole>,
    files: &[File],
) -> String {
    let mut page = String::from("# A whole city on one machine\n\n");
    let devices: Vec<String> = args.devices.iter().map(ToString::to_string).collect();
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "Written by `cargo xtask bench city`; nothing on this page was typed in.\n\n\
         * Date: {}\n* Machine: {}; data on {}\n* Commit: {}\n\
         * Command: `chengmai-sim bench city --devices {} --seconds {} --lines {} --connections {} --beside {}`\n\n",
        today(),
        machine::describe(),
        file_system(&args.folder),
        commit(),
        devices.join(","),
        args.seconds,
        args.lines,
        args.connections,
        args.beside,
    );
    page.push_str(STEADY);
    for run in runs {
        steady_row(&mut page, run);
    }
    if let Some(whole) = whole {
        whole_city(&mut page, whole);
    }
    for file in files {
        one_run(&mut page, file);
    }
    page
}

const STEADY: &str = "\
## Steady load

One server process and one load process share the machine. Readings are the peers' workload: 12 kinds, five
tiers with 67,000 grids, one reading in 5,000 an incident. A reading counts when its request is answered 204:
it is in the journal after `fdatasync`. Meanwhile the server keeps the newest values, rolls up every kind over
five tiers once a second, evaluates a rule for every kind, raises warnings, writes Parquet and takes a snapshot
every 15 seconds. Time stamps are the time of sending. All devices were registered before. Lines: line protocol,
some 75 bytes a reading. Columns: the gateways' binary format, 16 bytes.

| devices | format | readings/s | goal | CPU s per million: server + load | goal | peak MB | sent to acknowledged, ms: p50 / p99 | reading to warning, ms: p50 / p99 | cores busy elsewhere |
|---|---|---|---|---|---|---|---|---|---|
";

/// Readings a second and server CPU seconds a million that were promised.
fn goals(run: &Run) -> (f64, Option<f64>) {
    match (run.format, run.devices) {
        (Format::Columns, _) => (5e6, None),
        (Format::Lines, ..=100_000) => (3e6, Some(0.4)),
        (Format::Lines, ..=1_000_000) => (3e6, Some(0.5)),
        (Format::Lines, _) => (2e6, Some(0.8)),
    }
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

fn steady_row(page: &mut String, run: &Run) {
    let million = run.load.readings as f64 / 1e6;
    let (least, most) = goals(run);
    let cpu = run.server_cpu_s / million;
    let cpu_goal = most.map_or_else(String::new, |most| format!("{most} {}", verdict(cpu <= most)));
    let _ = writeln!(
        page,
        "| {} | {} | **{}** | {} {} | {cpu:.2} + {:.2} | {cpu_goal} | {:.0} | {:.1} / {:.1} | {:.0} / {:.0} | {:.2} |",
        grouped(run.devices as f64),
        if run.format == Format::Lines { "lines" } else { "columns" },
        grouped(rate(run)),
        grouped(least),
        verdict(rate(run) >= least),
        run.load.cpu_s / million,
        run.server_peak_mb,
        run.load.p50_ms,
        run.load.p99_ms,
        run.probe.p50_ms,
        run.probe.p99_ms,
        run.busy_elsewhere,
    );
}

fn whole_city(page: &mut String, whole: &Whole) {
    let Whole { devices, bytes_a_device, pause_ms, start_s, snapshot_mb } = whole;
    let _ = write!(
        page,
        "\n## The largest city: {} devices\n\n\
         | what | measured | goal |\n|---|---|---|\n\
         | memory a device, identifiers included, after the load | {bytes_a_device:.0} B | 150 B {} |\n\
         | longest pause that marking a snapshot made in the engine | {pause_ms:.1} ms | 50 ms {} |\n\
         | from the start after a SIGKILL to the first answer | {start_s:.1} s | 20 s {} |\n\
         | snapshots on disk | {snapshot_mb:.0} MB | |\n",
        grouped(*devices as f64),
        verdict(*bytes_a_device <= 150.0),
        verdict(*pause_ms <= 50.0),
        verdict(*start_s <= 20.0),
    );
}

fn one_run(page: &mut String, file: &File) {
    let million = file.load.readings as f64 / 1e6;
    let ours = file.load.readings as f64 / file.load.seconds;
    let _ = write!(
        page,
        "\n## The peers' file in one run: {} devices, {} readings\n\n\
         The harness made the file, ran the peers one after the other, and then the very same lines came to us\n\
         over HTTP from another process, moved in time to the last minutes; devices were registered\n\
         on first sight within the time measured. All was rolled up {:.1} s after the first byte was sent. {} readings\n\
         that no sensor of their kind can have were refused by name.\n\n\
         | | readings/s | ours to theirs | CPU s per million | peak MB | disk B a reading | durability |\n\
         |---|---|---|---|---|---|---|\n\
         | **Chengmai** | **{}** | 1 | {:.2} | {:.0} | {:.2} | fdatasync before every answer |\n",
        grouped(file.devices as f64),
        grouped((file.load.readings + file.load.refused) as f64),
        file.caught_up_s,
        file.load.refused,
        grouped(ours),
        file.server_cpu_s / million,
        file.server_peak_mb,
        file.history_bytes as f64 / file.load.readings as f64,
    );
    for peer in &file.peers {
        let (Some(name), Some(theirs)) = (peer["peer"].as_str(), peer["obs_per_s"].as_f64()) else {
            continue;
        };
        let number = |key: &str, digits: usize| {
            peer[key].as_f64().map_or_else(String::new, |n| format!("{n:.digits$}"))
        };
        let _ = writeln!(
            page,
            "| {name} | {} | {:.2} | {} | {} | {} | {} |",
            grouped(theirs),
            ours / theirs,
            number("cpu_s_per_Mobs", 2),
            number("peak_rss_MB", 0),
            number("disk_bytes_per_obs", 2),
            peer["durability"].as_str().unwrap_or_default(),
        );
    }
    questions(page, file);
}

/// Most milliseconds that each question may take.
const QUESTION_GOALS: [f64; 4] = [1.0, 5.0, 2.0, 1.0];

fn questions(page: &mut String, file: &File) {
    page.push_str(
        "\nThe harness's questions over HTTP, median of five, with the client's decoding; milliseconds.\n\n\
         | question | ours | answer | goal |",
    );
    let answering: Vec<_> =
        file.peers.iter().filter(|peer| peer["q1_ms"].as_f64().is_some()).collect();
    for peer in &answering {
        let _ = write!(page, " {} |", peer["peer"].as_str().unwrap_or_default());
    }
    page.push_str("\n|---|---|---|---|");
    page.push_str(&"---|".repeat(answering.len()));
    page.push('\n');
    for ((asked, goal), key) in
        file.asked.iter().zip(QUESTION_GOALS).zip(["q1_ms", "q2_ms", "q3_ms", "q4_ms"])
    {
        let answer = if asked.right { "the generator's" } else { "WRONG" };
        let reached = verdict(asked.median_ms <= goal);
        let ms = asked.median_ms;
        let _ = write!(page, "| {} | {ms:.2} | {answer} | {goal} {reached} |", asked.name);
        for peer in &answering {
            let _ = write!(page, " {:.1} |", peer[key].as_f64().unwrap_or(f64::NAN));
        }
        page.push('\n');
    }
}
