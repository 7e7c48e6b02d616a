//! The proof log 存证日志 of a running city: about once a second, what was decided since goes from the records
//! into the log, and a head over it is signed; what second parties sign is kept beside it.
//!
//! What it is not: in the way of a decision. A leaf is on disk with its row; when the log itself cannot be
//! written the city goes on, the log stands still and says so. Invariants: one task writes the log; nothing is
//! signed that does not continue what was signed before.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chengmai_model::{AreaId, AreaPath, AreaTree, error};
use chengmai_store::disk::RealDisk;
use chengmai_store::error::Error as StoreError;
use chengmai_store::proof::note::Note;
use chengmai_store::proof::{Entry, LogReader, LogWriter, Signer, Verifier, tree};
use chengmai_store::records::audit::AuditRow;
use chengmai_store::records::{Records, RecordsError};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::internal;
use super::layout::DataFolder;
use crate::accounts::hex;
use crate::clock;
use crate::commands::import::write_whole;
use crate::config::Config;
use crate::http::problem::{Answer, Problem};
use crate::packs::Loaded;

/// How often a head is signed, when something is new.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// Leaves under one head at most.
const TOGETHER_MAX: u64 = 16_384;
/// Under this key stands what the packs were when they were last put on record.
const PACKS_DIGEST: &str = "packs_digest";
/// Holds the newest checkpoint that a witness signed.
pub(crate) const WITNESSED: &str = "witnessed";

/// The log as handlers see it.
#[derive(Debug)]
pub(crate) struct ProofLog {
    /// Absent when it could not be opened.
    reader: Option<LogReader>,
    key: Verifier,
    witnesses: Vec<Verifier>,
    witnessed: PathBuf,
    stopped: RwLock<Option<String>>,
}

/// Why leaves could not be taken.
#[derive(Debug, thiserror::Error)]
enum TakeError {
    /// The records do not answer: tried again at the next turn.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// For good, until the next start.
    #[error("{0}")]
    Stopped(String),
}

