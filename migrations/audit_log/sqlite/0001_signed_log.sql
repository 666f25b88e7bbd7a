-- The signed log. Times are whole microseconds since 1970, ids 16-byte blobs.
-- An epoch is one transparency log; seq counts from 1 within it, and the tree's index is one less.

create table audit_log_entry (
    epoch integer not null check (epoch >= 1),
    seq integer not null check (seq >= 1),
    record_id blob not null unique check (length(record_id) = 16),
    entry blob not null check (length(entry) between 1 and 65535),
    primary key (epoch, seq)
) strict, without rowid;

-- Erasable, so beside the tree and not in it.
create table audit_log_payload (
    epoch integer not null,
    seq integer not null,
    salt blob not null check (length(salt) = 16),
    payload blob not null,
    primary key (epoch, seq)
) strict, without rowid;

-- Full tiles only: what is partial is computed.
create table audit_log_tile (
    epoch integer not null,
    level integer not null check (level between 0 and 7),
    tile integer not null check (tile >= 0),
    hashes blob not null check (length(hashes) = 8192),
    primary key (epoch, level, tile)
) strict, without rowid;

-- The head of each epoch. Only an epoch of which nothing is left has no note.
create table audit_log_checkpoint (
    epoch integer not null primary key check (epoch >= 1),
    vkey text not null,
    size integer not null check (size >= 0),
    root blob not null check (length(root) = 32),
    note text check (note is not null or size = 0),
    first_note text
) strict;

create table audit_log_dead_letter (
    record_id blob not null primary key check (length(record_id) = 16),
    at integer not null,
    kind text not null,
    agent_id text,
    session_id text,
    policy_version text,
    action_kind text,
    digest blob,
    decision text,
    rule_id text,
    reason text,
    salt blob not null check (length(salt) = 16),
    payload blob not null,
    why text not null,
    dead_at integer not null
) strict, without rowid;

create trigger audit_log_entry_stays before update on audit_log_entry
begin select raise(abort, 'audit_log_entry is append-only'); end;
create trigger audit_log_entry_remains before delete on audit_log_entry
begin select raise(abort, 'audit_log_entry is append-only'); end;
create trigger audit_log_payload_stays before update on audit_log_payload
begin select raise(abort, 'audit_log_payload may be erased, not changed'); end;
create trigger audit_log_tile_stays before update on audit_log_tile
begin select raise(abort, 'audit_log_tile is append-only'); end;
create trigger audit_log_tile_remains before delete on audit_log_tile
begin select raise(abort, 'audit_log_tile is append-only'); end;
create trigger audit_log_checkpoint_remains before delete on audit_log_checkpoint
begin select raise(abort, 'audit_log_checkpoint is kept'); end;
create trigger audit_log_checkpoint_grows before update on audit_log_checkpoint
when new.epoch <> old.epoch or new.vkey <> old.vkey or new.size <= old.size
    or new.first_note is not old.first_note
begin select raise(abort, 'audit_log_checkpoint only grows'); end;
