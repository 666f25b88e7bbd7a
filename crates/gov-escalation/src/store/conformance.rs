//! The store contract as tests, one function a rule.
//!
//! A backend's test file makes one test of each: see `for_each_rule`. Rules may run in any order,
//! each against a store that is empty when it starts.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "every function here is a test"
)]

use std::{future::poll_fn, pin::Pin, sync::Arc, task::Poll, time::Duration};

use gov_core::{
    ActionDigest, ApprovalId, AuditEventKind, Clock as _, PersonId, Timestamp, clock::ManualClock,
};
use serde_json::json;

use super::{
    Applied, ApprovalStore, Auditing, Failure, Fired, HaltClock, History, Lane, Lease, Outbox,
    Pace, StoreError, damage::Damage,
};
use crate::{
    approval::{Approval, ApprovalRequest, Decider, HistoryRow, Verdict},
    chain::{Chain, Fallback, Rung, Span},
    roster::Roster,
    transition::{Change, Refusal},
};

mod audits;
mod edits;
mod firing;
mod grants;
mod halts;
mod history;
mod outbox;
mod people;
mod requests;
mod rungs;
mod targets;
mod timers;
mod uses;
mod votes;
mod watched;

pub use self::{
    audits::*,
    edits::*,
    firing::*,
    grants::*,
    halts::*,
    history::*,
    outbox::*,
    people::{only, person, roster},
    requests::*,
    rungs::*,
    targets::*,
    timers::*,
    uses::*,
    votes::*,
    watched::{Watch, Watched},
};

/// What a rule is about: everything that a backend keeps. It knows [`roster`].
pub trait Backend: ApprovalStore + Outbox + History + Auditing + HaltClock + Damage {}

impl<S: ApprovalStore + Outbox + History + Auditing + HaltClock + Damage> Backend for S {}

/// How long rung 0 of [`chain`] has.
pub const RUNG: Duration = Duration::from_mins(15);

/// How long all rungs of [`chain`] have.
pub const TIMEOUT: Duration = Duration::from_hours(1);

/// How long a yes under [`chain`] may be used.
pub const APPROVED_FOR: Duration = Duration::from_mins(10);

/// How long the rules lease a message.
pub const LEASE: Duration = Duration::from_mins(1);

