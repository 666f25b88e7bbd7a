//! The PostgreSQL store against the contract, and what only it can be asked.

use std::{sync::Arc, time::Duration};

use gov_core::{ApprovalId, Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::{Status, Verdict},
    for_each_rule,
    store::{
        Applied, ApprovalFilter, ApprovalStore as _, Auditing as _, Fired, History as _, Mended,
        StoreError,
        conformance::{self, APPROVED_FOR, RUNG, TIMEOUT, answer, request},
        damage::Damage as _,
        postgres::{COMPONENT, PgApprovalStore},
    },
    transition::Refusal,
};
use gov_store::fresh_database;
use sqlx::{PgPool, Row as _, postgres::PgQueryResult};

/// Nobody may wait longer.
const PATIENCE: Duration = Duration::from_mins(1);

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let Some((_, store)) = fresh().await else { return };
            conformance::$name(&store).await;
        }
    };
}

for_each_rule!(rule);

async fn fresh() -> Option<(PgPool, PgApprovalStore)> {
    let pool = fresh_database::postgres(&[&COMPONENT]).await?;
    let store = PgApprovalStore::new(pool.clone());
    Some((pool, store.with_directory(Arc::new(conformance::roster()))))
}

async fn submit(store: &PgApprovalStore, number: u32, now: Timestamp) -> ApprovalId {
    store.submit(request(number), now).await.unwrap().approval.id
}

/// Changes the row of `id` behind the store's back.
async fn tamper(
    pool: &PgPool,
    sql: &'static str,
    id: ApprovalId,
) -> Result<PgQueryResult, sqlx::Error> {
    sqlx::query(sql).bind(id.as_uuid()).execute(pool).await
}

/// Waits until `count` sessions of this database wait for a lock, or `otherwise` holds.
async fn until_waiting(pool: &PgPool, count: i64, otherwise: impl Fn() -> bool) {
    let sql = "select count(*) from pg_stat_activity
               where datname = current_database() and wait_event_type = 'Lock'";
    while !otherwise() {
        let waiting: i64 = sqlx::query(sql).fetch_one(pool).await.unwrap().get(0);
        if waiting >= count {
            return;
        }
    }
}

/// The server's own setting may be another; a deferred trigger sees the one of the commit.
#[tokio::test]
async fn a_change_waits_for_the_disk_whatever_the_server_is_set_to() {
    let Some((pool, _)) = fresh().await else { return };
    let stage = "create table seen (level text not null);
         create function note_level() returns trigger language plpgsql as $$ begin
             insert into seen values (current_setting('synchronous_commit'));
             return null;
         end $$;
         create constraint trigger note_level after insert on escalation_history
             deferrable initially deferred for each row execute function note_level()";
    sqlx::raw_sql(stage).execute(&pool).await.unwrap();
    let hasty = (*pool.connect_options()).clone().options([("synchronous_commit", "off")]);
    let store = PgApprovalStore::new(PgPool::connect_with(hasty).await.unwrap());
    let clock = ManualClock::default();
    let id = submit(&store, 1, clock.now()).await;
    store.fire_due(clock.now() + RUNG, 10).await.unwrap();
    store.apply(id, answer(Verdict::Approve, 1), clock.now() + RUNG).await.unwrap();
    let sql = "select count(*), bool_and(level = 'on') as durable from seen";
    let seen = sqlx::query(sql).fetch_one(&pool).await.unwrap();
    assert_eq!((seen.get::<i64, _>("count"), seen.get::<bool, _>("durable")), (4, true));
}

#[tokio::test]
async fn a_timer_locked_by_another_transaction_is_skipped() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let [locked, free] = [submit(&store, 1, now).await, submit(&store, 2, now).await];
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select 1 from escalation_timer where approval_id = $1 for update")
        .bind(locked.as_uuid())
        .execute(&mut *other)
        .await
        .unwrap();
    // Without skipping, the pass would wait for a transaction that waits for it.
    let pass = async {
        let fired = store.fire_due(now + RUNG, 100).await.unwrap();
        other.rollback().await.unwrap();
        fired
    };
    let fired = tokio::time::timeout(PATIENCE, pass).await.expect("waits for the lock");
    assert_eq!(fired, Fired { escalated: 1, ..Fired::default() });
    assert_eq!(store.get(free).await.unwrap().rung, 1);
    assert_eq!(store.get(locked).await.unwrap().rung, 0);
    assert_eq!(store.fire_due(now + RUNG, 100).await.unwrap().escalated, 1);
}

#[tokio::test]
async fn a_stopped_clock_that_somebody_else_holds_is_left_to_them() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let [locked, free] = [submit(&store, 1, now).await, submit(&store, 2, now).await];
    for id in [locked, free] {
        store.set_due(id, None).await;
    }
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select 1 from escalation_timer where approval_id = $1 for update")
        .bind(locked.as_uuid())
        .execute(&mut *other)
        .await
        .unwrap();
    let mended = tokio::time::timeout(PATIENCE, store.mend(now, 100)).await;
    assert_eq!(mended.expect("waits for the lock").unwrap().armed, 1);
    assert_eq!(store.get(free).await.unwrap().due_at, Some(now + RUNG));
    other.rollback().await.unwrap();
    assert_eq!(store.mend(now, 100).await.unwrap().armed, 1);
}

