-- Who decides for whom, for how long; and whether everything is halted.

create table gateway_stand_in (
    person_id   blob    not null references gateway_person,
    stand_in_id blob    not null references gateway_person check (stand_in_id <> person_id),
    from_at     integer not null,
    until_at    integer not null check (until_at > from_at),
    -- When somebody ended it, before its time.
    ended_at    integer,
    primary key (person_id, stand_in_id, from_at)
) strict, without rowid;

-- The last halt. While it is not resumed, every check is refused.
create table gateway_halt (
    one        integer not null primary key check (one = 1),
    halted_at  integer not null,
    reason     text    not null,
    -- As the history names them.
    who        text    not null,
    resumed_at integer
) strict;
