//! Signed packs 场景包签名: who answers for the files of a pack.
//!
//! What it is not: whether a pack is good (`pack check`, `pack test`). Invariants: a signature covers every file of
//! the folder, its name and every byte, and the pack's own name; it is in the form of the proof log's (C2SP
//! checkpoint: name, number of files, hash), so that the same tools read it.

use anyhow::{Context as _, bail};
use chengmai_store::proof::note::{Checkpoint, Note};
use chengmai_store::proof::{Signer, Verifier, tree};

use super::PackFiles;

/// The file with the signature, in the pack's folder.
pub(crate) const FILE: &str = "pack.sig";

/// What is signed of a pack.
fn checkpoint(name: &str, files: &[(String, String)]) -> Checkpoint {
    let mut files: Vec<&(String, String)> = files.iter().filter(|(file, _)| file != FILE).collect();
    files.sort_unstable();
    let hashes: Vec<u8> = files
        .iter()
        .flat_map(|(file, text)| {
            // The hash of the name first, so that no text can pass for a name.
            let name = tree::sha256(&[file.as_bytes()]);
            tree::sha256(&[&name, text.as_bytes()])
        })
        .collect();
    Checkpoint {
        origin: format!("chengmai pack {name}"),
        size: files.len() as u64,
        root: tree::sha256(&[&hashes]),
    }
}

/// The content of the file with a signature.
pub(crate) fn sign(name: &str, files: &[(String, String)], signer: &Signer) -> String {
    signer.sign(&checkpoint(name, files))
}

/// Takes the signature out of a pack's files, and says whose it is: one of these, or nobody's who counts.
///
/// # Errors
/// When there is none, it is of other files, or nobody of these signed it.
pub(crate) fn signer_of<'a>(
    name: &str,
    files: &[(String, String)],
    signers: &'a [Verifier],
) -> anyhow::Result<&'a str> {
    let found = files.iter().find(|(file, _)| file == FILE);
    let (_, text) = found.with_context(|| format!("{name}: there is no {FILE}"))?;
    let note = Note::parse(text).with_context(|| format!("{name}/{FILE}"))?;
    if note.checkpoint != checkpoint(name, files) {
        bail!("{name}: its files are not as they were signed");
    }
    let signer = signers.iter().find(|signer| note.signed_by(signer).is_ok());
    let signer = signer.with_context(|| format!("{name}: nobody of --pack-signers signed it"))?;
    Ok(signer.name())
}

/// The files without the signature.
pub(crate) fn without(mut files: PackFiles) -> PackFiles {
    files.retain(|(file, _)| file != FILE);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(files: &[(&str, &str)]) -> PackFiles {
        files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_signature_holds_for_these_files_of_this_pack_and_this_signer_only() {
        let (signer, stranger) =
            (Signer::generate("city").unwrap(), Signer::generate("city").unwrap());
        let known = [signer.verifier().clone()];
        let files = pack(&[("pack.toml", "id = 'heat'"), ("rules.toml", "a")]);
        let with = |files: &PackFiles, text: &str| {
            let mut files = files.clone();
            files.push((FILE.to_owned(), text.to_owned()));
            files
        };
        let text = sign("heat", &files, &signer);
        let signed = with(&files, &text);
        assert_eq!(signer_of("heat", &signed, &known).unwrap(), "city");
        assert_eq!(
            sign("heat", &signed, &signer),
            text,
            "a signature is no part of what is signed"
        );
        assert_eq!(without(signed.clone()), files);
        assert!(signer_of("water", &signed, &known).is_err(), "another pack's");
        assert!(signer_of("heat", &files, &known).is_err(), "none");
        assert!(signer_of("heat", &signed, &[stranger.verifier().clone()]).is_err());
        assert!(
            signer_of("heat", &with(&files, &sign("heat", &files, &stranger)), &known).is_err()
        );
        for changed in [
            pack(&[("pack.toml", "id = 'heat'"), ("rules.toml", "b")]),
            pack(&[("pack.toml", "id = 'heat'"), ("rules2.toml", "a")]),
            pack(&[("pack.toml", "id = 'heat'")]),
            pack(&[("pack.toml", "id = 'heat'"), ("rules.toml", "a"), ("x", "")]),
        ] {
            assert!(signer_of("heat", &with(&changed, &text), &known).is_err(), "{changed:?}");
        }
    }
}
