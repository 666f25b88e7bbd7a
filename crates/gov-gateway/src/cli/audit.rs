//! `gov audit`: what happened, and the signed log for those who check it.

use clap::Subcommand;

use super::Outcome;

mod accept_rollback;
mod at_rest;
mod buffer;
mod dlq;
mod events;
mod export;
mod place;
mod prune;
mod reason;
mod receipt;
mod report;
mod restore_tail;
mod rotate_key;
mod verify;
mod which;

/// `gov audit`: audit events and the signed log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show what happened: of a running server, or in files at rest.
    Events(Box<events::Events>),
    /// Judge a log: is everything in it what was signed, and is everything there?
    ///
    /// Works offline, from a data directory (also while its server runs) or from an export.
    Verify(verify::Verify),
    /// Write the log as static files that outside tools verify; also while the server runs.
    Export(export::Export),
    /// Write the proof that the log holds one record; also while the server runs.
    Receipt(Box<receipt::Receipt>),
    /// Go on under a new key: the log ends its epoch and hands all of it over to the next.
    RotateKey(rotate_key::RotateKey),
    /// Delete old entries and what they were about, and keep every proof.
    Prune(Box<prune::Prune>),
    /// Put back what the database lost, from an export that was signed.
    RestoreTail(Box<restore_tail::RestoreTail>),
    /// See what the log did not take; hand it in again, or give it up.
    #[command(subcommand)]
    Dlq(Box<dlq::Dlq>),
    /// See what waits for the sink of audit events, and what it refused; send that once more, or give
    /// it up.
    #[command(subcommand)]
    Buffer(Box<buffer::Buffer>),
    /// Accept that records were lost: the log goes on as a new epoch that says so.
    AcceptRollback(accept_rollback::AcceptRollback),
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`super::Failure`]: it could not be done or judged, with the way out.
    pub fn run(self) -> Outcome {
        match self {
            Self::Events(it) => it.run(),
            Self::Verify(it) => it.run(),
            Self::Export(it) => it.run(),
            Self::Receipt(it) => it.run(),
            Self::RotateKey(it) => it.run(),
            Self::Prune(it) => it.run(),
            Self::RestoreTail(it) => it.run(),
            Self::Dlq(it) => it.run(),
            Self::Buffer(it) => it.run(),
            Self::AcceptRollback(it) => it.run(),
        }
    }
}
