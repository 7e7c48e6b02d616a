//! What many devices have in common: period, agency, whether they are simulated. Each set of these is
//! kept once, and two bytes of every device say which it is.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::HASH;

/// Instead of a number: there were too many sets, and this device's stands apart.
const APART: u16 = u16::MAX;

/// One set of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    pub(super) period_ms: u32,
    /// Index of the agency in the upper bits, below it whether it is simulated.
    pub(super) agency: u32,
}

/// Those of all devices, by number.
#[derive(Debug)]
pub(super) struct AllTerms {
    numbers: Vec<u16>,
    sets: Vec<Terms>,
    number_of: HashMap<Terms, u16, FixedState>,
    apart: HashMap<u32, Terms, FixedState>,
}

impl Default for AllTerms {
    fn default() -> Self {
        Self {
            numbers: Vec::new(),
            sets: Vec::new(),
            number_of: HashMap::with_hasher(HASH),
            apart: HashMap::with_hasher(HASH),
        }
    }
}

impl AllTerms {
    /// Those of the next device.
    pub(super) fn push(&mut self, terms: Terms) {
        let device = self.numbers.len();
        self.numbers.push(APART);
        self.set(u32::try_from(device).expect("fewer than 2^32 devices"), terms);
    }

    /// Other ones of a known device.
    pub(super) fn set(&mut self, device: u32, terms: Terms) {
        let number = self.number(terms);
        self.numbers[device as usize] = number;
        if number == APART {
            self.apart.insert(device, terms);
        } else {
            self.apart.remove(&device);
        }
    }

    pub(super) fn get(&self, device: u32) -> Terms {
        match self.numbers[device as usize] {
            APART => self.apart[&device],
            number => self.sets[usize::from(number)],
        }
    }

    fn number(&mut self, terms: Terms) -> u16 {
        if let Some(&number) = self.number_of.get(&terms) {
            return number;
        }
        let number = u16::try_from(self.sets.len()).unwrap_or(APART);
        if number != APART {
            self.sets.push(terms);
            self.number_of.insert(terms, number);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sets_than_numbers_are_all_kept() {
        let mut all = AllTerms::default();
        let terms = |period_ms| Terms { period_ms, agency: 3 };
        (0..70_000).for_each(|device| all.push(terms(device)));
        all.set(69_999, terms(1));
        all.set(0, terms(69_998));
        all.set(2, terms(123_456));
        for device in 3..69_999 {
            assert_eq!(all.get(device), terms(device));
        }
        assert_eq!((all.get(0), all.get(2)), (terms(69_998), terms(123_456)));
        assert_eq!(all.get(69_999), terms(1));
        assert!(!all.apart.contains_key(&69_999));
    }
}
