//! Every backend against the one contract.

mod memory;
