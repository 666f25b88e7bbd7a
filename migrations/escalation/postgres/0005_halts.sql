-- The clock of all approvals. Deadlines (`expires_at`, `due_at`, and `arrived_at`, from which the
-- next one is counted) are stored as if no halt had ever been: by the calendar each is later by
-- `given_back`.
create table escalation_clock (
    one          integer     not null primary key check (one = 1),
    -- Since when it stands still; null: it runs.
    halted_at    timestamptz,
    -- When the last halt began: one that did not begin later was heard of before.
    last_halt_at timestamptz check (halted_at is null or halted_at = last_halt_at),
    -- Microseconds of all halts that are over.
    given_back   bigint      not null check (given_back >= 0)
);

insert into escalation_clock (one, given_back) values (1, 0);
