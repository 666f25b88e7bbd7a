//! Tables `gateway_*` of `gov.db`.
//!
//! Every function works inside the transaction or on the connection that it is given; who writes
//! goes through gov-store's `Writer`.

use gov_core::{AgentId, AuditEventKind, Payload, Timestamp, TokenId, canonical, id::uuid::Uuid};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Change, HistoryRow, Run, StoreError, StoredPolicy};
use crate::identity::Token;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// Adds a token.
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where the id is taken.
pub fn insert_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_token
             (token_id, secret_hash, scope, agent_id, created_at, expires_at, revoked_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        token.id.as_uuid().as_bytes(),
        token.secret_hash,
        token.scope.name(),
        token.agent_id.as_ref().map(AgentId::as_str),
        token.created_at.as_micros(),
        token.expires_at.map(Timestamp::as_micros),
        token.revoked_at.map(Timestamp::as_micros),
    ])?;
    Ok(())
}

/// Withdraws a token; `false` if there is none, or it was withdrawn before.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn revoke_token(db: &Connection, id: TokenId, at: Timestamp) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "update gateway_token set revoked_at = ?2 where token_id = ?1 and revoked_at is null",
        )?
        .execute(params![id.as_uuid().as_bytes(), at.as_micros()])?;
    Ok(changed == 1)
}

/// Every token, also those that ended.
///
/// # Errors
///
/// [`StoreError`].
pub fn tokens(db: &Connection) -> Result<Vec<Token>, StoreError> {
    let mut statement = db.prepare_cached(
        "select token_id, secret_hash, scope, agent_id, created_at, expires_at, revoked_at
         from gateway_token order by created_at desc, token_id desc",
    )?;
    let mut rows = statement.query([])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(read_token(row)?);
    }
    Ok(tokens)
}

fn read_token(row: &Row<'_>) -> Result<Token, StoreError> {
    const TABLE: &str = "gateway_token";
    let corrupt = |column| move || StoreError::Corrupt { table: TABLE, column };
    let id: [u8; 16] = row.get(0)?;
    let scope: String = row.get(2)?;
    Ok(Token {
        id: TokenId::from_uuid(Uuid::from_bytes(id)),
        secret_hash: row.get(1)?,
        scope: scope.parse().map_err(|_| corrupt("scope")())?,
        agent_id: name(row, 3, TABLE, "agent_id")?,
        created_at: time(row.get(4)?).ok_or_else(corrupt("created_at"))?,
        expires_at: row.get::<_, Option<i64>>(5)?.and_then(time),
        revoked_at: row.get::<_, Option<i64>>(6)?.and_then(time),
    })
}

/// Registers an agent; `false` if it was registered before.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn register_agent(db: &Connection, id: &AgentId, at: Timestamp) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "insert into gateway_agent (agent_id, registered_at) values (?1, ?2)
             on conflict (agent_id) do nothing",
        )?
        .execute(params![id.as_str(), at.as_micros()])?;
    Ok(added == 1)
}

/// Every registered agent.
///
/// # Errors
///
/// [`StoreError`].
pub fn agents(db: &Connection) -> Result<Vec<(AgentId, Timestamp)>, StoreError> {
    const TABLE: &str = "gateway_agent";
    let mut statement = db.prepare_cached("select agent_id, registered_at from gateway_agent")?;
    let mut rows = statement.query([])?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next()? {
        let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
        let id = name(row, 0, TABLE, "agent_id")?.ok_or_else(|| corrupt("agent_id"))?;
        agents.push((id, time(row.get(1)?).ok_or_else(|| corrupt("registered_at"))?));
    }
    Ok(agents)
}

/// Adds a policy version, which is active from now on.
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where the version is taken.
pub fn insert_policy(
    db: &Connection,
    policy: &StoredPolicy,
    at: Timestamp,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_policy (version, name, text, sha256, activated_at)
         values (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        whole(policy.version),
        policy.name,
        policy.text,
        canonical::sha256(policy.text.as_bytes()),
        at.as_micros(),
    ])?;
    Ok(())
}