/// Calls `$rule!(name)` for every rule of the contract: the one list of them.
#[macro_export]
macro_rules! for_each_rule {
    ($rule:ident) => {
        $rule!(opening_writes_history_message_and_deadline_together);
        $rule!(the_same_digest_joins_the_open_approval_and_changes_nothing);
        $rule!(of_many_submits_of_one_digest_exactly_one_opens);
        $rule!(a_closed_digest_opens_a_new_approval);
        $rule!(what_was_stored_reads_back_equal);
        $rule!(what_was_absent_reads_back_absent);
        $rule!(an_unknown_approval_is_not_found);
        $rule!(the_list_is_filtered);
        $rule!(the_list_is_newest_first_and_its_pages_do_not_overlap);
        $rule!(a_decision_is_kept_with_its_person_and_comment);
        $rule!(a_second_decision_changes_nothing);
        $rule!(a_decision_about_another_digest_changes_nothing);
        $rule!(of_concurrent_decisions_exactly_one_counts);
        $rule!(an_approval_is_consumed_once);
        $rule!(of_concurrent_consumers_exactly_one_is_done);
        $rule!(consuming_is_bound_to_the_digest);
        $rule!(a_use_is_replayed_only_under_its_own_key);
        $rule!(what_is_not_approved_cannot_be_consumed);
        $rule!(what_was_cancelled_is_over);
        $rule!(each_call_of_a_grant_counts_once_and_says_how_many_are_left);
        $rule!(the_last_call_ends_a_grant);
        $rule!(of_concurrent_draws_no_more_are_done_than_there_are_calls);
        $rule!(of_two_last_draws_at_once_exactly_one_is_done);
        $rule!(a_grant_is_over_at_its_end);
        $rule!(a_grant_lasts_longer_by_a_halt);
        $rule!(a_grant_covers_no_other_call);
        $rule!(a_grant_is_none_where_the_policy_asks_for_more);
        $rule!(a_call_that_is_repeated_under_its_key_is_drawn_once);
        $rule!(of_concurrent_repeats_of_a_call_exactly_one_is_drawn);
        $rule!(what_was_revoked_is_drawn_on_no_more);
        $rule!(a_grant_needs_the_people_of_its_chain_and_never_silence);
        $rule!(the_grants_of_an_agent_are_found_by_id);
        $rule!(the_terms_of_a_grant_read_back_equal);
        $rule!(an_edit_closes_one_request_and_opens_another_with_the_editors_yes);
        $rule!(an_edited_request_waits_for_the_others_that_its_chain_asks);
        $rule!(a_vote_about_what_was_edited_is_none_about_what_it_is_now);
        $rule!(only_who_could_approve_edits);
        $rule!(an_edit_is_bound_to_the_digest_that_was_seen);
        $rule!(what_is_over_cannot_be_edited);
        $rule!(an_edit_and_a_decision_never_both_count);
        $rule!(a_grant_is_not_edited_and_nothing_is_edited_into_one);
        $rule!(a_rung_is_approved_once_as_many_have_said_yes_as_it_needs);
        $rule!(one_person_counts_once_whatever_they_say_again);
        $rule!(a_person_with_two_roles_fills_the_place_that_the_others_leave_free);
        $rule!(one_rejection_ends_it_whoever_has_said_yes);
        $rule!(a_stand_in_votes_in_the_right_of_who_named_them_and_both_are_kept);
        $rule!(a_stand_in_answers_for_who_is_asked_by_name_until_they_are_disabled);
        $rule!(a_right_counts_once_be_it_used_by_its_owner_or_by_a_stand_in);
        $rule!(nobody_votes_about_their_own_agent_nor_through_a_stand_in);
        $rule!(a_person_counts_once_for_however_many_they_stand_in);
        $rule!(who_is_not_asked_or_not_known_changes_nothing);
        $rule!(of_the_last_voters_at_once_exactly_one_approves);
        $rule!(a_vote_counts_on_later_rungs_that_admit_its_person);
        $rule!(a_parked_request_collects_votes_without_a_clock);
        $rule!(votes_are_kept_as_they_were_cast);
        $rule!(a_stricter_chain_asks_again_and_the_votes_stay);
        $rule!(what_holds_under_the_new_chain_is_not_asked_again);
        $rule!(an_empty_rung_is_skipped_at_once_where_it_says_so);
        $rule!(an_empty_rung_that_says_nothing_has_its_time);
        $rule!(a_chain_of_empty_rungs_falls_back_at_the_time_out_and_never_at_once);
        $rule!(after_a_downtime_only_the_rung_of_now_is_told);
        $rule!(a_rung_that_is_told_however_late_is_told_after_a_downtime);
        $rule!(the_next_rungs_clock_starts_when_the_one_before_was_due);
        $rule!(a_rung_that_needs_no_more_than_was_said_is_satisfied_on_arrival);
        $rule!(a_due_timer_fires_once_and_not_before_its_time);
        $rule!(firing_writes_rung_history_message_and_next_deadline_together);
        $rule!(due_timers_fire_by_deadline_and_equal_ones_by_id);
        $rule!(a_batch_fires_no_more_than_its_limit);
        $rule!(of_concurrent_passes_each_timer_fires_once);
        $rule!(a_decision_beats_a_late_fire);
        $rule!(a_fire_beats_a_late_decision);
        $rule!(a_decision_and_the_fallback_never_both_win);
        $rule!(the_time_out_denies_as_the_system);
        $rule!(the_time_out_allows_where_the_chain_says_so);
        $rule!(the_time_out_parks_where_the_chain_says_so);
        $rule!(a_timer_later_than_the_time_out_falls_back_at_once);
        $rule!(an_unused_approval_expires);
        $rule!(the_timer_of_a_closed_approval_is_gone);
        $rule!(the_next_deadline_is_the_earliest);
        $rule!(a_clock_that_jumps_back_fires_nothing);
        $rule!(a_firing_names_who_is_asked_now_under_a_stable_key);
        $rule!(the_pulse_knows_the_next_deadline_and_the_next_message);
        $rule!(the_pulse_waits_for_no_target_that_gets_nothing);
        $rule!(a_halt_fires_nothing_and_its_end_gives_back_exactly_that_time);
        $rule!(two_halts_give_back_both);
        $rule!(a_second_halt_keeps_the_first);
        $rule!(of_concurrent_halts_and_ends_each_counts_once);
        $rule!(a_resume_without_a_halt_changes_nothing);
        $rule!(a_decision_during_a_halt_counts);
        $rule!(an_approval_opened_during_a_halt_has_its_whole_time);
        $rule!(an_approved_one_expires_later_by_the_halt);
        $rule!(what_is_due_when_all_is_halted_is_due_when_it_ends);
        $rule!(what_is_asked_again_during_a_halt_has_its_whole_time);
        $rule!(what_is_edited_during_a_halt_has_its_whole_time);
        $rule!(the_pulse_knows_no_deadline_during_a_halt);
        $rule!(a_timer_that_a_halt_froze_is_not_overdue);
        $rule!(a_clock_that_is_mended_during_a_halt_gives_back_its_rest);
        $rule!(messages_are_leased_in_the_order_they_were_written);
        $rule!(two_messages_of_one_approval_keep_their_order);
        $rule!(a_message_reads_back_as_it_was_written);
        $rule!(a_lease_excludes_others_until_it_runs_out);
        $rule!(a_message_keeps_its_key_and_counts_its_tries);
        $rule!(a_stale_lease_cannot_mark);
        $rule!(a_sent_message_is_never_leased_again);
        $rule!(a_failed_message_waits_for_its_retry);
        $rule!(concurrent_senders_share_no_message);
        $rule!(the_next_unsent_message_is_known);
        $rule!(a_target_gets_its_own_messages_and_no_others);
        $rule!(a_target_waits_for_its_own_messages_only);
        $rule!(a_message_that_is_given_up_is_over_counted_and_recorded);
        $rule!(a_disabled_target_gets_nothing_until_it_is_enabled);
        $rule!(a_target_is_disabled_once);
        $rule!(a_stale_lease_gives_up_and_disables_nothing);
        $rule!(a_target_that_asks_to_be_left_alone_is);
        $rule!(a_target_gets_no_more_than_its_pace);
        $rule!(concurrent_senders_share_one_pace);
        $rule!(failures_are_counted_until_a_message_is_sent);
        $rule!(the_history_is_dense_from_one_and_in_order);
        $rule!(the_history_of_concurrent_writers_is_dense);
        $rule!(a_change_names_its_place_in_the_history);
        $rule!(the_history_of_one_approval_is_its_own);
        $rule!(a_history_row_says_who_did_what_about_which_action);
        $rule!(the_cursor_never_goes_back);
        $rule!(nothing_is_found_where_nothing_is_wrong);
        $rule!(a_clock_that_was_stopped_runs_again_and_strikes_when_it_would_have);
        $rule!(a_timer_that_was_lost_is_there_again_and_strikes_no_earlier);
        $rule!(the_end_of_a_yes_comes_although_its_timer_was_lost);
        $rule!(what_is_over_or_parked_can_be_read_again_and_has_no_clock);
        $rule!(a_clock_that_should_not_run_is_stopped);
        $rule!(a_mend_does_no_more_than_its_limit);
        $rule!(of_concurrent_mends_each_clock_is_mended_once);
        $rule!(what_should_have_happened_is_counted_from_its_bound_on);
        $rule!(what_cannot_be_read_is_set_aside_and_listed_with_its_reason);
        $rule!(an_unreadable_approval_without_a_clock_is_set_aside);
        $rule!(what_was_discarded_is_recorded_and_can_be_asked_for_again);
        $rule!(only_what_is_set_aside_can_be_discarded);
    };
}

