-- Audit events of one day, and up to where their sources have been read. Times are whole
-- microseconds since 1970, ids 16-byte blobs.

create table retention_event (
    at         integer not null check (at >= 0),
    event_id   blob    not null check (length(event_id) = 16),
    kind       text    not null,
    agent_id   text,
    session_id text,
    team_id    text,
    -- A JSON object of texts.
    subjects   text    not null,
    trace_id   text,
    -- Erasable.
    salt       blob    not null check (length(salt) = 16),
    payload    blob    not null,
    primary key (at, event_id)
) strict, without rowid;

-- Most events are of the one kind that is left out, so that this costs their insert nothing.
create index retention_event_rare on retention_event (at, event_id, kind)
    where kind <> 'action.allowed';

-- Written in the transaction of the events that it speaks of. The cursor of a source is its
-- greatest seq over the files of all days.
create table retention_source (
    source text    not null primary key,
    seq    integer not null check (seq >= 1)
) strict, without rowid;
