//! Personal data out of free text before anybody publishes it: telephone numbers, identity numbers,
//! plates, e-mail addresses, bank cards, account names, names and flats. Marks such as 〔电话〕 stay.
//!
//! Not a proof: a name without a word that announces it is not found, nor what a text says of a
//! person in other words. Where a number could be either, it is taken for personal. Always holds:
//! scrubbing twice is scrubbing once, and what is left has nothing more that these rules find.

mod numbers;
mod words;

use super::letter::plain;

/// What was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PersonalKind {
    /// Mobile and landline numbers.
    Phone,
    /// Identity numbers of 18 and of 15 digits.
    IdNumber,
    /// Number plates, those of new-energy cars included.
    Plate,
    /// E-mail addresses.
    Email,
    /// Bank cards.
    BankCard,
    /// WeChat and QQ names and numbers.
    Account,
    /// Names after a word that announces them.
    Name,
    /// Units and flats of a building; the building stays.
    Flat,
}

impl PersonalKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Phone,
        Self::IdNumber,
        Self::Plate,
        Self::Email,
        Self::BankCard,
        Self::Account,
        Self::Name,
        Self::Flat,
    ];

    /// What stands in its place.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Phone => "〔电话〕",
            Self::IdNumber => "〔证件号〕",
            Self::Plate => "〔车牌〕",
            Self::Email => "〔邮箱〕",
            Self::BankCard => "〔银行卡〕",
            Self::Account => "〔账号〕",
            Self::Name => "〔姓名〕",
            Self::Flat => "〔门牌〕",
        }
    }
}

/// A text that may be published, and how much was taken out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrubbed {
    /// The text with marks.
    pub text: String,
    counts: [u32; PersonalKind::ALL.len()],
}

impl Scrubbed {
    /// How many of a kind were taken out.
    pub fn count(&self, kind: PersonalKind) -> u32 {
        self.counts[kind as usize]
    }

    /// How many were taken out in all.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }
}

/// Takes personal data out of `text`.
pub fn scrub(text: &str) -> Scrubbed {
    let mut scrubbed = Scrubbed { text: text.to_owned(), counts: [0; PersonalKind::ALL.len()] };
    // What is left may only now look personal; each round takes letters away, so it ends.
    loop {
        let found = find(&Letters::new(&scrubbed.text));
        if found.is_empty() {
            return scrubbed;
        }
        let mut text = String::with_capacity(scrubbed.text.len());
        let mut from = 0;
        for part in &found {
            text.push_str(&scrubbed.text[from..part.start]);
            text.push_str(part.kind.mark());
            scrubbed.counts[part.kind as usize] += 1;
            from = part.end;
        }
        text.push_str(&scrubbed.text[from..]);
        scrubbed.text = text;
    }
}

/// A part of a text, in bytes.
struct Part {
    kind: PersonalKind,
    start: usize,
    end: usize,
}

/// All parts, in order, none overlapping another.
fn find(letters: &Letters) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let Some((kind, from, to)) = find_at(letters, at) else {
            at += 1;
            continue;
        };
        parts.push(Part { kind, start: letters.byte(from), end: letters.byte(to) });
        at = to;
    }
    parts
}

/// What begins at a letter, or is announced there; from and to are letters.
fn find_at(letters: &Letters, at: usize) -> Option<(PersonalKind, usize, usize)> {
    type Finder = fn(&Letters, usize) -> Option<(usize, usize)>;
    const FINDERS: [(PersonalKind, Finder); 13] = [
        (PersonalKind::Email, words::email),
        (PersonalKind::IdNumber, numbers::announced_id),
        (PersonalKind::BankCard, numbers::announced_card),
        (PersonalKind::Phone, numbers::announced_phone),
        (PersonalKind::IdNumber, numbers::id_number),
        (PersonalKind::BankCard, numbers::bank_card),
        (PersonalKind::Phone, numbers::mobile),
        (PersonalKind::Phone, numbers::landline),
        (PersonalKind::Plate, words::plate),
        (PersonalKind::Account, words::account),
        (PersonalKind::Name, words::name),
        (PersonalKind::Name, words::english_name),
        (PersonalKind::Flat, words::flat),
    ];
    FINDERS.iter().find_map(|(kind, finder)| {
        let (from, to) = finder(letters, at)?;
        Some((*kind, from, to))
    })
}

/// A text letter by letter, in plain shape, with the byte where each begins.
struct Letters {
    plain: Vec<char>,
    bytes: Vec<usize>,
    /// Which were capitals; names in English are told by them.
    capital: Vec<bool>,
}

impl Letters {
    fn new(text: &str) -> Self {
        let mut letters = Self { plain: Vec::new(), bytes: Vec::new(), capital: Vec::new() };
        for (byte, letter) in text.char_indices() {
            letters.plain.push(plain(letter));
            letters.bytes.push(byte);
            letters.capital.push(letter.is_uppercase());
        }
        letters.bytes.push(text.len());
        letters
    }

    fn len(&self) -> usize {
        self.plain.len()
    }

    fn byte(&self, at: usize) -> usize {
        self.bytes[at]
    }

    /// The letter, or a zero outside the text.
    fn at(&self, at: usize) -> char {
        self.plain.get(at).copied().unwrap_or('\0')
    }

    /// The letter before, or a zero at the beginning.
    fn before(&self, at: usize) -> char {
        at.checked_sub(1).map_or('\0', |before| self.at(before))
    }

    fn is_digit(&self, at: usize) -> bool {
        self.at(at).is_ascii_digit()
    }

    fn is_capital(&self, at: usize) -> bool {
        self.capital.get(at).copied().unwrap_or(false)
    }

    /// The end of a word that begins here.
    fn word(&self, at: usize, word: &str) -> Option<usize> {
        let mut end = at;
        for letter in word.chars() {
            if self.at(end) != letter {
                return None;
            }
            end += 1;
        }
        Some(end)
    }

    /// The end of the first of these words that begins here.
    fn any_word(&self, at: usize, words: &[&str]) -> Option<usize> {
        words.iter().find_map(|word| self.word(at, word))
    }

    /// The first letter from here on that is none of these, at most `max` further.
    fn skip(&self, at: usize, max: usize, skipped: &str) -> usize {
        let is_skipped = |at: &usize| self.at(*at) != '\0' && skipped.contains(self.at(*at));
        at + (at..at + max).take_while(is_skipped).count()
    }

    /// How many such letters begin here.
    fn run(&self, at: usize, is_such: impl Fn(char) -> bool) -> usize {
        self.plain.iter().skip(at).take_while(|letter| is_such(**letter)).count()
    }

    /// How many ASCII digits begin here.
    fn digits(&self, at: usize) -> usize {
        self.run(at, |letter| letter.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests;
