-- The signed log of a deployment. An epoch is one transparency log; seq counts from 1 within it,
-- and the tree's index is one less.

create table audit_log_entry (
    epoch bigint not null check (epoch >= 1),
    seq bigint not null check (seq >= 1),
    record_id uuid not null unique,
    entry bytea not null check (octet_length(entry) between 1 and 65535),
    primary key (epoch, seq)
);

-- Erasable, so beside the tree and not in it.
create table audit_log_payload (
    epoch bigint not null,
    seq bigint not null,
    salt bytea not null check (octet_length(salt) = 16),
    payload bytea not null,
    primary key (epoch, seq)
);

-- Full tiles only: what is partial is computed.
create table audit_log_tile (
    epoch bigint not null,
    level smallint not null check (level between 0 and 7),
    tile bigint not null check (tile >= 0),
    hashes bytea not null check (octet_length(hashes) = 8192),
    primary key (epoch, level, tile)
);

-- The head of each epoch: its row lock orders the batches of all nodes. Only an epoch of which
-- nothing is left has no note.
create table audit_log_checkpoint (
    epoch bigint not null primary key check (epoch >= 1),
    vkey text not null,
    size bigint not null check (size >= 0),
    root bytea not null check (octet_length(root) = 32),
    note text check (note is not null or size = 0),
    first_note text
);

-- What is free text is kept as its UTF-8 bytes: text here cannot hold U+0000.
create table audit_log_dead_letter (
    record_id uuid not null primary key,
    at timestamptz not null,
    kind bytea not null,
    agent_id text,
    session_id text,
    policy_version text,
    action_kind bytea,
    digest bytea,
    decision bytea,
    rule_id text,
    reason bytea,
    salt bytea not null check (octet_length(salt) = 16),
    payload bytea not null,
    why bytea not null,
    dead_at timestamptz not null
);

create function audit_log_refuse() returns trigger language plpgsql as $$
begin
    raise exception '% %', tg_table_name, tg_argv[0] using errcode = 'restrict_violation';
end $$;

create trigger audit_log_entry_stays before update or delete on audit_log_entry
for each row execute function audit_log_refuse('is append-only');
create trigger audit_log_payload_stays before update on audit_log_payload
for each row execute function audit_log_refuse('may be erased, not changed');
create trigger audit_log_tile_stays before update or delete on audit_log_tile
for each row execute function audit_log_refuse('is append-only');
create trigger audit_log_checkpoint_remains before delete on audit_log_checkpoint
for each row execute function audit_log_refuse('is kept');
create trigger audit_log_checkpoint_grows before update on audit_log_checkpoint
for each row when (
    new.epoch <> old.epoch or new.vkey <> old.vkey or new.size <= old.size
    or new.first_note is distinct from old.first_note
) execute function audit_log_refuse('only grows');

create trigger audit_log_entry_is_kept before truncate on audit_log_entry
for each statement execute function audit_log_refuse('is append-only');
create trigger audit_log_payload_is_kept before truncate on audit_log_payload
for each statement execute function audit_log_refuse('is erased one by one');
create trigger audit_log_tile_is_kept before truncate on audit_log_tile
for each statement execute function audit_log_refuse('is append-only');
create trigger audit_log_checkpoint_is_kept before truncate on audit_log_checkpoint
for each statement execute function audit_log_refuse('is kept');
