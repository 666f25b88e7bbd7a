//! What the votes of several people promise.

use super::*;
use crate::{
    approval::{Status, Vote},
    chain::Seats,
};

/// Two of three: the first yes is kept and changes nothing else, the second approves.
pub async fn a_rung_is_approved_once_as_many_have_said_yes_as_it_needs(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(2), now).await;
    let before = store.get(id).await.unwrap();
    let it = vote(store, id, "ann", Verdict::Approve, now).await;
    assert_eq!((it.status, it.generation, it.answer.as_ref()), (Status::Pending, 2, None));
    assert_eq!((it.due_at, it.expires_at), (before.due_at, before.expires_at));
    assert_eq!(store.get(id).await.unwrap(), it);
    assert_eq!(kinds(store, id).await.last(), Some(&AuditEventKind::ApprovalVoted));

    let it = vote(store, id, "bob", Verdict::Approve, now).await;
    assert_eq!((it.status, it.generation), (Status::Approved, 3));
    assert_eq!(it.answer.unwrap().actor, person("bob").to_string());
    assert_eq!(store.of_approval(id).await.unwrap().len(), 4);
    let late = refused(store, id, by("cem", Verdict::Reject), now).await;
    assert_eq!(late, Refusal::Status(Status::Approved));
}

/// Neither a second yes nor a change of mind is a second person.
pub async fn one_person_counts_once_whatever_they_say_again(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(2), now).await;
    vote(store, id, "ann", Verdict::Approve, now).await;
    for verdict in [Verdict::Approve, Verdict::Reject] {
        assert_eq!(refused(store, id, by("ann", verdict), now).await, Refusal::VotedBefore);
    }
}

/// "One of security and two of ops", where the one with both roles comes first.
pub async fn a_person_with_two_roles_fills_the_place_that_the_others_leave_free(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let id = ask(store, require(&[("security", 1), ("ops", 2)]), now).await;
    for name in ["both", "ann"] {
        assert_eq!(vote(store, id, name, Verdict::Approve, now).await.status, Status::Pending);
    }
    assert_eq!(vote(store, id, "bob", Verdict::Approve, now).await.status, Status::Approved);

    let id = ask_about(store, 2, require(&[("security", 1), ("ops", 2)]), now).await;
    for name in ["ann", "bob", "cem"] {
        let change = said(Verdict::Approve, 2, person(name), roster(), None);
        assert_eq!(done(store, id, change, now).await.status, Status::Pending, "{name}");
    }
    let change = said(Verdict::Approve, 2, person("sec"), roster(), None);
    assert_eq!(done(store, id, change, now).await.status, Status::Approved);
}

/// A no needs no quorum.
pub async fn one_rejection_ends_it_whoever_has_said_yes(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(3), now).await;
    vote(store, id, "ann", Verdict::Approve, now).await;
    let it = vote(store, id, "bob", Verdict::Reject, now).await;
    assert_eq!((it.status, it.due_at, it.expires_at), (Status::Rejected, None, None));
    assert_eq!(it.answer.unwrap().actor, person("bob").to_string());
    let said: Vec<_> = it.votes.iter().map(|it| it.verdict).collect();
    assert_eq!(said, [Verdict::Approve, Verdict::Reject]);
    assert_eq!(kinds(store, id).await.last(), Some(&AuditEventKind::ApprovalRejected));
}

/// Both names stand in the vote and in the history.
pub async fn a_stand_in_votes_in_the_right_of_who_named_them_and_both_are_kept(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(2), now).await;
    let it = vote(store, id, "temp", Verdict::Approve, now).await;
    let [cast] = it.votes.try_into().unwrap();
    assert_eq!((cast.person, cast.seat), (person("temp"), person("ann")));
    assert_eq!(cast.roles, ["ops".parse().unwrap()]);
    let row = store.of_approval(id).await.unwrap().pop().unwrap();
    assert_eq!(row.actor, person("temp").to_string());
    let payload = String::from_utf8(row.payload.as_bytes().to_vec()).unwrap();
    assert!(payload.contains(&person("ann").to_string()), "{payload}");
}

