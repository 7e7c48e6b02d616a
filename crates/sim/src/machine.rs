//! What the machine says of itself and of its processes, on Linux: for the benchmark's report.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

/// Clock ticks a second in `/proc/PID/stat`; fixed in the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time a process has used, in seconds, all its threads together.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program may hold spaces; it ends with the last bracket.
    let (_, rest) = text.rsplit_once(')').context("/proc/PID/stat")?;
    let ticks = |field: usize| -> Result<f64> {
        let text = rest.split_ascii_whitespace().nth(field).context("/proc/PID/stat is short")?;
        Ok(text.parse::<f64>()?)
    };
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

/// The most memory a process has had resident, in MB of 10^6 bytes.
pub(crate) fn peak_memory_mb(pid: u32) -> Result<f64> {
    Ok(status_bytes(pid, "VmHWM:")? / 1e6)
}

/// Memory that a process has resident now, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<f64> {
    status_bytes(pid, "VmRSS:")
}

fn status_bytes(pid: u32, field: &'static str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|l| l.strip_prefix(field)).context(field)?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1_024.0)
}

/// How many file handles a process has open.
pub(crate) fn handles(pid: u32) -> Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// Asks for as many file handles as this process may have.
///
/// # Errors
/// When that is fewer than wanted.
pub(crate) fn raise_handles(wanted: u64) -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let enough = maximum.is_none_or(|maximum| maximum >= wanted);
    ensure!(enough, "{wanted} file handles are needed, ulimit -H -n allows {maximum:?}");
    Ok(())
}

/// CPU, cores and kernel in one line.
pub(crate) fn describe() -> String {
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let model = cpu.lines().find_map(|l| l.strip_prefix("model name")).unwrap_or("unknown CPU");
    let model = model.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory = file("/proc/meminfo");
    let memory = memory.lines().find_map(|l| l.strip_prefix("MemTotal:")).unwrap_or_default();
    let memory_kib: f64 = memory.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0);
    let kernel = file("/proc/sys/kernel/osrelease");
    let gib = memory_kib / 1_048_576.0;
    format!("{model}, {cores} cores, {gib:.0} GiB, Linux {}", kernel.trim())
}

/// Cores' worth of work that all processes did, by `/proc/stat`: (busy seconds, seconds since boot).
pub(crate) fn busy_seconds() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().context("/proc/stat is empty")?;
    let fields: Vec<f64> =
        line.split_ascii_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user, nice, system; idle and iowait left out; irq, softirq, steal.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&i| fields.get(i)).sum::<f64>();
    Ok(busy / TICKS_PER_SECOND)
}

/// The time below which that share of them lies; of sorted times, at least one.
pub(crate) fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to the length")]
    let rank = rank.clamp(1.0, sorted.len() as f64) as usize;
    sorted[rank - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 0.50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 0.99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 1.0), Duration::from_millis(200));
        assert_eq!(percentile(&times[..1], 0.5), Duration::from_millis(1));
    }

    #[test]
    fn this_process_has_used_some_time_and_memory() {
        let me = std::process::id();
        assert!(cpu_seconds(me).unwrap() >= 0.0);
        assert!(peak_memory_mb(me).unwrap() > 0.5);
        assert!(resident_bytes(me).unwrap() > 0.5e6);
        assert!(handles(me).unwrap() >= 3);
        assert!(describe().contains("cores"));
        assert!(busy_seconds().unwrap() > 0.0);
    }
}
