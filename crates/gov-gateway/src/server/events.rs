//! The event store, or the buffer before a sink, with what writes to it: the answers, the gaps, and
//! the follower of the log.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{Clock, Health, HealthState, Timestamp};
use gov_deferred_audit::SignedLog;
use gov_retention::event_store::{
    AuditEventStore, postgres::PgEventStore, sqlite::SqliteEventStore,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::{
    Ended, StartError,
    shipping::{OpenShipping, Shipping},
};
use crate::{
    config::{Config, Overflow},
    events::{Events, EventsConfig, WAIT},
    http::ServedBuffer,
    log_follower::{LogFollower, LogFollowerConfig, Progress},
    outlet::{EventOutlet, StoreOutlet},
    storage::Kind,
};

/// The least that the follower gets at the end.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// An event store as the server owns it.
#[async_trait]
pub(super) trait OwnedStore: AuditEventStore + Health {
    /// Takes no more work and waits for what runs.
    async fn close(&self);
}

#[async_trait]
impl OwnedStore for SqliteEventStore {
    async fn close(&self) {
        self.close().await;
    }
}

#[async_trait]
impl OwnedStore for PgEventStore {
    async fn close(&self) {
        self.close().await;
    }
}

/// The store beside the rest of the state: in files of the data directory, or in the database that
/// gateways share.
pub(super) async fn open(
    kind: &Kind,
    dir: &Path,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn OwnedStore>, StartError> {
    Ok(match kind {
        Kind::Embedded { .. } => Arc::new(SqliteEventStore::open(dir, Arc::clone(clock)).await?),
        Kind::Shared { pool, .. } => Arc::new(PgEventStore::new(pool.clone())),
    })
}

/// What works on the event store while the server runs.
#[derive(Debug)]
pub(super) struct EventWork {
    pub(super) events: Events,
    store: Arc<dyn OwnedStore>,
    shipping: Option<Shipping>,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    required: bool,
    gaps: JoinHandle<()>,
    follower: JoinHandle<LogFollower>,
    stop: CancellationToken,
}

impl EventWork {
    /// Starts to follow `log`, to write down what is missed, and to ship.
    pub(super) fn start(
        store: Arc<dyn OwnedStore>,
        shipping: Option<OpenShipping>,
        log: &SignedLog,
        config: &Config,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let kinds = config.audit.required.iter().filter_map(|it| it.parse().ok());
        // Who waits for room must not be given up before.
        let blocked = config.buffer.overflow == Overflow::Block;
        let wait = if blocked { WAIT + config.buffer.block_timeout } else { WAIT };
        let events_config = EventsConfig { required: kinds.collect(), wait };
        let required = !events_config.required.is_empty();
        let shipping = shipping.map(OpenShipping::start);
        let outlet: Arc<dyn EventOutlet> = match &shipping {
            Some(shipping) => shipping.outlet(),
            None => Arc::new(StoreOutlet::new(Arc::clone(&store) as _)),
        };
        let events = Events::new(Arc::clone(&outlet), Arc::clone(clock), events_config);
        let follower = LogFollower::new(
            Arc::new(log.clone()),
            outlet,
            Arc::clone(clock),
            LogFollowerConfig::default(),
        );
        let stop = CancellationToken::new();
        Self {
            progress: follower.progress(),
            gaps: tokio::spawn(events.clone().run(stop.clone())),
            follower: tokio::spawn(follower.run(log.committed(), stop.clone())),
            events,
            store,
            shipping,
            clock: Arc::clone(clock),
            required,
            stop,
        }
    }

    /// Where events are found.
    pub(super) fn store(&self) -> Arc<dyn AuditEventStore> {
        Arc::clone(&self.store) as _
    }

    /// What waits for the sink; `None` without one.
    pub(super) fn served_buffer(&self) -> Option<ServedBuffer> {
        self.shipping.as_ref().map(Shipping::served)
    }

    /// What `/readyz` asks.
    pub(super) fn health(&self) -> Vec<Arc<dyn Health>> {
        let outlet = self.shipping.as_ref().map(Shipping::health);
        let needs_store = self.required && outlet.is_none();
        let mut parts: Vec<Arc<dyn Health>> =
            vec![KeeperHealth::of("event_store", Arc::clone(&self.store) as _, needs_store)];
        parts.extend(outlet.map(|it| KeeperHealth::of("audit_buffer", it, self.required) as _));
        parts.extend([Arc::new(self.events.clone()) as _, Arc::clone(&self.progress) as _]);
        parts
    }

    /// Follows the log to its end, after which nobody appends, writes down what was missed, and
    /// ships what waits; closes the buffer and the store.
    pub(super) async fn close(self, until: Timestamp) -> Ended {
        self.stop.cancel();
        // Also where the flush took all the time: a last look costs little, and mostly finds nothing.
        let until = until.max(self.clock.now() + LAST_LOOK);
        let followed = match self.follower.await {
            Ok(follower) => follower.finish(until).await,
            Err(error) => {
                error!(%error, "the follower of the log ended badly");
                false
            }
        };
        if let Err(error) = self.gaps.await {
            error!(%error, "the writer of gaps ended badly");
        }
        let missing = self.events.write_gaps().await;
        let shipped = match self.shipping {
            Some(it) => it.close(until.max(self.clock.now() + LAST_LOOK)).await,
            None => Ended::Clean,
        };
        self.store.close().await;
        if missing > 0 {
            error!(missing, "events of allowed actions are missing, and no gap says so");
            return Ended::RecordsMissing;
        }
        if !followed {
            let left = self.progress.lag();
            warn!(left, "records of the log wait to be handed on until the next start");
            return Ended::WorkLeft;
        }
        shipped
    }
}

/// A store or buffer that fails is no reason to turn agents away, unless answers need it.
#[derive(Debug)]
struct KeeperHealth {
    name: &'static str,
    keeper: Arc<dyn Health>,
    required: bool,
}

impl KeeperHealth {
    fn of(name: &'static str, keeper: Arc<dyn Health>, required: bool) -> Arc<Self> {
        Arc::new(Self { name, keeper, required })
    }
}

impl Health for KeeperHealth {
    fn name(&self) -> &'static str {
        self.name
    }

    fn health(&self) -> HealthState {
        match self.keeper.health() {
            HealthState::Dead(reason) if !self.required => HealthState::Degraded(reason),
            other => other,
        }
    }
}
