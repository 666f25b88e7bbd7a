//! What submitting, reading and listing promise.

use std::collections::BTreeSet;

use super::*;
use crate::{
    approval::{Consumption, HumanAnswer, Status},
    store::{ApprovalFilter, StoreError},
};

/// A new approval is pending on rung 0, told, recorded and timed, all at once.
pub async fn opening_writes_history_message_and_deadline_together(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let submitted = store.submit(request(1), now).await.unwrap();
    let it = submitted.approval;
    assert_eq!((it.status, it.rung, it.generation), (Status::Pending, 0, 1));
    assert_eq!((it.arrived_at, it.submitted_at), (now, now));
    assert_eq!((it.due_at, it.expires_at), (Some(now + RUNG), Some(now + TIMEOUT)));
    assert_eq!(store.get(it.id).await.unwrap(), it);
    assert_eq!(store.next_deadline().await.unwrap(), Some(now + RUNG));
    assert_eq!(
        kinds(store, it.id).await,
        [AuditEventKind::ApprovalRequested, AuditEventKind::ApprovalRouted]
    );
    assert_eq!(submitted.position, Some(2));
    let leases = lease(store, now).await;
    assert_eq!(leases.len(), 1);
    assert_eq!((leases[0].notification.approval_id, leases[0].notification.rung), (it.id, 0));
}

/// A second request for the same action finds the first one's approval, pending or approved.
pub async fn the_same_digest_joins_the_open_approval_and_changes_nothing(store: &dyn Backend) {
    let clock = ManualClock::default();
    let first = submit(store, 1, clock.now()).await;
    let end = store.end().await.unwrap();
    clock.advance(Duration::from_mins(1));
    let other = ApprovalRequest { reason: "another".to_owned(), ..request(1) };
    let second = store.submit(other, clock.now()).await.unwrap();
    assert_eq!((&second.approval, second.position), (&first, None));
    assert_eq!(store.find_open(&digest(1)).await.unwrap(), Some(first.clone()));
    assert_eq!(store.end().await.unwrap(), end, "joining wrote history");
    assert_eq!(lease(store, clock.now()).await.len(), 1, "joining told somebody");

    let given = done(store, first.id, answer(Verdict::Approve, 1), clock.now()).await;
    let third = store.submit(request(1), clock.now()).await.unwrap();
    assert_eq!((third.approval, third.position), (given, None));
}

