//! People, their roles, and the agents they own.

use std::collections::HashMap;

use gov_core::{AgentId, PersonId, Role, Timestamp, id::uuid::Uuid};
use sqlx::{PgConnection, Row as _};

use super::{Place, stamp};
use crate::{
    identity::{Person, SlackUser},
    store::StoreError,
};

/// Adds a person; `false` if the name is taken.
pub(super) async fn insert(tx: &mut PgConnection, person: &Person) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "insert into gateway_person (person_id, name, created_at, disabled_at, slack_user)
         values ($1, $2, $3, $4, $5) on conflict (name) do nothing",
    )
    .bind(person.id.as_uuid())
    .bind(person.name.as_str())
    .bind(stamp(person.created_at))
    .bind(person.disabled_at.map(stamp))
    .bind(person.slack_user.as_ref().map(SlackUser::as_str))
    .execute(&mut *tx)
    .await?;
    if added.rows_affected() == 1 {
        insert_roles(tx, person.id, &person.roles).await?;
    }
    Ok(added.rows_affected() == 1)
}

/// Gives a person other roles, and disables them from a time on or lets them decide again, where
/// that is to change; `false` if there is no such person.
pub(super) async fn change(
    tx: &mut PgConnection,
    id: PersonId,
    roles: Option<&[Role]>,
    disabled: Option<(bool, Timestamp)>,
) -> Result<bool, StoreError> {
    let exists = "select exists (select from gateway_person where person_id = $1)";
    if !sqlx::query_scalar(exists).bind(id.as_uuid()).fetch_one(&mut *tx).await? {
        return Ok(false);
    }
    if let Some(roles) = roles {
        let clear = "delete from gateway_person_role where person_id = $1";
        sqlx::query(clear).bind(id.as_uuid()).execute(&mut *tx).await?;
        insert_roles(tx, id, roles).await?;
    }
    if let Some((disabled, at)) = disabled {
        sqlx::query(
            "update gateway_person
             set disabled_at = case when $2 then coalesce(disabled_at, $3) end
             where person_id = $1",
        )
        .bind(id.as_uuid())
        .bind(disabled)
        .bind(stamp(at))
        .execute(tx)
        .await?;
    }
    Ok(true)
}

/// Says who a person is in Slack; `false` if there is no such person, or another one is that.
pub(super) async fn tie_slack(
    tx: &mut PgConnection,
    id: PersonId,
    user: Option<&SlackUser>,
) -> Result<bool, StoreError> {
    let tied = sqlx::query(
        "update gateway_person set slack_user = $2 where person_id = $1 and not exists (
             select from gateway_person where slack_user = $2 and person_id <> $1)",
    )
    .bind(id.as_uuid())
    .bind(user.map(SlackUser::as_str))
    .execute(tx)
    .await?;
    Ok(tied.rows_affected() == 1)
}

async fn insert_roles(
    tx: &mut PgConnection,
    id: PersonId,
    roles: &[Role],
) -> Result<(), StoreError> {
    let roles: Vec<_> = roles.iter().map(Role::as_str).collect();
    sqlx::query(
        "insert into gateway_person_role (person_id, role) select $1, unnest($2::text[])
         on conflict (person_id, role) do nothing",
    )
    .bind(id.as_uuid())
    .bind(roles)
    .execute(tx)
    .await?;
    Ok(())
}

/// Every person, also the disabled ones, by id.
pub(super) async fn people(tx: &mut PgConnection) -> Result<Vec<Person>, StoreError> {
    const HERE: Place = Place("gateway_person");
    let mut roles = roles(tx).await?;
    let people = "select person_id, name, created_at, disabled_at, slack_user from gateway_person
         order by person_id";
    let rows = sqlx::query(people).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let id = PersonId::from_uuid(row.try_get("person_id")?);
            let name: String = row.try_get("name")?;
            let slack_user: Option<String> = row.try_get("slack_user")?;
            let slack_user = slack_user.map(|it| it.parse()).transpose();
            Ok(Person {
                id,
                name: name.parse().map_err(|_| HERE.corrupt("name"))?,
                roles: roles.remove(&id).unwrap_or_default(),
                created_at: HERE.time(row, "created_at")?,
                disabled_at: HERE.some_time(row, "disabled_at")?,
                slack_user: slack_user.map_err(|_| HERE.corrupt("slack_user"))?,
            })
        })
        .collect()
}

async fn roles(tx: &mut PgConnection) -> Result<HashMap<PersonId, Vec<Role>>, StoreError> {
    const HERE: Place = Place("gateway_person_role");
    let select = "select person_id, role from gateway_person_role order by role collate \"C\"";
    let mut roles: HashMap<PersonId, Vec<Role>> = HashMap::new();
    for row in sqlx::query(select).fetch_all(tx).await? {
        let role: String = row.try_get("role")?;
        let role = role.parse().map_err(|_| HERE.corrupt("role"))?;
        roles.entry(PersonId::from_uuid(row.try_get("person_id")?)).or_default().push(role);
    }
    Ok(roles)
}

/// Gives an agent these owners and no other; `false` if it is not registered.
pub(super) async fn set_owners(
    tx: &mut PgConnection,
    agent: &AgentId,
    owners: &[PersonId],
) -> Result<bool, StoreError> {
    let exists = "select exists (select from gateway_agent where agent_id = $1)";
    if !sqlx::query_scalar(exists).bind(agent.as_str()).fetch_one(&mut *tx).await? {
        return Ok(false);
    }
    let clear = "delete from gateway_agent_owner where agent_id = $1";
    sqlx::query(clear).bind(agent.as_str()).execute(&mut *tx).await?;
    let owners: Vec<Uuid> = owners.iter().map(|it| it.as_uuid()).collect();
    sqlx::query(
        "insert into gateway_agent_owner (agent_id, person_id) select $1, unnest($2::uuid[])
         on conflict (agent_id, person_id) do nothing",
    )
    .bind(agent.as_str())
    .bind(owners)
    .execute(tx)
    .await?;
    Ok(true)
}

/// The owners of every agent that has any.
pub(super) async fn owners(
    tx: &mut PgConnection,
) -> Result<HashMap<AgentId, Vec<PersonId>>, StoreError> {
    const HERE: Place = Place("gateway_agent_owner");
    let select = "select agent_id, person_id from gateway_agent_owner order by person_id";
    let mut owners: HashMap<AgentId, Vec<PersonId>> = HashMap::new();
    for row in sqlx::query(select).fetch_all(tx).await? {
        let agent = HERE.agent(&row, "agent_id")?.ok_or_else(|| HERE.corrupt("agent_id"))?;
        owners.entry(agent).or_default().push(PersonId::from_uuid(row.try_get("person_id")?));
    }
    Ok(owners)
}
