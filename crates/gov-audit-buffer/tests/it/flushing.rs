//! The task that ships what waits, and what it says about itself.

use std::time::Duration;

use gov_audit_buffer::publisher::breaker::BreakerState;
use gov_core::{Health as _, HealthState};

use crate::{
    events::event,
    stage::{BOUND, Stage, until},
};

const INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test]
async fn an_event_is_shipped_when_it_comes_and_not_when_a_time_is_over() {
    let it = Stage::new();
    let flushing = it.publisher.spawn_reconnect_flush_loop(INTERVAL);
    let ids = it.publish(0..3).await;
    until(|| it.publisher.buffered_len() == 0).await;
    it.assert_kept(&ids);
    tokio::time::timeout(BOUND, flushing.stop()).await.unwrap();
    it.publish(3..4).await;
    assert_eq!(it.publisher.buffered_len(), 1);
}

#[tokio::test]
async fn while_the_sink_is_down_it_is_asked_only_when_the_breaker_says_so() {
    let it = Stage::new();
    it.sink.go_down();
    it.sink.ask_for_a_pause(Some(Duration::from_secs(10)));
    let flushing = it.publisher.spawn_reconnect_flush_loop(INTERVAL);
    it.publish(0..1).await;
    until(|| matches!(it.publisher.breaker_state(), BreakerState::Open { .. })).await;
    let asked = it.sink.seen().asked;
    it.publish(1..50).await;
    it.clock.advance(Duration::from_secs(9));
    it.publish(50..51).await;
    assert_eq!(it.sink.seen().asked, asked, "asked too early");
    it.sink.come_up();
    it.clock.advance(Duration::from_secs(1));
    until(|| it.publisher.buffered_len() == 0).await;
    assert_eq!(it.sink.kept().len(), 51);
    until(|| it.publisher.breaker_state() == BreakerState::Closed).await;
    tokio::time::timeout(BOUND, flushing.stop()).await.unwrap();
}

#[tokio::test]
async fn it_never_gives_up() {
    let it = Stage::new();
    it.sink.go_down();
    let flushing = it.publisher.spawn_reconnect_flush_loop(INTERVAL);
    it.publish(0..1).await;
    for asked in 1..40 {
        until(|| it.sink.seen().asked >= asked).await;
        until(|| it.publisher.breaker_state() != BreakerState::Closed).await;
        it.clock.advance(Duration::from_secs(30));
    }
    it.sink.come_up();
    it.clock.advance(Duration::from_secs(30));
    until(|| {
        // It may have begun its pause only now.
        it.clock.advance(Duration::from_secs(30));
        it.publisher.buffered_len() == 0
    })
    .await;
    tokio::time::timeout(BOUND, flushing.stop()).await.unwrap();
}

#[tokio::test]
async fn health_says_what_keeps_events_from_their_sink() {
    let it = Stage::new();
    assert_eq!(
        (it.publisher.name(), it.publisher.health()),
        ("audit_buffer", HealthState::Healthy)
    );
    it.sink.go_down();
    it.publish(0..2).await;
    it.publisher.flush_pending().await;
    it.clock.advance(Duration::from_secs(40));
    it.publisher.observe().await.unwrap();
    let HealthState::Degraded(why) = it.publisher.health() else { panic!("it is not degraded") };
    assert_eq!(
        why,
        "sink `memory`: the sink does not take events now: the sink is down (breaker half-open); \
         2 events wait, the oldest for 40 s"
    );
    it.sink.come_up();
    it.publisher.flush_pending().await;
    assert_eq!(it.publisher.health(), HealthState::Healthy);
    it.buffer.close().await;
    it.refused(event(2)).await;
    assert!(!it.publisher.health().is_ready());
}
