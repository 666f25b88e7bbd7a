//! The way out: who carries a message to the people of a rung.

use std::{error, fmt};

use async_trait::async_trait;
use gov_core::text::escape;
use serde_json::Value;
use tracing::info;

use crate::approval::Notification;

/// Tells people that somebody waits for them.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Delivers one message, at least once: the receiver drops repeats by `notification.id`.
    ///
    /// Dropped where it takes longer than the sender allows.
    ///
    /// # Errors
    ///
    /// [`NotifyError`] if it was not delivered: it is tried again, under the same id.
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError>;
}

/// The message was not taken.
#[derive(Debug, thiserror::Error)]
#[error("notifier `{notifier}` did not take the message")]
pub struct NotifyError {
    /// Which notifier.
    pub notifier: String,
    /// What went wrong on the way.
    pub source: Box<dyn error::Error + Send + Sync>,
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
