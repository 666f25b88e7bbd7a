//! What editing a request promises.

use super::*;
use crate::{
    approval::Status,
    grant::{GrantTerms, Limit},
    store::Replaced,
    transition::Edit,
};

/// The first is over, the second stands in its place with the editor's yes, and each names the
/// other; all of it is one change.
pub async fn an_edit_closes_one_request_and_opens_another_with_the_editors_yes(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    lease(store, now).await;
    let end = store.end().await.unwrap();
    let (old, new) = replaced(store, id, edit("ann", 2), now).await;
    assert_eq!((old.status, old.edited_into), (Status::Cancelled, Some(new.id)));
    assert_eq!((old.due_at, old.expires_at, old.answer.as_ref()), (None, None, None));
    assert_eq!((new.status, new.request.edited_from), (Status::Approved, Some(id)));
    assert_eq!((new.request.digest, new.expires_at), (digest(2), Some(now + APPROVED_FOR)));
    assert_eq!(new.votes[0].person, person("ann"));
    assert_eq!(store.get(id).await.unwrap(), old);
    assert_eq!(store.get(new.id).await.unwrap(), new);
    assert_eq!(store.find_open(&digest(1)).await.unwrap(), None);

    let written: Vec<_> = rows(store).await.split_off(usize::try_from(end).unwrap());
    let said: Vec<_> = written.iter().map(|it| (it.approval_id, it.kind.as_str())).collect();
    assert_eq!(
        said,
        [
            (id, "approval.edited"),
            (new.id, "approval.requested"),
            (new.id, "approval.routed"),
            (new.id, "approval.approved"),
        ]
    );
    assert_eq!(written[0].actor, person("ann").to_string());
    let edited: serde_json::Value = serde_json::from_slice(written[0].payload.as_bytes()).unwrap();
    assert_eq!((&edited["edited_into"], &edited["comment"]), (&json!(new.id), &json!("smaller")));
    assert_eq!(lease(store, now).await.len(), 0, "nobody else is needed");
    let used = done(store, new.id, consume(2, None), now).await;
    assert_eq!(used.status, Status::Consumed);
}

/// Where others are needed, they are told of the new one, and their word counts.
pub async fn an_edited_request_waits_for_the_others_that_its_chain_asks(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    lease(store, now).await;
    let two = Rung { quorum: 2, ..chain().rungs[0].clone() };
    let stricter = Chain { rungs: vec![two], ..chain() };
    let mut change = edit("ann", 2);
    change.request.chain = stricter;
    let (_, new) = replaced(store, id, change, now).await;
    assert_eq!((new.status, new.votes.len(), new.generation), (Status::Pending, 1, 2));
    let told = lease(store, now).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].notification.approval_id, new.id);
    let by = |name| said(Verdict::Approve, 2, person(name), roster(), None);
    assert_eq!(refused(store, new.id, by("ann"), now).await, Refusal::VotedBefore);
    assert_eq!(done(store, new.id, by("bob"), now).await.status, Status::Approved);
}

/// A yes was to the action as it was; to what somebody made of it only their own counts, and the
/// others must be asked again.
pub async fn a_vote_about_what_was_edited_is_none_about_what_it_is_now(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let two = |number| {
        let mut request = request(number);
        request.chain.rungs[0].quorum = 2;
        request
    };
    let id = store.submit(two(1), now).await.unwrap().approval.id;
    let by = |number, name| said(Verdict::Approve, number, person(name), roster(), None);
    done(store, id, by(1, "ann"), now).await;
    // Whose yes is cast has none left to edit with.
    let change = |name| Edit { request: two(2), ..edit(name, 2) };
    assert_eq!(not_replaced(store, id, change("ann"), now).await, Refusal::VotedBefore);
    let (old, new) = replaced(store, id, change("bob"), now).await;
    let who = |it: &Approval| it.votes.iter().map(|it| it.person).collect::<Vec<_>>();
    assert_eq!((old.status, who(&old)), (Status::Cancelled, vec![person("ann")]));
    assert_eq!((new.status, who(&new)), (Status::Pending, vec![person("bob")]));
    assert_eq!(store.get(new.id).await.unwrap(), new);
    assert_eq!(done(store, new.id, by(2, "ann"), now).await.status, Status::Approved);
}

/// Whoever could not say yes edits nothing: to the one, or to the other.
pub async fn only_who_could_approve_edits(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    for (name, refusal) in
        [("owner", Refusal::OwnsAgent), ("sec", Refusal::NotAsked), ("stranger", Refusal::Unknown)]
    {
        assert_eq!(not_replaced(store, id, edit(name, 2), now).await, refusal);
    }
    let mut others = edit("ann", 2);
    others.request.chain.rungs[0].roles = vec!["security".parse().unwrap()];
    assert_eq!(not_replaced(store, id, others, now).await, Refusal::OthersAsked);
}

