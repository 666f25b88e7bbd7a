//! Tokens and agents; people have a file of their own.

use gov_core::{AgentId, PersonId, Timestamp, TokenId, id::uuid::Uuid};
use rusqlite::{Connection, Row, params};

use super::{halt, name, people, some_time, stand_ins, time};
use crate::{
    identity::{Agent, Identities, Token},
    store::StoreError,
};

/// Everyone who is known.
pub(crate) fn identities(db: &Connection) -> Result<Identities, StoreError> {
    Ok(Identities {
        tokens: tokens(db)?,
        agents: agents(db)?,
        people: people::people(db)?,
        stand_ins: stand_ins::all(db)?,
        halt: halt::last(db)?,
    })
}

/// Adds a token.
pub(super) fn insert_token(db: &Connection, token: &Token) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_token
             (token_id, secret_hash, scope, agent_id, person_id, created_at, expires_at, revoked_at)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        token.id.as_uuid().as_bytes(),
        token.secret_hash,
        token.scope.name(),
        token.agent_id.as_ref().map(AgentId::as_str),
        token.person_id.map(|it| it.as_uuid().into_bytes()),
        token.created_at.as_micros(),
        token.expires_at.map(Timestamp::as_micros),
        token.revoked_at.map(Timestamp::as_micros),
    ])?;
    Ok(())
}

/// Withdraws a token; `false` if there is none, or it was withdrawn before.
pub(super) fn revoke_token(
    db: &Connection,
    id: TokenId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let changed = db
        .prepare_cached(
            "update gateway_token set revoked_at = ?2 where token_id = ?1 and revoked_at is null",
        )?
        .execute(params![id.as_uuid().as_bytes(), at.as_micros()])?;
    Ok(changed == 1)
}

/// Every token, also those that ended.
pub(super) fn tokens(db: &Connection) -> Result<Vec<Token>, StoreError> {
    let mut statement = db.prepare_cached(
        "select token_id, secret_hash, scope, agent_id, created_at, expires_at, revoked_at, person_id
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
        person_id: row.get::<_, Option<[u8; 16]>>(7)?.map(person_id),
        created_at: time(row.get(4)?).ok_or_else(corrupt("created_at"))?,
        expires_at: some_time(row, 5, TABLE, "expires_at")?,
        revoked_at: some_time(row, 6, TABLE, "revoked_at")?,
    })
}

fn person_id(bytes: [u8; 16]) -> PersonId {
    PersonId::from_uuid(Uuid::from_bytes(bytes))
}

/// Registers an agent; `false` if it was registered before.
pub(super) fn register_agent(
    db: &Connection,
    id: &AgentId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "insert into gateway_agent (agent_id, registered_at) values (?1, ?2)
             on conflict (agent_id) do nothing",
        )?
        .execute(params![id.as_str(), at.as_micros()])?;
    Ok(added == 1)
}

/// Every registered agent with its owners.
pub(super) fn agents(db: &Connection) -> Result<Vec<Agent>, StoreError> {
    const TABLE: &str = "gateway_agent";
    let mut owners = people::owners(db)?;
    let mut statement =
        db.prepare_cached("select agent_id, registered_at from gateway_agent order by agent_id")?;
    let mut rows = statement.query([])?;
    let mut agents = Vec::new();
    while let Some(row) = rows.next()? {
        let corrupt = |column| StoreError::Corrupt { table: TABLE, column };
        let id = name(row, 0, TABLE, "agent_id")?.ok_or_else(|| corrupt("agent_id"))?;
        let registered_at = time(row.get(1)?).ok_or_else(|| corrupt("registered_at"))?;
        let owners = owners.remove(&id).unwrap_or_default();
        agents.push(Agent { id, registered_at, owners });
    }
    Ok(agents)
}
