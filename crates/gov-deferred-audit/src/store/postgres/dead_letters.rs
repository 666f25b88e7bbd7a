//! The dead-letter table: rows are written once, and leave it by a replay or a discard.

use chrono::{DateTime, Utc};
use gov_core::{AgentId, Payload, RecordId, RuleId, SessionId, Timestamp};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};
use uuid::Uuid;

use crate::{
    dead_letter::{DeadLetter, LetterPlace, Lies, PAGE_BYTES},
    record::LogRecord,
    store::{StoreError, integer},
};

const COLUMNS: &str = "record_id, at, kind, agent_id, session_id, policy_version, action_kind,
    digest, decision, rule_id, reason, salt, payload, why, dead_at";

/// At most `limit` letters behind `after`, in order of death, fewer where they are large; none is
/// the end.
pub(crate) async fn dead_letters_after(
    connection: &mut PgConnection,
    after: Option<LetterPlace>,
    limit: u64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let sql = format!(
        "with page as (
             select * from audit_log_dead_letter
             where $1::timestamptz is null or (dead_at, record_id) > ($1, $2)
             order by dead_at, record_id limit $3
         ), summed as (
             select *, sum(octet_length(payload)) over
                 (order by dead_at, record_id) - octet_length(payload) as before from page
         )
         select {COLUMNS} from summed where before < $4 order by dead_at, record_id"
    );
    let select = sqlx::query(AssertSqlSafe(sql))
        .bind(after.map(|it| DateTime::<Utc>::from(it.dead_at)))
        .bind(after.map(|it| it.id.as_uuid()))
        .bind(integer(limit)?)
        .bind(integer(PAGE_BYTES)?);
    select.fetch_all(connection).await?.iter().map(read_letter).collect()
}

/// One letter.
pub(crate) async fn dead_letter(
    connection: &mut PgConnection,
    id: RecordId,
) -> Result<Option<DeadLetter>, StoreError> {
    let sql = format!("select {COLUMNS} from audit_log_dead_letter where record_id = $1");
    let select = sqlx::query(AssertSqlSafe(sql)).bind(id.as_uuid()).fetch_optional(connection);
    select.await?.as_ref().map(read_letter).transpose()
}

/// Takes letters out, and says how many were there.
pub(crate) async fn delete_dead_letters(
    connection: &mut PgConnection,
    ids: &[RecordId],
) -> Result<u64, StoreError> {
    let ids: Vec<Uuid> = ids.iter().map(|it| it.as_uuid()).collect();
    let sql = "delete from audit_log_dead_letter where record_id = any($1)";
    Ok(sqlx::query(sql).bind(ids).execute(connection).await?.rows_affected())
}

/// Writes the reason of now beside a letter that stays.
pub(crate) async fn set_why(
    connection: &mut PgConnection,
    id: RecordId,
    why: &str,
) -> Result<(), StoreError> {
    let sql = "update audit_log_dead_letter set why = $2 where record_id = $1";
    sqlx::query(sql).bind(id.as_uuid()).bind(why.as_bytes()).execute(connection).await?;
    Ok(())
}

fn read_letter(row: &PgRow) -> Result<DeadLetter, StoreError> {
    let corrupt =
        |column: &str| StoreError::Corrupt(format!("`{column}` of a dead letter cannot be read"));
    let time = |column| {
        let time: DateTime<Utc> = row.try_get(column)?;
        Timestamp::from_micros(time.timestamp_micros()).ok_or_else(|| corrupt(column))
    };
    let text = |column| {
        let bytes: Option<Vec<u8>> = row.try_get(column)?;
        bytes.map(String::from_utf8).transpose().map_err(|_| corrupt(column))
    };
    let salt: Vec<u8> = row.try_get("salt")?;
    let salt = salt.try_into().map_err(|_| corrupt("salt"))?;
    Ok(DeadLetter {
        id: RecordId::from_uuid(row.try_get("record_id")?),
        at: time("at")?,
        kind: text("kind")?.unwrap_or_default(),
        agent_id: row.try_get("agent_id")?,
        session_id: row.try_get("session_id")?,
        policy_version: row.try_get("policy_version")?,
        action_kind: text("action_kind")?,
        digest: row.try_get("digest")?,
        decision: text("decision")?,
        rule_id: row.try_get("rule_id")?,
        reason: text("reason")?,
        payload: Payload::from_parts(row.try_get("payload")?, salt),
        why: text("why")?.unwrap_or_default(),
        dead_at: time("dead_at")?,
        lies: Lies::Table,
    })
}

/// How many records are in the dead-letter table.
pub(crate) async fn dead_letters(connection: &mut PgConnection) -> Result<u64, StoreError> {
    let sql = "select count(*) as number from audit_log_dead_letter";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>("number")?.try_into()?)
}

/// Keeps a whole record that cannot enter the log; again is fine.
pub(crate) async fn insert_dead_letter(
    connection: &mut PgConnection,
    record: &LogRecord,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let verdict = record.verdict.as_ref();
    sqlx::query(
        "insert into audit_log_dead_letter (record_id, at, kind, agent_id, session_id,
             policy_version, action_kind, digest, decision, rule_id, reason, salt, payload,
             why, dead_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (record_id) do nothing",
    )
    .bind(record.id.as_uuid())
    .bind(DateTime::<Utc>::from(record.at))
    .bind(record.kind.as_str().as_bytes())
    .bind(record.agent_id.as_ref().map(AgentId::as_str))
    .bind(record.session_id.as_ref().map(SessionId::as_str))
    // As text: integers here end at 2⁶³ - 1, and this one may be what is wrong.
    .bind(record.policy_version.map(|it| it.to_string()))
    .bind(verdict.map(|it| it.action_kind.as_bytes()))
    .bind(verdict.map(|it| it.digest.as_bytes().as_slice()))
    .bind(verdict.map(|it| it.decision.as_bytes()))
    .bind(verdict.and_then(|it| it.rule_id.as_ref()).map(RuleId::as_str))
    .bind(verdict.and_then(|it| it.reason.as_deref()).map(str::as_bytes))
    .bind(record.payload.salt().as_slice())
    .bind(record.payload.as_bytes())
    .bind(why.as_bytes())
    .bind(DateTime::<Utc>::from(now))
    .execute(connection)
    .await?;
    Ok(())
}