/// Rung 0 is everyone with the role `ops`, rung 1 is `lead`; after an hour the answer is no.
#[must_use]
pub fn chain() -> Chain {
    let rung = |role: &str, after| Rung {
        roles: vec![role.parse().unwrap()],
        after: Span(after),
        notify: vec!["log".to_owned()],
        ..Rung::default()
    };
    Chain {
        name: "prod".to_owned(),
        rungs: vec![rung("ops", Duration::ZERO), rung("lead", RUNG)],
        timeout: Span(TIMEOUT),
        approved_for: Span(APPROVED_FOR),
        fallback: Fallback::Deny,
        bind_session: false,
    }
}

/// A request under [`chain`]; each number is another action, and so another digest.
#[must_use]
pub fn request(number: u32) -> ApprovalRequest {
    ApprovalRequest {
        digest: digest(number),
        agent_id: "coder".parse().unwrap(),
        session_id: Some("run-1".parse().unwrap()),
        team_id: Some("payments".parse().unwrap()),
        action_kind: "bash".to_owned(),
        content: json!({"kind": "bash", "command": format!("deploy {number}")}),
        rule_id: "ask-before-deploy".parse().unwrap(),
        reason: "deploys wait for a human".to_owned(),
        risk: Some("high".to_owned()),
        policy_version: 3,
        chain: chain(),
        grant: None,
        edited_from: None,
    }
}

