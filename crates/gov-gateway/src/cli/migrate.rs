//! `gov migrate`: the databases up to this build's schema.

use clap::Args;

use super::{Exit, Outcome, Places, console};
use crate::{
    data_dir::DataDir,
    offline::{self, Offline},
};

/// Brings the databases up to this build's schema. A server on the files must be down; servers that
/// share a database wait for it.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    places: Places,
}

impl Migrate {
    /// Runs the command; nothing to do is fine.
    ///
    /// # Errors
    ///
    /// [`super::Failure`]: a newer build has been here, the directory is in use, or a step failed
    /// and was undone.
    pub fn run(self) -> Outcome {
        let place = offline::block_on(async {
            let it = Offline::open(&self.places, DataDir::open).await?;
            let place = it.place.clone();
            it.close().await;
            Ok::<_, super::Failure>(place)
        })??;
        console::line(&format!("{place}: the gateway's tables are at this build's schema"))?;
        Ok(Exit::Yes)
    }
}
