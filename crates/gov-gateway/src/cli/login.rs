//! `gov login` and `gov logout`: a person's token, kept apart from what agents can read.

use clap::Args;
use gov_core::text;

use super::{Exit, Failure, Outcome, console, decider::Decider};
use crate::client::{self, Client, Patience, Token};

/// Keeps a token for the commands that decide.
///
/// It is typed at the terminal and not shown. It never comes from the environment or a flag: an
/// agent's shell inherits the one and sees the other.
#[derive(Debug, Args)]
pub struct Login {
    /// The server.
    #[arg(long, env = "GOV_URL", default_value = client::DEFAULT_URL)]
    url: String,
}

/// Forgets the token that `gov login` keeps.
#[derive(Debug, Args)]
pub struct Logout {
    /// The server.
    #[arg(long, env = "GOV_URL", default_value = client::DEFAULT_URL)]
    url: String,
}

impl Login {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: there is no terminal, the server does not accept the token, or it cannot be
    /// kept.
    pub fn run(self) -> Outcome {
        let decider = Decider::at(&self.url)?;
        decider.refuse_environment()?;
        let prompt = format!("token for {}: ", text::escape(decider.url()));
        let typed = rpassword::prompt_password(prompt).map_err(|error| {
            let what =
                "the token is typed at a terminal, and there is none; run `gov login` in one";
            Failure::because(Exit::Usage, what, error)
        })?;
        let token: Token = typed.trim().parse().map_err(|error| Failure::of(Exit::Usage, error))?;
        let server = Client::new(decider.url(), Some(&token), Patience::default())
            .map_err(|error| Failure::of(Exit::Usage, error))?;
        let who = super::decider::whoami(&server)?;
        if who.scope == "agent" {
            let what = "this is an agent's token: `gov install` keeps that one; nothing was kept";
            return Err(Failure::new(Exit::Usage, what));
        }
        let path = decider.keep(&token)?;
        console::line(&format!(
            "logged in at {} {who}; the token is kept in {}",
            text::escape(decider.url()),
            path.display()
        ))?;
        Ok(Exit::Yes)
    }
}

impl Logout {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what is kept cannot be removed.
    pub fn run(self) -> Outcome {
        let decider = Decider::at(&self.url)?;
        let url = text::escape(decider.url()).into_owned();
        console::line(&if decider.forget()? {
            format!("the token for {url} is forgotten here; `gov tokens revoke` ends it everywhere")
        } else {
            format!("no token was kept for {url}")
        })?;
        Ok(Exit::Yes)
    }
}
