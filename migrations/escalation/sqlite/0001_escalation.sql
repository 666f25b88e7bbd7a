-- Approvals, their clocks, their messages and their history. Times are microseconds since 1970, ids
-- are 16 bytes.

-- What was asked for never changes; the rest is the answer.
create table escalation_approval (
    approval_id     blob    not null primary key check (length(approval_id) = 16),
    digest          blob    not null check (length(digest) = 32),
    agent_id        text    not null,
    session_id      text,
    team_id         text,
    action_kind     text    not null,
    -- JSON: what the approver is shown.
    content         text    not null,
    rule_id         text    not null,
    reason          text    not null,
    risk            text,
    policy_version  integer not null,
    -- JSON with its version: {"v":1,"chain":{...}}, as it was when the request came.
    chain           text    not null,
    submitted_at    integer not null,
    status          text    not null check (status in ('pending', 'parked', 'approved', 'rejected',
        'timed_out', 'cancelled', 'consumed', 'expired')),
    expires_at      integer,
    answered_by     text,
    answered_at     integer check ((answered_at is null) = (answered_by is null)),
    comment         text,
    consumed_at     integer,
    consumed_under  integer check ((consumed_under is null) = (consumed_at is null)),
    idempotency_key text
) strict;

-- Of concurrent requests for one action, one opens.
create unique index escalation_approval_open on escalation_approval (digest)
    where status in ('pending', 'parked', 'approved');
create index escalation_approval_status on escalation_approval (status, approval_id);

-- One row an approval: what firing moves, apart from the wide row that it leaves alone.
create table escalation_timer (
    approval_id blob    not null primary key references escalation_approval (approval_id),
    rung        integer not null,
    arrived_at  integer not null,
    -- Null: no clock runs.
    due_at      integer,
    -- Counts the changes of the approval: who read an older one changes nothing.
    generation  integer not null,
    -- Why the approval cannot be read: it is set aside until somebody repairs it.
    unreadable  text
) strict, without rowid;

create index escalation_timer_due on escalation_timer (due_at)
    where due_at is not null and unreadable is null;

-- Messages in the order in which they were written.
create table escalation_outbox (
    position        integer not null primary key,
    notification_id blob    not null unique check (length(notification_id) = 16),
    approval_id     blob    not null,
    rung            integer not null,
    notifier        text    not null,
    content         text    not null,
    attempts        integer not null default 0,
    lease_token     blob,
    -- When it may be tried (again); null once it is sent.
    free_at         integer,
    sent_at         integer check ((sent_at is null) = (free_at is not null))
) strict;

create index escalation_outbox_unsent on escalation_outbox (free_at) where free_at is not null;

-- What changed, in order: the outbox of the signed log. Payload and salt are fixed here, so the
-- record that stands for a row is always the same one.
create table escalation_history (
    position       integer not null primary key check (position >= 1),
    approval_id    blob    not null,
    at             integer not null,
    kind           text    not null,
    actor          text    not null,
    policy_version integer,
    from_role      text,
    to_role        text,
    payload        blob    not null,
    salt           blob    not null check (length(salt) = 16)
) strict;

create index escalation_history_approval on escalation_history (approval_id);

create trigger escalation_history_stays before update on escalation_history
begin select raise(abort, 'escalation_history is append-only'); end;
create trigger escalation_history_remains before delete on escalation_history
begin select raise(abort, 'escalation_history is append-only'); end;

-- Up to which row of the history the signed log has all.
create table escalation_feed (
    one    integer not null primary key check (one = 1),
    cursor integer not null check (cursor >= 0)
) strict;

insert into escalation_feed (one, cursor) values (1, 0);
