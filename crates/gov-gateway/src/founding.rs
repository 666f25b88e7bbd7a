//! The first contents of a database: a policy to judge by and a token to begin with.

use gov_core::{Timestamp, TokenId};

pub use crate::store::IfLost;
use crate::{
    identity::TokenSecret,
    policy::Starter,
    registry::RegistryError,
    store::{Founding, FoundingOutcome, GatewayStore},
};

/// What [`found`] found.
#[derive(Debug)]
pub enum Founded {
    /// There was no policy, and now there is.
    New {
        /// Its version.
        version: u64,
        /// The first admin token, unless there was one.
        admin_token: Option<TokenSecret>,
    },
    /// There is one already; nothing was changed.
    HasPolicy {
        /// Which version.
        version: u64,
        /// Which starter it came from.
        name: String,
    },
    /// There was one, and it is gone; nothing was changed.
    PolicyLost,
}

/// Puts in the first policy, and the first admin token if there is none; its text is shown once.
///
/// # Errors
///
/// [`RegistryError`], and nothing is changed.
pub async fn found(
    store: &dyn GatewayStore,
    starter: Starter,
    now: Timestamp,
    if_lost: IfLost,
) -> Result<Founded, RegistryError> {
    let secret = TokenSecret::generate(TokenId::at(now))?;
    let founding = Founding::new(starter, &secret, now, if_lost)?;
    Ok(match store.found(founding).await? {
        FoundingOutcome::New { version, with_token } => {
            Founded::New { version, admin_token: with_token.then_some(secret) }
        }
        FoundingOutcome::HasPolicy { version, name } => Founded::HasPolicy { version, name },
        FoundingOutcome::PolicyLost => Founded::PolicyLost,
    })
}
