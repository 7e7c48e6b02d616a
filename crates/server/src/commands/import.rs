//! `chengmai import`: areas into a data folder (all or nothing), devices and cases into a running
//! city.

mod gtfs;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use chengmai_model::area::{
    AreaFault, AreaHistory, AreaRow, CodeChange, complete, merge_boundaries,
};
use chengmai_model::{AreaTree, Text, Tier};
use chengmai_wire::areas::{decode_boundaries, decode_changes, decode_rows};

use super::{progress, say};
use crate::city::layout::{DataFolder, folder_of};
use crate::city::notify::send::tls;
use crate::cli::{Import, ImportWhat, Target};
use crate::packs;

/// Faults shown one by one; all are counted.
const FAULTS_SHOWN_MAX: usize = 50;
/// Bytes of one request to a running city.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// The same for cases: some thousands, written in one transaction.
const CASE_CHUNK_BYTES: usize = 1024 * 1024;

pub(crate) fn run(import: Import) -> anyhow::Result<()> {
    match import.what {
        ImportWhat::Areas { file, boundaries, recoded, no_grids, data } => {
            let recoded = recoded.as_deref();
            areas(&file, boundaries.as_deref(), recoded, !no_grids, &data)
        }
        ImportWhat::Devices { file, to } => devices(&file, &to),
        ImportWhat::Gtfs { file, feed, to } => gtfs::run(&file, &feed, &to),
        ImportWhat::Cases { file, format, to } => cases(&file, &format, &to),
    }
}

/// Faults of an area file as one error.
pub(crate) fn faults(faults: &[AreaFault]) -> anyhow::Error {
    let mut text =
        format!("E-201 the area file is refused, nothing was changed: {} faults", faults.len());
    for fault in faults.iter().take(FAULTS_SHOWN_MAX) {
        let _ = write!(text, "\n  line {}: {} / {}", fault.line, fault.reason.zh, fault.reason.en);
    }
    if faults.len() > FAULTS_SHOWN_MAX {
        let _ = write!(text, "\n  and {} more", faults.len() - FAULTS_SHOWN_MAX);
    }
    anyhow::anyhow!(text)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn areas(
    file: &Path,
    boundaries: Option<&Path>,
    recoded: Option<&Path>,
    grids: bool,
    data: &Path,
) -> anyhow::Result<()> {
    let folder = DataFolder::open(data)?;
    let rows = area_rows(&read(file)?, boundaries.map(read).transpose()?.as_deref(), grids)?;
    let given = rows.iter().filter(|r| !r.generated).count();
    let tree = AreaHistory::new(rows.clone()).and_then(|h| h.on(today()));
    let tree = tree.map_err(|f| faults(&f))?;
    let changes = match recoded {
        Some(list) => changes_of_codes(&read(list)?, &tree)?,
        None => Vec::new(),
    };
    // The changes first: alone they change nothing.
    crate::city::areas::state_changes(&folder.areas(), changes)?;
    write_whole(&folder.areas().imported(), &serde_json::to_vec(&rows)?)?;
    say(format!("{given} areas from {} are in {}", file.display(), data.display()));
    for tier in Tier::ALL {
        let of_tier = tree.iter().filter(|(_, a)| a.row.tier == tier);
        let (generated, all) = of_tier.fold((0, 0), |(generated, all), (_, area)| {
            (generated + u32::from(area.row.generated), all + 1)
        });
        let note = if generated > 0 { " (generated: no open data)" } else { "" };
        say(format!("  {:<10} {all}{note}", tier.word()));
    }
    Ok(())
}

/// Rows of the files, checked, with what open data lacks made up and labelled.
fn area_rows(file: &[u8], boundaries: Option<&[u8]>, grids: bool) -> anyhow::Result<Vec<AreaRow>> {
    let decoded = decode_rows(file);
    let mut found: Vec<AreaFault> = decoded.faults.into_iter().map(Into::into).collect();
    let mut rows = decoded.rows;
    let outlines = boundaries.map(decode_boundaries).unwrap_or_default();
    found.extend(outlines.faults.into_iter().map(AreaFault::from));
    // Every fault at once: whoever mends a file wants to mend it once.
    match AreaHistory::new(rows.clone()).and_then(|history| history.on(today())) {
        Ok(_) => {}
        Err(more) => found.extend(more),
    }
    if !found.is_empty() {
        found.sort_by_key(|f| f.line);
        return Err(faults(&found));
    }
    let changes = packs::load(None)?.profile.recoded;
    merge_boundaries(&mut rows, outlines.rows, &changes).map_err(|f| faults(&f))?;
    // Rows of other days stay as they are; what is missing is made up for today's areas only.
    let (now, then): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.valid_on(today()));
    let mut rows = if grids { complete(now).map_err(|f| faults(&f))? } else { now };
    rows.extend(then);
    Ok(rows)
}

