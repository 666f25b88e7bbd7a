//! A pass that is dropped anywhere in the middle leaves nothing open behind it.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use gov_core::clock::ManualClock;
use gov_core::{Clock as _, Timestamp};
use gov_escalation::{
    Alarm, DbEscalationScheduler, SchedulerConfig,
    store::{
        ApprovalFilter,
        conformance::{Backend, RUNG, request},
        postgres::PgApprovalStore,
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::{
    fresh_database,
    sqlite::{Database, DatabaseOptions},
};
use sqlx::Row as _;

use crate::indexed;

/// So many timers are due at each try.
const DUE: u32 = 5;

/// Nobody may wait longer.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_dropped_tick_leaves_no_transaction_open_on_sqlite() {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let options = DatabaseOptions::new("peer");
    let peer =
        Database::open(&file.path(), &options, &[&COMPONENT], Timestamp::UNIX_EPOCH).unwrap();
    let store = |database: &Database| -> Arc<dyn Backend> {
        let (writer, readers) = (database.writer.clone(), database.readers.clone());
        Arc::new(SqliteApprovalStore::new(writer, readers))
    };
    drop_everywhere(store(&file.database), store(&peer)).await;
    peer.close().await;
}

#[tokio::test]
async fn a_dropped_tick_leaves_no_transaction_open_on_postgres() {
    let Some((pool, name)) = indexed::postgres().await else { return };
    let peer = indexed::connect(&name).await;
    let stores = [pool.clone(), peer].map(|it| Arc::new(PgApprovalStore::new(it)));
    let [mine, peers] = stores;
    drop_everywhere(mine, peers).await;
    let open = "select count(*) from pg_stat_activity
                where datname = current_database() and state like 'idle in transaction%'";
    let none_is_open =
        async { while sqlx::query(open).fetch_one(&pool).await.unwrap().get::<i64, _>(0) > 0 {} };
    tokio::time::timeout(PATIENCE, none_is_open).await.expect("a transaction is open");
}

/// Drops a tick after one poll, after two, and so on, until it ends before it is dropped. After
/// each the peer fires what is left.
async fn drop_everywhere(mine: Arc<dyn Backend>, peers: Arc<dyn Backend>) {
    let clock = ManualClock::default();
    let (mine, peer) = (scheduler(&mine, &clock), (scheduler(&peers, &clock), peers));
    let (peer, store) = peer;
    let mut tries = 0;
    let mut ended = false;
    while !ended {
        tries += 1;
        for number in 0..DUE {
            store.submit(request(tries * DUE + number), clock.now()).await.unwrap();
        }
        clock.advance(RUNG);
        ended = polled(mine.tick(), tries).await.is_some();
        let everything_fires =
            async { while peer.tick().await.unwrap().next.is_some_and(|it| it <= clock.now()) {} };
        tokio::time::timeout(PATIENCE, everything_fires).await.expect("held up by a dropped tick");
    }
    assert!(tries > 2, "it was never dropped in the middle");
    let all = store.list(&ApprovalFilter::default(), None, u32::MAX >> 1).await.unwrap();
    assert_eq!(all.len(), usize::try_from(tries * DUE).unwrap());
    for it in all {
        let steps = u64::from(it.rung) + u64::from(it.status.as_str() == "timed_out");
        assert_eq!(it.generation, 1 + steps, "fired twice: {it:?}");
        assert!(steps > 0, "never fired: {it:?}");
    }
}

fn scheduler(store: &Arc<dyn Backend>, clock: &ManualClock) -> DbEscalationScheduler {
    let (store, clock) = (Arc::clone(store), Arc::new(clock.clone()));
    DbEscalationScheduler::new(store, clock, Arc::new(Alarm::new()), SchedulerConfig::default())
}

/// Polls a future so often at most, and then drops it.
async fn polled<F: Future>(future: F, times: u32) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
