//! Numbers that are a person's: telephones, identity numbers, bank cards. Not numbers of assets,
//! cases, amounts or dates; the tests list those.

use super::Letters;

/// What may stand between two digits of one number.
const GAPS: &str = " -‐‑–—_.·\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}";
/// What may stand between a word and what it announces.
const LINKS: &str = " :是为号码,=(";
/// Most digits of any number looked for.
const DIGITS_MAX: usize = 19;
/// How the eleven digits of a mobile number are grouped when somebody writes them with gaps.
const MOBILE_GROUPS: [&[usize]; 12] = [
    &[11],
    &[3, 4, 4],
    &[3, 3, 5],
    &[4, 3, 4],
    &[4, 4, 3],
    &[3, 8],
    &[7, 4],
    &[5, 6],
    &[6, 5],
    &[3, 5, 3],
    &[3, 2, 2, 2, 2],
    &[1; 11],
];

/// Digits read from a place on, with single gaps between them.
struct Number {
    digits: [u8; DIGITS_MAX],
    /// The letter after each digit.
    ends: [usize; DIGITS_MAX],
    len: usize,
}

impl Number {
    fn read(letters: &Letters, at: usize, digit: impl Fn(char) -> Option<u8>) -> Self {
        let mut number = Self { digits: [0; DIGITS_MAX], ends: [0; DIGITS_MAX], len: 0 };
        let mut next = at;
        while number.len < DIGITS_MAX {
            let Some(value) = digit(letters.at(next)) else { break };
            number.digits[number.len] = value;
            number.ends[number.len] = next + 1;
            number.len += 1;
            next = letters.skip(next + 1, 1, GAPS);
        }
        number
    }

    fn ascii(letters: &Letters, at: usize) -> Self {
        Self::read(letters, at, ascii)
    }

    /// Whether the first digits are grouped like this.
    fn is_grouped(&self, groups: &[usize]) -> bool {
        let total: usize = groups.iter().sum();
        if self.len < total {
            return false;
        }
        let mut breaks = groups.iter().scan(0, |sum, group| {
            *sum += group;
            Some(*sum)
        });
        let mut next_break = breaks.next();
        (1..total).all(|count| {
            let has_gap = self.ends[count] != self.ends[count - 1] + 1;
            let wanted = next_break == Some(count);
            if wanted {
                next_break = breaks.next();
            }
            has_gap == wanted
        })
    }

    fn value(&self, from: usize, to: usize) -> u32 {
        self.digits[from..to].iter().fold(0, |sum, &digit| sum * 10 + u32::from(digit))
    }
}

fn ascii(letter: char) -> Option<u8> {
    letter.to_digit(10).and_then(|digit| u8::try_from(digit).ok())
}

/// Digits as they are said.
fn said(letter: char) -> Option<u8> {
    let digits = ["零〇", "一幺壹", "二贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"];
    let digit = digits.iter().position(|shapes| shapes.contains(letter))?;
    u8::try_from(digit).ok()
}

/// A mobile number, perhaps with the country before it.
pub(super) fn mobile(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if let Some(end) = spoken_mobile(letters, at) {
        return Some((at, end));
    }
    if letters.is_digit(at.wrapping_sub(1)) {
        return None;
    }
    ["+86", "(+86)", "(86)", "0086", "86", "0", ""].iter().find_map(|prefix| {
        let after = letters.word(at, prefix)?;
        let gaps = if prefix.is_empty() { 0 } else { 2 };
        Some((at, eleven(letters, letters.skip(after, gaps, GAPS))?))
    })
}

fn eleven(letters: &Letters, at: usize) -> Option<usize> {
    let number = Number::ascii(letters, at);
    let is_mobile = number.len >= 11 && number.digits[0] == 1 && number.digits[1] >= 3;
    let end = number.ends[10];
    let is_grouped = MOBILE_GROUPS.iter().any(|groups| number.is_grouped(groups));
    (is_mobile && is_grouped && !letters.is_digit(end)).then_some(end)
}

fn spoken_mobile(letters: &Letters, at: usize) -> Option<usize> {
    said(letters.at(at))?;
    let either = |letter| said(letter).or_else(|| ascii(letter));
    let number = Number::read(letters, at, either);
    let is_mobile = number.len >= 11 && number.digits[0] == 1 && number.digits[1] >= 3;
    let is_alone = either(letters.before(at)).is_none();
    let is_grouped = MOBILE_GROUPS.iter().any(|groups| number.is_grouped(groups));
    let end = number.ends[10];
    (is_mobile && is_alone && is_grouped && either(letters.at(end)).is_none()).then_some(end)
}

/// A landline with its area code, perhaps with an extension.
pub(super) fn landline(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if letters.is_digit(at.wrapping_sub(1)) {
        return None;
    }
    let mut next = letters.skip(at, 1, "(");
    let abroad = letters.any_word(next, &["+86", "0086"]);
    next = abroad.map_or(next, |end| letters.skip(end, 2, GAPS));
    if letters.at(next) == '0' {
        next += 1;
    } else if abroad.is_none() {
        return None;
    }
    let code_len = match (letters.at(next), letters.at(next + 1)) {
        ('1', '0') | ('2', '0'..='9') => 2,
        ('3'..='9', '0'..='9') if letters.is_digit(next + 2) => 3,
        _ => return None,
    };
    next = letters.skip(next + code_len, 2, ") -–—");
    let end = local_number(letters, next, if code_len == 2 { &[8] } else { &[8, 7] })?;
    Some((at, extension(letters, end)))
}

