//! People, their roles, and the agents they own.

use std::collections::HashMap;

use gov_core::{AgentId, PersonId, Role, Timestamp, id::uuid::Uuid};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{name, time};
use crate::{identity::Person, store::StoreError};

/// Adds a person; `false` if the name is taken.
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where the id is taken.
pub fn insert_person(db: &Connection, person: &Person) -> Result<bool, StoreError> {
    let added = db
        .prepare_cached(
            "insert into gateway_person (person_id, name, created_at, disabled_at)
             values (?1, ?2, ?3, ?4) on conflict (name) do nothing",
        )?
        .execute(params![
            bytes(person.id),
            person.name.as_str(),
            person.created_at.as_micros(),
            person.disabled_at.map(Timestamp::as_micros),
        ])?;
    if added == 1 {
        insert_roles(db, person.id, &person.roles)?;
    }
    Ok(added == 1)
}

/// Gives a person other roles, and says since when they are disabled, where that is to change;
/// `false` if there is no such person.
///
/// # Errors
///
/// [`StoreError::Unavailable`].
pub fn change_person(
    db: &Connection,
    id: PersonId,
    roles: Option<&[Role]>,
    disabled_at: Option<Option<Timestamp>>,
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
    if let Some(disabled_at) = disabled_at {
        db.prepare_cached("update gateway_person set disabled_at = ?2 where person_id = ?1")?
            .execute(params![bytes(id), disabled_at.map(Timestamp::as_micros)])?;
    }
    Ok(true)
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
///
/// # Errors
///
/// [`StoreError`].
pub fn people(db: &Connection) -> Result<Vec<Person>, StoreError> {
    let mut roles = roles(db)?;
    let mut statement = db.prepare_cached(
        "select person_id, name, created_at, disabled_at from gateway_person order by person_id",
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
    let name: String = row.get(1)?;
    Ok(Person {
        id: person_id(row, 0)?,
        name: name.parse().map_err(|_| corrupt("name"))?,
        roles: Vec::new(),
        created_at: time(row.get(2)?).ok_or_else(|| corrupt("created_at"))?,
        disabled_at: match row.get::<_, Option<i64>>(3)? {
            Some(micros) => Some(time(micros).ok_or_else(|| corrupt("disabled_at"))?),
            None => None,
        },
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
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where a person is unknown.
pub fn set_owners(
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

fn person_id(row: &Row<'_>, index: usize) -> Result<PersonId, StoreError> {
    Ok(PersonId::from_uuid(Uuid::from_bytes(row.get(index)?)))
}

fn bytes(id: PersonId) -> [u8; 16] {
    id.as_uuid().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::{
        fixture::{at, database},
        identities, register_agent,
    };

    fn person(micros: i64, name: &str, roles: &[&str]) -> Person {
        Person {
            id: PersonId::at(at(micros)),
            name: name.parse().unwrap(),
            roles: roles.iter().map(|it| it.parse().unwrap()).collect(),
            created_at: at(micros),
            disabled_at: None,
        }
    }

    #[test]
    fn people_read_back_as_they_were_changed_and_no_two_share_a_name() {
        let db = database();
        let mut ann = person(1, "Ann", &["ops", "security"]);
        assert!(insert_person(&db, &ann).unwrap());
        assert!(!insert_person(&db, &person(2, "Ann", &["lead"])).unwrap());
        assert_eq!(people(&db).unwrap(), [ann.clone()]);
        ann.roles = vec!["lead".parse().unwrap()];
        assert!(change_person(&db, ann.id, Some(&ann.roles), None).unwrap());
        assert_eq!(people(&db).unwrap(), [ann.clone()]);
        ann.disabled_at = Some(at(3));
        assert!(change_person(&db, ann.id, None, Some(ann.disabled_at)).unwrap());
        assert_eq!(people(&db).unwrap(), [ann.clone()]);
        assert!(change_person(&db, ann.id, None, Some(None)).unwrap());
        assert_eq!(people(&db).unwrap()[0].disabled_at, None);
        assert!(!change_person(&db, PersonId::at(at(4)), None, None).unwrap(), "who?");
    }

    #[test]
    fn the_last_owners_count_and_only_of_an_agent_that_is_there() {
        let db = database();
        let (ann, bob, agent) =
            (person(1, "Ann", &[]), person(2, "Bob", &[]), "a".parse().unwrap());
        insert_person(&db, &ann).unwrap();
        insert_person(&db, &bob).unwrap();
        assert!(!set_owners(&db, &agent, &[ann.id]).unwrap());
        register_agent(&db, &agent, at(1)).unwrap();
        for owners in [vec![ann.id, bob.id], vec![bob.id], Vec::new()] {
            assert!(set_owners(&db, &agent, &owners).unwrap());
            let mut sorted = owners;
            sorted.sort();
            assert_eq!(identities(&db).unwrap().agents[0].owners, sorted);
        }
    }
}
