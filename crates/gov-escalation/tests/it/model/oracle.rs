//! The rules of one approval a second time, as plainly as they can be said.

use std::time::Duration;

use gov_core::{AuditEventKind as Kind, PersonId, Role, Timestamp};
use gov_escalation::{
    Roster,
    approval::{Approval, Status, Verdict},
    chain::{Chain, Fallback, Late, Rung},
    store::conformance::{APPROVED_FOR, LASTS},
    transition::{Refusal, SYSTEM_TIMEOUT},
};

mod edit;

pub(crate) use self::edit::{Becomes, Edited};

/// One approval as it should be, and all that should have been written about it.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) shape: Shape,
    chain: Chain,
    votes: Vec<Cast>,
    key: Option<&'static str>,
    is_grant: bool,
    pub(crate) rows: Vec<Kind>,
    /// The rungs that were told, in order.
    pub(crate) told: Vec<u32>,
}

/// What is compared with what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    status: Status,
    rung: u32,
    arrived_at: Timestamp,
    due_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    generation: u64,
    calls_left: Option<u32>,
    answered_by: Option<String>,
    voters: Vec<(PersonId, PersonId, Verdict, u32)>,
}

#[derive(Clone, Debug)]
struct Cast {
    seat: PersonId,
    roles: Vec<Role>,
}

/// What the clock did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Struck {
    Escalated { skipped: u32 },
    Settled { skipped: u32 },
    FellBack,
    Expired,
}

impl Shape {
    pub(crate) fn of(it: &Approval) -> Self {
        let voters = it.votes.iter().map(|it| (it.person, it.seat, it.verdict, it.rung));
        Self {
            status: it.status,
            rung: it.rung,
            arrived_at: it.arrived_at,
            due_at: it.due_at,
            expires_at: it.expires_at,
            generation: it.generation,
            calls_left: it.calls_left,
            answered_by: it.answer.as_ref().map(|it| it.actor.clone()),
            voters: voters.collect(),
        }
    }
}

impl Shape {
    /// A halt gives its time back.
    pub(crate) fn later(&mut self, by: Duration) {
        self.arrived_at = self.arrived_at + by;
        self.due_at = self.due_at.map(|it| it + by);
        self.expires_at = self.expires_at.map(|it| it + by);
    }

    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.due_at
    }
}

