//! The benchmark's folder: series as CSV, windows as JSON. Not here: scoring.

use std::collections::BTreeMap;
use std::path::Path;

use chengmai_model::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// One series with its windows.
#[derive(Debug)]
pub(crate) struct Series {
    /// `realTraffic/speed_6005.csv`.
    pub(crate) name: String,
    pub(crate) readings: Vec<(Timestamp, f64)>,
    /// First and last row of each.
    pub(crate) windows: Vec<(usize, usize)>,
}

impl Series {
    /// Its folder.
    pub(crate) fn category(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Labels {
    windows: Vec<(String, String)>,
}

/// Every series that has both data and labels, in order of name.
///
/// # Errors
/// What could not be read.
pub(crate) fn read(folder: &Path) -> Result<Vec<Series>, String> {
    let text = std::fs::read_to_string(folder.join("labels_public.json"));
    let text = text.map_err(|e| format!("{}: {e}", folder.display()))?;
    let labels: BTreeMap<String, Labels> =
        serde_json::from_str(&text).map_err(|e| e.to_string())?;
    labels.into_iter().map(|(name, labels)| series(folder, name, &labels)).collect()
}

fn series(folder: &Path, name: String, labels: &Labels) -> Result<Series, String> {
    let text = std::fs::read_to_string(folder.join("data").join(&name));
    let text = text.map_err(|e| format!("{name}: {e}"))?;
    let rows = text.lines().skip(1).filter_map(|line| line.split_once(','));
    let readings: Vec<(Timestamp, f64)> = rows
        .map(|(at, value)| Some((time(at)?, value.trim().parse().ok()?)))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{name}: a row cannot be read"))?;
    let row_of = |at: &str| {
        let at = time(at)?;
        readings.iter().position(|(moment, _)| *moment == at)
    };
    let windows = labels.windows.iter().map(|(first, last)| Some((row_of(first)?, row_of(last)?)));
    let windows = windows.collect::<Option<_>>();
    let windows = windows.ok_or_else(|| format!("{name}: a window lies at no row"))?;
    Ok(Series { name, readings, windows })
}

/// Times in the files are without a zone; which hours belong together is all that matters.
fn time(text: &str) -> Option<Timestamp> {
    let civil: DateTime = text.parse().ok()?;
    let zoned = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}
