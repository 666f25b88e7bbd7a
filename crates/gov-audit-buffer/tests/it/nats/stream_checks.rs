//! A stream is made as it must be, and one that could lose or reorder is refused.

use async_nats::jetstream::{
    self,
    stream::{Config, DiscardPolicy, StorageType},
};
use gov_audit_buffer::{
    AuditSink as _, SinkError,
    sink::nats::{UnfitStream, test_server::Release},
};

use super::world::{World, batch, drain, fresh_buffer};

#[tokio::test]
async fn a_missing_stream_is_made_and_trusted() {
    for release in [Release::Current, Release::Old] {
        let Some(world) = World::start(release) else { return };
        let events = batch(fresh_buffer(), 1..=2);
        drain(&world.sink(), &events).await;
        let client = async_nats::connect(world.server.url()).await.unwrap();
        let stream = jetstream::new(client).get_stream("GOV_AUDIT").await.unwrap();
        let config = &stream.cached_info().config;
        assert_eq!(config.storage, StorageType::File);
        assert_eq!(config.discard, DiscardPolicy::New);
        assert_eq!(config.subjects, ["gov.audit.>"]);
        assert_eq!(config.allow_atomic_publish, release == Release::Current);
    }
}

#[tokio::test]
async fn a_stream_that_could_lose_events_is_refused_with_its_settings_named() {
    let Some(world) = World::start(Release::Current) else { return };
    let client = async_nats::connect(world.server.url()).await.unwrap();
    let config = Config {
        name: "GOV_AUDIT".to_owned(),
        subjects: vec!["gov.audit.>".to_owned()],
        max_messages_per_subject: 5,
        storage: StorageType::Memory,
        duplicate_window: std::time::Duration::from_mins(2),
        ..Config::default()
    };
    jetstream::new(client).create_stream(config).await.unwrap();
    let emitted = world.sink().emit_batch(&batch(fresh_buffer(), 1..=2)).await;
    assert_eq!(emitted.accepted, 0);
    let Some(SinkError::Retry { source, .. }) = emitted.stopped else {
        panic!("{:?}", emitted.stopped)
    };
    let unfit = source.source().unwrap().downcast_ref::<UnfitStream>().unwrap();
    let named: Vec<_> = unfit.wrong.iter().map(|it| it.setting).collect();
    assert_eq!(named, ["storage", "discard", "max_msgs_per_subject"]);
}

#[tokio::test]
async fn a_stream_that_takes_no_batches_any_more_gets_its_messages_one_by_one() {
    let Some(world) = World::start(Release::Current) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=60));
    drain(&sink, &events[..20]).await;
    let client = async_nats::connect(world.server.url()).await.unwrap();
    let context = jetstream::new(client);
    let stream = context.get_stream("GOV_AUDIT").await.unwrap();
    let config = Config { allow_atomic_publish: false, ..stream.cached_info().config.clone() };
    context.update_stream(config).await.unwrap();
    assert_eq!(drain(&sink, &events[20..]).await, 0);
    world.holds(&events).await;
}

#[tokio::test]
async fn a_full_stream_takes_the_rest_once_it_has_room() {
    for release in [Release::Current, Release::Old] {
        let Some(world) = World::start(release) else { return };
        let mut config = world.config();
        config.max_stream_bytes = Some(64 << 10);
        let (sink, events) = (super::world::sink(config), batch(fresh_buffer(), 1..=400));
        let mut accepted = 0;
        loop {
            let emitted = sink.emit_batch(&events[accepted..(accepted + 20).min(400)]).await;
            accepted += emitted.accepted;
            if emitted.stopped.is_some() {
                break;
            }
        }
        assert!((1..400).contains(&accepted), "{accepted}");
        let client = async_nats::connect(world.server.url()).await.unwrap();
        let context = jetstream::new(client);
        let stream = context.get_stream("GOV_AUDIT").await.unwrap();
        let config = Config { max_bytes: -1, ..stream.cached_info().config.clone() };
        context.update_stream(config).await.unwrap();
        drain(&sink, &events[accepted..]).await;
        world.holds(&events).await;
    }
}
