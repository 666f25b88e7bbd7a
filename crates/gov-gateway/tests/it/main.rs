//! Tests of the gateway crate.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may"
)]

mod policy_corpus;
