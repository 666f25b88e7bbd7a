//! The clock, in each approval as it is read.

use std::time::Duration;

use async_trait::async_trait;
use gov_core::Timestamp;

use super::{MemoryApprovalStore, Tables};
use crate::{
    approval::Approval,
    clock::{Halts, RunningClock},
    store::{HaltClock, StoreError},
};

#[async_trait]
impl HaltClock for MemoryApprovalStore {
    async fn halt(&self, at: Timestamp) -> Result<bool, StoreError> {
        let mut tables = self.tables.lock();
        let halted = tables.halts.halt(at);
        if let Some(halts) = halted {
            tables.turn(halts, Duration::ZERO);
        }
        Ok(halted.is_some())
    }

    async fn resume(
        &self,
        halted_at: Timestamp,
        at: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let mut tables = self.tables.lock();
        let Some((halts, by)) = tables.halts.resume(halted_at, at) else { return Ok(None) };
        tables.turn(halts, by);
        Ok(Some(by))
    }

    async fn clock(&self) -> Result<RunningClock, StoreError> {
        Ok(self.tables.lock().halts.clock)
    }
}

impl Tables {
    /// Every deadline is `by` later from now on.
    fn turn(&mut self, halts: Halts, by: Duration) {
        self.halts = halts;
        let damaged = &mut self.damaged;
        let garbled = damaged.garbled.values_mut().map(|(it, _)| it);
        for it in self.approvals.values_mut().chain(damaged.lost.values_mut()).chain(garbled) {
            *it = Approval {
                arrived_at: it.arrived_at + by,
                expires_at: it.expires_at.map(|it| it + by),
                due_at: it.due_at.map(|it| it + by),
                clock: halts.clock,
                ..it.clone()
            };
        }
    }
}