/// Where one person is asked, their stand-in answers as that one, and for nobody who is gone.
pub async fn a_stand_in_answers_for_who_is_asked_by_name_until_they_are_disabled(
    store: &dyn Backend,
) {
    let now = ManualClock::default().now();
    let mut people = Roster::clone(&roster());
    people.members.remove(&person("bob"));
    for (number, name, wanted) in
        [(1, "ann", Ok(Status::Approved)), (2, "bob", Err(Refusal::NotAsked))]
    {
        let named = Rung { people: vec![person(name)], ..Rung::default() };
        let id = ask_about(store, number, named, now).await;
        let people = Arc::new(people.clone());
        let change = said(Verdict::Approve, number, person("deputy"), people, None);
        let outcome = match store.apply(id, change, now).await.unwrap() {
            Applied::Done { approval, .. } => Ok(approval.status),
            Applied::Refused { refusal, .. } => Err(refusal),
        };
        assert_eq!(outcome, wanted, "for {name}");
    }
}

/// Whoever comes first uses the right; nobody counts beside their own stand-in.
pub async fn a_right_counts_once_be_it_used_by_its_owner_or_by_a_stand_in(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for (number, first, second) in [(1, "temp", "ann"), (2, "ann", "temp")] {
        let id = ask_about(store, number, quorum(2), now).await;
        let yes = |name| said(Verdict::Approve, number, person(name), roster(), None);
        done(store, id, yes(first), now).await;
        assert_eq!(refused(store, id, yes(second), now).await, Refusal::VotedBefore);
        // Who acts for two uses the right that is left.
        let it = done(store, id, yes("deputy"), now).await;
        assert_eq!((it.status, it.votes[1].seat), (Status::Approved, person("bob")));
    }
}

/// The owner has the role, and so has the right that the stand-in would use.
pub async fn nobody_votes_about_their_own_agent_nor_through_a_stand_in(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let lead = Rung { roles: vec!["lead".parse().unwrap()], ..quorum(1) };
    let id = ask(store, lead, now).await;
    for name in ["owner", "temp"] {
        for verdict in [Verdict::Approve, Verdict::Reject] {
            let refusal = refused(store, id, by(name, verdict), now).await;
            assert_eq!(refusal, Refusal::OwnsAgent, "{name}");
        }
    }
    assert_eq!(vote(store, id, "lead", Verdict::Approve, now).await.status, Status::Approved);
    // Nor in the right of somebody else, which would count.
    let id = ask_about(store, 2, quorum(1), now).await;
    let yes = |name| said(Verdict::Approve, 2, person(name), roster(), None);
    assert_eq!(refused(store, id, yes("owner"), now).await, Refusal::OwnsAgent);
    assert_eq!(done(store, id, yes("cem"), now).await.status, Status::Approved);
}

/// Though each right would count, it is one person who has thought about it.
pub async fn a_person_counts_once_for_however_many_they_stand_in(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(2), now).await;
    assert_eq!(vote(store, id, "deputy", Verdict::Approve, now).await.status, Status::Pending);
    let again = refused(store, id, by("deputy", Verdict::Approve), now).await;
    assert_eq!(again, Refusal::VotedBefore);
    assert_eq!(vote(store, id, "bob", Verdict::Approve, now).await.status, Status::Approved);
}

/// The store judges by the rungs that it has, whatever the caller has seen.
pub async fn who_is_not_asked_or_not_known_changes_nothing(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    for (name, wanted) in
        [("lead", Refusal::NotAsked), ("sec", Refusal::NotAsked), ("stranger", Refusal::Unknown)]
    {
        assert_eq!(refused(store, id, by(name, Verdict::Approve), now).await, wanted, "{name}");
    }
    fire(store, now + RUNG).await;
    assert_eq!(refused(store, id, by("sec", Verdict::Reject), now + RUNG).await, Refusal::NotAsked);
    let it = vote(store, id, "lead", Verdict::Approve, now + RUNG).await;
    assert_eq!(it.status, Status::Approved);
}

