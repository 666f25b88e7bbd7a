//! What a server opens before anything works on it: all that can fail.
//!
//! Where one part does not open, those before it are closed and waited for: nothing is left behind.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use gov_core::{Clock, Timestamp};
use gov_deferred_audit::SpoolLimits;
use tracing::warn;

use super::{
    StartError,
    events::{self, OwnedStore},
    log::OpenLog,
    policy::Loaded,
    sharing::Sharing,
    shipping::OpenShipping,
};
use crate::{
    config::Config,
    data_dir::DataDir,
    founding::{self, Founded, IfLost},
    identity::TokenSecret,
    policy::Starter,
    run,
    sinks::Surroundings,
    storage::Storage,
    store::{Contents, GatewayStore},
};

/// The policy of a server that was told nothing.
const FIRST_POLICY: Starter = Starter::Balanced;

/// Files, databases and what they hold; no task runs.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) storage: Storage,
    pub(super) sharing: Sharing,
    pub(super) log: OpenLog,
    pub(super) event_store: Arc<dyn OwnedStore>,
    /// `None` where events go into the event store at once.
    pub(super) shipping: Option<OpenShipping>,
    pub(super) begun: Begun,
}

/// What the state holds now that a run has begun.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) contents: Contents,
    pub(super) policy: Loaded,
    /// The first admin token, made now and never shown again.
    pub(super) admin_token: Option<TokenSecret>,
}

/// Which server this is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who<'a> {
    pub(super) node: &'a str,
    pub(super) address: SocketAddr,
}

impl Opened {
    /// Opens everything in the data directory, or in the database that is configured.
    pub(super) async fn open(
        config: &Config,
        data_dir: &DataDir,
        who: Who<'_>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let now = clock.now();
        let storage = Storage::open(&config.database, data_dir, clock).await?;
        let clock = Arc::clone(&storage.clock);
        let sharing = Sharing::new(&storage);
        let log = match OpenLog::open(&storage.kind, config, data_dir, &clock).await {
            Ok(log) => log,
            Err(error) => {
                storage.close().await;
                return Err(error);
            }
        };
        let event_store = match events::open(&storage.kind, &data_dir.events(), &clock).await {
            Ok(event_store) => event_store,
            Err(error) => {
                log.close().await;
                storage.close().await;
                return Err(error);
            }
        };
        let around = Surroundings {
            node: who.node.to_owned(),
            data_dir: data_dir.clone(),
            event_store: Arc::clone(&event_store) as _,
            clock: Arc::clone(&clock),
        };
        let shipping = match OpenShipping::open(&config.buffer, around).await {
            Ok(shipping) => shipping,
            Err(error) => {
                event_store.close().await;
                log.close().await;
                storage.close().await;
                return Err(error);
            }
        };
        match Begun::begin(&*storage.store, config, data_dir, who, now).await {
            Ok(begun) => Ok(Self { storage, sharing, log, event_store, shipping, begun }),
            Err(error) => {
                if let Some(shipping) = shipping {
                    shipping.close().await;
                }
                event_store.close().await;
                log.close().await;
                storage.close().await;
                Err(error)
            }
        }
    }
}

impl Begun {
    /// Founds what is empty, reads what there is, and marks that a run begins.
    async fn begin(
        store: &dyn GatewayStore,
        config: &Config,
        data_dir: &DataDir,
        who: Who<'_>,
        now: Timestamp,
    ) -> Result<Self, StartError> {
        let admin_token = match founding::found(store, FIRST_POLICY, now, IfLost::Leave).await? {
            Founded::New { admin_token, .. } => admin_token,
            Founded::HasPolicy { .. } | Founded::PolicyLost => None,
        };
        let contents = store.contents().await?;
        let (chains, people) = (&config.chains, contents.identities.roster());
        let policy =
            Loaded::load(contents.policy.as_ref(), chains, &people, who.address, data_dir)?;
        if run::begin(store, who.node, boot_id()?, now, missing_bound()).await? {
            warn!("the machine went down in the last run; `audit.gap` bounds what may be missing");
        }
        Ok(Self { contents, policy, admin_token })
    }
}

/// Which boot of the machine this is.
fn boot_id() -> Result<String, StartError> {
    const PATH: &str = "/proc/sys/kernel/random/boot_id";
    std::fs::read_to_string(PATH)
        .map(|it| it.trim().to_owned())
        .map_err(|source| StartError::BootId { path: PATH, source })
}

/// What a power loss can take: the spooled records that no fsync had reached.
fn missing_bound() -> BTreeMap<&'static str, u64> {
    let limits = SpoolLimits::default();
    let millis = u64::try_from(limits.sync_after.as_millis()).unwrap_or(u64::MAX);
    [("spooled_milliseconds", millis), ("spooled_bytes", limits.sync_bytes)].into()
}