/// Seven or eight digits, perhaps with one gap after the third or fourth.
fn local_number(letters: &Letters, at: usize, lengths: &[usize]) -> Option<usize> {
    let number = Number::ascii(letters, at);
    if number.digits[0] < 2 {
        return None;
    }
    lengths.iter().find_map(|&length| {
        let groups: [&[usize]; 3] = [&[length], &[4, length - 4], &[3, length - 3]];
        let is_grouped = groups.iter().any(|groups| number.is_grouped(groups));
        let end = *number.ends.get(length - 1)?;
        (is_grouped && !letters.is_digit(end)).then_some(end)
    })
}

fn extension(letters: &Letters, end: usize) -> usize {
    let Some(next) = letters.any_word(end, &["转", "分机", "-", " 转"]) else { return end };
    let digits = letters.digits(next);
    if (1..=5).contains(&digits) { next + digits } else { end }
}

/// Seven or eight digits after a word for telephone.
pub(super) fn announced_phone(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let words = ["电话", "座机", "固话", "手机", "tel", "phone", "致电", "回电", "拨打"];
    let from = letters.skip(letters.any_word(at, &words)?, 4, LINKS);
    Some((from, local_number(letters, from, &[8, 7])?))
}

/// An identity number: 18 digits of which the last is a check, or 15 of the old kind.
pub(super) fn id_number(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if letters.is_digit(at.wrapping_sub(1)) {
        return None;
    }
    let number = Number::ascii(letters, at);
    let end = new_id(letters, &number).or_else(|| old_id(letters, &number))?;
    Some((at, end))
}

fn new_id(letters: &Letters, number: &Number) -> Option<usize> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if number.len < 17 || !is_province(number.value(0, 2)) {
        return None;
    }
    let year = number.value(6, 10);
    if !(1900..=2035).contains(&year) || !is_day(number.value(10, 12), number.value(12, 14)) {
        return None;
    }
    let last = letters.skip(number.ends[16], 1, GAPS);
    let check = match letters.at(last) {
        'x' => 10,
        letter => u32::from(ascii(letter)?),
    };
    let end = last + 1;
    if letters.is_digit(end) {
        return None;
    }
    let sum: u32 =
        number.digits.iter().zip(WEIGHTS).map(|(&digit, weight)| u32::from(digit) * weight).sum();
    // One wrong digit leaves the birthday readable. Numbers of cases hold younger days than this.
    let is_right = (12 - sum % 11) % 11 == check;
    let is_whole = end - number.ends[0] == 17;
    (is_right || (is_whole && year <= 2015)).then_some(end)
}

/// The old number has no check digit; codes of areas have 15 digits too. Whoever still has an old
/// number was born between 1930 and 1985, and no code of an area has such a year in its middle.
fn old_id(letters: &Letters, number: &Number) -> Option<usize> {
    let is_old = number.len >= 15
        && number.is_grouped(&[15])
        && is_province(number.value(0, 2))
        && (30..=85).contains(&number.value(6, 8))
        && is_day(number.value(8, 10), number.value(10, 12));
    let end = number.ends[14];
    (is_old && !letters.is_digit(end)).then_some(end)
}

/// What follows a word for identity card, right or not.
pub(super) fn announced_id(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let from = letters.any_word(at, &["身份证", "证件号"])?;
    let from = letters.skip(from, 5, LINKS);
    let number = Number::ascii(letters, from);
    if number.len < 15 {
        return None;
    }
    let end = number.ends[number.len.min(18) - 1];
    Some((from, if letters.at(end) == 'x' { end + 1 } else { end }))
}

/// A bank card: 15 to 19 digits with the right last one, and a beginning that banks have.
pub(super) fn bank_card(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    if letters.is_digit(at.wrapping_sub(1)) {
        return None;
    }
    let number = Number::ascii(letters, at);
    let is_bank = match number.value(0, 2) {
        34 | 37 => number.len >= 15,
        35 | 40..=49 | 51..=55 | 60..=69 | 90..=99 => number.len >= 16,
        22..=27 => number.len >= 16 && (2221..=2720).contains(&number.value(0, 4)),
        _ => false,
    };
    if !is_bank {
        return None;
    }
    (15..=number.len).rev().find_map(|length| {
        let fours = [4, 4, 4, length - 12];
        let five = [4, 4, 4, 4, length.saturating_sub(16)];
        let six = [6, length - 6];
        let is_grouped = number.is_grouped(&[length])
            || (length == 16 && number.is_grouped(&fours))
            || (length > 16 && number.is_grouped(&five))
            || number.is_grouped(&six);
        let end = number.ends[length - 1];
        let is_card = is_grouped
            && luhn(&number.digits[..length])
            && !(length == 16 && is_asset(&number))
            && !letters.is_digit(end);
        is_card.then_some((at, end))
    })
}

/// What follows a word for a card, right or not.
pub(super) fn announced_card(letters: &Letters, at: usize) -> Option<(usize, usize)> {
    let words = ["银行卡", "卡号", "储蓄卡", "信用卡", "银行账号", "银行帐号", "账户", "帐户"];
    let from = letters.skip(letters.any_word(at, &words)?, 5, LINKS);
    let number = Number::ascii(letters, from);
    (number.len >= 12).then(|| (from, number.ends[number.len - 1]))
}

/// The 16 digits of a component: district, major class, minor class, serial. UnionPay's 62 is also
/// the beginning of a province's codes; there a card is the likelier.
fn is_asset(number: &Number) -> bool {
    number.value(0, 2) != 62
        && is_province(number.value(0, 2))
        && matches!(number.value(6, 8), 1..=6 | 21..=29)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| match u32::from(digit) << (place % 2) {
            doubled @ 10.. => doubled - 9,
            value => value,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_province(code: u32) -> bool {
    matches!(code, 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
}

fn is_day(month: u32, day: u32) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}
