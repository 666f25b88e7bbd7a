//! The first contents of `gov.db`: a policy to judge by and a token to begin with.

use gov_core::{AuditEventKind, Timestamp};
use rusqlite::Connection;

use crate::{
    identity::{Scope, Token, TokenSecret},
    policies,
    policy::Starter,
    registry::{self, RegistryError},
    store::{Change, StoreError, StoredPolicy, sqlite},
};

/// What to do where there was a policy and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfLost {
    /// Leave it to a person: a strict policy must not become another in silence.
    Leave,
    /// A person says which one to put in.
    Replace,
}

/// What was there, and what was done about it.
#[derive(Debug)]
pub(super) enum Applied {
    /// The policy is in; and the token, if there was none of an admin.
    New { with_token: bool },
    /// There is a policy.
    HasPolicy { version: u64, name: String },
    /// There was one.
    PolicyLost,
}

/// Everything that one transaction puts in.
pub(super) struct Founding {
    policy: StoredPolicy,
    activated: Change,
    token: Token,
    created: Change,
    if_lost: IfLost,
}

impl Founding {
    pub(super) fn new(
        starter: Starter,
        secret: &TokenSecret,
        now: Timestamp,
        if_lost: IfLost,
    ) -> Result<Self, RegistryError> {
        const ACTOR: &str = "gov init";
        let token = Token {
            id: secret.id(),
            secret_hash: secret.hash(),
            scope: Scope::Admin,
            agent_id: None,
            person_id: None,
            created_at: now,
            expires_at: None,
            revoked_at: None,
        };
        let policy = StoredPolicy {
            version: 1,
            name: starter.name().to_owned(),
            text: starter.text().to_owned(),
            activated_at: now,
        };
        let kind = AuditEventKind::PolicyActivated;
        let activated = policies::policy_change(kind, &policy, ACTOR)?;
        let kind = AuditEventKind::AdminTokenCreated;
        let created = registry::token_change(kind, &token, now, ACTOR)?;
        Ok(Self { policy, activated, token, created, if_lost })
    }

    pub(super) fn apply(self, db: &Connection) -> Result<Applied, StoreError> {
        if let Some(StoredPolicy { version, name, .. }) = sqlite::active_policy(db)? {
            return Ok(Applied::HasPolicy { version, name });
        }
        let lost = sqlite::has_change(db, &AuditEventKind::PolicyActivated)?;
        if lost && self.if_lost == IfLost::Leave {
            return Ok(Applied::PolicyLost);
        }
        sqlite::insert_policy(db, &self.policy)?;
        sqlite::insert_change(db, &self.activated)?;
        let with_token = !sqlite::tokens(db)?
            .iter()
            .any(|it| it.scope == Scope::Admin && it.revoked_at.is_none());
        if with_token {
            sqlite::insert_token(db, &self.token)?;
            sqlite::insert_change(db, &self.created)?;
        }
        Ok(Applied::New { with_token })
    }
}
