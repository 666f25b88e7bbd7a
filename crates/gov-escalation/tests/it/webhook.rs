//! Messages over HTTP, to servers that behave well, badly, or lead elsewhere.

use std::{
    error::Error,
    io,
    net::{IpAddr, Ipv4Addr},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{
    Clock as _,
    clock::ManualClock,
    webhook::{Secret, SigningKey},
};
use gov_escalation::{
    Notifier as _, NotifyError,
    approval::Notification,
    notifier::{
        guard::{Lookup, is_public},
        webhook::{WebhookConfig, WebhookNotifier},
    },
    store::{
        ApprovalStore as _, Lane, Outbox as _, conformance::request, memory::MemoryApprovalStore,
    },
};
use serde_json::{Value, json};

use crate::{
    receiver::{Receiver, Says},
    support::MINUTE,
};

/// The variable that says where a process of this binary sends one message.
const TARGET: &str = "GOV_TEST_TARGET";

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret(text: impl Into<String>) -> Secret {
    Secret::from(text.into())
}

fn config(receiver: &Receiver) -> WebhookConfig {
    WebhookConfig {
        signing_secret: Some(secret(SECRET)),
        allow_private: true,
        public_url: Some("https://gov.example/".to_owned()),
        ..WebhookConfig::new(secret(receiver.url()))
    }
}

fn notifier(receiver: &Receiver) -> WebhookNotifier {
    WebhookNotifier::new(&config(receiver), Arc::new(ManualClock::default())).unwrap()
}

async fn message() -> Notification {
    let (store, now) = (MemoryApprovalStore::default(), ManualClock::default().now());
    store.submit(request(1), now).await.unwrap();
    let lane = Lane::unpaced("log");
    store.lease_unsent(lane, now, MINUTE, 1).await.unwrap().remove(0).notification
}

/// What comes of a message to a receiver that says this.
async fn said(says: Says) -> Result<(), NotifyError> {
    let receiver = Receiver::start(vec![says]).await;
    notifier(&receiver).notify(&message().await).await
}

/// The whole chain of an error.
fn shown(error: &NotifyError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(it) = source {
        text = format!("{text}: {it}");
        source = it.source();
    }
    text
}

#[tokio::test]
async fn a_message_goes_out_signed_with_the_whole_action_and_where_to_see_it() {
    let receiver = Receiver::start(vec![Says::status("204 No Content")]).await;
    let message = message().await;
    notifier(&receiver).notify(&message).await.unwrap();
    let got = receiver.requests().remove(0);
    assert!(got.head.starts_with("POST /hook?token=s3cret HTTP/1.1\r\n"), "{}", got.head);
    assert_eq!(got.header("content-type"), Some("application/json"));
    let (id, now) = (message.id.to_string(), ManualClock::default().now());
    assert_eq!(got.header("webhook-id"), Some(&*id));
    assert_eq!(got.header("webhook-timestamp"), Some(&*now.as_unix_seconds().to_string()));
    let wanted = SigningKey::new(&secret(SECRET)).unwrap().signature(&id, now, &got.body);
    assert_eq!(got.header("webhook-signature"), Some(&*wanted));
    let body: Value = serde_json::from_slice(&got.body).unwrap();
    let mut data = message.content.clone();
    data["link"] = json!(format!("https://gov.example/approvals/{}", message.approval_id));
    assert_eq!(body, json!({"type": "approval.requested", "timestamp": now, "data": data}));
    assert_eq!(body["data"]["action"]["command"], "deploy 1");
}

#[tokio::test]
async fn a_message_that_comes_again_has_the_same_id_and_body() {
    let answers = vec![Says::status("500 Oh"), Says::status("200 OK")];
    let receiver = Receiver::start(answers).await;
    let (clock, message) = (ManualClock::default(), message().await);
    let notifier = WebhookNotifier::new(&config(&receiver), Arc::new(clock.clone())).unwrap();
    notifier.notify(&message).await.unwrap_err();
    clock.advance(MINUTE);
    notifier.notify(&Notification { rung: message.rung, ..message.clone() }).await.unwrap();
    let [first, again] = <[_; 2]>::try_from(receiver.requests()).unwrap();
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("webhook-id"), again.header("webhook-id"));
    assert_ne!(first.header("webhook-signature"), again.header("webhook-signature"));
}