/// The digest of [`request`]`(number)`.
#[must_use]
pub fn digest(number: u32) -> ActionDigest {
    let mut bytes = [0xd1; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ActionDigest::from_bytes(bytes)
}

/// The answer of somebody with every role of [`chain`] about [`request`]`(number)`.
#[must_use]
pub fn answer(verdict: Verdict, number: u32) -> Change {
    let person_id = PersonId::at(Timestamp::UNIX_EPOCH);
    said(verdict, number, person_id, only(person_id), None)
}

/// The answer of one person of a roster.
#[must_use]
pub fn said(
    verdict: Verdict,
    number: u32,
    person_id: PersonId,
    roster: Arc<Roster>,
    comment: Option<&str>,
) -> Change {
    Change::Decide {
        verdict,
        digest: digest(number),
        decider: Decider { person_id },
        roster,
        comment: comment.map(str::to_owned),
    }
}

/// The use of [`request`]`(number)` under a key.
#[must_use]
pub fn consume(number: u32, key: Option<&str>) -> Change {
    Change::Consume {
        digest: digest(number),
        policy_version: 4,
        idempotency_key: key.map(str::to_owned),
    }
}

fn just_before(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - 1).unwrap()
}

/// Runs futures side by side; their answers come in the order of the futures.
async fn all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut answers: Vec<_> = running.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, answer) in running.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(it) = future.as_mut().poll(context)
            {
                *answer = Some(it);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

async fn submit(store: &dyn Backend, number: u32, now: Timestamp) -> Approval {
    store.submit(request(number), now).await.unwrap().approval
}

/// Submits and approves.
async fn approved(store: &dyn Backend, number: u32, now: Timestamp) -> Approval {
    let id = submit(store, number, now).await.id;
    done(store, id, answer(Verdict::Approve, number), now).await
}

async fn done(store: &dyn Backend, id: ApprovalId, change: Change, now: Timestamp) -> Approval {
    match store.apply(id, change, now).await.unwrap() {
        Applied::Done { approval, .. } => *approval,
        Applied::Refused { refusal, .. } => panic!("refused: {refusal}"),
    }
}

async fn refused(store: &dyn Backend, id: ApprovalId, change: Change, now: Timestamp) -> Refusal {
    let before = store.get(id).await.unwrap();
    let end = store.end().await.unwrap();
    match store.apply(id, change, now).await.unwrap() {
        Applied::Done { approval, .. } => panic!("done: {approval:?}"),
        Applied::Refused { approval, refusal } => {
            assert_eq!(*approval, before);
            assert_eq!(store.get(id).await.unwrap(), before, "a refused change changed something");
            assert_eq!(store.end().await.unwrap(), end, "a refused change wrote history");
            refusal
        }
    }
}

async fn fire(store: &dyn Backend, now: Timestamp) -> Fired {
    store.fire_due(now, 100).await.unwrap()
}

/// The target of every message of [`chain`].
const LOG: Lane<'_> = Lane { target: "log", pace: Pace::UNLIMITED };

async fn lease(store: &dyn Backend, now: Timestamp) -> Vec<Lease> {
    lease_for(store, LOG, now).await
}

async fn lease_for(store: &dyn Backend, lane: Lane<'_>, now: Timestamp) -> Vec<Lease> {
    store.lease_unsent(lane, now, LEASE, 100).await.unwrap()
}

async fn fail(store: &dyn Backend, lease: &Lease, retry_at: Timestamp) -> Result<(), StoreError> {
    store.mark_failed(lease, Failure::of_message(retry_at, "no answer")).await
}

async fn rows(store: &dyn Backend) -> Vec<HistoryRow> {
    store.rows_after(0, 1000).await.unwrap()
}

async fn kinds(store: &dyn Backend, id: ApprovalId) -> Vec<AuditEventKind> {
    store.of_approval(id).await.unwrap().into_iter().map(|it| it.kind).collect()
}
