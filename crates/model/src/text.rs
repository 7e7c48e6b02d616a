//! Bilingual text. Every word a person reads exists in Chinese and in English.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The same words in Chinese and in English.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// Text from its two halves.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }
}

/// Words for a cell of a table that a sheet may open: what a sheet would take for a formula begins with an
/// apostrophe, which it shows as text. All other words stay as they are.
pub fn for_a_sheet(words: &str) -> Cow<'_, str> {
    let is_formula = words.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { Cow::Owned(format!("'{words}")) } else { Cow::Borrowed(words) }
}

#[cfg(test)]
mod tests {
    use super::for_a_sheet;

    #[test]
    fn only_what_a_sheet_would_work_out_is_marked() {
        for formula in ["=1+1", "+86", "-cmd", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(for_a_sheet(formula), format!("'{formula}"));
        }
        for words in ["", "井盖=坏", "a-b", " =1"] {
            assert_eq!(for_a_sheet(words), words);
        }
    }
}
