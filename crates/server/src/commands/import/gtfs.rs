//! `chengmai import gtfs`: stops of a timetable become devices, and its routes and trips names that vehicles are
//! called by.
//!
//! What it is not: an unpacker. Nothing of an archive is written to disk, and of its files only three are read.
//! Invariants: a file that is larger than it may be is refused while it is read, whatever the archive says of its
//! size; a run that broke off is run again and changes nothing that was done.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use chengmai_model::error::GTFS_FILE;
use chengmai_wire::gtfs::{Route, Stop, Trip, decode_routes, decode_stops, decode_trips};
use chengmai_wire::{Decoded, Fault};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::{CHUNK_BYTES, FAULTS_SHOWN_MAX, Tally, post};
use crate::accounts::hex;
use crate::cli::Target;
use crate::commands::{progress, say};
use crate::ingest::transit::stop_name;

/// The files that are read.
const FILES: [&str; 3] = ["stops.txt", "routes.txt", "trips.txt"];
/// Longest of them, unpacked.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Most files of an archive.
const ENTRIES_MAX: usize = 1_000;
/// Bytes of one request with names: some thousands, written in one transaction.
const NAMES_BYTES: usize = 512 * 1024;

/// A timetable, as far as it is read.
#[derive(Debug)]
struct Timetable {
    /// A mark of the files.
    mark: String,
    stops: Vec<Stop>,
    routes: Vec<Route>,
    trips: Vec<Trip>,
}

pub(super) fn run(file: &Path, feed: &str, to: &Target) -> anyhow::Result<()> {
    let timetable = read(file)?;
    let Timetable { mark, stops, routes, trips } = &timetable;
    say(format!(
        "{}: {} stops, {} routes, {} trips",
        file.display(),
        stops.len(),
        routes.len(),
        trips.len()
    ));
    let mut tally = Tally::default();
    let all = stops.len() + routes.len() + trips.len();
    let bar = progress(all as u64, "rows");
    let done = send_names(feed, &timetable, to, |answer| {
        tally.add(&answer, 2);
        bar.inc(1);
    });
    let stopped = "stopped; run it again: nothing comes twice";
    let done = done.and_then(|()| {
        send_stops(feed, stops, to, |answer, lines| {
            tally.add_by(&answer, |line| lines.get(line_index(line)).copied().map_or(0, u64::from));
            bar.inc(lines.len() as u64);
        })
    });
    bar.finish_and_clear();
    say(format!("import {mark} of the feed {feed}"));
    tally.say();
    done.context(stopped)
}

/// Rows stand from line 2 on.
fn line_index(line: u64) -> usize {
    usize::try_from(line.saturating_sub(2)).unwrap_or(usize::MAX)
}

fn send_names(
    feed: &str,
    timetable: &Timetable,
    to: &Target,
    mut told: impl FnMut(Value),
) -> anyhow::Result<()> {
    let Timetable { mark, routes, trips, .. } = timetable;
    let called: BTreeMap<&str, &str> =
        routes.iter().map(|route| (route.id.as_str(), route.name.as_str())).collect();
    let of_routes = routes.iter().map(|route| ("route", &route.id, route.name.clone()));
    let of_trips = trips.iter().map(|trip| {
        let route = called.get(trip.route.as_str()).copied().unwrap_or(&trip.route);
        let name = match &trip.headsign {
            Some(headsign) => format!("{route} → {headsign}"),
            None => route.to_owned(),
        };
        ("trip", &trip.id, name)
    });
    let mut rows = of_routes.chain(of_trips).peekable();
    loop {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["sort", "id", "name"])?;
        let mut bytes = 0;
        while bytes < NAMES_BYTES
            && let Some((sort, id, name)) = rows.next()
        {
            csv.write_record([sort, id, &name])?;
            bytes += id.len() + name.len() + 8;
        }
        let last = rows.peek().is_none();
        let path = format!("/api/v1/transit/names?feed={feed}&import={mark}&last={last}");
        told(post(to, &path, "text/csv", &csv.into_inner()?)?);
        if last {
            return Ok(());
        }
    }
}

fn send_stops(
    feed: &str,
    stops: &[Stop],
    to: &Target,
    mut told: impl FnMut(Value, &[u32]),
) -> anyhow::Result<()> {
    let mut rest = stops.iter().peekable();
    while rest.peek().is_some() {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["id", "title", "lon", "lat"])?;
        let (mut bytes, mut lines) = (0, Vec::new());
        while bytes < CHUNK_BYTES / 4
            && let Some(stop) = rest.next()
        {
            let (id, title) = (stop_name(feed, &stop.id), stop.name.as_deref().unwrap_or_default());
            let [longitude, latitude] = stop.position.map(|degrees| degrees.to_string());
            csv.write_record([&id, title, &longitude, &latitude])?;
            bytes += id.len() + title.len() + 40;
            lines.push(stop.line);
        }
        told(post(to, "/api/v1/devices", "text/csv", &csv.into_inner()?)?, &lines);
    }
    Ok(())
}

