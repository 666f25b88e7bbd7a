//! What a server does because others use its database too: it follows their changes, and goes by
//! the database's time.

use std::sync::Arc;

use gov_core::{Clock, Health};
use gov_store::postgres::DatabaseClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    generation::{Freshness, GenerationFollower, GenerationHealth, Memory},
    servers::Servers,
    storage::{Kind, Storage},
    store::GatewayStore,
};

/// What sharing takes; nothing where one server owns its database.
#[derive(Debug)]
pub(super) struct Sharing {
    pub(super) freshness: Freshness,
    time: Option<Arc<DatabaseClock>>,
    clock: Arc<dyn Clock>,
}

impl Sharing {
    /// Judges by what is in memory from now on, as long as it is confirmed: call it before memory
    /// is loaded.
    pub(super) fn new(storage: &Storage) -> Self {
        let clock = Arc::clone(&storage.clock);
        let (freshness, time) = match &storage.kind {
            Kind::Embedded { .. } => (Freshness::always(), None),
            Kind::Shared { clock: time, .. } => {
                (Freshness::since(clock.now()), Some(Arc::clone(time)))
            }
        };
        Self { freshness, time, clock }
    }

    /// What `/readyz` asks.
    pub(super) fn health(&self) -> Vec<Arc<dyn Health>> {
        let Some(time) = &self.time else { return Vec::new() };
        let state = GenerationHealth::new(self.freshness.clone(), Arc::clone(&self.clock));
        vec![Arc::new(state), Arc::clone(time) as _]
    }

    /// The servers of the deployment, of which this one is called `node`.
    pub(super) fn servers(&self, store: &Arc<dyn GatewayStore>, node: &str) -> Servers {
        match &self.time {
            None => Servers::alone(),
            Some(_) => {
                Servers::sharing(Arc::clone(store), node.to_owned(), Arc::clone(&self.clock))
            }
        }
    }

    /// Starts the tasks.
    pub(super) fn start(
        self,
        store: Arc<dyn GatewayStore>,
        memory: Memory,
        servers: &Servers,
        stop: &CancellationToken,
    ) -> Vec<JoinHandle<()>> {
        let Some(time) = self.time else { return Vec::new() };
        let attendance = servers.attendance();
        let follower =
            GenerationFollower::new(store, memory, self.freshness, attendance, self.clock);
        let stop_time = stop.clone();
        vec![
            tokio::spawn(follower.run(stop.clone())),
            tokio::spawn(async move { time.run(stop_time.cancelled()).await }),
        ]
    }
}
