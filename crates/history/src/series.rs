//! A chart over any time: the coarsest rung of the ladder that has enough points, and the readings
//! themselves for the days that no rung holds yet.
//!
//! Not here: windows of indicators; they are a column of their own (`reader.rs`).

use std::collections::BTreeMap;

use chengmai_model::{StreamId, Timestamp};

use crate::cold::{FileCache, Summary, Wanted, read, step_column, step_start, steps};
use crate::day;
use crate::error::Result;
use crate::ladder::Rung;
use crate::manifest::{FileEntry, Manifest};
use crate::query::{Cost, ReadingsQuery, Within};
use crate::reader::{HistoryReader, Hot, Seen, keep_newest};

/// Asks for a chart of one device.
#[derive(Debug, Clone, Copy)]
pub struct SeriesQuery<'a> {
    /// The device's id as in the files.
    pub device: &'a str,
    /// Its streams that are wanted, each with the id of its kind.
    pub streams: &'a [(StreamId, &'a str)],
    /// Earliest event time wanted.
    pub from: Timestamp,
    /// First event time that is not wanted any more.
    pub to: Timestamp,
    /// Most points of a stream in the answer, give or take the one at each end.
    pub points_max: usize,
    /// Only what was measured in some areas.
    pub within: Option<Within<'a>>,
}

/// The readings of one stream in one step of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Whose they are.
    pub stream: StreamId,
    /// Start of the step.
    pub start: Timestamp,
    /// How many there were.
    pub readings: u64,
    /// Their sum in whole millionths, exact.
    pub sum_millionths: i128,
    /// The least value.
    pub min: f64,
    /// The greatest value.
    pub max: f64,
    /// The value measured last.
    pub last: f64,
}

/// A chart of one device.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Length of a step in milliseconds.
    pub step_ms: i64,
    /// In order of stream and time; steps without readings are absent.
    pub points: Vec<SeriesPoint>,
}

impl SeriesPoint {
    /// The mean of the step's values.
    pub fn mean(&self) -> f64 {
        self.sum_millionths as f64 / 1e6 / self.readings as f64
    }
}

impl HistoryReader {
    /// The readings of a device, summed in steps of equal length by the local clock.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn series(&self, query: &SeriesQuery<'_>) -> Result<Series> {
        let span = query.to.0.saturating_sub(query.from.0).max(1);
        let points = i64::try_from(query.points_max.max(1)).unwrap_or(i64::MAX);
        let least = 1 + (span - 1) / points;
        let rung = Rung::ALL.into_iter().rev().find(|rung| rung.step_ms() <= least);
        let unit = rung.map_or(1, Rung::step_ms);
        let step_ms = (1 + (least - 1) / unit).saturating_mul(unit);
        let offset_ms = self.shared.offset_ms;
        let raw = ReadingsQuery {
            device: query.device,
            streams: query.streams,
            from: query.from,
            to: query.to,
            limit: usize::MAX,
            within: query.within,
        };
        let Hot { mut readings, manifest, overlay } = self.hot_readings(&raw);
        let sources = Sources::of(&manifest, rung, query, offset_ms);
        let mut cost = Cost::default();
        let mut sums: BTreeMap<(StreamId, i64), Summary> = BTreeMap::new();
        let mut add = |stream: StreamId, at: i64, summary: &Summary| {
            let step = (stream, step_start(at, step_ms, offset_ms));
            sums.entry(step).and_modify(|sum| sum.add(summary)).or_insert(*summary);
        };
        for file in manifest.raw.iter().filter(|file| file.may_hold_readings(&raw)) {
            if !file.summed || sources.is(file, None) {
                self.cold_readings(file, &raw, &overlay, &mut readings, &mut cost)?;
            }
        }
        keep_newest(&mut readings, usize::MAX);
        for reading in readings {
            add(reading.stream, reading.at.0, &Summary::of(reading.at.0, reading.value));
        }
        for (rung, files) in Rung::ALL.into_iter().zip(&manifest.rungs) {
            let from = step_start(query.from.0, rung.step_ms(), offset_ms);
            let whole = ReadingsQuery { from: Timestamp(from), ..raw };
            for file in files.iter().filter(|file| file.may_hold_readings(&whole)) {
                if sources.is(file, Some(rung)) {
                    self.cold_steps(file, &whole, &mut add, &mut cost)?;
                }
            }
        }
        let points = sums.into_iter().map(|((stream, start), sum)| SeriesPoint {
            stream,
            start: Timestamp(start),
            readings: sum.readings,
            sum_millionths: sum.sum_millionths,
            min: sum.min,
            max: sum.max,
            last: sum.last,
        });
        Ok(Series { step_ms, points: points.collect() })
    }

    fn cold_steps(
        &self,
        file: &FileEntry,
        query: &ReadingsQuery<'_>,
        add: &mut dyn FnMut(StreamId, i64, &Summary),
        cost: &mut Cost,
    ) -> Result<()> {
        let streams: Vec<u32> = query.streams.iter().map(|(stream, _)| stream.0).collect();
        let kinds: Vec<&str> = query.streams.iter().map(|&(_, kind)| kind).collect();
        let wanted = Wanted {
            leading: &[query.device],
            words: &[],
            hints: &[(step_column::KIND, &kinds)],
            numbers: Some((step_column::STREAM, &streams)),
            spans: &[],
            time: (step_column::AT, query.from.0..query.to.0),
            columns: match query.within {
                Some(_) => &step_column::WITH_AREA,
                None => &step_column::FIGURES,
            },
        };
        let path = self.shared.dir.join(&file.path);
        let open = FileCache::open(&self.shared.cache, &self.shared.dir, &file.path)?;
        for batch in read(&open, &path, &wanted, cost)? {
            let mut seen = Seen::new(query.within, &batch, 0);
            for (row, (stream, start, summary)) in steps(&batch).enumerate() {
                if seen.at(row) {
                    add(StreamId(stream), start, &summary);
                }
            }
        }
        Ok(())
    }
}

/// For each day and kind from where it is read: the rung that is wanted, else the next coarser one that
/// is still there, else the next finer one. `None` are the readings.
struct Sources<'a> {
    offset_ms: i64,
    by_day: BTreeMap<(i64, &'a str), Option<Rung>>,
}

impl<'a> Sources<'a> {
    fn of(
        manifest: &'a Manifest,
        wanted: Option<Rung>,
        query: &SeriesQuery<'a>,
        offset_ms: i64,
    ) -> Self {
        let mut sources = Self { offset_ms, by_day: BTreeMap::new() };
        let levels = [None].into_iter().chain(Rung::ALL.map(Some));
        let coarser = levels.clone().filter(|level| *level >= wanted);
        let finer = levels.rev().filter(|level| *level < wanted);
        for level in coarser.chain(finer) {
            let files = level.map_or(&manifest.raw, |rung| &manifest.rungs[rung as usize]);
            for file in files.iter().filter(|file| file.summed) {
                let day = day::day_of(file.at_min, offset_ms);
                for (_, kind) in query.streams {
                    if file.kinds.iter().any(|known| known == kind) {
                        sources.by_day.entry((day, kind)).or_insert(level);
                    }
                }
            }
        }
        sources
    }

    /// Whether the day of this file is read from this level, for any kind of the question.
    fn is(&self, file: &FileEntry, level: Option<Rung>) -> bool {
        let day = day::day_of(file.at_min, self.offset_ms);
        let mut kinds = file.kinds.iter();
        kinds.any(|kind| self.by_day.get(&(day, kind.as_str())) == Some(&level))
    }
}
