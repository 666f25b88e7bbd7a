//! Writes events and cursors, inside the transaction of their caller.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use gov_core::{AgentId, AuditEvent, EventId, SessionId, TeamId, Timestamp};
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction};
use uuid::Uuid;

use crate::event_store::{Durability, StoreError};

/// What names a row.
pub(super) type Key = (Timestamp, EventId);

/// Begins a transaction whose commit promises what `durability` says, whatever the server's
/// default is.
pub(super) async fn begin(
    pool: &PgPool,
    durability: Durability,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let set = match durability {
        Durability::Spooled => "set local synchronous_commit = off",
        Durability::Durable => "set local synchronous_commit = on",
    };
    let mut tx = pool.begin().await?;
    sqlx::query(set).execute(&mut *tx).await?;
    Ok(tx)
}

/// Writes the events that are not there yet, and tells which these are.
///
/// In the order of their keys, so that two processes with the same events do not wait for each
/// other crosswise; of two with one key, the first stays.
pub(super) async fn insert(
    tx: &mut PgConnection,
    events: &[&AuditEvent],
) -> Result<HashSet<Key>, sqlx::Error> {
    if events.is_empty() {
        return Ok(HashSet::new());
    }
    let at: Vec<DateTime<Utc>> = events.iter().map(|it| it.at.into()).collect();
    let ids: Vec<Uuid> = events.iter().map(|it| it.id.as_uuid()).collect();
    let kinds: Vec<&str> = events.iter().map(|it| it.kind.as_str()).collect();
    let agents = texts(events, |it| it.agent_id.as_ref().map(AgentId::as_str));
    let sessions = texts(events, |it| it.session_id.as_ref().map(SessionId::as_str));
    let teams = texts(events, |it| it.team_id.as_ref().map(TeamId::as_str));
    let subjects: Vec<String> = events
        .iter()
        .map(|it| serde_json::to_string(&it.subjects))
        .collect::<Result<_, _>>()
        .map_err(|error| sqlx::Error::Encode(Box::new(error)))?;
    let traces = texts(events, |it| it.trace_id.as_deref());
    let salts: Vec<&[u8]> = events.iter().map(|it| it.payload.salt().as_slice()).collect();
    let payloads: Vec<&[u8]> = events.iter().map(|it| it.payload.as_bytes()).collect();
    let rows = sqlx::query(
        "insert into retention_event (at, event_id, kind, agent_id, session_id, team_id, subjects,
             trace_id, salt, payload)
         select at, event_id, kind, agent_id, session_id, team_id, subjects, trace_id, salt, payload
         from unnest($1::timestamptz[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::bytea[], $10::bytea[]) with ordinality
             as it (at, event_id, kind, agent_id, session_id, team_id, subjects, trace_id, salt,
                 payload, place)
         order by at, event_id, place
         on conflict (at, event_id) do nothing
         returning at, event_id",
    )
    .bind(at)
    .bind(ids)
    .bind(kinds)
    .bind(agents)
    .bind(sessions)
    .bind(teams)
    .bind(subjects)
    .bind(traces)
    .bind(salts)
    .bind(payloads)
    .fetch_all(tx)
    .await?;
    rows.iter()
        .map(|row| {
            let at: DateTime<Utc> = row.try_get("at")?;
            let at = Timestamp::from_micros_clamped(at.timestamp_micros());
            Ok((at, EventId::from_uuid(row.try_get("event_id")?)))
        })
        .collect()
}

/// The cursor of a source, which nobody else moves until the transaction ends.
pub(super) async fn lock_source(tx: &mut PgConnection, source: &str) -> Result<u64, sqlx::Error> {
    sqlx::query("insert into retention_source (source, seq) values ($1, 0) on conflict do nothing")
        .bind(source)
        .execute(&mut *tx)
        .await?;
    let row = sqlx::query("select seq from retention_source where source = $1 for update")
        .bind(source)
        .fetch_one(tx)
        .await?;
    Ok(row.try_get::<i64, _>("seq")?.cast_unsigned())
}

/// Moves the cursor of a source that is locked.
pub(super) async fn move_source(
    tx: &mut PgConnection,
    source: &str,
    seq: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("update retention_source set seq = $2 where source = $1")
        .bind(source)
        .bind(seq.cast_signed())
        .execute(tx)
        .await?;
    Ok(())
}

/// The cursor of a source; 0 for one that has brought nothing.
pub(super) async fn cursor(pool: &PgPool, source: &str) -> Result<u64, StoreError> {
    let row = sqlx::query("select seq from retention_source where source = $1")
        .bind(source)
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else { return Ok(0) };
    Ok(row.try_get::<i64, _>("seq")?.cast_unsigned())
}

fn texts<'e>(
    events: &[&'e AuditEvent],
    text: impl Fn(&'e AuditEvent) -> Option<&'e str>,
) -> Vec<Option<&'e str>> {
    events.iter().map(|it| text(it)).collect()
}
