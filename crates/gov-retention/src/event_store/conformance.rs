//! The contract as tests, one function a rule.
//!
//! A backend's test file makes one test of each: see `for_each_rule`. Each rule wants a store of
//! its own, empty at first.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "every function here is a test"
)]

mod append;
mod query;
pub mod sample;
mod source;

pub use self::{append::*, query::*, source::*};

/// Calls `$rule!(name)` for every rule of the contract: the one list of them.
#[macro_export]
macro_rules! for_each_rule {
    ($rule:ident) => {
        $rule!(an_empty_store_has_nothing_to_find);
        $rule!(what_was_stored_reads_back_equal_in_every_field);
        $rule!(an_event_twice_in_one_call_is_kept_once);
        $rule!(an_event_in_two_calls_is_kept_once_and_the_first_stays);
        $rule!(an_event_in_concurrent_calls_is_kept_once);
        $rule!(concurrent_appends_of_different_events_all_stay);
        $rule!(a_payload_that_is_too_large_is_refused_and_nothing_of_the_batch_is_kept);
        $rule!(a_text_with_a_nul_is_refused_and_nothing_of_the_batch_is_kept);
        $rule!(both_durabilities_are_found_at_once);
        $rule!(a_source_begins_at_0_and_its_cursor_is_its_last_seq);
        $rule!(what_is_at_or_behind_the_cursor_is_skipped);
        $rule!(a_batch_that_overlaps_the_cursor_is_kept_from_there);
        $rule!(a_source_whose_events_span_days_back_and_forth_is_kept_whole);
        $rule!(cursors_of_two_sources_are_apart);
        $rule!(an_event_that_is_there_already_still_moves_the_cursor);
        $rule!(a_source_out_of_order_is_refused_and_nothing_of_it_is_kept);
        $rule!(a_refused_event_of_a_source_moves_no_cursor);
        $rule!(the_same_batch_of_a_source_twice_at_once_is_kept_once);
        $rule!(events_come_newest_first_and_equal_times_by_id);
        $rule!(events_come_oldest_first_and_equal_times_by_id);
        $rule!(every_filter_alone_finds_what_it_names);
        $rule!(filters_together_find_what_fits_them_all);
        $rule!(several_kinds_are_one_of_them);
        $rule!(from_is_inclusive_and_to_is_exclusive);
        $rule!(a_span_that_ends_before_it_begins_is_empty);
        $rule!(pages_have_no_overlap_and_no_hole);
        $rule!(pages_of_a_filter_have_no_overlap_and_no_hole);
        $rule!(pages_stay_stable_while_events_are_added_on_either_side);
        $rule!(the_last_page_has_no_next);
        $rule!(a_limit_outside_1_to_1000_is_refused);
        $rule!(a_page_of_1000_is_given_whole);
        $rule!(a_count_is_the_length_of_all_pages);
    };
}
