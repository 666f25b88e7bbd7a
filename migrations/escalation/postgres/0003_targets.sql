-- Each target has a lane of its own, and may be disabled, held or slowed.

-- Why the message is not tried any more; `sent_at` then says since when.
alter table escalation_outbox add column given_up text check (given_up is null or sent_at is not null);
-- Why its last try failed.
alter table escalation_outbox add column last_error text;

drop index escalation_outbox_unsent;
create index escalation_outbox_lane on escalation_outbox (notifier, free_at)
    where free_at is not null;

-- What is known of a target; one without a row is well.
create table escalation_target (
    name             text not null primary key,
    -- Since when it gets no messages, until somebody enables it.
    disabled_at      timestamptz,
    disabled_because text check ((disabled_because is null) = (disabled_at is null)),
    -- Until when it asked to be left alone.
    held_until       timestamptz,
    -- Until when its pace is used up.
    paid_until       timestamptz,
    -- Tries that failed since the last that did not, and why the last of them.
    failures         bigint not null default 0,
    last_error       text,
    -- Messages that were given up since it was last enabled.
    given_up         bigint not null default 0
);
