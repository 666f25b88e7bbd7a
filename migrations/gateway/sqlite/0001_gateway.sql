-- Who may ask, what is decided by, and what changed. Times are microseconds since 1970, ids are
-- 16 bytes.

create table gateway_token (
    token_id    blob    not null primary key check (length(token_id) = 16),
    -- SHA-256 of the secret; the secret itself is shown once and kept nowhere.
    secret_hash blob    not null check (length(secret_hash) = 32),
    scope       text    not null check (scope in ('agent', 'approver', 'auditor', 'operator', 'admin')),
    agent_id    text    check ((agent_id is not null) = (scope = 'agent')),
    created_at  integer not null,
    expires_at  integer,
    revoked_at  integer
) strict, without rowid;

create table gateway_agent (
    agent_id      text    not null primary key,
    registered_at integer not null
) strict, without rowid;

create table gateway_policy (
    version      integer not null primary key check (version >= 1),
    -- The starter it came from.
    name         text    not null,
    text         text    not null,
    sha256       blob    not null check (length(sha256) = 32),
    activated_at integer not null
) strict;

-- What changed, in order: the outbox of the signed log. Payload and salt are fixed here, so the
-- record that stands for a row is always the same one.
create table gateway_history (
    history_id     integer not null primary key autoincrement,
    at             integer not null,
    kind           text    not null,
    agent_id       text,
    policy_version integer,
    payload        blob    not null,
    salt           blob    not null check (length(salt) = 16)
) strict;

create trigger gateway_history_keeps_its_rows before update on gateway_history
begin
    select raise(abort, 'gateway_history is append-only');
end;

-- The last run of the server. A run that has not ended, under another boot id, was cut off by a
-- power loss.
create table gateway_run (
    one        integer not null primary key check (one = 1),
    boot_id    text    not null,
    started_at integer not null,
    ended_at   integer
) strict;

-- Up to which row of the history the signed log has all.
create table gateway_feed (
    one    integer not null primary key check (one = 1),
    cursor integer not null check (cursor >= 0)
) strict;