/// Every vote is read with the votes before it: none is lost, and one of them is the last.
pub async fn of_the_last_voters_at_once_exactly_one_approves(store: &dyn Backend) {
    let now = ManualClock::default().now();
    for number in 0..10 {
        let id = ask_about(store, number, quorum(2), now).await;
        let votes = ["ann", "bob", "cem", "both"].map(|name| {
            store.apply(id, said(Verdict::Approve, number, person(name), roster(), None), now)
        });
        let applied: Vec<_> = all(votes).await.into_iter().map(Result::unwrap).collect();
        let [pending, approved] = [Status::Pending, Status::Approved].map(|wanted| {
            let fits = |it: &&Applied| matches!(it, Applied::Done { approval, .. } if approval.status == wanted);
            applied.iter().filter(fits).count()
        });
        assert_eq!((pending, approved), (1, 1));
        let it = store.get(id).await.unwrap();
        assert_eq!((it.status, it.votes.len(), it.generation), (Status::Approved, 2, 3));
        assert_eq!(store.of_approval(id).await.unwrap().len(), 4);
    }
}

/// Who was asked first may be the second of the later rung's two.
pub async fn a_vote_counts_on_later_rungs_that_admit_its_person(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut wanted = asking(1, quorum(3));
    wanted.chain.rungs[1].roles = vec!["lead".parse().unwrap(), "ops".parse().unwrap()];
    wanted.chain.rungs[1].quorum = 2;
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    vote(store, id, "ann", Verdict::Approve, now).await;
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
    let it = vote(store, id, "lead", Verdict::Approve, now + RUNG).await;
    assert_eq!((it.status, it.rung), (Status::Approved, 1));
    assert_eq!(it.votes.iter().map(|it| it.rung).collect::<Vec<_>>(), [0, 1]);
}

/// What was said before the time-out counts after it.
pub async fn a_parked_request_collects_votes_without_a_clock(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let mut wanted = asking(1, quorum(3));
    wanted.chain.rungs.truncate(1);
    wanted.chain.fallback = Fallback::Park;
    let id = store.submit(wanted, now).await.unwrap().approval.id;
    vote(store, id, "ann", Verdict::Approve, now).await;
    let late = now + TIMEOUT;
    assert_eq!(fire(store, late).await.fell_back, 1);
    let it = vote(store, id, "bob", Verdict::Approve, late).await;
    assert_eq!((it.status, it.due_at, it.votes.len()), (Status::Parked, None, 2));
    let it = vote(store, id, "cem", Verdict::Approve, late).await;
    assert_eq!((it.status, it.expires_at), (Status::Approved, Some(late + APPROVED_FOR)));
}

/// Person, right, roles, rung, time and words, with text that databases like to trip over.
pub async fn votes_are_kept_as_they_were_cast(store: &dyn Backend) {
    let clock = ManualClock::default();
    let id = ask(store, quorum(2), clock.now()).await;
    clock.advance(Duration::from_micros(1_234_567));
    let words = "ja 👍 \"'; --\n\ta second line";
    let change = said(Verdict::Approve, 1, person("temp"), roster(), Some(words));
    done(store, id, change, clock.now()).await;
    let cast = Vote {
        person: person("temp"),
        seat: person("ann"),
        verdict: Verdict::Approve,
        roles: vec!["ops".parse().unwrap()],
        rung: 0,
        at: clock.now(),
        comment: Some(words.to_owned()),
    };
    assert_eq!(store.get(id).await.unwrap().votes, [cast]);
    // Who has lost the role has voted all the same.
    let nobody_else = only(person("bob"));
    let change = said(Verdict::Approve, 1, person("bob"), nobody_else, None);
    assert_eq!(done(store, id, change, clock.now()).await.status, Status::Approved);
    let used = done(store, id, consume(1, None), clock.now()).await;
    assert_eq!(store.get(id).await.unwrap(), used);
    assert_eq!(used.votes.len(), 2);
}

