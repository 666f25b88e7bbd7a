//! Which servers of a deployment go by a change.
//!
//! Each server notes once a second, and after each change that it took in, up to which position of
//! the history it judges. One that noted nothing for three seconds refuses everything by itself, or
//! is gone, and counts no more.

use std::{fmt, sync::Arc, time::Duration};

use gov_core::{Clock, Timestamp};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    generation::LIMIT,
    store::{GatewayStore, Presence, StoreError},
};

/// How long an answer waits for all: four looks of each server.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often it looks meanwhile.
const LOOK: Duration = Duration::from_millis(50);

/// How often a server says that it is there.
const NOTED_EVERY: Duration = Duration::from_secs(1);

/// How many servers go by a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmed {
    /// So many do.
    pub servers: usize,
    /// Of so many that are there. The others do soon, or refuse everything within three seconds.
    pub of: usize,
}

impl fmt::Display for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { servers, of } = self;
        write!(f, "confirmed {servers} of {of}")?;
        if servers < of {
            f.write_str("; the others follow, or refuse everything within three seconds")?;
        }
        Ok(())
    }
}

/// The servers that share a database. Clones share it.
#[derive(Clone, Debug)]
pub struct Servers {
    /// `None` where one server owns the state.
    shared: Option<Shared>,
}

#[derive(Clone, Debug)]
struct Shared {
    store: Arc<dyn GatewayStore>,
    node: String,
    clock: Arc<dyn Clock>,
}

/// Notes that this server is there.
#[derive(Debug)]
pub struct Attendance {
    shared: Shared,
    noted: Option<Presence>,
}

impl Servers {
    /// One server that owns the state.
    #[must_use]
    pub fn alone() -> Self {
        Self { shared: None }
    }

    /// Those that share `store`, of which this one is called `node`. `clock` must go by the time of
    /// the database.
    #[must_use]
    pub fn sharing(store: Arc<dyn GatewayStore>, node: String, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Some(Shared { store, node, clock }) }
    }

    /// For the task that keeps this server up to date; `None` where it owns the state.
    #[must_use]
    pub fn attendance(&self) -> Option<Attendance> {
        self.shared.clone().map(|shared| Attendance { shared, noted: None })
    }

    /// As [`Servers::confirm`]; `None` also where no server runs.
    pub(crate) async fn confirmed(servers: Option<&Self>, position: u64) -> Option<Confirmed> {
        match servers {
            Some(servers) => servers.confirm(position).await,
            None => None,
        }
    }

    /// How many go by the change at `position`, as this one does: after all do, or after a second.
    /// `None` if the database does not say.
    async fn confirm(&self, position: u64) -> Option<Confirmed> {
        let Some(shared) = &self.shared else { return Some(Confirmed { servers: 1, of: 1 }) };
        let until = shared.clock.now() + PATIENCE;
        loop {
            let now = shared.clock.now();
            let presences = match shared.store.presences().await {
                Ok(presences) => presences,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    warn!(error, "nobody knows how many servers go by a change");
                    return None;
                }
            };
            let confirmed = shared.count(&presences, position, now);
            if confirmed.servers == confirmed.of || until <= now {
                return Some(confirmed);
            }
            shared.clock.sleep_until(until.min(now + LOOK)).await;
        }
    }
}

impl Shared {
    fn count(&self, presences: &[Presence], position: u64, now: Timestamp) -> Confirmed {
        let others = presences.iter().filter(|it| it.node != self.node && is_there(it, now));
        let goes_by_it = others.clone().filter(|it| position <= it.generation);
        Confirmed { servers: 1 + goes_by_it.count(), of: 1 + others.count() }
    }
}

fn is_there(presence: &Presence, now: Timestamp) -> bool {
    let age = now.as_micros().abs_diff(presence.seen_at.as_micros());
    u128::from(age) < LIMIT.as_micros()
}

impl Attendance {
    /// Notes that this server judges by `generation` at `now`, unless it did so a moment ago.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: it counts no more if that goes on.
    pub async fn note(&mut self, generation: u64, now: Timestamp) -> Result<(), StoreError> {
        let is_known = self.noted.as_ref().is_some_and(|it| {
            let age = now.as_micros().abs_diff(it.seen_at.as_micros());
            it.generation == generation && u128::from(age) < NOTED_EVERY.as_micros()
        });
        if !is_known {
            let presence = Presence { node: self.shared.node.clone(), generation, seen_at: now };
            self.shared.store.put_presence(presence.clone()).await?;
            self.noted = Some(presence);
        }
        Ok(())
    }

