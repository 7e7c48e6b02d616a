//! Rows in memory, before they are in files: columns in chunks of bounded length, so that a query can
//! take the full ones along without a lock and scans only the growing one under it.

use std::ops::Range;
use std::sync::Arc;

use chengmai_model::{Reading, StreamId, Tier, Timestamp};

use crate::kinds::KindRow;
use crate::overlay::Overlay;
use crate::query::WindowPoint;

/// Rows of a chunk. Small enough that scanning one under the lock takes microseconds.
pub(crate) const CHUNK_ROWS_MAX: usize = 65_536;

/// A kind of chunk that [`Hot`] can hold.
pub(crate) trait Chunk: Default {
    fn len(&self) -> usize;
}

/// Rows of one sort in memory: those of a running flush, those of full chunks, those of the open one.
#[derive(Debug, Default)]
pub(crate) struct Hot<C> {
    flushing: Vec<Arc<C>>,
    full: Vec<Arc<C>>,
    open: C,
    rows: usize,
}

impl<C: Chunk> Hot<C> {
    /// Rows that no flush has taken.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The chunk to append to, and how many rows it still takes (at least one). Tell
    /// [`grown`](Self::grown) how many were appended.
    pub(crate) fn open(&mut self) -> (&mut C, usize) {
        if self.open.len() >= CHUNK_ROWS_MAX {
            self.full.push(Arc::new(std::mem::take(&mut self.open)));
        }
        let room = CHUNK_ROWS_MAX - self.open.len();
        (&mut self.open, room)
    }

    pub(crate) fn grown(&mut self, rows: usize) {
        self.rows += rows;
    }

    /// Hands everything to a flush; it stays visible until [`flushed`](Self::flushed). What a failed
    /// flush left behind is handed over again.
    pub(crate) fn begin_flush(&mut self) -> Vec<Arc<C>> {
        if self.open.len() > 0 {
            self.full.push(Arc::new(std::mem::take(&mut self.open)));
        }
        self.flushing.append(&mut self.full);
        self.rows = 0;
        self.flushing.clone()
    }

    /// The rows handed over are in files now.
    pub(crate) fn flushed(&mut self) {
        self.flushing.clear();
    }

    /// The flush failed: its rows wait for the next one.
    pub(crate) fn flush_failed(&mut self) {
        self.rows += self.flushing.iter().map(|chunk| chunk.len()).sum::<usize>();
        self.flushing.append(&mut self.full);
        std::mem::swap(&mut self.flushing, &mut self.full);
    }

    /// Everything as closed chunks, oldest first, for a scan without the lock. Costs no copy: the
    /// growing chunk is closed as it is.
    pub(crate) fn sealed(&mut self) -> Vec<Arc<C>> {
        if self.open.len() > 0 {
            self.full.push(Arc::new(std::mem::take(&mut self.open)));
        }
        self.flushing.iter().chain(&self.full).cloned().collect()
    }

    /// The closed chunks, oldest first, for a scan without the lock; and the growing one.
    pub(crate) fn chunks(&self) -> (Vec<Arc<C>>, &C) {
        (self.flushing.iter().chain(&self.full).cloned().collect(), &self.open)
    }
}

/// Readings as columns: 20 bytes each.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReadingsChunk {
    streams: Vec<u32>,
    ats: Vec<i64>,
    values: Vec<f64>,
    /// When the rows came in: from which row on, and the time.
    received: Vec<(u32, Timestamp)>,
}

impl Chunk for ReadingsChunk {
    fn len(&self) -> usize {
        self.streams.len()
    }
}

impl ReadingsChunk {
    pub(crate) fn append(&mut self, received_at: Timestamp, readings: &[Reading]) {
        if self.received.last().is_none_or(|&(_, last)| last != received_at) {
            let row = u32::try_from(self.streams.len()).expect("a chunk has few rows");
            self.received.push((row, received_at));
        }
        self.streams.extend(readings.iter().map(|r| r.stream.0));
        self.ats.extend(readings.iter().map(|r| r.at.0));
        self.values.extend(readings.iter().map(|r| r.value));
    }

    /// The numbers of the streams, row by row.
    pub(crate) fn streams(&self) -> &[u32] {
        &self.streams
    }

