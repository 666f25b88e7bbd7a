//! Who the deciders are: what this crate needs to know of persons, as a seam.

use std::{fmt, sync::Arc};

use crate::roster::Roster;

/// Finds persons. Asked in memory, at every decision: a change counts from the next one on.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Everyone as of now. Asked often, so it is made when something changes and not here.
    fn roster(&self) -> Arc<Roster>;
}

/// Knows a fixed roster: for tests, and for programs whose people never change.
impl Directory for Arc<Roster> {
    fn roster(&self) -> Arc<Roster> {
        Arc::clone(self)
    }
}
