//! What drawing on a grant promises.

use super::{requests::cancel, *};
use crate::{
    approval::Status,
    chain::Seats,
    grant::{Call, GrantTerms, Limit},
    store::ApprovalFilter,
    transition::Draw,
};

/// How long a grant of these rules lasts.
pub const LASTS: Duration = Duration::from_mins(30);

/// Each call is one step: the count, its line in the history, and nothing else.
pub async fn each_call_of_a_grant_counts_once_and_says_how_many_are_left(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let granted = granted(store, 1, 3, now).await;
    let end = Some(now + LASTS);
    assert_eq!((granted.calls_left, granted.expires_at, granted.due_at), (Some(3), end, end));
    for (call, left) in [(1, 2), (2, 1)] {
        let it = done(store, granted.id, draw(call, None), now).await;
        assert_eq!((it.status, it.calls_left, it.expires_at), (Status::Approved, Some(left), end));
        assert_eq!(
            (it.generation, it.consumption.as_ref()),
            (granted.generation + u64::from(call), None)
        );
        assert_eq!(store.get(granted.id).await.unwrap(), it);
        let rows = store.of_approval(granted.id).await.unwrap();
        let row = rows.last().unwrap();
        assert_eq!(rows.len(), 3 + usize::try_from(call).unwrap());
        assert_eq!((&row.kind, row.actor.as_str()), (&AuditEventKind::ApprovalConsumed, "coder"));
        let said: serde_json::Value = serde_json::from_slice(row.payload.as_bytes()).unwrap();
        assert_eq!((&said["call"], &said["calls_left"]), (&json!(call), &json!(left)));
        assert_eq!((&said["digest"], &said["action"]), (&json!(used(call)), &shown(call)));
        assert_eq!(
            (row.policy_version, said["consumed_under_policy"].as_u64()),
            (Some(4), Some(4))
        );
    }
}

/// Behind the last call there is nothing left, and its clock is gone.
pub async fn the_last_call_ends_a_grant(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 2, now).await.id;
    done(store, id, draw(1, None), now).await;
    let it = done(store, id, draw(2, Some("k")), now).await;
    assert_eq!((it.status, it.calls_left), (Status::Consumed, Some(0)));
    assert_eq!((it.due_at, it.expires_at), (None, None));
    assert_eq!(it.consumption.as_ref().unwrap().policy_version, 4);
    assert_eq!(store.get(id).await.unwrap(), it);
    let refusal = refused(store, id, draw(3, None), now).await;
    assert_eq!(refusal, Refusal::Status(Status::Consumed));
    assert_eq!(store.next_deadline().await.unwrap(), None);
}

/// However many ask at once.
pub async fn of_concurrent_draws_no_more_are_done_than_there_are_calls(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..8 {
        let id = granted(store, number, 3, now).await.id;
        let draws = (0..8).map(|it| store.apply(id, draw(number * 100 + it, None), now));
        let answers: Vec<_> = all(draws).await.into_iter().map(Result::unwrap).collect();
        let mut left: Vec<_> = answers
            .iter()
            .filter_map(|it| match it {
                Applied::Done { approval, .. } => approval.calls_left,
                Applied::Refused { refusal, .. } => {
                    assert_eq!(*refusal, Refusal::Status(Status::Consumed));
                    None
                }
            })
            .collect();
        left.sort_unstable();
        assert_eq!(left, [0, 1, 2], "each call once");
        assert_eq!(store.of_approval(id).await.unwrap().len(), 6);
    }
}

/// The smallest case of the rule before, many times.
pub async fn of_two_last_draws_at_once_exactly_one_is_done(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..20 {
        let id = granted(store, number, 2, now).await.id;
        done(store, id, draw(number * 100, None), now).await;
        let draws = (1..3).map(|it| store.apply(id, draw(number * 100 + it, None), now));
        let answers = all(draws).await;
        let done = answers.iter().flatten().filter(|it| matches!(it, Applied::Done { .. })).count();
        assert_eq!((answers.iter().flatten().count(), done), (2, 1));
        assert_eq!(store.get(id).await.unwrap().calls_left, Some(0));
    }
}

