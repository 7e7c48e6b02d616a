//! Formulas 评价公式 of the evaluation of cases: their words, names, and what is divided by what.
//!
//! Not here: the counting (`engine::rating`) and the weights (a pack's `ratings.toml`).

use serde::{Deserialize, Serialize};

use crate::Text;

/// A rate over cases. "Due" in a period: the deadline falls in it, or the step was done in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formula {
    /// 处置率.
    Disposed,
    /// 按期处置率.
    DisposedOnTime,
    /// 超期处置率.
    DisposedLate,
    /// 超期未处置率.
    OpenOverdue,
    /// 积压率: with the open overdue cases of earlier periods. Ours.
    Backlog,
    /// 延期率.
    Delayed,
    /// 结案率.
    Closed,
    /// 按期结案率.
    ClosedOnTime,
    /// 返工率.
    Reworked,
    /// 准确派遣率.
    DispatchedRight,
    /// 按期派遣率.
    DispatchedOnTime,
    /// 按时立案率.
    FiledOnTime,
    /// 准确立案率.
    FiledRight,
    /// 有效上报率.
    ReportedValid,
    /// 按期核实率.
    VerifiedOnTime,
    /// 按期核查率.
    CheckedOnTime,
    /// 满意率.
    Satisfied,
    /// 漏报率.
    Missed,
}

/// How many formulas there are.
pub const FORMULAS: usize = Formula::ALL.len();

impl Formula {
    /// All formulas, in the order shown.
    pub const ALL: [Self; 18] = [
        Self::Disposed,
        Self::DisposedOnTime,
        Self::DisposedLate,
        Self::OpenOverdue,
        Self::Backlog,
        Self::Delayed,
        Self::Closed,
        Self::ClosedOnTime,
        Self::Reworked,
        Self::DispatchedRight,
        Self::DispatchedOnTime,
        Self::FiledOnTime,
        Self::FiledRight,
        Self::ReportedValid,
        Self::VerifiedOnTime,
        Self::CheckedOnTime,
        Self::Satisfied,
        Self::Missed,
    ];

    /// The words of all, as a pack writes them.
    pub const WORDS: [&'static str; FORMULAS] = {
        let mut words = [""; FORMULAS];
        let mut index = 0;
        while index < FORMULAS {
            words[index] = Self::ALL[index].word();
            index += 1;
        }
        words
    };

