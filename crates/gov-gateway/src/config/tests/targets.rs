//! What a target of messages may be.

use super::*;

#[test]
fn a_chain_tells_the_targets_that_are_configured() {
    let text = "[[chains.c.rungs]]\nnotify = [\"chat\", \"log\"]\n[notify.chat]\nurl = \
                \"https://chat.example/s3cret\"\nsigning_secret = \"file:/etc/gov/chat\"";
    let loaded = load(&file(text)).unwrap();
    assert_eq!(loaded.config.chains["c"].rungs[0].notify, ["chat", "log"]);
    let chat = &loaded.config.notify["chat"];
    assert_eq!(chat.url.as_deref(), Some("https://chat.example/s3cret"));
    assert_eq!((chat.rate_per_minute, chat.allow_private), (60, false));
    let shown = |path: &str| loaded.entries().find(|it| it.path == path).unwrap().value;
    assert_eq!(shown("notify.chat.url"), "\"https://chat.example/***\"");
    assert_eq!(shown("notify.chat.timeout"), "\"10s\"");
    assert!(!format!("{loaded:?}").contains("s3cret"), "{loaded:?}");
}

#[test]
fn a_target_that_cannot_work_is_refused_at_its_line_and_without_its_url() {
    for (text, message) in [
        ("[notify.chat]", "gov.toml:1: `notify.chat.url` must begin with `https://`"),
        ("[notify.chat]\nurl = \"http://h/s3cret\"", "gov.toml:2: `notify.chat.url` must begin"),
        ("[notify.chat]\nurl = \"file:\"", "must begin with `https://`, or with `file:`"),
        (
            "[notify.chat]\nurl = \"https://h/\"\nsigning_secret = \"whsec_s3cret\"",
            "gov.toml:3: `notify.chat.signing_secret` must begin with `file:`",
        ),
        ("[notify.chat]\nurll = \"https://h/s3cret\"", "did you mean `notify.chat.url`?"),
        ("[notify.Chat]", "a target's name must be 1 to 64 of"),
        ("[notify.log]", "`notify.log` is always there and has no keys"),
        ("notify.chat = 5", "`notify.chat` must be a table, `[notify.chat]`; received `5`"),
        ("[notify.chat]\nkind = \"mail\"", "`notify.chat.kind` must be `webhook` or `slack`"),
    ] {
        let said = problem(&file(text));
        assert!(said.contains(message), "{text}\n{said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
    let http = "[notify.chat]\nurl = \"http://10.0.0.1/\"\nallow_private = true";
    load(&file(http)).unwrap();
}