/// The pass has read all three, and waits for the first of them; the other two change meanwhile.
#[tokio::test]
async fn a_mend_that_read_before_two_decisions_changes_neither_clock() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let [lost, stopped, stale] =
        [submit(&store, 1, now).await, submit(&store, 2, now).await, submit(&store, 3, now).await];
    store.lose_timer(lost).await;
    store.set_due(stopped, None).await;
    let sql = "update escalation_approval set status = 'parked' where approval_id = $1";
    tamper(&pool, sql, stale).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    sqlx::query(
        "insert into escalation_timer (approval_id, rung, arrived_at, generation)
         values ($1, 0, now(), 1)",
    )
    .bind(lost.as_uuid())
    .execute(&mut *other)
    .await
    .unwrap();
    let mend = tokio::spawn({
        let store = store.clone();
        async move { store.mend(now, 100).await }
    });
    until_waiting(&pool, 1, || mend.is_finished()).await;
    store.apply(stopped, answer(Verdict::Reject, 2), now).await.unwrap();
    store.apply(stale, answer(Verdict::Approve, 3), now).await.unwrap();
    other.rollback().await.unwrap();
    let mended = tokio::time::timeout(PATIENCE, mend).await;
    let mended = mended.expect("waits for the lock").unwrap().unwrap();
    assert_eq!(mended, Mended { armed: 1, ..Mended::default() });
    assert_eq!(store.get(stopped).await.unwrap().due_at, None, "a clock of what is over");
    assert_eq!(store.get(stale).await.unwrap().due_at, Some(now + APPROVED_FOR), "never expires");
}

/// The slow one has its positions and hangs in its commit. Nobody may be seen behind it.
#[tokio::test]
async fn a_position_is_never_visible_before_a_smaller_one() {
    let Some((pool, store)) = fresh().await else { return };
    sqlx::raw_sql(
        "create function wait_at_commit() returns trigger language plpgsql as $$
         begin perform pg_advisory_xact_lock(42); return null; end $$;
         create constraint trigger slow after insert on escalation_history
             deferrable initially deferred for each row when (new.actor = 'slow')
             execute function wait_at_commit();",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut gate = pool.begin().await.unwrap();
    sqlx::query("select pg_advisory_xact_lock(42)").execute(&mut *gate).await.unwrap();
    let now = ManualClock::default().now();
    let mut slow = request(1);
    slow.agent_id = "slow".parse().unwrap();
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.submit(slow, now).await.unwrap().position }
    });
    until_waiting(&pool, 1, || first.is_finished()).await;
    let second = tokio::spawn({
        let store = store.clone();
        async move { store.submit(request(2), now).await.unwrap().position }
    });
    until_waiting(&pool, 2, || second.is_finished()).await;
    let seen = store.rows_after(0, 100).await.unwrap();
    assert!(seen.is_empty(), "seen before the slow one: {seen:?}");

    gate.rollback().await.unwrap();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(2), Some(4)));
    let rows = store.rows_after(0, 100).await.unwrap();
    assert_eq!(rows.iter().map(|it| it.position).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(rows[0].actor, "slow");
}

/// Who has waited for an approval sees what was made of it meanwhile.
#[tokio::test]
async fn a_change_that_waited_is_judged_by_what_it_finds_then() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let mut other = pool.begin().await.unwrap();
    for sql in [
        "update escalation_timer set due_at = null, generation = 2 where approval_id = $1",
        "update escalation_approval set status = 'rejected', expires_at = null
         where approval_id = $1",
    ] {
        sqlx::query(sql).bind(id.as_uuid()).execute(&mut *other).await.unwrap();
    }
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.apply(id, answer(Verdict::Approve, 1), now).await.unwrap() }
    });
    until_waiting(&pool, 1, || waiting.is_finished()).await;
    other.commit().await.unwrap();
    let Applied::Refused { refusal, .. } = waiting.await.unwrap() else { panic!("both won") };
    assert_eq!(refusal, Refusal::Status(Status::Rejected));
}