/// An edit is bound to what was seen, and makes another action of it.
pub async fn an_edit_is_bound_to_the_digest_that_was_seen(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    let blind = Edit { digest: digest(3), ..edit("ann", 2) };
    assert_eq!(not_replaced(store, id, blind, now).await, Refusal::OtherDigest);
    assert_eq!(not_replaced(store, id, edit("ann", 1), now).await, Refusal::SameAction);
    let open = submit(store, 2, now).await.id;
    assert_eq!(not_replaced(store, id, edit("ann", 2), now).await, Refusal::AskedAlready);
    done(store, open, answer(Verdict::Reject, 2), now).await;
    replaced(store, id, edit("ann", 2), now).await;
}

/// What is over is edited no more, be its timer late or not.
pub async fn what_is_over_cannot_be_edited(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = approved(store, 1, now).await.id;
    let refusal = not_replaced(store, id, edit("ann", 2), now).await;
    assert_eq!(refusal, Refusal::Status(Status::Approved));
    let id = submit(store, 3, now).await.id;
    let late = Edit { digest: digest(3), ..edit("ann", 4) };
    let refusal = not_replaced(store, id, late.clone(), now + TIMEOUT).await;
    assert_eq!(refusal, Refusal::Status(Status::TimedOut));
    replaced(store, id, late.clone(), now).await;
    let refusal = not_replaced(store, id, late, now).await;
    assert_eq!(refusal, Refusal::Status(Status::Cancelled));
    let unknown = ApprovalId::at(now);
    let answer = store.replace(unknown, edit("ann", 9), now).await;
    assert!(matches!(answer, Err(StoreError::NotFound(it)) if it == unknown));
}

/// One of the two counts, and the other finds it over.
pub async fn an_edit_and_a_decision_never_both_count(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for round in 0..8 {
        let (number, other) = (round * 2, round * 2 + 1);
        let id = submit(store, number, now).await.id;
        let change = Edit { digest: digest(number), ..edit("ann", other) };
        let decide = said(Verdict::Reject, number, person("bob"), roster(), None);
        let racers = (0..4).map(|it| {
            let (change, decide) = (change.clone(), decide.clone());
            async move {
                if it % 2 == 0 {
                    let done = store.replace(id, change, now).await.unwrap();
                    matches!(done, Replaced::Done { .. })
                } else {
                    let done = store.apply(id, decide, now).await.unwrap();
                    matches!(done, Applied::Done { .. })
                }
            }
        });
        let won = all(racers).await.into_iter().filter(|it| *it).count();
        assert_eq!(won, 1, "round {round}");
        let it = store.get(id).await.unwrap();
        let opened = store.find_open(&digest(other)).await.unwrap();
        assert_eq!(it.status == Status::Cancelled, opened.is_some(), "round {round}");
        assert_eq!(it.edited_into, opened.map(|it| it.id));
    }
}

/// A grant is rejected, and asked for otherwise.
pub async fn a_grant_is_not_edited_and_nothing_is_edited_into_one(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let terms = GrantTerms {
        server: None,
        tool: "deploy".to_owned(),
        arguments: [("to".to_owned(), Limit::Any)].into(),
        calls: 2,
        lasts: Span(RUNG),
    };
    let grant = ApprovalRequest { grant: Some(terms.clone()), ..request(1) };
    let id = store.submit(grant, now).await.unwrap().approval.id;
    assert_eq!(not_replaced(store, id, edit("ann", 2), now).await, Refusal::NotCovered);
    let id = submit(store, 3, now).await.id;
    let mut into = Edit { digest: digest(3), ..edit("ann", 4) };
    into.request.grant = Some(terms);
    assert_eq!(not_replaced(store, id, into, now).await, Refusal::NotCovered);
}

/// Somebody makes action `number` of action 1.
pub(super) fn edit(name: &str, number: u32) -> Edit {
    Edit {
        digest: digest(1),
        request: request(number),
        decider: Decider { person_id: person(name) },
        roster: roster(),
        comment: Some("smaller".to_owned()),
    }
}

pub(super) async fn replaced(
    store: &dyn Backend,
    id: ApprovalId,
    edit: Edit,
    now: Timestamp,
) -> (Approval, Approval) {
    match store.replace(id, edit, now).await.unwrap() {
        Replaced::Done { old, new, position } => {
            assert_eq!(position, store.end().await.unwrap());
            (*old, *new)
        }
        Replaced::Refused { refusal, .. } => panic!("refused: {refusal}"),
    }
}

async fn not_replaced(store: &dyn Backend, id: ApprovalId, edit: Edit, now: Timestamp) -> Refusal {
    let before = store.get(id).await.unwrap();
    let (end, open) = (store.end().await.unwrap(), edit.request.digest);
    let opened = store.find_open(&open).await.unwrap();
    match store.replace(id, edit, now).await.unwrap() {
        Replaced::Done { new, .. } => panic!("done: {new:?}"),
        Replaced::Refused { approval, refusal } => {
            assert_eq!(*approval, before);
            assert_eq!(store.get(id).await.unwrap(), before, "a refused edit changed something");
            assert_eq!(store.end().await.unwrap(), end, "a refused edit wrote history");
            assert_eq!(store.find_open(&open).await.unwrap(), opened, "a refused edit opened");
            refusal
        }
    }
}
