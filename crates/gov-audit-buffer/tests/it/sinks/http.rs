//! Both forms of HTTP against the contract, on a real connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, SinkError,
    cloud_event::OnItsWay,
    for_each_outage_rule, for_each_refusal_rule, for_each_sink_rule,
    sink::{
        conformance::{self, Fault, Receiver, buffer, events},
        http::{HttpConfig, HttpConfigError, HttpFormat, HttpSink},
    },
};
use gov_core::{AuditEvent, clock::ManualClock};
use serde_json::{Value, json};

use super::http_double::HttpDouble;

#[derive(Debug)]
struct Server {
    double: HttpDouble,
    format: HttpFormat,
}

impl Server {
    async fn taking(format: HttpFormat) -> Self {
        Self { double: HttpDouble::start().await, format }
    }

    fn config(&self) -> HttpConfig {
        HttpConfig { format: self.format, ..HttpConfig::new(&self.double.url) }
    }
}

#[async_trait]
impl Receiver for Server {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(sink(&self.config()))
    }

    async fn kept(&self) -> Vec<AuditEvent> {
        self.double.kept()
    }

    async fn stage(&self, fault: Option<Fault>) {
        self.double.stage(fault);
    }
}

mod webhook {
    use super::*;

    macro_rules! rule {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                conformance::$name(&Server::taking(HttpFormat::CloudEvents).await).await;
            }
        };
    }

    for_each_sink_rule!(rule);
    for_each_outage_rule!(rule);
    for_each_refusal_rule!(rule);
}

mod otlp {
    use super::*;

    macro_rules! rule {
        ($name:ident) => {
            #[tokio::test]
            async fn $name() {
                conformance::$name(&Server::taking(HttpFormat::OtlpLogs).await).await;
            }
        };
    }

    for_each_sink_rule!(rule);
    for_each_outage_rule!(rule);
    for_each_refusal_rule!(rule);
}

fn sink(config: &HttpConfig) -> HttpSink {
    HttpSink::new(config, Arc::new(ManualClock::default())).unwrap()
}

async fn webhook() -> Server {
    Server::taking(HttpFormat::CloudEvents).await
}

/// What stopped a batch of three, the whole chain of it, and how long it is to be left alone.
async fn stopped(it: &Server) -> (String, Option<Duration>) {
    let emitted = sink(&it.config()).emit_batch(&events(buffer(1), 1..=3)).await;
    assert_eq!(emitted.accepted, 0);
    let (after, source) = match emitted.stopped {
        Some(SinkError::Retry { after, source }) => Some((after, source)),
        _ => None,
    }
    .unwrap();
    let mut chain = source.to_string();
    let mut cause = source.source();
    while let Some(it) = cause {
        chain = format!("{chain}: {it}");
        cause = it.source();
    }
    (chain, after)
}

#[tokio::test]
async fn a_batch_is_one_signed_request_and_the_same_one_when_it_is_sent_again() {
    let it = webhook().await;
    let config = HttpConfig {
        bearer: Some("t0ken".to_owned().into()),
        signing_secret: Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into()),
        ..it.config()
    };
    let sink = sink(&config);
    let all = events(buffer(1), [3, 4, 9]);
    for _ in 0..2 {
        assert!(sink.emit_batch(&all).await.stopped.is_none());
    }
    let seen = it.double.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].headers, seen[1].headers);
    let header = |name: &str| seen[0].headers[name].as_str();
    assert_eq!(seen[0].line, "POST /hook?key=s3cret HTTP/1.1");
    assert_eq!(header("content-type"), "application/cloudevents-batch+json; charset=utf-8");
    assert_eq!(header("authorization"), "Bearer t0ken");
    assert_eq!(header("webhook-id"), format!("{}-3-9", buffer(1)));
    assert!(header("webhook-timestamp").parse::<i64>().is_ok());
    assert!(header("webhook-signature").starts_with("v1,"));
    let body: Vec<Value> = serde_json::from_slice(&seen[0].body).unwrap();
    for (json, it) in body.iter().zip(&all) {
        let place = OnItsWay::read_from(json.to_string().as_bytes()).unwrap();
        assert_eq!(place, Some(OnItsWay::from(it)));
    }
}

#[tokio::test]
async fn a_body_does_not_outgrow_its_limit_and_what_is_larger_goes_alone() {
    let it = webhook().await;
    let all = events(buffer(1), 1..=10);
    let one = all[0].event.json.len();
    for (limit, requests) in [(one * 4, 3), (1, 10)] {
        let before = it.double.seen().len();
        let config = HttpConfig { max_body_bytes: limit, ..it.config() };
        assert!(sink(&config).emit_batch(&all).await.stopped.is_none());
        let seen = it.double.seen();
        assert!((requests..=requests + 1).contains(&(seen.len() - before)), "{}", seen.len());
    }
    let wanted: Vec<_> = all.iter().map(|it| it.event.decode().unwrap()).collect();
    assert_eq!(it.double.kept(), [wanted.clone(), wanted].concat());
}

#[tokio::test]
async fn the_pause_that_a_receiver_asks_for_is_handed_on() {
    let it = webhook().await;
    it.double.stage(Some(Fault::Down));
    let (why, after) = stopped(&it).await;
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert_eq!(why, "the audit sink answers 503: busy");
}

