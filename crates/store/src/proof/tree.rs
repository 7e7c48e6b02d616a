//! The tree of RFC 6962: hashes of leaves and nodes, heads, proofs that a leaf is in a tree and that one tree
//! continues another, and their verification, which needs nothing but the proof.
//!
//! What it is not: storage. It asks for the hashes of complete subtrees; where those lie is somebody else's
//! matter. Invariant: verification never trusts a length or an index that it was given.

use ring::digest::{Context, SHA256, digest};

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// A SHA-256 hash: of a leaf, a node, a head.
pub type Hash = [u8; HASH_BYTES];

/// Where the hashes of complete subtrees come from.
pub trait Subtrees {
    /// Why one could not be given.
    type Error;

    /// The hash over the `2^height` leaves from `index * 2^height` on.
    fn subtree(&self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// SHA-256 of parts put together.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    to_hash(context.finish().as_ref())
}

/// The hash of a leaf that holds these bytes.
pub fn leaf_hash(data: &[u8]) -> Hash {
    sha256(&[&[0], data])
}

/// The hash of the node above two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 1 + 2 * HASH_BYTES];
    bytes[1..=HASH_BYTES].copy_from_slice(left);
    bytes[1 + HASH_BYTES..].copy_from_slice(right);
    to_hash(digest(&SHA256, &bytes).as_ref())
}

/// The head of a tree without leaves.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The hash of a complete tree over these, whose number is a power of two.
pub fn fold(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "only complete trees are folded");
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    row[0]
}

/// The head of the tree of the first `size` leaves.
pub fn root<S: Subtrees>(from: &S, size: u64) -> Result<Hash, S::Error> {
    if size == 0 { Ok(empty_root()) } else { range(from, 0, size) }
}

/// What shows that leaf `index` is in the tree of the first `size` leaves.
///
/// # Panics
/// When the leaf is not below `size`.
pub fn inclusion<S: Subtrees>(from: &S, index: u64, size: u64) -> Result<Vec<Hash>, S::Error> {
    assert!(index < size, "leaf {index} is not in a tree of {size}");
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(range(from, middle, high)?);
            high = middle;
        } else {
            path.push(range(from, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// What shows that the tree of the first `new` leaves continues that of the first `old`.
///
/// # Panics
/// When `old` is more than `new`.
pub fn consistency<S: Subtrees>(from: &S, old: u64, new: u64) -> Result<Vec<Hash>, S::Error> {
    assert!(old <= new, "a tree of {new} does not continue one of {old}");
    let mut path = Vec::new();
    if old == 0 {
        return Ok(path);
    }
    let (mut low, mut high, mut is_known) = (0, new, true);
    while old < high {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(range(from, middle, high)?);
            high = middle;
        } else {
            path.push(range(from, low, middle)?);
            low = middle;
            is_known = false;
        }
    }
    if !is_known {
        path.push(range(from, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether the path shows that a leaf of this hash is at `index` of the tree with this head.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], head: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, *leaf);
    for other in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(other, &hash);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, other);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && hash == *head
}

/// Whether the path shows that the second head's tree continues the first's.
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), path: &[Hash]) -> bool {
    let ((old, old_head), (new, new_head)) = (old, new);
    if old > new {
        return false;
    }
    if old == new {
        return path.is_empty() && old_head == new_head;
    }
    if old == 0 {
        return path.is_empty() && *old_head == empty_root();
    }
    // A complete tree is its own first node, and is left out of the path.
    let mut path = old.is_power_of_two().then_some(old_head).into_iter().chain(path);
    let Some(first) = path.next() else { return false };
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        (place, last) = (place >> 1, last >> 1);
    }
    let (mut of_old, mut of_new) = (*first, *first);
    for other in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            of_old = node_hash(other, &of_old);
            of_new = node_hash(other, &of_new);
            while place & 1 == 0 && place != 0 {
                (place, last) = (place >> 1, last >> 1);
            }
        } else {
            of_new = node_hash(&of_new, other);
        }
        (place, last) = (place >> 1, last >> 1);
    }
    last == 0 && of_old == *old_head && of_new == *new_head
}

