//! Why a person changes the log: the record that says what was done says that too.

use clap::Args;
use gov_deferred_audit::record::MAX_REASON_BYTES;

use crate::cli::{Exit, Failure};

/// Why it is done.
#[derive(Clone, Debug, Args)]
pub(super) struct Reason {
    /// Why: it becomes part of the record that says so.
    #[arg(long = "reason", value_name = "TEXT")]
    text: String,
}

impl Reason {
    /// The text, trimmed.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Usage`] where nothing is left of it, or too much.
    pub(super) fn text(&self) -> Result<&str, Failure> {
        let text = self.text.trim();
        if (1..=MAX_REASON_BYTES).contains(&text.len()) {
            return Ok(text);
        }
        let got = text.len();
        let what = format!("`--reason` must be 1 to {MAX_REASON_BYTES} bytes long; received {got}");
        Err(Failure::new(Exit::Usage, what))
    }
}
