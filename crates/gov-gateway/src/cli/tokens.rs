//! `gov tokens`: access tokens, over HTTP while a server runs, else on the files.

use clap::{Args, Subcommand};
use gov_core::{AgentId, Clock as _, SystemClock, TokenId, text};
use serde_json::json;

use super::{
    Exit, Failure, Outcome, Places,
    target::{self, Target},
};
use crate::{
    client::Client,
    logged::Changed,
    registry::{CreatedToken, NewToken, RegistryError, TokenList, TokenView},
};

pub(super) mod files;

/// `gov tokens`.
#[derive(Debug, Subcommand)]
pub enum Tokens {
    /// Create a token; its text is shown once.
    Create(Create),
    /// List the tokens, without their secrets.
    List(Target),
    /// Revoke a token at once.
    Revoke(Revoke),
}

/// `gov tokens create`.
#[derive(Debug, Args)]
pub struct Create {
    /// `agent`, `approver`, `auditor`, `operator` or `admin`.
    #[arg(long)]
    scope: String,
    /// The agent it speaks for, with scope `agent`.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// The person who decides with it, by name or `per_…` id, with scope `approver`.
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// How long it lives, such as `30d`; for ever if not given.
    #[arg(long, value_name = "SPAN")]
    expires: Option<String>,
    /// Also register the agent: for servers with `agents.auto_register = false`.
    #[arg(long)]
    register: bool,
    #[command(flatten)]
    at: Target,
}

/// `gov tokens revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The token: `tok_…`.
    id: String,
    #[command(flatten)]
    at: Target,
}

impl Tokens {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what was asked for is not possible, or neither server nor files can be used.
    pub fn run(self) -> Outcome {
        match self {
            Self::Create(it) => it.run()?,
            Self::List(it) => list(&it)?,
            Self::Revoke(it) => it.run()?,
        }
        Ok(Exit::Yes)
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let wanted = Wanted {
            scope: self.scope,
            agent: self.agent,
            person: self.person,
            expires: self.expires,
            register: self.register,
        };
        let created = create(&wanted, self.at.server()?.as_ref(), &self.at.places)?;
        self.at.print(&created, |it| {
            format!("{}\ntoken, shown only now: {}", row(&it.view.view), it.view.token)
        })
    }
}

/// A token to be made, in the words of the flags.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) scope: String,
    pub(super) agent: Option<String>,
    pub(super) person: Option<String>,
    pub(super) expires: Option<String>,
    pub(super) register: bool,
}

/// Makes a token: at `server`, or without one in the files.
///
/// # Errors
///
/// [`Failure`]: it cannot be made, or neither server nor files can be used.
pub(super) fn create(
    wanted: &Wanted,
    server: Option<&Client>,
    places: &Places,
) -> Result<Changed<CreatedToken>, Failure> {
    let Wanted { scope, agent, person, expires, register } = wanted;
    let agent_id = agent.as_deref();
    let new = NewToken::read(scope, agent_id, person.clone(), expires.as_deref(), *register)?;
    match server {
        Some(server) => {
            let body = json!({
                "scope": scope, "agent_id": agent, "person": person,
                "expires_in": expires, "register": register,
            });
            target::ask(server.post("/v1/tokens", body.to_string().into_bytes()))
        }
        None => files::with_registry(places, async |registry| {
            registry.create_token(new, "gov tokens").await
        }),
    }
}

/// Whether the files know this token as one in force for `agent`.
///
/// # Errors
///
/// [`Failure`]: the directory is in use, or it cannot be read.
pub(super) fn is_in_force(text: &str, agent: &AgentId, places: &Places) -> Result<bool, Failure> {
    files::with_registry(places, async |registry| {
        let token = registry.directory().authenticate(text, SystemClock.now());
        Ok(token.is_ok_and(|it| it.agent_id.as_ref() == Some(agent)))
    })
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: TokenList = match at.server()? {
        Some(server) => target::ask(server.get("/v1/tokens"))?,
        None => files::list(&at.places, SystemClock.now())?,
    };
    at.print_list(&list, row, "no tokens; `gov tokens create` makes one")
}

impl Revoke {
    fn run(self) -> Result<(), Failure> {
        let id: TokenId = self.id.parse().map_err(|error| Failure::of(Exit::Usage, error))?;
        let revoked: Changed<TokenView> = match self.at.server()? {
            Some(server) => {
                target::ask(server.post(&format!("/v1/tokens/{id}/revoke"), Vec::new()))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.revoke_token(id, "gov tokens").await
            })?,
        };
        self.at.print(&revoked, |it| row(&it.view))
    }
}

fn row(view: &TokenView) -> String {
    let agent = view.agent_id.as_ref().map(|it| format!("  {}", text::escape(it.as_str())));
    let person = view.person_id.map(|it| format!("  {it}"));
    let until = view.expires_at.map(|it| format!("  until {it}"));
    format!(
        "{}  {:8}  {:7}  {}{}{}{}",
        view.id,
        view.scope,
        view.status,
        view.created_at,
        until.unwrap_or_default(),
        agent.unwrap_or_default(),
        person.unwrap_or_default()
    )
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let exit = match error {
            RegistryError::Store(_) | RegistryError::NoRandomness(_) => Exit::NotJudged,
            _ => Exit::Usage,
        };
        Self::of(exit, error)
    }
}
