#![doc = include_str!("../README.md")]

#[cfg(feature = "sqlite")]
pub mod at_rest;
#[cfg(feature = "sqlite")]
pub mod buffer;
pub mod cloud_event;
mod encoded;
pub mod id;
#[cfg(feature = "sqlite")]
mod meters;
#[cfg(feature = "sqlite")]
pub mod publisher;
#[cfg(feature = "sqlite")]
pub mod salvage;
pub mod sink;
#[cfg(feature = "sqlite")]
mod store;

#[cfg(feature = "sqlite")]
pub use crate::{
    buffer::{AppendError, BufferConfig, BufferStatus, Durability, EventBuffer, Overflow},
    publisher::{AuditPublisher, FlushLoop, Mode, Published, PublisherConfig, Rejection},
};
pub use crate::{
    encoded::EncodedEvent,
    id::BufferId,
    sink::{AuditSink, Emitted, LastKept, Outgoing, SinkError},
};
