//! The targets of messages, for the people who keep them.

use std::{collections::BTreeMap, error, sync::Arc};

use gov_core::{ApprovalId, Clock, NotificationId, Timestamp};
use gov_escalation::{
    Target,
    approval::Notification,
    notifier::webhook::TEST,
    sender::health::SenderHealth,
    store::{Outbox, StoreError, TargetState},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::registry::List;

/// The targets: those that are configured, and those that still have messages.
#[derive(Clone, Debug)]
pub struct Notifications {
    outbox: Arc<dyn Outbox>,
    targets: Arc<BTreeMap<String, Target>>,
    health: Arc<SenderHealth>,
    clock: Arc<dyn Clock>,
}

/// A target as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetView {
    /// Its name in the chains.
    pub name: String,
    /// Whether this server knows where it is.
    pub configured: bool,
    /// Messages that are not sent.
    pub waiting: u64,
    /// Messages that were given up since it was last enabled.
    pub given_up: u64,
    /// Tries that failed since the last that did not.
    pub failures: u64,
    /// Why the last of them failed.
    pub last_error: Option<String>,
    /// Until when it asked to be left alone.
    pub held_until: Option<Timestamp>,
    /// Since when it gets nothing.
    pub disabled_at: Option<Timestamp>,
    /// Why.
    pub disabled_because: Option<String>,
}

/// What enabling a target did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enabled {
    /// The target.
    pub name: String,
    /// False: there was nothing to forget.
    pub changed: bool,
}

/// What came of a message that only shows that messages arrive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The target.
    pub name: String,
    /// Whether it took it.
    pub delivered: bool,
    /// Why not.
    pub error: Option<String>,
}

/// It cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotificationsError {
    /// No such target.
    #[error("no target `{}`; `GET /v1/notify/targets` lists them", gov_core::text::escape(.0))]
    NotFound(String),
    /// The store does not answer.
    #[error("the store of approvals does not answer")]
    Store(#[from] StoreError),
}

impl Notifications {
    /// The targets of a sender and the outbox behind it.
    #[must_use]
    pub fn new(
        outbox: Arc<dyn Outbox>,
        targets: BTreeMap<String, Target>,
        health: Arc<SenderHealth>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { outbox, targets: Arc::new(targets), health, clock }
    }

    /// All of them, by name.
    ///
    /// # Errors
    ///
    /// [`NotificationsError::Store`]: try again.
    pub async fn list(&self) -> Result<List<TargetView>, NotificationsError> {
        let quiet = |name: &String| TargetState { name: name.clone(), ..TargetState::default() };
        let mut all: BTreeMap<String, TargetState> =
            self.targets.keys().map(|name| (name.clone(), quiet(name))).collect();
        all.extend(self.outbox.targets().await?.into_iter().map(|it| (it.name.clone(), it)));
        let view = |it: TargetState| {
            let configured = self.targets.contains_key(&it.name);
            let (disabled_at, disabled_because) = it.disabled.unzip();
            TargetView {
                name: it.name,
                configured,
                waiting: it.waiting,
                given_up: it.given_up,
                failures: it.failures,
                last_error: it.last_error,
                held_until: it.held_until,
                disabled_at,
                disabled_because,
            }
        };
        Ok(List { items: all.into_values().map(view).collect(), next: None })
    }

    /// Whether there is such a target.
    ///
    /// # Errors
    ///
    /// [`NotificationsError`]: no such target, or try again.
    pub async fn must_know(&self, name: &str) -> Result<(), NotificationsError> {
        let is_there = self.targets.contains_key(name)
            || self.outbox.targets().await?.iter().any(|it| it.name == name);
        if is_there { Ok(()) } else { Err(NotificationsError::NotFound(name.to_owned())) }
    }

    /// Lets a target have messages again, and forgets what it failed.
    ///
    /// # Errors
    ///
    /// [`NotificationsError`]: no such target, or try again.
    pub async fn enable(&self, name: &str) -> Result<Enabled, NotificationsError> {
        let changed = self.outbox.enable_target(name).await?;
        if !changed {
            self.must_know(name).await?;
        }
        self.health.look().await;
        Ok(Enabled { name: name.to_owned(), changed })
    }

    /// Sends a message that is about no approval, once and past the outbox.
    ///
    /// # Errors
    ///
    /// [`NotificationsError::NotFound`]; that it does not arrive is an answer.
    pub async fn try_once(&self, name: &str) -> Result<Tried, NotificationsError> {
        let target = self.targets.get(name);
        let target = target.ok_or_else(|| NotificationsError::NotFound(name.to_owned()))?;
        let now = self.clock.now();
        let message = Notification {
            id: NotificationId::at(now),
            approval_id: ApprovalId::at(now),
            rung: 0,
            notifier: name.to_owned(),
            content: json!({TEST: true, "reason": "somebody tries whether messages arrive"}),
        };
        let error = tokio::select! {
            outcome = target.notifier.notify(&message) => outcome.err().map(|it| it.reason()),
            () = self.clock.sleep_until(now + target.timeout) => {
                Some("it takes too long".to_owned())
            }
        };
        Ok(Tried { name: name.to_owned(), delivered: error.is_none(), error })
    }
}

impl NotificationsError {
    /// What led to it, for the log.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn error::Error + 'static)> {
        error::Error::source(self)
    }
}