impl Life {
    /// One action, or so many calls.
    pub(crate) fn open(chain: Chain, calls: Option<u32>, roster: &Roster, now: Timestamp) -> Self {
        let shape = Shape {
            status: Status::Pending,
            rung: 0,
            arrived_at: now,
            due_at: None,
            expires_at: None,
            generation: 1,
            calls_left: calls,
            answered_by: None,
            voters: Vec::new(),
        };
        let rows = vec![Kind::ApprovalRequested];
        let (votes, told, is_grant) = (Vec::new(), Vec::new(), calls.is_some());
        let mut it = Self { shape, chain, votes, key: None, is_grant, rows, told };
        it.ask(roster, now);
        it
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.shape.status, Status::Pending | Status::Parked | Status::Approved)
    }

    /// The first rung is asked, the clock begins.
    fn ask(&mut self, roster: &Roster, now: Timestamp) {
        self.shape.expires_at = Some(now + self.chain.timeout.0);
        self.come_to(0, now, roster, now);
        self.rows.push(Kind::ApprovalRouted);
        self.told.push(self.shape.rung);
    }

    /// Comes to a rung, or beyond it; how many were skipped because nobody is there.
    fn come_to(&mut self, rung: u32, at: Timestamp, roster: &Roster, now: Timestamp) -> u32 {
        let (mut rung, mut at, mut skipped) = (rung, at, 0);
        loop {
            let this = &self.chain.rungs[rung as usize];
            let Some(next) = self.chain.rungs.get(rung as usize + 1) else { break };
            let coder = "coder".parse().unwrap();
            let somebody = roster.members.iter().any(|(person, roles)| {
                admits(this, *person, roles) && !roster.owns(*person, &coder)
            });
            if this.allow_skip_when_empty && !somebody {
                self.rows.push(Kind::ApprovalSkipped);
                skipped += 1;
            } else if this.late == Late::SkipToCurrent && now >= at + next.after.0 {
                at = at + next.after.0;
            } else {
                break;
            }
            rung += 1;
        }
        (self.shape.rung, self.shape.arrived_at) = (rung, at);
        let end = self.shape.expires_at.unwrap();
        let next = self.chain.rungs.get(rung as usize + 1);
        self.shape.due_at = Some(next.map_or(end, |it| end.min(at + it.after.0)));
        skipped
    }

    /// The status, if the clock had been looked at just now.
    fn status(&self, now: Timestamp) -> Status {
        let over = self.shape.expires_at.is_some_and(|it| it <= now);
        match self.shape.status {
            Status::Pending if over => match self.fallback() {
                Fallback::Deny => Status::TimedOut,
                Fallback::Allow => Status::Approved,
                Fallback::Park => Status::Parked,
            },
            Status::Approved if over => Status::Expired,
            other => other,
        }
    }

    pub(crate) fn answer(
        &mut self,
        person: PersonId,
        verdict: Verdict,
        right_digest: bool,
        roster: &Roster,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let coder = "coder".parse().unwrap();
        if !roster.members.contains_key(&person) {
            return Err(Refusal::Unknown);
        }
        if roster.owns(person, &coder) {
            return Err(Refusal::OwnsAgent);
        }
        let named = roster.stand_ins.iter().filter(|it| it.stand_in == person);
        let asked = &self.chain.rungs[..=self.shape.rung as usize];
        let mut seats: Vec<PersonId> =
            [person].into_iter().chain(named.map(|it| it.person)).collect();
        seats.retain(|seat| asked.iter().any(|it| admits(it, *seat, &roster.members[seat])));
        if seats.is_empty() {
            return Err(Refusal::NotAsked);
        }
        seats.retain(|seat| !roster.owns(*seat, &coder));
        if seats.is_empty() {
            return Err(Refusal::OwnsAgent);
        }
        let status = self.status(now);
        if !matches!(status, Status::Pending | Status::Parked) {
            return Err(Refusal::Status(status));
        }
        if !right_digest {
            return Err(Refusal::OtherDigest);
        }
        let voters = &self.shape.voters;
        let unused = seats.into_iter().find(|seat| voters.iter().all(|it| it.1 != *seat));
        let Some(seat) = unused.filter(|_| voters.iter().all(|it| it.0 != person)) else {
            return Err(Refusal::VotedBefore);
        };
        self.shape.voters.push((person, seat, verdict, self.shape.rung));
        self.shape.generation += 1;
        if verdict == Verdict::Reject {
            self.end(Status::Rejected, Some(person.to_string()), Kind::ApprovalRejected);
            return Ok(());
        }
        self.votes.push(Cast { seat, roles: roster.members[&seat].clone() });
        if self.is_satisfied(&self.chain, self.shape.rung) {
            self.approve(now);
        } else {
            self.rows.push(Kind::ApprovalVoted);
        }
        Ok(())
    }

    fn approve(&mut self, now: Timestamp) {
        let last = self.shape.voters.last().unwrap().0.to_string();
        self.end(Status::Approved, Some(last), Kind::ApprovalApproved);
        let lasts = if self.is_grant { LASTS } else { APPROVED_FOR };
        self.shape.expires_at = Some(now + lasts);
        self.shape.due_at = self.shape.expires_at;
    }

    fn end(&mut self, status: Status, by: Option<String>, row: Kind) {
        self.shape.status = status;
        self.shape.answered_by = by.or(self.shape.answered_by.take());
        (self.shape.due_at, self.shape.expires_at) = (None, None);
        self.rows.push(row);
    }

    fn is_satisfied(&self, chain: &Chain, upto: u32) -> bool {
        let asked = chain.rungs.iter().take(upto as usize + 1);
        asked.into_iter().any(|rung| {
            let admitted = self.votes.iter().filter(|it| admits(rung, it.seat, &it.roles));
            let admitted: Vec<_> = admitted.map(|it| it.roles.as_slice()).collect();
            if rung.require.is_empty() {
                return admitted.len() >= rung.quorum as usize;
            }
            let places = rung.require.iter().flat_map(|it| vec![&it.role; it.count as usize]);
            fits(&places.collect::<Vec<_>>(), &admitted)
        })
    }

    pub(crate) fn use_up(
        &mut self,
        right_digest: bool,
        key: Option<&'static str>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if !right_digest {
            return Err(Refusal::OtherDigest);
        }
        if self.shape.status == Status::Consumed && key.is_some() && key == self.key {
            return Err(Refusal::Replayed);
        }
        match self.shape.status {
            Status::Approved if self.status(now) == Status::Expired => {
                Err(Refusal::Status(Status::Expired))
            }
            Status::Approved => {
                self.key = key;
                self.shape.generation += 1;
                self.end(Status::Consumed, None, Kind::ApprovalConsumed);
                Ok(())
            }
            other => Err(Refusal::Status(other)),
        }
    }

    /// A call that was not drawn before, within its limits or not.
    pub(crate) fn draw(&mut self, is_covered: bool, now: Timestamp) -> Result<(), Refusal> {
        match self.shape.status {
            Status::Approved if self.status(now) == Status::Expired => {
                return Err(Refusal::Status(Status::Expired));
            }
            Status::Approved if is_covered => (),
            Status::Approved => return Err(Refusal::NotCovered),
            other => return Err(Refusal::Status(other)),
        }
        let left = self.shape.calls_left.unwrap() - 1;
        self.shape.calls_left = Some(left);
        self.shape.generation += 1;
        if left == 0 {
            self.end(Status::Consumed, None, Kind::ApprovalConsumed);
        } else {
            self.rows.push(Kind::ApprovalConsumed);
        }
        Ok(())
    }

    pub(crate) fn chain(&self) -> &Chain {
        &self.chain
    }

    /// What silence means: never yes to a grant.
    fn fallback(&self) -> Fallback {
        match self.chain.fallback {
            Fallback::Allow if self.is_grant => Fallback::Deny,
            fallback => fallback,
        }
    }

    pub(crate) fn cancel(&mut self) -> Result<(), Refusal> {
        if !self.is_open() {
            return Err(Refusal::Status(self.shape.status));
        }
        self.shape.generation += 1;
        self.end(Status::Cancelled, None, Kind::ApprovalCancelled);
        Ok(())
    }

    pub(crate) fn reopen(
        &mut self,
        chain: Chain,
        roster: &Roster,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.shape.status != Status::Approved || self.status(now) != Status::Approved {
            return Err(Refusal::Status(self.status(now)));
        }
        if self.is_grant {
            return Err(Refusal::NotCovered);
        }
        let silence = self.shape.answered_by.as_deref() == Some(SYSTEM_TIMEOUT);
        let mut asked = Self { chain, rows: self.rows.clone(), ..self.clone() };
        asked.rows.push(Kind::ApprovalReopened);
        asked.ask(roster, now);
        let holds = asked.chain == self.chain
            || (silence && asked.chain.fallback == Fallback::Allow)
            || self.is_satisfied(&asked.chain, self.shape.rung.max(asked.shape.rung));
        if holds {
            return Err(Refusal::Satisfied);
        }
        asked.shape.status = Status::Pending;
        asked.shape.answered_by = None;
        asked.shape.generation += 1;
        *self = asked;
        Ok(())
    }

    /// What the clock does, once.
    pub(crate) fn strike(&mut self, roster: &Roster, now: Timestamp) -> Option<Struck> {
        let due = self.shape.due_at.filter(|it| *it <= now)?;
        self.shape.generation += 1;
        if self.shape.status == Status::Approved {
            self.end(Status::Expired, None, Kind::ApprovalExpired);
            return Some(Struck::Expired);
        }
        if self.shape.expires_at.unwrap() <= now {
            let (status, by) = match self.fallback() {
                Fallback::Deny => (Status::TimedOut, Some(SYSTEM_TIMEOUT.to_owned())),
                Fallback::Allow => (Status::Approved, Some(SYSTEM_TIMEOUT.to_owned())),
                Fallback::Park => (Status::Parked, None),
            };
            self.end(status, by, Kind::ApprovalTimedOut);
            if status == Status::Approved {
                self.shape.expires_at = Some(now + APPROVED_FOR);
                self.shape.due_at = self.shape.expires_at;
            }
            return Some(Struck::FellBack);
        }
        let skipped = self.come_to(self.shape.rung + 1, due, roster, now);
        self.rows.push(Kind::ApprovalEscalated);
        if self.is_satisfied(&self.chain, self.shape.rung) {
            self.approve(now);
            return Some(Struck::Settled { skipped });
        }
        self.told.push(self.shape.rung);
        Some(Struck::Escalated { skipped })
    }
}

fn admits(rung: &Rung, person: PersonId, roles: &[Role]) -> bool {
    if rung.roles.is_empty() && rung.people.is_empty() && rung.require.is_empty() {
        return true;
    }
    rung.people.contains(&person)
        || roles.iter().any(|role| rung.roles.contains(role))
        || roles.iter().any(|role| rung.require.iter().any(|it| it.role == *role))
}

/// Whether everybody's best choice fills all places: tries everything.
fn fits(places: &[&Role], people: &[&[Role]]) -> bool {
    let Some((place, rest)) = places.split_first() else { return true };
    (0..people.len()).any(|index| {
        let mut others = people.to_vec();
        let taken = others.remove(index);
        taken.contains(*place) && fits(rest, &others)
    })
}