/// An expired token must not turn a backlog into dead letters.
#[tokio::test]
async fn what_is_wrong_with_the_door_costs_no_event_and_says_what_to_do() {
    let it = webhook().await;
    for (status, wanted) in [
        (401, "the audit sink answers 401; check its token: no\\u{1b}[2J"),
        (404, "the audit sink answers 404; check its URL and its format: no\\u{1b}[2J"),
        (500, "the audit sink answers 500: no\\u{1b}[2J"),
    ] {
        it.double.answers(status, "", "no\u{1b}[2J");
        assert_eq!(stopped(&it).await.0, wanted);
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let it = webhook().await;
    it.double.answers(307, "location: /elsewhere\r\n", "");
    let (why, _) = stopped(&it).await;
    assert!(why.contains("answers 307, which leads elsewhere"), "{why}");
    assert_eq!(it.double.seen().len(), 1);
}

#[tokio::test]
async fn neither_a_failure_nor_debug_output_shows_a_secret() {
    let it = webhook().await;
    let mut config = it.config();
    config.bearer = Some("t0ken".to_owned().into());
    config.signing_secret = Some("whsec_aGlkZGVu".to_owned().into());
    let sink = sink(&config);
    it.double.stage(Some(Fault::DownAfter(0)));
    let (why, _) = stopped(&it).await;
    for shown in
        [why, format!("{sink:?}"), format!("{:?} {:?}", config.bearer, config.signing_secret)]
    {
        for secret in ["s3cret", "t0ken", "aGlkZGVu"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let config = HttpConfig { timeout: Duration::from_millis(50), ..HttpConfig::new(url) };
    let sink = HttpSink::new(&config, Arc::new(ManualClock::default())).unwrap();
    let sending = sink.emit_batch(&events(buffer(1), 1..=1)).await;
    assert!(matches!(sending.stopped, Some(SinkError::Retry { .. })), "{sending:?}");
}

#[tokio::test]
async fn a_collector_that_keeps_a_part_is_asked_again_until_the_odd_one_is_named() {
    let it = Server::taking(HttpFormat::OtlpLogs).await;
    it.double.answers(
        200,
        "",
        r#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"no body"}}"#,
    );
    let emitted = sink(&it.config()).emit_batch(&events(buffer(1), 1..=4)).await;
    let Some(SinkError::Poison { reason }) = emitted.stopped else { panic!("{emitted:?}") };
    assert_eq!((emitted.accepted, reason.as_str()), (0, "200: no body"));
}

#[tokio::test]
async fn a_log_record_says_when_what_and_about_whom() {
    let it = Server::taking(HttpFormat::OtlpLogs).await;
    let all = events(buffer(1), 7..=7);
    assert!(sink(&it.config()).emit_batch(&all).await.stopped.is_none());
    let seen = it.double.seen().remove(0);
    assert_eq!(seen.headers["content-type"], "application/json");
    let logs: Value = serde_json::from_slice(&seen.body).unwrap();
    let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    let event = &all[0].event;
    assert_eq!(record["timeUnixNano"], json!(format!("{}000", event.at.as_micros())));
    assert_eq!(
        (&record["severityText"], &record["eventName"]),
        (&json!("INFO"), &json!("gov.action.allowed"))
    );
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    for wanted in [
        text("cloudevents.event_id", &event.id.to_string()),
        text("cloudevents.event_source", "/gov/n-rules"),
        text("cloudevents.event_type", "gov.action.allowed"),
        text("cloudevents.event_subject", "coder"),
        text("gov.buffer_id", &buffer(1).to_string()),
        text("gov.buffer_seq", "7"),
    ] {
        assert!(record["attributes"].as_array().unwrap().contains(&wanted), "{wanted} in {record}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_worked_with_are_refused() {
    let build = |config: HttpConfig| HttpSink::new(&config, Arc::new(ManualClock::default()));
    let here = HttpConfig::new("http://localhost:1/");
    let secret = |text: &str| Some(text.to_owned().into());
    let refused = |config| build(config).unwrap_err();
    let signed = HttpConfig { signing_secret: secret("whsec_aGlkZGVu"), ..here.clone() };
    assert!(build(signed.clone()).is_ok());
    let signed_otlp = HttpConfig { format: HttpFormat::OtlpLogs, ..signed };
    assert!(matches!(refused(signed_otlp), HttpConfigError::SignedOtlp));
    let bearer = HttpConfig { bearer: secret("a\nb"), ..here.clone() };
    assert!(matches!(refused(bearer), HttpConfigError::Bearer));
    let key = HttpConfig { signing_secret: secret("hidden"), ..here.clone() };
    assert!(matches!(refused(key), HttpConfigError::SigningSecret));
    let url = HttpConfig { url: "sink.example".to_owned(), ..here.clone() };
    assert!(matches!(refused(url), HttpConfigError::Url { .. }));
    let broken = b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n";
    let certificates = HttpConfig { ca_pem: Some(broken.to_vec()), ..here };
    let error = refused(certificates);
    let known = matches!(error, HttpConfigError::Certificates(_) | HttpConfigError::Build(_));
    assert!(known, "{error:?}");
}