    /// This server ends.
    pub async fn leave(self) {
        if let Err(error) = self.shared.store.leave(&self.shared.node).await {
            let error = &error as &dyn std::error::Error;
            warn!(error, "this server still counts for a moment");
        }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use gov_core::clock::ManualClock;
    use gov_store::fresh_database::{self, SqliteFile};

    use parking_lot::Mutex;

    use super::*;
    use crate::store::sqlite::{COMPONENT, SqliteGatewayStore};

    /// Whoever sleeps wakes at once, and it is then. Before that somebody may have taken a change in.
    #[derive(Debug)]
    struct Jumping {
        clock: ManualClock,
        meanwhile: Mutex<Option<(Attendance, u64)>>,
    }

    #[async_trait]
    impl Clock for Jumping {
        fn now(&self) -> Timestamp {
            self.clock.now()
        }

        async fn sleep_until(&self, deadline: Timestamp) {
            let meanwhile = self.meanwhile.lock().take();
            if let Some((mut other, generation)) = meanwhile {
                other.note(generation, self.now()).await.unwrap();
            }
            self.clock.set(deadline);
        }
    }

    struct It {
        clock: ManualClock,
        store: Arc<dyn GatewayStore>,
        _file: SqliteFile,
    }

    fn start() -> It {
        let (file, clock) = (fresh_database::sqlite(&[&COMPONENT]), ManualClock::default());
        It { clock, store: Arc::new(SqliteGatewayStore::new(&file.database)), _file: file }
    }

    impl It {
        fn server(&self, node: &str) -> Servers {
            self.server_while(node, None)
        }

        fn server_while(&self, node: &str, meanwhile: Option<(Attendance, u64)>) -> Servers {
            let clock = Jumping { clock: self.clock.clone(), meanwhile: Mutex::new(meanwhile) };
            Servers::sharing(Arc::clone(&self.store), node.to_owned(), Arc::new(clock))
        }

        async fn note(&self, node: &str, generation: u64) -> Attendance {
            let mut attendance = self.server(node).attendance().unwrap();
            attendance.note(generation, self.clock.now()).await.unwrap();
            attendance
        }

        async fn confirmed(&self, node: &str, position: u64) -> Confirmed {
            self.server(node).confirm(position).await.unwrap()
        }
    }

    #[tokio::test]
    async fn who_owns_the_state_confirms_it_alone() {
        let confirmed = Servers::alone().confirm(7).await.unwrap();
        assert_eq!(confirmed, Confirmed { servers: 1, of: 1 });
        assert!(Servers::alone().attendance().is_none());
    }

    #[tokio::test]
    async fn those_count_who_are_there_and_those_confirm_who_go_by_the_change() {
        let it = start();
        assert_eq!(it.confirmed("a", 7).await, Confirmed { servers: 1, of: 1 });
        for (node, generation) in [("a", 3), ("b", 7), ("c", 8)] {
            it.note(node, generation).await;
        }
        // Who answers goes by it, whatever its task has noted.
        assert_eq!(it.confirmed("a", 7).await, Confirmed { servers: 3, of: 3 });
        assert_eq!(it.confirmed("a", 8).await, Confirmed { servers: 2, of: 3 });
        it.note("b", 8).await;
        assert_eq!(it.confirmed("a", 8).await, Confirmed { servers: 3, of: 3 });
    }

    #[tokio::test]
    async fn who_was_silent_for_three_seconds_or_has_left_counts_no_more() {
        let it = start();
        it.note("b", 1).await;
        let c = it.note("c", 1).await;
        assert_eq!(it.confirmed("a", 1).await, Confirmed { servers: 3, of: 3 });
        c.leave().await;
        assert_eq!(it.confirmed("a", 1).await, Confirmed { servers: 2, of: 2 });
        it.clock.advance(LIMIT);
        assert_eq!(it.confirmed("a", 1).await, Confirmed { servers: 1, of: 1 });
    }

    #[tokio::test]
    async fn an_answer_waits_for_who_is_about_to_take_it_in_and_no_longer_than_a_second() {
        let it = start();
        let b = it.note("b", 1).await;
        let began = it.clock.now();
        assert_eq!(it.confirmed("a", 2).await, Confirmed { servers: 1, of: 2 });
        assert_eq!(it.clock.now().since(began), PATIENCE);
        let began = it.clock.now();
        let confirmed = it.server_while("a", Some((b, 2))).confirm(2).await.unwrap();
        assert_eq!(confirmed, Confirmed { servers: 2, of: 2 });
        assert_eq!(it.clock.now().since(began), LOOK, "at the next look");
    }

    #[tokio::test]
    async fn a_server_notes_once_a_second_and_each_change() {
        let it = start();
        let mut a = it.server("a").attendance().unwrap();
        let (mut seen, began) = (Vec::new(), it.clock.now());
        for (millis, generation) in [(0, 1), (999, 1), (1000, 1), (1100, 2)] {
            a.note(generation, began + Duration::from_millis(millis)).await.unwrap();
            let noted = it.store.presences().await.unwrap().remove(0);
            seen.push((noted.seen_at.since(began).as_millis(), noted.generation));
        }
        assert_eq!(seen, [(0, 1), (0, 1), (1000, 1), (1100, 2)]);
    }
}
