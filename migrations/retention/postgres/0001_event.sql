-- Audit events, and up to where their sources have been read.

create table retention_event (
    at         timestamptz not null,
    event_id   uuid        not null,
    kind       text        not null,
    agent_id   text,
    session_id text,
    team_id    text,
    -- A JSON object of texts; not `jsonb`, which has no U+0000.
    subjects   text        not null,
    trace_id   text,
    -- Erasable.
    salt       bytea       not null check (length(salt) = 16),
    payload    bytea       not null,
    primary key (at, event_id)
) partition by range (at);

-- A partition a UTC day, `retention_event_20260101`, made when its first event comes.

-- Most events are of the one kind that is left out, so that this costs their insert nothing.
create index retention_event_rare on retention_event (at, event_id, kind)
    where kind <> 'action.allowed';

-- Written in the transaction of the events that it speaks of.
create table retention_source (
    source text   not null primary key,
    seq    bigint not null check (seq >= 0)
);