#[tokio::test]
async fn the_next_rung_is_another_kind_of_message() {
    let receiver = Receiver::start(vec![Says::status("200 OK")]).await;
    let message = Notification { rung: 1, ..message().await };
    notifier(&receiver).notify(&message).await.unwrap();
    let body: Value = serde_json::from_slice(&receiver.requests()[0].body).unwrap();
    assert_eq!(body["type"], "approval.escalated");
}

#[tokio::test]
async fn what_the_target_says_decides_what_becomes_of_the_message() {
    let retry = Says::with("429 Slow down", "retry-after: 90\r\n", "");
    let Err(NotifyError::Retry { after, .. }) = said(retry).await else { panic!("no retry") };
    assert_eq!(after, Some(Duration::from_secs(90)));
    let later = Says::with("503 Later", "retry-after: Thu, 01 Jan 2026 00:02:00 GMT\r\n", "");
    let Err(NotifyError::Retry { after, .. }) = said(later).await else { panic!("no retry") };
    assert_eq!(after, Some(Duration::from_mins(2)));
    let broken = said(Says::status("500 Oh")).await;
    assert!(matches!(broken, Err(NotifyError::Retry { after: None, .. })), "{broken:?}");
    let gone = said(Says::status("410 Gone")).await;
    assert!(matches!(gone, Err(NotifyError::Gone { .. })), "{gone:?}");
    let refused = said(Says::with("400 Bad", "", "no\u{1b}[2J")).await.unwrap_err();
    assert!(matches!(refused, NotifyError::Refused { .. }), "{refused:?}");
    assert!(shown(&refused).contains("the target answers 400: no\\u{1b}[2J"), "{refused:?}");
    let nonsense = said(Says::Bytes("nonsense\r\n\r\n".to_owned())).await;
    assert!(matches!(nonsense, Err(NotifyError::Retry { .. })), "{nonsense:?}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let inside = Receiver::start(vec![Says::status("200 OK")]).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}\r\n", inside.url());
        let error = said(Says::with(status, &location, "")).await.unwrap_err();
        assert!(matches!(error, NotifyError::Refused { .. }), "{error:?}");
    }
    assert_eq!(inside.requests(), []);
}

/// Not a test of its own: without a target it has nothing to do.
#[tokio::test]
async fn sends_to_the_target_of_the_environment() {
    let Ok(url) = std::env::var(TARGET) else { return };
    let config = WebhookConfig { allow_private: true, ..WebhookConfig::new(secret(url)) };
    let notifier = WebhookNotifier::new(&config, Arc::new(ManualClock::default())).unwrap();
    notifier.notify(&message().await).await.unwrap();
}

/// It would look up the name in our place.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_taken() {
    let target = Receiver::start(vec![Says::status("200 OK")]).await;
    let proxy = Receiver::start(vec![Says::status("200 OK")]).await;
    let mut sender = Command::new(std::env::current_exe().unwrap());
    sender.args(["webhook::sends_to_the_target_of_the_environment", "--exact"]);
    sender.env(TARGET, target.url()).env("http_proxy", proxy.url()).env("ALL_PROXY", proxy.url());
    for exempt in ["no_proxy", "NO_PROXY"] {
        sender.env_remove(exempt);
    }
    let sent = tokio::task::spawn_blocking(move || sender.output()).await.unwrap().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stdout));
    assert_eq!((target.requests().len(), proxy.requests().len()), (1, 0));
}

