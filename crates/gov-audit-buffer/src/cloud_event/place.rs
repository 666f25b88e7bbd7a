//! Where an event stands in its buffer, written into the event.

use serde::Deserialize;

use super::{DecodeError, wrong};
use crate::{BufferId, EncodedEvent, Outgoing};

/// The place of an event that is on its way out: which buffer it left, as what number.
///
/// A carrier that has headers says it there. Where there are none it stands in the event itself, in
/// the attributes `govbuffer` and `govseq`; the latter is text, since a number in an attribute has
/// 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnItsWay {
    /// The buffer.
    pub buffer_id: BufferId,
    /// The number in that buffer.
    pub buffer_seq: u64,
}

/// What is read of an event to know its place.
#[derive(Deserialize)]
struct Attributes {
    govbuffer: Option<BufferId>,
    govseq: Option<String>,
}

impl OnItsWay {
    /// The event with its place in it.
    #[must_use]
    pub fn written_into(&self, event: &EncodedEvent) -> Vec<u8> {
        let Self { buffer_id, buffer_seq } = self;
        let place = format!(",\"govbuffer\":\"{buffer_id}\",\"govseq\":\"{buffer_seq}\"}}");
        let open = event.json.strip_suffix(b"}").unwrap_or(&event.json);
        [open, place.as_bytes()].concat()
    }

    /// The place that stands in an event; `None` if none does.
    ///
    /// # Errors
    ///
    /// [`DecodeError`]: the bytes are no JSON object, or half of a place.
    pub fn read_from(json: &[u8]) -> Result<Option<Self>, DecodeError> {
        let it: Attributes = serde_json::from_slice(json)?;
        match (it.govbuffer, it.govseq) {
            (None, None) => Ok(None),
            (Some(buffer_id), Some(seq)) => {
                let number = seq.parse::<u64>().ok().filter(|it| it.to_string() == seq);
                let buffer_seq = number.ok_or(wrong("govseq", "a whole number, as text"))?;
                Ok(Some(Self { buffer_id, buffer_seq }))
            }
            _ => Err(wrong("govseq", "there where `govbuffer` is, and only there")),
        }
    }
}

impl From<&Outgoing> for OnItsWay {
    fn from(it: &Outgoing) -> Self {
        Self { buffer_id: it.buffer_id, buffer_seq: it.buffer_seq }
    }
}
