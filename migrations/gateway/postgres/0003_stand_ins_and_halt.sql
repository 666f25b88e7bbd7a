-- Who decides for whom, for how long; and whether everything is halted.

create table gateway_stand_in (
    person_id   uuid        not null references gateway_person,
    stand_in_id uuid        not null references gateway_person check (stand_in_id <> person_id),
    from_at     timestamptz not null,
    until_at    timestamptz not null check (until_at > from_at),
    -- When somebody ended it, before its time.
    ended_at    timestamptz,
    primary key (person_id, stand_in_id, from_at)
);

-- The last halt. While it is not resumed, every check is refused.
create table gateway_halt (
    one        boolean     primary key check (one),
    halted_at  timestamptz not null,
    reason     text        not null,
    -- As the history names them.
    who        text        not null,
    resumed_at timestamptz
);
