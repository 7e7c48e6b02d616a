//! Which of many numbers have a place in an array, and which: a bit for each, and for every 64 how
//! many stand before them. A look-up reads one cache line.

/// Sixty-four numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    taken: u64,
    /// Places of all numbers before these.
    before: u32,
}

/// Numbers from 0 on, of which some have places, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    blocks: Vec<Block>,
    numbers: usize,
    taken: u32,
}

impl Places {
    /// The next number, with the next place or without one.
    pub(super) fn push(&mut self, taken: bool) {
        let bit = self.numbers % 64;
        if bit == 0 {
            self.blocks.push(Block { taken: 0, before: self.taken });
        }
        if let Some(block) = self.blocks.last_mut() {
            block.taken |= u64::from(taken) << bit;
        }
        self.numbers += 1;
        self.taken += u32::from(taken);
    }

    /// How many places there are.
    pub(super) fn taken(&self) -> usize {
        self.taken as usize
    }

    /// The place of a number, if it has one.
    #[inline]
    pub(super) fn find(&self, number: u32) -> Option<usize> {
        let block = self.blocks.get(number as usize / 64)?;
        let bit = 1_u64 << (number % 64);
        let below = (block.taken & (bit - 1)).count_ones();
        (block.taken & bit != 0).then_some((block.before + below) as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Places;

    proptest! {
        #[test]
        fn places_are_in_order_of_the_numbers_that_have_one(
            numbers in prop::collection::vec(any::<bool>(), 0..300),
        ) {
            let mut places = Places::default();
            for &taken in &numbers {
                places.push(taken);
            }
            let mut next = 0;
            for (number, &taken) in (0..).zip(&numbers) {
                prop_assert_eq!(places.find(number), taken.then_some(next));
                next += usize::from(taken);
            }
            prop_assert_eq!(places.taken(), next);
            prop_assert_eq!(places.find(u32::try_from(numbers.len()).unwrap()), None);
        }
    }
}
