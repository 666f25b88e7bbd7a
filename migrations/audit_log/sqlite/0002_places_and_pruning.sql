-- A place is epoch << 40 | seq: one rowid in the log's order, so that appending fills page after
-- page. Entries may go, payload and all, where the log itself says that they are pruned.

create table audit_log_placed_entry (
    place integer not null primary key check (place >> 40 >= 1 and place & 0xffffffffff >= 1),
    record_id blob not null unique check (length(record_id) = 16),
    entry blob not null check (length(entry) between 1 and 65535),
    epoch integer not null as (place >> 40),
    seq integer not null as (place & 0xffffffffff)
) strict;

create table audit_log_placed_payload (
    place integer not null primary key,
    salt blob not null check (length(salt) = 16),
    payload blob not null,
    epoch integer not null as (place >> 40),
    seq integer not null as (place & 0xffffffffff)
) strict;

insert into audit_log_placed_entry (place, record_id, entry)
select epoch << 40 | seq, record_id, entry from audit_log_entry order by epoch, seq;
insert into audit_log_placed_payload (place, salt, payload)
select epoch << 40 | seq, salt, payload from audit_log_payload order by epoch, seq;

-- Their triggers go with them.
drop table audit_log_entry;
drop table audit_log_payload;
alter table audit_log_placed_entry rename to audit_log_entry;
alter table audit_log_placed_payload rename to audit_log_payload;

-- How many of an epoch's first entries may be gone: whole bundles. Tiles stay.
create table audit_log_pruned (
    epoch integer not null primary key check (epoch >= 1),
    below integer not null check (below >= 256 and below % 256 = 0)
) strict;

-- What was pruned is still known by its id, so that a record that comes again is appended once.
create table audit_log_pruned_record (
    record_id blob not null primary key check (length(record_id) = 16),
    place integer not null
) strict, without rowid;

create trigger audit_log_entry_stays before update on audit_log_entry
begin select raise(abort, 'audit_log_entry is append-only'); end;
create trigger audit_log_entry_remains before delete on audit_log_entry
when old.seq > ifnull((select below from audit_log_pruned where epoch = old.epoch), 0)
begin select raise(abort, 'audit_log_entry is append-only where it is not pruned'); end;
create trigger audit_log_payload_stays before update on audit_log_payload
begin select raise(abort, 'audit_log_payload may be erased, not changed'); end;
create trigger audit_log_pruned_grows before update on audit_log_pruned
when new.epoch <> old.epoch or new.below <= old.below
begin select raise(abort, 'audit_log_pruned only grows'); end;
create trigger audit_log_pruned_remains before delete on audit_log_pruned
begin select raise(abort, 'audit_log_pruned is kept'); end;
create trigger audit_log_pruned_record_stays before update on audit_log_pruned_record
begin select raise(abort, 'audit_log_pruned_record is append-only'); end;
create trigger audit_log_pruned_record_remains before delete on audit_log_pruned_record
begin select raise(abort, 'audit_log_pruned_record is append-only'); end;