/// What is missing is asked for, from the first rung on, and what was said counts.
pub async fn a_stricter_chain_asks_again_and_the_votes_stay(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = submit(store, 1, now).await.id;
    vote(store, id, "ann", Verdict::Approve, now).await;
    for it in lease(store, now).await {
        store.mark_sent(&it, now).await.unwrap();
    }
    let later = now + Duration::from_mins(5);
    let stricter = Chain { name: "strict".to_owned(), ..asking(1, quorum(2)).chain };
    let it = done(store, id, reopen(&stricter), later).await;
    assert_eq!((it.status, it.rung, it.generation), (Status::Pending, 0, 3));
    assert_eq!((it.due_at, it.expires_at), (Some(later + RUNG), Some(later + TIMEOUT)));
    assert_eq!((it.answer.as_ref(), it.votes.len()), (None, 1));
    assert_eq!((it.chain(), &it.request.chain), (&stricter, &chain()));
    assert_eq!(store.get(id).await.unwrap(), it);
    let rows = store.of_approval(id).await.unwrap();
    let [reopened, routed] = [&rows[rows.len() - 2], &rows[rows.len() - 1]];
    assert_eq!(
        (&reopened.kind, reopened.policy_version),
        (&AuditEventKind::ApprovalReopened, Some(7))
    );
    assert_eq!(routed.to_role.as_deref(), Some("2 of ops"));
    assert_eq!(lease(store, later).await.len(), 1, "nobody was told");

    assert_eq!(refused(store, id, consume(1, None), later).await, Refusal::Status(Status::Pending));
    assert_eq!(refused(store, id, by("ann", Verdict::Approve), later).await, Refusal::VotedBefore);
    let it = vote(store, id, "bob", Verdict::Approve, later).await;
    assert_eq!((it.status, it.votes.len()), (Status::Approved, 2));
    done(store, id, consume(1, None), later).await;
}

/// Enough votes are enough; and only what is approved is asked again.
pub async fn what_holds_under_the_new_chain_is_not_asked_again(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let id = ask(store, quorum(2), now).await;
    let stricter = asking(1, quorum(3)).chain;
    let pending = refused(store, id, reopen(&stricter), now).await;
    assert_eq!(pending, Refusal::Status(Status::Pending));
    for name in ["ann", "both"] {
        vote(store, id, name, Verdict::Approve, now).await;
    }
    for enough in [quorum(1), quorum(2), require(&[("security", 1), ("ops", 1)])] {
        let other = asking(1, enough).chain;
        assert_eq!(refused(store, id, reopen(&other), now).await, Refusal::Satisfied);
        assert!(store.get(id).await.unwrap().holds_under(&other));
    }
    assert!(!store.get(id).await.unwrap().holds_under(&stricter));
    let over = refused(store, id, reopen(&stricter), now + APPROVED_FOR).await;
    assert_eq!(over, Refusal::Status(Status::Expired));

    // Silence is no vote: where it no longer means yes, somebody must say it.
    let mut silent = request(2);
    silent.chain.fallback = Fallback::Allow;
    let id = store.submit(silent.clone(), now).await.unwrap().approval.id;
    let late = now + TIMEOUT;
    assert_eq!(fire(store, late).await.fell_back, 1);
    silent.chain.rungs[0].quorum = 2;
    assert_eq!(refused(store, id, reopen(&silent.chain), late).await, Refusal::Satisfied);
    assert_eq!(done(store, id, reopen(&chain()), late).await.status, Status::Pending);
}

pub(super) fn quorum(quorum: u32) -> Rung {
    Rung { quorum, ..chain().rungs.remove(0) }
}

fn require(seats: &[(&str, u32)]) -> Rung {
    let seat = |(role, count): &(&str, u32)| Seats { role: role.parse().unwrap(), count: *count };
    Rung { roles: Vec::new(), require: seats.iter().map(seat).collect(), ..quorum(1) }
}

/// A request whose first rung is this one.
pub(super) fn asking(number: u32, rung: Rung) -> ApprovalRequest {
    let mut wanted = request(number);
    wanted.chain.rungs[0] = rung;
    wanted
}

async fn ask_about(store: &dyn Backend, number: u32, rung: Rung, now: Timestamp) -> ApprovalId {
    store.submit(asking(number, rung), now).await.unwrap().approval.id
}

async fn ask(store: &dyn Backend, rung: Rung, now: Timestamp) -> ApprovalId {
    ask_about(store, 1, rung, now).await
}

fn by(name: &str, verdict: Verdict) -> Change {
    said(verdict, 1, person(name), roster(), None)
}

pub(super) async fn vote(
    store: &dyn Backend,
    id: ApprovalId,
    name: &str,
    verdict: Verdict,
    now: Timestamp,
) -> Approval {
    done(store, id, by(name, verdict), now).await
}

fn reopen(chain: &Chain) -> Change {
    Change::Reopen { chain: chain.clone(), policy_version: 7, roster: roster() }
}
