//! What the way from rung to rung promises: who is skipped, and what a downtime does to it.

use super::{
    votes::{asking, quorum, vote},
    *,
};
use crate::{approval::Status, chain::Late};

/// Nobody is a ghost, so the next rung is asked at once, on opening as on escalating.
pub async fn an_empty_rung_is_skipped_at_once_where_it_says_so(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, [empty(true), rung("lead", RUNG)], now).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at, it.due_at), (1, now, Some(now + TIMEOUT)));
    assert_eq!(
        kinds(store, id).await,
        [
            AuditEventKind::ApprovalRequested,
            AuditEventKind::ApprovalSkipped,
            AuditEventKind::ApprovalRouted,
        ]
    );
    assert_eq!(told(store, now).await, [1]);
    assert_eq!(vote(store, id, "lead", Verdict::Approve, now).await.status, Status::Approved);
    done(store, id, consume(1, None), now).await;

    let chain = [
        rung("ops", Duration::ZERO),
        Rung { after: Span(RUNG), ..empty(true) },
        rung("lead", RUNG),
    ];
    let id = ask(store, chain, now).await;
    assert_eq!(told(store, now).await, [0]);
    let fired = fire(store, now + RUNG).await;
    assert_eq!(fired, Fired { escalated: 1, skipped: 1, ..Fired::default() });
    let it = store.get(id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at, it.due_at), (2, now + RUNG, Some(now + TIMEOUT)));
    assert_eq!(told(store, now + RUNG).await, [2]);
    let rows = store.of_approval(id).await.unwrap();
    let [skipped, escalated] = [&rows[2], &rows[3]];
    let wanted = (&AuditEventKind::ApprovalSkipped, Some("ghost"));
    assert_eq!((&skipped.kind, skipped.from_role.as_deref()), wanted);
    let way = (escalated.from_role.as_deref(), escalated.to_role.as_deref());
    assert_eq!(way, (Some("ops"), Some("lead")));
}

/// Somebody may come meanwhile.
pub async fn an_empty_rung_that_says_nothing_has_its_time(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, [empty(false), rung("lead", RUNG)], now).await;
    assert_eq!(store.get(id).await.unwrap().rung, 0);
    assert_eq!(told(store, now).await, [0]);
    assert_eq!(fire(store, just_before(now + RUNG)).await, Fired::default());
    assert_eq!(fire(store, now + RUNG).await, Fired { escalated: 1, ..Fired::default() });
    assert_eq!(store.get(id).await.unwrap().rung, 1);
}

/// The last rung is asked and told whoever is there, and silence is silence for its full time.
pub async fn a_chain_of_empty_rungs_falls_back_at_the_time_out_and_never_at_once(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let last = Rung { after: Span(RUNG), ..empty(true) };
    let id = ask(store, [empty(true), last], now).await;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.rung, it.due_at), (Status::Pending, 1, Some(now + TIMEOUT)));
    assert_eq!(told(store, now).await, [1]);
    assert_eq!(fire(store, just_before(now + TIMEOUT)).await, Fired::default());
    assert_eq!(fire(store, now + TIMEOUT).await.fell_back, 1);
}

/// A rung whose time went by unseen is not told: the one after it has the turn.
pub async fn after_a_downtime_only_the_rung_of_now_is_told(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, three(Late::SkipToCurrent), now).await;
    told(store, now).await;
    let late = now + RUNG * 2 + Duration::from_mins(1);
    assert_eq!(fire(store, late).await, Fired { escalated: 1, ..Fired::default() });
    let it = store.get(id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at, it.generation), (2, now + RUNG * 2, 2));
    assert_eq!(told(store, late).await, [2]);
    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!(row.kind, AuditEventKind::ApprovalEscalated);
    let payload = String::from_utf8(row.payload.as_bytes().to_vec()).unwrap();
    assert!(payload.contains("\"passed\":[1]"), "{payload}");
    // Who was passed over may answer all the same.
    assert_eq!(vote(store, id, "sec", Verdict::Approve, late).await.status, Status::Approved);
}

/// One after the other, each with its own message, and the clock where it would have been.
pub async fn a_rung_that_is_told_however_late_is_told_after_a_downtime(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, three(Late::FireAll), now).await;
    told(store, now).await;
    let late = now + RUNG * 2 + Duration::from_mins(1);
    for rung in [1, 2] {
        assert_eq!(fire(store, late).await, Fired { escalated: 1, ..Fired::default() });
        let it = store.get(id).await.unwrap();
        assert_eq!((it.rung, it.arrived_at), (rung, now + RUNG * rung));
        assert_eq!(told(store, late).await, [rung]);
    }
    assert_eq!(fire(store, late).await, Fired::default());
}

/// A pass that comes late moves no later deadline.
pub async fn the_next_rungs_clock_starts_when_the_one_before_was_due(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, three(Late::SkipToCurrent), now).await;
    assert_eq!(fire(store, now + RUNG + Duration::from_mins(4)).await.escalated, 1);
    let it = store.get(id).await.unwrap();
    assert_eq!((it.rung, it.arrived_at, it.due_at), (1, now + RUNG, Some(now + RUNG * 2)));
}

/// Two have said yes where three were needed, and the next rung needs two.
pub async fn a_rung_that_needs_no_more_than_was_said_is_satisfied_on_arrival(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut wanted = asking(1, quorum(3));
    wanted.chain.rungs[1].roles = vec!["ops".parse().unwrap()];
    wanted.chain.rungs[1].quorum = 2;
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    for name in ["ann", "bob"] {
        vote(store, id, name, Verdict::Approve, now).await;
    }
    told(store, now).await;
    let fired = fire(store, now + RUNG).await;
    assert_eq!(fired, Fired { settled: 1, ..Fired::default() });
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.rung, it.generation), (Status::Approved, 1, 4));
    assert_eq!(it.expires_at, Some(now + RUNG + APPROVED_FOR));
    assert_eq!(it.answer.unwrap().actor, person("bob").to_string());
    assert_eq!(told(store, now + RUNG).await, [0; 0]);
    let last = kinds(store, id).await.split_off(4);
    assert_eq!(last, [AuditEventKind::ApprovalEscalated, AuditEventKind::ApprovalApproved]);
}

fn rung(role: &str, after: Duration) -> Rung {
    Rung { roles: vec![role.parse().unwrap()], after: Span(after), ..quorum(1) }
}

/// A rung of nobody.
fn empty(allow_skip_when_empty: bool) -> Rung {
    Rung { allow_skip_when_empty, ..rung("ghost", Duration::ZERO) }
}

fn three(late: Late) -> [Rung; 3] {
    let middle = Rung { late, ..rung("security", RUNG) };
    [rung("ops", Duration::ZERO), middle, rung("lead", RUNG)]
}

async fn ask<const N: usize>(store: &dyn Backend, rungs: [Rung; N], now: Timestamp) -> ApprovalId {
    let chain = Chain { rungs: rungs.to_vec(), ..chain() };
    let wanted = ApprovalRequest { chain, ..request(1) };
    store.submit(wanted, now).await.unwrap().approval.id
}

/// Which rungs were told since the last call.
async fn told(store: &dyn Backend, now: Timestamp) -> Vec<u32> {
    let mut rungs = Vec::new();
    for it in lease(store, now).await {
        store.mark_sent(&it, now).await.unwrap();
        rungs.push(it.notification.rung);
    }
    rungs
}
