//! Tokens and agents; people have a file of their own.

use gov_core::{AgentId, PersonId, Timestamp, TokenId, id::uuid::Uuid};
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Place, people, stamp};
use crate::{
    identity::{Agent, Token},
    store::StoreError,
};

/// Adds a token.
pub(super) async fn insert_token(tx: &mut PgConnection, token: &Token) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_token
             (token_id, secret_hash, scope, agent_id, person_id, created_at, expires_at, revoked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(token.id.as_uuid())
    .bind(token.secret_hash.as_slice())
    .bind(token.scope.name())
    .bind(token.agent_id.as_ref().map(AgentId::as_str))
    .bind(token.person_id.map(PersonId::as_uuid))
    .bind(stamp(token.created_at))
    .bind(token.expires_at.map(stamp))
    .bind(token.revoked_at.map(stamp))
    .execute(tx)
    .await?;
    Ok(())
}

/// Withdraws a token; `false` if there is none, or it was withdrawn before.
pub(super) async fn revoke_token(
    tx: &mut PgConnection,
    id: TokenId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let revoke =
        "update gateway_token set revoked_at = $2 where token_id = $1 and revoked_at is null";
    let revoked = sqlx::query(revoke).bind(id.as_uuid()).bind(stamp(at)).execute(tx).await?;
    Ok(revoked.rows_affected() == 1)
}

/// Every token, also those that ended.
pub(super) async fn tokens(tx: &mut PgConnection) -> Result<Vec<Token>, StoreError> {
    let rows = sqlx::query(
        "select token_id, secret_hash, scope, agent_id, person_id, created_at, expires_at,
             revoked_at
         from gateway_token order by created_at desc, token_id desc",
    )
    .fetch_all(tx)
    .await?;
    rows.iter().map(read_token).collect()
}

fn read_token(row: &PgRow) -> Result<Token, StoreError> {
    const HERE: Place = Place("gateway_token");
    let scope: String = row.try_get("scope")?;
    let person_id: Option<Uuid> = row.try_get("person_id")?;
    Ok(Token {
        id: TokenId::from_uuid(row.try_get("token_id")?),
        secret_hash: HERE.bytes(row, "secret_hash")?,
        scope: scope.parse().map_err(|_| HERE.corrupt("scope"))?,
        agent_id: HERE.agent(row, "agent_id")?,
        person_id: person_id.map(PersonId::from_uuid),
        created_at: HERE.time(row, "created_at")?,
        expires_at: HERE.some_time(row, "expires_at")?,
        revoked_at: HERE.some_time(row, "revoked_at")?,
    })
}

/// Registers an agent; `false` if it was registered before.
pub(super) async fn register_agent(
    tx: &mut PgConnection,
    id: &AgentId,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let register = "insert into gateway_agent (agent_id, registered_at) values ($1, $2)
                    on conflict (agent_id) do nothing";
    let added = sqlx::query(register).bind(id.as_str()).bind(stamp(at)).execute(tx).await?;
    Ok(added.rows_affected() == 1)
}

/// Every registered agent with its owners.
pub(super) async fn agents(tx: &mut PgConnection) -> Result<Vec<Agent>, StoreError> {
    const HERE: Place = Place("gateway_agent");
    let mut owners = people::owners(tx).await?;
    let agents = "select agent_id, registered_at from gateway_agent
                  order by agent_id collate \"C\"";
    let rows = sqlx::query(agents).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let id = HERE.agent(row, "agent_id")?.ok_or_else(|| HERE.corrupt("agent_id"))?;
            let owners = owners.remove(&id).unwrap_or_default();
            Ok(Agent { id, registered_at: HERE.time(row, "registered_at")?, owners })
        })
        .collect()
}
