//! Each event once and in order, on real servers: stopped, standing still, killed, robbed of their
//! last messages, and behind a network that loses what they answer.

use std::time::Duration;

use async_nats::jetstream;
use gov_audit_buffer::{AuditSink as _, LastKept, SinkError, sink::nats::test_server::Release};

use super::{
    proxy::Proxy,
    world::{PATIENCE, World, batch, drain, fresh_buffer, sink},
};

/// Every rule on a server with atomic batches, and on one without.
macro_rules! on_both {
    ($($rule:ident;)*) => {
        mod current {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() { super::$rule(super::Release::Current).await; })*
        }
        mod old {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() { super::$rule(super::Release::Old).await; })*
        }
    };
}

on_both! {
    events_lie_in_the_stream_once_and_in_order;
    what_is_there_already_is_accepted_and_not_stored_again;
    a_sink_that_comes_new_knows_how_far_the_stream_is;
    a_server_that_was_stopped_gets_the_rest_when_it_is_back;
    a_server_that_stands_still_gets_nothing_twice;
    a_killed_server_goes_on_where_it_was;
    a_stream_that_lost_its_last_messages_gets_them_again;
    a_lost_answer_stores_nothing_twice;
    a_connection_that_broke_is_given_up_at_once_and_not_repaired;
    a_pause_longer_than_the_duplicate_window_stores_nothing_twice;
    two_nodes_on_one_stream_keep_each_its_order;
    an_event_too_large_for_the_stream_is_poison_and_the_one_before_it_is_kept;
    an_event_with_headers_too_large_for_the_server_is_poison_too;
    another_message_on_the_subject_is_beyond_all_of_ours;
    a_closed_sink_takes_nothing;
}

async fn events_lie_in_the_stream_once_and_in_order(release: Release) {
    let Some(world) = World::start(release) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=700));
    assert_eq!(drain(&sink, &events).await, 0);
    world.holds(&events).await;
}

async fn what_is_there_already_is_accepted_and_not_stored_again(release: Release) {
    let Some(world) = World::start(release) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=20));
    drain(&sink, &events[..10]).await;
    let emitted = sink.emit_batch(&events[5..]).await;
    assert_eq!(emitted.accepted, 15);
    assert!(emitted.stopped.is_none());
    let emitted = world.sink().emit_batch(&events).await;
    assert_eq!(emitted.accepted, 20);
    world.holds(&events).await;
}

async fn a_sink_that_comes_new_knows_how_far_the_stream_is(release: Release) {
    let Some(world) = World::start(release) else { return };
    let (buffer, other) = (fresh_buffer(), fresh_buffer());
    let events = batch(buffer, 1..=3);
    drain(&world.sink(), &events).await;
    let sink = world.sink();
    let at = LastKept::At { seq: 3, event_id: Some(events[2].event.id) };
    assert_eq!(sink.last_kept(buffer).await.unwrap(), at);
    assert_eq!(sink.last_kept(other).await.unwrap(), LastKept::Nothing);
}

async fn a_server_that_was_stopped_gets_the_rest_when_it_is_back(release: Release) {
    let Some(mut world) = World::start(release) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=60));
    drain(&sink, &events[..20]).await;
    world.server.stop();
    let emitted = sink.emit_batch(&events[20..]).await;
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    world.server.restart();
    drain(&sink, &events[20..]).await;
    world.holds(&events).await;
}

async fn a_server_that_stands_still_gets_nothing_twice(release: Release) {
    let Some(world) = World::start(release) else { return };
    let mut config = world.config();
    config.timeout = Duration::from_secs(1);
    let (sink, events) = (sink(config), batch(fresh_buffer(), 1..=400));
    drain(&sink, &events[..20]).await;
    world.server.pause();
    // Both are with the server by now, for all that is known: the first batch on one connection,
    // the same again on the next.
    for _ in 0..2 {
        let emitted = sink.emit_batch(&events[20..200]).await;
        assert_eq!(emitted.accepted, 0);
        assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    }
    world.server.resume();
    drain(&sink, &events).await;
    world.holds(&events).await;
}

async fn a_killed_server_goes_on_where_it_was(release: Release) {
    let Some(mut world) = World::start(release) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=600));
    drain(&sink, &events[..300]).await;
    world.server.kill();
    assert_eq!(sink.emit_batch(&events[300..]).await.accepted, 0);
    world.server.restart();
    drain(&sink, &events).await;
    world.holds(&events).await;
}

/// What an operating system that crashes does to a server that has not synced: the store is put
/// back to a copy that is older than what was acknowledged.
async fn a_stream_that_lost_its_last_messages_gets_them_again(release: Release) {
    let Some(mut world) = World::start(release) else { return };
    let buffer = fresh_buffer();
    let (sink, events) = (world.sink(), batch(buffer, 1..=60));
    drain(&sink, &events[..20]).await;
    world.server.stop();
    let copy = world.dir.path().join("copy");
    copy_dir(&world.server.store(), &copy);
    world.server.restart();
    drain(&sink, &events[..40]).await;
    world.server.kill();
    std::fs::remove_dir_all(world.server.store()).unwrap();
    copy_dir(&copy, &world.server.store());
    world.server.restart();
    // The next events must not be put behind the hole, however often they come.
    for _ in 0..3 {
        let emitted = sink.emit_batch(&events[40..]).await;
        assert_eq!(emitted.accepted, 0);
        assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    }
    let at = LastKept::At { seq: 20, event_id: Some(events[19].event.id) };
    assert_eq!(sink.last_kept(buffer).await.unwrap(), at);
    drain(&sink, &events[20..]).await;
    world.holds(&events).await;
}

