//! Every backend against the one contract.

mod memory;
mod postgres;
mod sqlite;
