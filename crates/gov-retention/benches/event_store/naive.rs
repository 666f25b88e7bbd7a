//! The naive way: one connection, an insert with autocommit for each event, a select by hand.

use std::{path::Path, time::Instant};

use gov_core::AuditEvent;
use gov_retention::event_store::Order;
use gov_store::sqlite::{
    open_read_only,
    rusqlite::{Connection, params},
};

/// Events a second at `synchronous = normal`, one after the other.
pub(crate) fn appends_per_second(events: &[AuditEvent]) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let connection = Connection::open(dir.path().join("naive.db")).unwrap();
    connection
        .execute_batch(
            "pragma journal_mode = wal; pragma synchronous = normal;
             create table event (event_id blob not null unique, at integer not null,
                 kind text not null, agent_id text, session_id text, subjects text not null,
                 salt blob not null, payload blob not null) strict;
             create index event_at on event (at);",
        )
        .unwrap();
    let count = u32::try_from(events.len()).unwrap();
    let started = Instant::now();
    for it in events {
        connection
            .prepare_cached(
                "insert into event (event_id, at, kind, agent_id, session_id, subjects, salt,
                     payload) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 on conflict (event_id) do nothing",
            )
            .unwrap()
            .execute(params![
                it.id.as_uuid().as_bytes(),
                it.at.as_micros(),
                it.kind.as_str(),
                it.agent_id.as_ref().map(gov_core::AgentId::as_str),
                it.session_id.as_ref().map(gov_core::SessionId::as_str),
                serde_json::to_string(&it.subjects).unwrap(),
                it.payload.salt(),
                it.payload.as_bytes(),
            ])
            .unwrap();
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}

/// The middle one of many pages of 100, in microseconds; rows are read and not made into events.
pub(crate) fn page_micros(database: &Path, pages: u32, order: Order) -> f64 {
    let connection = open_read_only(database, &[]).unwrap();
    let (behind, direction, first) = match order {
        Order::NewestFirst => ("<", "desc", i64::MAX),
        Order::OldestFirst => (">", "asc", -1),
    };
    let sql = format!(
        "select at, event_id, kind, agent_id, session_id, team_id, subjects, trace_id, salt, payload
         from retention_event where (at, event_id) {behind} (?1, ?2)
         order by at {direction}, event_id {direction} limit 101"
    );
    let start = (first, Vec::<u8>::new());
    let mut after = start.clone();
    let mut spans = Vec::new();
    for _ in 0..pages {
        let started = Instant::now();
        let mut statement = connection.prepare_cached(&sql).unwrap();
        let rows = statement
            .query_map(params![after.0, after.1], |row| {
                let texts: (String, Option<String>, Option<String>) =
                    (row.get(2)?, row.get(3)?, row.get(4)?);
                let more: (Option<String>, String, Option<String>) =
                    (row.get(5)?, row.get(6)?, row.get(7)?);
                let bytes: (Vec<u8>, Vec<u8>) = (row.get(8)?, row.get(9)?);
                Ok(((row.get(0)?, row.get(1)?), texts, more, bytes))
            })
            .unwrap();
        let rows = rows.collect::<Result<Vec<_>, _>>().unwrap();
        spans.push(started.elapsed().as_secs_f64() * 1e6);
        assert!(rows.len() >= 100);
        after = if rows.len() > 100 { rows.into_iter().nth(99).unwrap().0 } else { start.clone() };
    }
    middle(spans)
}

/// The median: others measure what else the machine does.
pub(crate) fn middle(mut spans: Vec<f64>) -> f64 {
    spans.sort_by(f64::total_cmp);
    spans.get(spans.len() / 2).copied().unwrap()
}
