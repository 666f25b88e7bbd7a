//! The crate from outside.

mod events;
mod skeleton;
