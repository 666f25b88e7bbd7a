//! One test binary for the crate.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of these tests panic as the tests themselves may"
)]

mod tree_agrees_with_ct_merkle;
