//! What the configuration accepts, and what it says when it does not.

use super::*;

fn file(text: &str) -> Sources {
    Sources { file: Some(("gov.toml".into(), text.to_owned())), ..Sources::default() }
}

fn environment(name: &str, value: &str) -> Sources {
    Sources { environment: vec![(name.into(), value.into())], ..Sources::default() }
}

fn problem(sources: &Sources) -> String {
    load(sources).unwrap_err().to_string()
}

#[test]
fn every_default_is_accepted_by_its_own_key() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:7180");
    assert_eq!(loaded.config.durability.refuse, RefusalDurability::Durable);
    assert!(loaded.config.agents.auto_register);
    assert!(loaded.entries().all(|(_, _, origin)| *origin == Origin::Default));
}

#[test]
fn what_is_printed_reads_back_as_the_same_configuration() {
    let mut sources = file("[server]\nallowed_hosts = [\"a\", \"b\"]\nheader_timeout = \"90s\"");
    let first = load(&sources).unwrap();
    let lines: Vec<_> =
        first.entries().map(|(key, value, _)| format!("{} = {value}", key.path)).collect();
    sources = file(&lines.join("\n"));
    assert_eq!(load(&sources).unwrap().config, first.config);
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let mut sources = file("[server]\nlisten = \"127.0.0.1:1\"");
    let listen = |sources: &Sources| load(sources).unwrap().config.server.listen.port();
    assert_eq!(listen(&sources), 1);
    sources.environment = vec![("GOV__SERVER__LISTEN".into(), "127.0.0.1:2".into())];
    assert_eq!(listen(&sources), 2);
    sources.flags = vec![("--listen", "server.listen", "127.0.0.1:3".to_owned())];
    assert_eq!(listen(&sources), 3);
    let loaded = load(&sources).unwrap();
    let (_, _, origin) = loaded.entries().find(|(key, ..)| key.path == "server.listen").unwrap();
    assert_eq!(*origin, Origin::Flag("--listen"));
}

#[test]
fn an_unknown_key_is_refused_at_its_line_with_the_near_one() {
    for (text, message) in [
        (
            "[server]\n\nlissten = \"127.0.0.1:1\"",
            "gov.toml:3: unknown key `server.lissten`; did you mean `server.listen`?",
        ),
        (
            "[servr]\nlisten = \"127.0.0.1:1\"",
            "gov.toml:2: unknown key `servr.listen`; did you mean `server.listen`?",
        ),
        ("[buffer]", "gov.toml:1: unknown key `buffer`; `gov config print` lists all there are"),
    ] {
        assert_eq!(problem(&file(text)), message);
    }
    assert_eq!(
        problem(&environment("GOV__SERVER__LISSTEN", "x")),
        "GOV__SERVER__LISSTEN: unknown key `server.lissten` in the variable \
         `GOV__SERVER__LISSTEN`; did you mean `GOV__SERVER__LISTEN`?"
    );
}

#[test]
fn a_forgotten_underscore_is_an_error_and_the_closed_list_is_not() {
    assert_eq!(
        problem(&environment("GOV_SERVER_LISTEN", "x")),
        "GOV_SERVER_LISTEN: unknown variable; did you mean `GOV__SERVER__LISTEN`?"
    );
    for name in ["GOV_URL", "GOV_TOKEN", "GOV_CRASH_AT", "GOV_TEST_X", "GOVERNOR", "HOME"] {
        assert!(load(&environment(name, "x")).is_ok(), "{name}");
    }
}

#[test]
fn a_bad_value_names_its_key_the_limits_and_what_was_received() {
    for (text, message) in [
        (
            "server.listen = \"nowhere\"",
            "`server.listen` must be an IP address and a port, such as `127.0.0.1:7180`; received \
             `nowhere`",
        ),
        (
            "server.max_connections = 0",
            "`server.max_connections` must be a whole number from 1 to 65536; received `0`",
        ),
        (
            "server.max_connections = \"many\"",
            "`server.max_connections` must be a whole number from 1 to 65536; received `many`",
        ),
        (
            "server.request_timeout = \"5\"",
            "`server.request_timeout` must be a span from 100ms to 10m, such as `15m`; received `5`",
        ),
        (
            "server.request_timeout = 30",
            "`server.request_timeout` must be a span from 100ms to 10m, such as `15m`; received \
             `30`",
        ),
        ("server.plaintext = \"yes\"", "`server.plaintext` must be true or false; received `yes`"),
        (
            "server.allowed_hosts = [1]",
            "`server.allowed_hosts` must be a list of texts; received `array of other things`",
        ),
        (
            "durability.refuse = \"memory\"",
            "`durability.refuse` must be `durable` or `spooled`; received `memory`",
        ),
    ] {
        assert_eq!(problem(&file(text)), format!("gov.toml:1: {message}"));
    }
}

#[test]
fn a_database_url_is_refused_without_repeating_its_password() {
    for url in ["postgres://me:hunter22@h/gov", "mysql://me:hunter22@h/gov"] {
        let message = problem(&environment("GOV__DATABASE__URL", url));
        assert!(!message.contains("hunter22"), "{message}");
    }
    let message = problem(&environment("GOV__DATABASE__URL", "postgres://h/gov"));
    assert!(message.contains("not yet"), "{message}");
}

#[test]
fn a_listener_that_others_reach_needs_a_word_about_plain_http() {
    let message = problem(&file("[server]\nlisten = \"0.0.0.0:7180\""));
    assert!(
        message.starts_with("gov.toml:2: `server.listen` = `0.0.0.0:7180` can be"),
        "{message}"
    );
    assert!(load(&file("server = { listen = \"0.0.0.0:7180\", plaintext = true }")).is_ok());
}

#[test]
fn text_that_is_not_toml_is_refused_at_its_line() {
    let message = problem(&file("[server]\nlisten = "));
    assert!(message.starts_with("gov.toml:2: not TOML: "), "{message}");
    let message = problem(&file("[agents]\nauto_register = true\nauto_register = true"));
    assert!(message.starts_with("gov.toml:3: not TOML: duplicate key"), "{message}");
}

#[test]
fn all_problems_are_told_at_once() {
    let message = problem(&file("server.lissten = 1\nserver.plaintext = 2"));
    assert_eq!(message.lines().count(), 2, "{message}");
}
