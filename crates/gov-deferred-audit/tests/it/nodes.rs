//! Several nodes on one PostgreSQL database, each with a folder and a pool of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use gov_core::{Clock, Health as _, HealthState};
use gov_deferred_audit::{
    LogPlaces, OpenError, SignedLog,
    signed_log::conformance::Deployment,
    tlog::key::VerifierKey,
    verify::{Report, VerifyOptions, verify_postgres},
};
use gov_store::fresh_database;
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgPoolOptions};
use tempfile::TempDir;

use crate::support::JumpingClock;

/// A deployment whose log is empty at first.
#[derive(Debug)]
pub(crate) struct Nodes {
    /// Of nobody: for looking and for tampering.
    pub(crate) pool: PgPool,
    pub(crate) folder: TempDir,
    clock: Arc<JumpingClock>,
    opened: AtomicUsize,
}

impl Nodes {
    /// `None` where there is no server to test with.
    pub(crate) async fn new() -> Option<Self> {
        let pool = fresh_database::postgres(&[]).await?;
        let folder = tempfile::tempdir().unwrap();
        let (clock, opened) = (Arc::new(JumpingClock::new()), AtomicUsize::new(0));
        Some(Self { pool, folder, clock, opened })
    }

    /// The folder of node `n`, with the keys of node 0.
    pub(crate) fn places(&self, n: usize) -> LogPlaces {
        let mut places = self.places_without_key(n);
        let made = self.places_without_key(0).keys;
        if n > 0 && made.exists() {
            copy_dir(&made, &places.keys);
        }
        places.domain = Some("example.com".to_owned());
        places
    }

    pub(crate) fn places_without_key(&self, n: usize) -> LogPlaces {
        LogPlaces::in_dir(&self.dir(n))
    }

    pub(crate) fn dir(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("n-{n}"))
    }

    /// A pool of its own, as another process has it.
    pub(crate) async fn own_pool(&self) -> PgPool {
        let options = (*self.pool.connect_options()).clone();
        PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
    }

    pub(crate) async fn try_open(&self, places: LogPlaces) -> Result<SignedLog, OpenError> {
        SignedLog::open_postgres(self.own_pool().await, places, self.clock()).await
    }

    /// Opens the log as node `n`.
    pub(crate) async fn node(&self, n: usize) -> SignedLog {
        self.try_open(self.places(n)).await.unwrap()
    }

    /// Runs SQL with the log's triggers asleep.
    pub(crate) async fn tamper(&self, sql: &str) {
        let mut tx = self.pool.begin().await.unwrap();
        let asleep = format!("set local session_replication_role = replica; {sql}");
        sqlx::raw_sql(AssertSqlSafe(asleep)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// The server's processes that wait for a lock of this database.
    pub(crate) async fn waiting_for_a_lock(&self) -> Vec<i32> {
        let sql = "select pid from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock'";
        let rows = sqlx::query(sql).fetch_all(&self.pool).await.unwrap();
        rows.iter().map(|row| row.get("pid")).collect()
    }

    /// What the head says now, to be put back later.
    pub(crate) async fn keep_head(&self) -> (i64, String, String) {
        let sql = "select size, encode(root, 'hex') as root, note from audit_log_checkpoint
                   order by epoch desc limit 1";
        let row = sqlx::query(sql).fetch_one(&self.pool).await.unwrap();
        (row.get("size"), row.get("root"), row.get("note"))
    }

    /// Puts epoch 1 back to an earlier state, as a restored backup would.
    pub(crate) async fn put_back(&self, (size, root, note): (i64, String, String)) {
        self.tamper(&format!(
            "delete from audit_log_entry where seq > {size};
             delete from audit_log_payload where seq > {size};
             update audit_log_checkpoint
             set size = {size}, root = decode('{root}', 'hex'), note = '{note}'"
        ))
        .await;
    }

    pub(crate) fn vkey(&self, epoch: u64) -> VerifierKey {
        let path = self.dir(0).join(format!("keys/audit-log.e{epoch}.vkey"));
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    /// What an auditor says who holds the keys of the first `epochs`, and settled their losses.
    pub(crate) async fn judge(&self, epochs: u64) -> Report {
        self.judge_from(epochs, epochs).await
    }

    /// The same of an auditor who settled nothing.
    pub(crate) async fn judge_strictly(&self, epochs: u64) -> Report {
        self.judge_from(epochs, 1).await
    }

    async fn judge_from(&self, epochs: u64, from_epoch: u64) -> Report {
        let keys = (1..=epochs).map(|epoch| self.vkey(epoch)).collect();
        let options = VerifyOptions { from_epoch, ..VerifyOptions::trusting(keys) };
        verify_postgres(&self.pool, options).await.unwrap()
    }

    pub(crate) async fn assert_verifies(&self) {
        let report = self.judge(1).await;
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
}

#[async_trait]
impl Deployment for Nodes {
    async fn open(&self) -> SignedLog {
        self.node(self.opened.fetch_add(1, Ordering::Relaxed)).await
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }
}

/// Lets other tasks run until the log says that it cannot be written; gives the reason.
pub(crate) async fn until_dead(log: &SignedLog) -> String {
    loop {
        if let HealthState::Dead(reason) = log.health() {
            return reason;
        }
        tokio::task::yield_now().await;
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
