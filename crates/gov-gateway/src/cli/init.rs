//! `gov init`: a data directory with keys, a starter policy and an admin token.

use clap::{Args, ValueEnum};
use gov_core::{Clock as _, SystemClock, Timestamp};

use super::{Exit, Failure, Outcome, Places, console};
use crate::{
    data_dir::DataDir,
    founding::{self, Founded, IfLost},
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
        let starter = match self.policy {
            Choice::Observe => Starter::Observe,
            Choice::Balanced => Starter::Balanced,
            Choice::Strict => Starter::Strict,
        };
        offline::block_on(init(&self.places, starter, SystemClock.now()))?
    }
}

async fn init(places: &Places, starter: Starter, now: Timestamp) -> Outcome {
    let files = Offline::open(places, DataDir::open_or_create).await?;
    // Without a policy to lose nothing is overwritten, and a person says which one.
    let founded = founding::found(&*files.storage.store, starter, now, IfLost::Replace).await;
    let (kind, place) = (files.kind(), files.place.clone());
    files.close().await;
    let (version, token) = match founded.map_err(|error| Failure::of(Exit::NotJudged, error))? {
        Founded::New { version, admin_token: Some(token) } => {
            (version, format!("admin token, shown only now: {}", token.to_text()))
        }
        Founded::New { version, admin_token: None } => (version, "tokens: as they were".to_owned()),
        Founded::HasPolicy { version, name } => {
            let what = format!(
                "`{place}` has a policy already: `{name}`, version {version}; to start anew, name \
                 another directory with `--data-dir`"
            );
            return Err(Failure::new(Exit::Usage, what));
        }
        Founded::PolicyLost => return Err(Failure::new(Exit::NotJudged, "the policy is lost")),
    };
    let policy = starter.name();
    console::line(&format!("{kind}: {place}\npolicy: {policy}, version {version}\n{token}"))?;
    Ok(Exit::Yes)
}
