//! A signed head of the log in the form of C2SP tlog-checkpoint (a signed note with an Ed25519 signature),
//! and what a second party adds to it, a cosignature (C2SP tlog-cosignature).
//!
//! What it is not: it keeps no key (the caller does) and trusts none by itself. Invariant: a note that was
//! read says nothing until a signature on it was verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::tree::{HASH_BYTES, Hash, sha256};

/// Bytes of a secret and of a public key.
const KEY_BYTES: usize = 32;
/// Bytes of a key's short name.
const KEY_ID_BYTES: usize = 4;
/// Bytes of the time in a cosignature.
const TIME_BYTES: usize = 8;
/// Most bytes of a note that is read.
pub const NOTE_BYTES_MAX: usize = 16 * 1024;
/// Most signatures of a note.
const SIGNATURES_MAX: usize = 32;

/// What a key signs with; the number stands in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    /// The text of a note.
    Ed25519 = 1,
    /// A time and the text of a note.
    Cosignature = 4,
}

/// What can be wrong with a key or a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A key is not in the form of Go's notes.
    #[error("this is no key: its form is name+identifier+base64")]
    Key,
    /// The text is no checkpoint.
    #[error("this is no signed checkpoint")]
    Form,
    /// No signature of the key verifies.
    #[error("no signature of this key verifies")]
    Signature,
}

/// The head of a log at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// How many leaves it had.
    pub size: u64,
    /// Their head.
    pub root: Hash,
}

impl Checkpoint {
    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(self.root))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let is_plain = size == "0" || !size.starts_with(['0', '+']);
        let size = size.parse().ok().filter(|_| is_plain)?;
        let root = BASE64.decode(root).ok()?.try_into().ok()?;
        let origin = Some(origin).filter(|origin| !origin.is_empty())?.to_owned();
        Some(Self { origin, size, root })
    }
}

/// A checkpoint with the signatures under it, none of them verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it says.
    pub checkpoint: Checkpoint,
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; KEY_ID_BYTES],
    bytes: Vec<u8>,
    line: String,
}

impl Note {
    /// A note from its text.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Form);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let text = format!("{text}\n");
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let signatures: Option<Vec<Signature>> = lines.split('\n').map(Signature::parse).collect();
        let signatures = signatures.filter(|list| list.len() <= SIGNATURES_MAX);
        let checkpoint = Checkpoint::parse(&text).ok_or(NoteError::Form)?;
        Ok(Self { checkpoint, text, signatures: signatures.ok_or(NoteError::Form)? })
    }

    /// The line of a signature by this key that verifies. Of a cosignature, the time too, in seconds.
    pub fn signed_by(&self, key: &Verifier) -> Result<(&str, Option<u64>), NoteError> {
        let of_key =
            |signature: &&Signature| signature.name == key.name && signature.key_id == key.key_id();
        self.signatures
            .iter()
            .filter(of_key)
            .find_map(|s| Some((s.line.as_str(), key.verify(&self.text, &s.bytes).ok()?)))
            .ok_or(NoteError::Signature)
    }

    /// The whole note, signatures included.
    pub fn whole(&self) -> String {
        let lines = self.signatures.iter().map(|signature| format!("{}\n", signature.line));
        format!("{}\n{}", self.text, lines.collect::<String>())
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        let bytes = BASE64.decode(base64).ok()?;
        let (key_id, bytes) = bytes.split_first_chunk()?;
        Some(Self {
            name: name.to_owned(),
            key_id: *key_id,
            bytes: bytes.to_vec(),
            line: line.to_owned(),
        })
    }
}

/// A public key with its name: `name+identifier+base64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    algorithm: Algorithm,
    key: [u8; KEY_BYTES],
}