/// A list of changes, checked: each code that is no more goes on as an area that there is.
fn changes_of_codes(file: &[u8], tree: &AreaTree) -> anyhow::Result<Vec<CodeChange>> {
    let decoded = decode_changes(file);
    let mut found: Vec<AreaFault> = decoded.faults.into_iter().map(Into::into).collect();
    let with = tree.clone().with_former(&decoded.rows);
    for (line, change) in (2..).zip(&decoded.rows) {
        if with.find(change.old.as_str()).is_none() {
            let reason = Text::new(
                format!("{} 变更为 {}，但没有这个区域", change.old, change.new),
                format!("{} became {}, and there is no such area", change.old, change.new),
            );
            found.push(AreaFault { line, reason });
        }
    }
    if found.is_empty() { Ok(decoded.rows) } else { Err(faults(&found)) }
}

/// The day for which a tree is built.
pub(crate) fn today() -> jiff::civil::Date {
    jiff::Zoned::now().date()
}

/// The whole file or the old one: written beside it, synced, renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let partial = path.with_extension("partial");
    let mut file = std::fs::File::create(&partial)
        .with_context(|| format!("cannot write {}", partial.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&partial, path)
        .with_context(|| format!("cannot put {} in place", path.display()))?;
    std::fs::File::open(folder_of(path))?.sync_all()?;
    Ok(())
}

/// What asks a running city, over TLS where its address says so; an answer that says no is an answer.
pub(crate) fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).tls_config(tls());
    config.build().new_agent()
}

/// A request to a running city; its answer as JSON.
pub(crate) fn post(
    to: &Target,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> anyhow::Result<serde_json::Value> {
    let mut response = agent()
        .post(format!("{}{path}", to.url.trim_end_matches('/')))
        .header("authorization", format!("Bearer {}", to.token))
        .header("content-type", content_type)
        .send(body)
        .with_context(|| format!("no city answers at {}", to.url))?;
    let status = response.status();
    let text = response.body_mut().read_to_string()?;
    let json = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
    if status.is_success() || (status == 400 && json.get("refused").is_some()) {
        return Ok(json);
    }
    bail!("{status}: {text}")
}

/// Sends a CSV in chunks of whole rows, each under the header, with the line of the file on which its
/// rows begin. Only a chunk is in memory.
pub(crate) fn in_chunks(
    mut rows: impl BufRead,
    chunk_bytes: usize,
    mut send: impl FnMut(&[u8], u32) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut chunk = Vec::new();
    rows.read_until(b'\n', &mut chunk)?;
    let header = chunk.len();
    let (mut first_line, mut line) = (2_u32, 2_u32);
    let mut quotes = Quotes::default();
    loop {
        let seen = chunk.len();
        let at_end = rows.read_until(b'\n', &mut chunk)? == 0;
        quotes.read(&chunk[seen..]);
        line = line.saturating_add(u32::from(!at_end));
        let full = chunk.len() - header >= chunk_bytes && !quotes.open;
        if (at_end || full) && chunk.len() > header {
            send(&chunk, first_line)?;
            chunk.truncate(header);
            first_line = line;
        }
        if at_end {
            return Ok(());
        }
    }
}

/// Whether a line ends within a quoted field, whose line breaks end no row.
#[derive(Debug, Default)]
struct Quotes {
    open: bool,
    /// The last byte was not the first of a field, and no quote that closed one.
    within: bool,
}

impl Quotes {
    fn read(&mut self, line: &[u8]) {
        for &byte in line {
            let closes = self.open && byte == b'"';
            if byte == b'"' && !self.within {
                self.open = !self.open;
            }
            self.within = !self.open && !closes && !matches!(byte, b',' | b'\n');
        }
    }
}

/// Adds up the answers to several chunks and prints the refusals with the file's own lines.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: std::collections::BTreeMap<String, u64>,
    shown: usize,
}

