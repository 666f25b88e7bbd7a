//! Why a policy was not activated.

use std::error::Error;

use crate::{policy::PolicyError, store::StoreError};

/// The policy was not changed, or not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoliciesError {
    /// The text cannot be activated: correct it.
    #[error(transparent)]
    Text(#[from] PolicyError),
    /// There is no policy.
    #[error("there is no policy; `gov policies activate FILE` puts one in")]
    None,
    /// The active policy is the first one.
    #[error("there is no earlier policy to go back to; `gov policies list` shows all")]
    NoEarlier,
    /// Another change came first.
    #[error(
        "another policy was activated meanwhile; look at it with `gov policies show`, and repeat"
    )]
    Overtaken,
    /// The database failed, and a change may or may not be kept: look, and repeat it.
    #[error("the policy could not be read or stored; look with `gov policies show`, and repeat")]
    Store(#[source] Box<dyn Error + Send + Sync>),
}

impl PoliciesError {
    pub(super) fn store(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Store(Box::new(error))
    }
}

impl From<StoreError> for PoliciesError {
    fn from(error: StoreError) -> Self {
        Self::store(error)
    }
}
