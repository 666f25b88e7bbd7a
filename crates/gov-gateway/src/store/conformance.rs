//! The store contract as tests, one function a rule.
//!
//! Each backend's test file makes one test of each: see `for_each_rule`. Every rule begins with a
//! store that is empty.

use std::sync::Arc;

use gov_core::{AuditEventKind, Payload, PersonId, Timestamp, TokenId};

use super::{Change, Edit, Effect, GatewayStore, StoredPolicy};
use crate::identity::{Person, Scope, Token};

mod changes;
mod founding;
mod halts;
mod history;
mod policies;
mod presences;
mod stand_ins;

pub(super) use self::{
    changes::*, founding::*, halts::*, history::*, policies::*, presences::*, stand_ins::*,
};

/// What a rule is about.
type Store = Arc<dyn GatewayStore>;

/// Calls `$rule!(name)` for every rule of the contract: the one list of them.
macro_rules! for_each_rule {
    ($rule:ident) => {
        $rule!(what_is_put_in_reads_back_equal);
        $rule!(every_change_writes_its_row_and_moves_the_generation);
        $rule!(what_does_not_fit_changes_nothing);
        $rule!(a_change_that_fails_leaves_nothing_behind);
        $rule!(a_change_of_a_person_leaves_the_rest);
        $rule!(who_is_disabled_twice_is_so_since_the_first_time);
        $rule!(nobody_is_somebody_elses_slack_user);
        $rule!(the_last_owners_count);
        $rule!(a_token_is_revoked_once);
        $rule!(a_stand_in_stays_until_somebody_ends_it);
        $rule!(nobody_stands_in_for_themselves_for_nobody_or_for_no_time);
        $rule!(what_is_halted_keeps_its_first_time_until_it_is_resumed);
        $rule!(of_concurrent_halts_one_counts);
        $rule!(the_largest_version_is_active);
        $rule!(of_concurrent_activations_exactly_one_fits);
        $rule!(of_concurrent_foundings_one_founds_and_the_others_find);
        $rule!(a_lost_policy_is_replaced_only_on_request_and_under_a_new_version);
        $rule!(founding_leaves_an_admins_token_alone);
        $rule!(concurrent_changes_are_numbered_without_a_gap);
        $rule!(the_history_is_read_in_pages);
        $rule!(the_feed_cursor_only_moves_ahead);
        $rule!(a_run_is_replaced_and_its_gap_is_in_the_history);
        $rule!(a_server_is_present_once_until_it_leaves);
    };
}

pub(super) use for_each_rule;

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap()
}

fn token(micros: i64, scope: Scope) -> Token {
    Token {
        id: TokenId::at(at(micros * 1_000)),
        secret_hash: [7; 32],
        scope,
        agent_id: (scope == Scope::Agent).then(|| "a".parse().unwrap()),
        person_id: None,
        created_at: at(micros),
        expires_at: Some(at(micros + 1)),
        revoked_at: None,
    }
}

fn person(micros: i64, name: &str, roles: &[&str]) -> Person {
    Person {
        // A millisecond apart, so that they are in order.
        id: PersonId::at(at(micros * 1_000)),
        name: name.parse().unwrap(),
        roles: roles.iter().map(|it| it.parse().unwrap()).collect(),
        created_at: at(micros),
        disabled_at: None,
        slack_user: None,
    }
}

fn policy(version: u64) -> StoredPolicy {
    let text = format!("permit v{version}");
    StoredPolicy { version, name: "own".into(), text, activated_at: at(1) }
}

fn edit(effect: Effect, micros: i64) -> Edit {
    Edit::new(effect, "test", at(micros)).unwrap()
}

/// Makes a change that fits.
async fn make(store: &Store, effect: Effect, micros: i64) -> u64 {
    store.apply(edit(effect, micros)).await.unwrap().expect("it fits")
}

fn gap(micros: i64) -> Change {
    Change {
        at: at(micros),
        kind: AuditEventKind::AuditGap,
        agent_id: None,
        policy_version: None,
        payload: Payload::seal(&"gap").unwrap(),
    }
}
