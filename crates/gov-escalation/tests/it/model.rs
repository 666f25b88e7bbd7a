//! The rules under any sequence of requests, answers, edits, uses and clock jumps: alone, and as every
//! backend keeps them.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use gov_core::{ApprovalId, AuditEventKind, Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    approval::{Approval, ApprovalRequest, Status, Verdict},
    chain::{Chain, Fallback},
    clock::RunningClock,
    store::{
        conformance::{self, answer, consume, request},
        memory::MemoryApprovalStore,
        postgres::{self, PgApprovalStore},
        sqlite::{self, SqliteApprovalStore},
    },
    transition::{self, Change, SYSTEM_TIMEOUT, Step},
};
use gov_store::fresh_database;
use proptest::prelude::*;
use tokio::task::JoinSet;

mod oracle;
mod play;
mod script;

/// How many cases are played on every run; on PostgreSQL, where each step is a round trip or more,
/// the long form plays as many.
const CASES: u64 = 2000;

/// How many cases are played on PostgreSQL on every run.
const CASES_ON_POSTGRES: u64 = 48;

/// How many databases are played on at a time: a case waits for the disk most of its time.
const LANES: u64 = 8;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody asks again; a new approval, if the last one is over.
    Ask(Fallback),
    /// A person answers about this digest.
    Decide(Verdict, u32),
    /// The agent uses it for this digest, under this key.
    Consume(u32, Option<&'static str>),
    Cancel,
    /// The scheduler looks.
    Fire,
    /// The time moves, also back.
    Move(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let fallback = prop_oneof![Just(Fallback::Deny), Just(Fallback::Allow), Just(Fallback::Park)];
    let verdict = prop_oneof![3 => Just(Verdict::Approve), 1 => Just(Verdict::Reject)];
    let digest = || prop_oneof![4 => Just(1_u32), 1 => Just(2)];
    let key = prop_oneof![Just(None), Just(Some("a")), Just(Some("b"))];
    prop_oneof![
        4 => fallback.prop_map(Event::Ask),
        2 => (verdict, digest()).prop_map(|(verdict, digest)| Event::Decide(verdict, digest)),
        3 => (digest(), key).prop_map(|(digest, key)| Event::Consume(digest, key)),
        1 => Just(Event::Cancel),
        6 => Just(Event::Fire),
        5 => (-300..1800_i64).prop_map(Event::Move),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_sequence_of_events_breaks_a_rule(events in prop::collection::vec(event(), 50..64)) {
        let mut now = ManualClock::default().now();
        let mut life = Life::open(Fallback::Deny, now);
        for event in events {
            let outcome = match event {
                Event::Ask(fallback) => {
                    if !life.approval.status.is_open() {
                        life = Life::open(fallback, now);
                    }
                    continue;
                }
                Event::Move(seconds) => {
                    now = Timestamp::from_micros_clamped(now.as_micros() + seconds * 1_000_000);
                    continue;
                }
                Event::Decide(verdict, number) => life.apply(&answer(verdict, number), now),
                Event::Consume(number, key) => life.apply(&consume(number, key), now),
                Event::Cancel => life.apply(&cancel(), now),
                Event::Fire => life.fire(now),
            };
            if let Some(step) = outcome {
                life.take(step, now);
            }
        }
    }
}

/// One approval and what ever happened to it.
struct Life {
    approval: Approval,
    answers: u32,
    uses: u32,
    told: u32,
}

impl Life {
    fn open(fallback: Fallback, now: Timestamp) -> Self {
        let chain = Chain { fallback, ..conformance::chain() };
        let request = ApprovalRequest { chain, ..request(1) };
        let step =
            transition::open(ApprovalId::at(now), request, None, RunningClock::default(), now);
        assert_eq!((step.approval.generation, step.history.len(), step.outbox.len()), (1, 2, 1));
        Self { approval: step.approval, answers: 0, uses: 0, told: 1 }
    }

    fn apply(&self, change: &Change, now: Timestamp) -> Option<Step> {
        let step = transition::apply(&self.approval, change, now).ok()?;
        match change {
            Change::Decide { digest, .. } => {
                assert!(self.approval.status.awaits_answer(), "answered twice");
                assert_eq!(*digest, self.approval.request.digest);
            }
            Change::Consume { digest, .. } => {
                assert_eq!(self.approval.status, Status::Approved, "used without a yes");
                assert_eq!(*digest, self.approval.request.digest);
                assert!(self.approval.expires_at.unwrap() > now, "used after its end");
            }
            Change::Draw(_) | Change::Reopen { .. } | Change::Cancel { .. } => (),
        }
        Some(step)
    }

    fn fire(&self, now: Timestamp) -> Option<Step> {
        let step = transition::fire(&self.approval, None, now)?;
        assert!(self.approval.due_at.unwrap() <= now, "fired before its time");
        Some(step)
    }

    /// Every change, whoever made it.
    fn take(&mut self, step: Step, now: Timestamp) {
        let (before, after) = (&self.approval, &step.approval);
        assert!(before.status.is_open(), "what was closed has changed");
        assert_eq!(after.generation, before.generation + 1);
        assert_eq!((after.id, &after.request), (before.id, &before.request));
        assert_eq!(after.submitted_at, before.submitted_at);
        let has_clock = matches!(after.status, Status::Pending | Status::Approved);
        assert_eq!(after.due_at.is_some(), has_clock);
        assert_eq!(after.expires_at.is_some(), has_clock);
        if before.answer.is_some() {
            assert_eq!(after.answer, before.answer, "an answer was changed");
        }

        let [row] = <[_; 1]>::try_from(step.history).unwrap();
        assert_eq!(row.at, now);
        match (&row.kind, after.status) {
            (AuditEventKind::ApprovalEscalated, Status::Pending) => {
                assert_eq!(after.rung, before.rung + 1);
                assert_eq!(step.outbox.len(), 1, "nobody was told");
                self.told += 1;
            }
            (AuditEventKind::ApprovalApproved, Status::Approved)
            | (AuditEventKind::ApprovalRejected, Status::Rejected) => {
                assert!(row.actor.starts_with("per_"));
                self.answers += 1;
            }
            (AuditEventKind::ApprovalTimedOut, status) => {
                let wanted = match after.request.chain.fallback {
                    Fallback::Deny => Status::TimedOut,
                    Fallback::Allow => Status::Approved,
                    Fallback::Park => Status::Parked,
                };
                assert_eq!((status, row.actor.as_str()), (wanted, SYSTEM_TIMEOUT));
                assert!(before.expires_at.unwrap() <= now);
                self.answers += u32::from(wanted != Status::Parked);
            }
            (AuditEventKind::ApprovalConsumed, Status::Consumed) => self.uses += 1,
            (AuditEventKind::ApprovalCancelled, Status::Cancelled)
            | (AuditEventKind::ApprovalExpired, Status::Expired) => (),
            (kind, status) => panic!("`{kind}` made it `{}`", status.as_str()),
        }
        assert!(self.answers <= 1 && self.uses <= self.answers);
        assert!(step.outbox.is_empty() || after.status == Status::Pending);
        assert_eq!(self.told, after.rung + 1);
        self.approval = step.approval;
    }
}

fn cancel() -> Change {
    let (actor, reason) = ("coder".to_owned(), "done by hand".to_owned());
    Change::Cancel { actor, reason, policy_version: None }
}

#[tokio::test]
async fn every_case_ends_in_memory_as_the_rules_say() {
    let mut ends = Ends::new();
    for first in (0..CASES).step_by(10) {
        let people = Arc::new(conformance::roster());
        let store = MemoryApprovalStore::default().with_directory(people);
        add(&mut ends, play::cases(&store, first..first + 10).await);
    }
    // What never happens is not tested.
    for end in ["drawn", "edited", "rejected", "timed_out", "cancelled", "consumed", "expired"] {
        assert!(ends.get(end).is_some_and(|it| *it > 50), "{ends:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_ends_in_sqlite_as_the_rules_say() {
    on_sqlite(0..CASES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_case_ends_in_postgres_as_the_rules_say() {
    on_postgres(0..CASES_ON_POSTGRES).await;
}

/// How many approvals ended how.
pub(crate) type Ends = BTreeMap<&'static str, u64>;

/// How the approvals of these cases end, in several files at a time.
pub(crate) async fn on_sqlite(seeds: Range<u64>) -> Ends {
    let mut lanes = JoinSet::new();
    for seeds in split(seeds) {
        let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
        let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
        let people = Arc::new(conformance::roster());
        let store = SqliteApprovalStore::new(writer, readers).with_directory(people);
        lanes.spawn(async move {
            let ends = play::cases(&store, seeds).await;
            drop(file);
            ends
        });
    }
    sum(lanes).await
}

/// As [`on_sqlite`], in databases; `None` without a server.
pub(crate) async fn on_postgres(seeds: Range<u64>) -> Option<Ends> {
    let mut lanes = JoinSet::new();
    for seeds in split(seeds) {
        let pool = fresh_database::postgres(&[&postgres::COMPONENT]).await?;
        let people = Arc::new(conformance::roster());
        let store = PgApprovalStore::new(pool).with_directory(people);
        lanes.spawn(async move { play::cases(&store, seeds).await });
    }
    Some(sum(lanes).await)
}

fn split(seeds: Range<u64>) -> impl Iterator<Item = Range<u64>> {
    let size = (seeds.end - seeds.start).div_ceil(LANES).max(1);
    (0..LANES).filter_map(move |lane| {
        let first = seeds.start + lane * size;
        (first < seeds.end).then(|| first..seeds.end.min(first + size))
    })
}

async fn sum(mut lanes: JoinSet<Ends>) -> Ends {
    let mut ends = Ends::new();
    while let Some(lane) = lanes.join_next().await {
        add(&mut ends, lane.unwrap());
    }
    ends
}

fn add(sum: &mut Ends, ends: Ends) {
    for (end, count) in ends {
        *sum.entry(end).or_default() += count;
    }
}
