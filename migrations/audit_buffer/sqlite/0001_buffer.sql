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
    one          integer not null primary key check (one = 1),
    buffer_id    blob    not null check (length(buffer_id) = 16),
    -- Up to this number a sink may know events under an earlier name of the file: they are never
    -- sent again.
    id_since     integer not null default 0 check (id_since >= 0),
    -- Up to this one the sink has everything; the rest waits.
    acked        integer not null default 0 check (acked >= 0),
    -- Of the rows that the sink has, how many are held to be sent again, and how large they are.
    held_rows    integer not null default 0 check (held_rows >= 0),
    held_bytes   integer not null default 0 check (held_bytes >= 0),
    -- Of the numbers up to the newest, how many stand for no row (any more), and how large those
    -- rows were. Bytes may fall below 0: what says that rows were dropped may be larger than they.
    rows_out     integer not null default 0 check (rows_out >= 0),
    bytes_out    integer not null default 0,
    dead_letters integer not null default 0 check (dead_letters >= 0)
) strict;

-- Up to where each ordered source was taken over; written in the transaction of its events.
create table audit_buffer_cursor (
    source text    not null primary key,
    seq    integer not null check (seq >= 1)
) strict, without rowid;

-- What the sink refused for good, in the order in which it was given up.
create table audit_buffer_dead_letter (
    number    integer not null primary key,
    event_id  blob    not null check (length(event_id) = 16),
    buffer_id blob    not null check (length(buffer_id) = 16),
    seq       integer not null,
    at        integer not null,
    kind      text    not null,
    reason    text    not null,
    tries     integer not null,
    dead_at   integer not null,
    body      blob    not null
) strict;

create index audit_buffer_dead_letter_by_event on audit_buffer_dead_letter (event_id);
