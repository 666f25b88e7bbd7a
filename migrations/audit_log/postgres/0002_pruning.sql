-- Entries may go, payload and all, where the log itself says that they are pruned. Tiles stay.

-- How many of an epoch's first entries may be gone: whole bundles.
create table audit_log_pruned (
    epoch bigint not null primary key check (epoch >= 1),
    below bigint not null check (below >= 256 and below % 256 = 0)
);

-- What was pruned is still known by its id, so that a record that comes again is appended once.
create table audit_log_pruned_record (
    record_id uuid not null primary key,
    epoch bigint not null,
    seq bigint not null
);

create function audit_log_refuse_unpruned() returns trigger language plpgsql as $$
begin
    if old.seq > coalesce((select below from audit_log_pruned where epoch = old.epoch), 0) then
        raise exception '% is append-only where it is not pruned', tg_table_name
            using errcode = 'restrict_violation';
    end if;
    return old;
end $$;

drop trigger audit_log_entry_stays on audit_log_entry;
create trigger audit_log_entry_stays before update on audit_log_entry
for each row execute function audit_log_refuse('is append-only');
create trigger audit_log_entry_remains before delete on audit_log_entry
for each row execute function audit_log_refuse_unpruned();

create trigger audit_log_pruned_grows before update on audit_log_pruned
for each row when (new.epoch <> old.epoch or new.below <= old.below)
execute function audit_log_refuse('only grows');
create trigger audit_log_pruned_remains before delete on audit_log_pruned
for each row execute function audit_log_refuse('is kept');
create trigger audit_log_pruned_is_kept before truncate on audit_log_pruned
for each statement execute function audit_log_refuse('is kept');
create trigger audit_log_pruned_record_stays before update or delete on audit_log_pruned_record
for each row execute function audit_log_refuse('is append-only');
create trigger audit_log_pruned_record_is_kept before truncate on audit_log_pruned_record
for each statement execute function audit_log_refuse('is append-only');
