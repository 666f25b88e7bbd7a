//! What the crate promises, tried from outside.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of these tests panic as the tests themselves may"
)]

mod model;
mod store;
