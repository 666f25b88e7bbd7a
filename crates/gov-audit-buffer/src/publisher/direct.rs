//! Publishing past the buffer: to the sink at once, and into the buffer if that fails.

use std::{future, pin::pin, task::Poll};

use gov_core::AuditEvent;

use super::{AuditPublisher, Published, breaker::BreakerState};
use crate::{
    Durability,
    buffer::{AppendError, drain::Past},
};

impl AuditPublisher {
    /// In the order in which callers came: none is asked twice, and none overtakes.
    pub(super) async fn ship_or_append(
        &self,
        event: &AuditEvent,
        durability: Durability,
    ) -> Result<Published, AppendError> {
        let inner = &*self.inner;
        let event = inner.buffer.encode(event)?;
        let turn = inner.line.acquire().await.map_err(|_| AppendError::Closed)?;
        let is_open = matches!(self.breaker_state(), BreakerState::Open { .. });
        if inner.buffer.is_empty() && !is_open {
            let (sink, bound) = (&*inner.sink, inner.config.direct_timeout);
            match inner.buffer.send_past(sink, &event, durability, bound).await {
                Past::Behind => {}
                Past::Kept => {
                    inner.breaker.lock().succeeded();
                    return Ok(Published::Shipped);
                }
                Past::Instead { appended, stopped } => {
                    self.failed(&stopped);
                    return appended.map(|seq| Published::buffered(seq, durability));
                }
            }
        }
        let mut append = pin!(inner.buffer.append_at(0, event, durability));
        // Queued by the first look, and so in its place: the next one in line need not wait for the
        // commit.
        let first = future::poll_fn(|cx| Poll::Ready(append.as_mut().poll(cx))).await;
        drop(turn);
        let seq = match first {
            Poll::Ready(appended) => appended?,
            Poll::Pending => append.await?,
        };
        Ok(Published::buffered(seq, durability))
    }
}
