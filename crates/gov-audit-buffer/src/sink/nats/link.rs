//! An open connection with its checked stream, and the answers that come back over it.

use async_nats::{
    Client, HeaderMap, Message, StatusCode, Subject, Subscriber,
    client::PublishErrorKind,
    jetstream::{
        self, ErrorCode,
        context::GetStreamErrorKind,
        publish::PublishAck,
        response::Response,
        stream::{LastRawMessageErrorKind, Stream},
    },
};
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::{
    checks,
    config::NatsConfig,
    connect,
    message::{self, MAX_HEADERS},
    stream::{LastMessage, Offers, Stored, StreamError},
};
use crate::Outgoing;

/// A connection in use, by one caller at a time.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    stream: Stream,
    pub(super) offers: Offers,
    /// The stream's own limit on a message, if it has one.
    max_message: Option<usize>,
    /// Answers come to `<inbox>.<call>.<index>`.
    inbox: String,
    answers: Subscriber,
    call: u64,
}

impl Link {
    /// Connects, and makes or checks the stream.
    pub(super) async fn open(config: &NatsConfig) -> Result<Self, StreamError> {
        let client = connect::connect(config).await.map_err(unavailable)?;
        let context = jetstream::new(client.clone());
        let stream = match context.get_stream(&config.stream).await {
            Ok(stream) => stream,
            Err(error) if is_missing(&error.kind()) => {
                let fresh = checks::fresh(config);
                tracing::info!(stream = config.stream, "making the stream for audit events");
                let made = context.create_stream(fresh).await.map_err(unavailable)?;
                // As the server has it: an old one leaves out what it does not know.
                context.get_stream(&made.cached_info().config.name).await.map_err(unavailable)?
            }
            Err(error) => return Err(unavailable(error)),
        };
        let found = &stream.cached_info().config;
        let subject = format!("{}.buffer", config.subject());
        checks::check(found, &subject, config.duplicate_window).map_err(unavailable)?;
        let offers = Offers { atomic_batches: found.allow_atomic_publish };
        let max_message = usize::try_from(found.max_message_size).ok().filter(|it| *it > 0);
        let inbox = client.new_inbox();
        let answers = client.subscribe(format!("{inbox}.*.*")).await.map_err(unavailable)?;
        Ok(Self { client, stream, offers, max_message, inbox, answers, call: 0 })
    }

    /// As [`JetStream::last_of`](super::stream::JetStream::last_of).
    pub(super) async fn last_of(&self, subject: &str) -> Result<Option<LastMessage>, StreamError> {
        match self.stream.get_last_raw_message_by_subject(subject).await {
            Ok(last) => Ok(Some(LastMessage {
                sequence: last.sequence,
                mark: message::mark(&last.headers),
            })),
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether the server takes a message of that size.
    pub(super) fn fits(&self, outgoing: &Outgoing) -> Result<(), String> {
        let limit = self.max_message.unwrap_or(usize::MAX).min(self.client.max_payload());
        let got = outgoing.event.json.len();
        if got + MAX_HEADERS <= limit {
            return Ok(());
        }
        Err(format!(
            "it has {got} bytes, and with {MAX_HEADERS} for its headers the stream takes {limit}"
        ))
    }

    /// Begins a call, and gives the text that names it.
    pub(super) fn begin(&mut self) -> String {
        self.call += 1;
        format!("{}-{}", self.inbox.rsplit('.').next().unwrap_or_default(), self.call)
    }

    /// Hands a message to the connection; an answer is wanted as the `answer`th of this call.
    ///
    /// # Errors
    ///
    /// [`StreamError::Refused`] with index 0, which means this one, and [`StreamError::Unknown`].
    pub(super) async fn send(
        &self,
        subject: &Subject,
        headers: HeaderMap,
        outgoing: &Outgoing,
        answer: Option<usize>,
    ) -> Result<(), StreamError> {
        let body = Bytes::copy_from_slice(&outgoing.event.json);
        let (client, subject) = (&self.client, subject.clone());
        let sent = match answer {
            Some(index) => {
                let reply = format!("{}.{}.{index}", self.inbox, self.call);
                client.publish_with_reply_and_headers(subject, reply, headers, body).await
            }
            None => client.publish_with_headers(subject, headers, body).await,
        };
        sent.map_err(|error| match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => {
                StreamError::Refused { index: 0, reason: error.to_string() }
            }
            _ => unknown(error),
        })
    }

    /// The next answer to this call, and which it is.
    pub(super) async fn answer(
        &mut self,
    ) -> Result<(usize, Result<Stored, StreamError>), StreamError> {
        let call = self.call.to_string();
        while let Some(message) = self.answers.next().await {
            let mut ends = message.subject.rsplit('.');
            let (index, of) = (ends.next(), ends.next());
            // Earlier calls that were given up may still be answered.
            if of != Some(call.as_str()) {
                continue;
            }
            if let Some(index) = index.and_then(|it| it.parse().ok()) {
                return Ok((index, read(&message)));
            }
        }
        Err(unknown("the connection broke"))
    }
}

/// What a server answered to a publish.
fn read(message: &Message) -> Result<Stored, StreamError> {
    if message.status == Some(StatusCode::NO_RESPONDERS) {
        return Err(unavailable("no stream listens on the subject"));
    }
    let answer: Response<PublishAck> = serde_json::from_slice(&message.payload).map_err(unknown)?;
    let error = match answer {
        Response::Ok(ack) => {
            return Ok(Stored { sequence: ack.sequence, duplicate: ack.duplicate });
        }
        Response::Err { error } => error,
    };
    Err(match error.error_code() {
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE
        | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT
        | ErrorCode::STREAM_WRONG_LAST_MESSAGE_ID => StreamError::Conflict,
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM => {
            StreamError::Refused { index: 0, reason: error.to_string() }
        }
        // Whatever a server has against a batch, it may take its messages one by one.
        ErrorCode::ATOMIC_PUBLISH_DISABLED
        | ErrorCode::ATOMIC_PUBLISH_MISSING_SEQ
        | ErrorCode::ATOMIC_PUBLISH_INCOMPLETE_BATCH
        | ErrorCode::ATOMIC_PUBLISH_UNSUPPORTED_HEADER
        | ErrorCode::ATOMIC_PUBLISH_INVALID_BATCH_ID
        | ErrorCode::ATOMIC_PUBLISH_TOO_LARGE_BATCH
        | ErrorCode::ATOMIC_PUBLISH_INVALID_BATCH_COMMIT
        | ErrorCode::ATOMIC_PUBLISH_CONTAINS_DUPLICATE_MESSAGE
        | ErrorCode::ATOMIC_PUBLISH_TOO_MANY_INFLIGHT => {
            tracing::debug!(%error, "the server did not take an atomic batch");
            StreamError::NoBatches
        }
        _ => unavailable(error),
    })
}

fn is_missing(error: &GetStreamErrorKind) -> bool {
    matches!(error, GetStreamErrorKind::JetStream(it)
        if it.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StreamError {
    StreamError::Unavailable(error.into())
}

fn unknown(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StreamError {
    StreamError::Unknown(error.into())
}
