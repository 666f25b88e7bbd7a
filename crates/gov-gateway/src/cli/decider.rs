//! The person before the terminal, and the token that they logged in with.

use std::{fmt, path::PathBuf};

use gov_core::text;
use serde::Deserialize;

use super::{Exit, Failure, target};
use crate::client::{
    Client, Patience, Token,
    credentials::{Credentials, CredentialsError},
};

/// Where a person's token is kept for one server.
#[derive(Debug)]
pub(super) struct Decider {
    credentials: Credentials,
    // INVARIANT: as `Client::url` gives it.
    url: String,
}

/// Whose token it is, as the server says.
#[derive(Debug, Deserialize)]
pub(super) struct WhoAmI {
    pub(super) scope: String,
    person: Option<Person>,
}

#[derive(Debug, Deserialize)]
struct Person {
    id: String,
    name: String,
}

impl Decider {
    pub(super) fn at(url: &str) -> Result<Self, Failure> {
        let server = Client::new(url, None, Patience::default());
        let url = server.map_err(|error| Failure::of(Exit::Usage, error))?.url().to_owned();
        let credentials = Credentials::usual(|name| std::env::var_os(name))?;
        Ok(Self { credentials, url })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn keep(&self, token: &Token) -> Result<PathBuf, Failure> {
        Ok(self.credentials.put(&self.url, token)?)
    }

    pub(super) fn forget(&self) -> Result<bool, Failure> {
        Ok(self.credentials.remove(&self.url)?)
    }

    /// A client under the token that was logged in with: the only one that decides.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        self.refuse_environment()?;
        let token = self.credentials.find(&self.url)?.ok_or_else(|| self.log_in())?;
        self.under(&token, Patience::default())
    }

    /// As [`Decider::client`]; where nobody has logged in, under the token in `GOV_TOKEN`, which
    /// may look and not decide.
    pub(super) fn reader(&self, patience: Patience) -> Result<Client, Failure> {
        let environment = self.refuse_environment()?;
        let kept = self.credentials.find(&self.url)?;
        let token = kept.or(environment).ok_or_else(|| self.log_in())?;
        self.under(&token, patience)
    }

    /// The token in `GOV_TOKEN`, if there is one: an approver's is refused.
    pub(super) fn refuse_environment(&self) -> Result<Option<Token>, Failure> {
        let found = Token::find(None).map_err(|error| Failure::of(Exit::Usage, error))?;
        let Some(token) = found else { return Ok(None) };
        let server = self.under(&token, Patience::default())?;
        // One that is not in force decides nothing.
        let who = whoami(&server);
        if who.is_ok_and(|it| it.scope == "approver") {
            let what = "GOV_TOKEN holds an approver's token, which every process of an agent \
                        reads that was started here: unset it, revoke it with `gov tokens revoke`, \
                        and `gov login` with a new one";
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(Some(token))
    }

    fn under(&self, token: &Token, patience: Patience) -> Result<Client, Failure> {
        Client::new(&self.url, Some(token), patience)
            .map_err(|error| Failure::of(Exit::Usage, error))
    }

    fn log_in(&self) -> Failure {
        let url = text::escape(&self.url);
        let what =
            format!("nobody is logged in at {url}; `gov login --url {url}` asks for a token");
        Failure::new(Exit::Usage, what)
    }
}

/// Asks the server whose token the client shows.
pub(super) fn whoami(server: &Client) -> Result<WhoAmI, Failure> {
    target::ask(server.get("/v1/whoami"))
}

/// `as Ann (per_…)`, or by the scope.
impl fmt::Display for WhoAmI {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.person {
            Some(Person { id, name }) => {
                write!(f, "as {} ({})", text::escape(name), text::escape(id))
            }
            None => write!(f, "with scope {}", text::escape(&self.scope)),
        }
    }
}

impl From<CredentialsError> for Failure {
    fn from(error: CredentialsError) -> Self {
        Self::of(Exit::Usage, error)
    }
}
