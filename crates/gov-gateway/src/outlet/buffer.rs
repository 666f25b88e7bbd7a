//! Into the buffer, from which a sink gets them.

use async_trait::async_trait;
use gov_audit_buffer::{
    AppendError, AuditPublisher, Durability as BufferDurability, Published, Rejection,
    buffer::BufferError,
};
use gov_core::{AuditEvent, event::PayloadTooLarge};
use gov_retention::event_store::{Appended, Durability};

use super::{EventOutlet, OutletError};

/// The buffer before a sink.
#[derive(Clone, Debug)]
pub struct BufferOutlet(AuditPublisher);

impl BufferOutlet {
    /// Hands events to `publisher`, whose mode is write-ahead.
    #[must_use]
    pub fn new(publisher: AuditPublisher) -> Self {
        Self(publisher)
    }
}

#[async_trait]
impl EventOutlet for BufferOutlet {
    fn name(&self) -> &'static str {
        "audit_buffer"
    }

    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<(), OutletError> {
        for event in events {
            let id = event.id;
            match self.0.publish_as(event, of(durability)).await {
                Published::Rejected(Rejection::TooLarge { limit, got }) => {
                    let reason = format!("the event must be at most {limit} bytes; received {got}");
                    return Err(OutletError::Never { id, reason });
                }
                Published::Rejected(Rejection::Full) => return Err(OutletError::Full),
                Published::Rejected(Rejection::Closed) => return Err(unavailable(CLOSED)),
                Published::Rejected(_) => return Err(unavailable(UNAVAILABLE)),
                _ => (),
            }
        }
        Ok(())
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, OutletError> {
        // The buffer does not say which one was too large. All that can be is the payload.
        for (_, event) in &events {
            if let Err(PayloadTooLarge { limit, got }) = event.check_size() {
                let reason = format!("the payload must be at most {limit} bytes; received {got}");
                return Err(OutletError::Never { id: event.id, reason });
            }
        }
        let appended = self.0.buffer().append_from(source, events, BufferDurability::Durable).await;
        match appended {
            Ok(it) => Ok(Appended { new: it.new, known: it.known }),
            Err(AppendError::Full { .. }) => Err(OutletError::Full),
            Err(other) => Err(OutletError::Unavailable(Box::new(other))),
        }
    }

    async fn cursor(&self, source: &str) -> Result<u64, OutletError> {
        let unavailable = |error: BufferError| OutletError::Unavailable(Box::new(error));
        self.0.buffer().cursor(source).await.map_err(unavailable)
    }
}

const CLOSED: &str = "the audit buffer is closed";
const UNAVAILABLE: &str = "the audit buffer did not take it in time, or cannot be written";

fn unavailable(what: &'static str) -> OutletError {
    OutletError::Unavailable(what.into())
}

/// The two promise the same.
fn of(durability: Durability) -> BufferDurability {
    match durability {
        Durability::Spooled => BufferDurability::Spooled,
        Durability::Durable => BufferDurability::Durable,
    }
}
