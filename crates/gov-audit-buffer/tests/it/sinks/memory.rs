//! The sink with a script against the contract: a double must not be kinder than what it stands for.

use std::sync::Arc;

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, for_each_closing_rule, for_each_memory_rule, for_each_outage_rule,
    for_each_refusal_rule, for_each_sink_rule,
    sink::{
        conformance::{self, Fault, Receiver},
        memory::{MemorySink, Recall},
    },
};
use gov_core::AuditEvent;

#[derive(Debug)]
struct Script(MemorySink);

impl Script {
    fn recalling(recall: Recall) -> Self {
        let sink = MemorySink::new();
        sink.recall(recall);
        Self(sink)
    }
}

#[async_trait]
impl Receiver for Script {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(self.0.clone())
    }

    async fn kept(&self) -> Vec<AuditEvent> {
        self.0.kept().iter().map(|it| it.event.decode().unwrap()).collect()
    }

    async fn stage(&self, fault: Option<Fault>) {
        let it = &self.0;
        it.come_up();
        it.take_at_most(None);
        it.lose_acks(0);
        it.refuse_nothing();
        match fault {
            None => (),
            Some(Fault::Down) => it.go_down(),
            Some(Fault::DownAfter(events)) => it.take_at_most(Some(events)),
            Some(Fault::LosesAnswers) => it.lose_acks(u32::MAX),
            Some(Fault::Refuses(these)) => these.into_iter().for_each(|id| it.refuse(id)),
        }
    }

    async fn closed(&self) -> Arc<dyn AuditSink> {
        self.0.close();
        Arc::new(self.0.clone())
    }
}

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            let it = Script::recalling(Recall::Whole);
            conformance::$name(&it).await;
            assert_eq!(it.0.seen().offences, Vec::<String>::new());
        }
    };
}

for_each_sink_rule!(rule);
for_each_memory_rule!(rule);
for_each_outage_rule!(rule);
for_each_refusal_rule!(rule);
for_each_closing_rule!(rule);

/// A sink that cannot be asked keeps twice what it is sent twice.
mod forgetful {
    use super::*;

    macro_rules! rule {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                conformance::$name(&Script::recalling(Recall::Nothing)).await;
            }
        };
    }

    for_each_sink_rule!(rule);
    for_each_outage_rule!(rule);
    for_each_refusal_rule!(rule);
    for_each_closing_rule!(rule);
}
