//! What lies in the stream: the event as JSON, and its attributes as headers.

use async_nats::jetstream::{self, message::StreamMessage};
use gov_audit_buffer::sink::nats::test_server::Release;

use super::world::{World, batch, drain, fresh_buffer, sink};

async fn message(world: &World, sequence: u64) -> StreamMessage {
    let client = async_nats::connect(world.server.url()).await.unwrap();
    let stream = jetstream::new(client).get_stream("GOV_AUDIT").await.unwrap();
    stream.get_raw_message(sequence).await.unwrap()
}

#[tokio::test]
async fn a_message_is_a_cloud_event_with_its_attributes_as_headers() {
    for release in [Release::Current, Release::Old] {
        let Some(world) = World::start(release) else { return };
        let mut config = world.config();
        config.node = "eu.host 1".to_owned();
        let (sink, buffer) = (sink(config), fresh_buffer());
        let events = batch(buffer, 7..=8);
        drain(&sink, &events).await;
        let message = message(&world, 1).await;
        assert_eq!(message.subject.as_str(), format!("gov.audit.eu%2Ehost%201.{buffer}"));
        assert_eq!(message.payload, events[0].event.json);
        let header = |name| message.headers.get(name).map(|it| it.as_str().to_owned()).unwrap();
        assert_eq!(header("content-type"), "application/cloudevents+json");
        assert_eq!(header("ce-specversion"), "1.0");
        assert_eq!(header("ce-id"), events[0].event.id.to_string());
        assert_eq!(header("ce-source"), "/gov/eu.host%25201");
        assert_eq!(header("ce-type"), "gov.action.allowed");
        assert_eq!(header("ce-time"), "2026-01-01T00:00:00.000000Z");
        assert_eq!(header("Gov-Buffer"), buffer.to_string());
        assert_eq!(header("Gov-Seq"), "7");
    }
}

/// One known id would refuse a whole batch.
#[tokio::test]
async fn messages_have_an_id_for_the_stream_but_in_atomic_batches() {
    for (release, is_batch) in [(Release::Current, true), (Release::Old, false)] {
        let Some(world) = World::start(release) else { return };
        let events = batch(fresh_buffer(), 1..=2);
        drain(&world.sink(), &events).await;
        let message = message(&world, 1).await;
        let id = message.headers.get("Nats-Msg-Id").map(|it| it.as_str().to_owned());
        assert_eq!(id, (!is_batch).then(|| events[0].event.id.to_string()));
        assert_eq!(message.headers.get("Nats-Batch-Id").is_some(), is_batch);
    }
}
