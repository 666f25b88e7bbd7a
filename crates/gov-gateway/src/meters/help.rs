//! Every metric this server exports, with its kind and its help: also those of the rooms below,
//! which count through the facade and know nothing of Prometheus.

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It counts samples by size.
    Histogram,
}

/// Name, kind and help.
pub static HELP: &[(&str, Kind, &str)] = &[
    ("gov_http_requests_total", Kind::Counter, "Requests answered, by route and class of status."),
    (
        "gov_http_agents_registered_total",
        Kind::Counter,
        "Agents registered because they asked for the first time.",
    ),
    ("gov_halted", Kind::Gauge, "1 while everything is halted and every check refused."),
    ("gov_policy_decisions_total", Kind::Counter, "Actions judged, by decision."),
    (
        "gov_policy_unrecorded_total",
        Kind::Counter,
        "Blocking decisions that could not be recorded; each was answered 503 and refuse.",
    ),
    (
        "gov_records_possibly_missing",
        Kind::Gauge,
        "Records that are neither kept nor accounted for: 0, or an alarm.",
    ),
    (
        "gov_deferred_audit_submitted_total",
        Kind::Counter,
        "Records handed to the queue, taken or not, and those replayed from the spool.",
    ),
    (
        "gov_deferred_audit_replayed_total",
        Kind::Counter,
        "Records that an earlier process had left in the spool.",
    ),
    ("gov_deferred_audit_appended_total", Kind::Counter, "Records that the signed log holds."),
    (
        "gov_deferred_audit_send_failures_total",
        Kind::Counter,
        "Records that were refused at submit.",
    ),
    (
        "gov_deferred_audit_append_failures_total",
        Kind::Counter,
        "Records that could not be appended and lie in the dead letters.",
    ),
    (
        "gov_deferred_audit_dlq_landed_total",
        Kind::Counter,
        "Records kept whole in the dead letters or the quarantine.",
    ),
    (
        "gov_deferred_audit_dlq_replayed_total",
        Kind::Counter,
        "Dead letters that entered the signed log later.",
    ),
    (
        "gov_deferred_audit_dlq_discarded_total",
        Kind::Counter,
        "Dead letters that a person gave up.",
    ),
    (
        "gov_deferred_audit_dlq_size",
        Kind::Gauge,
        "Dead letters in the table, as far as this process knows.",
    ),
    (
        "gov_deferred_audit_drainer_panics_total",
        Kind::Counter,
        "Panics of the sink; each cost a restart, not a record.",
    ),
    (
        "gov_deferred_audit_unique_race_retries_total",
        Kind::Counter,
        "Appends repeated because another writer took the sequence number.",
    ),
    (
        "gov_deferred_audit_quarantined_total",
        Kind::Counter,
        "Damaged ranges of the spool that were kept aside.",
    ),
    ("gov_deferred_audit_sync_failures_total", Kind::Counter, "Fsyncs of the spool that failed."),
    ("gov_deferred_audit_syncs_total", Kind::Counter, "Fsyncs of the spool that were made."),
    (
        "gov_deferred_audit_scrub_rounds_total",
        Kind::Counter,
        "Times that the scrubber has read the whole log.",
    ),
    (
        "gov_deferred_audit_scrubbed_records_total",
        Kind::Counter,
        "Records that the scrubber has compared with what was signed.",
    ),
    (
        "gov_deferred_audit_scrub_findings_total",
        Kind::Counter,
        "Places where the scrubber found something else than what was signed: an alarm.",
    ),
    ("gov_deferred_audit_pending", Kind::Gauge, "Records taken and not settled yet."),
    ("gov_deferred_audit_spool_bytes", Kind::Gauge, "Size of the spool, in bytes."),
    ("gov_retention_appended_total", Kind::Counter, "Audit events that the event store holds."),
    (
        "gov_retention_known_total",
        Kind::Counter,
        "Audit events brought to the event store that it had already.",
    ),
    (
        "gov_retention_append_errors_total",
        Kind::Counter,
        "Appends that the event store did not take.",
    ),
    (
        "gov_retention_query_errors_total",
        Kind::Counter,
        "Questions to the event store that failed.",
    ),
    ("gov_retention_open_files", Kind::Gauge, "Files of days that the event store has open."),
    ("gov_retention_unreadable_days", Kind::Gauge, "Days whose events cannot be read."),
    (
        "gov_retention_missed_events_total",
        Kind::Counter,
        "Events of allowed actions that the event store did not take in time.",
    ),
    (
        "gov_retention_follower_lag_records",
        Kind::Gauge,
        "Records of the signed log that the event store has not got yet.",
    ),
    (
        "gov_retention_follower_dead_letters_total",
        Kind::Counter,
        "Records of the signed log that the event store cannot hold as what they are.",
    ),
    ("gov_escalation_requested_total", Kind::Counter, "Approvals opened."),
    ("gov_escalation_decided_total", Kind::Counter, "Answers of people, by verdict."),
    ("gov_escalation_voted_total", Kind::Counter, "Approvals that others must give too."),
    ("gov_escalation_reopened_total", Kind::Counter, "Approvals asked again by a policy."),
    ("gov_escalation_consumed_total", Kind::Counter, "Approvals used."),
    ("gov_escalation_drawn_total", Kind::Counter, "Calls of grants."),
    ("gov_escalation_edited_total", Kind::Counter, "Approvals with another in their place."),
    ("gov_escalation_cancelled_total", Kind::Counter, "Approvals withdrawn or overtaken."),
    ("gov_escalation_fired_total", Kind::Counter, "Timers of approvals, by what they did."),
    (
        "gov_escalation_firing_lag_seconds",
        Kind::Histogram,
        "How late the first timer of each batch was.",
    ),
    (
        "gov_escalation_pass_errors_total",
        Kind::Counter,
        "Passes of the scheduler of approvals that failed.",
    ),
    (
        "gov_escalation_found",
        Kind::Gauge,
        "Approvals, timers and messages that the auditor found not to be well, by what.",
    ),
    (
        "gov_escalation_mended_total",
        Kind::Counter,
        "Clocks of approvals that the auditor put right, by what it did.",
    ),
    (
        "gov_escalation_audit_errors_total",
        Kind::Counter,
        "Passes of the auditor of the approvals that failed.",
    ),
    ("gov_escalation_outbox_sent_total", Kind::Counter, "Messages about approvals delivered."),
    (
        "gov_escalation_outbox_failed_total",
        Kind::Counter,
        "Tries to deliver a message about an approval that failed.",
    ),
    (
        "gov_escalation_outbox_given_up_total",
        Kind::Counter,
        "Messages about approvals that are not tried any more.",
    ),
    (
        "gov_escalation_target_disabled_total",
        Kind::Counter,
        "Targets of messages that said they are gone.",
    ),
    ("gov_store_commits_total", Kind::Counter, "Commits, by database and durability."),
    (
        "gov_store_commit_errors_total",
        Kind::Counter,
        "Commits whose outcome is unknown, by database.",
    ),
    ("gov_store_commit_seconds", Kind::Histogram, "How long a commit took, by database."),
    ("gov_store_commit_jobs", Kind::Histogram, "How many writes shared a commit, by database."),
    (
        "gov_store_refused_jobs_total",
        Kind::Counter,
        "Writes turned away because too many waited, by database.",
    ),
    (
        "gov_store_checkpoints_total",
        Kind::Counter,
        "Moves of the write-ahead log into the file, by database and mode.",
    ),
    (
        "gov_store_checkpoint_errors_total",
        Kind::Counter,
        "Moves of the write-ahead log that failed, by database.",
    ),
    ("gov_store_wal_bytes", Kind::Gauge, "Size of the write-ahead log, in bytes, by database."),
];

