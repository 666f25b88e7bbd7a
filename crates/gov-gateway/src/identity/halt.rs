//! The kill switch: whether everything is refused.

use gov_core::Timestamp;

/// The last halt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// Since when every check is refused.
    pub halted_at: Timestamp,
    /// Why, in the words of whoever did it.
    pub reason: String,
    /// Who did it, as the history names them.
    pub who: String,
    /// When it ended; `None` while it lasts.
    pub resumed_at: Option<Timestamp>,
}

impl Halt {
    /// Whether it lasts.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.resumed_at.is_none()
    }
}
