//! Large arrays that can be written out while they change. [`Pages::freeze`] marks the array as it is
//! now and costs next to nothing; from then on the first write to a page copies it aside, until
//! [`Pages::thaw`] has written it out. Not frozen, a write costs one branch that never goes the other
//! way, and a read nothing.
//!
//! Not here: what the bytes mean (`snapshot`), and maps or trees, which are small and written at once.

use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a page in memory: small enough to copy within a microsecond.
const PAGE_BYTES: usize = 8_192;
/// An array grows by this share of itself, so that little memory stands idle.
const GROWTH: usize = 16;

/// Something of a fixed number of bytes, little-endian.
pub(crate) trait Plain: Copy + Default {
    /// Bytes of one item when written.
    const BYTES: usize;

    /// Writes it.
    fn put(self, out: &mut Vec<u8>);

    /// Reads it from exactly [`Plain::BYTES`] bytes.
    fn take(bytes: &[u8]) -> Self;
}

impl Plain for u64 {
    const BYTES: usize = 8;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }
}

impl Plain for u32 {
    const BYTES: usize = 4;

    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(bytes: &[u8]) -> Self {
        Self::from_le_bytes(bytes.try_into().expect("four bytes"))
    }
}

/// An array in pages.
#[derive(Debug, Clone)]
pub(crate) struct Pages<T> {
    items: Vec<T>,
    frozen: Option<Box<Frozen<T>>>,
}

/// The array as it was when it was frozen, as far as it is not written out yet.
#[derive(Debug, Clone)]
struct Frozen<T> {
    len: usize,
    /// Next page to write out.
    next: usize,
    /// A bit for each page that is neither written out nor copied aside.
    in_place: Vec<u64>,
    aside: BTreeMap<usize, Box<[T]>>,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Self { items: Vec::new(), frozen: None }
    }
}

impl<T> FromIterator<T> for Pages<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: items.into_iter().collect(), frozen: None }
    }
}

impl<T: Plain> Pages<T> {
    /// Items of a page: a power of two.
    const PAGE: usize = {
        let fits = PAGE_BYTES / size_of::<T>();
        if fits == 0 { 1 } else { 1 << fits.ilog2() }
    };

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    #[inline]
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items
    }

    /// The item to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        if self.frozen.is_some() {
            self.keep(index..index + 1);
        }
        &mut self.items[index]
    }

    /// A few items to be changed.
    #[inline]
    pub(crate) fn slice_mut(&mut self, range: Range<usize>) -> &mut [T] {
        if self.frozen.is_some() {
            self.keep(range.clone());
        }
        &mut self.items[range]
    }

    pub(crate) fn push(&mut self, item: T) {
        if self.items.len() == self.items.capacity() {
            let more = (self.items.len() / GROWTH).max(Self::PAGE);
            self.items.reserve_exact(more);
        }
        self.items.push(item);
    }

    /// Makes it at least that long. What is added is the default item.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.items.is_empty() {
            // Zeroed by the system, page by page when first used.
            self.items = vec![T::default(); len];
        } else if len > self.items.len() {
            let more = len - self.items.len();
            if len > self.items.capacity() {
                self.items.reserve_exact(more.max(self.items.len() / GROWTH));
            }
            self.items.resize(len, T::default());
        }
    }

    /// Marks the array as it is now. What an earlier freeze has not written out is forgotten.
    pub(crate) fn freeze(&mut self) {
        let pages = self.items.len().div_ceil(Self::PAGE);
        self.frozen = Some(Box::new(Frozen {
            len: self.items.len(),
            next: 0,
            in_place: vec![u64::MAX; pages.div_ceil(64)],
            aside: BTreeMap::new(),
        }));
    }

    /// True from a freeze until all of it is written out.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// Appends the next pages of the frozen array to `out`, until it is `full` bytes long; true while
    /// there is more.
    pub(crate) fn thaw(&mut self, out: &mut Vec<u8>, full: usize) -> bool {
        let Some(frozen) = &mut self.frozen else { return false };
        while frozen.next * Self::PAGE < frozen.len {
            if out.len() >= full {
                return true;
            }
            let page = frozen.next;
            let range = page * Self::PAGE..((page + 1) * Self::PAGE).min(frozen.len);
            out.reserve(range.len() * T::BYTES);
            match frozen.aside.remove(&page) {
                Some(items) => items.iter().for_each(|item| item.put(out)),
                None => self.items[range].iter().for_each(|item| item.put(out)),
            }
            frozen.in_place[page / 64] &= !(1 << (page % 64));
            frozen.next += 1;
        }
        self.frozen = None;
        false
    }

    /// Reads `len` items from the front of `bytes`; `None` when there are fewer.
    pub(crate) fn take(bytes: &mut &[u8], len: usize) -> Option<Self> {
        let size = len.checked_mul(T::BYTES)?;
        let (own, rest) = bytes.split_at_checked(size)?;
        *bytes = rest;
        Some(own.chunks_exact(T::BYTES).map(T::take).collect())
    }

    /// Copies the pages of a range aside, unless that is done or they are written out.
    #[cold]
    fn keep(&mut self, range: Range<usize>) {
        let Some(frozen) = &mut self.frozen else { return };
        let last = range.end.min(frozen.len);
        for page in range.start / Self::PAGE..last.div_ceil(Self::PAGE) {
            let bit = 1 << (page % 64);
            if frozen.in_place[page / 64] & bit != 0 {
                frozen.in_place[page / 64] &= !bit;
                let items = page * Self::PAGE..((page + 1) * Self::PAGE).min(frozen.len);
                frozen.aside.insert(page, self.items[items].into());
            }
        }
    }
}

impl<T: Plain> std::ops::Index<usize> for Pages<T> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        &self.items[index]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Pages;

    proptest! {
        #[test]
        fn a_frozen_array_is_written_out_as_it_was_whatever_happens_meanwhile(
            len in 0_usize..6_000,
            writes in prop::collection::vec((0_usize..7_000, 0_usize..40, any::<u64>()), 0..60),
            budget in 1_usize..30_000,
        ) {
            let mut pages = Pages::default();
            (0..len as u64).for_each(|item| pages.push(item * 7));
            let before = pages.as_slice().to_vec();
            pages.freeze();
            let (mut bytes, mut more) = (Vec::new(), true);
            for (at, width, value) in writes {
                if at < pages.len() {
                    *pages.get_mut(at) = value;
                    let end = (at + width).min(pages.len());
                    pages.slice_mut(at..end).fill(value);
                } else {
                    pages.push(value);
                }
                if value % 3 == 0 {
                    let full = bytes.len() + budget;
                    more = pages.thaw(&mut bytes, full);
                }
            }
            while more {
                let full = bytes.len() + budget;
                more = pages.thaw(&mut bytes, full);
            }
            prop_assert!(!pages.is_frozen());
            let read = Pages::<u64>::take(&mut bytes.as_slice(), len).unwrap();
            prop_assert_eq!(read.as_slice(), before.as_slice());
            prop_assert!(Pages::<u64>::take(&mut bytes.as_slice(), len + 1).is_none());
        }
    }
}
