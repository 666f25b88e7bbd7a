//! The stream of a real server, over whichever connection is open.

use std::sync::atomic::{AtomicBool, Ordering};

use async_nats::{
    Subject,
    header::{
        NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL, NATS_BATCH_ID, NATS_BATCH_SEQUENCE,
        NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID,
    },
};
use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{
    config::NatsConfig,
    link::Link,
    message::Template,
    stream::{Guarded, JetStream, LastMessage, Offers, Stored, StreamError},
};
use crate::Outgoing;

/// The stream that a configuration names.
#[derive(Debug)]
pub(super) struct NatsStream {
    config: NatsConfig,
    template: Template,
    link: Mutex<Option<Link>>,
    /// The open connection must not be used again.
    cut: AtomicBool,
    closed: AtomicBool,
}

impl NatsStream {
    pub(super) fn new(config: NatsConfig) -> Self {
        let template = Template::of(&config.node);
        let (cut, closed) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { config, template, link: Mutex::default(), cut, closed }
    }

    /// Ends the connection, and opens none any more.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        *self.link.lock().await = None;
    }

    async fn opened<'a>(&self, slot: &'a mut Option<Link>) -> Result<&'a mut Link, StreamError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(StreamError::Closed);
        }
        if self.cut.swap(false, Ordering::AcqRel) {
            *slot = None;
        }
        match slot {
            Some(link) => Ok(link),
            none => Ok(none.insert(Link::open(&self.config).await?)),
        }
    }

    /// Whoever failed on a connection opens another: the server may be another one by then, or the
    /// stream may have other settings.
    fn note(&self, error: &StreamError) {
        use StreamError::{NoBatches, Unavailable, Unknown};
        if matches!(error, Unavailable(_) | Unknown(_) | NoBatches) {
            self.abandon();
        }
    }

    async fn send_batch(
        &self,
        subject: &str,
        after: u64,
        batch: &[Outgoing],
    ) -> Result<u64, StreamError> {
        let mut slot = self.link.lock().await;
        let link = self.opened(&mut slot).await?;
        for (index, outgoing) in batch.iter().enumerate() {
            link.fits(outgoing).map_err(|reason| StreamError::Refused { index, reason })?;
        }
        let (subject, id) = (Subject::from(subject), link.begin());
        for (number, outgoing) in (1..).zip(batch) {
            let mut headers = self.template.headers(outgoing);
            headers.insert(NATS_BATCH_ID, id.as_str());
            headers.insert(NATS_BATCH_SEQUENCE, number.to_string());
            if number == 1 {
                headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, after.to_string());
            }
            let is_last = number == batch.len();
            if is_last {
                headers.insert(NATS_BATCH_COMMIT, NATS_BATCH_COMMIT_FINAL);
            }
            let sent = link.send(&subject, headers, outgoing, is_last.then_some(0)).await;
            sent.map_err(|error| match error {
                StreamError::Refused { reason, .. } => {
                    StreamError::Refused { index: number - 1, reason }
                }
                other => other,
            })?;
        }
        match link.answer().await?.1 {
            Ok(stored) => Ok(stored.sequence),
            // It does not say which: one by one it will.
            Err(StreamError::Refused { .. }) => Err(StreamError::NoBatches),
            Err(error) => Err(error),
        }
    }

    async fn send_each(
        &self,
        subject: &str,
        batch: &[Guarded<'_>],
        answers: &mut Vec<Result<Stored, StreamError>>,
    ) -> Result<(), StreamError> {
        let mut slot = self.link.lock().await;
        let link = self.opened(&mut slot).await?;
        link.begin();
        let subject = Subject::from(subject);
        let mut refused = None;
        let mut sent = 0;
        for guarded in batch {
            if let Err(reason) = link.fits(guarded.outgoing) {
                refused = Some(StreamError::Refused { index: 0, reason });
                break;
            }
            let mut headers = self.template.headers(guarded.outgoing);
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, guarded.after.to_string());
            if let Some(id) = guarded.after_id {
                headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, id.to_string());
            }
            if guarded.under_id {
                headers.insert(NATS_MESSAGE_ID, guarded.outgoing.event.id.to_string());
            }
            match link.send(&subject, headers, guarded.outgoing, Some(sent)).await {
                Ok(()) => sent += 1,
                Err(error @ StreamError::Refused { .. }) => {
                    refused = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let mut by_index: Vec<Option<Result<Stored, StreamError>>> = Vec::new();
        by_index.resize_with(sent, || None);
        let mut open = sent;
        while open > 0 {
            let (index, answer) = link.answer().await?;
            if let Some(place @ None) = by_index.get_mut(index) {
                *place = Some(answer);
                open -= 1;
            }
        }
        answers.extend(by_index.into_iter().flatten());
        answers.extend(refused.map(Err));
        Ok(())
    }
}

#[async_trait]
impl JetStream for NatsStream {
    async fn offers(&self) -> Result<Offers, StreamError> {
        let mut slot = self.link.lock().await;
        self.opened(&mut slot).await.map(|link| link.offers).inspect_err(|error| self.note(error))
    }

    async fn last_of(&self, subject: &str) -> Result<Option<LastMessage>, StreamError> {
        let mut slot = self.link.lock().await;
        let link = self.opened(&mut slot).await?;
        link.last_of(subject).await.inspect_err(|error| self.note(error))
    }

    async fn publish_atomic(
        &self,
        subject: &str,
        after: u64,
        batch: &[Outgoing],
    ) -> Result<u64, StreamError> {
        let stored = self.send_batch(subject, after, batch).await;
        stored.inspect_err(|error| self.note(error))
    }

    async fn publish_each(
        &self,
        subject: &str,
        batch: &[Guarded<'_>],
    ) -> Vec<Result<Stored, StreamError>> {
        let mut answers = Vec::with_capacity(batch.len());
        if let Err(error) = self.send_each(subject, batch, &mut answers).await {
            answers.push(Err(error));
        }
        for error in answers.iter().filter_map(|it| it.as_ref().err()) {
            self.note(error);
        }
        answers
    }

    fn abandon(&self) {
        self.cut.store(true, Ordering::Release);
    }
}
