//! When memory counts, and what brings it up to date.

use gov_core::{AgentId, clock::ManualClock};
use gov_store::fresh_database::{self, SqliteFile};

use super::*;
use crate::{
    identity::{Agent, Scope, Token, TokenSecret},
    servers::Servers,
    store::{
        Edit, Effect, StoredPolicy,
        sqlite::{COMPONENT, SqliteGatewayStore},
    },
};

/// Two servers on one store: one changes it directly, the other follows.
struct It {
    clock: ManualClock,
    store: Arc<dyn GatewayStore>,
    directory: Arc<Directory>,
    freshness: Freshness,
    follower: GenerationFollower,
    file: Option<SqliteFile>,
}

fn start() -> It {
    let (file, clock) = (fresh_database::sqlite(&[&COMPONENT]), ManualClock::default());
    let store: Arc<dyn GatewayStore> = Arc::new(SqliteGatewayStore::new(&file.database));
    let shared_clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let (directory, freshness) = (Arc::<Directory>::default(), Freshness::since(clock.now()));
    let policies =
        Policies::new(Arc::clone(&store), Arc::default(), Arc::clone(&shared_clock), None);
    let follower = GenerationFollower::new(
        Arc::clone(&store),
        Memory { directory: Arc::clone(&directory), policies, generation: 0 },
        freshness.clone(),
        None,
        shared_clock,
    );
    It { clock, store, directory, freshness, follower, file: Some(file) }
}

impl It {
    /// What another server does.
    async fn elsewhere(&self, effect: Effect) -> (Edit, u64) {
        let edit = Edit::new(effect, "test", self.clock.now()).unwrap();
        let position = self.store.apply(edit.clone()).await.unwrap().unwrap();
        (edit, position)
    }

    async fn pass(&mut self) -> Followed {
        self.follower.run_once().await.unwrap()
    }

