//! The way out: a held action's message arrives signed, comes again under its id where it was not
//! taken, and a target that is gone is seen and enabled again.

use std::{
    fs::{self, Permissions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::Duration,
};

use gov_core::{
    Timestamp,
    webhook::{Secret, SigningKey},
};
use serde_json::{Value, json};

use crate::{
    place::Place,
    server::{ASKED, Server},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Longer than the second try and a poll together.
const PATIENCE: Duration = Duration::from_mins(1);

/// The tries that a target sees, and the address that it is at.
struct Chat {
    address: SocketAddr,
    tries: Receiver<Try>,
}

/// One request.
struct Try {
    head: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Chat {
    /// Says these, and then `200`.
    fn saying(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, tries) = sync_channel(16);
        thread::spawn(move || {
            let statuses = statuses.iter().chain(std::iter::repeat(&"200 OK"));
            for (stream, status) in listener.incoming().zip(statuses) {
                let Some(it) = answer(stream.unwrap(), status) else { return };
                if sender.send(it).is_err() {
                    return;
                }
            }
        });
        Self { address, tries }
    }

    /// The next request, its signature checked.
    fn next(&self) -> Try {
        let it = self.tries.recv_timeout(PATIENCE).expect("no message came");
        let seconds: i64 = it.header("webhook-timestamp").parse().unwrap();
        let at = Timestamp::from_micros(seconds * 1_000_000).unwrap();
        let key = SigningKey::new(&Secret::from(SECRET.to_owned())).unwrap();
        let wanted = key.signature(it.header("webhook-id"), at, &it.body);
        assert_eq!(it.header("webhook-signature"), wanted);
        it
    }

    fn serve(&self, place: &Place) -> Server {
        let secret = place.home().join("chat.secret");
        fs::write(&secret, SECRET).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        place.serve(&format!(
            "[[chains.default.rungs]]\nnotify = [\"chat\", \"log\"]\n[notify.chat]\n\
             url = \"http://{}/hook\"\nallow_private = true\nsigning_secret = \"file:{}\"\n",
            self.address,
            secret.display()
        ))
    }
}

impl Try {
    fn header(&self, name: &str) -> &str {
        let mut head = self.head.iter();
        head.find(|(it, _)| it == name).map(|(_, value)| &**value).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn answer(mut stream: TcpStream, status: &str) -> Option<Try> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.trim().split_once(": ") {
            head.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    let length = head.iter().find(|(it, _)| it == "content-length")?.1.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(answer.as_bytes()).ok()?;
    Some(Try { head, body })
}

/// How the target is, as soon as it is as wanted.
#[track_caller]
fn target(server: &Server, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    // What is marked is marked after the target has its answer.
    for _ in 0..2000 {
        let list = server.get(token, "/v1/notify/targets").json;
        let items = list["items"].as_array().unwrap();
        let chat = items.iter().find(|it| it["name"] == "chat").unwrap();
        if wanted(chat) {
            return chat.clone();
        }
    }
    panic!("it never is as wanted");
}

#[test]
fn a_held_action_is_told_signed_and_under_one_id_though_the_target_first_fails() {
    let chat = Chat::saying(&["500 Oh"]);
    let place = Place::new();
    let (agent, admin) = (place.agent_token(), place.admin_token());
    let server = chat.serve(&place);
    let held = server.check(&agent, ASKED);
    assert_eq!(held.json["decision"], "require_approval", "{held:?}");
    let first = chat.next();
    assert_eq!(first.json()["type"], "approval.requested");
    assert_eq!(first.json()["data"]["approval_id"], held.json["approval"]["id"]);
    assert_eq!(first.json()["data"]["action"]["action"]["command"], json!(ASKED));
    let failed = target(&server, &admin, |it| it["failures"] == 1);
    assert!(failed["last_error"].as_str().unwrap().contains("the target answers 500"), "{failed}");

    let again = chat.next();
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(again.body, first.body);
    let well = target(&server, &admin, |it| it["waiting"] == 0);
    assert_eq!((&well["failures"], &well["given_up"]), (&json!(0), &json!(0)));
    assert!(chat.tries.try_recv().is_err(), "it came a third time");
    assert_eq!(server.get(&agent, "/v1/notify/targets").status, 403);
    server.stop();
}

#[test]
fn a_target_that_is_gone_is_seen_and_has_its_messages_once_it_is_enabled() {
    let chat = Chat::saying(&["410 Gone"]);
    let place = Place::new();
    let (agent, admin) = (place.agent_token(), place.admin_token());
    let server = chat.serve(&place);
    server.check(&agent, ASKED);
    let first = chat.next();
    let gone = target(&server, &admin, |it| !it["disabled_at"].is_null());
    assert_eq!((&gone["waiting"], &gone["configured"]), (&json!(1), &json!(true)));

    let asks = |arguments: &[&str]| {
        let mut command = place.gov(arguments);
        command.env("GOV_URL", server.url()).env("GOV_TOKEN", &admin);
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    };
    let list = asks(&["notify", "list"]);
    assert!(list.contains("chat  disabled since "), "{list}");
    assert_eq!(asks(&["notify", "enable", "chat"]), "chat is enabled\n");
    assert_eq!(chat.next().header("webhook-id"), first.header("webhook-id"));
    target(&server, &admin, |it| it["waiting"] == 0);
    assert_eq!(asks(&["notify", "test", "chat"]), "chat took the message\n");
    assert_eq!(chat.next().json()["type"], "test");
    server.stop();
    place.verify(&[]).ok();
}

#[test]
fn a_target_inside_is_refused_at_the_start_unless_it_is_meant() {
    let place = Place::new();
    let file = place.home().join("gov.toml");
    fs::write(&file, "[notify.chat]\nurl = \"https://127.0.0.1/s3cret\"").unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--config", file.to_str().unwrap()];
    let ran = place.gov(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.contains("`[notify.chat]` cannot be used"), "{said}");
    assert!(said.contains("not on the public internet"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}
