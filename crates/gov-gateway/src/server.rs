//! The server: what it opens, in which order, and how it ends.
//!
//! ```text
//! directory ▶ lock ▶ keys ▶ port ▶ gov.db ▶ signed log ▶ event store ▶ policy ▶ doors open
//! doors shut ▶ requests answered ▶ history followed ▶ queue flushed ▶ log followed ▶ buffer flushed
//! ▶ event store closed ▶ log closed ▶ run marked ▶ gov.db closed
//! ```
//!
//! The port is taken before anything is made, and the doors open after everything works.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use gov_core::{Clock, Health, Redactor};
use gov_deferred_audit::{FeedFollower, FollowerConfig, FollowerHandle};
use gov_escalation::chain::Chain;
use gov_store::lock::DataDirLock;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

mod approvals;
mod chains;
mod error;
mod events;
mod halts;
mod health;
mod log;
mod notifiers;
mod opened;
mod policy;
mod sharing;
mod shipping;

use self::{
    approvals::Approvals,
    chains::ChainsHealth,
    events::EventWork,
    halts::Halts,
    health::PolicyHealth,
    log::Log,
    opened::{Begun, Opened, Who},
    policy::Loaded,
    sharing::Sharing,
};
pub use self::{
    error::StartError, log::log_config, notifiers::TargetError, shipping::buffer_config,
};
use crate::{
    check::{Gate, GateConfig, Keepers},
    config::{self, Config},
    data_dir::{DataDir, key_file, node_name},
    feed::GatewayFeed,
    generation::Memory,
    http::{
        Door, Guard, Parts, ServedLog,
        approvals::LONGEST_WAIT,
        listener::{self, Limits},
    },
    identity::{Directory, TokenSecret},
    logged::LoggedWithin,
    meters::Meters,
    page::Page,
    policies::{Live, Policies},
    registry::Registry,
    run,
    storage::Storage,
    store::GatewayStore,
};

/// The longest that an answer to a change waits for the signed log.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// How often the meters fold their samples.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// A server whose doors are about to open.
#[derive(Debug)]
pub struct Server {
    started: Started,
    listener: TcpListener,
    door: Arc<Door>,
    limits: Limits,
    log: Log,
    event_work: EventWork,
    history: FollowerHandle,
    approvals: Approvals,
    // The follower of the history, the upkeep of the meters, and what sharing takes.
    tasks: Vec<JoinHandle<()>>,
    stop_tasks: CancellationToken,
    node: String,
    storage: Storage,
    clock: Arc<dyn Clock>,
    // Given back when everything else is closed.
    lock: DataDirLock,
}

/// What a start did, for people.
#[derive(Debug)]
pub struct Started {
    /// The address that is listened on.
    pub address: SocketAddr,
    /// The data directory.
    pub data_dir: DataDir,
    /// Name and version of the active policy.
    pub policy: (String, u64),
    /// The signed log, in words.
    pub log: String,
    /// The first admin token, made now and never shown again.
    pub admin_token: Option<TokenSecret>,
}

/// How a server ended, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// Nothing was left behind.
    Clean,
    /// Records wait in the spool, or changes in the history, for the next start.
    WorkLeft,
    /// Records are gone.
    RecordsMissing,
}

impl Ended {
    /// The worse of two ends.
    fn worse(self, other: Self) -> Self {
        self.max(other)
    }
}

