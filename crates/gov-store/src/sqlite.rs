//! One SQLite file: one writer, some readers, one checkpointer.
//!
//! ```text
//!  callers ──▶ Writer ──queue──▶ writer thread ──COMMIT──▶ gov.db-wal ──▶ acknowledge
//!                                     └─ nudges ─▶ checkpointer thread ──▶ gov.db
//!  callers ──▶ Readers ─────────▶ blocking threads, read-only connections
//! ```
//!
//! Start reading at [`Database`], then `sqlite/commit_loop.rs`.

mod checkpointer;
mod commit_loop;
mod database;
mod job;
mod meters;
mod migrate;
mod open;
mod read_only;
mod readers;
mod span;
mod trouble;
mod wal;
mod writer;

pub use rusqlite;

pub use self::{
    database::{Database, DatabaseOptions},
    migrate::migrate,
    open::OpenError,
    read_only::open_read_only,
    readers::{ReadError, Readers},
    trouble::Trouble,
    writer::{Sync, WriteError, Writer},
};
