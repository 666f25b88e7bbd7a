//! Policy versions as they are kept.

use gov_core::{Timestamp, canonical};

/// One policy version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// From 1; the largest one is active.
    pub version: u64,
    /// The starter it came from, or `own`.
    pub name: String,
    /// Cedar text.
    pub text: String,
    /// Since when it was active.
    pub activated_at: Timestamp,
}

impl StoredPolicy {
    /// The same without its text.
    #[must_use]
    pub fn about(&self) -> PolicyVersion {
        PolicyVersion {
            version: self.version,
            name: self.name.clone(),
            sha256: canonical::sha256(self.text.as_bytes()),
            activated_at: self.activated_at,
        }
    }
}

/// What is known of a policy version besides its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// From 1; the largest one is active.
    pub version: u64,
    /// The starter it came from, or `own`.
    pub name: String,
    /// SHA-256 of the text.
    pub sha256: [u8; 32],
    /// Since when it was active.
    pub activated_at: Timestamp,
}
