//! What strangers send about the proof log: notes, keys, names of tiles; and entries as they are read back. What
//! is taken must say the same when it is written again: two texts for one thing would be two leaves, or two heads.

use chengmai_store::proof::note::Note;
use chengmai_store::proof::tiles::TileName;
use chengmai_store::proof::{Checkpoint, Entry, Signer, Source, Verifier};

use crate::Trait;

const SECRET: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

pub(crate) fn made() -> Vec<Vec<u8>> {
    let entry = Entry { source: Source::Audit, key: "17".to_owned(), commitment: [7; 32] };
    let mut made =
        vec![entry.to_bytes(), SECRET.into(), "0/x001/234.p/56".into(), "entries/000".into()];
    if let Ok(signer) = Signer::parse(SECRET) {
        let origin = signer.verifier().name().to_owned();
        let signed = signer.sign(&Checkpoint { origin, size: 256, root: [9; 32] });
        if let Ok(note) = Note::parse(&signed) {
            made.push(signer.witness().cosign(&note, 1_800_000_000).into());
        }
        made.push(signed.into());
        made.push(signer.verifier().text().into());
        made.push(signer.witness().verifier().text().into());
    }
    made
}

pub(crate) fn read(bytes: &[u8]) -> Trait {
    let entry = Entry::parse(bytes);
    if let Some(entry) = &entry {
        assert_eq!(entry.to_bytes(), bytes, "an entry is written as it was read");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let tile = TileName::parse(text);
    if let Some(tile) = &tile {
        assert_eq!(tile.text(), text, "a tile has one name");
    }
    let key = Verifier::parse(text);
    if let Ok(key) = &key {
        assert_eq!(key.text(), text.trim(), "a key has one text");
    }
    let note = Note::parse(text);
    let mut signed = 0;
    if let (Ok(note), Ok(signer)) = (&note, Signer::parse(SECRET)) {
        assert_eq!(note.whole(), text, "a note is written as it was read");
        let witness = signer.witness();
        for key in [signer.verifier(), witness.verifier()] {
            signed = signed * 2 + u64::from(note.signed_by(key).is_ok());
        }
    }
    let is =
        [entry.is_some(), tile.is_some(), key.is_ok(), note.is_ok(), Signer::parse(text).is_ok()];
    is.into_iter().fold(1 + signed, |answer, is| answer * 2 + u64::from(is))
}
