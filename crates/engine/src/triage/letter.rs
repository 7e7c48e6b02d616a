//! Letters in one shape: full width becomes half width, capitals small. Nothing else of Unicode's
//! normal forms: what citizens type differs in width and case, hardly in anything else.

/// The letter in its plain shape; a full-width space is a space.
pub(super) fn plain(letter: char) -> char {
    match letter {
        'A'..='Z' => letter.to_ascii_lowercase(),
        '\u{3000}' | '\u{a0}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => {
            let ascii = u8::try_from(u32::from(letter) - 0xfee0).map_or(letter, char::from);
            ascii.to_ascii_lowercase()
        }
        // Digits drawn as mathematics, which some phones type.
        '\u{1d7ce}'..='\u{1d7ff}' => {
            char::from_digit((u32::from(letter) - 0x1d7ce) % 10, 10).unwrap_or(letter)
        }
        '\u{80}'..='\u{24f}' | '\u{370}'..='\u{52f}' => {
            letter.to_lowercase().next().unwrap_or(letter)
        }
        _ => letter,
    }
}

/// Whether it is a Chinese character.
pub(super) fn is_han(letter: char) -> bool {
    matches!(letter, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '〇')
}

/// Whether it is a letter of a script that puts spaces between words.
pub(super) fn is_latin(letter: char) -> bool {
    letter.is_ascii_alphabetic() || matches!(letter, '\u{c0}'..='\u{24f}' | '\u{370}'..='\u{52f}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn width_and_case_are_folded_and_the_rest_is_left_alone() {
        let folded: String = "Ａ１ｂ　Ｃ，渝É①𝟏".chars().map(plain).collect();
        assert_eq!(folded, "a1b c,渝é①1");
    }
}
