//! One test binary for the crate.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod policy_corpus;
mod policy_properties;
mod policy_rules;