impl Server {
    /// Opens everything. Only [`Server::run`] lets requests in.
    ///
    /// # Errors
    ///
    /// [`StartError`]: nothing runs, and every file is as it was or whole.
    pub async fn start(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        let meters = Arc::new(Meters::install()?);
        let (listener, address) = bind(config.server.listen).await?;
        let (data_dir, lock, redaction_key, node) = files(config).await?;
        let who = Who { node: &node, address };
        let Opened { storage, sharing, log, event_store, shipping, begun } =
            Opened::open(config, &data_dir, who, &clock).await?;

        halts::before_start(&storage, begun.contents.identities.halt.as_ref()).await;
        let (targets, slack) = notifiers::open(config, &clock).await?;
        // From here on nothing fails: each task that starts has the server as its owner.
        let Begun { contents, mut policy, admin_token } = begun;
        let (store, clock) = (Arc::clone(&storage.store), Arc::clone(&storage.clock));
        let log = log.start();
        let follower = FeedFollower::new(
            Arc::new(GatewayFeed::new(Arc::clone(&store))),
            log.queue.clone(),
            Arc::clone(&clock),
            FollowerConfig::default(),
        );
        let history = follower.handle();
        let log_wait = logged_within(&config.server, history.clone(), &clock);
        let directory = Arc::new(Directory::new(contents.identities));
        let servers = sharing.servers(&store, &node);
        let registry = Registry::new(
            Arc::clone(&store),
            Arc::clone(&directory),
            Arc::clone(&clock),
            Some(log_wait.clone()),
        )
        .with_servers(servers.clone());
        let event_work = EventWork::start(event_store, shipping, &log.signed, config, &clock);
        let (queue, deciders) = (log.queue.clone(), Arc::clone(&directory));
        let approvals = Approvals::open(&storage.kind, config, targets, queue, deciders, &clock);
        let gate = Gate::new(
            registry.clone(),
            Keepers { recorder: log.recorder(), events: event_work.events.clone() },
            approvals.desk.clone(),
            Redactor::new(redaction_key),
            Arc::clone(&meters),
            Arc::clone(&clock),
            gate_config(config),
        );
        let gate = Arc::new(gate.judging_while(sharing.freshness.clone()));
        policy.activate(&gate);
        let Loaded { name: policy, protected, .. } = policy;
        let chains = Arc::new(config.chains.clone());
        let live =
            Live { gate: Arc::clone(&gate), protected, log: log_wait, servers: servers.clone() };
        let policies = Policies::new(Arc::clone(&store), chains, Arc::clone(&clock), Some(live));
        let memory = Memory {
            directory: Arc::clone(&directory),
            policies: policies.clone(),
            generation: contents.generation,
        };
        let halts = Halts::new(&directory, &store, approvals.clocks.clone(), &clock);
        let health = health(&log, &event_work, &gate, &approvals, &halts, &sharing, &config.chains);
        let parts = Parts {
            gate,
            directory,
            registry,
            policies,
            dead_letters: log.dead_letters.clone(),
            log: ServedLog { signed: log.signed.clone(), public: config.log.public },
            buffer: event_work.served_buffer(),
            event_store: event_work.store(),
            desk: approvals.desk.clone(),
            notifications: approvals.notifications.clone(),
            slack,
            longest_wait: longest_wait(config.server.request_timeout),
            health,
            page: Arc::new(Page::new(approvals.desk.clone(), log.status())),
            meters: Arc::clone(&meters),
            clock: Arc::clone(&clock),
            metrics_public: config.server.metrics_public,
        };
        let (server, stop_tasks) = (&config.server, CancellationToken::new());
        let guard = Guard::new(address, &server.allowed_hosts, &server.allowed_origins);
        let upkeep = keep_meters(meters, Arc::clone(&clock), stop_tasks.clone());
        let mut tasks = sharing.start(store, memory, &servers, &stop_tasks);
        tasks.push(tokio::spawn(halts.run(stop_tasks.clone())));
        tasks.extend([tokio::spawn(follower.run(stop_tasks.clone())), tokio::spawn(upkeep)]);
        Ok(Self {
            started: Started { address, data_dir, policy, log: log.describe(), admin_token },
            listener,
            door: Arc::new(Door::new(parts, guard, server.request_timeout)),
            limits: limits(server),
            log,
            event_work,
            history,
            approvals,
            tasks,
            stop_tasks,
            node,
            storage,
            clock,
            lock,
        })
    }

    /// What the start did.
    #[must_use]
    pub fn started(&self) -> &Started {
        &self.started
    }