/// The hash over leaves `low` to `high`, which begin where RFC 6962 cuts a tree.
fn range<S: Subtrees>(from: &S, low: u64, high: u64) -> Result<Hash, S::Error> {
    let leaves = high - low;
    if leaves.is_power_of_two() {
        return from.subtree(leaves.ilog2(), low / leaves);
    }
    let middle = low + split(leaves);
    Ok(node_hash(&range(from, low, middle)?, &range(from, middle, high)?))
}

/// Where a tree of so many leaves, more than one, is cut: at the largest power of two below.
fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

fn to_hash(bytes: &[u8]) -> Hash {
    bytes.try_into().expect("SHA-256 has 32 bytes")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    /// Leaves in memory.
    struct Leaves(Vec<Hash>);

    impl Subtrees for Leaves {
        type Error = Infallible;

        fn subtree(&self, height: u32, index: u64) -> Result<Hash, Infallible> {
            let (from, count) = (usize::try_from(index << height).unwrap(), 1_usize << height);
            Ok(fold(&self.0[from..from + count]))
        }
    }

    fn leaves(count: u64) -> Leaves {
        Leaves((0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect())
    }

    fn hex(hash: &Hash) -> String {
        hash.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The eight leaves that programs for Certificate Transparency are tested with, and their heads.
    #[test]
    fn the_heads_are_those_of_other_programs() {
        let data: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let heads = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let tree = Leaves(data.iter().map(|data| leaf_hash(data)).collect());
        for (size, head) in (0_u64..).zip(heads) {
            assert_eq!(hex(&root(&tree, size).unwrap()), head, "of {size} leaves");
        }
    }

    #[test]
    fn every_proof_of_every_small_tree_verifies_and_only_at_its_place() {
        let tree = leaves(40);
        for new in 1..=40 {
            let head = root(&tree, new).unwrap();
            for index in 0..new {
                let path = inclusion(&tree, index, new).unwrap();
                let leaf = tree.0[usize::try_from(index).unwrap()];
                assert!(verify_inclusion(&leaf, index, new, &path, &head), "{index} in {new}");
                for other in (0..new).filter(|other| *other != index) {
                    assert!(!verify_inclusion(&leaf, other, new, &path, &head));
                }
            }
            for old in 0..=new {
                let path = consistency(&tree, old, new).unwrap();
                let before = root(&tree, old).unwrap();
                assert!(verify_consistency((old, &before), (new, &head), &path), "{old} to {new}");
                let other = root(&leaves(41), 41).unwrap();
                assert!(!verify_consistency((old, &other), (new, &head), &path));
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_tampered_with_does_not_verify(
            new in 2_u64..600, index in any::<u64>(), old in any::<u64>(),
            place in any::<usize>(), bit in 0_u8..8,
        ) {
            let (index, old, tree) = (index % new, 1 + old % (new - 1), leaves(new));
            let head = root(&tree, new).unwrap();
            let leaf = tree.0[usize::try_from(index).unwrap()];
            let mut path = inclusion(&tree, index, new).unwrap();
            prop_assert!(verify_inclusion(&leaf, index, new, &path, &head));
            let step = place % path.len();
            path[step][place % HASH_BYTES] ^= 1 << bit;
            prop_assert!(!verify_inclusion(&leaf, index, new, &path, &head));
            path[step][place % HASH_BYTES] ^= 1 << bit;
            path.push(leaf);
            prop_assert!(!verify_inclusion(&leaf, index, new, &path, &head));

            let before = root(&tree, old).unwrap();
            let mut path = consistency(&tree, old, new).unwrap();
            prop_assert!(verify_consistency((old, &before), (new, &head), &path));
            let step = place % path.len();
            path[step][place % HASH_BYTES] ^= 1 << bit;
            prop_assert!(!verify_consistency((old, &before), (new, &head), &path));
            path[step][place % HASH_BYTES] ^= 1 << bit;
            path.pop();
            prop_assert!(!verify_consistency((old, &before), (new, &head), &path));
        }
    }
}