/// Its end is its end, be its timer late or not.
pub async fn a_grant_is_over_at_its_end(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 20, now).await.id;
    let end = now + LASTS;
    done(store, id, draw(1, None), just_before(end)).await;
    let refusal = refused(store, id, draw(2, None), end).await;
    assert_eq!(refusal, Refusal::Status(Status::Expired));
    assert_eq!(fire(store, end).await, Fired { expired: 1, ..Fired::default() });
    let it = store.get(id).await.unwrap();
    assert_eq!((it.status, it.calls_left), (Status::Expired, Some(19)));
    assert_eq!(refused(store, id, draw(2, None), end).await, Refusal::Status(Status::Expired));
}

/// What is left of its time stays left, and it is over at its end as that is by then.
pub async fn a_grant_lasts_longer_by_a_halt(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 20, now).await.id;
    let halted_at = now + Duration::from_mins(10);
    assert!(store.halt(halted_at).await.unwrap());
    let resumed_at = halted_at + LASTS * 2;
    store.resume(halted_at, resumed_at).await.unwrap();
    let end = now + LASTS * 3;
    assert_eq!(done(store, id, draw(1, None), just_before(end)).await.expires_at, Some(end));
    assert_eq!(refused(store, id, draw(2, None), end).await, Refusal::Status(Status::Expired));
}

/// Another tool, an argument that is not named, one beyond its limit, another session.
pub async fn a_grant_covers_no_other_call(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 20, now).await.id;
    let as_it_is = || call(1);
    for other in [
        Draw { call: Call { tool: "pay".to_owned(), ..as_it_is().call }, ..as_it_is() },
        Draw { call: Call { server: None, ..as_it_is().call }, ..as_it_is() },
        with(json!({"order": 1, "amount": 101})),
        with(json!({"order": 1, "amount": 99.5})),
        with(json!({"order": 1, "amount": 5, "force": true})),
        with(json!({"order": 1})),
        with(json!(null)),
        Draw { session_id: Some("run-2".parse().unwrap()), ..as_it_is() },
        Draw { session_id: None, ..as_it_is() },
    ] {
        let change = Change::Draw(Box::new(other.clone()));
        assert_eq!(refused(store, id, change, now).await, Refusal::NotCovered, "{other:?}");
    }
    assert_eq!(refused(store, id, consume(1, None), now).await, Refusal::NotCovered);
    let exact = approved(store, 2, now).await.id;
    assert_eq!(refused(store, exact, draw(1, None), now).await, Refusal::NotCovered);
    done(store, id, draw(1, None), now).await;
}

/// Who said yes must be enough for whoever is asked about such a call by now.
pub async fn a_grant_is_none_where_the_policy_asks_for_more(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 20, now).await.id;
    let seats = |(role, count): (&str, u32)| Seats { role: role.parse().unwrap(), count };
    let two = Rung { quorum: 2, ..chain().rungs[0].clone() };
    let require = [("security", 1), ("ops", 1)].map(seats).to_vec();
    let others = Rung { require, roles: Vec::new(), ..chain().rungs[0].clone() };
    for stricter in [two, others] {
        let chain = Chain { rungs: vec![stricter], ..chain() };
        let change = Change::Draw(Box::new(Draw { chain: chain.clone(), ..call(1) }));
        assert_eq!(refused(store, id, change, now).await, Refusal::NotCovered);
        let change = Change::Reopen { chain, policy_version: 7, roster: roster() };
        assert_eq!(refused(store, id, change, now).await, Refusal::NotCovered);
    }
    let unbound = ApprovalRequest { session_id: None, ..asking_for_calls(2, 20) };
    let id = store.submit(unbound, now).await.unwrap().approval.id;
    done(store, id, answer(Verdict::Approve, 2), now).await;
    let chain = Chain { bind_session: true, ..chain() };
    let change = Change::Draw(Box::new(Draw { chain, ..call(1) }));
    assert_eq!(refused(store, id, change, now).await, Refusal::NotCovered);
    done(store, id, draw(1, None), now).await;
}

