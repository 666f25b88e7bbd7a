//! The dead-letter table: rows are written once, and leave it by a replay or a discard.

use gov_core::{Payload, RecordId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::integer;
use crate::{
    dead_letter::{DeadLetter, LetterPlace, Lies, PAGE_BYTES},
    record::LogRecord,
    store::StoreError,
};

const LETTER: &str =
    "select record_id, at, kind, agent_id, session_id, policy_version, action_kind,
        digest, decision, rule_id, reason, salt, payload, why, dead_at
    from audit_log_dead_letter";

/// At most `limit` letters behind `after`, in order of death, fewer where they are large; none is
/// the end.
pub(crate) fn dead_letters_after(
    connection: &Connection,
    after: Option<LetterPlace>,
    limit: u64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "{LETTER} where ?1 is null or (dead_at, record_id) > (?1, ?2)
         order by dead_at, record_id limit ?3"
    ))?;
    let (dead_at, id) = (after.map(|it| it.dead_at.as_micros()), after.map(|it| it.id.as_uuid()));
    let id = id.as_ref().map(|it| it.as_bytes().as_slice());
    let mut rows = statement.query(params![dead_at, id, integer(limit)?])?;
    let (mut letters, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()?.filter(|_| bytes < PAGE_BYTES) {
        let letter = read_letter(row)?;
        bytes += letter.payload.as_bytes().len() as u64;
        letters.push(letter);
    }
    Ok(letters)
}

/// One letter.
pub(crate) fn dead_letter(
    connection: &Connection,
    id: RecordId,
) -> Result<Option<DeadLetter>, StoreError> {
    connection
        .prepare_cached(&format!("{LETTER} where record_id = ?1"))?
        .query_row([id.as_uuid().as_bytes()], |row| Ok(read_letter(row)))
        .optional()?
        .transpose()
}

/// Takes a letter out; false if it was not there.
pub(crate) fn delete_dead_letter(
    connection: &Connection,
    id: RecordId,
) -> Result<bool, StoreError> {
    let sql = "delete from audit_log_dead_letter where record_id = ?1";
    Ok(connection.prepare_cached(sql)?.execute([id.as_uuid().as_bytes()])? > 0)
}

/// Writes the reason of now beside a letter that stays.
pub(crate) fn set_why(connection: &Connection, id: RecordId, why: &str) -> Result<(), StoreError> {
    let sql = "update audit_log_dead_letter set why = ?2 where record_id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.as_uuid().as_bytes(), why])?;
    Ok(())
}

fn read_letter(row: &Row<'_>) -> Result<DeadLetter, StoreError> {
    let time = |column: &str| {
        let time = Timestamp::from_micros(row.get(column)?);
        time.ok_or_else(|| StoreError::Corrupt(format!("`{column}` of a dead letter is no time")))
    };
    Ok(DeadLetter {
        id: RecordId::from_uuid(uuid::Uuid::from_bytes(row.get("record_id")?)),
        at: time("at")?,
        kind: row.get("kind")?,
        agent_id: row.get("agent_id")?,
        session_id: row.get("session_id")?,
        policy_version: row.get("policy_version")?,
        action_kind: row.get("action_kind")?,
        digest: row.get("digest")?,
        decision: row.get("decision")?,
        rule_id: row.get("rule_id")?,
        reason: row.get("reason")?,
        payload: Payload::from_parts(row.get("payload")?, row.get("salt")?),
        why: row.get("why")?,
        dead_at: time("dead_at")?,
        lies: Lies::Table,
    })
}

/// How many records are in the dead-letter table.
pub(crate) fn dead_letters(connection: &Connection) -> Result<u64, StoreError> {
    let count: i64 = connection
        .prepare_cached("select count(*) from audit_log_dead_letter")?
        .query_row([], |row| row.get(0))?;
    Ok(count.try_into()?)
}

/// Keeps a whole record that cannot enter the log; again is fine.
pub(crate) fn insert_dead_letter(
    connection: &Connection,
    record: &LogRecord,
    why: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let verdict = record.verdict.as_ref();
    connection.execute(
        "insert into audit_log_dead_letter (record_id, at, kind, agent_id, session_id,
             policy_version, action_kind, digest, decision, rule_id, reason, salt, payload,
             why, dead_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
         on conflict (record_id) do nothing",
        params![
            record.id.as_uuid().as_bytes(),
            record.at.as_micros(),
            record.kind.as_str(),
            record.agent_id.as_ref().map(gov_core::AgentId::as_str),
            record.session_id.as_ref().map(gov_core::SessionId::as_str),
            // As text: SQLite's integers end at 2⁶³ - 1, and this one may be what is wrong.
            record.policy_version.map(|it| it.to_string()),
            verdict.map(|it| it.action_kind.as_str()),
            verdict.map(|it| *it.digest.as_bytes()),
            verdict.map(|it| it.decision.as_str()),
            verdict.and_then(|it| it.rule_id.as_ref()).map(gov_core::RuleId::as_str),
            verdict.and_then(|it| it.reason.as_deref()),
            record.payload.salt(),
            record.payload.as_bytes(),
            why,
            now.as_micros(),
        ],
    )?;
    Ok(())
}
