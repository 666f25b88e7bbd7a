//! Policies as they are shown.

use gov_core::{Timestamp, hex::Hex};
use serde::{Deserialize, Serialize};

use crate::{
    registry::List,
    servers::Confirmed,
    store::{PolicyVersion, StoredPolicy},
};

/// One policy version without its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyView {
    /// From 1.
    pub version: u64,
    /// The starter it came from, or `own`.
    pub name: String,
    /// SHA-256 of the text, in hexadecimal digits.
    pub sha256: String,
    /// Since when it was active.
    pub activated_at: Timestamp,
    /// Whether it is now.
    pub active: bool,
}

impl PolicyView {
    /// The version that is judged by.
    #[must_use]
    pub fn active(about: &PolicyVersion) -> Self {
        Self {
            version: about.version,
            name: about.name.clone(),
            sha256: Hex(&about.sha256).to_string(),
            activated_at: about.activated_at,
            active: true,
        }
    }
}

/// A version that was made the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivatedView {
    /// Which one.
    #[serde(flatten)]
    pub policy: PolicyView,
    /// How many servers judge by it, where one runs and they could be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
}

/// A policy version with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyText {
    /// The rest of it.
    #[serde(flatten)]
    pub view: PolicyView,
    /// Cedar text.
    pub text: String,
}

impl PolicyText {
    /// The policy that is judged by.
    #[must_use]
    pub fn active(policy: StoredPolicy) -> Self {
        Self { view: PolicyView::active(&policy.about()), text: policy.text }
    }
}

/// The versions, the newest first.
pub type PolicyList = List<PolicyView>;

/// All versions, the newest first: that one is active.
#[must_use]
pub fn list(versions: &[PolicyVersion]) -> PolicyList {
    let items = versions
        .iter()
        .enumerate()
        .map(|(place, it)| PolicyView { active: place == 0, ..PolicyView::active(it) })
        .collect();
    List::new(items)
}
