//! Reads the events that fit.

use chrono::{DateTime, Utc};
use gov_core::{
    AgentId, AuditEvent, AuditEventKind, EventId, Payload, SessionId, TeamId, Timestamp,
};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};

use crate::event_store::{EventFilter, Order, PageRequest, StoreError};

/// At most `limit` events, in the page's order.
pub(super) async fn page(
    pool: &PgPool,
    filter: &EventFilter,
    page: &PageRequest,
    limit: usize,
) -> Result<Vec<AuditEvent>, StoreError> {
    let mut sql = QueryBuilder::new(
        "select at, event_id, kind, agent_id, session_id, team_id, subjects, trace_id, salt, payload
         from retention_event where true",
    );
    narrow(&mut sql, filter);
    if let Some(after) = page.after {
        sql.push(match page.order {
            Order::NewestFirst => " and (at, event_id) < (",
            Order::OldestFirst => " and (at, event_id) > (",
        });
        sql.push_bind(DateTime::<Utc>::from(after.at));
        sql.push(", ").push_bind(after.id.as_uuid()).push(")");
    }
    sql.push(match page.order {
        Order::NewestFirst => " order by at desc, event_id desc limit ",
        Order::OldestFirst => " order by at, event_id limit ",
    });
    sql.push_bind(i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = sql.build().fetch_all(pool).await?;
    rows.iter().map(event).collect()
}

/// How many events fit.
pub(super) async fn count(pool: &PgPool, filter: &EventFilter) -> Result<u64, StoreError> {
    let mut sql = QueryBuilder::new("select count(*) as count from retention_event where true");
    narrow(&mut sql, filter);
    let count: i64 = sql.build().fetch_one(pool).await?.try_get("count")?;
    Ok(count.cast_unsigned())
}

fn narrow(sql: &mut QueryBuilder<Postgres>, filter: &EventFilter) {
    let EventFilter { from, to, kinds, agent_id, session_id, team_id } = filter;
    if let Some(from) = *from {
        sql.push(" and at >= ").push_bind(DateTime::<Utc>::from(from));
    }
    if let Some(to) = *to {
        sql.push(" and at < ").push_bind(DateTime::<Utc>::from(to));
    }
    for (column, name) in [
        ("agent_id", agent_id.as_ref().map(AgentId::as_str)),
        ("session_id", session_id.as_ref().map(SessionId::as_str)),
        ("team_id", team_id.as_ref().map(TeamId::as_str)),
    ] {
        if let Some(name) = name {
            sql.push(" and ").push(column).push(" = ").push_bind(name.to_owned());
        }
    }
    if kinds.is_empty() {
        return;
    }
    let names: Vec<String> = kinds.iter().map(|it| it.as_str().to_owned()).collect();
    // In the words of the index, or PostgreSQL would not see that it has them all.
    if !names.iter().any(|it| it == AuditEventKind::ActionAllowed.as_str()) {
        sql.push(" and kind <> 'action.allowed'");
    }
    sql.push(" and kind = any(").push_bind(names).push(")");
}

fn event(row: &PgRow) -> Result<AuditEvent, StoreError> {
    let id = EventId::from_uuid(row.try_get("event_id")?);
    let corrupt = |column| StoreError::Corrupt { id, column };
    let at: DateTime<Utc> = row.try_get("at")?;
    let Ok(kind) = row.try_get::<&str, _>("kind")?.parse();
    let salt: &[u8] = row.try_get("salt")?;
    Ok(AuditEvent {
        id,
        at: Timestamp::from_micros(at.timestamp_micros()).ok_or_else(|| corrupt("at"))?,
        kind,
        agent_id: name(row, "agent_id", id)?,
        session_id: name(row, "session_id", id)?,
        team_id: name(row, "team_id", id)?,
        subjects: serde_json::from_str(row.try_get("subjects")?)
            .map_err(|_| corrupt("subjects"))?,
        trace_id: row.try_get("trace_id")?,
        payload: Payload::from_parts(
            row.try_get("payload")?,
            salt.try_into().map_err(|_| corrupt("salt"))?,
        ),
    })
}

fn name<N: std::str::FromStr>(
    row: &PgRow,
    column: &'static str,
    id: EventId,
) -> Result<Option<N>, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|it| it.parse().map_err(|_| StoreError::Corrupt { id, column })).transpose()
}
