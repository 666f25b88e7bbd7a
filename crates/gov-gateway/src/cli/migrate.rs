//! `gov migrate`: the databases up to this build's schema.

use std::sync::Arc;

use clap::Args;
use gov_audit_buffer::EventBuffer;
use gov_core::SystemClock;
use gov_deferred_audit::{LogConfig, store::sqlite as audit_log};
use gov_escalation::store::sqlite as escalation;
use gov_retention::event_store::sqlite::{self as retention, SqliteEventStore};
use gov_store::lock::DataDirLock;

use super::{Exit, Failure, Outcome, Places, console};
use crate::{
    config::Config,
    data_dir::{DataDir, node_name},
    offline,
    server::{StartError, buffer_config},
    storage,
    store::sqlite as gateway,
};

/// What waits for a sink, always in a file of the data directory.
const AUDIT_BUFFER: &str = "audit_buffer";

/// Whose tables there are.
const ALL: [&str; 5] = [
    gateway::COMPONENT.name,
    escalation::COMPONENT.name,
    retention::COMPONENT.name,
    audit_log::COMPONENT.name,
    AUDIT_BUFFER,
];

/// Brings the databases up to this build's schema. A server on the files must be down; servers that
/// share a database wait for it.
///
/// Files that are not there yet are made by the server's first start.
#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    places: Places,
    /// Only the tables of this component; by default of all.
    #[arg(long, value_name = "NAME", value_parser = ALL)]
    component: Option<String>,
}

impl Migrate {
    /// Runs the command; nothing to do is fine.
    ///
    /// # Errors
    ///
    /// [`super::Failure`]: a newer build has been here, the directory is in use, or a step failed
    /// and was undone.
    pub fn run(self) -> Outcome {
        let config = self.places.load(&[])?.config;
        let database = &config.database;
        let shared =
            offline::block_on(storage::migrate_shared(database, |it| self.wants(it.name)))?;
        let place = if shared.map_err(StartError::from)? {
            // What waits for a sink lies on each node's own disk.
            if let Ok(dir) = DataDir::open(&self.places.data_dir()?)
                && self.wants(AUDIT_BUFFER)
                && dir.audit_buffer().exists()
            {
                let lock = DataDirLock::acquire(dir.path()).map_err(StartError::from)?;
                offline::block_on(migrate_buffer(&config, &dir))??;
                drop(lock);
            }
            database.url.to_string()
        } else {
            offline::block_on(self.migrate_files(&config))??
        };
        let names: Vec<_> = ALL.into_iter().filter(|it| self.wants(it)).collect();
        let names = names.join(", ");
        console::line(&format!("{place}: the tables of {names} are at this build's schema"))?;
        Ok(Exit::Yes)
    }

    /// One file after the other, under the directory's lock; those that are missing stay so.
    async fn migrate_files(&self, config: &Config) -> Result<String, Failure> {
        let dir = DataDir::open(&self.places.data_dir()?)?;
        let lock = DataDirLock::acquire(dir.path()).map_err(StartError::from)?;
        let log = LogConfig::in_dir(dir.path()).database;
        let files = [(dir.gov_db(), storage::EMBEDDED), (log, &[&audit_log::COMPONENT])];
        for (file, components) in files {
            let wanted: Vec<_> =
                components.iter().copied().filter(|it| self.wants(it.name)).collect();
            if !wanted.is_empty() && file.exists() {
                storage::migrate_file(file, wanted).await.map_err(StartError::from)?;
            }
        }
        if self.wants(retention::COMPONENT.name) && dir.events().exists() {
            let days = SqliteEventStore::open(&dir.events(), Arc::new(SystemClock)).await;
            days.map_err(StartError::from)?.close().await;
        }
        if self.wants(AUDIT_BUFFER) && dir.audit_buffer().exists() {
            migrate_buffer(config, &dir).await?;
        }
        drop(lock);
        Ok(dir.path().display().to_string())
    }

    fn wants(&self, name: &str) -> bool {
        self.component.as_ref().is_none_or(|it| it == name)
    }
}

/// Opening it brings it up to this build's schema.
async fn migrate_buffer(config: &Config, dir: &DataDir) -> Result<(), Failure> {
    let node = node_name::load_or_create(config.server.node.as_deref(), &dir.node_name());
    let buffer = buffer_config(&config.buffer, &node.map_err(StartError::from)?);
    let opened = EventBuffer::open(&dir.audit_buffer(), buffer, Arc::new(SystemClock));
    opened.map_err(StartError::from)?.close().await;
    Ok(())
}
