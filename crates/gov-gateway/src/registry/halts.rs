//! The kill switch: thrown and taken back.

use gov_core::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Registry, RegistryError};
use crate::{
    identity::Halt,
    logged::{ChangeRecord, LoggedWithin},
    reason::Reason,
    servers::{Confirmed, Servers},
    store::Effect,
};

/// Whether everything is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltView {
    /// Whether it is.
    pub halted: bool,
    /// Since when.
    pub halted_at: Option<Timestamp>,
    /// Why.
    pub reason: Option<String>,
    /// Who did it, as the history names them.
    pub who: Option<String>,
}

/// What a halt or a resume came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HaltOutcome {
    /// What is there now.
    #[serde(flatten)]
    pub view: HaltView,
    /// Whether this did it; else it was so before.
    pub changed: bool,
    /// The record of the change, where this did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<ChangeRecord>,
    /// How many servers go by it, where this did it and they could be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
}

impl HaltView {
    fn of(halt: Option<Halt>) -> Self {
        match halt {
            Some(Halt { halted_at, reason, who, .. }) => Self {
                halted: true,
                halted_at: Some(halted_at),
                reason: Some(reason),
                who: Some(who),
            },
            None => Self { halted: false, halted_at: None, reason: None, who: None },
        }
    }
}

impl Registry {
    /// Whether everything is refused.
    #[must_use]
    pub fn halted(&self) -> HaltView {
        HaltView::of(self.directory.halt())
    }

    /// Refuses every check from now on. Where that is so already, the first halt stays.
    ///
    /// # Errors
    ///
    /// The database: here everything is refused nevertheless, until it answers or a restart.
    pub async fn halt(&self, reason: &Reason, actor: &str) -> Result<HaltOutcome, RegistryError> {
        let now = self.clock.now();
        let (reason, who) = (reason.to_string(), actor.to_owned());
        let halt = Halt { halted_at: now, reason, who, resumed_at: None };
        // Before the commit: a database that is slow or broken must not keep agents acting.
        self.directory.put_halt(halt.clone());
        self.switch(Effect::Halt(halt), actor, now).await
    }

    /// Judges checks again.
    ///
    /// # Errors
    ///
    /// The database: it may still be halted.
    pub async fn resume(&self, reason: &Reason, actor: &str) -> Result<HaltOutcome, RegistryError> {
        let effect = Effect::Resume { reason: reason.to_string() };
        self.switch(effect, actor, self.clock.now()).await
    }

    async fn switch(
        &self,
        effect: Effect,
        actor: &str,
        now: Timestamp,
    ) -> Result<HaltOutcome, RegistryError> {
        let position = self.apply(effect, actor, now).await?;
        let Some(position) = position else {
            // Another server was faster, or memory is ahead of a database that failed.
            let contents = self.store.contents().await?;
            self.directory.replace(contents.identities, contents.generation);
            let view = self.halted();
            return Ok(HaltOutcome { view, changed: false, record: None, confirmed: None });
        };
        let (record, confirmed) = tokio::join!(
            LoggedWithin::record(self.log.as_ref(), position),
            Servers::confirmed(self.servers.as_ref(), position),
        );
        Ok(HaltOutcome { view: self.halted(), changed: true, record: Some(record), confirmed })
    }
}
