//! What the crate promises, tried from outside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the helpers of these tests panic as the tests themselves may"
)]

mod auditing;
mod cancelled_pass;
mod deciding;
mod escalates;
mod exported_metrics;
mod halting;
mod indexed;
mod model;
mod processes;
mod races;
mod receiver;
mod registering;
mod restarting;
mod ringing;
mod scheduling;
mod sending;
mod store;
mod support;
mod torture;
mod waiting;
mod webhook;