/// The three files of an archive or a folder.
fn read(path: &Path) -> anyhow::Result<Timetable> {
    let mut files = if path.is_dir() { Files::Folder(path) } else { Files::open(path)? };
    let mut digest = Sha256::new();
    let [stops, routes, trips] = FILES
        .map(|name| files.read(name).with_context(|| format!("{}: {name}", GTFS_FILE.label())));
    let (stops, routes, trips) = (stops?, routes?, trips?);
    for bytes in [&stops, &routes, &trips] {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    let mut faults = Vec::new();
    let timetable = Timetable {
        mark: hex(&digest.finalize()[..8]),
        stops: sound(FILES[0], decode_stops(&stops), &mut faults),
        routes: sound(FILES[1], decode_routes(&routes), &mut faults),
        trips: sound(FILES[2], decode_trips(&trips), &mut faults),
    };
    for (file, fault) in faults.iter().take(FAULTS_SHOWN_MAX) {
        let Fault { line, code, reason, .. } = fault;
        say(format!("  {file} line {line}: {} {} / {}", code.label(), reason.zh, reason.en));
    }
    if !faults.is_empty() {
        say(format!("refused rows: {}", faults.len()));
    }
    let Timetable { stops, routes, trips, .. } = &timetable;
    let empty = [stops.is_empty(), routes.is_empty(), trips.is_empty()];
    if let Some((name, _)) = FILES.into_iter().zip(empty).find(|(_, empty)| *empty) {
        bail!("{}: {name} has no row that is right; nothing was changed", GTFS_FILE.label());
    }
    Ok(timetable)
}

fn sound<T>(
    file: &'static str,
    decoded: Decoded<T>,
    faults: &mut Vec<(&'static str, Fault)>,
) -> Vec<T> {
    faults.extend(decoded.faults.into_iter().map(|fault| (file, fault)));
    decoded.rows
}

/// Where the files are.
enum Files<'a> {
    Folder(&'a Path),
    Archive(ZipArchive<File>),
}

impl Files<'_> {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let archive = ZipArchive::new(file).with_context(|| {
            format!("{}: {} is neither a folder nor a ZIP", GTFS_FILE.label(), path.display())
        })?;
        ensure!(
            archive.len() <= ENTRIES_MAX,
            "{}: more than {ENTRIES_MAX} files",
            GTFS_FILE.label()
        );
        Ok(Self::Archive(archive))
    }

    /// A whole file; in an archive it may lie in one folder.
    fn read(&mut self, name: &str) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                bounded(
                    File::open(&path).with_context(|| format!("cannot read {}", path.display()))?,
                )
            }
            Self::Archive(archive) => {
                let is_it = |known: &str| {
                    known.strip_suffix(name).is_some_and(|before| {
                        let folders = before.matches('/').count();
                        before.is_empty() || before.ends_with('/') && folders == 1
                    })
                };
                let mut found = Vec::new();
                for known in archive.file_names() {
                    found.extend(Some(known?.into_owned()).filter(|known| is_it(known)));
                }
                let [one] = &found[..] else {
                    bail!("the archive has {} such files, not one", found.len());
                };
                bounded(archive.by_name(one)?)
            }
        }
    }
}

fn bounded(file: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= FILE_BYTES_MAX, "longer than {FILE_BYTES_MAX} bytes");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(zip.finish().unwrap().get_ref()).unwrap();
        file
    }

    const STOPS: &[u8] = b"stop_id,stop_name,stop_lat,stop_lon\ns1,A,29.5,106.5\n";
    const ROUTES: &[u8] = b"route_id,route_short_name\nr1,14\n";
    const TRIPS: &[u8] = b"route_id,trip_id\nr1,t1\n";

    #[test]
    fn a_timetable_is_read_from_a_folder_an_archive_and_one_folder_in_it_alike() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in FILES.into_iter().zip([STOPS, ROUTES, TRIPS]) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mark = read(folder.path()).unwrap().mark;
        for at in ["", "feed/"] {
            let names = FILES.map(|name| format!("{at}{name}"));
            let files: Vec<(&str, &[u8])> =
                names.iter().map(String::as_str).zip([STOPS, ROUTES, TRIPS]).collect();
            let found = read(archive(&files).path()).unwrap();
            assert_eq!((found.mark.as_str(), found.stops.len()), (mark.as_str(), 1), "{at}");
        }
    }

    #[test]
    fn an_archive_that_lacks_a_file_or_has_it_twice_or_elsewhere_is_refused() {
        let refused =
            |files: &[(&str, &[u8])]| format!("{:#}", read(archive(files).path()).unwrap_err());
        let all = [("stops.txt", STOPS), ("routes.txt", ROUTES), ("trips.txt", TRIPS)];
        assert!(refused(&all[..2]).contains("trips.txt"));
        let twice = [all[0], all[1], all[2], ("x/stops.txt", STOPS)];
        assert!(refused(&twice).contains("2 such files"));
        let deep = [("../../a/stops.txt", STOPS), all[1], all[2]];
        assert!(refused(&deep).contains("0 such files"), "nothing outside is looked at");
        let empty = [("stops.txt", &b"stop_id,stop_lat,stop_lon\n"[..]), all[1], all[2]];
        assert!(refused(&empty).contains("no row"));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "stop_id\n").unwrap();
        assert!(format!("{:#}", read(file.path()).unwrap_err()).contains("E-537"));
    }

    #[test]
    fn a_file_that_unpacks_to_more_than_it_may_is_refused_while_it_is_read() {
        assert!(bounded(std::io::repeat(0)).unwrap_err().to_string().contains("longer"));
    }
}
