//! The way out: who carries a message to the people of a rung.

use std::{error, fmt, time::Duration};

use async_trait::async_trait;
use gov_core::text::escape;
use serde_json::Value;
use tracing::info;

use crate::approval::Notification;

#[cfg(feature = "webhook")]
pub mod guard;
#[cfg(feature = "webhook")]
mod post;
#[cfg(feature = "webhook")]
pub mod slack;
#[cfg(feature = "webhook")]
pub mod webhook;

/// Tells people that somebody waits for them.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Delivers one message, at least once: the receiver drops repeats by `notification.id`.
    ///
    /// Dropped where it takes longer than the sender allows.
    ///
    /// # Errors
    ///
    /// [`NotifyError`] if it was not delivered: the variant says what becomes of it.
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError>;
}

/// So much of a reason is kept, in characters.
const REASON: usize = 300;

/// The message was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// It is tried again, under the same id.
    #[error("the message was not taken")]
    Retry {
        /// How long the target asks to be left alone.
        after: Option<Duration>,
        /// What went wrong on the way.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// The target is there no more: it gets nothing until somebody enables it.
    #[error("the target is gone")]
    Gone {
        /// What it said.
        source: Box<dyn error::Error + Send + Sync>,
    },
    /// This message will never be taken: it is given up.
    #[error("the message will not be taken")]
    Refused {
        /// Why not.
        source: Box<dyn error::Error + Send + Sync>,
    },
}

impl NotifyError {
    /// It is tried again by the schedule.
    pub fn retry(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Retry { after: None, source: source.into() }
    }

    /// Why, with all that led to it: one short line without control characters.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut source = error::Error::source(self);
        while let Some(it) = source {
            text = format!("{text}: {it}");
            source = it.source();
        }
        let short: String = text.chars().take(REASON).collect();
        escape(&short).into_owned()
    }

    /// It is given up.
    pub fn refused(source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Refused { source: source.into() }
    }
}

/// Writes who is asked about which approval into the log, and nothing of the action itself: what
/// an agent wrote belongs into no log line.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogNotifier;

#[async_trait]
impl Notifier for LogNotifier {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        let text = |name| notification.content.get(name).and_then(Value::as_str).unwrap_or("-");
        info!(
            id = %notification.id,
            approval_id = %notification.approval_id,
            rung = notification.rung,
            agent_id = %escape(text("agent_id")),
            rule_id = %escape(text("rule_id")),
            risk = %escape(text("risk")),
            audience = %escape(text("audience")),
            expires_at = text("expires_at"),
            "an approval waits for an answer",
        );
        Ok(())
    }
}
