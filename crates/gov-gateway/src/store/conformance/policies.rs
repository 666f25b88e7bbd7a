//! Versions of the policy.

use std::sync::Arc;

use super::*;

pub(in crate::store) async fn the_largest_version_is_active(store: Store) {
    assert_eq!(store.active_policy().await.unwrap(), None);
    assert_eq!(store.next_policy_version().await.unwrap(), 1);
    for version in [1, 2] {
        let effect = Effect::ActivatePolicy { policy: policy(version), again: false };
        make(&store, effect, 1).await;
    }
    assert_eq!(store.active_policy().await.unwrap(), Some(policy(2)));
    assert_eq!(store.policy_before(2).await.unwrap(), Some(policy(1)));
    assert_eq!(store.policy_before(1).await.unwrap(), None);
    let versions = store.policy_versions().await.unwrap();
    assert_eq!(versions, [policy(2).about(), policy(1).about()]);
    assert_eq!(store.next_policy_version().await.unwrap(), 3);
}

pub(in crate::store) async fn of_concurrent_activations_exactly_one_fits(store: Store) {
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let (store, mut policy) = (Arc::clone(&store), policy(1));
            policy.text = format!("permit by {caller}");
            let edit = edit(Effect::ActivatePolicy { policy: policy.clone(), again: false }, 1);
            tokio::spawn(async move { (policy, store.apply(edit).await.unwrap()) })
        })
        .collect();
    let mut fitted = Vec::new();
    for caller in callers {
        let (policy, position) = caller.await.unwrap();
        fitted.extend(position.map(|it| (it, policy)));
    }
    assert_eq!(fitted.len(), 1);
    let active = store.active_policy().await.unwrap().unwrap();
    assert_eq!(fitted, [(1, active)]);
    assert_eq!(store.generation().await.unwrap(), 1);
}
