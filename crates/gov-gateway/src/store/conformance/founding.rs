//! The first contents.

use std::sync::Arc;

use super::*;
use crate::{
    identity::TokenSecret,
    policy::Starter,
    store::{Founding, FoundingOutcome, IfLost},
};

fn founding(if_lost: IfLost) -> Founding {
    let secret = TokenSecret::generate(TokenId::at(at(1))).unwrap();
    Founding::new(Starter::Balanced, &secret, at(1), if_lost).unwrap()
}

fn balanced(version: u64) -> FoundingOutcome {
    FoundingOutcome::HasPolicy { version, name: "balanced".to_owned() }
}

pub(in crate::store) async fn of_concurrent_foundings_one_founds_and_the_others_find(store: Store) {
    let founders: Vec<_> = (0..4)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.found(founding(IfLost::Leave)).await.unwrap() })
        })
        .collect();
    let mut outcomes = Vec::new();
    for founder in founders {
        outcomes.push(founder.await.unwrap());
    }
    let new = FoundingOutcome::New { version: 1, with_token: true };
    assert_eq!(outcomes.iter().filter(|it| **it == new).count(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|it| **it == balanced(1)).count(), 3, "{outcomes:?}");
    assert_eq!(store.contents().await.unwrap().identities.tokens.len(), 1);
    let rows = store.history_after(0, 9).await.unwrap();
    let kinds: Vec<_> = rows.iter().map(|it| it.change.kind.clone()).collect();
    assert_eq!(kinds, [AuditEventKind::PolicyActivated, AuditEventKind::AdminTokenCreated]);
}

/// A database whose policies are gone and whose history is not: restored by hand, or damaged.
pub(in crate::store) async fn a_lost_policy_is_replaced_only_on_request_and_under_a_new_version(
    store: Store,
) {
    let told = Change { kind: AuditEventKind::PolicyActivated, policy_version: Some(7), ..gap(1) };
    let run = crate::store::Run { boot_id: "b".into(), started_at: at(1), ended_at: None };
    store.put_run("n", run, Some(told)).await.unwrap();
    let left = store.found(founding(IfLost::Leave)).await.unwrap();
    assert_eq!(left, FoundingOutcome::PolicyLost);
    assert_eq!(store.contents().await.unwrap().generation, 1, "nothing was changed");
    let replaced = store.found(founding(IfLost::Replace)).await.unwrap();
    assert_eq!(replaced, FoundingOutcome::New { version: 8, with_token: true });
    assert_eq!(store.active_policy().await.unwrap().unwrap().version, 8);
    assert_eq!(store.found(founding(IfLost::Leave)).await.unwrap(), balanced(8));
}

pub(in crate::store) async fn founding_leaves_an_admins_token_alone(store: Store) {
    let admin = token(1, Scope::Admin);
    make(&store, Effect::AddToken(admin.clone()), 1).await;
    let founded = store.found(founding(IfLost::Leave)).await.unwrap();
    assert_eq!(founded, FoundingOutcome::New { version: 1, with_token: false });
    assert_eq!(store.contents().await.unwrap().identities.tokens, [admin]);
}
