-- Who may ask, what is decided by, and what changed.

create table gateway_token (
    token_id    uuid        primary key,
    -- SHA-256 of the secret; the secret itself is shown once and kept nowhere.
    secret_hash bytea       not null check (octet_length(secret_hash) = 32),
    scope       text        not null check (scope in ('agent', 'approver', 'auditor', 'operator', 'admin')),
    agent_id    text        check ((agent_id is not null) = (scope = 'agent')),
    created_at  timestamptz not null,
    expires_at  timestamptz,
    revoked_at  timestamptz
);

create table gateway_agent (
    agent_id      text        primary key,
    registered_at timestamptz not null
);

create table gateway_policy (
    version      bigint      primary key check (version >= 1),
    -- The starter it came from.
    name         text        not null,
    text         text        not null,
    sha256       bytea       not null check (octet_length(sha256) = 32),
    activated_at timestamptz not null
);

-- What changed, in order: the outbox of the signed log. Payload and salt are fixed here, so the
-- record that stands for a row is always the same one.
create table gateway_history (
    history_id     bigint      primary key check (history_id >= 1),
    at             timestamptz not null,
    kind           text        not null,
    agent_id       text,
    policy_version bigint,
    payload        bytea       not null,
    salt           bytea       not null check (octet_length(salt) = 16)
);

create function gateway_history_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'gateway_history is append-only';
end
$$;

create trigger gateway_history_keeps_its_rows before update on gateway_history
for each statement execute function gateway_history_is_append_only();

-- The last row of the history. Whoever changes anything locks this row first, so changes take
-- turns, and a position is never seen before a smaller one. (A sequence has gaps, and numbers that
-- commit late.)
create table gateway_history_end (
    one      boolean primary key check (one),
    position bigint  not null check (position >= 0)
);
insert into gateway_history_end (one, position) values (true, 0);

-- The last run of each server. A run that has not ended, under another boot id, was cut off by a
-- power loss.
create table gateway_run (
    node       text        primary key,
    boot_id    text        not null,
    started_at timestamptz not null,
    ended_at   timestamptz
);

-- Up to which row of the history the signed log has all.
create table gateway_feed (
    one    boolean primary key check (one),
    cursor bigint  not null check (cursor >= 0)
);
