//! `chengmai witness`: a second party looks at a city's proof log from outside. What continues the checkpoint
//! that it saw last gets its cosignature; what does not is refused, loudly.
//!
//! What it is not: a part of the city. It trusts the log's key the first time it sees it, and never another.

use std::fs;

use anyhow::{Context as _, ensure};
use chengmai_store::proof::note::{Note, from_base64};
use chengmai_store::proof::{Hash, Verifier, tree};

use super::import::{agent, post, write_whole};
use super::{own_key, say};
use crate::cli::{Target, Witness};
use crate::clock;

pub(crate) fn run(witness: &Witness) -> anyhow::Result<()> {
    let (signer, is_new) = own_key(&witness.key, &witness.name)?;
    let signer = signer.witness();
    if is_new {
        let public = signer.verifier().text();
        say(format!("a new key; start the city with\n    --witnesses {public}"));
    }
    let verifier = Verifier::parse(&get(&witness.to, "/api/v1/log/key")?)?;
    let note = get(&witness.to, "/api/v1/log/checkpoint")?;
    let note = Note::parse(&note)?;
    note.signed_by(&verifier)?;
    let seen = match fs::read_to_string(&witness.seen) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        read => Some(read.with_context(|| format!("cannot read {}", witness.seen.display()))?),
    };
    if let Some(seen) = &seen {
        continues(&witness.to, seen, &verifier, &note)?;
    }
    let seconds = u64::try_from(clock::now().0 / 1_000)?;
    let both = signer.cosign(&note, seconds);
    post(&witness.to, "/api/v1/log/cosignatures", "text/plain", both.as_bytes())?;
    write_whole(&witness.seen, format!("{}\n{both}", verifier.text()).as_bytes())?;
    let size = note.checkpoint.size;
    match seen {
        Some(_) => say(format!("{size} leaves continue what was seen before; signed")),
        None => say(format!("{size} leaves, seen for the first time; signed")),
    }
    Ok(())
}

/// Refuses a checkpoint that does not continue the one that was seen last.
fn continues(to: &Target, seen: &str, verifier: &Verifier, note: &Note) -> anyhow::Result<()> {
    let (key, seen) =
        seen.split_once('\n').context("the file of the last checkpoint is damaged")?;
    ensure!(key == verifier.text(), "the log has another key than it had: {}", verifier.text());
    let seen = Note::parse(seen)?;
    seen.signed_by(verifier)?;
    let (old, new) = (&seen.checkpoint, &note.checkpoint);
    ensure!(
        new.size >= old.size,
        "the log had {} leaves and has {}: leaves were removed",
        old.size,
        new.size
    );
    let path =
        get(to, &format!("/api/v1/log/proof/consistency?old={}&new={}", old.size, new.size))?;
    let path: serde_json::Value = serde_json::from_str(&path)?;
    let path: Option<Vec<Hash>> = path["path"]
        .as_array()
        .and_then(|path| path.iter().map(|hash| from_base64(hash.as_str()?)).collect());
    let path = path.context("the city's proof cannot be read")?;
    ensure!(
        tree::verify_consistency((old.size, &old.root), (new.size, &new.root), &path),
        "the log of {} leaves does not continue the {} that were seen: leaves were altered",
        new.size,
        old.size
    );
    Ok(())
}

fn get(to: &Target, path: &str) -> anyhow::Result<String> {
    let mut response = agent()
        .get(format!("{}{path}", to.url.trim_end_matches('/')))
        .header("authorization", format!("Bearer {}", to.token))
        .call()
        .with_context(|| format!("no city answers at {}", to.url))?;
    let text = response.body_mut().read_to_string()?;
    ensure!(response.status().is_success(), "{}: {text}", response.status());
    Ok(text)
}