/// A call that is repeated under its key is the same call, whatever has become of its grant and
/// whichever grant is asked; under its key another action is another call.
pub async fn a_call_that_is_repeated_under_its_key_is_drawn_once(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 2, now).await.id;
    let other = granted(store, 2, 2, now).await.id;
    done(store, id, draw(1, Some("k")), now).await;
    let found = store.drawn_under(&used(1), "k").await.unwrap().unwrap();
    assert_eq!((found.approval_id, found.number, found.at), (id, 1, now));
    assert_eq!((found.digest, found.policy_version), (used(1), 4));
    assert_eq!(found.idempotency_key.as_deref(), Some("k"));
    for (digest, key) in [(used(1), "K"), (used(1), ""), (used(2), "k")] {
        assert_eq!(store.drawn_under(&digest, key).await.unwrap(), None);
    }
    for grant in [id, other] {
        assert_eq!(refused(store, grant, draw(1, Some("k")), now).await, Refusal::Replayed);
    }
    done(store, id, draw(2, Some("k")), now).await;
    for at in [now, now + TIMEOUT] {
        assert_eq!(refused(store, id, draw(2, Some("k")), at).await, Refusal::Replayed);
    }
    assert_eq!(store.get(other).await.unwrap().calls_left, Some(2));
    // Without a key every call is one.
    done(store, other, draw(3, None), now).await;
    done(store, other, draw(3, None), now).await;
}

/// Also where the repeats come at once.
pub async fn of_concurrent_repeats_of_a_call_exactly_one_is_drawn(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..8 {
        let id = granted(store, number, 20, now).await.id;
        let draws = (0..8).map(|_| store.apply(id, draw(number, Some("k")), now));
        let answers: Vec<_> = all(draws).await.into_iter().map(Result::unwrap).collect();
        let done = answers.iter().filter(|it| matches!(it, Applied::Done { .. })).count();
        let again =
            |it: &&Applied| matches!(it, Applied::Refused { refusal: Refusal::Replayed, .. });
        assert_eq!((done, answers.iter().filter(again).count()), (1, 7));
        assert_eq!(store.get(id).await.unwrap().calls_left, Some(19));
    }
}

/// Withdrawn is withdrawn, however many calls are left.
pub async fn what_was_revoked_is_drawn_on_no_more(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = granted(store, 1, 20, now).await.id;
    done(store, id, draw(1, None), now).await;
    let it = done(store, id, cancel(), now).await;
    assert_eq!((it.status, it.calls_left, it.due_at), (Status::Cancelled, Some(19), None));
    let refusal = refused(store, id, draw(2, None), now).await;
    assert_eq!(refusal, Refusal::Status(Status::Cancelled));
    assert_eq!(store.grants_of(&request(1).agent_id, 9).await.unwrap(), []);
}

/// It takes as many people as its chain says, and nobody of the agent's own; silence is no yes, not
/// even where the chain says so of one action.
pub async fn a_grant_needs_the_people_of_its_chain_and_never_silence(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let two = Rung { quorum: 2, ..chain().rungs[0].clone() };
    let lax = Chain { rungs: vec![two], fallback: Fallback::Allow, ..chain() };
    let wanted = ApprovalRequest { chain: lax.clone(), ..asking_for_calls(1, 20) };
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    assert_eq!(refused(store, id, draw(1, None), now).await, Refusal::Status(Status::Pending));
    let by = |name, verdict| said(verdict, 1, person(name), roster(), None);
    let own = refused(store, id, by("owner", Verdict::Approve), now).await;
    assert_eq!(own, Refusal::OwnsAgent);
    let first = done(store, id, by("ann", Verdict::Approve), now).await;
    assert_eq!(first.status, Status::Pending);
    let second = done(store, id, by("bob", Verdict::Approve), now).await;
    assert_eq!((second.status, second.expires_at), (Status::Approved, Some(now + LASTS)));

    let wanted = ApprovalRequest { chain: lax, ..asking_for_calls(2, 20) };
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    let over = now + TIMEOUT;
    assert_eq!(store.get(id).await.unwrap().status_at(over), Status::TimedOut);
    fire(store, over).await;
    assert_eq!(store.get(id).await.unwrap().status, Status::TimedOut);
}

