//! Where the log of a data directory lies.

use clap::Args;
use gov_deferred_audit::LogConfig;

use crate::{
    cli::{
        Failure,
        places::{LogPlaces, Places},
    },
    data_dir::DataDir,
    server::log_config,
};

/// The log of a data directory, as `gov serve` with the same flags keeps it.
#[derive(Clone, Debug, Args)]
pub(super) struct LogPlace {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    log: LogPlaces,
}

impl LogPlace {
    /// The directory, which must exist, and where the parts of its log lie.
    pub(super) fn find(&self) -> Result<(DataDir, LogConfig), Failure> {
        let config = self.places.load(&self.log.settings()?)?.config;
        let dir = DataDir::open(&self.places.data_dir()?)?;
        let log = log_config(&config, &dir);
        Ok((dir, log))
    }
}