impl Tally {
    /// The chunk's rows begin on that line of the file, under its header.
    pub(crate) fn add(&mut self, answer: &serde_json::Value, first_line: u32) {
        self.add_by(answer, |line| (line + u64::from(first_line)).saturating_sub(2));
    }

    /// The same where the caller knows which line of the file a line or item of the answer means.
    pub(crate) fn add_by(&mut self, answer: &serde_json::Value, line_of: impl Fn(u64) -> u64) {
        for (name, value) in answer.as_object().into_iter().flatten() {
            if let Some(count) = value.as_u64() {
                *self.counts.entry(name.clone()).or_default() += count;
            }
        }
        let refused = answer.get("refused").and_then(|r| r.as_array());
        for row in refused.into_iter().flatten() {
            if self.shown < FAULTS_SHOWN_MAX {
                let line = line_of(row["line"].as_u64().unwrap_or(0));
                let (code, reason) = (text(&row["code"]), text(&row["reason"]["en"]));
                // Which code, position or id it was; rows of the line protocol say it in the reason.
                let detail = match text(&row["detail"]) {
                    "" => String::new(),
                    detail => format!(": {detail}"),
                };
                say(format!("  line {line}: {code} {reason}{detail}"));
            }
            self.shown += 1;
        }
    }

    pub(crate) fn say(&self) {
        for (name, count) in &self.counts {
            say(format!("{name}: {count}"));
        }
        if self.shown > 0 {
            say(format!("refused: {}", self.shown));
        }
    }
}

fn text(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn devices(file: &Path, to: &Target) -> anyhow::Result<()> {
    let body = read(file)?;
    let mut tally = Tally::default();
    if file.extension().is_some_and(|e| e == "geojson" || e == "json") {
        tally.add(&post(to, "/api/v1/devices", "application/geo+json", &body)?, 2);
        tally.say();
        return Ok(());
    }
    let bar = progress(body.len() as u64, "devices");
    in_chunks(body.as_slice(), CHUNK_BYTES, |part, line| {
        tally.add(&post(to, "/api/v1/devices", "text/csv", part)?, line);
        bar.inc(part.len() as u64);
        Ok(())
    })?;
    bar.finish_and_clear();
    tally.say();
    Ok(())
}

/// What is there already is known again by its number there, so a run that broke off goes on when it is
/// started again.
fn cases(file: &Path, format: &str, to: &Target) -> anyhow::Result<()> {
    let path = format!("/api/v1/cases/import?format={format}");
    let rows = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let bar = progress(rows.metadata()?.len(), "cases");
    let mut tally = Tally::default();
    let done = in_chunks(BufReader::new(rows), CASE_CHUNK_BYTES, |part, line| {
        let answer = post(to, &path, "text/csv", part).with_context(|| {
            format!("stopped before line {line}; run it again: nothing comes twice")
        })?;
        tally.add(&answer, line);
        bar.inc(part.len() as u64);
        Ok(())
    });
    bar.finish_and_clear();
    tally.say();
    done
}

#[cfg(test)]
mod tests;
