//! Where the log lies: one file a backend, and SQL in no other.

#[cfg(feature = "sqlite")]
pub mod sqlite;
