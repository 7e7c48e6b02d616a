//! `chengmai backup` and `chengmai restore`: a copy of a data folder while the city runs, with a hash of every
//! file in it; and a data folder from such a copy, checked by the same hashes after it was written.
//!
//! Records on a server are copied into a file like any other's, and put back into either.
//! Invariant: what is copied later knows at least what was copied before it. So the proof log comes before the
//! records that it stands for, and the journal, from which a start takes what the others lack, ends last.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use chengmai_model::Timestamp;
use chengmai_store::disk::{Disk as _, RealDisk};
use chengmai_store::journal;
use chengmai_store::records::{Place, Records};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{runtime, say};
use crate::accounts::hex;
use crate::cli::{Backup, Restore};
use crate::clock;

/// The list of what a copy holds; written last, so a copy without it is none.
const LIST: &str = "backup.json";
/// The records of a data folder that has its own.
const RECORDS: &str = "records.db";
/// Files that belong to a running program, and what SQLite keeps beside its file.
const LEFT_OUT: [&str; 4] = ["lock", RECORDS, "records.db-wal", "records.db-shm"];
/// How often a folder is looked at anew when it changed while it was copied.
const LOOKS_MAX: u32 = 20;
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// What a copy holds.
#[derive(Debug, Serialize, Deserialize)]
struct List {
    version: String,
    made_at: String,
    /// False when they were on a server and an older program made the copy: they are put back by its own means.
    holds_records: bool,
    files: Vec<Listed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Listed {
    path: String,
    bytes: u64,
    sha256: String,
}

/// A copy being made.
struct Copy<'a> {
    from: &'a Path,
    to: &'a Path,
    files: BTreeMap<String, Listed>,
}

pub(crate) fn run(backup: &Backup) -> anyhow::Result<()> {
    let (from, to) = (&backup.data.data, &backup.to);
    ensure!(from.join("journal").is_dir(), "{} is no data folder", from.display());
    ensure!(!to.exists(), "{} is there already: name a new folder", to.display());
    RealDisk.create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    let mut copy = Copy { from, to, files: BTreeMap::new() };
    copy.proof()?;
    runtime()?.block_on(Records::copy(backup.records.place(from)?, &to.join(RECORDS)))?;
    copy.list(RECORDS)?;
    copy.journal()?;
    copy.folder("snapshots")?;
    copy.history()?;
    copy.journal()?;
    copy.folder("photos")?;
    for name in names(from)?.into_iter().filter(|name| !LEFT_OUT.contains(&name.as_str())) {
        if from.join(&name).is_file() {
            copy.file(&name)?;
        }
    }
    let list = List {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made_at: clock::now().to_rfc3339(),
        holds_records: true,
        files: copy.files.into_values().collect(),
    };
    let mut file = File::create_new(to.join(LIST))?;
    file.write_all(&serde_json::to_vec_pretty(&list)?)?;
    file.sync_all()?;
    RealDisk.sync_dir(to)?;
    let bytes: u64 = list.files.iter().map(|file| file.bytes).sum();
    say(format!("{} files, {bytes} bytes, in {}", list.files.len(), to.display()));
    Ok(())
}

pub(crate) fn restore(restore: &Restore) -> anyhow::Result<()> {
    let (from, to) = (&restore.from, &restore.data.data);
    let text = fs::read(from.join(LIST))
        .with_context(|| format!("{} holds no finished backup", from.display()))?;
    let list: List = serde_json::from_slice(&text).context("the list of the backup is damaged")?;
    let is_empty = !to.exists() || names(to)?.is_empty();
    ensure!(is_empty, "{} is not empty: name a new data folder", to.display());
    for listed in &list.files {
        let path = inside(&listed.path)?;
        let found = hash_of(&from.join(&path), &listed.path)?;
        ensure!(found == *listed, "{} is not as it was when it was copied", listed.path);
    }
    for listed in &list.files {
        put(&from.join(&listed.path), &to.join(&listed.path))?;
    }
    for listed in &list.files {
        let found = hash_of(&to.join(&listed.path), &listed.path)?;
        ensure!(found == *listed, "{} did not come out as it was", listed.path);
    }
    for folder in ["journal", "snapshots", "history", "photos", "proof"] {
        RealDisk.create_dir(&to.join(folder))?;
    }
    RealDisk.sync_dir(to)?;
    say(format!(
        "{} files of {} are in {} and were read back",
        list.files.len(),
        list.made_at,
        to.display()
    ));
    if let Some(kept) = &restore.journal {
        go_on(&to.join("journal"), kept, restore.until.as_deref(), &list.made_at)?;
    }
    let place = restore.records.place(to)?;
    match (&place, list.holds_records) {
        (_, false) => {
            say("the records were on a server: put them back there before the city is started");
        }
        (Place::File(_), true) => {}
        (Place::Server(_), true) => {
            let file = to.join(RECORDS);
            runtime()?.block_on(Records::put(&file, &place))?;
            fs::remove_file(&file)?;
            RealDisk.sync_dir(to)?;
            say(format!("the records are in {place} and were read back"));
        }
    }
    say(format!("now check every decision: chengmai verify --data {}", to.display()));
    Ok(())
}

