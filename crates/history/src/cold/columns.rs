//! The columns of one row group of readings, encoded.
//!
//! Rows come sorted, as runs: rows of one stream that lie together. What is the same in a run (device,
//! kind, area, stream) is written a run at a time; times as differences; values as they are in a
//! fresh file and as what turned out smallest in a packed one.

use std::ops::Range;

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::bloom_filter::Sbbf;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::chunk::{Bounds, ChunkWriter, Codec};
use super::encode::{self, Arena, Indexes};
use super::numbers;

/// Rows of a page: the least that a query decodes.
pub(crate) const PAGE_ROWS: usize = 8_192;
/// From so many rows a run on (on average), names are a dictionary; below, differences of neighbours.
const DICTIONARY_RUN_ROWS: usize = 3;
/// Share of Bloom filter answers that cost a row group read for nothing.
const BLOOM_FALSE_SHARE: f64 = 0.01;

/// Column numbers of a readings file.
pub(crate) mod raw_column {
    pub(crate) const DEVICE: usize = 0;
    pub(crate) const KIND: usize = 1;
    pub(crate) const AREA: usize = 2;
    pub(crate) const AT: usize = 3;
    pub(crate) const VALUE: usize = 4;
    pub(crate) const RECEIVED_AT: usize = 5;
    /// Absent in files of the first format.
    pub(crate) const STREAM: usize = 6;
}

/// How much work is put into a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Written at once, read for an hour: cheap.
    Fresh,
    /// Written once, kept for months: small, with everything that helps to find rows.
    Packed,
}

/// Rows of one stream that lie together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) key: u32,
    pub(crate) rows: u32,
}

/// The rows of a row group, in order.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) runs: Vec<Run>,
    pub(crate) ats: Vec<i64>,
    pub(crate) values: Vec<f64>,
    pub(crate) received: Vec<i64>,
}

/// What the runs of a group are called.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(crate) devices: Arena,
    pub(crate) kinds: Vec<u32>,
    pub(crate) areas: Vec<u32>,
    pub(crate) streams: Vec<u32>,
}

/// Knows what runs are called.
pub(crate) trait RunNames {
    /// Appends a label for each run.
    fn label(&self, runs: &[Run], labels: &mut Labels);
    /// The id of a kind by the number in a label.
    fn kind(&self, number: u32) -> String;
    /// The code of an area by the number in a label.
    fn area(&self, number: u32) -> String;
}

/// Codecs, kept between row groups: making one costs more than packing a page.
#[derive(Debug)]
pub(crate) struct Codecs {
    style: Style,
    bare: Codec,
    packing: Codec,
}

/// A chunk as a file takes it.
pub(crate) type Encoded = (Bytes, ColumnCloseResult);

impl Codecs {
    pub(crate) fn new(style: Style) -> Result<Self> {
        let packing = match style {
            Style::Fresh => Codec::snappy(),
            Style::Packed => Codec::zstd(numbers::ZSTD_LEVEL)?,
        };
        Ok(Self { style, bare: Codec::Bare, packing })
    }

    /// Encodes the columns in the file's order, handing each to `put`.
    pub(crate) fn encode(
        &mut self,
        schema: &SchemaDescriptor,
        group: &Group,
        labels: &Labels,
        names: &dyn RunNames,
        mut put: impl FnMut(Encoded) -> Result<()>,
    ) -> Result<()> {
        let pages = pages(&group.runs);
        let column = |index: usize| schema.column(index);
        put(self.devices(column(raw_column::DEVICE), group, labels, &pages)?)?;
        let kind = |number| names.kind(number);
        put(self.words(column(raw_column::KIND), group, &labels.kinds, &kind, &pages)?)?;
        let area = |number| names.area(number);
        put(self.words(column(raw_column::AREA), group, &labels.areas, &area, &pages)?)?;
        put(self.times(column(raw_column::AT), &group.ats, &pages)?)?;
        put(self.values(column(raw_column::VALUE), &group.values, &pages)?)?;
        put(self.received(column(raw_column::RECEIVED_AT), &group.received, &pages)?)?;
        put(self.streams(column(raw_column::STREAM), group, labels, &pages)?)
    }

    /// The codec for what an encoding has made small already.
    fn light(&mut self) -> &mut Codec {
        match self.style {
            Style::Fresh => &mut self.bare,
            Style::Packed => &mut self.packing,
        }
    }

