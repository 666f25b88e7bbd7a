//! A change in the form in which it is stored.

use gov_core::{Payload, payload::SealError};

use crate::{
    approval::{Approval, HistoryEntry, Notification},
    grant::Use,
    transition::Step,
};

/// A step with its history sealed and its messages written as JSON, so that storing it is nothing
/// but SQL.
#[derive(Debug)]
pub(in crate::store) struct SealedStep {
    /// The approval after it.
    pub(in crate::store) approval: Approval,
    /// Whether status, votes or answer changed, and not only rung, deadline and generation.
    pub(in crate::store) settles: bool,
    pub(in crate::store) history: Vec<SealedEntry>,
    /// Each with its content as JSON.
    pub(in crate::store) outbox: Vec<(Notification, String)>,
    /// The call of a grant that it releases.
    pub(in crate::store) used: Option<Use>,
}

/// A history entry beside its payload.
#[derive(Debug)]
pub(in crate::store) struct SealedEntry {
    pub(in crate::store) entry: HistoryEntry,
    pub(in crate::store) payload: Payload,
}

impl SealedStep {
    /// Only a line in the history of `approval`, which stays as it is.
    ///
    /// # Errors
    ///
    /// [`SealError`]: nothing may be written.
    pub(in crate::store) fn note(
        approval: Approval,
        entry: HistoryEntry,
    ) -> Result<Self, SealError> {
        let before = approval.clone();
        let step = Step { approval, history: vec![entry], outbox: Vec::new(), used: None };
        Self::of(step, Some(&before))
    }

    /// The step that follows `before`, or opens the approval where there is none.
    ///
    /// # Errors
    ///
    /// [`SealError`]: nothing may be written.
    pub(in crate::store) fn of(step: Step, before: Option<&Approval>) -> Result<Self, SealError> {
        let Step { approval, history, outbox, used } = step;
        let settles = before.is_none_or(|it| {
            it.status != approval.status
                || it.expires_at != approval.expires_at
                || it.answer != approval.answer
                || it.consumption != approval.consumption
                || it.votes != approval.votes
                || it.chain_now != approval.chain_now
                || it.calls_left != approval.calls_left
                || it.edited_into != approval.edited_into
        });
        let seal = |entry: HistoryEntry| {
            Ok(SealedEntry { payload: Payload::seal(&entry.content)?, entry })
        };
        let history = history.into_iter().map(seal).collect::<Result<_, SealError>>()?;
        let with_text = |it: Notification| {
            let content = it.content.to_string();
            (it, content)
        };
        let outbox = outbox.into_iter().map(with_text).collect();
        Ok(Self { approval, settles, history, outbox, used })
    }
}