    fn token(&self) -> (Token, TokenSecret) {
        let now = self.clock.now();
        let secret = TokenSecret::generate(gov_core::TokenId::at(now)).unwrap();
        let token = Token {
            id: secret.id(),
            secret_hash: secret.hash(),
            scope: Scope::Admin,
            agent_id: None,
            person_id: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        (token, secret)
    }
}

fn agent(id: &str) -> AgentId {
    id.parse().unwrap()
}

#[test]
fn memory_counts_until_three_seconds_have_passed_and_again_when_it_is_confirmed() {
    let clock = ManualClock::default();
    let freshness = Freshness::since(clock.now());
    clock.advance(Duration::from_micros(2_999_999));
    assert!(freshness.is_fresh(clock.now()));
    clock.advance(Duration::from_micros(1));
    assert!(!freshness.is_fresh(clock.now()));
    freshness.confirm(clock.now());
    assert!(freshness.is_fresh(clock.now()));
    assert!(Freshness::always().is_fresh(clock.now()));
}

#[test]
fn a_clock_that_was_set_back_confirms_nothing() {
    let clock = ManualClock::default();
    let freshness = Freshness::since(clock.now() + Duration::from_hours(1));
    assert!(!freshness.is_fresh(clock.now()));
}

#[tokio::test]
async fn what_was_withdrawn_elsewhere_is_refused_after_the_next_pass() {
    let mut it = start();
    let (token, secret) = it.token();
    it.elsewhere(Effect::AddToken(token.clone())).await;
    assert_eq!(it.pass().await, Followed::Everything);
    assert!(it.directory.authenticate(&secret.to_text(), it.clock.now()).is_ok());
    it.elsewhere(Effect::RevokeToken(token)).await;
    assert_eq!(it.pass().await, Followed::Everything);
    assert!(it.directory.authenticate(&secret.to_text(), it.clock.now()).is_err());
    assert_eq!(it.pass().await, Followed::Unchanged);
}

#[tokio::test]
async fn agents_that_register_elsewhere_are_known_and_keep_their_owners() {
    let mut it = start();
    it.elsewhere(Effect::RegisterAgent(agent("a"))).await;
    assert_eq!(it.pass().await, Followed::Agents);
    let owners = vec![gov_core::PersonId::at(it.clock.now())];
    let registered_at = it.clock.now();
    it.directory.put_agent(Agent { id: agent("b"), registered_at, owners: owners.clone() });
    it.elsewhere(Effect::RegisterAgent(agent("b"))).await;
    assert_eq!(it.pass().await, Followed::Agents);
    assert!(it.directory.knows_agent(&agent("a")));
    assert_eq!(it.directory.owners_of(&agent("b")), owners);
}

#[tokio::test]
async fn many_registrations_are_read_at_once() {
    let mut it = start();
    for number in 0..FEW {
        it.elsewhere(Effect::RegisterAgent(agent(&format!("a{number}")))).await;
    }
    assert_eq!(it.pass().await, Followed::Everything);
    assert_eq!(it.directory.agents().len(), FEW as usize);
}

#[tokio::test]
async fn what_was_read_before_a_change_of_our_own_does_not_undo_it() {
    let mut it = start();
    let (token, secret) = it.token();
    let before = it.store.contents().await.unwrap();
    let (edit, position) = it.elsewhere(Effect::AddToken(token)).await;
    it.directory.take_in(&edit, position);
    assert!(!it.directory.replace(before.identities, before.generation));
    assert!(it.directory.authenticate(&secret.to_text(), it.clock.now()).is_ok());
    assert_eq!(it.pass().await, Followed::Everything);
}

#[tokio::test]
async fn a_pass_that_a_change_of_our_own_overtook_confirms_nothing() {
    let mut it = start();
    let clock = Arc::new(it.clock.clone());
    let servers = Servers::sharing(Arc::clone(&it.store), "a".to_owned(), clock);
    it.follower.attendance = servers.attendance();
    let noted = async |it: &It| it.store.presences().await.unwrap().remove(0).generation;
    it.clock.advance(LIMIT);
    it.elsewhere(Effect::AddToken(it.token().0)).await;
    // It is in memory before it is in what the pass reads.
    let ours = Edit::new(Effect::AddToken(it.token().0), "test", it.clock.now()).unwrap();
    it.directory.take_in(&ours, 2);
    assert_eq!(it.pass().await, Followed::Overtaken);
    assert!(!it.freshness.is_fresh(it.clock.now()));
    assert_eq!(noted(&it).await, 0, "what the other one changed is not in memory yet");
    assert_eq!(it.store.apply(ours).await.unwrap(), Some(2));
    assert_eq!(it.pass().await, Followed::Everything);
    assert!(it.freshness.is_fresh(it.clock.now()));
    assert_eq!(noted(&it).await, 2);
}

#[tokio::test]
async fn what_is_withdrawn_here_stays_so_while_the_store_has_not_heard_of_it() {
    let mut it = start();
    let (token, secret) = it.token();
    it.elsewhere(Effect::AddToken(token.clone())).await;
    it.directory.put_token(Token { revoked_at: Some(it.clock.now()), ..token });
    assert_eq!(it.pass().await, Followed::Everything);
    assert!(it.directory.authenticate(&secret.to_text(), it.clock.now()).is_err());
}

#[tokio::test]
async fn a_database_that_is_away_goes_stale_and_recovers_by_itself() {
    let mut it = start();
    it.clock.advance(Duration::from_secs(2));
    it.pass().await;
    let file = it.file.take().unwrap();
    let (database, folder) = file.into_parts();
    database.close().await;
    it.clock.advance(Duration::from_millis(2_900));
    assert!(it.follower.run_once().await.is_err());
    assert!(it.freshness.is_fresh(it.clock.now()), "confirmed less than 3 s ago");
    it.clock.advance(Duration::from_millis(100));
    assert!(!it.freshness.is_fresh(it.clock.now()));

    let options = gov_store::sqlite::DatabaseOptions::new("test");
    let path = folder.path().join("gov.db");
    let database =
        gov_store::sqlite::Database::open(&path, &options, &[&COMPONENT], it.clock.now()).unwrap();
    it.follower.store = Arc::new(SqliteGatewayStore::new(&database));
    it.pass().await;
    assert!(it.freshness.is_fresh(it.clock.now()));
    database.close().await;
}

#[tokio::test]
async fn a_database_that_was_put_back_confirms_nothing() {
    let mut it = start();
    it.follower.memory.generation = 7;
    let error = it.follower.run_once().await.unwrap_err();
    assert!(matches!(error, GenerationError::WentBack { loaded: 7, found: 0 }), "{error}");
}

#[tokio::test]
async fn a_policy_that_cannot_be_loaded_confirms_nothing_and_withdraws_all_the_same() {
    let mut it = start();
    let (token, secret) = it.token();
    it.elsewhere(Effect::AddToken(token.clone())).await;
    it.pass().await;
    let policy = StoredPolicy {
        version: 1,
        name: "own".into(),
        text: "written by another build".into(),
        activated_at: it.clock.now(),
    };
    it.elsewhere(Effect::RevokeToken(token)).await;
    it.elsewhere(Effect::ActivatePolicy { policy, again: false }).await;
    it.clock.advance(LIMIT);
    for _ in 0..2 {
        let error = it.follower.run_once().await.unwrap_err();
        assert!(matches!(error, GenerationError::Policy { version: 1, .. }), "{error}");
        assert!(!it.freshness.is_fresh(it.clock.now()));
    }
    assert!(it.directory.authenticate(&secret.to_text(), it.clock.now()).is_err());
}