    fn devices(
        &mut self,
        column: ColumnDescPtr,
        group: &Group,
        labels: &Labels,
        pages: &[PageRuns],
    ) -> Result<Encoded> {
        let packed = self.style == Style::Packed;
        let mut chunk = ChunkWriter::new(column, &mut self.packing, packed);
        let device = |run: usize| labels.devices.get(run);
        let bounds = |runs: &mut dyn Iterator<Item = usize>| {
            let (mut min, mut max) = (None::<&[u8]>, None::<&[u8]>);
            for name in runs.map(device) {
                min = Some(min.map_or(name, |m| m.min(name)));
                max = max.max(Some(name));
            }
            let owned = |name: Option<&[u8]>| name.unwrap_or_default().to_vec();
            Bounds { min: owned(min), max: owned(max) }
        };
        let dictionary = runs_are_long(group);
        let mut body = Vec::new();
        if dictionary {
            encode::plain_words((0..group.runs.len()).map(device), &mut body);
            chunk.dictionary(&body, group.runs.len(), false)?;
        }
        for page in pages {
            body.clear();
            let encoding = if dictionary {
                page.indexes(&group.runs, &mut body);
                Encoding::RLE_DICTIONARY
            } else {
                let rows = page.runs(&group.runs);
                let names = rows.flat_map(|(run, rows)| std::iter::repeat_n(device(run), rows));
                encode::delta_words(names, &mut body);
                Encoding::DELTA_BYTE_ARRAY
            };
            let page_bounds = packed.then(|| bounds(&mut page.span.clone()));
            chunk.page(encoding, &body, page.rows, page_bounds)?;
        }
        if !packed {
            return chunk.finish(None, None);
        }
        let distinct = group.runs.len() as u64;
        let mut bloom = Sbbf::new_with_ndv_fpp(distinct.max(1), BLOOM_FALSE_SHARE)?;
        (0..group.runs.len()).for_each(|run| bloom.insert(device(run)));
        chunk.finish(Some(&bounds(&mut (0..group.runs.len()))), Some(bloom))
    }

    /// A column of words of which there are few: kinds, areas.
    fn words(
        &mut self,
        column: ColumnDescPtr,
        group: &Group,
        numbers: &[u32],
        name: &dyn Fn(u32) -> String,
        pages: &[PageRuns],
    ) -> Result<Encoded> {
        let packed = self.style == Style::Packed;
        let mut chunk = ChunkWriter::new(column, &mut self.packing, packed);
        let (indexes, words) = dictionary_of(numbers, name);
        let mut body = Vec::new();
        encode::plain_words(words.iter().map(String::as_bytes), &mut body);
        chunk.dictionary(&body, words.len(), false)?;
        let bounds = |used: &mut dyn Iterator<Item = u32>| {
            let mut used: Vec<u32> = used.collect();
            used.dedup();
            let words = used.iter().map(|&index| words[index as usize].as_bytes());
            let (min, max) = (words.clone().min(), words.max());
            Bounds { min: min.unwrap_or_default().to_vec(), max: max.unwrap_or_default().to_vec() }
        };
        let width = encode::bits_for(words.len() as u64 - 1);
        for page in pages {
            body.clear();
            let mut out = Indexes::new(width, &mut body);
            page.runs(&group.runs).for_each(|(run, rows)| out.push(indexes[run], rows));
            out.finish();
            let page_bounds =
                packed.then(|| bounds(&mut page.span.clone().map(|run| indexes[run])));
            chunk.page(Encoding::RLE_DICTIONARY, &body, page.rows, page_bounds)?;
        }
        let all = packed.then(|| bounds(&mut indexes.iter().copied()));
        chunk.finish(all.as_ref(), None)
    }

    fn times(&mut self, column: ColumnDescPtr, ats: &[i64], pages: &[PageRuns]) -> Result<Encoded> {
        let bounds = |ats: &[i64]| {
            let (min, max) =
                ats.iter().fold((i64::MAX, i64::MIN), |(a, b), &t| (a.min(t), b.max(t)));
            Bounds { min: min.to_le_bytes().to_vec(), max: max.to_le_bytes().to_vec() }
        };
        let mut chunk = ChunkWriter::new(column, self.light(), true);
        let mut body = Vec::new();
        for page in pages {
            let part = &ats[page.first_row..][..page.rows];
            body.clear();
            encode::delta(part, &mut body);
            chunk.page(Encoding::DELTA_BINARY_PACKED, &body, page.rows, Some(bounds(part)))?;
        }
        chunk.finish(Some(&bounds(ats)), None)
    }

    fn values(
        &mut self,
        column: ColumnDescPtr,
        values: &[f64],
        pages: &[PageRuns],
    ) -> Result<Encoded> {
        if self.style == Style::Packed {
            return numbers::values(column, &mut self.packing, values, pages);
        }
        let mut chunk = ChunkWriter::new(column, &mut self.packing, false);
        let mut body = Vec::new();
        for page in pages {
            body.clear();
            encode::plain(&values[page.first_row..][..page.rows], f64::to_le_bytes, &mut body);
            chunk.page(Encoding::PLAIN, &body, page.rows, None)?;
        }
        chunk.finish(None, None)
    }

