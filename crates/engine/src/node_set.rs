//! A set of nodes of a tree, one bit each: which were written to, which were folded.

/// Nodes by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NodeSet {
    bits: Vec<u64>,
}

impl NodeSet {
    /// Makes room for that many nodes, so that [`NodeSet::insert`] need not.
    pub(crate) fn reserve(&mut self, nodes: usize) {
        if nodes > self.bits.len() * 64 {
            self.bits.resize(nodes.div_ceil(64), 0);
        }
    }

    /// Adds a node for which there is room.
    #[inline]
    pub(crate) fn insert(&mut self, node: usize) {
        self.bits[node / 64] |= 1 << (node % 64);
    }

    /// Adds all nodes below a number.
    pub(crate) fn insert_all(&mut self, nodes: usize) {
        self.reserve(nodes);
        (0..nodes).for_each(|node| self.insert(node));
    }

    pub(crate) fn contains(&self, node: usize) -> bool {
        self.bits.get(node / 64).is_some_and(|bits| bits >> (node % 64) & 1 == 1)
    }

    pub(crate) fn clear(&mut self) {
        self.bits.fill(0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bits.iter().all(|&bits| bits == 0)
    }

    /// Adds the parents of all nodes, up to the first, and names every node once: children before
    /// their parents, because a parent has the lower number.
    pub(crate) fn climb(&mut self, parents: &[u32], mut each: impl FnMut(usize)) {
        for index in (0..self.bits.len()).rev() {
            let mut below = u64::MAX;
            while self.bits[index] & below != 0 {
                let bit = (self.bits[index] & below).ilog2();
                below = (1 << bit) - 1;
                let node = index * 64 + bit as usize;
                each(node);
                if node > 0 {
                    self.insert(parents[node] as usize);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::NodeSet;

    #[test]
    fn climbing_names_each_node_once_and_parents_after_their_children() {
        let parents: Vec<u32> = (0..200_u32).map(|node| node / 3).collect();
        let mut set = NodeSet::default();
        set.insert_all(0);
        set.reserve(200);
        for node in [199, 64, 5] {
            set.insert(node);
        }
        let mut told = Vec::new();
        set.climb(&parents, |node| told.push(node));
        assert_eq!(told, [199, 66, 64, 22, 21, 7, 5, 2, 1, 0]);
        assert!(told.iter().all(|&node| set.contains(node)) && !set.contains(3));
        set.clear();
        assert!(set.is_empty());
    }
}
