//! A process that shares a store with another one, and dies at any passage of any of its calls.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::dice::Dice;
use gov_escalation::{
    Notifier, NotifyError,
    approval::Notification,
    store::{
        StoreError,
        conformance::{Backend, Watch, Watched},
    },
};
use parking_lot::Mutex;

/// One process: the store as it reaches it, and what becomes of it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) store: Arc<Watched<Arc<Fate>>>,
    pub(super) fate: Arc<Fate>,
}

/// When a process dies, and how slow it is. What it tells people is heard by all.
#[derive(Debug)]
pub(super) struct Fate {
    heard: Arc<Mutex<Vec<Notification>>>,
    chance: Mutex<Chance>,
}

#[derive(Debug)]
struct Chance {
    dice: Dice,
    /// So many passages are left; none: it lives.
    passages: Option<u64>,
}

impl Node {
    pub(super) fn new(
        store: Arc<dyn Backend>,
        heard: Arc<Mutex<Vec<Notification>>>,
        dice: Dice,
    ) -> Self {
        let chance = Mutex::new(Chance { dice, passages: None });
        let fate = Arc::new(Fate { heard, chance });
        Self { store: Arc::new(Watched { store, watch: Arc::clone(&fate) }), fate }
    }
}

impl Fate {
    /// It dies at its `passages`th passage from now: before a call, or behind it.
    pub(super) fn dies_after(&self, passages: Option<u64>) {
        self.chance.lock().passages = passages;
    }

    fn passage(&self) -> Result<(), &'static str> {
        match &mut self.chance.lock().passages {
            Some(0) => Err("the process is dead"),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn others_run(&self) {
        let turns = self.chance.lock().dice.roll(3);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

/// The other process may come in between, and this one may die before or after.
impl Watch for Fate {
    async fn around<T: Send>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.others_run().await;
        self.passage().map_err(|dead| StoreError::Unavailable(dead.into()))?;
        let outcome = call.await;
        self.passage().map_err(|dead| StoreError::Unknown(dead.into()))?;
        self.others_run().await;
        outcome
    }
}

/// Takes what it is told, unless it is not there; a sender that dies behind it never knows.
#[async_trait]
impl Notifier for Fate {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        let away = self.chance.lock().dice.roll(8) == 0;
        let outcome = self.around(async {
            if away {
                return Err(StoreError::Unavailable("nobody answers".into()));
            }
            self.heard.lock().push(notification.clone());
            Ok(())
        });
        outcome.await.map_err(NotifyError::retry)
    }
}