/// However many callers ask at once for one action, one approval is opened and told.
pub async fn of_many_submits_of_one_digest_exactly_one_opens(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let answers = all((0..16).map(|_| store.submit(request(1), now))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let ids: BTreeSet<_> = answers.iter().map(|it| it.approval.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(answers.iter().filter(|it| it.position.is_some()).count(), 1);
    assert_eq!(store.list(&ApprovalFilter::default(), None, 100).await.unwrap().len(), 1);
    assert_eq!(store.end().await.unwrap(), 2);
    assert_eq!(lease(store, now).await.len(), 1);
}

/// What was answered, used, timed out or withdrawn is over: the next request is a new one.
pub async fn a_closed_digest_opens_a_new_approval(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut ids = BTreeSet::new();
    for close in ["reject", "consume", "cancel", "time out"] {
        let id = submit(store, 1, now).await.id;
        match close {
            "reject" => drop(done(store, id, answer(Verdict::Reject, 1), now).await),
            "consume" => {
                done(store, id, answer(Verdict::Approve, 1), now).await;
                done(store, id, consume(1, None), now).await;
            }
            "cancel" => drop(done(store, id, cancel(), now).await),
            _ => assert_eq!(fire(store, now + TIMEOUT).await.fell_back, 1),
        }
        assert_eq!(store.find_open(&digest(1)).await.unwrap(), None, "open after: {close}");
        assert!(ids.insert(id), "joined what was over after: {close}");
    }
    assert!(ids.insert(submit(store, 1, now).await.id));
    assert_eq!(store.find_open(&digest(2)).await.unwrap(), None);
}

/// Every field, with text that databases like to trip over.
pub async fn what_was_stored_reads_back_equal(store: &dyn Backend) {
    let clock = ManualClock::default();
    clock.advance(Duration::from_micros(1_234_567));
    let mut wanted = request(1);
    wanted.agent_id = "ägent/漢字 '; drop table--".parse().unwrap();
    wanted.reason.push_str("; \"quotes\", \\ and 🦀\n\ta second line");
    wanted.content = json!({
        "kind": "tool_call", "arguments": {"ünïcode": "\u{202e}x\u{0}y", "null": null, "z": [1, -2.5, []]},
        "big": 9_007_199_254_740_991_u64, "empty": {}, "": "",
    });
    wanted.policy_version = 9_007_199_254_740_991;
    wanted.chain.rungs[1].people = vec![PersonId::at(clock.now())];
    wanted.chain.rungs[1].notify = vec!["log".to_owned(), "chat".to_owned()];
    wanted.chain.bind_session = true;
    let id = store.submit(wanted.clone(), clock.now()).await.unwrap().approval.id;

    clock.advance(Duration::from_micros(1));
    let person_id = PersonId::at(clock.now());
    let words = Some("ja, ’s ist gut 👍 %s");
    let yes = said(Verdict::Approve, 1, person_id, only(person_id), words);
    let decided_at = clock.now();
    done(store, id, yes, decided_at).await;
    clock.advance(Duration::from_micros(1));
    let stored = done(store, id, consume(1, Some("schlüssel-1")), clock.now()).await;

    let it = store.get(id).await.unwrap();
    assert_eq!(it, stored);
    assert_eq!(it.request, wanted);
    assert_eq!((it.status, it.generation), (Status::Consumed, 3));
    let comment = words.map(str::to_owned);
    let actor = person_id.to_string();
    assert_eq!(it.answer, Some(HumanAnswer { actor, at: decided_at, comment }));
    let idempotency_key = Some("schlüssel-1".to_owned());
    let used = Consumption { at: clock.now(), policy_version: 4, idempotency_key };
    assert_eq!(it.consumption, Some(used));
    assert_eq!((it.due_at, it.expires_at), (None, None));
    assert_eq!(store.list(&ApprovalFilter::default(), None, 1).await.unwrap(), [it]);
}

/// Absent is absent, not empty and not the text `null`.
pub async fn what_was_absent_reads_back_absent(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let wanted = ApprovalRequest { session_id: None, team_id: None, risk: None, ..request(1) };
    let opened = store.submit(wanted.clone(), now).await.unwrap().approval;
    assert_eq!(store.get(opened.id).await.unwrap(), opened);
    assert_eq!(opened.request, wanted);
    assert_eq!((&opened.answer, &opened.consumption), (&None, &None));
    done(store, opened.id, answer(Verdict::Approve, 1), now).await;
    let used = done(store, opened.id, consume(1, None), now).await;
    assert_eq!(store.get(opened.id).await.unwrap(), used);
    assert_eq!(used.answer.unwrap().comment, None);
    assert_eq!(used.consumption.unwrap().idempotency_key, None);
    assert!(store.of_approval(opened.id).await.unwrap().iter().all(|it| it.session_id.is_none()));
}

/// Reading or changing what never was says so.
pub async fn an_unknown_approval_is_not_found(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    let id = ApprovalId::at(now);
    let errors = [
        store.get(id).await.unwrap_err(),
        store.apply(id, answer(Verdict::Approve, 1), now).await.unwrap_err(),
        store.apply(id, consume(1, None), now).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, StoreError::NotFound(it) if it == id), "{error:?}");
    }
    assert_eq!(store.of_approval(id).await.unwrap(), []);
}

/// By status, by agent, and by both.
pub async fn the_list_is_filtered(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let waiting = submit(store, 1, now).await;
    let given = approved(store, 2, now).await;
    let theirs = ApprovalRequest { agent_id: "helper".parse().unwrap(), ..request(3) };
    let theirs = store.submit(theirs, now).await.unwrap().approval;

    let ids = |statuses: &[Status], agent: Option<&str>| {
        let agent_id = agent.map(|it| it.parse().unwrap());
        let filter = ApprovalFilter { statuses: statuses.to_vec(), agent_id, ..Default::default() };
        async move {
            let found = store.list(&filter, None, 10).await.unwrap();
            found.into_iter().map(|it| it.id).collect::<BTreeSet<_>>()
        }
    };
    assert_eq!(ids(&[], None).await, [waiting.id, given.id, theirs.id].into());
    assert_eq!(ids(&[Status::Pending], None).await, [waiting.id, theirs.id].into());
    assert_eq!(ids(&[Status::Approved, Status::Rejected], None).await, [given.id].into());
    assert_eq!(ids(&[], Some("helper")).await, [theirs.id].into());
    assert_eq!(ids(&[Status::Pending], Some("coder")).await, [waiting.id].into());
    assert_eq!(ids(&[Status::Parked], None).await, [].into());
    assert_eq!(ids(&[], Some("nobody")).await, [].into());
}

/// The last id of a page leads to the next one; what comes meanwhile disturbs no page.
pub async fn the_list_is_newest_first_and_its_pages_do_not_overlap(store: &dyn Backend) {
    let clock = ManualClock::default();
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(submit(store, number, clock.now()).await.id);
        clock.advance(Duration::from_millis(1));
    }
    ids.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    for number in 7.. {
        let page = store.list(&ApprovalFilter::default(), before, 3).await.unwrap();
        before = page.last().map(|it| it.id);
        if before.is_none() {
            break;
        }
        assert!(page.len() <= 3);
        seen.extend(page.into_iter().map(|it| it.id));
        submit(store, number, clock.now()).await;
    }
    assert_eq!(seen, ids);
}

pub(super) fn cancel() -> Change {
    Change::Cancel {
        actor: "coder".to_owned(),
        reason: "not needed any more".to_owned(),
        policy_version: None,
    }
}