/// The active policy; `None` before there is one.
///
/// # Errors
///
/// [`StoreError::Corrupt`] also where the text is not the one that was activated.
pub fn active_policy(db: &Connection) -> Result<Option<StoredPolicy>, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_policy", column };
    let row = db
        .prepare_cached(
            "select version, name, text, sha256 from gateway_policy order by version desc limit 1",
        )?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((version, name, text, sha256)): Option<(i64, String, String, [u8; 32])> = row else {
        return Ok(None);
    };
    if canonical::sha256(text.as_bytes()) != sha256 {
        return Err(corrupt("text"));
    }
    let version = u64::try_from(version).map_err(|_| corrupt("version"))?;
    Ok(Some(StoredPolicy { version, name, text }))
}

/// Writes a change into the history: in the transaction that makes it.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn insert_change(db: &Connection, change: &Change) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_history (at, kind, agent_id, policy_version, payload, salt)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        change.at.as_micros(),
        change.kind.as_str(),
        change.agent_id.as_ref().map(AgentId::as_str),
        change.policy_version.map(whole),
        change.payload.as_bytes(),
        change.payload.salt(),
    ])?;
    Ok(())
}

/// Whether a change of this kind was ever made.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn has_change(db: &Connection, kind: &AuditEventKind) -> Result<bool, StoreError> {
    let mut found = db.prepare_cached("select 1 from gateway_history where kind = ?1 limit 1")?;
    Ok(found.exists([kind.as_str()])?)
}

/// At most `limit` changes after `after`, the oldest first.
///
/// # Errors
///
/// [`StoreError`].
pub fn changes_after(
    db: &Connection,
    after: i64,
    limit: u32,
) -> Result<Vec<HistoryRow>, StoreError> {
    let mut statement = db.prepare_cached(
        "select history_id, at, kind, agent_id, policy_version, payload, salt
         from gateway_history where history_id > ?1 order by history_id limit ?2",
    )?;
    let mut rows = statement.query(params![after, limit])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        changes.push(read_change(row)?);
    }
    Ok(changes)
}

fn read_change(row: &Row<'_>) -> Result<HistoryRow, StoreError> {
    const TABLE: &str = "gateway_history";
    let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
    let kind: String = row.get(2)?;
    let Ok(kind) = kind.parse::<AuditEventKind>();
    let version: Option<i64> = row.get(4)?;
    let policy_version =
        version.map(u64::try_from).transpose().map_err(|_| corrupt("policy_version"))?;
    Ok(HistoryRow {
        history_id: row.get(0)?,
        change: Change {
            at: time(row.get(1)?).ok_or_else(|| corrupt("at"))?,
            kind,
            agent_id: name(row, 3, TABLE, "agent_id")?,
            policy_version,
            payload: Payload::from_parts(row.get(5)?, row.get(6)?),
        },
    })
}

/// The last run of the server; `None` before the first.
///
/// # Errors
///
/// [`StoreError`].
pub fn last_run(db: &Connection) -> Result<Option<Run>, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_run", column };
    let row = db
        .prepare_cached("select boot_id, started_at, ended_at from gateway_run")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<i64>>(2)?)))
        .optional()?;
    let Some((boot_id, started_at, ended_at)) = row else { return Ok(None) };
    let started_at = time(started_at).ok_or_else(|| corrupt("started_at"))?;
    Ok(Some(Run { boot_id, started_at, ended_at: ended_at.and_then(time) }))
}

/// Replaces the last run.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn put_run(db: &Connection, run: &Run) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_run (one, boot_id, started_at, ended_at) values (1, ?1, ?2, ?3)
         on conflict (one) do update set
             boot_id = excluded.boot_id, started_at = excluded.started_at,
             ended_at = excluded.ended_at",
    )?
    .execute(params![
        run.boot_id,
        run.started_at.as_micros(),
        run.ended_at.map(Timestamp::as_micros),
    ])?;
    Ok(())
}

/// The last row of the history; 0 before there is one.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn last_change(db: &Connection) -> Result<i64, StoreError> {
    let last = "select coalesce(max(history_id), 0) from gateway_history";
    Ok(db.prepare_cached(last)?.query_row([], |row| row.get(0))?)
}

