//! The log on PostgreSQL, beside the naive way on the same server; only where there is one.

use std::{io::Write as _, sync::Arc, time::Instant};

use ed25519_dalek::{Signer as _, SigningKey};
use gov_core::SystemClock;
use gov_deferred_audit::{
    DeferredAuditQueue, LogPlaces, QueueConfig, SignedLog, close_and_flush,
    spawn_supervised_drainer,
};
use gov_store::fresh_database;
use sha2::{Digest as _, Sha256};
use sqlx::{PgPool, Row as _};
use tokio::runtime::Runtime;

use super::{Settings, parts};
use gov_store::bench::{Goal, Line};

const SERVER: &str = "GOV_TEST_POSTGRES_URL";
const SUBMITTERS: u32 = 64;

/// As the log does: a commit waits for its disk, where the server has one to wait for.
const BEGIN: &str = "begin; set local synchronous_commit = on";

/// Durable records a second, of one node and of two that share the log.
pub(crate) fn shared_log(settings: &Settings, runtime: &Runtime) {
    if std::env::var_os(SERVER).is_none() {
        let line = format!("skipped: the log on PostgreSQL needs {SERVER}\n");
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let naive_records = if settings.bench.once { 200 } else { 4_000 };
    let (baseline, durability) = runtime.block_on(naive(naive_records));
    for nodes in [1, 2] {
        let ours = runtime.block_on(durable(settings.records, nodes));
        settings.bench.print(&Line {
            case: format!(
                "PostgreSQL ({durability}), {nodes} node(s) with {SUBMITTERS} submitters each"
            ),
            ours,
            baseline,
            unit: "records/s",
            goal: Goal::AtLeast(8.0),
        });
    }
}

/// All nodes together.
async fn durable(records: u32, nodes: u32) -> f64 {
    let pool = fresh_database::postgres(&[]).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut running = Vec::new();
    let each = records / nodes / SUBMITTERS;
    for node in 0..nodes {
        let dir = folder.path().join(node.to_string());
        std::fs::create_dir(&dir).unwrap();
        // One key on all nodes.
        let keys = folder.path().join("keys");
        let places = LogPlaces { keys, ..LogPlaces::in_dir(&dir) };
        let clock = Arc::new(SystemClock);
        let log = SignedLog::open_postgres(pool.clone(), places, clock.clone()).await.unwrap();
        let (queue, receiver) = DeferredAuditQueue::open(QueueConfig::in_dir(&dir), clock).unwrap();
        let supervisor =
            spawn_supervised_drainer(receiver, move || log.sink(), &queue.metrics(), 0);
        running.push((queue, supervisor));
    }
    let work = (0..nodes * SUBMITTERS).map(|_| parts::records(each)).collect::<Vec<_>>();
    let started = Instant::now();
    let queues = running.iter().cycle().map(|(queue, _)| queue.clone());
    let tasks: Vec<_> = queues
        .zip(work)
        .map(|(queue, records)| {
            tokio::spawn(async move {
                for record in records {
                    assert!(queue.submit_durable(record).await.unwrap().seq > 0);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    for (queue, supervisor) in running {
        let _ = close_and_flush(&queue, supervisor).await;
    }
    f64::from(each * SUBMITTERS * nodes) / took
}

/// For each event a transaction that locks the last row, hashes, signs, inserts and commits.
async fn naive(records: u32) -> (f64, String) {
    let pool: PgPool = fresh_database::postgres(&[]).await.unwrap();
    let table = "create table event (seq bigint primary key, hash bytea not null,
                     previous bytea not null, signature bytea not null, payload bytea not null);
                 insert into event values (0, decode(repeat('00', 32), 'hex'), '', '', '')";
    sqlx::raw_sql(table).execute(&pool).await.unwrap();
    let settings = "select 'fsync ' || current_setting('fsync') as durability";
    let row = sqlx::query(settings).fetch_one(&pool).await.unwrap();
    let key = SigningKey::from_bytes(&[7; 32]);
    let work = parts::records(records);
    let started = Instant::now();
    for record in &work {
        let payload = record.payload.as_bytes();
        let mut tx = pool.begin_with(BEGIN).await.unwrap();
        let last = "select seq, hash from event order by seq desc limit 1 for update";
        let last = sqlx::query(last).fetch_one(&mut *tx).await.unwrap();
        let (seq, previous): (i64, Vec<u8>) = (last.get("seq"), last.get("hash"));
        let hash = Sha256::new().chain_update(&previous).chain_update(payload).finalize().to_vec();
        let signature = key.sign(&hash).to_bytes();
        sqlx::query("insert into event values ($1, $2, $3, $4, $5)")
            .bind(seq + 1)
            .bind(hash)
            .bind(previous)
            .bind(signature.as_slice())
            .bind(payload)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }
    (f64::from(records) / started.elapsed().as_secs_f64(), row.get("durability"))
}
