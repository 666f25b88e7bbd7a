//! A stream of a real NATS server, read by a client of its own.

use async_nats::jetstream;
use gov_audit_buffer::sink::nats::test_server::{Release, TestServer};
use serde_json::Value;

use crate::place::Place;

/// The stream that `gov` makes where it is told nothing else.
const STREAM: &str = "GOV_AUDIT";

/// A server with its stream, in the home of a story.
pub(crate) struct Nats {
    pub(crate) server: TestServer,
}

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) subject: String,
    /// `Gov-Seq`.
    pub(crate) seq: u64,
    /// The `CloudEvent`.
    pub(crate) event: Value,
}

impl Nats {
    /// Starts a server; `None`, said on standard error, where the machine has none.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        let dir = place.home().join("nats");
        std::fs::create_dir(&dir).unwrap();
        let config = "jetstream { sync_interval: always }";
        TestServer::start(Release::Current, &dir, config).map(|server| Self { server })
    }

    /// What `gov serve` is told to ship to it.
    pub(crate) fn section(&self) -> String {
        format!(
            "[buffer]\nsink = \"nats\"\nurl = \"{}\"\nsend_timeout = \"2s\"\n",
            self.server.url()
        )
    }

    /// Everything in the stream, in its order.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = async_nats::connect(self.server.url()).await.unwrap();
            let stream = jetstream::new(client).get_stream(STREAM).await.unwrap();
            let last = stream.cached_info().state.last_sequence;
            let mut messages = Vec::new();
            for sequence in 1..=last {
                let message = stream.get_raw_message(sequence).await.unwrap();
                messages.push(Message {
                    subject: message.subject.to_string(),
                    seq: message.headers.get("Gov-Seq").unwrap().as_str().parse().unwrap(),
                    event: serde_json::from_slice(&message.payload).unwrap(),
                });
            }
            messages
        })
    }
}

impl Message {
    /// The record of the signed log that the event is about.
    pub(crate) fn record(&self) -> Option<String> {
        let subjects: Value = serde_json::from_str(self.event["govsubjects"].as_str()?).unwrap();
        subjects["record_id"].as_str().map(str::to_owned)
    }

    /// What happened.
    pub(crate) fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap()
    }
}
