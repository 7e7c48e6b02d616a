//! Personal data and secrets at rest 加密存储: texts sealed with AES-256-GCM under keys that lie beside the
//! database, not in it.
//!
//! What it is not: who may read a text (the caller decides). Invariants: a sealed text opens only in the place it
//! was sealed for, so that one cannot be moved to another row; a text that does not begin as a sealed one is from
//! before there were keys, and is read as it stands; what was sealed is never sealed again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::proof::note::hex;

/// How a sealed text begins.
const MARK: &str = "sealed:";
/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Bytes of a key's name.
const NAME_BYTES: usize = 4;

/// Why a text cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The text was sealed, and there are no keys.
    #[error("sealed, and there are no keys")]
    NoKeys,
    /// The key it was sealed with is not among ours.
    #[error("sealed with a key that is not there")]
    UnknownKey,
    /// It was altered, or belongs to another place.
    #[error("sealed text was altered, or moved from another row")]
    Altered,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// Keys in order: the first seals, all open.
pub struct Keyring {
    keys: Vec<(String, LessSafeKey)>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the keys.
        f.debug_list().entries(self.keys.iter().map(|(name, _)| name)).finish()
    }
}

impl Keyring {
    /// Keys from the text of their file: a line each, its name and base64. None when it is not such a text, or
    /// has no key.
    pub fn parse(text: &str) -> Option<Self> {
        let key = |line: &str| {
            let (name, key) = line.split_once(' ')?;
            let bytes = STANDARD_NO_PAD.decode(key).ok()?;
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).ok()?);
            Some((name.to_owned(), key))
        };
        let keys = text.lines().map(key).collect::<Option<Vec<_>>>()?;
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// A line for a new key, to be put first into the file.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn new_line() -> Result<String, SealError> {
        let mut bytes = [0; NAME_BYTES + KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| SealError::NoRandomness)?;
        let (name, key) = bytes.split_at(NAME_BYTES);
        Ok(format!("{} {}\n", hex(name), STANDARD_NO_PAD.encode(key)))
    }

    /// Seals a text for a place: table, column and key of its row.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn seal(&self, place: &str, plain: &str) -> Result<String, SealError> {
        let (name, key) = self.keys.first().ok_or(SealError::NoKeys)?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| SealError::NoRandomness)?;
        let mut text = plain.as_bytes().to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(place),
            &mut text,
        )
        .map_err(|_| SealError::Altered)?;
        let mut whole = nonce.to_vec();
        whole.append(&mut text);
        Ok(format!("{MARK}{name}:{}", STANDARD_NO_PAD.encode(whole)))
    }

    /// Opens a text that was sealed for this place.
    fn open(&self, place: &str, sealed: &str) -> Result<String, SealError> {
        let (name, body) = sealed.split_once(':').ok_or(SealError::Altered)?;
        let key = self.keys.iter().find(|(known, _)| known == name).map(|(_, key)| key);
        let key = key.ok_or(SealError::UnknownKey)?;
        let whole = STANDARD_NO_PAD.decode(body).map_err(|_| SealError::Altered)?;
        let (nonce, text) = whole.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Altered)?;
        let mut text = text.to_vec();
        let plain = key
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place), &mut text)
            .map_err(|_| SealError::Altered)?;
        String::from_utf8(plain.to_vec()).map_err(|_| SealError::Altered)
    }

    /// Whether a stored text is sealed with the first key.
    pub fn is_current(&self, stored: &str) -> bool {
        let name = stored.strip_prefix(MARK).and_then(|rest| rest.split_once(':'));
        name.is_some_and(|(name, _)| self.keys.first().is_some_and(|(first, _)| first == name))
    }
}

/// A stored text as it was said: opened when it is sealed, as it stands when it is from before there were keys.
///
/// # Errors
/// `NoKeys`, `UnknownKey`, `Altered`.
pub fn open(keys: Option<&Keyring>, place: &str, stored: String) -> Result<String, SealError> {
    match stored.strip_prefix(MARK) {
        None => Ok(stored),
        Some(sealed) => keys.ok_or(SealError::NoKeys)?.open(place, sealed),
    }
}

/// A text as it is to be stored: sealed when there are keys. One that begins as a sealed text would be read as
/// one, so without keys it loses its mark.
///
/// # Errors
/// `NoRandomness`.
pub fn seal(keys: Option<&Keyring>, place: &str, plain: &str) -> Result<String, SealError> {
    match keys {
        Some(keys) => keys.seal(place, plain),
        None => Ok(plain.strip_prefix(MARK).unwrap_or(plain).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: &[&str]) -> Keyring {
        Keyring::parse(&lines.concat()).unwrap()
    }

    #[test]
    fn a_sealed_text_opens_in_its_own_place_only_and_shows_nothing() {
        let keys = keys(&[&Keyring::new_line().unwrap()]);
        let sealed = keys.seal("case_contact.phone/ann", "13800000000").unwrap();
        assert!(!sealed.contains("138"));
        let there = open(Some(&keys), "case_contact.phone/ann", sealed.clone());
        assert_eq!(there.as_deref(), Ok("13800000000"));
        let moved = open(Some(&keys), "case_contact.phone/bob", sealed.clone());
        assert_eq!(moved, Err(SealError::Altered));
        assert_eq!(open(None, "case_contact.phone/ann", sealed), Err(SealError::NoKeys));
    }

    #[test]
    fn the_same_text_is_sealed_differently_each_time() {
        let keys = keys(&[&Keyring::new_line().unwrap()]);
        assert_ne!(keys.seal("a", "x").unwrap(), keys.seal("a", "x").unwrap());
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let keys = keys(&[&Keyring::new_line().unwrap()]);
        let sealed = keys.seal("a", "张先生 13800000000").unwrap();
        let body = sealed.rfind(':').unwrap() + 1;
        for at in body..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            assert!(other == sealed || open(Some(&keys), "a", other).is_err(), "byte {at}");
        }
    }

    #[test]
    fn after_a_new_key_the_old_one_still_opens_and_the_new_one_seals() {
        let (old, new) = (Keyring::new_line().unwrap(), Keyring::new_line().unwrap());
        let sealed = keys(&[&old]).seal("a", "x").unwrap();
        let both = keys(&[&new, &old]);
        assert!(!both.is_current(&sealed));
        assert_eq!(open(Some(&both), "a", sealed.clone()).as_deref(), Ok("x"));
        assert!(both.is_current(&both.seal("a", "x").unwrap()));
        assert_eq!(open(Some(&keys(&[&new])), "a", sealed), Err(SealError::UnknownKey));
    }

    #[test]
    fn what_is_from_before_there_were_keys_is_read_as_it_stands() {
        let keys = keys(&[&Keyring::new_line().unwrap()]);
        assert_eq!(open(Some(&keys), "a", "张先生".into()).as_deref(), Ok("张先生"));
    }

    #[test]
    fn a_key_file_that_is_none_is_refused_and_keys_are_never_shown() {
        assert!(Keyring::parse("").is_none());
        assert!(Keyring::parse("a AAAA").is_none());
        let line = Keyring::new_line().unwrap();
        let (_, key) = line.trim().split_once(' ').unwrap();
        assert!(!format!("{:?}", keys(&[&line])).contains(key));
    }
}
