//! Changes of what is decided by: each one a new version, with its row in the history.
//!
//! ```text
//! text ─▶ compile ─▶ version + history row, one transaction ─▶ swap in memory ─▶ next check
//!       chains known?
//!           └─ refused: nothing changed                          (where a server runs)
//! ```

use std::{collections::BTreeMap, fmt, sync::Arc};

use gov_core::{AuditEventKind, Clock};
use gov_deferred_audit::FollowerHandle;
use gov_escalation::chain::Chain;
use gov_store::sqlite::{Database, ReadError, Readers, Sync, Writer};
use rusqlite::Connection;
use serde_json::json;

mod error;
mod view;

pub use self::{
    error::PoliciesError,
    view::{PolicyList, PolicyText, PolicyView},
};
use crate::{
    check::Gate,
    policy::{PolicySet, normalise::Protected},
    registry::{self, RegistryError},
    store::{Change, StoreError, StoredPolicy, sqlite},
};

/// The name of a policy that is no starter.
const OWN: &str = "own";

/// Changes the policy in `gov.db` first and in memory after.
#[derive(Clone)]
pub struct Policies {
    readers: Readers,
    writer: Writer,
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
    /// Is told of every row in the history.
    pub follower: FollowerHandle,
}

impl Policies {
    /// Changes the policy in `database` and, where a server runs, in `live`; a policy may ask
    /// `chains` and no others.
    #[must_use]
    pub fn new(
        database: &Database,
        chains: Arc<BTreeMap<String, Chain>>,
        clock: Arc<dyn Clock>,
        live: Option<Live>,
    ) -> Self {
        let (readers, writer) = (database.readers.clone(), database.writer.clone());
        Self { readers, writer, chains, clock, live }
    }

    /// Every version, the newest first.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::Store`].
    pub async fn list(&self) -> Result<PolicyList, PoliciesError> {
        Ok(PolicyList::new(&self.read(sqlite::policy_versions).await?))
    }

    /// The active policy with its text.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::None`] before there is one; else the database.
    pub async fn active(&self) -> Result<PolicyText, PoliciesError> {
        let active = self.read(sqlite::active_policy).await?;
        active.map(PolicyText::active).ok_or(PoliciesError::None)
    }

    /// Makes `text` the next version and the active one; `actor` says in the history who did.
    ///
    /// It happens whole or not at all, also if the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::Text`] and [`PoliciesError::Overtaken`]: nothing is changed; else the
    /// database.
    pub async fn activate(&self, text: String, actor: &str) -> Result<PolicyView, PoliciesError> {
        let version = self.read(sqlite::next_policy_version).await?;
        let policy =
            StoredPolicy { version, name: OWN.to_owned(), text, activated_at: self.clock.now() };
        self.put(AuditEventKind::PolicyActivated, policy, actor).await
    }

    /// Makes the text before the active one the next version and the active one.
    ///
    /// # Errors
    ///
    /// [`PoliciesError::NoEarlier`]: nothing to go back to; else as from [`Policies::activate`].
    pub async fn roll_back(&self, actor: &str) -> Result<PolicyView, PoliciesError> {
        let (version, earlier) = self
            .read(|db| {
                let earlier = match sqlite::active_policy(db)? {
                    Some(active) => sqlite::policy_before(db, active.version)?,
                    None => None,
                };
                Ok((sqlite::next_policy_version(db)?, earlier))
            })
            .await?;
        let earlier = earlier.ok_or(PoliciesError::NoEarlier)?;
        let policy = StoredPolicy { version, activated_at: self.clock.now(), ..earlier };
        self.put(AuditEventKind::PolicyRolledBack, policy, actor).await
    }

    /// A caller that goes away must not leave memory behind the file, so a task of its own does it.
    async fn put(
        &self,
        kind: AuditEventKind,
        policy: StoredPolicy,
        actor: &str,
    ) -> Result<PolicyView, PoliciesError> {
        let change = policy_change(kind, &policy, actor).map_err(PoliciesError::store)?;
        let view = PolicyView::active(&policy.about());
        let it = self.clone();
        let put = tokio::spawn(async move { it.compile_and_store(policy, change).await });
        put.await.map_err(PoliciesError::store)??;
        Ok(view)
    }

    async fn compile_and_store(
        &self,
        policy: StoredPolicy,
        change: Change,
    ) -> Result<(), PoliciesError> {
        let (text, version) = (policy.text.clone(), policy.version);
        let chains = Arc::clone(&self.chains);
        let compiling = tokio::task::spawn_blocking(move || {
            let compiled = PolicySet::compile(&text, version)?;
            let known: Vec<_> = chains.keys().map(String::as_str).collect();
            compiled.check_chains(&text, &known).map(|()| compiled)
        });
        let compiled = compiling.await.map_err(PoliciesError::store)??;
        let write = move |db: &Connection| {
            let next = sqlite::next_policy_version(db)? == version;
            if next {
                sqlite::insert_policy(db, &policy)?;
                sqlite::insert_change(db, &change)?;
            }
            Ok::<_, StoreError>(next)
        };
        let stored = self.writer.write(Sync::Full, move |transaction| write(transaction)).await;
        if let Some(live) = &self.live {
            live.follower.nudge();
        }
        if !stored.map_err(PoliciesError::store)? {
            return Err(PoliciesError::Overtaken);
        }
        if let Some(live) = &self.live {
            live.gate.activate(compiled.with_protected(live.protected.clone()));
        }
        Ok(())
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, PoliciesError> {
        let read: Result<T, ReadError<StoreError>> = self.readers.read(job).await;
        read.map_err(PoliciesError::store)
    }
}

/// The history row of a policy that becomes active. The hash ties the version to the text, for as
/// long as the log lives.
pub(crate) fn policy_change(
    kind: AuditEventKind,
    policy: &StoredPolicy,
    actor: &str,
) -> Result<Change, RegistryError> {
    let sha256 = PolicyView::active(&policy.about()).sha256;
    let payload = json!({ "actor": actor, "name": policy.name, "sha256": sha256 });
    registry::change(kind, policy.activated_at, None, Some(policy.version), &payload)
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("live", &self.live).finish_non_exhaustive()
    }
}
