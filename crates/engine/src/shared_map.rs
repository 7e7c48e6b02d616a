//! A map whose clone shares its entries: what a snapshot holds on to while the map goes on changing. A
//! clone costs some tens of nanoseconds an entry, whatever an entry is; the first change of an entry that
//! a clone still holds copies that entry.
//!
//! Not for what changes with every reading (`pages`). Stored is the map of its values.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// See the head of this file.
#[derive(Debug, Clone)]
pub(crate) struct SharedMap<K, V>(BTreeMap<K, Arc<V>>);

impl<K: Ord, V: Clone> SharedMap<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, Arc::new(value)).map(Arc::unwrap_or_clone)
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key).map(Arc::unwrap_or_clone)
    }

    /// The entry to be changed.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key).map(Arc::make_mut)
    }

    /// Takes the entries out, in their order.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        std::mem::take(&mut self.0)
            .into_iter()
            .map(|(key, value)| (key, Arc::unwrap_or_clone(value)))
    }
}

impl<K, V> Deref for SharedMap<K, V> {
    type Target = BTreeMap<K, Arc<V>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K, V> Default for SharedMap<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(key, value)| (key, Arc::new(value))).collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for SharedMap<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, &**value)))
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for SharedMap<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer)
            .map(|entries: BTreeMap<K, V>| entries.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::SharedMap;

    #[test]
    fn a_clone_stays_as_it_was_and_is_stored_as_the_map_it_is() {
        let plain: BTreeMap<u32, String> = [(1, "one".to_owned()), (2, "two".to_owned())].into();
        let mut map: SharedMap<u32, String> = plain.clone().into_iter().collect();
        let held = map.clone();
        map.get_mut(&1).unwrap().push_str(" more");
        assert_eq!(map.remove(&2).as_deref(), Some("two"));
        assert_eq!(map[&1].as_str(), "one more");
        let bytes = postcard::to_stdvec(&held).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&plain).unwrap());
        let read: SharedMap<u32, String> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(read.clone().take().collect::<BTreeMap<_, _>>(), plain);
    }
}
