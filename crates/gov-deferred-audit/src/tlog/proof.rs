//! Proofs that a leaf is in a tree, and that a tree grew out of another (RFC 6962 §2.1).

use super::{Hash, leaf_hash, node_hash};

/// Reads the root of the complete subtree of height `height` whose leaves begin at
/// `index << height`.
pub trait NodeReader {
    /// Why a node cannot be read.
    type Error;

    /// The node's hash.
    ///
    /// # Errors
    ///
    /// Whatever keeps the reader from reading.
    fn node(&mut self, height: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// The proof that leaf `index` is in the tree of `size` leaves: RFC 6962 §2.1.1, at most
/// ⌈log₂ size⌉ hashes, the leaf's sibling first.
///
/// `index` must be less than `size`; otherwise the proof is empty and proves nothing.
///
/// # Errors
///
/// As from the reader.
pub fn inclusion<R: NodeReader>(
    nodes: &mut R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, R::Error> {
    let (mut proof, mut start, mut end) = (Vec::new(), 0, size);
    if index >= size {
        return Ok(proof);
    }
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The proof that the tree of `old` leaves is a prefix of the one of `new`: RFC 6962 §2.1.2.
///
/// Empty if `old` is 0 or not less than `new`: there is nothing to prove, or nothing provable.
///
/// # Errors
///
/// As from the reader.
pub fn consistency<R: NodeReader>(
    nodes: &mut R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, R::Error> {
    let (mut proof, mut start, mut end) = (Vec::new(), 0, new);
    if old == 0 || old >= new {
        return Ok(proof);
    }
    // Walks down to the smallest subtree that ends where the old tree ends.
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    // Without this one the verifier already knows it: it is the old root itself.
    if start > 0 {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
///
/// As from the reader.
pub fn root<R: NodeReader>(nodes: &mut R, size: u64) -> Result<Hash, R::Error> {
    if size == 0 { Ok(super::empty_root()) } else { range(nodes, 0, size) }
}

/// Whether `entry` is leaf `index` of the tree of `size` leaves with `root`: RFC 9162 §2.1.3.2.
#[must_use]
pub fn verify_inclusion(proof: &[Hash], index: u64, entry: &[u8], size: u64, root: &Hash) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf_hash(entry));
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// Whether the tree of `old` leaves is a prefix of the one of `new`: RFC 9162 §2.1.4.2. Each tree
/// is `(size, root)`. The empty tree is a prefix of every tree.
#[must_use]
pub fn verify_consistency(proof: &[Hash], old: (u64, &Hash), new: (u64, &Hash)) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size == 0 || old_size >= new_size {
        let same = old_size == 0 && *old_root == super::empty_root()
            || old_size == new_size && old_root == new_root;
        return proof.is_empty() && same;
    }
    // Where the old tree is a complete subtree, its root is the first node of the path.
    let known = old_size.is_power_of_two().then_some(old_root);
    let mut path = known.into_iter().chain(proof);
    let Some(first) = path.next() else { return false };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut left, mut whole) = (*first, *first);
    for node in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (left, whole) = (node_hash(node, &left), node_hash(node, &whole));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            whole = node_hash(&whole, node);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && left == *old_root && whole == *new_root
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root over the leaves from `start` to before `end`, at least one.
fn range<R: NodeReader>(nodes: &mut R, mut start: u64, end: u64) -> Result<Hash, R::Error> {
    // Complete subtrees from left to right, which shrink; then they are joined from the right.
    let mut peaks = Vec::new();
    while start < end {
        let height = (end - start).ilog2();
        peaks.push(nodes.node(height, start >> height)?);
        start += 1 << height;
    }
    let mut peaks = peaks.into_iter().rev();
    let smallest = peaks.next().unwrap_or_default();
    Ok(peaks.fold(smallest, |right, left| node_hash(&left, &right)))
}
