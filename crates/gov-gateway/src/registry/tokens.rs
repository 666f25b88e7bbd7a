//! Tokens: made, listed, withdrawn.

use gov_core::{PersonId, TokenId, text};

use super::{CreatedToken, NewToken, Registry, RegistryError, TokenList, TokenView};
use crate::{
    identity::{Token, TokenSecret},
    logged::{Changed, LoggedWithin},
    store::Effect,
};

impl Registry {
    /// Every token without its secret, the newest first.
    #[must_use]
    pub fn tokens(&self) -> TokenList {
        let now = self.clock.now();
        TokenList::new(self.directory.tokens().iter().map(|it| TokenView::of(it, now)).collect())
    }

    /// Makes a token; `actor` says in the history who did.
    ///
    /// Where its agent is to be registered too, that happens before, in a transaction of its own.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`] for what cannot be made; else the database or the randomness.
    pub async fn create_token(
        &self,
        new: NewToken,
        actor: &str,
    ) -> Result<Changed<CreatedToken>, RegistryError> {
        let now = self.clock.now();
        let secret = TokenSecret::generate(TokenId::at(now))?;
        let person = new.person.as_deref().map(|it| self.decider(it)).transpose()?;
        let (token, register) = new.token(&secret, now, person)?;
        if register && let Some(agent) = &token.agent_id {
            self.apply(Effect::RegisterAgent(agent.clone()), actor, now).await?;
        }
        let view = CreatedToken::new(&token, &secret, now);
        let position = self.apply(Effect::AddToken(token), actor, now).await?;
        // A token always fits: one whose id is taken is an error.
        let record = LoggedWithin::record(self.log.as_ref(), position.unwrap_or_default()).await;
        Ok(Changed { view, record })
    }

    /// Withdraws a token at once, even if the caller goes away or the database fails: then it is
    /// out of force until the next start, and the call can be repeated after it.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoToken`] and [`RegistryError::AlreadyRevoked`]; else the database.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        actor: &str,
    ) -> Result<Changed<TokenView>, RegistryError> {
        let now = self.clock.now();
        let known = self.directory.token(id).ok_or(RegistryError::NoToken(id))?;
        if known.revoked_at.is_some() {
            return Err(RegistryError::AlreadyRevoked(id));
        }
        let token = Token { revoked_at: Some(now), ..Token::clone(&known) };
        let view = TokenView::of(&token, now);
        // Before the commit: a caller who goes away must not leave a withdrawn token in force.
        self.directory.put_token(token.clone());
        let position = self.apply(Effect::RevokeToken(token), actor, now).await?;
        let position = position.ok_or(RegistryError::AlreadyRevoked(id))?;
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view, record })
    }

    /// The person of an approver's token.
    fn decider(&self, called: &str) -> Result<PersonId, RegistryError> {
        let person = self.directory.find_person(called);
        let person = person.filter(|it| it.disabled_at.is_none());
        person.map(|it| it.id).ok_or_else(|| {
            let called = text::escape(called);
            let problem =
                format!("`person` must be one who may decide, by name or id; received `{called}`");
            RegistryError::BadField { field: "person", problem }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        task::{Context, Poll, Waker},
    };

    use gov_core::{Clock as _, SystemClock};
    use gov_store::fresh_database;

    use super::*;
    use crate::{
        identity::Directory,
        store::sqlite::{COMPONENT, SqliteGatewayStore},
    };

    #[tokio::test]
    async fn a_withdrawn_token_is_out_of_force_even_if_the_caller_went_away() {
        let file = fresh_database::sqlite(&[&COMPONENT]);
        let (clock, store) = (Arc::new(SystemClock), SqliteGatewayStore::new(&file.database));
        let directory = Arc::new(Directory::default());
        let registry = Registry::new(Arc::new(store), directory, clock.clone(), None);
        let new = NewToken::parse(br#"{"scope": "admin"}"#).unwrap();
        let created = registry.create_token(new, "test").await.unwrap().view;
        let id = registry.directory().tokens()[0].id;
        assert!(registry.directory().authenticate(&created.token, clock.now()).is_ok());

        let mut revocation = Box::pin(registry.revoke_token(id, "test"));
        // Begun, and dropped while it waits for its commit.
        let _: Poll<_> = revocation.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(revocation);
        assert!(registry.directory().authenticate(&created.token, clock.now()).is_err());
    }
}