    /// Serves until `shutdown`, then ends in order.
    pub async fn run(self, shutdown: CancellationToken) -> Ended {
        let Self { listener, door, limits, clock, .. } = self;
        let desk = self.approvals.desk.clone();
        let hang_up = async {
            shutdown.cancelled().await;
            desk.close();
        };
        let serving = listener::run(listener, door, limits, Arc::clone(&clock), shutdown.clone());
        tokio::join!(serving, hang_up);
        info!("no more requests; flushing the signed log");
        let flush_until = clock.now() + self.log.flush_timeout;
        let changes = async {
            tokio::select! {
                followed = follow_to_the_end(&*self.storage.store, &self.history) => followed,
                () = clock.sleep_until(flush_until) => false,
            }
        };
        let approvals = self.approvals.close(&*clock, flush_until);
        let (changes, approvals) = tokio::join!(changes, approvals);
        let followed = changes && approvals;
        self.stop_tasks.cancel();
        for task in self.tasks {
            if let Err(error) = task.await {
                error!(%error, "a task of the server ended badly");
            }
        }
        let bound = flush_until.since(clock.now());
        let mut ended = self.log.close(bound, self.event_work.close(flush_until)).await;
        if !followed {
            warn!("changes wait in the history for the next start");
            ended = ended.worse(Ended::WorkLeft);
        }
        if ended != Ended::RecordsMissing
            && let Err(error) = run::end(&*self.storage.store, &self.node, clock.now()).await
        {
            error!(error = &error as &dyn std::error::Error, "the end of the run is not marked");
        }
        self.storage.close().await;
        drop(self.lock);
        ended
    }
}

/// What an answer to a change waits for: less than the request may take.
fn logged_within(
    config: &config::Server,
    follower: FollowerHandle,
    clock: &Arc<dyn Clock>,
) -> LoggedWithin {
    let patience = LOG_PATIENCE.min(config.request_timeout / 2);
    LoggedWithin { follower, clock: Arc::clone(clock), patience }
}

/// True once the signed log has every row of the history.
async fn follow_to_the_end(store: &dyn GatewayStore, history: &FollowerHandle) -> bool {
    match store.generation().await {
        Ok(end) => {
            history.nudge();
            history.logged(end).await;
            true
        }
        Err(error) => {
            error!(error = &error as &dyn std::error::Error, "cannot read the history");
            false
        }
    }
}

fn root(config: &Config) -> Result<PathBuf, StartError> {
    match &config.server.data_dir {
        Some(root) => Ok(root.clone()),
        None => Ok(DataDir::default_path(|name| std::env::var_os(name))?),
    }
}

fn gate_config(config: &Config) -> GateConfig {
    GateConfig { durability: config.durability.refuse, auto_register: config.agents.auto_register }
}

fn limits(server: &config::Server) -> Limits {
    Limits {
        max_connections: usize::try_from(server.max_connections).unwrap_or(usize::MAX),
        header_timeout: server.header_timeout,
        drain_timeout: server.drain_timeout,
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    bound.await.map_err(|source| StartError::Bind { address, source })
}

type Files = (DataDir, DataDirLock, [u8; 32], String);

async fn files(config: &Config) -> Result<Files, StartError> {
    let (root, node) = (root(config)?, config.server.node.clone());
    let files = tokio::task::spawn_blocking(move || open_files(&root, node.as_deref()));
    files.await.map_err(|error| StartError::Panicked(Box::new(error)))?
}

/// What blocks: everything on the file system but the databases and the signed log.
fn open_files(root: &std::path::Path, node: Option<&str>) -> Result<Files, StartError> {
    let data_dir = DataDir::open_or_create(root)?;
    let lock = DataDirLock::acquire(data_dir.path())?;
    let redaction_key = key_file::load_or_create(&data_dir.redaction_key())?;
    let node = node_name::load_or_create(node, &data_dir.node_name())?;
    Ok((data_dir, lock, redaction_key, node))
}

/// What `/readyz` asks, in this order.
fn health(
    log: &Log,
    event_work: &EventWork,
    gate: &Arc<Gate>,
    approvals: &Approvals,
    halts: &Halts,
    sharing: &Sharing,
    chains: &BTreeMap<String, Chain>,
) -> Arc<[Arc<dyn Health>]> {
    let (policy, halt) = (vec![PolicyHealth::of(gate)], vec![halts.health()]);
    let chains = vec![ChainsHealth::of(chains)];
    [log.health(), event_work.health(), policy, chains, approvals.health(), halt, sharing.health()]
        .concat()
        .into()
}

async fn keep_meters(meters: Arc<Meters>, clock: Arc<dyn Clock>, stop: CancellationToken) {
    loop {
        meters.upkeep();
        let next = clock.now() + UPKEEP_INTERVAL;
        tokio::select! {
            () = stop.cancelled() => return,
            () = clock.sleep_until(next) => (),
        }
    }
}

/// Three quarters of the time limit: the answer has the rest.
fn longest_wait(request_timeout: Duration) -> Duration {
    LONGEST_WAIT.min(request_timeout * 3 / 4)
}
