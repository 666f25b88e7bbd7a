//! The sink of NATS against the contract of all sinks, through a network that fails.

use std::{fmt, sync::Arc};

use async_nats::jetstream;
use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, cloud_event, for_each_closing_rule, for_each_memory_rule, for_each_outage_rule,
    for_each_sink_rule,
    sink::{
        conformance::{self, Fault, Receiver, buffer},
        nats::{NatsAuditSink, test_server::Release},
    },
};
use gov_core::AuditEvent;

use super::{
    proxy::Proxy,
    world::{World, sink},
};

struct Stream {
    world: World,
    network: Proxy,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Stream {
    async fn on(release: Release) -> Option<Self> {
        let world = World::start(release)?;
        let network = Proxy::before(world.server.port()).await;
        Some(Self { world, network })
    }

    /// A sink that is connected.
    async fn connected(&self) -> NatsAuditSink {
        let mut config = self.world.config();
        config.servers = vec![self.network.url().parse().unwrap()];
        let sink = sink(config);
        sink.last_kept(buffer(0)).await.unwrap();
        sink
    }
}

#[async_trait]
impl Receiver for Stream {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(self.connected().await)
    }

    async fn kept(&self) -> Vec<AuditEvent> {
        let client = async_nats::connect(self.world.server.url()).await.unwrap();
        let stream = jetstream::new(client).get_stream("GOV_AUDIT").await.unwrap();
        let state = &stream.cached_info().state;
        let mut kept = Vec::new();
        for sequence in 1..=state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            kept.push(cloud_event::decode(&message.payload).unwrap());
        }
        kept
    }

    async fn stage(&self, fault: Option<Fault>) {
        match fault {
            None => self.network.heal(),
            Some(Fault::LosesAnswers) => self.network.swallow_answers(),
            // A batch that is atomic is taken whole or, as here, not at all.
            Some(Fault::Down | Fault::DownAfter(_)) => self.network.go_down(),
            Some(other) => panic!("no server can be made to do that: {other:?}"),
        }
    }

    async fn closed(&self) -> Arc<dyn AuditSink> {
        let sink = self.connected().await;
        sink.close().await;
        Arc::new(sink)
    }
}

macro_rules! rules {
    ($($module:ident $release:ident;)*) => {$(
        mod $module {
            use super::*;

            macro_rules! rule {
                ($rule:ident) => {
                    #[tokio::test]
                    async fn $rule() {
                        let Some(stream) = Stream::on(Release::$release).await else { return };
                        conformance::$rule(&stream).await;
                    }
                };
            }

            for_each_sink_rule!(rule);
            for_each_memory_rule!(rule);
            for_each_outage_rule!(rule);
            for_each_closing_rule!(rule);
        }
    )*};
}

rules! {
    current Current;
    old Old;
}