impl Verifier {
    /// A key from its text.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteError::Key);
        let (name, key_id, base64) = (part()?, part()?, part()?);
        let bytes = BASE64.decode(base64).map_err(|_| NoteError::Key)?;
        let (&algorithm, key) = bytes.split_first().ok_or(NoteError::Key)?;
        let algorithm = match algorithm {
            1 => Algorithm::Ed25519,
            4 => Algorithm::Cosignature,
            _ => return Err(NoteError::Key),
        };
        let key = key.try_into().map_err(|_| NoteError::Key)?;
        let verifier = Self { name: checked_name(name)?, algorithm, key };
        if hex(&verifier.key_id()) == key_id { Ok(verifier) } else { Err(NoteError::Key) }
    }

    /// The key as text.
    pub fn text(&self) -> String {
        let key = [&[self.algorithm as u8], self.key.as_slice()].concat();
        format!("{}+{}+{}", self.name, hex(&self.key_id()), BASE64.encode(key))
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        let hash = sha256(&[self.name.as_bytes(), &[b'\n', self.algorithm as u8], &self.key]);
        *hash.first_chunk().expect("a hash is longer than a key's short name")
    }

    /// Whether the signature is right; of a cosignature, its time.
    fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, NoteError> {
        let (message, signature, time) = match self.algorithm {
            Algorithm::Ed25519 => (text.to_owned(), signature, None),
            Algorithm::Cosignature => {
                let parts = signature.split_first_chunk::<TIME_BYTES>();
                let (time, signature) = parts.ok_or(NoteError::Signature)?;
                let time = u64::from_be_bytes(*time);
                (cosigned(text, time), signature, Some(time))
            }
        };
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(message.as_bytes(), signature).map_err(|_| NoteError::Signature)?;
        Ok(time)
    }
}

/// A secret key that signs as one name.
#[derive(Debug)]
pub struct Signer {
    verifier: Verifier,
    seed: [u8; KEY_BYTES],
    pair: Ed25519KeyPair,
}

impl Signer {
    /// A new key of a log, or `None` when the system gives no random numbers.
    pub fn generate(name: &str) -> Option<Self> {
        let mut seed = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut seed).ok()?;
        Self::new(name, Algorithm::Ed25519, seed).ok()
    }

    /// A log's key from its text, `PRIVATE+KEY+name+identifier+base64`.
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let rest = text.trim().strip_prefix("PRIVATE+KEY+").ok_or(NoteError::Key)?;
        let mut parts = rest.splitn(3, '+');
        let mut part = || parts.next().ok_or(NoteError::Key);
        let (name, key_id, base64) = (part()?, part()?, part()?);
        let bytes = BASE64.decode(base64).map_err(|_| NoteError::Key)?;
        let Some((1, seed)) = bytes.split_first() else { return Err(NoteError::Key) };
        let seed = seed.try_into().map_err(|_| NoteError::Key)?;
        let signer = Self::new(name, Algorithm::Ed25519, seed)?;
        if hex(&signer.verifier.key_id()) == key_id { Ok(signer) } else { Err(NoteError::Key) }
    }

    fn new(name: &str, algorithm: Algorithm, seed: [u8; KEY_BYTES]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| NoteError::Key)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| NoteError::Key)?;
        let verifier = Verifier { name: checked_name(name)?, algorithm, key };
        Ok(Self { verifier, seed, pair })
    }

    /// The key as text, to be kept where nobody else reads it.
    pub fn secret_text(&self) -> String {
        let key = [&[self.verifier.algorithm as u8], self.seed.as_slice()].concat();
        let verifier = &self.verifier;
        format!("PRIVATE+KEY+{}+{}+{}", verifier.name, hex(&verifier.key_id()), BASE64.encode(key))
    }

    /// Its public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The same secret for cosignatures, under another identifier: a witness signs with this.
    pub fn witness(&self) -> Self {
        Self::new(&self.verifier.name, Algorithm::Cosignature, self.seed)
            .expect("the same seed and name made a key before")
    }

    /// The signed note of a checkpoint.
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.text();
        let line = self.line(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}\n{line}\n")
    }

    /// The note with this witness's cosignature at its end.
    pub fn cosign(&self, note: &Note, seconds: u64) -> String {
        let signed = self.pair.sign(cosigned(&note.text, seconds).as_bytes());
        let line = self.line(&[&seconds.to_be_bytes(), signed.as_ref()].concat());
        format!("{}{line}\n", note.whole())
    }

    fn line(&self, signature: &[u8]) -> String {
        let signature = [self.verifier.key_id().as_slice(), signature].concat();
        format!("— {} {}", self.verifier.name, BASE64.encode(signature))
    }
}