/// Lets the journal of a backup go on with what was kept since, to its end or to a moment.
fn go_on(journal: &Path, kept: &Path, until: Option<&str>, made_at: &str) -> anyhow::Result<()> {
    ensure!(kept.is_dir(), "{} is no folder", kept.display());
    let moment = |text: &str| {
        Timestamp::parse_rfc3339(text).with_context(|| {
            format!("--until {text}: give a time such as 2026-11-22T14:00:00+08:00")
        })
    };
    let until = until.map(moment).transpose()?;
    let made_at = moment(made_at)?;
    if let Some(until) = until.filter(|&until| until < made_at) {
        bail!(
            "{} is before the backup, which is of {}: take an older one",
            until.to_rfc3339(),
            made_at.to_rfc3339()
        );
    }
    let files = journal::join(&RealDisk, kept, journal)?;
    let cut = journal::cut(&RealDisk, journal, until.unwrap_or(Timestamp(i64::MAX)))?;
    let last = cut.last_at.map_or_else(|| "nothing".to_owned(), Timestamp::to_rfc3339);
    let end = if cut.is_cut { "cut there" } else { "its end" };
    say(format!("{files} files of the kept journal came over; it goes to {last} ({end})"));
    if cut.is_cut {
        say(
            "what was kept of later stays where it is: start the city with another folder for --keep-journal",
        );
    }
    Ok(())
}

impl Copy<'_> {
    /// The proof log: the signed head first, for the files under it only grow.
    fn proof(&mut self) -> anyhow::Result<()> {
        if self.from.join("proof/checkpoint").exists() {
            self.file("proof/checkpoint")?;
            self.folder("proof")?;
        }
        Ok(())
    }

    /// Segments as they are now; those that grew since they were copied are copied again.
    fn journal(&mut self) -> anyhow::Result<()> {
        for name in names(&self.from.join("journal"))? {
            let path = format!("journal/{name}");
            let bytes = fs::metadata(self.from.join(&path)).map(|of| of.len());
            let is_whole = self
                .files
                .get(&path)
                .is_some_and(|known| Some(known.bytes) == bytes.as_ref().ok().copied());
            if !is_whole {
                self.file_if(&path)?;
            }
        }
        Ok(())
    }

    /// History under one manifest: when it was changed meanwhile, what it newly names is copied too.
    fn history(&mut self) -> anyhow::Result<()> {
        let manifest = self.from.join("history/manifest.json");
        for _look in 0..LOOKS_MAX {
            let before = fs::read(&manifest).ok();
            self.folder("history")?;
            if before.is_some() {
                self.file("history/manifest.json")?;
            }
            if fs::read(&manifest).ok() == before {
                return Ok(());
            }
        }
        bail!("the history changed faster than it could be copied: try again")
    }

    /// Files of a folder and below that were not copied yet.
    fn folder(&mut self, folder: &str) -> anyhow::Result<()> {
        let path = self.from.join(folder);
        if !path.is_dir() {
            return Ok(());
        }
        for name in names(&path)? {
            let inside = format!("{folder}/{name}");
            if self.from.join(&inside).is_dir() {
                self.folder(&inside)?;
            } else if !self.files.contains_key(&inside) && !is_unfinished(&name) {
                self.file_if(&inside)?;
            }
        }
        Ok(())
    }

    /// A file that must be there.
    fn file(&mut self, path: &str) -> anyhow::Result<()> {
        put(&self.from.join(path), &self.to.join(path))?;
        self.list(path)
    }

    /// A file that may have gone since its name was read.
    fn file_if(&mut self, path: &str) -> anyhow::Result<()> {
        match self.file(path) {
            Err(_gone) if !self.from.join(path).exists() => Ok(()),
            copied => copied,
        }
    }

    fn list(&mut self, path: &str) -> anyhow::Result<()> {
        let listed = hash_of(&self.to.join(path), path)?;
        self.files.insert(path.to_owned(), listed);
        Ok(())
    }
}

/// Files that are written beside the one they will replace.
fn is_unfinished(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("new" | "partial"))
}

/// A path of the list that stays inside the folder.
fn inside(path: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(path);
    let is_plain = |part| matches!(part, std::path::Component::Normal(_));
    ensure!(path.components().all(is_plain), "the list names a path outside: {}", path.display());
    Ok(path)
}

/// Copies a file with its permissions, on disk when this returns.
fn put(from: &Path, to: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot copy {} to {}", from.display(), to.display());
    let folder = to.parent().unwrap_or(Path::new("."));
    RealDisk.create_dir(folder).with_context(failed)?;
    fs::copy(from, to).with_context(failed)?;
    File::open(to).and_then(|file| file.sync_all()).with_context(failed)?;
    RealDisk.sync_dir(folder).with_context(failed)
}

fn hash_of(file: &Path, path: &str) -> anyhow::Result<Listed> {
    let failed = || format!("cannot read {}", file.display());
    let mut from = File::open(file).with_context(failed)?;
    let (mut piece, mut bytes, mut hash) = (vec![0; PIECE], 0, Sha256::new());
    loop {
        let read = from.read(&mut piece).with_context(failed)?;
        if read == 0 {
            break;
        }
        hash.update(&piece[..read]);
        bytes += read as u64;
    }
    Ok(Listed { path: path.to_owned(), bytes, sha256: hex(&hash.finalize()) })
}

/// Names in a folder, sorted; none of a folder that is not there.
fn names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let name =
            name.to_str().with_context(|| format!("a name in {} is no text", folder.display()))?;
        names.push(name.to_owned());
    }
    names.sort_unstable();
    Ok(names)
}
