//! A limit 时限 as packs write it: an amount and the unit whose time it counts. When it has run out is
//! worked out by [`super::Calendar`], not here.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Text;

/// In which time a limit runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// 紧急分钟: runs day and night.
    UrgentMinute,
    /// 紧急工作时: runs day and night.
    UrgentHour,
    /// 工作分钟: runs in working time only.
    WorkMinute,
    /// 工作时: runs in working time only.
    WorkHour,
    /// 工作日: the agency's usual working day; runs in working time of the calendar's work days.
    WorkDay,
    /// 自然日, 紧急工作日: 24 hours, runs day and night.
    NaturalDay,
}

impl LimitUnit {
    /// All units.
    pub const ALL: [Self; 6] = [
        Self::UrgentMinute,
        Self::UrgentHour,
        Self::WorkMinute,
        Self::WorkHour,
        Self::WorkDay,
        Self::NaturalDay,
    ];

    /// Its word: `work_hour`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::UrgentMinute => "urgent_minute",
            Self::UrgentHour => "urgent_hour",
            Self::WorkMinute => "work_minute",
            Self::WorkHour => "work_hour",
            Self::WorkDay => "work_day",
            Self::NaturalDay => "natural_day",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|u| u.word() == word)
    }

    /// True when it stands still outside working time.
    pub const fn is_working(self) -> bool {
        matches!(self, Self::WorkMinute | Self::WorkHour | Self::WorkDay)
    }

    /// Its name after an amount.
    fn name(self) -> Text {
        match self {
            Self::UrgentMinute => Text::new("紧急分钟", "urgent minutes"),
            Self::UrgentHour => Text::new("紧急工作时", "urgent hours"),
            Self::WorkMinute => Text::new("工作分钟", "working minutes"),
            Self::WorkHour => Text::new("工作时", "working hours"),
            Self::WorkDay => Text::new("工作日", "working days"),
            Self::NaturalDay => Text::new("自然日", "days"),
        }
    }
}

/// How long something may take: `4 work_hour`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Limit {
    /// How many.
    pub amount: u32,
    /// Of what.
    pub unit: LimitUnit,
}

impl Limit {
    /// The largest amount a text may have.
    pub const AMOUNT_MAX: u32 = 9_999;

    /// A limit.
    pub const fn new(amount: u32, unit: LimitUnit) -> Self {
        Self { amount, unit }
    }

    /// Reads `4 work_hour`; the amount is at least 1 and at most [`Self::AMOUNT_MAX`].
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let (amount, unit) = (words.next()?, LimitUnit::from_word(words.next()?)?);
        if words.next().is_some() || !amount.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let amount = amount.parse().ok().filter(|n| (1..=Self::AMOUNT_MAX).contains(n))?;
        Some(Self { amount, unit })
    }

    /// As people read it: 4 工作时, 4 working hours.
    pub fn name(self) -> Text {
        let (amount, unit) = (self.amount, self.unit.name());
        let singular = if amount == 1 { unit.en.trim_end_matches('s') } else { &unit.en };
        Text::new(format!("{amount} {}", unit.zh), format!("{amount} {singular}"))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.amount, self.unit.word())
    }
}

impl TryFrom<String> for Limit {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a limit such as `4 work_hour`"))
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.to_string()
    }
}
