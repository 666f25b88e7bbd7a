//! A real Chromium, driven line by line.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::place::Place;

/// Names the folder with playwright-core and axe-core; `cargo xtask test` installs it.
const MODULES: &str = "GOV_TEST_NODE_MODULES";

/// Names the browser, where it is not on the path.
const CHROMIUM: &str = "GOV_TEST_CHROMIUM";

/// A browser; closed where a story drops it.
pub(crate) struct Browser {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Browser {
    /// Starts one; `None` where this machine has none, which is said on standard error and is a
    /// failure in CI.
    pub(crate) fn start(place: &Place) -> Option<Self> {
        let Some((modules, chromium)) = parts() else {
            let skipped = "the page was not tried in a browser: it needs node, chromium, and \
                           playwright-core and axe-core in GOV_TEST_NODE_MODULES; \
                           `cargo xtask test` installs them";
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{skipped}");
            io::stderr().write_all(format!("skipped: {skipped}\n").as_bytes()).unwrap();
            return None;
        };
        let driver = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/page/driver.mjs");
        let mut node = Command::new("node");
        node.arg(driver).env("NODE_MODULES", modules).env("CHROMIUM", chromium);
        node.env("HOME", place.home()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = node.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, commands, answers })
    }

    /// Opens a fresh window in light colours, with scripts.
    pub(crate) fn open(&mut self) {
        self.ask("open", json!({}));
    }

    /// Opens a fresh window in which no script runs.
    pub(crate) fn open_without_scripts(&mut self) {
        self.ask("open", json!({"javascript": false}));
    }

    /// Opens a fresh window in dark colours.
    pub(crate) fn open_dark(&mut self) {
        self.ask("open", json!({"scheme": "dark"}));
    }

    pub(crate) fn goto(&mut self, url: &str) {
        self.ask("goto", json!({"url": url}));
    }

    /// Where the window is, without scheme and host.
    pub(crate) fn path(&mut self) -> String {
        let url = self.ask("url", json!({}));
        let (_, rest) = url.as_str().unwrap().split_once("//").unwrap();
        rest.find('/').map_or_else(String::new, |at| rest[at..].to_owned())
    }

    /// Presses one key.
    #[track_caller]
    pub(crate) fn press(&mut self, key: &str) {
        self.ask("press", json!({"key": key}));
    }

    /// Types a text into what has the focus.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.ask("type", json!({"text": text}));
    }

    /// Clicks on the first thing that fits the selector.
    #[track_caller]
    pub(crate) fn click(&mut self, selector: &str) {
        self.ask("click", json!({"selector": selector}));
    }

    /// Waits until something fits the selector, and gives its text.
    #[track_caller]
    pub(crate) fn see(&mut self, selector: &str) -> String {
        self.ask("see", json!({"selector": selector})).as_str().unwrap().to_owned()
    }

    pub(crate) fn count(&mut self, selector: &str) -> u64 {
        self.ask("count", json!({"selector": selector})).as_u64().unwrap()
    }

    /// What has the focus: `button Approve`, `input token`.
    pub(crate) fn focused(&mut self) -> String {
        let it = self.ask("focused", json!({}));
        let text = |key: &str| it[key].as_str().unwrap_or_default().to_owned();
        let name = if text("id").is_empty() { text("text") } else { text("id") };
        format!("{} {name}", text("tag"))
    }

    /// What an expression gives in the page.
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        self.ask("eval", json!({"script": script}))
    }

    /// Nothing was complained about: no error, no blocked script, no request to elsewhere.
    #[track_caller]
    pub(crate) fn no_problems(&mut self) {
        assert_eq!(self.problems(), [""; 0]);
    }

    /// What was complained about since the window was opened.
    pub(crate) fn problems(&mut self) -> Vec<String> {
        serde_json::from_value(self.ask("problems", json!({}))).unwrap()
    }

    /// The page keeps nobody out, as far as a program can tell.
    #[track_caller]
    pub(crate) fn is_accessible(&mut self) {
        assert_eq!(self.ask("axe", json!({})), json!([]));
    }

    pub(crate) fn shot(&mut self, path: &Path) {
        self.ask("shot", json!({"path": path}));
    }

    #[track_caller]
    fn ask(&mut self, command: &str, mut rest: Value) -> Value {
        rest["command"] = command.into();
        writeln!(self.commands, "{rest}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let mut answer: Value = serde_json::from_str(&line).expect("the driver ended");
        assert_eq!(answer.get("error"), None, "{answer:#}");
        answer["ok"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when nothing can come any more; a broken one is killed.
        let _ = writeln!(self.commands, "{}", json!({"command": "end"}));
        let _ = self.child.wait();
    }
}

fn parts() -> Option<(PathBuf, PathBuf)> {
    let modules = PathBuf::from(std::env::var_os(MODULES)?);
    let there = ["playwright-core", "axe-core"].iter().all(|it| modules.join(it).is_dir());
    on_path("node").filter(|_| there)?;
    let chromium = std::env::var_os(CHROMIUM).map(PathBuf::from).or_else(|| on_path("chromium"))?;
    Some((modules, chromium))
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|it| it.join(program)).find(|it| it.is_file())
}
