//! One message as it was handed out.

use std::{fmt, time::SystemTime};

use async_nats::jetstream::Message;
use gov_core::Timestamp;

use super::{ReadStreamError, broken};
use crate::{cloud_event::OnItsWay, sink::nats::message};

/// A message that waits for its answer.
pub struct Delivered {
    message: Message,
    stream_seq: u64,
    published_at: Timestamp,
}

impl Delivered {
    pub(super) fn new(message: Message) -> Result<Self, ReadStreamError> {
        let info = message.info().map(|it| (it.stream_sequence, it.published));
        let (stream_seq, published) = info.map_err(|error| broken("read", "", error))?;
        Ok(Self { message, stream_seq, published_at: timestamp(published.into()) })
    }

    pub(super) fn message(&self) -> &Message {
        &self.message
    }

    /// Its number in the stream.
    #[must_use]
    pub fn stream_seq(&self) -> u64 {
        self.stream_seq
    }

    /// When the stream took it, by the server's clock; the same however often it is handed out.
    #[must_use]
    pub fn published_at(&self) -> Timestamp {
        self.published_at
    }

    /// Where it was published.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// The `CloudEvent` in JSON, if it is one of gov.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.message.payload
    }

    /// Which place of which buffer it says it left; `None` where it does not say.
    #[must_use]
    pub fn place(&self) -> Option<OnItsWay> {
        let mark = message::mark(self.message.headers.as_ref()?)?;
        Some(OnItsWay { buffer_id: mark.buffer_id, buffer_seq: mark.buffer_seq })
    }
}

/// Shows where it stands and how large it is: what it holds must not reach a log line.
impl fmt::Debug for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivered")
            .field("subject", &self.subject())
            .field("stream_seq", &self.stream_seq)
            .field("bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}

/// What lies outside a timestamp's range becomes the nearest end of it.
fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros_clamped(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