/// Those that may be drawn on, by id, and of one agent only.
pub async fn the_grants_of_an_agent_are_found_by_id(store: &dyn Backend) {
    let clock = ManualClock::default();
    let mut granted_ids = Vec::new();
    for number in 0..3 {
        clock.advance(Duration::from_secs(1));
        granted_ids.push(granted(store, number, 2, clock.now()).await.id);
    }
    let now = clock.now();
    approved(store, 10, now).await;
    let pending = store.submit(asking_for_calls(11, 2), now).await.unwrap().approval.id;
    let theirs = ApprovalRequest { agent_id: "helper".parse().unwrap(), ..asking_for_calls(12, 2) };
    let theirs = store.submit(theirs, now).await.unwrap().approval.id;
    done(store, theirs, answer(Verdict::Approve, 12), now).await;
    let coder = request(1).agent_id;
    let found = async |limit| {
        let grants = store.grants_of(&coder, limit).await.unwrap();
        grants.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    assert_eq!(found(9).await, granted_ids);
    assert_eq!(found(2).await, granted_ids[..2]);
    done(store, granted_ids[0], cancel(), now).await;
    assert_eq!(found(9).await, granted_ids[1..]);

    let listed = async |statuses: &[Status], agent_id| {
        let filter = ApprovalFilter { statuses: statuses.to_vec(), agent_id, grants: true };
        let list = store.list(&filter, None, 9).await.unwrap();
        list.into_iter().map(|it| it.id).collect::<Vec<_>>()
    };
    let mut every = granted_ids.clone();
    every.extend([pending, theirs]);
    every.sort_unstable_by(|one, other| other.cmp(one));
    assert_eq!(listed(&[], None).await, every);
    every.retain(|it| *it != theirs);
    assert_eq!(listed(&[], Some(coder.clone())).await, every);
    assert_eq!(listed(&[Status::Pending], Some(coder)).await, [pending]);
}

/// The terms as they were asked for, each limit and all.
pub async fn the_terms_of_a_grant_read_back_equal(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let arguments = [
        ("any", Limit::Any),
        ("equals", Limit::Equals(json!({"a": [1, null, "ü\u{0}", 0.5]}))),
        ("nothing", Limit::Equals(json!(null))),
        ("one of", Limit::OneOf(vec![json!("a"), json!(-1)])),
        ("at most", Limit::AtMost(9_007_199_254_740_991)),
        ("at least", Limit::AtLeast(i64::MIN)),
        ("between", Limit::Between(-1, 1)),
    ];
    let arguments = arguments.map(|(name, limit)| (name.to_owned(), limit)).into();
    let terms = GrantTerms { server: None, arguments, ..terms(20) };
    let wanted = ApprovalRequest { grant: Some(terms), session_id: None, ..request(1) };
    let id = store.submit(wanted.clone(), now).await.unwrap().approval.id;
    let it = store.get(id).await.unwrap();
    assert_eq!((it.request, it.calls_left), (wanted, Some(20)));
}

/// At most `calls` refunds of up to 100, for [`LASTS`].
fn terms(calls: u32) -> GrantTerms {
    let arguments = [("order", Limit::Any), ("amount", Limit::AtMost(100))];
    GrantTerms {
        server: Some("shop".to_owned()),
        tool: "refund".to_owned(),
        arguments: arguments.map(|(name, limit)| (name.to_owned(), limit)).into(),
        calls,
        lasts: Span(LASTS),
    }
}

/// A request for so many calls of [`call`], each number another.
#[must_use]
pub fn asking_for_calls(number: u32, calls: u32) -> ApprovalRequest {
    ApprovalRequest { grant: Some(terms(calls)), ..request(number) }
}

async fn granted(store: &dyn Backend, number: u32, calls: u32, now: Timestamp) -> Approval {
    let id = store.submit(asking_for_calls(number, calls), now).await.unwrap().approval.id;
    done(store, id, answer(Verdict::Approve, number), now).await
}

/// The refund of an order, each number another.
#[must_use]
pub fn call(number: u32) -> Draw {
    Draw {
        call: Call {
            server: Some("shop".to_owned()),
            tool: "refund".to_owned(),
            arguments: json!({"order": number, "amount": 100}),
        },
        digest: used(number),
        session_id: request(1).session_id,
        content: shown(number),
        chain: chain(),
        policy_version: 4,
        idempotency_key: None,
    }
}

fn with(arguments: serde_json::Value) -> Draw {
    Draw { call: Call { arguments, ..call(1).call }, ..call(1) }
}

fn draw(number: u32, key: Option<&str>) -> Change {
    Change::Draw(Box::new(Draw { idempotency_key: key.map(str::to_owned), ..call(number) }))
}

/// The digest of a call: no request's.
fn used(number: u32) -> ActionDigest {
    digest(1_000_000 + number)
}

fn shown(number: u32) -> serde_json::Value {
    json!({"action": {"kind": "tool_call", "tool": "refund"}, "order": number})
}
