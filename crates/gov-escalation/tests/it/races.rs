//! Two who want the same approval at once: exactly one gets it, whatever the order.

use std::{sync::Arc, time::Duration};

use gov_core::{ApprovalId, AuditEventKind, Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::{Status, Verdict},
    store::{
        Applied, ApprovalFilter,
        conformance::{Backend, TIMEOUT, answer, consume, request},
        postgres::PgApprovalStore,
        sqlite::{self, SqliteApprovalStore},
    },
};
use gov_store::fresh_database;

use crate::indexed;

/// How many approvals are raced for.
const ROUNDS: u32 = 2_000;

/// So many race at a time.
const FIELD: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_race_has_two_winners_on_sqlite() {
    on_sqlite(ROUNDS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_race_has_two_winners_on_postgres() {
    on_postgres(ROUNDS).await;
}

/// Races on a fresh file.
pub(crate) async fn on_sqlite(rounds: u32) {
    let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    race(Arc::new(SqliteApprovalStore::new(writer, readers)), rounds).await;
}

/// Races on a fresh PostgreSQL; `false` where there is none.
pub(crate) async fn on_postgres(rounds: u32) -> bool {
    let Some((pool, _)) = indexed::postgres().await else { return false };
    race(Arc::new(PgApprovalStore::new(pool)), rounds).await;
    true
}

async fn race(store: Arc<dyn Backend>, rounds: u32) {
    let mut end = 0;
    for first in (0..rounds).step_by(FIELD as usize) {
        // Each field in a millisecond of its own, so that its ids are the newest.
        let now = ManualClock::default().now() + Duration::from_millis(first.into());
        let mut field = Vec::new();
        for number in first..first + FIELD {
            let submitted = store.submit(request(number), now).await.unwrap();
            field.push((number, submitted.approval.id));
        }
        let approved = decide_against_the_clock(&store, &field, now).await;
        consume_twice(&store, &approved, now).await;
        let rows = store.rows_after(end, u32::MAX).await.unwrap();
        assert!(rows.iter().map(|it| it.position).eq(end + 1..=store.end().await.unwrap()), "gaps");
        end += rows.len() as u64;
    }
}

/// The clock comes from the one end and the decisions from the other.
async fn decide_against_the_clock(
    store: &Arc<dyn Backend>,
    field: &[(u32, ApprovalId)],
    now: Timestamp,
) -> Vec<(u32, ApprovalId)> {
    let just_before = Timestamp::from_micros((now + TIMEOUT).as_micros() - 1).unwrap();
    let clock = tokio::spawn({
        let store = Arc::clone(store);
        async move {
            let mut fell_back = 0;
            for _pass in 0..FIELD / 2 {
                fell_back += store.fire_due(now + TIMEOUT, 3).await.unwrap().fell_back;
            }
            fell_back
        }
    });
    let mut decided = 0;
    for (number, id) in field.iter().rev() {
        let decision = answer(Verdict::Approve, *number);
        let applied = store.apply(*id, decision, just_before).await.unwrap();
        decided += u32::from(matches!(applied, Applied::Done { .. }));
    }
    let mut fell_back = clock.await.unwrap();
    // A pass leaves out what a decision holds just then, and lost it to the decision.
    fell_back += store.fire_due(now + TIMEOUT, FIELD).await.unwrap().fell_back;
    assert_eq!(decided + fell_back, FIELD);
    check(store, field).await
}

/// Each had one ending, and its history tells the same one. The answer is who is approved.
async fn check(store: &Arc<dyn Backend>, field: &[(u32, ApprovalId)]) -> Vec<(u32, ApprovalId)> {
    let approvals = store.list(&ApprovalFilter::default(), None, FIELD).await.unwrap();
    let end = store.end().await.unwrap();
    let rows = store.rows_after(end - u64::from(3 * FIELD), 3 * FIELD).await.unwrap();
    let mut approved = Vec::new();
    for (number, id) in field {
        let it = approvals.iter().find(|it| it.id == *id).expect("not in the list");
        let ending = match it.status {
            Status::Approved => AuditEventKind::ApprovalApproved,
            Status::TimedOut => AuditEventKind::ApprovalTimedOut,
            other => panic!("neither of the two: {other:?}"),
        };
        if it.status == Status::Approved {
            approved.push((*number, *id));
        }
        let own = rows.iter().filter(|it| it.approval_id == *id);
        let kinds: Vec<_> = own.map(|it| it.kind.clone()).collect();
        let begin = [AuditEventKind::ApprovalRequested, AuditEventKind::ApprovalRouted];
        assert_eq!((&kinds[..2], &kinds[2..], it.generation), (&begin[..], &[ending][..], 2));
    }
    approved
}

/// Every approval by two consumers.
async fn consume_twice(store: &Arc<dyn Backend>, approved: &[(u32, ApprovalId)], now: Timestamp) {
    for (number, id) in approved {
        let consumers = ["one", "other"].map(|key| {
            let (store, id) = (Arc::clone(store), *id);
            let use_it = consume(*number, Some(key));
            tokio::spawn(async move { store.apply(id, use_it, now + TIMEOUT).await.unwrap() })
        });
        let mut done = 0;
        for consumer in consumers {
            done += u32::from(matches!(consumer.await.unwrap(), Applied::Done { .. }));
        }
        assert_eq!(done, 1, "{number}");
    }
}
