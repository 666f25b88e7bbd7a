//! The command line: one file a command.

use clap::{Parser, Subcommand};

pub mod agents;
pub mod approvals;
pub mod audit;
pub mod config;
pub mod console;
mod decider;
pub mod doctor;
mod exit;
pub mod grants;
pub mod halt;
pub mod hook;
pub mod ingest;
pub mod init;
pub mod install;
pub mod login;
pub mod migrate;
pub mod notify;
pub mod people;
mod places;
pub mod policies;
pub mod serve;
mod target;
pub mod tokens;

pub use self::{
    exit::{Exit, Failure, Outcome},
    places::Places,
};

/// Governs what AI agents do: they ask before they act, and every refusal is on record.
#[derive(Debug, Parser)]
#[command(name = "gov", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve(serve::Serve),
    /// Make a data directory with keys and a starter policy.
    Init(init::Init),
    /// Bring the databases up to this build's schema.
    Migrate(migrate::Migrate),
    /// Show or check the configuration.
    #[command(subcommand)]
    Config(config::Config),
    /// Create, list and revoke access tokens.
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Add people who decide, give them roles, disable them.
    #[command(subcommand)]
    People(people::People),
    /// List agents, and say whose they are.
    #[command(subcommand)]
    Agents(agents::Agents),
    /// Check, show, activate and roll back policies.
    #[command(subcommand)]
    Policies(policies::Policies),
    /// List, show, decide and wait for approvals.
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Ask for grants, list them, end them.
    #[command(subcommand)]
    Grants(grants::Grants),
    /// List, try and enable the targets of messages.
    #[command(subcommand)]
    Notify(notify::Notify),
    /// Keep a token for the commands that decide, typed at the terminal.
    Login(login::Login),
    /// Forget the token that `login` keeps.
    Logout(login::Logout),
    /// Refuse every check from now on.
    Halt(halt::Halt),
    /// Judge checks again after a halt.
    Resume(halt::Resume),
    /// Look for what is wrong with this installation.
    Doctor(doctor::Doctor),
    /// Answer a coding agent's hook: its JSON on standard input.
    #[command(subcommand)]
    Hook(hook::Hook),
    /// Put gov in front of a coding agent.
    #[command(subcommand)]
    Install(install::Install),
    /// Show what happened; verify, export and repair the signed log.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Take audit events from a NATS stream into the event store.
    Ingest(ingest::IngestCommand),
}

impl Cli {
    /// Runs the command that was given.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what went wrong, and the exit code that says whose move is next.
    pub fn run(self) -> Outcome {
        match self.command {
            Command::Serve(it) => it.run(),
            Command::Init(it) => it.run(),
            Command::Migrate(it) => it.run(),
            Command::Config(it) => it.run(),
            Command::Tokens(it) => it.run(),
            Command::People(it) => it.run(),
            Command::Agents(it) => it.run(),
            Command::Policies(it) => it.run(),
            Command::Approvals(it) => it.run(),
            Command::Grants(it) => it.run(),
            Command::Notify(it) => it.run(),
            Command::Login(it) => it.run(),
            Command::Logout(it) => it.run(),
            Command::Halt(it) => it.run(),
            Command::Resume(it) => it.run(),
            Command::Doctor(it) => it.run(),
            Command::Hook(it) => it.run(),
            Command::Install(it) => it.run(),
            Command::Audit(it) => it.run(),
            Command::Ingest(it) => it.run(),
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes: 0 yes; 1 judged no; 2 usage or configuration; 3 cannot reach, lock or bind;
4 could not be judged; 5 newer schema; 10 stopped with durable work left;
11 stopped with records possibly missing.";
