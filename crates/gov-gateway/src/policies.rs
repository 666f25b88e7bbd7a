//! Changes of what is decided by: each one a new version, with its row in the history.
//!
//! ```text
//! text ─▶ compile ─▶ version + history row, one transaction ─▶ swap in memory ─▶ next check
//!       chains known?
//!           └─ refused: nothing changed                          (where a server runs)
//! ```

use std::{collections::BTreeMap, sync::Arc};

use gov_core::Clock;
use gov_escalation::{Roster, chain::Chain};

mod error;
mod view;

pub use self::{
    error::PoliciesError,
    view::{ActivatedView, PolicyList, PolicyText, PolicyView, list},
};
use crate::{
    check::Gate,
    logged::{Changed, LoggedWithin},
    policy::{
        PolicyError, PolicySet,
        chains::{unknown, unknown_or_unstaffed},
        normalise::Protected,
    },
    servers::Servers,
    store::{Edit, Effect, GatewayStore, StoredPolicy},
};

/// The name of a policy that is no starter.
const OWN: &str = "own";

/// Changes the policy in the store first and in memory after.
#[derive(Clone, Debug)]
pub struct Policies {
    store: Arc<dyn GatewayStore>,
    chains: Arc<BTreeMap<String, Chain>>,
    clock: Arc<dyn Clock>,
    live: Option<Live>,
}

/// What a running server judges by.
#[derive(Clone, Debug)]
pub struct Live {
    /// Judges actions.
    pub gate: Arc<Gate>,
    /// Where gov lives and listens.
    pub protected: Protected,
    /// Is told of every row in the history, and waited for.
    pub log: LoggedWithin,
    /// Who else must judge by it.
    pub servers: Servers,
}

impl Policies {
    /// Changes the policy in `store` and, where a server runs, in `live`; a policy may ask
    /// `chains` and no others.
    #[must_use]
    pub fn new(
        store: Arc<dyn GatewayStore>,
        chains: Arc<BTreeMap<String, Chain>>,
        clock: Arc<dyn Clock>,
        live: Option<Live>,
    ) -> Self {
        Self { store, chains, clock, live }
    }

    /// Every version, the newest first.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::Store`].
    pub async fn list(&self) -> Result<PolicyList, PoliciesError> {
        Ok(list(&self.store.policy_versions().await?))
    }

    /// The active policy with its text.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::None`] before there is one; else the database.
    pub async fn active(&self) -> Result<PolicyText, PoliciesError> {
        self.store.active_policy().await?.map(PolicyText::active).ok_or(PoliciesError::None)
    }

    /// Makes `text` the next version and the active one; `actor` says in the history who did.
    ///
    /// It happens whole or not at all, also if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::Text`] and [`PoliciesError::Overtaken`]: nothing is changed; else the
    /// database.
    pub async fn activate(
        &self,
        text: String,
        actor: &str,
    ) -> Result<Changed<ActivatedView>, PoliciesError> {
        let version = self.store.next_policy_version().await?;
        let policy =
            StoredPolicy { version, name: OWN.to_owned(), text, activated_at: self.clock.now() };
        self.put(policy, false, actor).await
    }

    /// Makes the text before the active one the next version and the active one.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::NoEarlier`]: nothing to go back to; else as from [`Policies::activate`].
    pub async fn roll_back(&self, actor: &str) -> Result<Changed<ActivatedView>, PoliciesError> {
        // The next version first: who comes between makes this one overtaken.
        let version = self.store.next_policy_version().await?;
        let active = self.store.active_policy().await?.ok_or(PoliciesError::NoEarlier)?;
        let earlier = self.store.policy_before(active.version).await?;
        let earlier = earlier.ok_or(PoliciesError::NoEarlier)?;
        let policy = StoredPolicy { version, activated_at: self.clock.now(), ..earlier };
        self.put(policy, true, actor).await
    }

    /// A caller that goes away must not leave memory behind the store, so a task of its own does
    /// it.
    async fn put(
        &self,
        policy: StoredPolicy,
        again: bool,
        actor: &str,
    ) -> Result<Changed<ActivatedView>, PoliciesError> {
        let policy_view = PolicyView::active(&policy.about());
        let (it, actor) = (self.clone(), actor.to_owned());
        let put = tokio::spawn(async move { it.compile_and_store(policy, again, &actor).await });
        let position = put.await.map_err(PoliciesError::store)??;
        let live = self.live.as_ref();
        let (record, confirmed) = tokio::join!(
            LoggedWithin::record(live.map(|it| &it.log), position),
            Servers::confirmed(live.map(|it| &it.servers), position),
        );
        Ok(Changed { view: ActivatedView { policy: policy_view, confirmed }, record })
    }

    async fn compile_and_store(
        &self,
        policy: StoredPolicy,
        again: bool,
        actor: &str,
    ) -> Result<u64, PoliciesError> {
        // Whoever goes back to an earlier text may do so whoever is there.
        let people = if again { None } else { Some(self.store.contents().await?.identities) };
        let compiled = self.compile(&policy, people.map(|it| it.roster())).await?;
        let at = policy.activated_at;
        let edit = Edit::new(Effect::ActivatePolicy { policy, again }, actor, at);
        let applied = self.store.apply(edit.map_err(PoliciesError::store)?).await;
        if let Some(live) = &self.live {
            live.log.follower.nudge();
        }
        let position = applied?.ok_or(PoliciesError::Overtaken)?;
        self.put_in_force(compiled);
        Ok(position)
    }

    /// Judges by a policy that another server has stored, from the next check on, unless a later
    /// one is there.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::Text`]: it does not compile here, or asks a chain that is not configured.
    pub async fn judge_by(&self, policy: &StoredPolicy) -> Result<(), PoliciesError> {
        let compiled = self.compile(policy, None).await?;
        self.put_in_force(compiled);
        Ok(())
    }

    /// The version that is judged by; `None` before there is one, and where no server runs.
    #[must_use]
    pub fn in_force(&self) -> Option<u64> {
        self.live.as_ref().and_then(|it| it.gate.policy_version())
    }

    /// With `people`, the chains that it asks must be such as these can satisfy.
    async fn compile(
        &self,
        policy: &StoredPolicy,
        people: Option<Roster>,
    ) -> Result<PolicySet, PoliciesError> {
        let (text, version) = (policy.text.clone(), policy.version);
        let chains = Arc::clone(&self.chains);
        let compiling = tokio::task::spawn_blocking(move || {
            let compiled = PolicySet::compile(&text, version)?;
            let known: Vec<_> = chains.keys().map(String::as_str).collect();
            match people {
                Some(people) => {
                    compiled.check_chains(&text, &unknown_or_unstaffed(&chains, &people))
                }
                None => compiled.check_chains(&text, &unknown(&known)),
            }?;
            Ok::<_, PolicyError>(compiled)
        });
        Ok(compiling.await.map_err(PoliciesError::store)??)
    }

    fn put_in_force(&self, policy: PolicySet) {
        if let Some(live) = &self.live {
            live.gate.activate(policy.with_protected(live.protected.clone()));
        }
    }
}