/// Up to which row of the history the signed log has all; 0 at first.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn feed_cursor(db: &Connection) -> Result<i64, StoreError> {
    let cursor = db
        .prepare_cached("select cursor from gateway_feed")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(cursor.unwrap_or(0))
}

/// Moves the cursor of the history.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn set_feed_cursor(db: &Connection, cursor: i64) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_feed (one, cursor) values (1, ?1)
         on conflict (one) do update set cursor = excluded.cursor",
    )?
    .execute([cursor])?;
    Ok(())
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros)
}

fn whole(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn name(
    row: &Row<'_>,
    index: usize,
    table: &'static str,
    column: &'static str,
) -> Result<Option<AgentId>, StoreError> {
    let text: Option<String> = row.get(index)?;
    text.map(|it| it.parse().map_err(|_| StoreError::Corrupt { table, column })).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Scope;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../migrations/sqlite/0001_gateway.sql")).unwrap();
        db
    }

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }

    #[test]
    fn tokens_read_back_newest_first_and_are_revoked_once() {
        let db = database();
        let token = |micros, scope, agent: Option<&str>| Token {
            id: TokenId::at(at(micros)),
            secret_hash: [7; 32],
            scope,
            agent_id: agent.map(|it| it.parse().unwrap()),
            created_at: at(micros),
            expires_at: Some(at(micros + 1)),
            revoked_at: None,
        };
        let (old, new) = (token(1, Scope::Agent, Some("a")), token(2, Scope::Admin, None));
        for it in [&old, &new] {
            insert_token(&db, it).unwrap();
        }
        assert_eq!(tokens(&db).unwrap(), [new.clone(), old]);
        assert!(revoke_token(&db, new.id, at(9)).unwrap());
        assert!(!revoke_token(&db, new.id, at(10)).unwrap(), "the first time stays");
        assert_eq!(tokens(&db).unwrap()[0].revoked_at, Some(at(9)));
        assert!(insert_token(&db, &token(3, Scope::Agent, None)).is_err(), "for whom?");
    }

    #[test]
    fn an_agent_is_registered_once() {
        let db = database();
        let id: AgentId = "a".parse().unwrap();
        assert!(register_agent(&db, &id, at(1)).unwrap());
        assert!(!register_agent(&db, &id, at(2)).unwrap());
        assert_eq!(agents(&db).unwrap(), [(id, at(1))]);
    }

    #[test]
    fn the_largest_version_is_active_and_a_changed_text_is_refused() {
        let db = database();
        assert_eq!(active_policy(&db).unwrap(), None);
        let policy = |version: u64| StoredPolicy {
            version,
            name: "balanced".into(),
            text: format!("permit v{version}"),
        };
        for version in [1, 2] {
            insert_policy(&db, &policy(version), at(1)).unwrap();
        }
        assert_eq!(active_policy(&db).unwrap(), Some(policy(2)));
        db.execute("update gateway_policy set text = 'permit all'", []).unwrap();
        assert!(matches!(active_policy(&db), Err(StoreError::Corrupt { column: "text", .. })));
    }

    #[test]
    fn the_history_reads_back_in_order_and_cannot_be_rewritten() {
        let db = database();
        let change = |micros| Change {
            at: at(micros),
            kind: AuditEventKind::AgentRegistered,
            agent_id: Some("a".parse().unwrap()),
            policy_version: Some(1),
            payload: Payload::seal(&micros).unwrap(),
        };
        let changes = [change(1), change(2), change(3)];
        for it in &changes {
            insert_change(&db, it).unwrap();
        }
        let rows = changes_after(&db, 1, 9).unwrap();
        assert_eq!(rows.iter().map(|it| it.history_id).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(rows[0].change, changes[1]);
        assert_eq!(changes_after(&db, 0, 1).unwrap().len(), 1);
        assert!(db.execute("update gateway_history set at = 0", []).is_err());
    }

    #[test]
    fn there_is_one_last_run() {
        let db = database();
        assert_eq!(last_run(&db).unwrap(), None);
        let mut run = Run { boot_id: "b".into(), started_at: at(1), ended_at: None };
        put_run(&db, &run).unwrap();
        run.ended_at = Some(at(2));
        put_run(&db, &run).unwrap();
        assert_eq!(last_run(&db).unwrap(), Some(run));
    }
}