    fn received(
        &mut self,
        column: ColumnDescPtr,
        times: &[i64],
        pages: &[PageRuns],
    ) -> Result<Encoded> {
        if self.style == Style::Packed {
            return numbers::times(column, &mut self.packing, times, pages);
        }
        let mut chunk = ChunkWriter::new(column, &mut self.bare, false);
        let mut body = Vec::new();
        for page in pages {
            body.clear();
            encode::delta(&times[page.first_row..][..page.rows], &mut body);
            chunk.page(Encoding::DELTA_BINARY_PACKED, &body, page.rows, None)?;
        }
        chunk.finish(None, None)
    }

    fn streams(
        &mut self,
        column: ColumnDescPtr,
        group: &Group,
        labels: &Labels,
        pages: &[PageRuns],
    ) -> Result<Encoded> {
        let bounds = |streams: &[u32]| {
            let (min, max) = (streams.iter().min(), streams.iter().max());
            let bytes =
                |stream: Option<&u32>| stream.map_or_else(Vec::new, |s| s.to_le_bytes().to_vec());
            Bounds { min: bytes(min), max: bytes(max) }
        };
        let mut chunk = ChunkWriter::new(column, self.light(), true);
        let dictionary = runs_are_long(group);
        let mut body = Vec::new();
        if dictionary {
            encode::plain(&labels.streams, u32::to_le_bytes, &mut body);
            chunk.dictionary(&body, labels.streams.len(), false)?;
        }
        let mut numbers = Vec::new();
        for page in pages {
            body.clear();
            let encoding = if dictionary {
                page.indexes(&group.runs, &mut body);
                Encoding::RLE_DICTIONARY
            } else {
                numbers.clear();
                for (run, rows) in page.runs(&group.runs) {
                    // Signed as the column is, so that differences of neighbours fit 32 bits.
                    let stream = i64::from(labels.streams[run].cast_signed());
                    numbers.resize(numbers.len() + rows, stream);
                }
                encode::delta(&numbers, &mut body);
                Encoding::DELTA_BINARY_PACKED
            };
            let page_bounds = bounds(&labels.streams[page.span.clone()]);
            chunk.page(encoding, &body, page.rows, Some(page_bounds))?;
        }
        chunk.finish(Some(&bounds(&labels.streams)), None)
    }
}

/// The runs of a page; the first and the last may lie in it only in part.
#[derive(Debug, Clone)]
pub(crate) struct PageRuns {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    span: Range<usize>,
    /// Rows of the first run before this page.
    skipped: usize,
}

impl PageRuns {
    /// Each run with its rows in this page.
    fn runs<'a>(&'a self, runs: &'a [Run]) -> impl Iterator<Item = (usize, usize)> + 'a {
        let mut left = self.rows;
        let mut skipped = self.skipped;
        self.span.clone().map(move |run| {
            let rows = (runs[run].rows as usize - std::mem::take(&mut skipped)).min(left);
            left -= rows;
            (run, rows)
        })
    }

    /// Runs by their own number.
    fn indexes(&self, runs: &[Run], body: &mut Vec<u8>) {
        let mut out = Indexes::new(encode::bits_for(runs.len() as u64 - 1), body);
        for (run, rows) in self.runs(runs) {
            out.push(u32::try_from(run).expect("a row group has few runs"), rows);
        }
        out.finish();
    }
}

fn pages(runs: &[Run]) -> Vec<PageRuns> {
    let total: usize = runs.iter().map(|run| run.rows as usize).sum();
    let mut pages = Vec::with_capacity(total.div_ceil(PAGE_ROWS));
    let (mut run, mut used, mut first_row) = (0, 0, 0);
    while first_row < total {
        let rows = PAGE_ROWS.min(total - first_row);
        let (first, skipped) = (run, used);
        let mut left = rows;
        while left > 0 {
            let here = (runs[run].rows as usize - used).min(left);
            left -= here;
            used += here;
            if used == runs[run].rows as usize {
                (run, used) = (run + 1, 0);
            }
        }
        let end = run + usize::from(used > 0);
        pages.push(PageRuns { first_row, rows, span: first..end, skipped });
        first_row += rows;
    }
    pages
}

fn runs_are_long(group: &Group) -> bool {
    group.ats.len() >= group.runs.len() * DICTIONARY_RUN_ROWS
}

/// For each number the place of its name in a list without repeats.
fn dictionary_of(numbers: &[u32], name: &dyn Fn(u32) -> String) -> (Vec<u32>, Vec<String>) {
    let mut places: hashbrown::HashMap<u32, u32> = hashbrown::HashMap::new();
    let mut words = Vec::new();
    let mut before: Option<(u32, u32)> = None;
    let indexes = numbers.iter().map(|&number| {
        if let Some((last, place)) = before
            && last == number
        {
            return place;
        }
        let place = *places.entry(number).or_insert_with(|| {
            words.push(name(number));
            u32::try_from(words.len() - 1).expect("a row group has few names")
        });
        before = Some((number, place));
        place
    });
    (indexes.collect(), words)
}
