//! `chengmai bench`: journal, engine and archive at full speed on this machine, without HTTP.

use std::time::Instant;

use chengmai_model::time::MINUTE_MS;
use chengmai_model::{Reading, StreamId, Timestamp};
use chengmai_sim::fleet::Fleet;
use chengmai_sim::script::Script;

use super::{progress, runtime, say};
use crate::city::start::prepare;
use crate::cli::Bench;
use crate::clock;
use crate::config::Config;

/// Readings of one commit.
const BATCH: usize = 50_000;

pub(crate) fn run(bench: &Bench) -> anyhow::Result<()> {
    let folder = std::env::temp_dir().join(format!("chengmai-bench-{}", std::process::id()));
    let config = Config::for_bench(folder.clone());
    let outcome = runtime()?.block_on(async {
        let mut prepared = prepare(config).await?;
        let fleet = Fleet::new(prepared.areas(), bench.devices, 1);
        let streams = super::demo::enlist(&mut prepared, &fleet, clock::now(), None)?;
        let readings = make(&fleet, &streams, bench.readings);
        let bar = progress(bench.readings as u64, "journal, engine, archive");
        let began = Instant::now();
        let mut past = prepared.past();
        for chunk in readings.chunks(BATCH) {
            let now = chunk.last().map_or(Timestamp::default(), |r| r.at);
            past.readings(now, chunk.to_vec())?;
            bar.inc(chunk.len() as u64);
        }
        let seconds = began.elapsed().as_secs_f64();
        bar.finish_and_clear();
        let running = prepared.start()?;
        running.stop().await;
        anyhow::Ok(bench.readings as f64 / seconds)
    });
    std::fs::remove_dir_all(&folder)?;
    say(format!("{:.2} million readings/s on disk, rolled up and judged", outcome? / 1e6));
    Ok(())
}

/// Readings of the fleet in order of time, a round a minute.
fn make(fleet: &Fleet, streams: &[StreamId], count: usize) -> Vec<Reading> {
    let start = clock::now().plus_ms(-60 * MINUTE_MS);
    let quiet = Script::quiet();
    (0..count)
        .map(|n| {
            let device = n % streams.len();
            let minute = i64::try_from(n / streams.len()).unwrap_or(0);
            let at = start.plus_ms(minute * MINUTE_MS);
            let value = fleet.value(device, at, &quiet).unwrap_or(0.0);
            Reading { stream: streams[device], at, value }
        })
        .collect()
}