impl ProofLog {
    /// Opens the log of a data folder. What is wrong with it does not keep the city from starting.
    async fn open(
        dir: &Path,
        signer: Signer,
        witnesses: Vec<Verifier>,
        records: &Records,
    ) -> OpenLog {
        let key = signer.verifier().clone();
        let opened = LogWriter::open(Arc::new(RealDisk), dir, signer);
        let (writer, wrong) = match opened {
            Ok(writer) => {
                let wrong = does_not_continue(writer.reader(), records).await;
                (Some(writer), wrong)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        let reader = writer.as_ref().map(|writer| writer.reader().clone());
        let witnessed = dir.join(WITNESSED);
        let log = Self { reader, key, witnesses, witnessed, stopped: RwLock::default() };
        let writer = match wrong {
            Some(wrong) => {
                log.stop(wrong);
                None
            }
            None => writer,
        };
        (Arc::new(log), writer)
    }

    /// The log to read from, as far as it goes.
    pub(crate) fn reader(&self) -> Answer<&LogReader> {
        self.reader.as_ref().ok_or_else(|| self.problem())
    }

    /// The log, if its head is today's.
    ///
    /// # Errors
    /// `LOG_STOPPED`.
    pub(crate) fn running(&self) -> Answer<&LogReader> {
        if self.is_stopped() { Err(self.problem()) } else { self.reader() }
    }

    /// Its public key.
    pub(crate) fn key(&self) -> &Verifier {
        &self.key
    }

    /// Whether nothing is signed any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.read().is_some()
    }

    fn problem(&self) -> Problem {
        Problem::new(&error::LOG_STOPPED, self.stopped.read().clone().unwrap_or_default())
    }

    fn stop(&self, why: String) {
        tracing::error!(%why, "E-450 the proof log stands still");
        *self.stopped.write() = Some(why);
    }

    /// The newest checkpoint that a witness signed, with the signatures.
    pub(crate) fn witnessed(&self) -> io::Result<Option<String>> {
        match std::fs::read_to_string(&self.witnessed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Keeps a checkpoint that a known witness signed. Returns the witness's name, and the size of the newest
    /// checkpoint that one signed.
    ///
    /// # Errors
    /// `NO_CHECKPOINT`, `UNKNOWN_WITNESS`, `FORKED_LOG`.
    pub(crate) fn witness(&self, text: &str) -> Answer<(String, u64)> {
        let no_checkpoint = |why: String| Problem::new(&error::NO_CHECKPOINT, why);
        let note = Note::parse(text).map_err(|why| no_checkpoint(why.to_string()))?;
        note.signed_by(&self.key).map_err(|why| no_checkpoint(why.to_string()))?;
        let signed = self.witnesses.iter().find(|key| note.signed_by(key).is_ok());
        let signed = signed.ok_or_else(|| Problem::new(&error::UNKNOWN_WITNESS, ""))?;
        let checkpoint = &note.checkpoint;
        let root = self.reader()?.root(checkpoint.size).map_err(unreadable)?;
        if root != Some(checkpoint.root) {
            tracing::error!(
                size = checkpoint.size,
                "E-454 a signed checkpoint is not one of this log"
            );
            return Err(Problem::new(&error::FORKED_LOG, format!("size {}", checkpoint.size)));
        }
        let kept = self.witnessed().map_err(|error| internal(&error))?;
        let kept = kept.and_then(|text| Note::parse(&text).ok());
        let both = match &kept {
            Some(kept) if kept.checkpoint.size > checkpoint.size => {
                return Ok((signed.name().to_owned(), kept.checkpoint.size));
            }
            // Another witness signed the same: their signatures stand together.
            Some(kept) if kept.checkpoint == *checkpoint && kept.signed_by(signed).is_err() => {
                let (line, _) =
                    note.signed_by(signed).map_err(|why| no_checkpoint(why.to_string()))?;
                format!("{}{line}\n", kept.whole())
            }
            _ => text.to_owned(),
        };
        write_whole(&self.witnessed, both.as_bytes()).map_err(|error| internal(&error))?;
        Ok((signed.name().to_owned(), checkpoint.size))
    }

    /// Takes what is new. Returns the writer, unless it stopped for good.
    async fn take(&self, records: &Records, writer: LogWriter) -> Option<LogWriter> {
        let mut writer = writer;
        loop {
            match take_some(records, &mut writer).await {
                Ok((0, _)) => return Some(writer),
                Ok((_, entries)) => {
                    // Syncs of the disk: not on a thread that serves requests.
                    let appended = tokio::task::spawn_blocking(move || {
                        let appended = writer.append(&entries);
                        (writer, appended)
                    });
                    match appended.await {
                        Ok((same, Ok(_tip))) => writer = same,
                        Ok((_, Err(error))) => {
                            self.stop(error.to_string());
                            return None;
                        }
                        Err(error) => {
                            self.stop(error.to_string());
                            return None;
                        }
                    }
                }
                Err(TakeError::Records(error)) => {
                    tracing::warn!(%error, "the proof log could not ask the records");
                    return Some(writer);
                }
                Err(TakeError::Stopped(why)) => {
                    self.stop(why);
                    return None;
                }
            }
        }
    }
}

/// A log, and its writer unless it stands still.
pub(crate) type OpenLog = (Arc<ProofLog>, Option<LogWriter>);

/// The log of a city, with what changed in its packs on record.
pub(crate) async fn open_log(
    config: &Config,
    loaded: &Loaded,
    areas: &AreaTree,
    folder: &DataFolder,
    records: &Records,
) -> anyhow::Result<OpenLog> {
    note_packs(records, loaded).await?;
    let key = folder.proof_key(AreaPath::of(areas, AreaId::ROOT).code())?;
    Ok(ProofLog::open(&folder.proof(), key, config.witnesses.clone(), records).await)
}

/// Some of the leaves that are not in the log yet, and how many.
async fn take_some(
    records: &Records,
    writer: &mut LogWriter,
) -> Result<(u64, Vec<Vec<u8>>), TakeError> {
    let size = writer.reader().tip().checkpoint.size;
    let there = records.proof().size().await?;
    if there < size {
        return Err(TakeError::Stopped(behind(there, size)));
    }
    let leaves = match records.proof().leaves(size, TOGETHER_MAX.min(there - size)).await {
        Err(RecordsError::Unreadable(why)) => return Err(TakeError::Stopped(why)),
        leaves => leaves?,
    };
    if leaves.is_empty() && there > size {
        return Err(TakeError::Stopped(format!("leaf {size} is missing")));
    }
    let entries: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.entry.to_bytes()).collect();
    Ok((entries.len() as u64, entries))
}

fn behind(there: u64, signed: u64) -> String {
    format!(
        "the records have {there} leaves, and {signed} were signed: they are older than the log, or rows were removed"
    )
}

/// What is wrong, when the records do not continue the log: they were put back to an older day, or are
/// another city's.
async fn does_not_continue(log: &LogReader, records: &Records) -> Option<String> {
    let size = log.tip().checkpoint.size;
    let last = size.checked_sub(1)?;
    let compare = async {
        let there = records.proof().size().await?;
        let leaf = records.proof().leaves(last, 1).await?.into_iter().next();
        let entries = log.entries(last, 1);
        Ok::<_, RecordsError>((there, leaf, entries))
    };
    match compare.await {
        Err(error) => Some(error.to_string()),
        Ok((there, _, _)) if there < size => Some(behind(there, size)),
        Ok((_, leaf, entries)) => match entries {
            Err(error) => Some(error.to_string()),
            Ok(entries) => {
                let logged =
                    entries.first().filter(|(bytes, hash)| tree::leaf_hash(bytes) == *hash);
                let logged = logged.and_then(|(bytes, _)| Entry::parse(bytes));
                let is_same = logged.is_some() && logged == leaf.map(|leaf| leaf.entry);
                (!is_same)
                    .then(|| format!("leaf {last} of the records is not the one that was signed"))
            }
        },
    }
}

/// A log that cannot be read, as an answer.
pub(crate) fn unreadable(error: StoreError) -> Problem {
    tracing::error!(%error, "the proof log cannot be read");
    Problem::new(&error::LOG_STOPPED, error.to_string())
}

/// The task that takes leaves into the log.
#[derive(Debug)]
pub(crate) struct Taking {
    task: tokio::task::JoinHandle<()>,
    stop: watch::Sender<bool>,
}

impl Taking {
    pub(crate) fn start(log: Arc<ProofLog>, records: Records, writer: Option<LogWriter>) -> Self {
        let (stop, mut told) = watch::channel(false);
        let task = tokio::spawn(async move {
            let mut writer = writer;
            let mut turn = tokio::time::interval(SIGN_EVERY);
            turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while let Some(same) = writer {
                let is_last = tokio::select! {
                    // The sender lives until it has said so.
                    _ = told.wait_for(|&stop| stop) => true,
                    _ = turn.tick() => false,
                };
                writer = log.take(&records, same).await.filter(|_| !is_last);
            }
        });
        Self { task, stop }
    }

    /// Takes and signs what there is, and ends.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        if self.task.await.is_err() {
            tracing::error!("the proof log ended early");
        }
    }
}

