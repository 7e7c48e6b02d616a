//! What the words of a report are about, in six bytes: the two classes they most likely mean. Two
//! troubles at one place, told by the same number of a house, differ in nothing else.
//!
//! Not the class of the case: that is what somebody chose from a list, and one in ten chooses wrongly.
//! Always holds: of reports whose words were never asked about nothing is said.

use crate::triage::route::Likely;

/// Times a class is likelier because somebody chose it: as right as nine in ten are.
const CHOSEN: f32 = 10.0;
/// What the class that was chosen has at least, before that.
const CHOSEN_MIN: f32 = 0.01;
/// Shares are kept as so many parts.
const PARTS: f32 = 255.0;

/// Two classes and how likely each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meaning {
    classes: [u16; 2],
    parts: [u8; 2],
}

impl Meaning {
    /// From what a classifier says of the words, its labels being numbers of classes, and the class that
    /// was chosen. Unknown where the classifier says nothing.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 255")]
    pub fn new(likely: impl IntoIterator<Item = Likely>, chosen: u16) -> Self {
        let mut best: Vec<Likely> = likely.into_iter().filter(|l| l.probability > 0.0).collect();
        if best.is_empty() {
            return Self::default();
        }
        if best.iter().all(|likely| likely.label != chosen) {
            best.push(Likely { label: chosen, probability: CHOSEN_MIN });
        }
        for likely in best.iter_mut().filter(|likely| likely.label == chosen) {
            likely.probability *= CHOSEN;
        }
        let all: f32 = best.iter().map(|likely| likely.probability).sum();
        best.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.label.cmp(&b.label)));
        let mut meaning = Self::default();
        for (place, likely) in best.iter().take(2).enumerate() {
            meaning.classes[place] = likely.label;
            meaning.parts[place] = (likely.probability / all * PARTS) as u8;
        }
        meaning
    }

    /// How likely both are about the same class; `None` where one is not known.
    pub fn agreement(self, other: Self) -> Option<f32> {
        if self.parts[0] == 0 || other.parts[0] == 0 {
            return None;
        }
        let mut both = 0.0;
        for (class, part) in self.classes.into_iter().zip(self.parts) {
            for (other, other_part) in other.classes.into_iter().zip(other.parts) {
                if class == other {
                    both += f32::from(part) / PARTS * (f32::from(other_part) / PARTS);
                }
            }
        }
        Some(both.min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Likely, Meaning};

    fn meaning(likely: &[(u16, f32)], chosen: u16) -> Meaning {
        let likely = likely.iter().map(|&(label, probability)| Likely { label, probability });
        Meaning::new(likely, chosen)
    }

    #[test]
    fn words_about_the_same_agree_and_words_about_something_else_do_not() {
        let (lamp, hole) = (meaning(&[(1, 0.95), (2, 0.05)], 1), meaning(&[(2, 0.97)], 2));
        assert!(lamp.agreement(lamp).unwrap() > 0.95);
        assert!(lamp.agreement(hole).unwrap() < 0.05);
    }

    #[test]
    fn clear_words_stand_above_a_wrong_choice_and_a_choice_above_unclear_words() {
        let lamp = meaning(&[(1, 0.99)], 1);
        let wrong = meaning(&[(1, 0.98), (2, 0.01)], 2);
        assert!(lamp.agreement(wrong).unwrap() > 0.8);
        let unclear = meaning(&[(3, 0.4), (1, 0.3)], 1);
        assert!(lamp.agreement(unclear).unwrap() > 0.8);
    }

    #[test]
    fn of_words_that_nobody_asked_about_nothing_is_said() {
        let lamp = meaning(&[(1, 0.9)], 1);
        assert_eq!(lamp.agreement(Meaning::default()), None);
        assert_eq!(meaning(&[], 4), Meaning::default());
    }
}
