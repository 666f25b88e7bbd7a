//! A real process that is hurt at every place where it writes, and a check of what it left.
//!
//! The child submits spooled and durable records and changes a component's state, and says on its
//! standard output what was acknowledged. Then this process starts on the same files and every
//! acknowledged fact must be found exactly once.

mod checker;
mod child;
mod letters;
mod order;
mod sweep;

const THESE_TESTS: &str = "the fault tests of the audit queue";
