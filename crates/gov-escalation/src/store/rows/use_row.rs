//! One call of a grant, as both dialects store it.

use gov_core::{ActionDigest, ApprovalId};

use super::Columns;
use crate::{grant::Use, store::StoreError};

/// A stored call, found by its digest and key.
#[derive(Debug)]
pub(in crate::store) struct StoredUse {
    pub(in crate::store) approval_id: ApprovalId,
    pub(in crate::store) number: i64,
    /// Microseconds since 1970.
    pub(in crate::store) at: i64,
    pub(in crate::store) policy_version: i64,
}

impl StoredUse {
    /// The call.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`] with the first column that makes no sense.
    pub(in crate::store) fn read(self, digest: ActionDigest, key: &str) -> Result<Use, StoreError> {
        let columns = Columns::of(self.approval_id);
        Ok(Use {
            approval_id: self.approval_id,
            number: columns.number("number", self.number)?,
            at: columns.time("at", self.at)?,
            digest,
            policy_version: columns.number("policy_version", self.policy_version)?,
            idempotency_key: Some(key.to_owned()),
        })
    }
}
