//! How a part says whether it can do its work.

use std::fmt;

use serde::Serialize;

/// Whether a part can do its work. In JSON: `{"state": "degraded", "reason": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum HealthState {
    /// All is well.
    Healthy,
    /// It works, and somebody should look at it: the reason says at what.
    Degraded(String),
    /// It does not work: what depends on it must refuse.
    Dead(String),
}

impl HealthState {
    /// Whether work may be handed to the part: healthy or degraded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !matches!(self, Self::Dead(_))
    }
}

/// A part that can be asked how it is. Asking is cheap and never blocks.
pub trait Health: fmt::Debug + Send + Sync {
    /// What it is called in `/readyz`: `audit_log`, `policy`, …
    fn name(&self) -> &'static str;

    /// How it is now.
    fn health(&self) -> HealthState;
}
