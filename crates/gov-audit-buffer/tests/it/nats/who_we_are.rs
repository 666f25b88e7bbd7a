//! Every way to say who we are, and connections that nobody listens to.

use std::path::{Path, PathBuf};

use gov_audit_buffer::{
    AuditSink as _, SinkError,
    sink::nats::{NatsAuth, NatsConfig, NatsTls, test_server::Release},
};

use super::world::{World, batch, drain, fresh_buffer, sink};

/// Makes a good configuration one that cannot work.
type Spoil = fn(&mut NatsConfig);

const RELEASES: [Release; 2] = [Release::Current, Release::Old];

fn key(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nats/keys").join(name)
}

/// A server with `config` takes events from a sink that was changed so, and none from one that was
/// not.
async fn lets_in_only(config: &str, change: impl Fn(&mut NatsConfig)) {
    for release in RELEASES {
        let Some(world) = World::with(release, config) else { return };
        let events = batch(fresh_buffer(), 1..=3);
        let emitted = world.sink().emit_batch(&events).await;
        assert_eq!(emitted.accepted, 0);
        assert!(matches!(emitted.stopped, Some(SinkError::Retry { .. })));
        let mut config = world.config();
        change(&mut config);
        assert_eq!(drain(&sink(config), &events).await, 0);
    }
}

#[tokio::test]
async fn a_user_with_a_password_is_let_in() {
    let auth = || NatsAuth::UserPassword { user: "gov".to_owned(), password: "secret".to_owned() };
    lets_in_only("authorization { user: gov, password: secret }", |it| it.auth = auth()).await;
}

#[tokio::test]
async fn whoever_has_the_token_is_let_in() {
    let auth = || NatsAuth::Token("secret-token".to_owned());
    lets_in_only("authorization { token: secret-token }", |it| it.auth = auth()).await;
}

#[tokio::test]
async fn whoever_signs_with_the_seed_is_let_in() {
    let config = "authorization { users: [ \
        { nkey: UBKUDFYZQYOT3YAQXT4BWDT25INPHPQICSIS7OILDZ7YDK2DQBZXAKT6 } ] }";
    let auth = || NatsAuth::Nkey { seed_file: key("nkey.seed") };
    lets_in_only(config, |it| it.auth = auth()).await;
}

#[tokio::test]
async fn whoever_has_the_credentials_file_is_let_in() {
    let auth = || NatsAuth::Credentials { file: key("gov.creds") };
    lets_in_only(include_str!("keys/operator.conf"), |it| it.auth = auth()).await;
}

#[tokio::test]
async fn a_server_with_tls_is_spoken_to_under_its_own_authority_and_asks_who_we_are() {
    let path = |name| key(name).display().to_string();
    let config = format!(
        "tls {{ cert_file: '{}', key_file: '{}', ca_file: '{}', verify: true }}",
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    );
    let tls = NatsTls {
        required: true,
        ca_file: Some(key("ca.pem")),
        client: Some((key("client.pem"), key("client.key"))),
    };
    lets_in_only(&config, |it| it.tls = tls.clone()).await;
    // The authority is right, and we show no certificate.
    let anonymous = NatsTls { client: None, ..tls };
    let Some(world) = World::with(Release::Current, &config) else { return };
    let mut config = world.config();
    config.tls = anonymous;
    assert!(sink(config).last_kept(fresh_buffer()).await.is_err());
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_it_is_required() {
    let Some(world) = World::start(Release::Current) else { return };
    let mut config = world.config();
    config.tls.required = true;
    assert!(sink(config).last_kept(fresh_buffer()).await.is_err());
}

#[tokio::test]
async fn a_second_server_is_asked_when_the_first_does_not_answer() {
    let Some(world) = World::start(Release::Current) else { return };
    let mut config = world.config();
    config.servers.insert(0, "nats://127.0.0.1:1".parse().unwrap());
    let events = batch(fresh_buffer(), 1..=3);
    assert_eq!(drain(&sink(config), &events).await, 0);
    world.holds(&events).await;
}

#[test]
fn a_configuration_that_cannot_work_is_refused_by_its_field() {
    let good = || NatsConfig::new(vec!["nats://localhost:4222".parse().unwrap()], "eu.host 1");
    good().check().unwrap();
    let cases: [(&str, Spoil); 6] = [
        ("servers", |it| it.servers.clear()),
        ("servers", |it| it.servers = vec!["nats://me:secret@localhost".parse().unwrap()]),
        ("stream", |it| it.stream = "GOV.AUDIT".to_owned()),
        ("subject_prefix", |it| it.subject_prefix = "gov..audit".to_owned()),
        ("subject_prefix", |it| it.subject_prefix = "gov.>".to_owned()),
        ("node", |it| it.node.clear()),
    ];
    for (setting, spoil) in cases {
        let mut config = good();
        spoil(&mut config);
        let error = config.check().unwrap_err();
        assert_eq!(error.setting, setting);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn no_secret_is_shown() {
    let mut config = NatsConfig::new(vec!["nats://localhost".parse().unwrap()], "n-1");
    for auth in [
        NatsAuth::UserPassword { user: "gov".to_owned(), password: "secret".to_owned() },
        NatsAuth::Token("secret".to_owned()),
    ] {
        config.auth = auth;
        let shown = format!("{config:?} {:?}", sink(config.clone()));
        assert!(!shown.contains("secret"), "{shown}");
    }
}
