-- What nobody can read is listed without a look at every timer.
create index escalation_timer_set_aside on escalation_timer (approval_id)
    where unreadable is not null;