    /// Its place in [`Self::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its word: `disposed_on_time`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disposed => "disposed",
            Self::DisposedOnTime => "disposed_on_time",
            Self::DisposedLate => "disposed_late",
            Self::OpenOverdue => "open_overdue",
            Self::Backlog => "backlog",
            Self::Delayed => "delayed",
            Self::Closed => "closed",
            Self::ClosedOnTime => "closed_on_time",
            Self::Reworked => "reworked",
            Self::DispatchedRight => "dispatched_right",
            Self::DispatchedOnTime => "dispatched_on_time",
            Self::FiledOnTime => "filed_on_time",
            Self::FiledRight => "filed_right",
            Self::ReportedValid => "reported_valid",
            Self::VerifiedOnTime => "verified_on_time",
            Self::CheckedOnTime => "checked_on_time",
            Self::Satisfied => "satisfied",
            Self::Missed => "missed",
        }
    }

    /// From its word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.word() == word)
    }

    /// Its name as shown to people.
    pub fn name(self) -> Text {
        match self {
            Self::Disposed => Text::new("处置率", "Handled"),
            Self::DisposedOnTime => Text::new("按期处置率", "Handled on time"),
            Self::DisposedLate => Text::new("超期处置率", "Handled late"),
            Self::OpenOverdue => Text::new("超期未处置率", "Overdue and not handled"),
            Self::Backlog => Text::new("积压率", "Backlog"),
            Self::Delayed => Text::new("延期率", "Extended"),
            Self::Closed => Text::new("结案率", "Closed"),
            Self::ClosedOnTime => Text::new("按期结案率", "Closed on time"),
            Self::Reworked => Text::new("返工率", "Reworked"),
            Self::DispatchedRight => Text::new("准确派遣率", "Dispatched rightly"),
            Self::DispatchedOnTime => Text::new("按期派遣率", "Dispatched on time"),
            Self::FiledOnTime => Text::new("按时立案率", "Filed on time"),
            Self::FiledRight => Text::new("准确立案率", "Filed rightly"),
            Self::ReportedValid => Text::new("有效上报率", "Valid reports"),
            Self::VerifiedOnTime => Text::new("按期核实率", "Verified on time"),
            Self::CheckedOnTime => Text::new("按期核查率", "Checked on time"),
            Self::Satisfied => Text::new("满意率", "Satisfied"),
            Self::Missed => Text::new("漏报率", "Missed"),
        }
    }

    /// What is counted, of what.
    pub fn meaning(self) -> Text {
        let (zh, en) = match self {
            Self::Disposed => ("处置数／应处置数", "handled of due to be handled"),
            Self::DisposedOnTime => {
                ("按期处置数／应处置数", "handled within the limit of due to be handled")
            }
            Self::DisposedLate => {
                ("超期处置数／应处置数", "handled after the limit of due to be handled")
            }
            Self::OpenOverdue => {
                ("期末超期未处置数／应处置数", "overdue and open at the end of due to be handled")
            }
            Self::Backlog => (
                "期末全部超期未处置数（含往期）／（应处置数＋往期超期未处置数）",
                "all overdue and open at the end, earlier periods' too, of due to be handled and those",
            ),
            Self::Delayed => {
                ("获准延期数／应处置数", "extended at least once of due to be handled")
            }
            Self::Closed => ("结案数／应结案数", "closed of due to be closed"),
            Self::ClosedOnTime => {
                ("按期结案数／应结案数", "closed within the whole limit of due to be closed")
            }
            Self::Reworked => {
                ("返工案件数／应结案数", "failed the check at least once of due to be closed")
            }
            Self::DispatchedRight => (
                "派遣后未被回退数／应派遣数",
                "dispatched and not given back of due to be dispatched",
            ),
            Self::DispatchedOnTime => {
                ("按期派遣数／应派遣数", "dispatched within the limit of due to be dispatched")
            }
            Self::FiledOnTime => ("按时立案数／立案数", "filed within the limit of filed"),
            Self::FiledRight => ("未被认定误立案数／立案数", "not found wrongly filed of filed"),
            Self::ReportedValid => (
                "有效上报数／已有结论的上报数",
                "valid reports of the period's reports that were decided by its end",
            ),
            Self::VerifiedOnTime => {
                ("按期核实数／应核实数", "verified within the limit of due to be verified")
            }
            Self::CheckedOnTime => {
                ("按期核查数／应核查数", "checked within the limit of due to be checked")
            }
            Self::Satisfied => (
                "（非常满意＋满意）／回访评价数",
                "satisfied or very satisfied of all who answered",
            ),
            Self::Missed => (
                "漏报数／（漏报数＋采集员有效上报数）",
                "valid reports by others that a collector should have made, of these and the collectors'",
            ),
        };
        Text::new(zh, en)
    }

    /// True when a higher rate is better.
    pub const fn higher_is_better(self) -> bool {
        !matches!(
            self,
            Self::DisposedLate
                | Self::OpenOverdue
                | Self::Backlog
                | Self::Delayed
                | Self::Reworked
                | Self::Missed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_places_are_those_of_the_list() {
        for (index, formula) in Formula::ALL.into_iter().enumerate() {
            assert_eq!(formula.index(), index);
            assert_eq!(Formula::from_word(formula.word()), Some(formula));
            assert_eq!(serde_json::to_value(formula).unwrap(), Formula::WORDS[index]);
        }
    }
}
