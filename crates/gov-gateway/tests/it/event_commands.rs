//! `gov audit events`, as an auditor and an operator run it.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal};
use serde_json::Value;

use crate::process::{Place, Ran, Serving};

/// A server whose history has a token for each of these agents.
fn serving(agents: &[&str]) -> (Place, Serving) {
    let place = Place::new();
    let server = place.serve(&[]);
    for agent in agents {
        create(&place, &server, agent);
    }
    (place, server)
}

fn create(place: &Place, server: &Serving, agent: &str) {
    let ran = asking(place, server, &["tokens", "create", "--scope", "agent", "--agent", agent]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn asking(place: &Place, server: &Serving, arguments: &[&str]) -> Ran {
    place.run_with(&[("GOV_URL", &server.url()), ("GOV_TOKEN", server.admin())], arguments)
}

/// The agents of the events that were printed as JSON.
fn agents(ran: &Ran) -> Vec<String> {
    assert_eq!(ran.code, 0, "{ran:?}");
    let events = ran.out.lines().map(|it| serde_json::from_str::<Value>(it).unwrap());
    events.map(|it| it["agent_id"].as_str().unwrap_or("-").to_owned()).collect()
}

#[test]
fn files_at_rest_show_what_the_server_showed() {
    let (place, server) = serving(&["a", "b", "c"]);
    let list = ["audit", "events", "--kind", "admin.token_created", "--json"];
    let oldest = [&list[..], &["--oldest-first"]].concat();
    // The last one may still be on its way through the log.
    let mut looks = (0..500).map(|_| asking(&place, &server, &oldest));
    let running = looks.find(|it| agents(it).len() == 4).expect("the last one never came");
    assert_eq!(agents(&running), ["-", "a", "b", "c"]);
    let newest = asking(&place, &server, &[&list[..], &["--limit", "2"]].concat());
    assert_eq!(agents(&newest), ["c", "b"]);

    let data_dir = place.data_dir();
    let on_files = [&oldest[..], &["--data-dir", data_dir.to_str().unwrap()]].concat();
    place.run(&on_files).failed(3, "a server runs on these files");
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    assert_eq!(place.run(&on_files).out, running.out);
    let of_b = place.run(&["audit", "events", "--agent", "b", "--json"]);
    assert_eq!(agents(&of_b), ["b"]);
}

#[test]
fn what_could_deceive_a_terminal_is_escaped_and_nothing_is_said_to_be_nothing() {
    let (place, server) = serving(&["a\u{202e}b"]);
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    let ran = place.run(&["audit", "events", "--from", "10m", "--limit", "1000"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut lines = ran.out.lines().filter(|it| it.contains("  admin.token_created  "));
    assert!(lines.any(|it| it.contains("a\\u{202e}b") && it.contains("record_id=rec_")), "{ran:?}");
    assert!(!ran.out.contains('\u{202e}'), "{ran:?}");
    let ran = place.run(&["audit", "events", "--agent", "nobody"]);
    assert_eq!((ran.code, &*ran.out), (0, "no event fits\n"));
}

#[test]
fn a_wrong_flag_is_named_before_anybody_is_asked() {
    let place = Place::new();
    for (arguments, message) in [
        (
            ["--kind", "action.alowed"],
            "`--kind` is no kind of event; did you mean `action.allowed`?",
        ),
        (["--from", "yesterday"], "`--from` is no time: a time must look like"),
        (["--agent", ""], "`--agent` is no name"),
        (["--follow", "--json"], "`--follow` needs a running server: set GOV_URL and GOV_TOKEN"),
    ] {
        place.run(&[&["audit", "events"], &arguments[..]].concat()).failed(2, message);
    }
}

#[test]
fn following_shows_what_comes_once_and_ends_well_on_ctrl_c() {
    let (place, server) = serving(&["a", "b"]);
    let mut command =
        place.gov(&["audit", "events", "--follow", "--json", "--kind", "admin.token_created"]);
    command.env("GOV_URL", server.url()).env("GOV_TOKEN", server.admin());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (line, lines) = mpsc::sync_channel(100);
    thread::spawn(move || out.lines().try_for_each(|it| line.send(it.unwrap())));
    let mut agents = Vec::new();
    let read = |agents: &mut Vec<String>, count| {
        while agents.len() < count {
            let line = lines.recv_timeout(Duration::from_mins(1)).expect("nothing comes");
            let event: Value = serde_json::from_str(&line).unwrap();
            agents.push(event["agent_id"].as_str().unwrap_or("-").to_owned());
        }
    };
    read(&mut agents, 3);
    create(&place, &server, "c");
    read(&mut agents, 4);
    create(&place, &server, "d");
    read(&mut agents, 5);
    assert_eq!(agents, ["-", "a", "b", "c", "d"]);
    rustix::process::kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.is_empty(), "{ended:?}");
}