async fn a_lost_answer_stores_nothing_twice(release: Release) {
    let Some(world) = World::start(release) else { return };
    let proxy = Proxy::before(world.server.port()).await;
    let mut config = world.config();
    config.servers = vec![proxy.url().parse().unwrap()];
    let (sink, events) = (sink(config), batch(fresh_buffer(), 1..=120));
    for (done, next) in [(0, 40), (40, 80), (80, 120)] {
        sink.last_kept(events[0].buffer_id).await.unwrap();
        proxy.swallow_answers();
        let emitted = sink.emit_batch(&events[done..next]).await;
        assert_eq!(emitted.accepted, 0);
        assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
        proxy.heal();
        drain(&sink, &events[done..next]).await;
    }
    world.holds(&events).await;
}

/// A client that repaired it would publish over the new connection what was meant for the old one.
async fn a_connection_that_broke_is_given_up_at_once_and_not_repaired(release: Release) {
    let Some(world) = World::start(release) else { return };
    let proxy = Proxy::before(world.server.port()).await;
    let mut config = world.config();
    config.servers = vec![proxy.url().parse().unwrap()];
    config.timeout = Duration::from_hours(1);
    let (sink, events) = (sink(config), batch(fresh_buffer(), 1..=20));
    drain(&sink, &events[..10]).await;
    proxy.heal();
    let emitted = tokio::time::timeout(PATIENCE, sink.emit_batch(&events[10..])).await.unwrap();
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    world.holds(&events[..10]).await;
    drain(&sink, &events).await;
    world.holds(&events).await;
}

async fn a_pause_longer_than_the_duplicate_window_stores_nothing_twice(release: Release) {
    let Some(world) = World::start(release) else { return };
    let proxy = Proxy::before(world.server.port()).await;
    let mut config = world.config();
    config.servers = vec![proxy.url().parse().unwrap()];
    config.duplicate_window = Duration::from_millis(100);
    let (sink, events) = (sink(config), batch(fresh_buffer(), 1..=40));
    sink.last_kept(events[0].buffer_id).await.unwrap();
    proxy.swallow_answers();
    // The call times out only when the window is long over.
    assert_eq!(sink.emit_batch(&events).await.accepted, 0);
    proxy.heal();
    drain(&sink, &events).await;
    world.holds(&events).await;
}

async fn two_nodes_on_one_stream_keep_each_its_order(release: Release) {
    let Some(world) = World::start(release) else { return };
    let one = batch(fresh_buffer(), 1..=1500);
    let other = batch(fresh_buffer(), 1..=1500);
    let (first, second) = (world.sink(), world.sink());
    tokio::join!(drain(&first, &one), drain(&second, &other));
    world.holds(&one).await;
    world.holds(&other).await;
}

async fn an_event_too_large_for_the_stream_is_poison_and_the_one_before_it_is_kept(
    release: Release,
) {
    let Some(world) = World::with(release, "max_payload: 8192") else { return };
    let (sink, mut events) = (world.sink(), batch(fresh_buffer(), 1..=4));
    let fits = events[1].event.json.clone();
    events[1].event.json = vec![b' '; 9000];
    let emitted = sink.emit_batch(&events).await;
    assert_eq!(emitted.accepted, 1);
    assert!(matches!(emitted.stopped, Some(SinkError::Poison { .. })), "{:?}", emitted.stopped);
    let emitted = sink.emit_batch(&events[1..]).await;
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Poison { .. })));
    events[1].event.json = fits;
    drain(&sink, &events[1..]).await;
    world.holds(&events).await;
}

async fn an_event_with_headers_too_large_for_the_server_is_poison_too(release: Release) {
    let Some(world) = World::with(release, "max_payload: 8192") else { return };
    let (sink, mut events) = (world.sink(), batch(fresh_buffer(), 1..=4));
    let Ok(kind) = "k".repeat(8000).parse();
    events[1].event.kind = kind;
    for (from, accepted) in [(0, 1), (1, 0)] {
        let emitted = sink.emit_batch(&events[from..]).await;
        assert_eq!(emitted.accepted, accepted);
        assert!(matches!(emitted.stopped, Some(SinkError::Poison { .. })), "{:?}", emitted.stopped);
    }
    events.remove(1);
    drain(&sink, &events).await;
    world.holds(&events).await;
}

async fn another_message_on_the_subject_is_beyond_all_of_ours(release: Release) {
    let Some(world) = World::start(release) else { return };
    let buffer = fresh_buffer();
    let (sink, events) = (world.sink(), batch(buffer, 1..=4));
    drain(&sink, &events[..2]).await;
    let client = async_nats::connect(world.server.url()).await.unwrap();
    let context = jetstream::new(client);
    context.publish(sink.subject(buffer), "hello".into()).await.unwrap().await.unwrap();
    let emitted = sink.emit_batch(&events[2..]).await;
    assert_eq!(emitted.accepted, 0);
    assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
    let beyond = LastKept::At { seq: u64::MAX, event_id: None };
    assert_eq!(sink.last_kept(buffer).await.unwrap(), beyond);
}

async fn a_closed_sink_takes_nothing(release: Release) {
    let Some(world) = World::start(release) else { return };
    let (sink, events) = (world.sink(), batch(fresh_buffer(), 1..=2));
    drain(&sink, &events[..1]).await;
    sink.close().await;
    let closing = tokio::time::timeout(PATIENCE, sink.emit_batch(&events[1..]));
    assert!(matches!(closing.await.unwrap().stopped, Some(SinkError::Closed)));
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
