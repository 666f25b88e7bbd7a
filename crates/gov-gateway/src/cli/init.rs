//! `gov init`: a data directory with keys, a starter policy and an admin token.

use std::path::Path;

use clap::{Args, ValueEnum};
use gov_core::{Clock as _, SystemClock, Timestamp};

use super::{Exit, Failure, Outcome, Places, console};
use crate::{
    data_dir::DataDir,
    gov_db::GovDbError,
    offline::{self, Offline},
    policy::Starter,
};

/// Makes a data directory with keys, a starter policy and an admin token.
#[derive(Debug, Args)]
pub struct Init {
    /// What to start from.
    #[arg(value_enum, default_value_t = Choice::Balanced)]
    policy: Choice,
    #[command(flatten)]
    places: Places,
}

/// The starter policies on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// Stops nothing, warns where `balanced` would stop.
    Observe,
    /// Stops what cannot be undone, asks before what hurts, permits the rest.
    Balanced,
    /// Refuses what is not listed.
    Strict,
}

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Usage`] where there is a policy already; nothing is changed then.
    pub fn run(self) -> Outcome {
        let root = self.places.data_dir()?;
        let starter = match self.policy {
            Choice::Observe => Starter::Observe,
            Choice::Balanced => Starter::Balanced,
            Choice::Strict => Starter::Strict,
        };
        offline::block_on(init(&root, starter, SystemClock.now()))?
    }
}

async fn init(root: &Path, starter: Starter, now: Timestamp) -> Outcome {
    let dir = DataDir::open_or_create(root)?;
    let files = Offline::open(dir, now)?;
    let found = files.db.found(starter, now).await;
    let path = files.close().await;
    match found {
        Ok(token) => {
            console::line(&format!(
                "data directory: {}\npolicy: {}, version 1\nadmin token, shown only now: {}",
                path.display(),
                starter.name(),
                token.to_text()
            ))?;
            Ok(Exit::Yes)
        }
        Err(error @ GovDbError::HasPolicy { .. }) => Err(Failure::new(
            Exit::Usage,
            format!("{error}; to start anew, name another directory with `--data-dir`"),
        )),
        Err(error) => Err(Failure::of(Exit::NotJudged, error)),
    }
}