/// As [`HELP`], for a server with a `buffer.sink`.
pub static SHIPPING_HELP: &[(&str, Kind, &str)] = &[
    ("gov_audit_published_total", Kind::Counter, "Audit events that are in the buffer or shipped."),
    (
        "gov_audit_publish_errors_total",
        Kind::Counter,
        "Audit events that are not known to be kept, by reason.",
    ),
    ("gov_audit_buffered_total", Kind::Counter, "Audit events that went into the buffer."),
    (
        "gov_audit_flushed_total",
        Kind::Counter,
        "Audit events that went from the buffer to the sink.",
    ),
    (
        "gov_audit_buffer_rejected_total",
        Kind::Counter,
        "Audit events that found no room; an `audit.gap` accounts for them.",
    ),
    (
        "gov_audit_buffer_dropped_total",
        Kind::Counter,
        "Audit events that were dropped for newer ones; an `audit.gap` accounts for them.",
    ),
    ("gov_audit_buffer_gaps_total", Kind::Counter, "Gaps that the buffer wrote down."),
    (
        "gov_audit_buffer_released_early_total",
        Kind::Counter,
        "Shipped events that are no longer held to be sent again, since room was needed.",
    ),
    (
        "gov_audit_buffer_found_total",
        Kind::Counter,
        "Events of which the sink turned out to have them already.",
    ),
    (
        "gov_audit_buffer_resent_total",
        Kind::Counter,
        "Events sent again, since the sink lost them.",
    ),
    (
        "gov_audit_buffer_renamed_total",
        Kind::Counter,
        "New names that the buffer took, since the sink knew its numbers as others.",
    ),
    (
        "gov_audit_buffer_dead_lettered_total",
        Kind::Counter,
        "Events that the sink refused for good.",
    ),
    ("gov_audit_buffer_depth_rows", Kind::Gauge, "Events that wait for the sink."),
    ("gov_audit_buffer_depth_bytes", Kind::Gauge, "Bytes of the events that wait for the sink."),
    ("gov_audit_buffer_file_bytes", Kind::Gauge, "Size of the buffer's file, in bytes."),
    ("gov_audit_buffer_dead_letters", Kind::Gauge, "Dead letters in the buffer."),
    (
        "gov_audit_buffer_oldest_age_seconds",
        Kind::Gauge,
        "How long ago the first event that waits happened.",
    ),
    (
        "gov_audit_buffer_lag_seconds",
        Kind::Gauge,
        "How long ago the last event that was shipped had happened then.",
    ),
    (
        "gov_audit_buffer_breaker_state",
        Kind::Gauge,
        "0 while the sink takes events, 1 before a try that decides, 2 while it is left alone.",
    ),
];

/// Tells the recorder.
pub(super) fn describe() {
    for (name, kind, help) in HELP.iter().chain(SHIPPING_HELP) {
        match kind {
            Kind::Counter => metrics::describe_counter!(*name, *help),
            Kind::Gauge => metrics::describe_gauge!(*name, *help),
            Kind::Histogram => metrics::describe_histogram!(*name, *help),
        }
    }
}
