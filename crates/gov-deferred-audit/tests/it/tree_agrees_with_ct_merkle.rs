//! Roots and proofs are the ones of an independent implementation.

use std::convert::Infallible;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use gov_core::dice::Dice;
use gov_deferred_audit::tlog::{
    Hash,
    edge::{Edge, complete_root},
    leaf_hash, node_hash, proof,
};
use proptest::prelude::*;
use sha2::Sha256;

struct Leaves(Vec<Hash>);

impl proof::NodeReader for Leaves {
    type Error = Infallible;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, Infallible> {
        let start = usize::try_from(index << height).unwrap();
        Ok(complete_root(&self.0[start..start + (1 << height)]).unwrap())
    }
}

fn entry(seed: u64, index: u64) -> Vec<u8> {
    [seed.to_be_bytes(), index.to_be_bytes()].concat()
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks().0.to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_trees_have_the_same_roots_and_proofs(
        seed: u64, size in 1..600_u64, picks in prop::collection::vec(any::<prop::sample::Index>(), 8),
    ) {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let (mut ours, mut leaves) = (Edge::default(), Leaves(Vec::new()));
        let mut roots = vec![ours.root()];
        for index in 0..size {
            theirs.push(entry(seed, index));
            leaves.0.push(leaf_hash(&entry(seed, index)));
            ours.push(leaf_hash(&entry(seed, index)), &mut |_| ());
            roots.push(ours.root());
        }
        let root = ours.root();
        let their_root = theirs.root();
        prop_assert_eq!(root.as_slice(), their_root.as_bytes().as_slice());

        for pick in picks {
            let at = pick.index(usize::try_from(size).unwrap());
            let index = at as u64;
            let proof = proof::inclusion(&mut leaves, index, size).unwrap();
            prop_assert_eq!(&proof, &hashes(theirs.prove_inclusion(at).as_bytes()));
            prop_assert!(proof::verify_inclusion(&proof, index, &entry(seed, index), size, &root));
            let other = (index + 1) % (size + 1);
            prop_assert!(!proof::verify_inclusion(&proof, other, &entry(seed, index), size, &root));

            prop_assert_eq!(proof::root(&mut leaves, index).unwrap(), roots[at]);
            let (old, new) = ((index, &roots[at]), (size, &root));
            let proof = proof::consistency(&mut leaves, index, size).unwrap();
            prop_assert!(proof::verify_consistency(&proof, old, new));
            if index == 0 {
                prop_assert_eq!(proof.len(), 0);
                continue;
            }
            let added = usize::try_from(size - index).unwrap();
            prop_assert_eq!(&proof, &hashes(theirs.prove_consistency(added).as_bytes()));
            let forged = leaf_hash(&roots[at]);
            prop_assert!(!proof::verify_consistency(&proof, (index, &forged), new));
            prop_assert!(!proof::verify_consistency(&proof, old, (size, &forged)));
            for cut in 0..proof.len() {
                prop_assert!(!proof::verify_consistency(&proof[..cut], old, new));
            }
        }
    }
}

/// All complete subtrees of a growing tree, level by level.
#[derive(Default)]
struct Subtrees(Vec<Vec<Hash>>);

impl Subtrees {
    fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        for level in 0.. {
            if self.0.len() == level {
                self.0.push(Vec::new());
            }
            self.0[level].push(node);
            let [.., left, right] = self.0[level][..] else { return };
            if !self.0[level].len().is_multiple_of(2) {
                return;
            }
            node = node_hash(&left, &right);
        }
    }
}

impl proof::NodeReader for Subtrees {
    type Error = Infallible;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[height as usize][usize::try_from(index).unwrap()])
    }
}

#[test]
fn a_hundred_thousand_proofs_at_random_sizes_are_those_of_ct_merkle() {
    let (mut pairs, mut dice) = (0, Dice::of(70_000));
    while pairs < 100_000 {
        let mut theirs = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        let (mut ours, mut size) = (Subtrees::default(), 0);
        let largest = 1 + dice.roll(3_000);
        while size < largest {
            for _ in 0..=dice.roll(9) {
                theirs.push(entry(largest, size));
                ours.push(leaf_hash(&entry(largest, size)));
                size += 1;
            }
            assert_eq!(proof::root(&mut ours, size).unwrap()[..], theirs.root().as_bytes()[..]);
            for _ in 0..10 {
                let index = dice.roll(size);
                let at = usize::try_from(index).unwrap();
                let proof = proof::inclusion(&mut ours, index, size).unwrap();
                let wanted = theirs.prove_inclusion(at);
                assert_eq!(proof.as_flattened(), wanted.as_bytes(), "{index} in {size}");
                let old = index + 1;
                let added = usize::try_from(size - old).unwrap();
                if added > 0 {
                    let proof = proof::consistency(&mut ours, old, size).unwrap();
                    let wanted = theirs.prove_consistency(added);
                    assert_eq!(proof.as_flattened(), wanted.as_bytes(), "{old} to {size}");
                }
                pairs += 1;
            }
        }
    }
}

#[test]
fn a_tree_is_consistent_with_itself_and_with_nothing_smaller() {
    let (root, other) = (leaf_hash(b"a"), leaf_hash(b"b"));
    assert!(proof::verify_consistency(&[], (1, &root), (1, &root)));
    assert!(!proof::verify_consistency(&[], (1, &root), (1, &other)));
    assert!(!proof::verify_consistency(&[], (2, &root), (1, &root)));
    assert!(!proof::verify_consistency(&[root], (1, &root), (1, &root)));
    assert!(!proof::verify_consistency(&[], (0, &other), (1, &root)));
}
