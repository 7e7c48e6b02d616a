//! One internal scale of severity. "Level 1" means opposite things in different standards, so the
//! number is never shown alone: a pack maps it to the words of its own standard.

use serde::{Deserialize, Serialize};

/// 1 minor (blue 蓝), 2 moderate (yellow 黄), 3 severe (orange 橙), 4 extreme (red 红).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Severity(u8);

impl Severity {
    /// Mildest, blue 蓝.
    pub const MINOR: Self = Self(1);
    /// Yellow 黄.
    pub const MODERATE: Self = Self(2);
    /// Orange 橙.
    pub const SEVERE: Self = Self(3);
    /// Worst, red 红.
    pub const EXTREME: Self = Self(4);
    /// All four, mildest first.
    pub const ALL: [Self; 4] = [Self(1), Self(2), Self(3), Self(4)];

    /// The severity with that number, if it is 1 to 4.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= 4 { Some(Self(number)) } else { None }
    }

    /// 1 to 4.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The colour word used in packs and scenarios: blue, yellow, orange, red.
    pub const fn color(self) -> &'static str {
        match self.0 {
            1 => "blue",
            2 => "yellow",
            3 => "orange",
            _ => "red",
        }
    }

    /// From a colour word.
    pub fn from_color(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.color() == word)
    }
}

impl TryFrom<u8> for Severity {
    type Error = String;
    fn try_from(number: u8) -> Result<Self, String> {
        Self::new(number).ok_or_else(|| format!("severity {number} is not 1 to 4"))
    }
}

impl From<Severity> for u8 {
    fn from(severity: Severity) -> u8 {
        severity.0
    }
}