#[tokio::test]
async fn a_change_whose_connection_dies_is_unavailable_and_changes_nothing() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let before = store.get(id).await.unwrap();
    let mut other = pool.begin().await.unwrap();
    sqlx::query("select 1 from escalation_timer for update").execute(&mut *other).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.apply(id, answer(Verdict::Approve, 1), now).await }
    });
    until_waiting(&pool, 1, || waiting.is_finished()).await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'",
    )
    .execute(&pool)
    .await
    .unwrap();
    let error = waiting.await.unwrap().unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    other.rollback().await.unwrap();
    assert_eq!(store.get(id).await.unwrap(), before);
    assert!(matches!(
        store.apply(id, answer(Verdict::Approve, 1), now).await,
        Ok(Applied::Done { .. })
    ));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_fires() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    sqlx::raw_sql(
        "alter table escalation_approval drop constraint escalation_approval_status_word",
    )
    .execute(&pool)
    .await
    .unwrap();
    let damages = [
        ("chain", "update escalation_approval set chain = '{\"v\":2}' where approval_id = $1"),
        ("status", "update escalation_approval set status = 'lost' where approval_id = $1"),
        (
            "submitted_at",
            "update escalation_approval set submitted_at = '-infinity' where approval_id = $1",
        ),
        ("generation", "update escalation_timer set generation = -1 where approval_id = $1"),
        ("rung", "update escalation_timer set rung = -1 where approval_id = $1"),
    ];
    let mut broken = Vec::new();
    for (number, (column, sql)) in (0..).zip(damages) {
        let id = submit(&store, number, now).await;
        tamper(&pool, sql, id).await.unwrap();
        broken.push((id, column));
    }
    let whole = submit(&store, 100, now).await;

    let fired = store.fire_due(now + RUNG, 100).await.unwrap();
    assert_eq!(fired, Fired { escalated: 1, set_aside: 5, ..Fired::default() });
    assert_eq!(store.get(whole).await.unwrap().rung, 1);
    for (id, column) in broken {
        let sql = "select unreadable from escalation_timer where approval_id = $1";
        let row = sqlx::query(sql).bind(id.as_uuid()).fetch_one(&pool).await.unwrap();
        assert_eq!(row.get::<String, _>(0), format!("invalid `{column}`"));
        let error = store.get(id).await.unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { id: it, .. } if it == id), "{error}");
    }
    let listed = store.list(&ApprovalFilter::default(), None, 100).await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), [whole]);
    // And they do not come again, nor wake anybody.
    assert_eq!(store.fire_due(now + RUNG, 100).await.unwrap(), Fired::default());
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + TIMEOUT));
}

#[tokio::test]
async fn a_deadline_of_infinity_never_fires() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_timer set due_at = 'infinity' where approval_id = $1";
    tamper(&pool, sql, id).await.unwrap();
    assert_eq!(store.fire_due(Timestamp::MAX, 100).await.unwrap(), Fired::default());
    assert_eq!(store.next_deadline().await.unwrap(), Some(Timestamp::MAX));
    assert_eq!(store.get(id).await.unwrap().due_at, Some(Timestamp::MAX));
}

/// Only other hands leave such a timer behind.
#[tokio::test]
async fn the_timer_of_what_is_over_is_stopped_and_emits_nothing() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_approval set status = 'rejected' where approval_id = $1";
    tamper(&pool, sql, id).await.unwrap();
    let fired = store.fire_due(now + RUNG, 100).await.unwrap();
    assert_eq!(fired, Fired { stale: 1, ..Fired::default() });
    assert_eq!(store.fire_due(now + RUNG, 100).await.unwrap(), Fired::default());
    assert_eq!(store.next_deadline().await.unwrap(), None);
    assert_eq!(store.end().await.unwrap(), 2);
}

/// The contract can't make a write fail, so it is staged: the outbox is away for a while.
#[tokio::test]
async fn a_rung_does_not_move_without_its_message() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let run = |sql: &'static str| sqlx::raw_sql(sql).execute(&pool);
    run("alter table escalation_outbox rename to away").await.unwrap();
    store.fire_due(now + RUNG, 10).await.unwrap_err();
    assert_eq!(store.get(id).await.unwrap().rung, 0, "moved without its message");

    run("alter table away rename to escalation_outbox").await.unwrap();
    assert_eq!(store.fire_due(now + RUNG, 10).await.unwrap().escalated, 1);
}

#[tokio::test]
async fn the_history_is_neither_changed_nor_deleted() {
    let Some((pool, store)) = fresh().await else { return };
    let id = submit(&store, 1, ManualClock::default().now()).await;
    for sql in [
        "update escalation_history set actor = 'nobody'",
        "delete from escalation_history",
        "truncate escalation_history",
    ] {
        let error = sqlx::raw_sql(sql).execute(&pool).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert_eq!(store.of_approval(id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_closed_by_hand_leaves_though_nobody_can_read_whose_it_is() {
    let Some((pool, store)) = fresh().await else { return };
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_approval set agent_id = '', rule_id = ''
               where approval_id = $1";
    tamper(&pool, sql, id).await.unwrap();
    assert_eq!(store.fire_due(now + RUNG, 9).await.unwrap().set_aside, 1);
    let position = store.discard(id, "admin-1", "the disk was full", now).await.unwrap();
    let row = store.rows_after(position - 1, 9).await.unwrap().pop().unwrap();
    assert_eq!((row.position, row.approval_id), (position, id));
    assert_eq!((row.agent_id, row.rule_id), (None, None));
    assert_eq!((row.digest, row.action_kind.as_str()), (Some(request(1).digest), "bash"));
    let said: serde_json::Value = serde_json::from_slice(row.payload.as_bytes()).unwrap();
    assert_eq!(said["reason"], "the disk was full");
    // What was decided about an action never leaves without the action.
    let error = store.rows_after(0, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { column: "agent_id", .. }), "{error}");
}