/// Puts on record that the packs are others than at the last start: what a city is judged by changed.
async fn note_packs(records: &Records, loaded: &Loaded) -> anyhow::Result<()> {
    let of_packs = loaded.packs.iter().flat_map(|pack| {
        pack.texts.iter().map(|(path, text)| (pack.head.id.as_str(), path.as_str(), text.as_str()))
    });
    let of_city =
        loaded.city_files.iter().map(|(path, text)| ("city", path.as_str(), text.as_str()));
    let mut texts: Vec<_> = of_packs.chain(of_city).collect();
    texts.sort_unstable();
    let bytes = serde_json::to_vec(&texts).context("texts are always JSON")?;
    let digest = hex(&tree::sha256(&[&bytes]));
    if records.settings().find(PACKS_DIGEST).await?.as_ref() == Some(&digest) {
        return Ok(());
    }
    let ids: Vec<&str> = loaded.packs.iter().map(|pack| pack.head.id.as_str()).collect();
    let line = AuditRow {
        at: clock::now(),
        who: "chengmai".to_owned(),
        what: "packs.loaded".to_owned(),
        object: digest.clone(),
        detail: ids.join(" "),
    };
    records.audit().add(&line).await?;
    Ok(records.settings().set(PACKS_DIGEST, &digest).await?)
}
