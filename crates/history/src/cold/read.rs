//! Finding rows in one file: row groups by statistics and Bloom filter, pages by their index, rows
//! by comparing. Every step may only drop what cannot match.

use std::ops::Range;
use std::path::Path;

use arrow::array::{AsArray as _, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{ArrowPrimitiveType, Int32Type, TimestampMillisecondType, UInt32Type};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
    RowFilter, RowSelection,
};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::Statistics;

use super::cache::OpenFile;
use crate::error::{Error, Result};
use crate::query::Cost;

/// Rows of one batch.
const BATCH_ROWS: usize = 8_192;

/// The rows wanted of a file.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// One of these words must be in the leading column, as far as its Bloom filter knows.
    pub(crate) leading: &'a [&'a str],
    /// Columns of words and the words allowed in them.
    pub(crate) words: &'a [(usize, &'a [&'a str])],
    /// The same, but only to leave pages out: something else decides about the rows.
    pub(crate) hints: &'a [(usize, &'a [&'a str])],
    /// A column of numbers and the numbers allowed in it.
    pub(crate) numbers: Option<(usize, &'a [u32])>,
    /// Columns of words and the first and last word wanted. Only what can be left out unread is; the
    /// rows are not compared.
    pub(crate) spans: &'a [(usize, (&'a str, &'a str))],
    /// The column of times, and the range wanted.
    pub(crate) time: (usize, Range<i64>),
    /// The columns to return.
    pub(crate) columns: &'a [usize],
}

/// The rows of `file` that are wanted, with `columns` in the file's order.
pub(crate) fn read(
    file: &OpenFile,
    path: &Path,
    wanted: &Wanted<'_>,
    cost: &mut Cost,
) -> Result<Vec<RecordBatch>> {
    let Some(reader) = open_rows(file, path, wanted, cost)? else { return Ok(Vec::new()) };
    reader.map(|batch| batch.map_err(Error::parquet(path))).collect()
}

/// The same, batch by batch as they are asked for; none when the file has nothing to give.
pub(crate) fn open_rows(
    file: &OpenFile,
    path: &Path,
    wanted: &Wanted<'_>,
    cost: &mut Cost,
) -> Result<Option<ParquetRecordBatchReader>> {
    cost.files += 1;
    let metadata = file.footer.metadata();
    let mut groups = Vec::new();
    let mut pages: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for (index, group) in metadata.row_groups().iter().enumerate() {
        if !group_may_match(group, wanted) || !bloom_may_match(file, index, wanted, path)? {
            continue;
        }
        let ranges = matching_pages(file, index, wanted);
        let rows: usize = ranges.iter().map(Range::len).sum();
        if rows == 0 {
            continue;
        }
        cost.row_groups += 1;
        cost.rows += rows;
        pages.extend(ranges.into_iter().map(|r| start + r.start..start + r.end));
        start += usize::try_from(group.num_rows()).unwrap_or(0);
        groups.push(index);
    }
    if groups.is_empty() {
        return Ok(None);
    }
    let handle = file.file.clone();
    let schema = file.footer.parquet_schema();
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, file.footer.clone())
        .with_batch_size(BATCH_ROWS)
        .with_row_groups(groups)
        .with_row_selection(RowSelection::from_consecutive_ranges(pages.into_iter(), start))
        .with_row_filter(row_filter(file, wanted))
        .with_projection(ProjectionMask::roots(schema, wanted.columns.iter().copied()));
    builder.build().map(Some).map_err(Error::parquet(path))
}

/// A column of numbers.
pub(crate) fn column<T: ArrowPrimitiveType>(
    batch: &RecordBatch,
    index: usize,
) -> &PrimitiveArray<T> {
    batch.column(index).as_primitive()
}

/// A word of a dictionary column.
pub(crate) fn word(batch: &RecordBatch, index: usize, row: usize) -> &str {
    let column = batch.column(index).as_dictionary::<Int32Type>();
    let words: &StringArray = column.values().as_string();
    words.value(usize::try_from(column.keys().value(row)).unwrap_or(0))
}

fn group_may_match(group: &RowGroupMetaData, wanted: &Wanted<'_>) -> bool {
    let words_fit = wanted.words.iter().chain(wanted.hints).all(|&(index, words)| {
        let Some(statistics) = group.column(index).statistics() else { return true };
        within(statistics.min_bytes_opt(), statistics.max_bytes_opt(), words)
    });
    let numbers_fit = wanted.numbers.is_none_or(|(index, numbers)| {
        let Some(Statistics::Int32(s)) = group.column(index).statistics() else { return true };
        any_between(s.min_opt(), s.max_opt(), numbers)
    });
    let spans_fit = wanted.spans.iter().all(|&(index, span)| {
        let Some(statistics) = group.column(index).statistics() else { return true };
        overlaps(statistics.min_bytes_opt(), statistics.max_bytes_opt(), span)
    });
    let (index, range) = &wanted.time;
    let time_fits = match group.column(*index).statistics() {
        Some(Statistics::Int64(s)) => {
            s.max_opt().is_none_or(|&max| max >= range.start)
                && s.min_opt().is_none_or(|&min| min < range.end)
        }
        _ => true,
    };
    words_fit && numbers_fit && spans_fit && time_fits
}

fn bloom_may_match(
    file: &OpenFile,
    group: usize,
    wanted: &Wanted<'_>,
    path: &Path,
) -> Result<bool> {
    for word in wanted.leading {
        if file.may_hold(group, word, path)? {
            return Ok(true);
        }
    }
    Ok(wanted.leading.is_empty())
}

/// Whether any of `words` lies between two bounds; a missing bound excludes nothing.
fn within(min: Option<&[u8]>, max: Option<&[u8]>, words: &[&str]) -> bool {
    words.iter().any(|word| {
        min.is_none_or(|min| min <= word.as_bytes()) && max.is_none_or(|max| word.as_bytes() <= max)
    })
}

/// Whether any of `numbers` lies between two bounds, which Parquet keeps as signed.
fn any_between(min: Option<&i32>, max: Option<&i32>, numbers: &[u32]) -> bool {
    numbers.iter().any(|&number| {
        min.is_none_or(|min| min.cast_unsigned() <= number)
            && max.is_none_or(|max| number <= max.cast_unsigned())
    })
}

/// Whether two spans of words have anything in common; a missing bound excludes nothing.
fn overlaps(min: Option<&[u8]>, max: Option<&[u8]>, (first, last): (&str, &str)) -> bool {
    min.is_none_or(|min| min <= last.as_bytes()) && max.is_none_or(|max| first.as_bytes() <= max)
}

/// Rows of a row group (from its own start) whose pages may hold what is wanted, in every column.
fn matching_pages(file: &OpenFile, group: usize, wanted: &Wanted<'_>) -> Vec<Range<usize>> {
    let rows = usize::try_from(file.footer.metadata().row_group(group).num_rows()).unwrap_or(0);
    let mut kept: Vec<Range<usize>> = std::iter::once(0..rows).collect();
    for &(index, words) in wanted.words.iter().chain(wanted.hints) {
        let pages = pages_where(file, group, index, rows, |bounds, page| match bounds {
            ColumnIndexMetaData::BYTE_ARRAY(b) => {
                within(b.min_value(page), b.max_value(page), words)
            }
            _ => true,
        });
        kept = intersect(&kept, &pages);
    }
    if let Some((index, numbers)) = wanted.numbers {
        let pages = pages_where(file, group, index, rows, |bounds, page| match bounds {
            ColumnIndexMetaData::INT32(b) => {
                any_between(b.min_value(page), b.max_value(page), numbers)
            }
            _ => true,
        });
        kept = intersect(&kept, &pages);
    }
    for &(index, span) in wanted.spans {
        let pages = pages_where(file, group, index, rows, |bounds, page| match bounds {
            ColumnIndexMetaData::BYTE_ARRAY(b) => {
                overlaps(b.min_value(page), b.max_value(page), span)
            }
            _ => true,
        });
        kept = intersect(&kept, &pages);
    }
    let (index, range) = &wanted.time;
    let pages = pages_where(file, group, *index, rows, |bounds, page| match bounds {
        ColumnIndexMetaData::INT64(b) => {
            b.max_value(page).is_none_or(|&max| max >= range.start)
                && b.min_value(page).is_none_or(|&min| min < range.end)
        }
        _ => true,
    });
    intersect(&kept, &pages)
}

/// Row ranges of the pages of one column that `keep` lets through; all rows without an index.
fn pages_where(
    file: &OpenFile,
    group: usize,
    column: usize,
    rows: usize,
    keep: impl Fn(&ColumnIndexMetaData, usize) -> bool,
) -> Vec<Range<usize>> {
    let metadata = file.footer.metadata();
    let bounds = metadata.column_index().and_then(|all| all.get(group)?.get(column));
    let places = metadata.offset_index().and_then(|all| all.get(group)?.get(column));
    let (Some(bounds), Some(places)) = (bounds, places) else {
        return std::iter::once(0..rows).collect();
    };
    let starts = places
        .page_locations()
        .iter()
        .map(|page| usize::try_from(page.first_row_index).unwrap_or(0));
    let ends = starts.clone().skip(1).chain([rows]);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (page, (start, end)) in starts.zip(ends).enumerate() {
        if !keep(bounds, page) {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

/// What is in both of two lists of ascending, disjoint ranges.
fn intersect(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut i, mut j) = (0, 0);
    let mut both = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let common = x.start.max(y.start)..x.end.min(y.end);
        if !common.is_empty() {
            both.push(common);
        }
        if x.end <= y.end { i += 1 } else { j += 1 }
    }
    both
}

/// Compares row by row, the most telling column first.
fn row_filter(file: &OpenFile, wanted: &Wanted<'_>) -> RowFilter {
    let schema = file.footer.parquet_schema();
    let mut predicates: Vec<Box<dyn ArrowPredicate>> = Vec::new();
    for &(index, words) in wanted.words {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        predicates.push(Box::new(ArrowPredicateFn::new(
            ProjectionMask::roots(schema, [index]),
            move |batch| words_match(&batch, &words),
        )));
    }
    if let Some((index, numbers)) = wanted.numbers {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        predicates.push(Box::new(ArrowPredicateFn::new(
            ProjectionMask::roots(schema, [index]),
            move |batch| {
                let found = batch.column(0).as_primitive_opt::<UInt32Type>();
                let found = found.ok_or_else(|| wrong_type("numbers"))?.values();
                let matches = BooleanBuffer::collect_bool(found.len(), |i| {
                    numbers.binary_search(&found[i]).is_ok()
                });
                Ok(BooleanArray::new(matches, None))
            },
        )));
    }
    let (index, range) = wanted.time.clone();
    if range == (i64::MIN..i64::MAX) {
        return RowFilter::new(predicates);
    }
    predicates.push(Box::new(ArrowPredicateFn::new(
        ProjectionMask::roots(schema, [index]),
        move |batch| {
            let times = batch.column(0).as_primitive_opt::<TimestampMillisecondType>();
            let times = times.ok_or_else(|| wrong_type("times"))?.values();
            let matches = BooleanBuffer::collect_bool(times.len(), |i| range.contains(&times[i]));
            Ok(BooleanArray::new(matches, None))
        },
    )));
    RowFilter::new(predicates)
}

fn words_match(batch: &RecordBatch, words: &[String]) -> Result<BooleanArray, ArrowError> {
    let column = batch.column(0).as_dictionary_opt::<Int32Type>();
    let column = column.ok_or_else(|| wrong_type("words"))?;
    let known: &StringArray = column.values().as_string_opt().ok_or_else(|| wrong_type("words"))?;
    let wanted: Vec<bool> =
        known.iter().map(|w| w.is_some_and(|w| words.iter().any(|x| x == w))).collect();
    let keys = column.keys().values();
    let matches = BooleanBuffer::collect_bool(keys.len(), |i| {
        usize::try_from(keys[i]).is_ok_and(|key| wanted.get(key) == Some(&true))
    });
    Ok(BooleanArray::new(matches, None))
}

fn wrong_type(what: &str) -> ArrowError {
    ArrowError::SchemaError(format!("a column does not hold {what}"))
}