#[tokio::test]
async fn a_target_that_says_nothing_is_not_waited_for() {
    let receiver = Receiver::start(vec![Says::Nothing]).await;
    let config = WebhookConfig { timeout: Duration::from_millis(50), ..config(&receiver) };
    let notifier = WebhookNotifier::new(&config, Arc::new(ManualClock::default())).unwrap();
    let message = message().await;
    let try_it = notifier.notify(&message);
    let error = tokio::time::timeout(Duration::from_mins(1), try_it).await.unwrap().unwrap_err();
    assert!(matches!(error, NotifyError::Retry { .. }), "{error:?}");
    assert!(!shown(&error).contains("s3cret"), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let bad = Says::Forever("HTTP/1.1 400 Bad\r\ncontent-length: 99999999999\r\n\r\n");
    let good = Says::Forever("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n");
    let patience = Duration::from_secs(8);
    let error = tokio::time::timeout(patience, said(bad)).await.unwrap().unwrap_err();
    assert!(shown(&error).len() < 1000, "{error:?}");
    tokio::time::timeout(patience, said(good)).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_address_in_the_url_that_is_not_public_is_refused_at_once() {
    for host in ["127.0.0.1", "10.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let config = WebhookConfig::new(secret(format!("https://{host}/s3cret")));
        let error = WebhookNotifier::new(&config, Arc::new(ManualClock::default())).unwrap_err();
        assert!(format!("{error:?}").contains("Blocked"), "{host}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
    }
    let config = WebhookConfig::new(secret("https://1.1.1.1/"));
    WebhookNotifier::new(&config, Arc::new(ManualClock::default())).unwrap();
}

#[tokio::test]
async fn neither_the_url_nor_a_secret_is_shown() {
    let receiver = Receiver::start(vec![Says::status("200 OK")]).await;
    let shown = format!("{:?} {:?}", config(&receiver), notifier(&receiver));
    assert!(!shown.contains("s3cret") && !shown.contains("MfKQ9r8"), "{shown}");
}

/// Answers with the first list, then with the second, and so on.
#[derive(Debug)]
struct Turns {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Turns {
    fn new(answers: Vec<Vec<IpAddr>>) -> Arc<Self> {
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Lookup for Turns {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        self.answers.get(turn).cloned().ok_or_else(|| io::Error::other("no answer"))
    }
}

const OUTSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// As if the one address were on the public internet.
fn judge(address: IpAddr) -> bool {
    address == OUTSIDE || is_public(address)
}

fn named(port: u16, lookup: Arc<Turns>) -> WebhookNotifier {
    let url = format!("http://hooks.example:{port}/s3cret");
    let config = WebhookConfig { allow_private: true, ..WebhookConfig::new(secret(url)) };
    let clock = Arc::new(ManualClock::default());
    WebhookNotifier::with_doubles(&config, clock, lookup, judge).unwrap()
}

#[tokio::test]
async fn a_name_that_turns_private_between_two_tries_is_refused_and_reaches_nobody() {
    let outside = Receiver::at((OUTSIDE, 0).into(), vec![Says::status("500 Oh")]).await;
    let port = outside.address.port();
    let inside = Receiver::at((INSIDE, port).into(), vec![Says::status("200 OK")]).await;
    let notifier = named(port, Turns::new(vec![vec![OUTSIDE], vec![INSIDE]]));
    let message = message().await;
    let first = notifier.notify(&message).await.unwrap_err();
    assert!(matches!(first, NotifyError::Retry { .. }), "{first:?}");
    let second = notifier.notify(&message).await.unwrap_err();
    assert!(matches!(second, NotifyError::Refused { .. }), "{second:?}");
    assert!(shown(&second).contains("`hooks.example` is at 127.0.0.1"), "{second:?}");
    assert!(!shown(&second).contains("s3cret"), "{second:?}");
    assert_eq!((outside.requests().len(), inside.requests().len()), (1, 0));
}

#[tokio::test]
async fn one_private_address_among_public_ones_spoils_the_name() {
    let outside = Receiver::at((OUTSIDE, 0).into(), vec![Says::status("200 OK")]).await;
    let lookup = Turns::new(vec![vec![OUTSIDE, INSIDE], vec![INSIDE, OUTSIDE], vec![OUTSIDE]]);
    let notifier = named(outside.address.port(), lookup);
    let message = message().await;
    for _ in 0..2 {
        let error = notifier.notify(&message).await.unwrap_err();
        assert!(matches!(error, NotifyError::Refused { .. }), "{error:?}");
    }
    notifier.notify(&message).await.unwrap();
    assert_eq!(outside.requests().len(), 1);
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_tried_again() {
    let error = named(1, Turns::new(Vec::new())).notify(&message().await).await.unwrap_err();
    assert!(matches!(error, NotifyError::Retry { .. }), "{error:?}");
}
