//! The token of the agent that gov is put in front of.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::Path,
};

use gov_core::AgentId;

use crate::{
    cli::{
        Exit, Failure, Places,
        tokens::{self, Wanted},
    },
    client::{Client, ClientError, Patience, Reply, Token, problem::Problem},
    harness::settings_file::write_atomically,
    offline,
};

/// The token that is to lie in a file.
#[derive(Debug)]
pub(super) struct AgentToken<'a> {
    agent: &'a AgentId,
    file: &'a Path,
    url: &'a str,
    places: &'a Places,
    server: Client,
}

impl<'a> AgentToken<'a> {
    /// Touches nothing yet.
    pub(super) fn new(
        agent: &'a AgentId,
        file: &'a Path,
        url: &'a str,
        places: &'a Places,
    ) -> Result<Self, Failure> {
        let server = client(url, None)?;
        Ok(Self { agent, file, url, places, server })
    }

    /// Makes the token where none is that is in force; says whether it did.
    ///
    /// The server is asked where one runs, with the admin's token in `GOV_TOKEN`; else the files.
    pub(super) fn ensure(&self) -> Result<bool, Failure> {
        let runs = self.server_runs()?;
        if self.is_in_force(runs)? {
            return Ok(false);
        }
        let admin = if runs { Some(client(self.url, Some(&self.admin()?))?) } else { None };
        let wanted = Wanted {
            scope: "agent".to_owned(),
            agent: Some(self.agent.as_str().to_owned()),
            person: None,
            expires: None,
            register: true,
        };
        self.make_directory()?;
        let created = tokens::create(&wanted, admin.as_ref(), self.places)
            .map_err(|failure| self.explain(failure, runs))?;
        write_atomically(self.file, format!("{}\n", created.view.token).as_bytes(), 0o600)
            .map_err(|error| {
                let what = format!("cannot write the token file `{}`", self.file.display());
                Failure::because(Exit::Usage, what, error)
            })?;
        Ok(true)
    }

    fn server_runs(&self) -> Result<bool, Failure> {
        match offline::block_on(self.server.get("/healthz"))? {
            Ok(Reply { status: 200, .. }) => Ok(true),
            Ok(reply) => {
                let what = format!("what answers at `{}` is no gov server", self.url);
                Err(Failure::because(Exit::Unreachable, what, Problem::of(&reply).to_string()))
            }
            // On another machine there are no files to work on instead.
            Err(ClientError::Unreachable { .. }) if self.server.is_local() => Ok(false),
            Err(error) => Err(Failure::of(Exit::Unreachable, error)),
        }
    }

    /// Whether the file holds a token that is accepted.
    fn is_in_force(&self, server_runs: bool) -> Result<bool, Failure> {
        if matches!(fs::metadata(self.file), Err(error) if error.kind() == io::ErrorKind::NotFound)
        {
            return Ok(false);
        }
        let token = Token::read(self.file).map_err(|error| {
            let what = format!(
                "`{}` cannot be used; correct it, or remove it to have a new token made",
                self.file.display()
            );
            Failure::because(Exit::Usage, what, error)
        })?;
        if !server_runs {
            return tokens::is_in_force(token.expose(), self.agent, self.places)
                .map_err(|failure| self.explain(failure, false));
        }
        // An agent may not list tokens; a token that is not in force may not even ask.
        let reply = offline::block_on(client(self.url, Some(&token))?.get("/v1/tokens"))?
            .map_err(|error| Failure::of(Exit::Unreachable, error))?;
        match reply.status {
            401 => Ok(false),
            403 => Ok(true),
            200 => {
                let file = self.file.display();
                let what = format!(
                    "`{file}` holds an admin's token, which no agent must have; move it away"
                );
                Err(Failure::new(Exit::Usage, what))
            }
            _ => Err(Failure::new(Exit::NotJudged, Problem::of(&reply).to_string())),
        }
    }

    fn admin(&self) -> Result<Token, Failure> {
        let admin = Token::find(None).map_err(|error| Failure::of(Exit::Usage, error))?;
        admin.ok_or_else(|| {
            let what = format!(
                "a server runs at `{}`, and the agent needs a token there: set GOV_TOKEN to an \
                 admin's token for this command; nothing was changed",
                self.url
            );
            Failure::new(Exit::Usage, what)
        })
    }

    fn make_directory(&self) -> Result<(), Failure> {
        let dir = self.file.parent().unwrap_or(Path::new("/"));
        let failed = |error| {
            let what = format!("cannot make the directory `{}`", dir.display());
            Failure::because(Exit::Usage, what, error)
        };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mode = fs::metadata(dir).map_err(failed)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            let what = format!(
                "`{}` must have mode 0700; received {mode:04o}: correct it with `chmod 700`",
                dir.display()
            );
            return Err(Failure::new(Exit::Usage, what));
        }
        Ok(())
    }

    /// A server that holds the files but does not answer where it was asked.
    fn explain(&self, failure: Failure, server_runs: bool) -> Failure {
        if server_runs || failure.exit != Exit::Unreachable {
            return failure;
        }
        let what = format!("no server answers at `{}`; name the right one with `--url`", self.url);
        Failure::because(Exit::Unreachable, what, failure)
    }
}

fn client(url: &str, token: Option<&Token>) -> Result<Client, Failure> {
    Client::new(url, token, Patience::default()).map_err(|error| Failure::of(Exit::Usage, error))
}
