-- Answers that are good for several calls of a tool, and requests that somebody has edited.

-- JSON with its version: {"v":1,"terms":{...}}, what a grant covers; null: one exact action.
alter table escalation_approval add column terms text;

-- How many calls of a grant are left; null: it is none.
alter table escalation_approval add column calls_left integer
    check (calls_left >= 0 and (calls_left is null) = (terms is null));

-- The request that was edited into this one, and the one that this one was edited into.
alter table escalation_approval add column edited_from blob check (length(edited_from) = 16);
alter table escalation_approval add column edited_into blob check (length(edited_into) = 16);

create index escalation_approval_grant on escalation_approval (approval_id) where terms is not null;
create index escalation_approval_granted on escalation_approval (agent_id, approval_id)
    where terms is not null and status = 'approved';

-- The calls that grants were drawn on for.
create table escalation_use (
    approval_id     blob    not null references escalation_approval (approval_id),
    -- From 1.
    number          integer not null check (number >= 1),
    at              integer not null,
    -- Of the action that was released.
    digest          blob    not null check (length(digest) = 32),
    policy_version  integer not null,
    idempotency_key text,
    primary key (approval_id, number)
) strict, without rowid;

-- A repeat of a call is the same call, whichever grant it was drawn on.
create unique index escalation_use_key on escalation_use (digest, idempotency_key)
    where idempotency_key is not null;
