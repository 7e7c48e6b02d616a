//! A map that also finds its entries by a mark they bear, so that nobody walks over all of them at
//! every tick. It is read as the map that it is; written only here, where the marks follow. Stored
//! is the map alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::shared_map::SharedMap;
use crate::warning::Key;

/// What an entry is found by: two marks at most, each in its place and of a kind of its own.
pub(super) trait Marked {
    type Mark: Ord + Copy + Debug;

    fn marks(&self) -> [Option<Self::Mark>; 2];
}

type Marks<V> = [Option<<V as Marked>::Mark>; 2];

/// See the head of this file.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "SharedMap<Key, V>", bound(deserialize = "V: Deserialize<'de>"))]
pub(super) struct Indexed<V: Marked> {
    map: SharedMap<Key, V>,
    marks: BTreeSet<(V::Mark, Key)>,
}

impl<V: Marked + Clone> Indexed<V> {
    pub(super) fn insert(&mut self, key: Key, value: V) {
        let marks = value.marks();
        let before = self.map.insert(key, value);
        self.mark_anew(key, before.map_or([None; 2], |before| before.marks()), marks);
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<V> {
        let gone = self.map.remove(&key)?;
        self.mark_anew(key, gone.marks(), [None; 2]);
        Some(gone)
    }

    /// The only way to write to an entry.
    pub(super) fn change<R>(&mut self, key: Key, work: impl FnOnce(&mut V) -> R) -> Option<R> {
        let value = self.map.get_mut(&key)?;
        let before = value.marks();
        let result = work(value);
        let now = value.marks();
        self.mark_anew(key, before, now);
        Some(result)
    }

    fn mark_anew(&mut self, key: Key, before: Marks<V>, now: Marks<V>) {
        for (before, now) in before.into_iter().zip(now) {
            if before != now {
                before.map(|mark| self.marks.remove(&(mark, key)));
                now.map(|mark| self.marks.insert((mark, key)));
            }
        }
    }

    /// Which bear a mark from `first` to `last`, in the order of the map.
    pub(super) fn marked(&self, first: V::Mark, last: V::Mark) -> Vec<Key> {
        let all = (first, Key::FIRST)..=(last, Key::LAST);
        let mut keys: Vec<Key> = self.marks.range(all).map(|(_, key)| *key).collect();
        keys.sort_unstable();
        keys
    }

    pub(super) fn last_mark(&self) -> Option<V::Mark> {
        self.marks.last().map(|(mark, _)| *mark)
    }

    /// Takes the entries out.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (Key, V)> + use<V> {
        std::mem::take(self).map.take()
    }
}

impl<V: Marked> Deref for Indexed<V> {
    type Target = BTreeMap<Key, Arc<V>>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

impl<V: Marked> Default for Indexed<V> {
    fn default() -> Self {
        Self { map: SharedMap::default(), marks: BTreeSet::new() }
    }
}

impl<V: Marked> From<SharedMap<Key, V>> for Indexed<V> {
    fn from(map: SharedMap<Key, V>) -> Self {
        let of = |(&key, value): (&Key, &Arc<V>)| value.marks().map(|mark| Some((mark?, key)));
        let marks = map.iter().flat_map(of).flatten().collect();
        Self { map, marks }
    }
}

impl<V: Marked> FromIterator<(Key, V)> for Indexed<V> {
    fn from_iter<I: IntoIterator<Item = (Key, V)>>(all: I) -> Self {
        SharedMap::from_iter(all).into()
    }
}

impl<V: Marked + Serialize> Serialize for Indexed<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.map.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Two marks, of which the first may be none: as a warning that is not held back.
    impl Marked for (Option<u8>, u8) {
        type Mark = u8;

        fn marks(&self) -> [Option<u8>; 2] {
            [self.0, Some(100 + self.1)]
        }
    }

    fn marks() -> impl Strategy<Value = (Option<u8>, u8)> {
        (proptest::option::of(0u8..4), 0u8..4)
    }

    proptest! {
        #[test]
        fn it_finds_what_a_walk_over_all_finds(
            steps in vec((0u8..4, 0u32..6, marks()), 0..60),
            (first, last) in (0u8..110, 0u8..110).prop_map(|(a, b)| (a.min(b), a.max(b))),
        ) {
            let mut indexed = Indexed::<(Option<u8>, u8)>::default();
            for (step, cause, value) in steps {
                let key = Key { rule: 1, cause };
                match step {
                    0 => drop(indexed.remove(key)),
                    1 => drop(indexed.change(key, |it| *it = value)),
                    2 => indexed.insert(key, value),
                    _ => indexed = indexed.take().collect(),
                }
                let of = |key: &Key| indexed[key].marks().into_iter().flatten();
                let walked = indexed.keys().filter(|key| of(key).any(|m| (first..=last).contains(&m)));
                let walked: Vec<Key> = walked.copied().collect();
                let mut found = indexed.marked(first, last);
                // Who bears two of the marks is found twice.
                found.dedup();
                prop_assert_eq!(found, walked);
                prop_assert_eq!(indexed.last_mark(), indexed.keys().flat_map(of).max());
            }
        }
    }
}
