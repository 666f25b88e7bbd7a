//! The buffer's tables.

pub(crate) mod sqlite;
