//! The SQLite store against the contract, and what only it can be asked.

use std::sync::{Arc, mpsc::sync_channel};

use gov_core::{ApprovalId, Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::{Status, Verdict},
    for_each_rule,
    store::{
        Applied, ApprovalFilter, ApprovalStore as _, Auditing as _, Fired, History as _, Mended,
        StoreError,
        conformance::{self, APPROVED_FOR, RUNG, TIMEOUT, answer, request},
        damage::Damage as _,
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
    transition::Change,
};
use gov_store::{
    fresh_database::{self, SqliteFile},
    sqlite::{DatabaseOptions, Sync, rusqlite},
};

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let (_file, store) = fresh();
            conformance::$name(&store).await;
        }
    };
}

for_each_rule!(rule);

fn fresh() -> (SqliteFile, SqliteApprovalStore) {
    let options = DatabaseOptions { readers: 1, ..DatabaseOptions::new("test") };
    let file = fresh_database::sqlite_with(&options, &[&COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store = SqliteApprovalStore::new(writer, readers);
    (file, store.with_directory(Arc::new(conformance::roster())))
}

async fn submit(store: &SqliteApprovalStore, number: u32, now: Timestamp) -> ApprovalId {
    store.submit(request(number), now).await.unwrap().approval.id
}

/// Changes the row of `id` behind the store's back.
async fn tamper(file: &SqliteFile, sql: &'static str, id: ApprovalId) -> rusqlite::Result<usize> {
    let job = move |tx: &rusqlite::Transaction<'_>| {
        tx.pragma_update(None, "ignore_check_constraints", true)?;
        let done = tx.execute(sql, [id.as_uuid().as_bytes()]);
        tx.pragma_update(None, "ignore_check_constraints", false)?;
        Ok::<_, rusqlite::Error>(done)
    };
    file.database.writer.write(Sync::Full, job).await.unwrap()
}

/// What the timer of `id` says about why it is set aside.
async fn reason(file: &SqliteFile, id: ApprovalId) -> Option<String> {
    let sql = "select unreadable from escalation_timer where approval_id = ?1";
    let job = move |connection: &rusqlite::Connection| {
        connection.query_row(sql, [id.as_uuid().as_bytes()], |row| row.get(0))
    };
    file.database.readers.read(job).await.unwrap()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_set_aside_with_its_reason_and_the_rest_fires() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let damages = [
        ("chain", "update escalation_approval set chain = '{\"v\":2}' where approval_id = ?1"),
        ("status", "update escalation_approval set status = 'lost' where approval_id = ?1"),
        (
            "reason",
            "update escalation_approval set reason = cast(x'ff' as text) where approval_id = ?1",
        ),
        ("generation", "update escalation_timer set generation = -1 where approval_id = ?1"),
        ("rung", "update escalation_timer set rung = 1 << 40 where approval_id = ?1"),
    ];
    let mut broken = Vec::new();
    for (number, (column, sql)) in (0..).zip(damages) {
        let id = submit(&store, number, now).await;
        tamper(&file, sql, id).await.unwrap();
        broken.push((id, column));
    }
    let whole = submit(&store, 100, now).await;

    let fired = store.fire_due(now + RUNG, 100).await.unwrap();
    assert_eq!(fired, Fired { escalated: 1, set_aside: 5, ..Fired::default() });
    assert_eq!(store.get(whole).await.unwrap().rung, 1);
    for (id, column) in broken {
        assert_eq!(reason(&file, id).await, Some(format!("invalid `{column}`")));
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
async fn a_deadline_of_the_largest_integer_never_fires() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_timer set due_at = 9223372036854775807 where approval_id = ?1";
    tamper(&file, sql, id).await.unwrap();
    assert_eq!(store.fire_due(Timestamp::MAX, 100).await.unwrap(), Fired::default());
    assert_eq!(store.next_deadline().await.unwrap(), Some(Timestamp::MAX));
    assert_eq!(store.get(id).await.unwrap().due_at, Some(Timestamp::MAX));
}

/// Runs a pass that judges what it has read, and then waits its turn; a decision's turn comes first.
async fn overtaken<T>(
    (file, store): &(SqliteFile, SqliteApprovalStore),
    (id, decision, at): (ApprovalId, Change, Timestamp),
    pass: impl Future<Output = T>,
) -> T {
    let (go, wait) = sync_channel::<()>(0);
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let hold = file.database.writer.write(Sync::Full, move |_| {
        begun.send(()).unwrap();
        wait.recv().map_err(drop)
    });
    let (release, decided, passed, ()) = tokio::join!(
        hold,
        async {
            has_begun.await.unwrap();
            store.apply(id, decision, at).await.unwrap()
        },
        pass,
        async {
            // The file has one reader: when it is free again, the pass has read.
            let it = store.get(id).await.unwrap();
            assert!(it.status.awaits_answer());
            go.send(()).unwrap();
        }
    );
    release.unwrap();
    assert!(matches!(decided, Applied::Done { .. }), "{decided:?}");
    passed
}

#[tokio::test]
async fn a_pass_that_read_before_a_decision_fires_nothing() {
    let it = fresh();
    let store = &it.1;
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await;
    let late = now + RUNG;
    let decision = (id, answer(Verdict::Approve, 1), late);
    let fired = overtaken(&it, decision, store.fire_due(late, 100)).await;
    assert_eq!(fired.unwrap(), Fired::default());
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.rung, it.generation), (Status::Approved, 0, 2));
    assert_eq!(store.of_approval(id).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_mend_that_read_before_a_decision_arms_nothing() {
    let it = fresh();
    let store = &it.1;
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await;
    store.set_due(id, None).await;
    let decision = (id, answer(Verdict::Reject, 1), now);
    let mended = overtaken(&it, decision, store.mend(now, 100)).await;
    assert_eq!(mended.unwrap(), Mended::default());
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.due_at, it.generation), (Status::Rejected, None, 2));
}

