//! One test binary for the crate.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the helpers of these tests panic as the tests themselves may"
)]

mod answers;
mod anything;
mod appending;
mod dead_letters;
mod exported_metrics;
mod exporting;
mod failing;
mod feeds;
mod fixture;
mod forged_epochs;
mod fuzz_corpus;
mod log_rules;
mod model;
mod mutants;
mod mutation_matrix;
mod nodes;
mod opening;
mod outside_copies;
mod outside_judges;
mod postgres_kills;
mod postgres_nodes;
mod postgres_rollbacks;
mod postgres_rotations;
mod pruned_verdicts;
mod pruning;
mod quarantined;
mod restart;
mod restoring;
mod rollbacks;
mod rolled_copies;
mod rotations;
mod scrubbing;
mod submit;
mod supervise;
mod support;
mod tails;
mod torture;
mod toy_component;
mod tree_agrees_with_ct_merkle;
mod vectors;
mod verifying;
mod witnesses;
