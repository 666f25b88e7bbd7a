//! Keeps audit events where they are found again.
//!
//! [`event_store`] is the contract. Start reading there.

pub mod event_store;
