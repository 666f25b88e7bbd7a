//! The naive way to keep: one connection, autocommit, and for the seed's way a count before it.

use std::time::Instant;

use gov_core::AuditEvent;
use rusqlite::{Connection, params};

/// The file of one case.
pub(crate) struct Naive {
    connection: Connection,
    _dir: tempfile::TempDir,
}

impl Naive {
    /// An empty one at `synchronous = full`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let connection = Connection::open(dir.path().join("naive.db")).unwrap();
        connection
            .execute_batch(
                "pragma journal_mode = wal; pragma synchronous = full;
                 create table event (seq integer primary key, id text not null, kind text not null,
                     body blob not null) strict;",
            )
            .unwrap();
        Self { connection, _dir: dir }
    }

    /// Seconds for all of them, one commit each.
    pub(crate) fn insert(&self, events: &[AuditEvent]) -> f64 {
        let started = Instant::now();
        for event in events {
            let body = gov_audit_buffer::cloud_event::encode(event, "bench").unwrap();
            self.connection
                .prepare_cached("insert into event (id, kind, body) values (?1, ?2, ?3)")
                .unwrap()
                .execute(params![event.id.to_string(), event.kind.as_str(), body])
                .unwrap();
        }
        started.elapsed().as_secs_f64()
    }

    /// Fills it with `rows` rows in one transaction.
    pub(crate) fn fill(&mut self, rows: u32, event: &AuditEvent) {
        let body = gov_audit_buffer::cloud_event::encode(event, "bench").unwrap();
        let tx = self.connection.transaction().unwrap();
        for _ in 0..rows {
            tx.prepare_cached("insert into event (id, kind, body) values ('', '', ?1)")
                .unwrap()
                .execute([&body])
                .unwrap();
        }
        tx.commit().unwrap();
    }

    /// Seconds for all of them as the seed does it: it counts before each insert. Without fsync, so
    /// that only the counting shows.
    pub(crate) fn count_and_insert(&self, events: &[AuditEvent]) -> f64 {
        self.connection.pragma_update(None, "synchronous", "off").unwrap();
        let started = Instant::now();
        for event in events {
            let rows: i64 = self
                .connection
                .query_row("select count(*) from event", [], |row| row.get(0))
                .unwrap();
            assert!(rows < 10_000_000);
            self.insert(std::slice::from_ref(event));
        }
        started.elapsed().as_secs_f64()
    }
}
