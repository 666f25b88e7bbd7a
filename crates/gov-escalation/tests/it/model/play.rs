//! Plays a case on a store and on the oracle beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use gov_core::{ApprovalId, Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    Roster,
    approval::{ApprovalRequest, Decider, Status},
    chain::Chain,
    store::{
        Applied, Fired, Lane, Replaced,
        conformance::{self, Backend, asking_for_calls, call, consume, person, request, said},
    },
    transition::{Change, Draw, Edit, Refusal},
};

use super::{
    oracle::{Becomes, Edited, Life, Shape, Struck},
    script::{self, ACTIONS, CALLS, Event, GRANT},
};

/// No case reaches the next one's time.
const APART: Duration = Duration::from_hours(1000);

/// One case on one store, which may hold earlier cases; nothing is left open behind it.
pub(crate) struct Case<'s> {
    store: &'s dyn Backend,
    seed: u64,
    roster: Arc<Roster>,
    now: Timestamp,
    halted_at: Option<Timestamp>,
    last_halt: Option<Timestamp>,
    /// By action.
    current: BTreeMap<u32, ApprovalId>,
    lives: BTreeMap<ApprovalId, Life>,
    /// The keys under which calls were drawn; and all that were, also without.
    keys: BTreeSet<&'static str>,
    drawn: u64,
}

/// Plays the cases of these seeds; how each approval ended, counted.
pub(crate) async fn cases(
    store: &dyn Backend,
    seeds: std::ops::Range<u64>,
) -> BTreeMap<&'static str, u64> {
    let mut ends = BTreeMap::new();
    for seed in seeds {
        let now = ManualClock::default().now() + APART * u32::try_from(seed).unwrap();
        let mut case = Case {
            store,
            seed,
            roster: conformance::roster(),
            now,
            halted_at: None,
            last_halt: None,
            current: BTreeMap::new(),
            lives: BTreeMap::new(),
            keys: BTreeSet::new(),
            drawn: 0,
        };
        for (step, event) in script::of_seed(seed).into_iter().enumerate() {
            let what = format!("seed {seed}, step {step}: {event:?}");
            case.step(event, &what).await;
        }
        case.close().await;
        *ends.entry("drawn").or_default() += case.drawn;
        for life in case.lives.values() {
            let end = life.rows.last().unwrap().as_str().strip_prefix("approval.");
            // Kinds of approvals have words of their own.
            let mut words = Status::ALL.map(Status::as_str).into_iter().chain(["edited"]);
            *ends.entry(words.find(|it| Some(*it) == end).unwrap()).or_default() += 1;
        }
    }
    ends
}