#[tokio::test]
async fn a_mend_that_read_before_a_decision_stops_no_clock() {
    let it = fresh();
    let store = &it.1;
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await;
    // A parked one has no clock, and this one's runs.
    let sql = "update escalation_approval set status = 'parked' where approval_id = ?1";
    tamper(&it.0, sql, id).await.unwrap();
    let decision = (id, answer(Verdict::Approve, 1), now);
    let mended = overtaken(&it, decision, store.mend(now, 100)).await;
    assert_eq!(mended.unwrap(), Mended::default());
    assert_eq!(store.get(id).await.unwrap().due_at, Some(now + APPROVED_FOR), "it never expires");
}

/// Only other hands leave such a timer behind.
#[tokio::test]
async fn the_timer_of_what_is_over_is_stopped_and_emits_nothing() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_approval set status = 'rejected' where approval_id = ?1";
    tamper(&file, sql, id).await.unwrap();
    let fired = store.fire_due(now + RUNG, 100).await.unwrap();
    assert_eq!(fired, Fired { stale: 1, ..Fired::default() });
    assert_eq!(store.fire_due(now + RUNG, 100).await.unwrap(), Fired::default());
    assert_eq!(store.next_deadline().await.unwrap(), None);
    assert_eq!(store.end().await.unwrap(), 2);
}

/// The contract can't make a write fail, so it is staged: the outbox is away for a while.
#[tokio::test]
async fn a_rung_does_not_move_without_its_message() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let run =
        |sql: &'static str| file.database.writer.write(Sync::Full, move |tx| tx.execute_batch(sql));
    run("alter table escalation_outbox rename to away").await.unwrap();
    store.fire_due(now + RUNG, 10).await.unwrap_err();
    assert_eq!(store.get(id).await.unwrap().rung, 0, "moved without its message");

    run("alter table away rename to escalation_outbox").await.unwrap();
    assert_eq!(store.fire_due(now + RUNG, 10).await.unwrap().escalated, 1);
}

#[tokio::test]
async fn the_file_refuses_a_second_open_approval_of_one_digest() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let [first, second] = [submit(&store, 1, now).await, submit(&store, 2, now).await];
    let sql = "update escalation_approval set digest =
                   (select digest from escalation_approval where approval_id <> ?1)
               where approval_id = ?1";
    let error = tamper(&file, sql, second).await.unwrap_err();
    assert!(error.to_string().contains("UNIQUE"), "{error}");
    store.apply(first, answer(Verdict::Reject, 1), now).await.unwrap();
    tamper(&file, sql, second).await.unwrap();
}

#[tokio::test]
async fn the_history_is_neither_changed_nor_deleted() {
    let (file, store) = fresh();
    let id = submit(&store, 1, ManualClock::default().now()).await;
    for sql in [
        "update escalation_history set actor = 'nobody' where approval_id = ?1",
        "delete from escalation_history where approval_id = ?1",
    ] {
        let error = tamper(&file, sql, id).await.unwrap_err();
        assert!(error.to_string().contains("append-only"), "{error}");
    }
    assert_eq!(store.of_approval(id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_was_closed_by_hand_leaves_though_nobody_can_read_whose_it_is() {
    let (file, store) = fresh();
    let now = ManualClock::default().now();
    let id = submit(&store, 1, now).await;
    let sql = "update escalation_approval set agent_id = cast(x'ff' as text), rule_id = cast(x'ff' as text)
               where approval_id = ?1";
    tamper(&file, sql, id).await.unwrap();
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
