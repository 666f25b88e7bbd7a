//! How sessions begin and end.

use gov_core::{Clock as _, PersonId, clock::ManualClock};

use super::*;
use crate::identity::{Identities, Person, Scope, TokenSecret};

struct Stage {
    clock: ManualClock,
    directory: Directory,
    sessions: Sessions,
    person: Person,
    token: Token,
}

fn stage() -> Stage {
    let clock = ManualClock::default();
    let person = Person {
        id: PersonId::at(clock.now()),
        name: "ann".parse().unwrap(),
        roles: Vec::new(),
        created_at: clock.now(),
        disabled_at: None,
        slack_user: None,
    };
    let token = token(clock.now(), person.id);
    let directory = Directory::new(Identities {
        tokens: vec![token.clone()],
        people: vec![person.clone()],
        ..Identities::default()
    });
    Stage { clock, directory, sessions: Sessions::default(), person, token }
}

fn token(now: Timestamp, person: PersonId) -> Token {
    let secret = TokenSecret::generate(TokenId::at(now)).unwrap();
    Token {
        id: secret.id(),
        secret_hash: secret.hash(),
        scope: Scope::Approver,
        agent_id: None,
        person_id: Some(person),
        created_at: now,
        expires_at: Some(now + Duration::from_hours(24)),
        revoked_at: None,
    }
}

impl Stage {
    fn open(&self) -> String {
        self.sessions.open(self.token.id, self.clock.now()).unwrap().to_text()
    }

    fn is_open(&self, cookie: &str, use_: Use) -> bool {
        self.sessions.visitor(cookie, &self.directory, self.clock.now(), use_).is_some()
    }
}

#[test]
fn a_session_is_found_by_its_cookie_and_by_nothing_else() {
    let it = stage();
    let cookie = it.open();
    assert_eq!(cookie.len(), 64);
    assert!(it.is_open(&cookie, Use::Acts));
    for other in [&it.open()[..63], &"0".repeat(64), "", &cookie.to_uppercase()] {
        assert!(!it.is_open(other, Use::Acts), "{other}");
    }
}

#[test]
fn a_session_ends_when_nobody_does_anything_for_an_hour() {
    let it = stage();
    let cookie = it.open();
    it.clock.advance(IDLE / 2);
    assert!(it.is_open(&cookie, Use::Acts));
    it.clock.advance(IDLE);
    assert!(!it.is_open(&cookie, Use::Acts));
    it.clock.set(it.token.created_at);
    assert!(!it.is_open(&cookie, Use::Acts), "a clock put back brought it back");
}

#[test]
fn a_page_that_only_watches_keeps_no_session_alive() {
    let it = stage();
    let cookie = it.open();
    it.clock.advance(IDLE / 2);
    assert!(it.is_open(&cookie, Use::Watches));
    it.clock.advance(IDLE / 2);
    assert!(!it.is_open(&cookie, Use::Watches));
}

#[test]
fn a_session_ends_after_twelve_hours_however_busy_it_is() {
    let it = stage();
    let cookie = it.open();
    for _ in 0..23 {
        it.clock.advance(IDLE / 2);
        assert!(it.is_open(&cookie, Use::Acts));
    }
    it.clock.advance(IDLE / 2);
    assert!(!it.is_open(&cookie, Use::Acts));
}

#[test]
fn a_token_that_is_revoked_takes_its_sessions_with_it() {
    let it = stage();
    let cookie = it.open();
    it.directory.put_token(Token { revoked_at: Some(it.clock.now()), ..it.token.clone() });
    assert!(!it.is_open(&cookie, Use::Acts));
    it.directory.put_token(it.token.clone());
    assert!(!it.is_open(&cookie, Use::Acts), "the session was only hidden");
}

#[test]
fn a_person_who_may_decide_no_more_loses_their_sessions() {
    let it = stage();
    let cookie = it.open();
    it.directory.put_person(Person { disabled_at: Some(it.clock.now()), ..it.person.clone() });
    assert!(!it.is_open(&cookie, Use::Acts));
}

#[test]
fn a_token_that_expires_takes_its_sessions_with_it() {
    let it = stage();
    it.clock.advance(Duration::from_hours(23) + IDLE / 2);
    let cookie = it.open();
    it.clock.advance(IDLE / 2);
    assert!(!it.is_open(&cookie, Use::Acts));
}

#[test]
fn logging_out_ends_this_session_and_no_other() {
    let it = stage();
    let (here, there) = (it.open(), it.open());
    it.sessions.close(&here);
    assert_eq!([&here, &there].map(|cookie| it.is_open(cookie, Use::Acts)), [false, true]);
}

#[test]
fn the_sessions_of_a_token_are_bounded_and_the_stalest_goes_first() {
    let it = stage();
    let mut cookies: Vec<_> = Vec::new();
    for _ in 0..MOST_OF_A_TOKEN {
        cookies.push(it.open());
        it.clock.advance(Duration::from_secs(1));
    }
    assert!(it.is_open(&cookies[0], Use::Acts), "the oldest, and now the freshest");
    it.clock.advance(Duration::from_secs(1));
    cookies.push(it.open());
    let open: Vec<_> = cookies.iter().map(|cookie| it.is_open(cookie, Use::Watches)).collect();
    assert_eq!(open.iter().filter(|it| **it).count(), MOST_OF_A_TOKEN);
    assert_eq!((open[0], open[1]), (true, false));
}

#[test]
fn all_sessions_together_are_bounded() {
    let it = stage();
    let mut now = it.clock.now();
    for _ in 0..=MOST {
        now = now + Duration::from_micros(1);
        it.sessions.open(TokenId::at(now), now).unwrap();
    }
    assert_eq!(it.sessions.open.lock().len(), MOST);
}

#[test]
fn a_forms_secret_is_its_own_sessions_only() {
    let it = stage();
    let csrf = |cookie: &str| {
        let now = it.clock.now();
        it.sessions.visitor(cookie, &it.directory, now, Use::Acts).unwrap().csrf
    };
    let (ours, theirs) = (csrf(&it.open()), csrf(&it.open()));
    assert!(ours.matches(&ours.to_text()));
    for wrong in [&theirs.to_text(), "", &ours.to_text()[..62]] {
        assert!(!ours.matches(wrong), "{wrong}");
    }
}

#[test]
fn no_secret_shows_in_debug_output() {
    let it = stage();
    let secret = it.sessions.open(it.token.id, it.clock.now()).unwrap();
    let shown = format!("{secret:?} {:?}", it.sessions);
    assert!(!shown.contains(&secret.to_text()), "{shown}");
    let cookie = secret.to_text();
    let now = it.clock.now();
    let visitor = it.sessions.visitor(&cookie, &it.directory, now, Use::Acts).unwrap();
    assert!(!format!("{visitor:?}").contains(&visitor.csrf.to_text()));
}