impl Case<'_> {
    async fn step(&mut self, event: Event, what: &str) {
        match event {
            Event::Move(seconds) => {
                self.now =
                    Timestamp::from_micros_clamped(self.now.as_micros() + seconds * 1_000_000);
            }
            Event::Halt => self.halt(what).await,
            Event::Resume => self.resume(what).await,
            Event::Fire => self.fire(what).await,
            Event::Ask(action, chain) => self.ask(action, chain, what).await,
            Event::Answer { action, person: name, verdict, saw } => {
                let (who, roster) = (person(name), Arc::clone(&self.roster));
                let change = said(verdict, self.number(saw), who, Arc::clone(&roster), None);
                self.change(action, change, what, |life, now| {
                    life.answer(who, verdict, saw == action, &roster, now)
                })
                .await;
            }
            Event::Use { action: GRANT, of, key } => self.draw(of == GRANT, key, what).await,
            Event::Use { action, of, key } => {
                let change = consume(self.number(of), key);
                self.change(action, change, what, |life, now| life.use_up(of == action, key, now))
                    .await;
            }
            Event::Reopen(action, chain) => {
                let roster = Arc::clone(&self.roster);
                let change = Change::Reopen {
                    chain: chain.clone(),
                    policy_version: 9,
                    roster: Arc::clone(&roster),
                };
                self.change(action, change, what, |life, now| life.reopen(chain, &roster, now))
                    .await;
            }
            Event::Edit { action, into, person: name, saw, chain } => {
                let is_asked = self.lives[&self.current[&into]].is_open();
                let becomes = match into {
                    GRANT => Becomes::Grant,
                    _ if into == action => Becomes::Same,
                    _ if is_asked => Becomes::Asked,
                    _ => Becomes::New,
                };
                let (person, right_digest) = (person(name), saw == action);
                let it = Edited { person, right_digest, into: becomes, chain };
                self.edit(action, into, self.number(saw), it, what).await;
            }
            Event::Cancel(action) => {
                let (actor, reason) = ("coder".to_owned(), "done by hand".to_owned());
                let change = Change::Cancel { actor, reason, policy_version: None };
                self.change(action, change, what, |life, _| life.cancel()).await;
            }
        }
    }

    /// What all clocks show.
    fn shown(&self) -> Timestamp {
        self.halted_at.map_or(self.now, |it| it.min(self.now))
    }

    async fn halt(&mut self, what: &str) {
        // The time moves back, too: what begins no later than the last one is that one again.
        let wanted = self.halted_at.is_none() && self.last_halt.is_none_or(|it| it < self.now);
        assert_eq!(self.store.halt(self.now).await.unwrap(), wanted, "{what}");
        if wanted {
            (self.halted_at, self.last_halt) = (Some(self.now), Some(self.now));
        }
    }

    async fn resume(&mut self, what: &str) {
        let halted_at = self.halted_at.take();
        let wanted = halted_at.map(|it| self.now.since(it));
        let named = halted_at.unwrap_or(self.now);
        assert_eq!(self.store.resume(named, self.now).await.unwrap(), wanted, "{what}");
        for life in self.lives.values_mut() {
            life.shape.later(wanted.unwrap_or_default());
        }
    }

    /// The number of an action among those of all cases.
    fn number(&self, action: u32) -> u32 {
        u32::try_from(self.seed).unwrap() * ACTIONS + action
    }

    fn request(&self, action: u32, chain: Chain) -> ApprovalRequest {
        let number = self.number(action);
        let wanted = match action {
            GRANT => asking_for_calls(number, CALLS),
            _ => request(number),
        };
        ApprovalRequest { chain, ..wanted }
    }

    async fn ask(&mut self, action: u32, chain: Chain, what: &str) {
        let calls = (action == GRANT).then_some(CALLS);
        let wanted = self.request(action, chain.clone());
        let submitted = self.store.submit(wanted, self.now).await.unwrap();
        let id = submitted.approval.id;
        let open = self.current.get(&action).filter(|it| self.lives[it].is_open());
        assert_eq!(submitted.position.is_none(), open.is_some(), "{what}");
        if let Some(open) = open {
            assert_eq!(id, *open, "{what}");
        } else {
            self.lives.insert(id, Life::open(chain, calls, &self.roster, self.shown()));
            self.current.insert(action, id);
        }
        assert_eq!(Shape::of(&submitted.approval), self.lives[&id].shape, "{what}");
    }

    /// A call of the grant, or one that is none of its own.
    async fn draw(&mut self, is_covered: bool, key: Option<&'static str>, what: &str) {
        let chain = self.lives[&self.current[&GRANT]].chain().clone();
        let key_text = key.map(str::to_owned);
        let mut it = Draw { chain, idempotency_key: key_text, ..call(self.number(GRANT)) };
        if !is_covered {
            "pay".clone_into(&mut it.call.tool);
            it.digest = conformance::digest(self.number(GRANT));
        }
        let is_repeat = is_covered && key.is_some_and(|it| self.keys.contains(it));
        let change = Change::Draw(Box::new(it));
        let done = self
            .change(GRANT, change, what, |life, now| {
                if is_repeat { Err(Refusal::Replayed) } else { life.draw(is_covered, now) }
            })
            .await;
        if done {
            self.drawn += 1;
            self.keys.extend(key);
        }
    }

    /// Whether the change was made.
    async fn change(
        &mut self,
        action: u32,
        change: Change,
        what: &str,
        expected: impl FnOnce(&mut Life, Timestamp) -> Result<(), Refusal>,
    ) -> bool {
        let (id, shown) = (self.current[&action], self.shown());
        let life = self.lives.get_mut(&id).unwrap();
        let wanted = expected(life, shown);
        let (approval, outcome) = match self.store.apply(id, change, self.now).await.unwrap() {
            Applied::Done { approval, .. } => (approval, Ok(())),
            Applied::Refused { approval, refusal } => (approval, Err(refusal)),
        };
        assert_eq!(outcome, wanted, "{what}");
        assert_eq!(Shape::of(&approval), life.shape, "{what}");
        outcome.is_ok()
    }

    /// The one is over and the other is there, or nothing has changed.
    async fn edit(&mut self, action: u32, into: u32, saw: u32, it: Edited, what: &str) {
        let (id, shown) = (self.current[&action], self.shown());
        let edit = Edit {
            digest: conformance::digest(saw),
            request: self.request(into, it.chain.clone()),
            decider: Decider { person_id: it.person },
            roster: Arc::clone(&self.roster),
            comment: None,
        };
        let life = self.lives.get_mut(&id).unwrap();
        let wanted = life.edit(it, &self.roster, shown);
        match (self.store.replace(id, edit, self.now).await.unwrap(), wanted) {
            (Replaced::Done { old, new, .. }, Ok(other)) => {
                assert_eq!(
                    (Shape::of(&old), Shape::of(&new)),
                    (life.shape.clone(), other.shape.clone()),
                    "{what}"
                );
                assert_eq!((old.edited_into, new.request.edited_from), (Some(new.id), Some(id)));
                self.lives.insert(new.id, other);
                self.current.insert(into, new.id);
            }
            (Replaced::Refused { approval, refusal }, Err(wanted)) => {
                assert_eq!(refusal, wanted, "{what}");
                assert_eq!(Shape::of(&approval), life.shape, "{what}");
            }
            (done, wanted) => panic!("{what}: {done:?}, and not {wanted:?}"),
        }
    }

    async fn fire(&mut self, what: &str) {
        let mut wanted = Fired::default();
        let runs = self.halted_at.is_none();
        for life in self.lives.values_mut().filter(|_| runs) {
            let (counter, skips) = match life.strike(&self.roster, self.now) {
                Some(Struck::Escalated { skipped }) => (&mut wanted.escalated, skipped),
                Some(Struck::Settled { skipped }) => (&mut wanted.settled, skipped),
                Some(Struck::FellBack) => (&mut wanted.fell_back, 0),
                Some(Struck::Expired) => (&mut wanted.expired, 0),
                None => continue,
            };
            *counter += 1;
            wanted.skipped += skips;
        }
        assert_eq!(self.store.fire_due(self.now, 100).await.unwrap(), wanted, "{what}");
        for (id, life) in self.lives.iter().filter(|(_, life)| life.is_open()) {
            assert_eq!(Shape::of(&self.store.get(*id).await.unwrap()), life.shape, "{what}");
        }
        let next = self.store.next_deadline().await.unwrap();
        let earliest = self.lives.values().filter_map(|it| it.shape.due()).min();
        assert_eq!(next, earliest.filter(|_| runs), "{what}");
    }

    /// Everything that was written about the case is as it should be.
    async fn close(&mut self) {
        for action in 0..ACTIONS {
            self.step(Event::Cancel(action), "at the end").await;
        }
        self.step(Event::Resume, "at the end").await;
        let late = self.now + APART / 2;
        let mut told: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        // Leased for ever: no later case gets them.
        for it in self
            .store
            .lease_unsent(Lane::unpaced("log"), late, APART * 1_000_000, 10_000)
            .await
            .unwrap()
        {
            told.entry(it.notification.approval_id).or_default().push(it.notification.rung);
        }
        for (id, life) in &self.lives {
            let seed = self.seed;
            assert_eq!(Shape::of(&self.store.get(*id).await.unwrap()), life.shape, "seed {seed}");
            let rows = self.store.of_approval(*id).await.unwrap();
            let kinds: Vec<_> = rows.into_iter().map(|it| it.kind).collect();
            assert_eq!(kinds, life.rows, "seed {seed}");
            assert_eq!(told.remove(id).unwrap_or_default(), life.told, "seed {seed}");
        }
        assert!(told.is_empty(), "messages of nobody");
    }
}
