//! What a leaf of the log holds: which row of the records it stands for, and a salted commitment to the row.
//!
//! What it is not: the row. Who has only the log learns that something was decided, not what; and a row whose
//! personal data was erased leaves the log as it was. Invariant: a row has one digest on every database.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::note::{base64, from_base64};
use super::tree::{Hash, sha256};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Most bytes of a row's key; the longest is the name of an account.
pub const KEY_BYTES_MAX: usize = 1_024;

/// What keeps a commitment from being guessed.
pub type Salt = [u8; SALT_BYTES];

/// First line of every entry.
const FORM: &str = "chengmai/1";

/// Tables whose rows have leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Steps of cases.
    CaseEvent,
    /// Who did what: sign-ins, exports, erasures, answers, settings.
    Audit,
    /// Rules that were changed.
    RuleChange,
    /// Readings that were replaced or withdrawn.
    Correction,
    /// What reviews found.
    Finding,
    /// Tasks as they were given.
    Task,
    /// Who reported a case; what is personal only through a commitment of its own.
    Contact,
    /// Photos that everybody may see.
    PublicPhoto,
    /// Accounts, a leaf each time one changes.
    User,
    /// Sessions and tokens of programs, by their hash. They may go without a leaf.
    Token,
    /// Who outside is told of what, a leaf each time it changes.
    Subscription,
    /// Second factors, a leaf each time one is set, confirmed or taken away.
    SecondFactor,
    /// Access in an emergency, and what a review said of it.
    BreakGlass,
    /// Whose account it is at the identity provider, a leaf each time one is given or taken away.
    Identity,
    /// Who handles cases, and where, a leaf each time it changes.
    Agency,
    /// What the outside was told of warnings.
    Alert,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::CaseEvent,
        Self::Audit,
        Self::RuleChange,
        Self::Correction,
        Self::Finding,
        Self::Task,
        Self::Contact,
        Self::PublicPhoto,
        Self::User,
        Self::Token,
        Self::Subscription,
        Self::SecondFactor,
        Self::BreakGlass,
        Self::Identity,
        Self::Agency,
        Self::Alert,
    ];

    /// The name of its table, which is also its word in an entry.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CaseEvent => "case_event",
            Self::Audit => "audit",
            Self::RuleChange => "rule_change",
            Self::Correction => "correction",
            Self::Finding => "finding",
            Self::Task => "task",
            Self::Contact => "case_contact",
            Self::PublicPhoto => "public_photo",
            Self::User => "user",
            Self::Token => "token",
            Self::Subscription => "subscription",
            Self::SecondFactor => "second_factor",
            Self::BreakGlass => "break_glass",
            Self::Identity => "identity",
            Self::Agency => "agency",
            Self::Alert => "alert",
        }
    }

    /// The source with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    /// Nothing.
    Null,
    /// A whole number.
    Int(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(&'a str),
}

/// The digest of a row: of its table's name, and of names and values of its columns in order.
pub fn row_digest<'a>(
    source: Source,
    fields: impl IntoIterator<Item = (&'a str, Field<'a>)>,
) -> Hash {
    let mut bytes = Vec::with_capacity(512);
    put(&mut bytes, b't', source.word().as_bytes());
    for (name, field) in fields {
        put(&mut bytes, b't', name.as_bytes());
        match field {
            Field::Null => put(&mut bytes, b'n', &[]),
            Field::Int(number) => put(&mut bytes, b'i', &number.to_be_bytes()),
            Field::Real(number) => put(&mut bytes, b'r', &number.to_bits().to_be_bytes()),
            Field::Text(text) => put(&mut bytes, b't', text.as_bytes()),
        }
    }
    sha256(&[&bytes])
}

/// The digest of a row that is no more, or whose personal part is.
pub fn digest_of_nothing() -> Hash {
    sha256(&[b"nothing"])
}

/// What a leaf says of a row with this digest.
pub fn commitment(salt: &Salt, digest: &Hash) -> Hash {
    sha256(&[salt, digest])
}

/// Salts that nobody can guess, or `None` when the system gives no random numbers.
pub fn salts(count: usize) -> Option<Vec<Salt>> {
    let mut salts = vec![[0; SALT_BYTES]; count];
    SystemRandom::new().fill(salts.as_flattened_mut()).ok()?;
    Some(salts)
}

/// A leaf's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which table.
    pub source: Source,
    /// Which row of it.
    pub key: String,
    /// Salted commitment to the row.
    pub commitment: Hash,
}

impl Entry {
    /// Its bytes: four lines of text.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (source, commitment) = (self.source.word(), base64(&self.commitment));
        format!("{FORM}\n{source}\n{}\n{commitment}\n", self.key).into_bytes()
    }

    /// An entry from its bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.split('\n');
        let mut line = || lines.next();
        let (form, source, key, commitment) = (line()?, line()?, line()?, line()?);
        let is_whole = form == FORM && line() == Some("") && line().is_none();
        let source = Source::from_word(source).filter(|_| is_whole)?;
        Some(Self { source, key: key.to_owned(), commitment: from_base64(commitment)? })
    }
}

/// A row's key as a leaf has it: one line, and not longer than an entry may be.
pub fn one_line(key: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    let mut key: String = key.chars().map(plain).collect();
    key.truncate(key.floor_char_boundary(KEY_BYTES_MAX));
    key
}

/// Adds what kind of value, how long, and the value: no two rows have the same bytes.
fn put(bytes: &mut Vec<u8>, kind: u8, value: &[u8]) {
    bytes.push(kind);
    bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_and_a_spoiled_one_does_not() {
        for source in Source::ALL {
            let entry =
                Entry { source, key: "500103-20261121-00001/3".to_owned(), commitment: [9; 32] };
            let bytes = entry.to_bytes();
            assert_eq!(Entry::parse(&bytes), Some(entry));
            for length in 0..bytes.len() {
                assert_eq!(Entry::parse(&bytes[..length]), None, "{length}");
            }
            assert_eq!(Entry::parse(&[&bytes[..], b"\n"].concat()), None);
        }
    }

    #[test]
    fn values_that_look_alike_have_other_digests() {
        let digest = |fields: &[(&'static str, Field<'static>)]| {
            row_digest(Source::Audit, fields.iter().copied())
        };
        let all = [
            digest(&[("a", Field::Null)]),
            digest(&[("a", Field::Text(""))]),
            digest(&[("a", Field::Int(0))]),
            digest(&[("a", Field::Real(0.0))]),
            digest(&[("a", Field::Text("b")), ("c", Field::Text(""))]),
            digest(&[("a", Field::Text("")), ("c", Field::Text("b"))]),
            digest(&[("ab", Field::Text(""))]),
            row_digest(Source::User, [("a", Field::Null)]),
        ];
        for (n, one) in all.iter().enumerate() {
            assert!(all[n + 1..].iter().all(|other| other != one), "{n}");
        }
    }

    #[test]
    fn a_key_is_one_line_of_limited_length() {
        assert_eq!(one_line("a\nb"), "a\u{fffd}b");
        assert_eq!(one_line(&"城".repeat(400)).len(), 1_023);
    }
}