    /// Earliest and latest event time; `None` when there are no rows.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let first = *self.ats.first()?;
        let wider = |(min, max): (i64, i64), &at: &i64| (min.min(at), max.max(at));
        Some(self.ats.iter().fold((first, first), wider))
    }

    /// Every row with the time it came in.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Reading, Timestamp)> {
        let ends = self.received.iter().skip(1).map(|&(row, _)| row as usize);
        let runs = self.received.iter().zip(ends.chain([self.len()]));
        runs.flat_map(move |(&(from, received_at), to)| {
            (from as usize..to).map(move |row| (self.reading(row), received_at))
        })
    }

    /// Numbers of the rows in `from..to`, of these streams only when there is a list, which is sorted.
    pub(crate) fn rows_in(&self, from: i64, to: i64, streams: Option<&[u32]>) -> Vec<usize> {
        let wanted = |row: &usize| {
            (from..to).contains(&self.ats[*row])
                && streams.is_none_or(|streams| streams.binary_search(&self.streams[*row]).is_ok())
        };
        (0..self.ats.len()).filter(wanted).collect()
    }

    /// When each row came in.
    pub(crate) fn received(&self) -> Vec<i64> {
        let mut times = Vec::with_capacity(self.len());
        let ends = self.received.iter().skip(1).map(|&(row, _)| row as usize);
        for (&(_, at), end) in self.received.iter().zip(ends.chain([self.len()])) {
            times.resize(end, at.0);
        }
        times
    }

    /// Appends to `found` the rows of `stream` in `from..to`.
    pub(crate) fn collect(&self, stream: StreamId, from: i64, to: i64, found: &mut Vec<Reading>) {
        for row in positions(&self.streams, stream.0) {
            if (from..to).contains(&self.ats[row]) {
                found.push(self.reading(row));
            }
        }
    }

    /// Appends what the rows in `time` are worth now, of the streams that `known` has a number for.
    pub(crate) fn collect_known(
        &self,
        known: impl Fn(u32) -> Option<u32>,
        time: Range<i64>,
        overlay: &Overlay,
        found: &mut Vec<KindRow>,
    ) {
        let rows = self.streams.iter().zip(&self.ats).zip(&self.values);
        let inside = rows.filter(|((_, at), _)| time.contains(*at));
        found.extend(
            inside.filter_map(|((&s, &at), &value)| {
                Some((known(s)?, at, overlay.value(s, at, value)?))
            }),
        );
    }

    pub(crate) fn reading(&self, row: usize) -> Reading {
        Reading {
            stream: StreamId(self.streams[row]),
            at: Timestamp(self.ats[row]),
            value: self.values[row],
        }
    }
}

/// A window in memory; names are numbers of the interner in `shared`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotWindow {
    pub(crate) indicator: u32,
    pub(crate) area: u32,
    pub(crate) area_order: u32,
    pub(crate) tier: Tier,
    pub(crate) point: WindowPoint,
}

/// Windows: their names apart, so that a query scans eight bytes a row.
#[derive(Debug, Default)]
pub(crate) struct WindowsChunk {
    keys: Vec<u64>,
    rows: Vec<HotWindow>,
}

impl Chunk for WindowsChunk {
    fn len(&self) -> usize {
        self.rows.len()
    }
}

impl WindowsChunk {
    pub(crate) fn append(&mut self, row: HotWindow) {
        self.keys.push(window_key(row.indicator, row.area));
        self.rows.push(row);
    }

    pub(crate) fn rows(&self) -> &[HotWindow] {
        &self.rows
    }

    /// Appends to `found` the windows of `key` that start in `from..to`, in order of arrival.
    pub(crate) fn collect(&self, key: u64, from: i64, to: i64, found: &mut Vec<WindowPoint>) {
        for row in positions(&self.keys, key) {
            let point = self.rows[row].point;
            if (from..to).contains(&point.start.0) {
                found.push(point);
            }
        }
    }
}

/// Indicator and area as one number to scan for.
pub(crate) fn window_key(indicator: u32, area: u32) -> u64 {
    u64::from(indicator) << 32 | u64::from(area)
}

/// Where `wanted` stands. Blocks without it are passed over in vector code.
fn positions<T: Copy + PartialEq>(values: &[T], wanted: T) -> impl Iterator<Item = usize> {
    const BLOCK: usize = 64;
    values
        .chunks(BLOCK)
        .enumerate()
        .filter(move |(_, block)| {
            block.iter().map(|&v| usize::from(v == wanted)).sum::<usize>() > 0
        })
        .flat_map(move |(index, block)| {
            let start = index * BLOCK;
            block
                .iter()
                .enumerate()
                .filter(move |&(_, &v)| v == wanted)
                .map(move |(i, _)| start + i)
        })
}
