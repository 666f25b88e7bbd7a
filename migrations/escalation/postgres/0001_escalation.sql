-- Approvals, their clocks, their messages and their history.

-- What was asked for never changes; the rest is the answer.
create table escalation_approval (
    approval_id     uuid        not null primary key,
    digest          bytea       not null check (length(digest) = 32),
    agent_id        text        not null,
    session_id      text,
    team_id         text,
    action_kind     text        not null,
    -- JSON: what the approver is shown. Text, because jsonb refuses U+0000 and forgets how numbers
    -- were written.
    content         text        not null,
    rule_id         text        not null,
    reason          text        not null,
    risk            text,
    policy_version  bigint      not null,
    -- JSON with its version: {"v":1,"chain":{...}}, as it was when the request came.
    chain           text        not null,
    submitted_at    timestamptz not null,
    status          text        not null constraint escalation_approval_status_word
        check (status in ('pending', 'parked', 'approved', 'rejected', 'timed_out', 'cancelled',
            'consumed', 'expired')),
    expires_at      timestamptz,
    answered_by     text,
    answered_at     timestamptz check ((answered_at is null) = (answered_by is null)),
    comment         text,
    consumed_at     timestamptz,
    consumed_under  bigint      check ((consumed_under is null) = (consumed_at is null)),
    idempotency_key text
);

-- Of concurrent requests for one action, one opens.
create unique index escalation_approval_open on escalation_approval (digest)
    where status in ('pending', 'parked', 'approved');
create index escalation_approval_status on escalation_approval (status, approval_id);

-- One row an approval: what firing moves, apart from the wide row that it leaves alone. Its row
-- lock is the lock of the approval: everybody who changes one takes it first.
create table escalation_timer (
    approval_id uuid        not null primary key references escalation_approval (approval_id),
    rung        integer     not null,
    arrived_at  timestamptz not null,
    -- Null: no clock runs.
    due_at      timestamptz,
    -- Counts the changes of the approval: who read an older one changes nothing.
    generation  bigint      not null,
    -- Why the approval cannot be read: it is set aside until somebody repairs it.
    unreadable  text
);

create index escalation_timer_due on escalation_timer (due_at, approval_id)
    where due_at is not null and unreadable is null;

-- Messages in the order in which they were written. Positions may have gaps and may become visible
-- late: nobody follows them.
create table escalation_outbox (
    position        bigint      not null generated always as identity primary key,
    notification_id uuid        not null unique,
    approval_id     uuid        not null,
    rung            integer     not null,
    notifier        text        not null,
    content         text        not null,
    attempts        integer     not null default 0,
    lease_token     uuid,
    -- When it may be tried (again); null once it is sent.
    free_at         timestamptz,
    sent_at         timestamptz check ((sent_at is null) = (free_at is not null))
);

create index escalation_outbox_unsent on escalation_outbox (free_at) where free_at is not null;

-- What changed, in order: the outbox of the signed log. Payload and salt are fixed here, so the
-- record that stands for a row is always the same one.
create table escalation_history (
    position       bigint      not null primary key check (position >= 1),
    approval_id    uuid        not null,
    at             timestamptz not null,
    kind           text        not null,
    actor          text        not null,
    policy_version bigint,
    from_role      text,
    to_role        text,
    payload        bytea       not null,
    salt           bytea       not null check (length(salt) = 16)
);

create index escalation_history_approval on escalation_history (approval_id);

create function escalation_history_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'escalation_history is append-only';
end
$$;

create trigger escalation_history_stays before update or delete or truncate on escalation_history
    for each statement execute function escalation_history_is_append_only();

-- The last position of the history. Every writing transaction moves it last of all, so its row lock
-- makes them commit in the order of their positions.
create table escalation_position (
    one  integer not null primary key check (one = 1),
    last bigint  not null check (last >= 0)
);

insert into escalation_position (one, last) values (1, 0);

-- Up to which row of the history the signed log has all.
create table escalation_feed (
    one    integer not null primary key check (one = 1),
    cursor bigint  not null check (cursor >= 0)
);

insert into escalation_feed (one, cursor) values (1, 0);
