//! Counts what a store is asked: each question is one statement or more.

use std::sync::atomic::{AtomicU32, Ordering};

use gov_escalation::store::{StoreError, conformance::Watch};

#[derive(Debug, Default)]
pub(super) struct Counting(AtomicU32);

impl Counting {
    pub(super) fn asked(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Watch for Counting {
    async fn around<T: Send>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        call.await
    }
}
