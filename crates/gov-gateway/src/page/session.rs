//! Who is logged in at the page: sessions in memory, none of which outlives its token.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use gov_core::{
    Timestamp, TokenId,
    hex::{self, Hex},
};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::identity::{Directory, Token};

/// How long a session lives without anybody doing anything.
pub const IDLE: Duration = Duration::from_hours(1);

/// How long a session lives.
pub const LIFE: Duration = Duration::from_hours(12);

/// The most sessions of one token; the one that was used least recently goes first.
pub const MOST_OF_A_TOKEN: usize = 8;

/// The most sessions; the one that was used least recently goes first.
pub const MOST: usize = 1024;

/// The sessions of this process: a restart ends them all.
#[derive(Debug, Default)]
pub struct Sessions {
    // INVARIANT: under the hash of the secret, so that neither memory nor timing gives it away.
    open: Mutex<HashMap<[u8; 32], Session>>,
}

struct Session {
    token: TokenId,
    csrf: Csrf,
    opened_at: Timestamp,
    used_at: Timestamp,
}

/// Why a session is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A person does something: it may stay idle from now on.
    Acts,
    /// A page that stays open looks again: nobody may be there.
    Watches,
}

/// Who stands behind a request.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The token that was logged in with, as it is now.
    pub token: Arc<Token>,
    /// What the session's forms carry.
    pub csrf: Csrf,
}

/// What only a form of the session's own pages can know: 256 random bits.
#[derive(Clone, Copy)]
pub struct Csrf([u8; 32]);

/// The value of the session's cookie: 256 random bits.
pub struct SessionSecret([u8; 32]);

impl Sessions {
    /// Opens a session for a token whose secret was shown.
    ///
    /// # Errors
    ///
    /// The operating system gives no randomness: nobody can log in.
    pub fn open(&self, token: TokenId, now: Timestamp) -> Result<SessionSecret, getrandom::Error> {
        let (secret, csrf) = (SessionSecret(random()?), Csrf(random()?));
        let mut open = self.open.lock();
        open.retain(|_, it| it.is_alive(now));
        while open.values().filter(|it| it.token == token).count() >= MOST_OF_A_TOKEN {
            drop_stalest(&mut open, |it| it.token == token);
        }
        while open.len() >= MOST {
            drop_stalest(&mut open, |_| true);
        }
        open.insert(secret.key(), Session { token, csrf, opened_at: now, used_at: now });
        Ok(secret)
    }

    /// Who stands behind a cookie; `None` where nobody does any more.
    ///
    /// The directory is asked every time: a token that is withdrawn, or whose person may not
    /// decide any more, ends its session here.
    #[must_use]
    pub fn visitor(
        &self,
        cookie: &str,
        directory: &Directory,
        now: Timestamp,
        use_: Use,
    ) -> Option<Visitor> {
        let key = SessionSecret(hex::parse(cookie)?).key();
        let mut open = self.open.lock();
        let session = open.get_mut(&key)?;
        let token = directory.in_force(session.token, now).ok();
        let Some(token) = token.filter(|_| session.is_alive(now)) else {
            open.remove(&key);
            return None;
        };
        if use_ == Use::Acts {
            session.used_at = now;
        }
        Some(Visitor { token, csrf: session.csrf })
    }

    /// Ends the session of a cookie.
    pub fn close(&self, cookie: &str) {
        if let Some(secret) = hex::parse(cookie) {
            self.open.lock().remove(&SessionSecret(secret).key());
        }
    }
}

impl Session {
    fn is_alive(&self, now: Timestamp) -> bool {
        now < self.used_at + IDLE && now < self.opened_at + LIFE
    }
}

fn drop_stalest(open: &mut HashMap<[u8; 32], Session>, of: impl Fn(&Session) -> bool) {
    let stalest = open.iter().filter(|(_, it)| of(it)).min_by_key(|(_, it)| it.used_at);
    if let Some(key) = stalest.map(|(key, _)| *key) {
        open.remove(&key);
    }
}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

impl SessionSecret {
    /// The cookie's value: 64 hex digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        Hex(&self.0).to_string()
    }

    fn key(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl Csrf {
    /// What a form carries: 64 hex digits.
    #[must_use]
    pub fn to_text(&self) -> String {
        Hex(&self.0).to_string()
    }

    /// Whether a form carried this one; takes the same time for every wrong one.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        hex::parse::<32>(text).is_some_and(|it| bool::from(it.ct_eq(&self.0)))
    }
}

/// Without the secrets.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Without the secret.
impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSecret").finish_non_exhaustive()
    }
}

/// Without the secret.
impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csrf").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