/// What a witness signs.
fn cosigned(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

/// A name without what separates it from the rest.
fn checked_name(name: &str) -> Result<String, NoteError> {
    let is_bad = |letter: char| letter == '+' || letter.is_whitespace();
    if name.is_empty() || name.contains(is_bad) { Err(NoteError::Key) } else { Ok(name.to_owned()) }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// A hash as base64 says it, which is how notes have it.
pub fn base64(hash: &Hash) -> String {
    BASE64.encode(hash)
}

/// A hash from base64.
pub fn from_base64(text: &str) -> Option<Hash> {
    let bytes: [u8; HASH_BYTES] = BASE64.decode(text).ok()?.try_into().ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key, text and signature of the example of Go's package `note`.
    const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const GO_SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const GO_TEXT: &str = "If you think cryptography is the answer to your problem,\n\
                           then you don't know what your problem is.\n";
    const GO_LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "city.example/log".to_owned(), size: 7, root: [7; HASH_BYTES] }
    }

    #[test]
    fn keys_and_signatures_are_those_of_other_programs() {
        let signer = Signer::parse(GO_SECRET).unwrap();
        assert_eq!(signer.verifier().text(), GO_KEY);
        assert_eq!(signer.secret_text(), GO_SECRET);
        assert_eq!(signer.line(signer.pair.sign(GO_TEXT.as_bytes()).as_ref()), GO_LINE);
        let signature = Signature::parse(GO_LINE).unwrap();
        let verifier = Verifier::parse(GO_KEY).unwrap();
        assert_eq!(verifier.verify(GO_TEXT, &signature.bytes), Ok(None));
    }

    #[test]
    fn a_signed_checkpoint_reads_back_and_a_changed_one_does_not_verify() {
        let signer = Signer::generate("city.example/log").unwrap();
        let signed = signer.sign(&checkpoint());
        let note = Note::parse(&signed).unwrap();
        assert_eq!((&note.checkpoint, note.whole()), (&checkpoint(), signed.clone()));
        assert!(note.signed_by(signer.verifier()).is_ok());
        let changed = Note::parse(&signed.replacen("\n7\n", "\n8\n", 1)).unwrap();
        assert_eq!(changed.signed_by(signer.verifier()), Err(NoteError::Signature));
        let stranger = Signer::generate("city.example/log").unwrap();
        assert_eq!(note.signed_by(stranger.verifier()), Err(NoteError::Signature));
    }

    #[test]
    fn a_second_party_adds_its_name_and_the_time() {
        let log = Signer::generate("city.example/log").unwrap();
        let witness = Signer::generate("audit.example").unwrap().witness();
        let note = Note::parse(&log.sign(&checkpoint())).unwrap();
        let both = Note::parse(&witness.cosign(&note, 1_800_000_000)).unwrap();
        assert!(both.signed_by(log.verifier()).is_ok());
        let (_line, time) = both.signed_by(witness.verifier()).unwrap();
        assert_eq!(time, Some(1_800_000_000));
        let known = Verifier::parse(&witness.verifier().text()).unwrap();
        assert_eq!(&known, witness.verifier());
        // The witness's key as a log's key is another key.
        let as_log = Verifier { algorithm: Algorithm::Ed25519, ..known };
        assert_eq!(both.signed_by(&as_log), Err(NoteError::Signature));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let signed = Signer::generate("a").unwrap().sign(&checkpoint());
        for text in [
            "",
            "\n\n",
            &signed.replace("\n7\n", "\n07\n"),
            &signed.replace("\n7\n", "\n+7\n"),
            &signed.replace('—', "-"),
            signed.trim_end(),
            &"x".repeat(NOTE_BYTES_MAX + 1),
        ] {
            assert_eq!(Note::parse(text), Err(NoteError::Form), "{text}");
        }
        for key in ["", "a", "a+b", "a+00000000+AQ==", "a b+c74f20a3+ARpc"] {
            assert_eq!(Verifier::parse(key), Err(NoteError::Key), "{key}");
        }
    }
}
