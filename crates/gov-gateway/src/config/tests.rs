//! What the configuration accepts, and what it says when it does not.

use gov_escalation::chain::{Fallback, Late};

mod targets;

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

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
    assert!(loaded.entries().all(|it| it.origin == Origin::Default));
    assert_eq!(loaded.config.chains, [("default".to_owned(), Chain::standard())].into());
}

#[test]
fn what_is_printed_reads_back_as_the_same_configuration() {
    let mut sources = file("[server]\nallowed_hosts = [\"a\", \"b\"]\nheader_timeout = \"90s\"");
    let first = load(&sources).unwrap();
    let lines: Vec<_> = first.entries().map(|it| format!("{} = {}", it.path, it.value)).collect();
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
    let entry = loaded.entries().find(|it| it.path == "server.listen").unwrap();
    assert_eq!(entry.origin, Origin::Flag("--listen"));
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
        ("[ledger]", "gov.toml:1: unknown key `ledger`; `gov config print` lists all there are"),
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
            "audit.required = [\"action.allowed\", \"action.refused\"]",
            "`audit.required` must be a list of `action.allowed` or `action.warned`; received \
             `action.refused`",
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
fn a_database_url_is_read_and_never_repeated_with_its_password() {
    let message = problem(&environment("GOV__DATABASE__URL", "mysql://me:hunter22@h/gov"));
    assert!(!message.contains("hunter22"), "{message}");
    let loaded = load(&environment("GOV__DATABASE__URL", "postgres://me:hunter22@h/gov")).unwrap();
    let entry = loaded.entries().find(|it| it.path == "database.url");
    assert_eq!(entry.unwrap().value, "\"postgres://me:***@h/gov\"");
    assert!(!format!("{loaded:?}").contains("hunter22"), "{loaded:?}");
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

const PROD: &str = "[chains.prod]\ntimeout = \"1h\"\nfallback = \"park\"\nbind = \"session\"\n\
    [[chains.prod.rungs]]\nroles = [\"ops\"]\n\
    [[chains.prod.rungs]]\npeople = [\"per_0198f0aa000070008000000000000001\"]\nafter = \"15m\"\n\
    [approvals]\napproved_for = \"5m\"\n";

#[test]
fn a_chain_is_read_with_its_rungs_and_prints_so_that_it_reads_back() {
    let loaded = load(&file(PROD)).unwrap();
    let chain = &loaded.config.chains["prod"];
    assert_eq!((chain.timeout.0, chain.approved_for.0), (MINUTE * 60, MINUTE * 5));
    assert_eq!((chain.fallback, chain.bind_session), (Fallback::Park, true));
    let [ops, person] = &chain.rungs[..] else { panic!("{chain:?}") };
    assert_eq!((ops.audience(), ops.after.0), ("ops".to_owned(), Duration::ZERO));
    assert_eq!((person.after.0, &person.notify[..]), (MINUTE * 15, &["log".to_owned()][..]));
    assert_eq!(loaded.config.chains["default"].approved_for.0, MINUTE * 5, "of every chain");
    let lines: Vec<_> = loaded.entries().map(|it| format!("{} = {}", it.path, it.value)).collect();
    assert_eq!(load(&file(&lines.join("\n"))).unwrap().config, loaded.config, "{lines:#?}");
}

#[test]
fn the_chain_default_can_be_another_and_a_variable_sets_a_value_of_a_chain() {
    let mut sources = file("[chains.default]\n[[chains.default.rungs]]\nroles = [\"lead\"]");
    sources.environment = vec![("GOV__CHAINS__DEFAULT__TIMEOUT".into(), "2m".into())];
    let loaded = load(&sources).unwrap();
    let chain = &loaded.config.chains["default"];
    assert_eq!((chain.timeout.0, chain.rungs[0].audience()), (MINUTE * 2, "lead".to_owned()));
    assert_eq!(loaded.config.chains.len(), 1);
    assert!(load(&file("[chains.empty]")).unwrap().config.chains.contains_key("empty"));
}

#[test]
fn silence_allows_only_where_somebody_said_that_it_is_meant() {
    let allow = "[chains.c]\nfallback = \"allow\"\n";
    let message = problem(&file(allow));
    assert!(message.starts_with("gov.toml:2: `chains.c.fallback` = `allow` lets happen"));
    assert!(message.contains("set `allow_acknowledged = true` beside it"), "{message}");
    let loaded = load(&file(&format!("{allow}allow_acknowledged = true"))).unwrap();
    assert_eq!(loaded.config.chains["c"].fallback, Fallback::Allow);
}

#[test]
fn a_rung_says_how_many_of_whom_and_what_becomes_of_it_when_late_or_empty() {
    let text = "[chains.c]\ntimeout = \"1h\"\n[[chains.c.rungs]]\nroles = [\"ops\"]\nquorum = 2\n\
                allow_skip_when_empty = true\nlate = \"fire_all\"\n\
                [[chains.c.rungs]]\nafter = \"5m\"\n\
                require = [{ role = \"security\" }, { role = \"ops\", count = 2 }]\n";
    let loaded = load(&file(text)).unwrap();
    let [first, second] = &loaded.config.chains["c"].rungs[..] else { panic!("two rungs") };
    assert_eq!((first.audience().as_str(), first.late), ("2 of ops", Late::FireAll));
    assert_eq!((first.allow_skip_when_empty, second.allow_skip_when_empty), (true, false));
    assert_eq!(second.audience(), "1 of security and 2 of ops");
    assert_eq!(second.late, Late::SkipToCurrent);
    let shown = loaded.entries().find(|it| it.path == "chains.c.rungs").unwrap();
    let seats = "require = [{ role = \"security\", count = 1 }, { role = \"ops\", count = 2 }]";
    assert!(shown.value.contains(seats), "{}", shown.value);
}

#[test]
fn a_chain_that_cannot_work_is_refused_with_the_reason() {
    let rungs = |rungs: &str| format!("[chains.c]\ntimeout = \"1h\"\n[[chains.c.rungs]]\n{rungs}");
    let second = |keys: &str| rungs(&format!("[[chains.c.rungs]]\n{keys}"));
    let four = rungs(&"[[chains.c.rungs]]\nafter = \"1m\"\n".repeat(3));
    for (text, message) in [
        (rungs("quorum = 0"), "`quorum` must be a whole number from 1 to 100; received `0`"),
        (
            rungs("roles = [\"ops\"]\nrequire = [{ role = \"ops\", count = 2 }]"),
            "`chains.c`: rung 0 has `require`, which names the roles and their numbers",
        ),
        (
            rungs("require = [{ role = \"ops\" }, { role = \"ops\" }]"),
            "`chains.c`: rung 0 must name `ops` once in `require`",
        ),
        (
            rungs("require = [{ role = \"ops\", count = 0 }]"),
            "rung 0 must need 1 to 100 people; received 0",
        ),
        (
            rungs("require = [{ role = \"ops\", count = -1 }]"),
            "`chains.c.rungs`[0]: `require` needs a `count` from 1 to 100; received `-1`",
        ),
        (rungs("require = [{ count = 1 }]"), "`require` needs a `role` in each of its tables"),
        (rungs("require = [{ rol = \"a\" }]"), "has the unknown key `rol`; known are `role`"),
        (rungs("require = \"ops\""), "`require` must be a list of tables, such as `[{ role"),
        (rungs("require = [{ role = 5 }]"), "received `role` = `5`"),
        (rungs("late = \"now\""), "`late` must be `skip_to_current` or `fire_all`"),
        (rungs("notify = []"), "rung 0 must notify somebody"),
        (rungs("notify = [\"slack\"]"), "`notify` names `slack`, which is neither `log` nor a"),
        (rungs("after = \"1m\""), "rung 0 is asked at once"),
        (second(""), "rung 1 must come after the one before it and before the time-out"),
        (second("after = \"1h\""), "rung 1 must come after the one before it"),
        (four, "a chain needs 1 to 3 rungs; received 4"),
        (rungs("people = [\"ann\"]"), "`people`: `ann` is not an id"),
        (rungs("roles = [\"\"]"), "`roles`: `role` must not be empty"),
        (rungs("rols = [\"ops\"]"), "unknown key `rols`; did you mean `roles`?"),
        (rungs("who = [\"ops\"]"), "unknown key `who`; known are `roles`, `people`"),
        (rungs("after = 5"), "`after` must be a span from 0s to 30d, such as `15m`; received `5`"),
        ("chains.c.rungs = []".into(), "`chains.c.rungs` must be a list of tables"),
        ("chains.c = 5".into(), "`chains.c` must be a table, `[chains.c]`; received `5`"),
        ("[chains.c]\ntimout = \"1h\"".into(), "did you mean `chains.c.timeout`?"),
        ("[chans.c]\ntimeout = \"1h\"".into(), "did you mean `chains.c.timeout`?"),
        ("[chains.c]\ntimeout = \"0s\"".into(), "must be a span from 1s to 30d"),
        ("[chains.c]\nbind = \"agent\"".into(), "must be `action` or `session`"),
        ("[chains.\"a.b\"]".into(), "unknown key `chains.a.b`"),
        ("[chains.Prod]".into(), "a chain's name must be 1 to 64 of"),
    ] {
        let said = problem(&file(&text));
        assert!(said.contains(message) && said.starts_with("gov.toml:"), "{text}\n{said}");
    }
}

#[test]
fn every_default_of_a_chain_and_a_rung_is_accepted_by_its_own_key() {
    for key in keys::CHAIN_KEYS {
        let set = key.slot.set(&mut ChainDraft::default(), &key.slot.default_given(key.default));
        assert_eq!(set, Ok(()), "{}", key.path);
    }
    for key in keys::RUNG_KEYS {
        let set = key.slot.set(&mut RungDraft::default(), &key.slot.default_given(key.default));
        assert_eq!(set, Ok(()), "{}", key.path);
    }
    for key in keys::NOTIFY_KEYS {
        let set = key.slot.set(&mut NotifyDraft::default(), &key.slot.default_given(key.default));
        assert_eq!(set, Ok(()), "{}", key.path);
    }
}

#[test]
fn a_sink_without_its_place_and_one_with_a_password_in_it_are_refused() {
    for (text, message) in [
        ("sink = \"nats\"", "`buffer.url` must hold one URL or more for `buffer.sink` = `nats`"),
        (
            "sink = \"http\"\nurl = [\"http://a\", \"http://b\"]",
            "`buffer.url` must hold one URL for `buffer.sink` = `http`; received 2",
        ),
        (
            "sink = \"nats\"\nurl = \"http://me:hunter22@h\"",
            "`buffer.url` must begin with `nats://` or `tls://` and name a host",
        ),
        (
            "sink = \"nats\"\nurl = \"nats://me:hunter22@h\"",
            "`buffer.url` must not hold a user or a password; name files",
        ),
        (
            "sink = \"nats\"\nurl = \"nats://\"",
            "`buffer.url` must begin with `nats://` or `tls://` and name a host",
        ),
        (
            "sink = \"http\"\nurl = \"http://a\"\nnkey_file = \"b\"",
            "`buffer.nkey_file` is for the sink `nats`, and `buffer.sink` = `http` does not use it",
        ),
        (
            "sink = \"nats\"\nurl = \"nats://a\"\nsigning_key_file = \"b\"",
            "`buffer.signing_key_file` is for the sink `http`, and `buffer.sink` = `nats` does not",
        ),
        ("user = \"me\"", "`buffer.user` and `buffer.password_file` must come together"),
        ("token_file = \"a\"\nnkey_file = \"b\"", "at most one of `buffer.password_file`"),
        ("key_file = \"a\"", "`buffer.certificate_file` and `buffer.key_file` must come together"),
    ] {
        let message_is = problem(&file(&format!("[buffer]\n{text}")));
        assert!(message_is.contains(message), "{message_is}");
        assert!(!message_is.contains("hunter22"), "{message_is}");
    }
    let both = "[buffer]\nsink = \"nats\"\nurl = [\"nats://a:4222\", \"tls://b\"]";
    assert_eq!(load(&file(both)).unwrap().config.buffer.url.len(), 2);
    assert!(!Config::default().buffer.is_on());
}

#[test]
fn every_limit_of_the_buffer_is_the_documented_one_and_what_is_outside_is_refused() {
    for (key, least, most, outside) in [
        ("replicas", "1", "5", ["0", "6"]),
        ("send_timeout", "100ms", "5m", ["99ms", "301s"]),
        ("resend_horizon", "0s", "1d", ["-1s", "86401s"]),
        ("max_rows", "10", "1000000000", ["9", "1000000001"]),
        ("max_bytes", "2097152", "1099511627776", ["2097151", "1099511627777"]),
        ("block_timeout", "1ms", "10s", ["0s", "10001ms"]),
    ] {
        let given = |value: &str| file(&format!("buffer.{key} = \"{value}\""));
        for inside in [least, most] {
            assert!(load(&given(inside)).is_ok(), "{key} = {inside}");
        }
        for outside in outside {
            let said = problem(&given(outside));
            let limits = format!("from {least} to {most}");
            assert!(said.starts_with(&format!("gov.toml:1: `buffer.{key}` must be a ")), "{said}");
            assert!(said.contains(&limits) && said.ends_with(&format!("`{outside}`")), "{said}");
        }
    }
    for (key, wanted) in [
        ("sink", "`none` or `nats` or `http` or `json-lines` or `event-store`"),
        ("format", "`webhook` or `otlp`"),
        ("overflow", "`reject` or `block` or `drop_oldest`"),
    ] {
        let said = problem(&file(&format!("buffer.{key} = \"kafka\"")));
        let wanted = format!("`buffer.{key}` must be {wanted}; received `kafka`");
        assert_eq!(said, format!("gov.toml:1: {wanted}"));
    }
}
