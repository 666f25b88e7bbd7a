//! `gov migrate`: the databases up to this build's schema.

use clap::Args;
use gov_core::{Clock as _, SystemClock};

use super::{Exit, Outcome, Places, console};
use crate::{
    data_dir::DataDir,
    offline::{self, Offline},
};

/// Brings the databases of a data directory up to this build's schema. The server must be down.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    places: Places,
    /// The database, as `gov serve` takes it.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
}

impl Migrate {
    /// Runs the command; nothing to do is fine.
    ///
    /// # Errors
    ///
    /// [`super::Failure`]: a newer build has been here, the directory is in use, or a step failed
    /// and was undone.
    pub fn run(self) -> Outcome {
        let url = ("--database-url", "database.url", self.database_url.clone());
        self.places.load(&[url])?;
        let dir = DataDir::open(&self.places.data_dir()?)?;
        let path = dir.path().to_owned();
        let open = Offline::open(dir, SystemClock.now())?;
        offline::block_on(open.close())?;
        console::line(&format!("{}: gov.db is at this build's schema", path.display()))?;
        Ok(Exit::Yes)
    }
}
