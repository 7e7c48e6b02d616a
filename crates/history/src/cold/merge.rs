//! Merging files of readings: by district, kind, area and stream, each reading once.
//!
//! By kind before area, because a question nearly always names a kind, and because values of one kind
//! compress far better than mixed ones.

use std::collections::BTreeSet;
use std::path::Path;

use arrow::array::{AsArray as _, RecordBatch, StringArray};
use arrow::datatypes::{Float64Type, Int32Type, TimestampMillisecondType, UInt32Type};
use hashbrown::HashMap;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::columns::{Labels, Run, RunNames, Style, raw_column};
use super::flush::since;
use super::readings::{ReadingsFile, empty_entry};
use super::sort::{self, Row};
use crate::compact::{Place, Places};
use crate::day;
use crate::error::{Error, Result};
use crate::manifest::{FileEntry, Manifest, RAW};
use crate::overlay::Overlay;
use crate::shared::Names;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 65_536;
/// The folder of rows whose area's code is not in use any more.
const UNPLACED: &str = "unknown";

/// Files of one day on their way to fewer files.
#[derive(Debug)]
pub(crate) struct Merge<'a> {
    pub(crate) dir: &'a Path,
    /// The manifest that the new files will be added to.
    pub(crate) manifest: &'a Manifest,
    pub(crate) files: &'a [FileEntry],
    pub(crate) offset_ms: i64,
    /// Kinds whose rows are left out.
    pub(crate) without: &'a BTreeSet<String>,
    /// Corrections that rows follow from now on.
    pub(crate) overlay: &'a Overlay,
}

impl Merge<'_> {
    /// An entry for a new file of a district.
    pub(crate) fn entry(&self, top: &str, district: &str) -> FileEntry {
        let sequences = (
            self.files.iter().map(|f| f.sequence_first).min().unwrap_or(0),
            self.files.iter().map(|f| f.sequence_last).max().unwrap_or(0),
        );
        let folder = day::folder(day::day_of(self.base(), self.offset_ms));
        let path = self.manifest.next_path(top, &folder, district, sequences);
        let summed = self.files.iter().all(|file| file.summed);
        FileEntry { district: Some(district.to_owned()), summed, ..empty_entry(path, sequences) }
    }

    /// The earliest time in the files.
    fn base(&self) -> i64 {
        self.files.iter().map(|f| f.at_min).min().unwrap_or(0)
    }
}

