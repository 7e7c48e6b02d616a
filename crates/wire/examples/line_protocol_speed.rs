//! Prints how many million lines of line protocol one core decodes in a second.
//!
//! `cargo run --release -p chengmai-wire --example line_protocol_speed`

use std::io::Write as _;
use std::time::Instant;

use chengmai_model::Timestamp;
use chengmai_wire::Fault;
use chengmai_wire::line_protocol::{Precision, Sink, decode};

const LINES: usize = 2_000_000;
const ROUNDS: u32 = 5;

/// Touches everything it is given, so that nothing can be left out as unused.
#[derive(Default)]
struct Sum {
    points: u64,
    faults: u64,
    value: f64,
    key_bytes: usize,
    time_ms: i64,
}

impl<'a> Sink<'a> for Sum {
    fn point(
        &mut self,
        series: &'a [u8],
        field: &'a [u8],
        value: f64,
        at: Option<Timestamp>,
        _line: u32,
        _byte: u32,
    ) {
        self.points += 1;
        self.value += value;
        self.key_bytes += series.len() + field.len();
        self.time_ms = self.time_ms.wrapping_add(at.map_or(0, |at| at.0));
    }

    fn fault(&mut self, _fault: Fault) {
        self.faults += 1;
    }
}

fn main() -> std::io::Result<()> {
    let mut body = Vec::new();
    for n in 0..LINES {
        let (device, tenths, ms) = (n % 1_000_000, n % 500, 1_700_000_100_000 + n / 1_000);
        writeln!(
            body,
            "methane,device=d{device:07},area=500101001001001 value={}.{} {ms}000000",
            tenths / 10,
            tenths % 10
        )?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{LINES} lines, {:.1} bytes each", body.len() as f64 / LINES as f64)?;
    for round in 1..=ROUNDS {
        let mut sum = Sum::default();
        let started = Instant::now();
        decode(&body, Precision::Nanoseconds, &mut sum);
        let seconds = started.elapsed().as_secs_f64();
        let (points, faults) = (sum.points, sum.faults);
        let rate = points as f64 / seconds / 1e6;
        let check = sum.value + sum.key_bytes as f64 + sum.time_ms as f64;
        writeln!(
            out,
            "round {round}: {rate:.1} M lines/s ({points} points, {faults} faults, {check})"
        )?;
    }
    Ok(())
}
