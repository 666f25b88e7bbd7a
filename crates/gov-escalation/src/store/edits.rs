//! One request put in the place of another.

use std::fmt;

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::StoreError;
use crate::{
    approval::Approval,
    transition::{Edit, Refusal},
};

/// Replaces what is asked for by what a person made of it.
#[async_trait]
pub trait Edits: fmt::Debug + Send + Sync {
    /// Closes one approval and opens another in its place, with the editor's yes, in one change; if
    /// [`edit`](crate::transition::edit) allows it for what is stored.
    ///
    /// Of an edit and a decision at once, one counts.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is none; a refused edit is no error.
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError>;
}

/// What [`Edits::replace`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum Replaced {
    /// The edit is made.
    Done {
        /// The approval that is over.
        old: Box<Approval>,
        /// The one in its place.
        new: Box<Approval>,
        /// Where the editor's yes stands in the history.
        position: u64,
    },
    /// Nothing is changed.
    Refused {
        /// The approval as it is.
        approval: Box<Approval>,
        /// Why not.
        refusal: Refusal,
    },
}
