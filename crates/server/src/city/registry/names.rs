//! The names of all devices, one behind the other: a byte for the length of each, and for every sixteen
//! where they begin. A name is at most 255 bytes long.

/// Names that share one beginning.
const BLOCK: usize = 16;

/// Names by number.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: String,
    lengths: Vec<u8>,
    /// Where each block begins.
    blocks: Vec<u32>,
}

impl Names {
    /// Adds the next name.
    ///
    /// # Panics
    /// When it is too long, or all together are.
    pub(super) fn push(&mut self, name: &str) {
        if self.lengths.len().is_multiple_of(BLOCK) {
            let begin = u32::try_from(self.bytes.len()).expect("names of all devices fit 4 GiB");
            self.blocks.push(begin);
        }
        self.lengths.push(u8::try_from(name.len()).expect("ids are short"));
        self.bytes.push_str(name);
    }

    /// The name with that number.
    ///
    /// # Panics
    /// When there are not so many.
    pub(super) fn get(&self, number: u32) -> &str {
        let at = number as usize;
        let block = at / BLOCK;
        let before = &self.lengths[block * BLOCK..at];
        let before: usize = before.iter().map(|&length| usize::from(length)).sum();
        let begin = self.blocks[block] as usize + before;
        &self.bytes[begin..begin + usize::from(self.lengths[at])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_lengths_are_found_by_their_numbers() {
        let mut names = Names::default();
        let name = |number: usize| "井".repeat(number % 86);
        (0..1_000).for_each(|number| names.push(&name(number)));
        for number in 0..1_000 {
            assert_eq!(names.get(u32::try_from(number).unwrap()), name(number));
        }
    }
}