/// All rows of a file, with all columns.
pub(crate) fn batches(path: &Path) -> Result<ParquetRecordBatchReader> {
    let file = std::fs::File::open(path).map_err(Error::io("open", path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::parquet(path))?;
    builder.with_batch_size(BATCH_ROWS).build().map_err(Error::parquet(path))
}

/// Where an area belongs, also when nobody knows any more.
pub(crate) fn place_of(places: &dyn Places, area: &str) -> Place {
    let unplaced = || Place { district: UNPLACED.to_owned(), order: u32::MAX };
    places.place(area).unwrap_or_else(unplaced)
}

/// Writes the rows of all files as one file a district, and returns the files, durable.
pub(crate) fn merge_readings(merge: &Merge<'_>, places: &dyn Places) -> Result<Vec<FileEntry>> {
    let input = Input::of(merge, places)?;
    let base = input.base;
    let (sorted, districts, rows) = input.in_order(places);
    let mut files = Vec::new();
    let mut open: Option<(usize, ReadingsFile<'_>)> = None;
    rows.each_once(|once| {
        let district_of = |row: &Row| districts.partition_point(|(_, end)| *end <= row.key);
        for rows in once.chunk_by(|a, b| district_of(a) == district_of(b)) {
            let district = district_of(&rows[0]);
            if open.as_ref().is_none_or(|(number, _)| *number != district) {
                if let Some((_, done)) = open.take() {
                    files.push(done.finish()?);
                }
                let entry = merge.entry(RAW, &districts[district].0);
                let file = ReadingsFile::create(merge.dir, entry, Style::Packed, base, &sorted)?;
                open = Some((district, file));
            }
            if let Some((_, file)) = &mut open {
                file.push(rows)?;
            }
        }
        Ok(())
    })?;
    if let Some((_, done)) = open {
        files.push(done.finish()?);
    }
    Ok(files)
}

/// The rows of the files, and their streams.
#[derive(Default)]
pub(crate) struct Input {
    pub(crate) base: i64,
    streams: Streams,
    /// Keys are places in `streams`.
    rows: Vec<Row>,
}

/// The rows, and by place in `Streams` the rank they are sorted by.
pub(crate) struct Ranked {
    rows: Vec<Row>,
    ranks: Vec<u32>,
}

impl Ranked {
    /// Hands the rows on part by part in order of rank and time, each reading once. A rank lies in one
    /// part whole.
    pub(crate) fn each_once(self, mut each: impl FnMut(&[Row]) -> Result<()>) -> Result<()> {
        let Self { rows, ranks } = self;
        let rows = rows.iter().map(|row| Row { key: ranks[row.key as usize], ..*row });
        let mut once = Vec::new();
        sort::sorted(rows.clone().map(|row| row.key), rows, |part| {
            once.clear();
            once.extend_from_slice(part);
            once.dedup_by_key(|row| (row.key, row.at, row.value.to_bits()));
            each(&once)
        })
    }
}

/// Streams, each with what it is called; a stream whose device moved stands here twice.
#[derive(Default)]
struct Streams {
    places: HashMap<(u32, u32), u32>,
    labels: Labels,
    kinds: Names,
    areas: Names,
}

impl Input {
    /// All rows of the files that are wanted.
    pub(crate) fn of(merge: &Merge<'_>, places: &dyn Places) -> Result<Self> {
        let mut input = Self { base: merge.base(), ..Self::default() };
        for file in merge.files {
            input.read(&merge.dir.join(&file.path), places)?;
        }
        input.correct(merge.overlay);
        if !merge.without.is_empty() {
            let Self { streams, rows, .. } = &mut input;
            let kinds = streams.kinds.all();
            let dropped: Vec<bool> =
                kinds.iter().map(|kind| merge.without.contains(&**kind)).collect();
            rows.retain(|row| !dropped[streams.labels.kinds[row.key as usize] as usize]);
        }
        Ok(input)
    }

    fn correct(&mut self, overlay: &Overlay) {
        if overlay.is_empty() {
            return;
        }
        let Self { base, streams, rows } = self;
        rows.retain_mut(|row| {
            let stream = streams.labels.streams[row.key as usize];
            let now = overlay.value(stream, *base + i64::from(row.at), row.value);
            row.value = now.unwrap_or(row.value);
            now.is_some()
        });
    }

    /// Streams in the order of the new files; for each district its name and the rank where it ends;
    /// and the rows.
    pub(crate) fn in_order(self, places: &dyn Places) -> (Sorted, Vec<(String, u32)>, Ranked) {
        let (sorted, ranks, districts) = self.streams.in_order(places);
        (sorted, districts, Ranked { rows: self.rows, ranks })
    }

    fn read(&mut self, path: &Path, places: &dyn Places) -> Result<()> {
        for batch in batches(path)? {
            self.take(&batch.map_err(Error::parquet(path))?, places, path)?;
        }
        Ok(())
    }

    fn take(&mut self, batch: &RecordBatch, places: &dyn Places, path: &Path) -> Result<()> {
        let word = |index: usize| {
            let column = batch.column(index).as_dictionary::<Int32Type>();
            let words: &StringArray = column.values().as_string();
            (column.keys().values().as_ref(), words)
        };
        let (devices, device_names) = word(raw_column::DEVICE);
        let (kinds, kind_names) = word(raw_column::KIND);
        let (areas, area_names) = word(raw_column::AREA);
        let ats = batch.column(raw_column::AT).as_primitive::<TimestampMillisecondType>().values();
        let values = batch.column(raw_column::VALUE).as_primitive::<Float64Type>().values();
        let received = batch
            .column(raw_column::RECEIVED_AT)
            .as_primitive::<TimestampMillisecondType>()
            .values();
        let streams = batch.columns().get(raw_column::STREAM);
        let streams = streams.map(|column| column.as_primitive::<UInt32Type>().values());
        let mut last: Option<([i32; 3], Option<u32>, u32)> = None;
        self.rows.reserve(ats.len());
        for row in 0..ats.len() {
            let words = [devices[row], kinds[row], areas[row]];
            let stream = streams.map(|all| all[row]);
            let key = match last {
                Some((same, known, key)) if same == words && known == stream => key,
                _ => {
                    let device = text(device_names, words[0]);
                    let kind = text(kind_names, words[1]);
                    let number = match stream {
                        Some(number) => number,
                        None => stream_of(places, device, kind, path)?,
                    };
                    let key = self.streams.key(number, device, kind, text(area_names, words[2]));
                    last = Some((words, stream, key));
                    key
                }
            };
            self.rows.push(Row {
                key,
                at: since(ats[row], self.base),
                value: values[row],
                received_at: received[row],
            });
        }
        Ok(())
    }
}

fn text(names: &StringArray, key: i32) -> &str {
    usize::try_from(key).map_or("", |key| names.value(key))
}

fn stream_of(places: &dyn Places, device: &str, kind: &str, path: &Path) -> Result<u32> {
    let unknown = || Error::UnknownStream {
        path: path.to_path_buf(),
        device: device.to_owned(),
        kind: kind.to_owned(),
    };
    places.stream(device, kind).map(|stream| stream.0).ok_or_else(unknown)
}

impl Streams {
    fn key(&mut self, stream: u32, device: &str, kind: &str, area: &str) -> u32 {
        let area = self.areas.intern(area);
        let labels = &mut self.labels;
        let next = dense(labels.streams.len());
        let key = *self.places.entry((stream, area)).or_insert(next);
        if key == next {
            labels.devices.push(device);
            labels.kinds.push(self.kinds.intern(kind));
            labels.areas.push(area);
            labels.streams.push(stream);
        }
        key
    }

    /// Streams in the order of the new files, the rank of each, and for each district its name and
    /// the rank where it ends.
    fn in_order(self, places: &dyn Places) -> (Sorted, Vec<u32>, Vec<(String, u32)>) {
        let Self { labels, kinds, areas, .. } = self;
        let area_places: Vec<Place> =
            areas.all().iter().map(|area| place_of(places, area)).collect();
        let kind_names = kinds.all();
        let district_ranks = ranks_of(area_places.iter().map(|place| place.district.as_str()));
        let kind_ranks = ranks_of(kind_names.iter().map(|kind| &**kind));
        // Keys side by side: in a large city each stream has a row or two, and sorting the streams by
        // their names would take longer than writing their rows.
        let key = |(index, &stream): (usize, &u32)| {
            let (area, kind) = (labels.areas[index] as usize, labels.kinds[index] as usize);
            let district = u64::from(district_ranks[area]) << 48;
            let front = district | u64::from(kind_ranks[kind]) << 32;
            (front | u64::from(area_places[area].order), stream, dense(index))
        };
        let mut keys: Vec<(u64, u32, u32)> = labels.streams.iter().enumerate().map(key).collect();
        keys.sort_unstable();
        let order: Vec<u32> = keys.into_iter().map(|(_, _, index)| index).collect();
        let mut ranks = vec![0; order.len()];
        let mut districts: Vec<(String, u32)> = Vec::new();
        for (rank, &stream) in (0..).zip(&order) {
            ranks[stream as usize] = rank;
            let place = &area_places[labels.areas[stream as usize] as usize];
            match districts.last_mut() {
                Some((district, end)) if *district == place.district => *end = rank + 1,
                _ => districts.push((place.district.clone(), rank + 1)),
            }
        }
        let sorted = Sorted {
            order,
            labels,
            kinds: kind_names.iter().map(|name| String::from(&**name)).collect(),
            areas: areas.all().iter().map(|name| String::from(&**name)).collect(),
        };
        (sorted, ranks, districts)
    }
}

/// For each of some names its place among all of them in order.
fn ranks_of<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u16> {
    let names: Vec<&str> = names.collect();
    let mut distinct = names.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let rank = |name: &&str| {
        let place = distinct.binary_search(name).expect("it is one of them");
        u16::try_from(place).expect("a city has thousands of kinds and districts, not more")
    };
    names.iter().map(rank).collect()
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("a merge has few streams")
}

/// Names of streams by rank.
pub(crate) struct Sorted {
    order: Vec<u32>,
    labels: Labels,
    kinds: Vec<String>,
    areas: Vec<String>,
}

impl RunNames for Sorted {
    fn label(&self, runs: &[Run], labels: &mut Labels) {
        for run in runs {
            let stream = self.order[run.key as usize] as usize;
            labels.devices.push_bytes(self.labels.devices.get(stream));
            labels.kinds.push(self.labels.kinds[stream]);
            labels.areas.push(self.labels.areas[stream]);
            labels.streams.push(self.labels.streams[stream]);
        }
    }

    fn kind(&self, number: u32) -> String {
        self.kinds[number as usize].clone()
    }

    fn area(&self, number: u32) -> String {
        self.areas[number as usize].clone()
    }
}
