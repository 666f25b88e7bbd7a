-- Audit events on their way to a sink, in the order in which they leave. Times are whole
-- microseconds since 1970, ids 16-byte blobs.

-- `seq` is given out as the greatest one plus 1: the newest row is never deleted, so no number is
-- given out twice.
create table audit_buffer_event (
    seq      integer not null primary key,
    -- The bytes of all bodies that were ever added, up to and with this one: the depth of the
    -- buffer is known without counting it.
    bytes_in integer not null,
    event_id blob    not null check (length(event_id) = 16),
    at       integer not null,
    kind     text    not null,
    -- A CloudEvent in JSON.
    body     blob    not null
) strict;

-- One row: what left, and up to where.
create table audit_buffer_state (
    one       integer not null primary key check (one = 1),
    buffer_id blob    not null check (length(buffer_id) = 16),
    -- Up to this one the sink has everything; the rest waits.
    acked     integer not null check (acked >= 0),
    -- Of the rows that were ever added, how many are no longer there, and how large they were.
    rows_out  integer not null check (rows_out >= 0),
    bytes_out integer not null check (bytes_out >= 0)
) strict;

-- Up to where each ordered source was taken over; written in the transaction of its events.
create table audit_buffer_cursor (
    source text    not null primary key,
    seq    integer not null check (seq >= 1)
) strict, without rowid;

-- What the sink refused for good.
create table audit_buffer_dead_letter (
    event_id  blob    not null primary key check (length(event_id) = 16),
    buffer_id blob    not null check (length(buffer_id) = 16),
    seq       integer not null,
    at        integer not null,
    kind      text    not null,
    reason    text    not null,
    tries     integer not null,
    dead_at   integer not null,
    body      blob    not null
) strict, without rowid;
