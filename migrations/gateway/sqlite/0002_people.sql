-- Who may decide. A person stays for ever, so that the history can be read: one who leaves is
-- disabled.

create table gateway_person (
    person_id   blob    not null primary key check (length(person_id) = 16),
    name        text    not null unique,
    created_at  integer not null,
    disabled_at integer
) strict, without rowid;

create table gateway_person_role (
    person_id blob not null references gateway_person,
    role      text not null,
    primary key (person_id, role)
) strict, without rowid;

-- Whose agent it is: an owner does not decide about it.
create table gateway_agent_owner (
    agent_id  text not null references gateway_agent,
    person_id blob not null references gateway_person,
    primary key (agent_id, person_id)
) strict, without rowid;

alter table gateway_token add column person_id blob references gateway_person
    check ((person_id is not null) = (scope = 'approver'));
