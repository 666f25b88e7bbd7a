//! Why a server did not start, and with which exit code.

use std::{error::Error, io, net::SocketAddr};

use gov_audit_buffer::buffer::OpenBufferError;
use gov_deferred_audit::{
    OpenError as OpenLogError, OpenQueueError, outside_copy::OutsideCopyError,
};
use gov_retention::event_store::sqlite::OpenStoreError;
use gov_store::{lock::LockError, migrations::MigrateError, sqlite::OpenError};

use super::TargetError;
use crate::{
    cli::Exit,
    data_dir::{DataDirError, key_file::KeyFileError, node_name::NodeNameError},
    meters::RecorderTaken,
    policy::PolicyError,
    registry::RegistryError,
    sinks::OpenSinkError,
    storage::StorageError,
    store::StoreError,
};

/// The server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Another process writes it.
    #[error("a server runs on these files; ask it over HTTP: set GOV_URL and GOV_TOKEN")]
    InUse(#[source] LockError),
    /// It cannot be locked.
    #[error(transparent)]
    Lock(LockError),
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The address is taken or not ours.
    #[error("cannot listen on `{address}`; stop what does, or choose another with `--listen`")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// This server has no name.
    #[error(transparent)]
    Node(#[from] NodeNameError),
    /// The state does not open.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The first contents could not be made.
    #[error(transparent)]
    Founding(#[from] RegistryError),
    /// The signed log does not open: nothing is signed.
    #[error(transparent)]
    Log(#[from] OpenLogError),
    /// The spool before it does not open.
    #[error(transparent)]
    Queue(#[from] OpenQueueError),
    /// The event store does not open.
    #[error(transparent)]
    Events(#[from] OpenStoreError),
    /// The sink of audit events cannot work.
    #[error(transparent)]
    Sink(#[from] OpenSinkError),
    /// A target of messages cannot work.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The buffer before it does not open.
    #[error(transparent)]
    Buffer(#[from] OpenBufferError),
    /// The stored policy does not compile: another build may have written it.
    #[error(
        "the stored policy, version {version}, cannot be loaded; correct the configuration, or `gov policies activate FILE` puts in one that can"
    )]
    Policy {
        /// Which version.
        version: u64,
        /// What is wrong with it.
        source: PolicyError,
    },
    /// The boot of the machine has no name.
    #[error("cannot read `{path}`")]
    BootId {
        /// Where it should stand.
        path: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
    /// The metrics have another owner.
    #[error(transparent)]
    Metrics(#[from] RecorderTaken),
    /// The work of opening panicked: a mistake of the program.
    #[error("opening the files panicked")]
    Panicked(#[source] Box<dyn Error + Send + Sync>),
}

impl StartError {
    /// The exit code that says whose move is next.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::DataDir(DataDirError::Io { .. })
            | Self::InUse(_)
            | Self::Lock(_)
            | Self::Bind { .. }
            | Self::Events(OpenStoreError::Folder { .. }) => Exit::Unreachable,
            Self::DataDir(_) | Self::Key(_) | Self::Node(_) | Self::Target(_) => Exit::Usage,
            Self::Sink(error) => sink_exit(error),
            Self::Buffer(error) => buffer_exit(error),
            Self::Storage(error) => storage_exit(error),
            Self::Events(OpenStoreError::Today { source: error, .. }) => open_exit(error),
            Self::Log(error) => match error {
                OpenLogError::Key(_)
                | OpenLogError::Domain(_)
                | OpenLogError::OtherDomain { .. } => Exit::Usage,
                OpenLogError::NewerSchema(_) => Exit::NewerSchema,
                OpenLogError::Unavailable(_)
                | OpenLogError::OutsideCopy(OutsideCopyError::Io { .. }) => Exit::Unreachable,
                // A rollback, a corrupt log: a person must look before anything is signed.
                _ => Exit::NotJudged,
            },
            Self::Store(_)
            | Self::Founding(_)
            | Self::Queue(_)
            | Self::Events(_)
            | Self::Policy { .. }
            | Self::BootId { .. }
            | Self::Metrics(_)
            | Self::Panicked(_) => Exit::NotJudged,
        }
    }
}

impl From<LockError> for StartError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { .. } => Self::InUse(error),
            other => Self::Lock(other),
        }
    }
}

/// A newer schema has a code of its own.
fn storage_exit(error: &StorageError) -> Exit {
    match error {
        StorageError::Open(error) => open_exit(error),
        StorageError::Migrate(MigrateError::NewerSchema { .. }) => Exit::NewerSchema,
        StorageError::Unreachable { .. } | StorageError::Time(_) => Exit::Unreachable,
        StorageError::Url | StorageError::UrlFile { .. } => Exit::Usage,
        _ => Exit::NotJudged,
    }
}

fn sink_exit(error: &OpenSinkError) -> Exit {
    match error {
        OpenSinkError::JsonLines(_) => Exit::Unreachable,
        OpenSinkError::Panicked(_) => Exit::NotJudged,
        _ => Exit::Usage,
    }
}

fn buffer_exit(error: &OpenBufferError) -> Exit {
    match error {
        OpenBufferError::Open(error) => open_exit(error),
        OpenBufferError::State { .. } => Exit::NotJudged,
        // Another process has it, or it cannot be locked.
        _ => Exit::Unreachable,
    }
}

fn open_exit(error: &OpenError) -> Exit {
    match error {
        OpenError::Migrate(MigrateError::NewerSchema { .. }) => Exit::NewerSchema,
        OpenError::Io { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    }
}
