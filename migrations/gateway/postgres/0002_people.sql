-- Who may decide. A person stays for ever, so that the history can be read: one who leaves is
-- disabled.

create table gateway_person (
    person_id   uuid        primary key,
    name        text        not null unique,
    created_at  timestamptz not null,
    disabled_at timestamptz
);

create table gateway_person_role (
    person_id uuid not null references gateway_person,
    role      text not null,
    primary key (person_id, role)
);

-- Whose agent it is: an owner does not decide about it.
create table gateway_agent_owner (
    agent_id  text not null references gateway_agent,
    person_id uuid not null references gateway_person,
    primary key (agent_id, person_id)
);

alter table gateway_token add column person_id uuid references gateway_person
    check ((person_id is not null) = (scope = 'approver'));
