//! A real process that is hurt at every place where it writes, and a check of what it left.
//!
//! The child appends events and brings them to a sink, and says on its standard output what was
//! acknowledged. Then this process opens the same buffer: all of it must be there or with the sink,
//! in order, and once.

mod checker;
mod child;
mod exchange;
mod order;
mod sweep;

const THESE_TESTS: &str = "the fault tests of the audit buffer";
