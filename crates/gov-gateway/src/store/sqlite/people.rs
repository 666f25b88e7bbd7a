//! People, their roles, and the agents they own.

use std::collections::HashMap;

use gov_core::{AgentId, PersonId, Role, Timestamp, id::uuid::Uuid};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{name, some_time, time};
use crate::{
    identity::{Person, SlackUser},
    store::StoreError,
};

/// Adds a person; `false` if the name is taken.
pub(super) fn insert(db: &Connection, person: &Person) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "insert into gateway_person (person_id, name, created_at, disabled_at, slack_user)
             values (?1, ?2, ?3, ?4, ?5) on conflict (name) do nothing",
        )?
        .execute(params![
            bytes(person.id),
            person.name.as_str(),
            person.created_at.as_micros(),
            person.disabled_at.map(Timestamp::as_micros),
            person.slack_user.as_ref().map(SlackUser::as_str),
        ])?;
    if added == 1 {
        insert_roles(db, person.id, &person.roles)?;
    }
    Ok(added == 1)
}

/// Gives a person other roles, and disables them from a time on or lets them decide again, where
/// that is to change; `false` if there is no such person.
pub(super) fn change(
    db: &Connection,
    id: PersonId,
    roles: Option<&[Role]>,
    disabled: Option<(bool, Timestamp)>,
) -> Result<bool, StoreError> {
    let exists = "select 1 from gateway_person where person_id = ?1";
    if !db.prepare_cached(exists)?.exists([bytes(id)])? {
        return Ok(false);
    }
    if let Some(roles) = roles {
        db.prepare_cached("delete from gateway_person_role where person_id = ?1")?
            .execute([bytes(id)])?;
        insert_roles(db, id, roles)?;
    }
    if let Some((disabled, at)) = disabled {
        db.prepare_cached(
            "update gateway_person
             set disabled_at = case when ?2 then coalesce(disabled_at, ?3) end
             where person_id = ?1",
        )?
        .execute(params![bytes(id), disabled, at.as_micros()])?;
    }
    Ok(true)
}

/// Says who a person is in Slack; `false` if there is no such person, or another one is that.
pub(super) fn tie_slack(
    db: &Connection,
    id: PersonId,
    user: Option<&SlackUser>,
) -> Result<bool, StoreError> {
    let tied = db
        .prepare_cached(
            "update gateway_person set slack_user = ?2 where person_id = ?1 and not exists (
                 select 1 from gateway_person where slack_user = ?2 and person_id <> ?1)",
        )?
        .execute(params![bytes(id), user.map(SlackUser::as_str)])?;
    Ok(tied == 1)
}

fn insert_roles(db: &Connection, id: PersonId, roles: &[Role]) -> Result<(), StoreError> {
    let mut insert = db.prepare_cached(
        "insert into gateway_person_role (person_id, role) values (?1, ?2)
         on conflict (person_id, role) do nothing",
    )?;
    for role in roles {
        insert.execute(params![bytes(id), role.as_str()])?;
    }
    Ok(())
}

/// Every person, also the disabled ones, by id.
pub(super) fn people(db: &Connection) -> Result<Vec<Person>, StoreError> {
    let mut roles = roles(db)?;
    let mut statement = db.prepare_cached(
        "select person_id, name, created_at, disabled_at, slack_user from gateway_person
         order by person_id",
    )?;
    let mut rows = statement.query([])?;
    let mut people = Vec::new();
    while let Some(row) = rows.next()? {
        let mut person = read_person(row)?;
        person.roles = roles.remove(&person.id).unwrap_or_default();
        people.push(person);
    }
    Ok(people)
}

fn read_person(row: &Row<'_>) -> Result<Person, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_person", column };
    let (name, slack_user): (String, Option<String>) = (row.get(1)?, row.get(4)?);
    Ok(Person {
        id: person_id(row, 0)?,
        name: name.parse().map_err(|_| corrupt("name"))?,
        roles: Vec::new(),
        created_at: time(row.get(2)?).ok_or_else(|| corrupt("created_at"))?,
        disabled_at: some_time(row, 3, "gateway_person", "disabled_at")?,
        slack_user: slack_user
            .map(|it| it.parse().map_err(|_| corrupt("slack_user")))
            .transpose()?,
    })
}

fn roles(db: &Connection) -> Result<HashMap<PersonId, Vec<Role>>, StoreError> {
    let mut statement =
        db.prepare_cached("select person_id, role from gateway_person_role order by role")?;
    let mut rows = statement.query([])?;
    let mut roles: HashMap<PersonId, Vec<Role>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let corrupt = |_| StoreError::Corrupt { table: "gateway_person_role", column: "role" };
        let role: String = row.get(1)?;
        roles.entry(person_id(row, 0)?).or_default().push(role.parse().map_err(corrupt)?);
    }
    Ok(roles)
}

/// Gives an agent these owners and no other; `false` if it is not registered.
pub(super) fn set_owners(
    db: &Connection,
    agent: &AgentId,
    owners: &[PersonId],
) -> Result<bool, StoreError> {
    let exists = "select 1 from gateway_agent where agent_id = ?1";
    let known = db.prepare_cached(exists)?.query_row([agent.as_str()], |_| Ok(())).optional()?;
    if known.is_none() {
        return Ok(false);
    }
    db.prepare_cached("delete from gateway_agent_owner where agent_id = ?1")?
        .execute([agent.as_str()])?;
    let mut insert = db.prepare_cached(
        "insert into gateway_agent_owner (agent_id, person_id) values (?1, ?2)
         on conflict (agent_id, person_id) do nothing",
    )?;
    for owner in owners {
        insert.execute(params![agent.as_str(), bytes(*owner)])?;
    }
    Ok(true)
}

/// The owners of every agent that has any.
pub(super) fn owners(db: &Connection) -> Result<HashMap<AgentId, Vec<PersonId>>, StoreError> {
    const TABLE: &str = "gateway_agent_owner";
    let mut statement = db
        .prepare_cached("select agent_id, person_id from gateway_agent_owner order by person_id")?;
    let mut rows = statement.query([])?;
    let mut owners: HashMap<AgentId, Vec<PersonId>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let corrupt = || StoreError::Corrupt { table: TABLE, column: "agent_id" };
        let agent = name(row, 0, TABLE, "agent_id")?.ok_or_else(corrupt)?;
        owners.entry(agent).or_default().push(person_id(row, 1)?);
    }
    Ok(owners)
}

pub(super) fn person_id(row: &Row<'_>, index: usize) -> Result<PersonId, StoreError> {
    Ok(PersonId::from_uuid(Uuid::from_bytes(row.get(index)?)))
}

pub(super) fn bytes(id: PersonId) -> [u8; 16] {
    id.as_uuid().into_bytes()
}
