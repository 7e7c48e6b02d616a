//! Columns of numbers that are kept for long: of several encodings the one that came out smallest.
//!
//! Most sensors send few digits and move by small steps. Their values are a short sorted list, and a
//! reading is a place in it; places that fill whole bytes compress better than places packed into
//! bits. Values in full precision have nothing in common but their exponents: split by byte.

use hashbrown::HashMap;
use parquet::basic::Encoding;
use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;

use super::chunk::{Bounds, ChunkWriter, Codec};
use super::columns::{Encoded, PageRuns};
use super::encode::{self, Indexes};

pub(crate) const ZSTD_LEVEL: i32 = 6;

/// Pages that are encoded every way, to choose by.
const SAMPLE_PAGES: usize = 3;
/// More distinct numbers in a row group are not worth a list.
const DISTINCT_MAX: usize = 1 << 16;

/// One way to write a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Places in a list, in so many bits.
    Listed(u32),
    Plain,
    Split,
    Differences,
}

/// Tells the bounds of some numbers.
type BoundsOf<'a> = dyn Fn(&[u64]) -> Bounds + 'a;

/// A list of distinct numbers, ascending, and each row's place in it.
struct List {
    bits: Vec<u64>,
    places: Vec<u32>,
}

/// A column of values.
pub(crate) fn values(
    column: ColumnDescPtr,
    codec: &mut Codec,
    values: &[f64],
    pages: &[PageRuns],
) -> Result<Encoded> {
    let bits: Vec<u64> = values.iter().map(|v| v.to_bits()).collect();
    let list = list(&bits, |a, b| f64::from_bits(a).total_cmp(&f64::from_bits(b)));
    let way = smallest(&bits, list.as_ref(), &[Way::Plain, Way::Split], codec, pages)?;
    let bounds = |part: &[u64]| {
        let numbers = part.iter().map(|&b| f64::from_bits(b));
        let (min, max) =
            numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        // Zero has two signs; bounds hold both.
        let (min, max) = (if min == 0.0 { -0.0 } else { min }, if max == 0.0 { 0.0 } else { max });
        Bounds { min: min.to_le_bytes().to_vec(), max: max.to_le_bytes().to_vec() }
    };
    write(column, codec, &bits, list.as_ref(), way, pages, Some(&bounds))
}

/// A column of times that no query asks by.
pub(crate) fn times(
    column: ColumnDescPtr,
    codec: &mut Codec,
    times: &[i64],
    pages: &[PageRuns],
) -> Result<Encoded> {
    let bits: Vec<u64> = times.iter().map(|t| t.cast_unsigned()).collect();
    let list = list(&bits, |a, b| a.cast_signed().cmp(&b.cast_signed()));
    let way = smallest(&bits, list.as_ref(), &[Way::Differences, Way::Plain], codec, pages)?;
    write(column, codec, &bits, list.as_ref(), way, pages, None)
}

fn list(bits: &[u64], order: fn(u64, u64) -> std::cmp::Ordering) -> Option<List> {
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    let mut places = Vec::with_capacity(bits.len());
    let mut distinct = Vec::new();
    for &number in bits {
        let next = u32::try_from(distinct.len()).ok()?;
        let place = *numbers.entry(number).or_insert_with(|| {
            distinct.push(number);
            next
        });
        if distinct.len() > DISTINCT_MAX {
            return None;
        }
        places.push(place);
    }
    let mut by_size: Vec<u32> = (0..u32::try_from(distinct.len()).ok()?).collect();
    by_size.sort_unstable_by(|&a, &b| order(distinct[a as usize], distinct[b as usize]));
    let mut ranks = vec![0; by_size.len()];
    for (rank, &place) in (0..).zip(&by_size) {
        ranks[place as usize] = rank;
    }
    for place in &mut places {
        *place = ranks[*place as usize];
    }
    Some(List { bits: by_size.iter().map(|&place| distinct[place as usize]).collect(), places })
}

fn smallest(
    bits: &[u64],
    list: Option<&List>,
    others: &[Way],
    codec: &mut Codec,
    pages: &[PageRuns],
) -> Result<Way> {
    let mut ways = others.to_vec();
    if let Some(list) = list {
        let width = encode::bits_for(list.bits.len() as u64 - 1).max(1);
        ways.push(Way::Listed(width));
        if !width.is_multiple_of(8) {
            ways.push(Way::Listed(width.next_multiple_of(8)));
        }
    }
    let step = (pages.len() / SAMPLE_PAGES).max(1);
    let mut best: Option<(usize, Way)> = None;
    let mut body = Vec::new();
    for way in ways {
        let mut bytes = 0;
        let sample: Vec<&PageRuns> = pages.iter().step_by(step).collect();
        for page in &sample {
            body.clear();
            encode_page(way, bits, list, page, &mut body);
            bytes += codec.pack(&body)?.len();
        }
        bytes = bytes * pages.len() / sample.len().max(1);
        if let (Way::Listed(_), Some(list)) = (way, list) {
            body.clear();
            encode::plain(&list.bits, u64::to_le_bytes, &mut body);
            bytes += codec.pack(&body)?.len();
        }
        if best.is_none_or(|(least, _)| bytes < least) {
            best = Some((bytes, way));
        }
    }
    Ok(best.map_or(Way::Plain, |(_, way)| way))
}

fn write(
    column: ColumnDescPtr,
    codec: &mut Codec,
    bits: &[u64],
    list: Option<&List>,
    way: Way,
    pages: &[PageRuns],
    bounds: Option<&BoundsOf<'_>>,
) -> Result<Encoded> {
    let mut chunk = ChunkWriter::new(column, codec, bounds.is_some());
    let mut body = Vec::new();
    if let (Way::Listed(_), Some(list)) = (way, list) {
        encode::plain(&list.bits, u64::to_le_bytes, &mut body);
        chunk.dictionary(&body, list.bits.len(), true)?;
    }
    for page in pages {
        body.clear();
        let encoding = encode_page(way, bits, list, page, &mut body);
        let page_bounds = bounds.map(|of| of(&bits[page.first_row..][..page.rows]));
        chunk.page(encoding, &body, page.rows, page_bounds)?;
    }
    chunk.finish(bounds.map(|of| of(bits)).as_ref(), None)
}

fn encode_page(
    way: Way,
    bits: &[u64],
    list: Option<&List>,
    page: &PageRuns,
    body: &mut Vec<u8>,
) -> Encoding {
    let rows = page.first_row..page.first_row + page.rows;
    match (way, list) {
        (Way::Listed(width), Some(list)) => {
            let mut out = Indexes::new(width, body);
            list.places[rows].iter().for_each(|&place| out.push(place, 1));
            out.finish();
            Encoding::RLE_DICTIONARY
        }
        (Way::Differences, _) => {
            let times: Vec<i64> = bits[rows].iter().map(|b| b.cast_signed()).collect();
            encode::delta(&times, body);
            Encoding::DELTA_BINARY_PACKED
        }
        (Way::Split, _) => {
            encode::byte_stream_split(&bits[rows], body);
            Encoding::BYTE_STREAM_SPLIT
        }
        (Way::Plain | Way::Listed(_), _) => {
            encode::plain(&bits[rows], u64::to_le_bytes, body);
            Encoding::PLAIN
        }
    }
}
