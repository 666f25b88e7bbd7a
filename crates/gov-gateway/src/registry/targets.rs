//! Targets of messages that get them again: who said so.

use super::{Registry, RegistryError};
use crate::{
    logged::{ChangeRecord, LoggedWithin},
    store::Effect,
};

impl Registry {
    /// Puts on record that `actor` lets a target have messages again. To be called before it does:
    /// what nobody can read in the history does not happen.
    ///
    /// # Errors
    ///
    /// The database.
    pub async fn enabling(&self, name: &str, actor: &str) -> Result<ChangeRecord, RegistryError> {
        let effect = Effect::EnableTarget { name: name.to_owned() };
        // It fits whatever is there.
        let position = self.apply(effect, actor, self.clock.now()).await?.unwrap_or_default();
        Ok(LoggedWithin::record(self.log.as_ref(), position).await)
    }
}
