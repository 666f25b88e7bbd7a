//! A process dies with many timers overdue, and the next one goes on where it was.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    Alarm, DbEscalationScheduler, SchedulerConfig,
    chain::Span,
    store::{
        ApprovalFilter, ApprovalStore as _,
        conformance::{RUNG, request},
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::{
    fresh_database,
    sqlite::{Database, DatabaseOptions},
};
use tokio_util::sync::CancellationToken;

/// How many are overdue.
const TIMERS: u32 = 300;

/// The variable that makes a process of this binary fire them: the file.
const PLACE: &str = "GOV_TEST_RESTARTING";

#[tokio::test]
async fn after_a_kill_the_next_process_fires_the_most_overdue_first() {
    let file = fresh_database::sqlite(&[&COMPONENT]);
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store = SqliteApprovalStore::new(writer, readers);
    let now = ManualClock::default().now();
    for number in 0..TIMERS {
        let mut request = request(number);
        // The last that was asked for is the most overdue.
        request.chain.rungs[1].after =
            Span(RUNG.saturating_sub(std::time::Duration::from_secs(number.into())));
        store.submit(request, now).await.unwrap();
    }
    let most_overdue = async || {
        let waiting = store.list(&ApprovalFilter::default(), None, TIMERS).await.unwrap();
        let waiting = waiting.into_iter().filter(|it| it.rung == 0);
        waiting.map(|it| (it.due_at, it.id)).min().map(|(_, id)| id.to_string())
    };
    let path = file.path();
    let first = most_overdue().await;
    let mut dying = Firing::start(&path);
    assert_eq!(dying.line(), Some("ready".to_owned()));
    assert_eq!(dying.line(), first);
    dying.child.kill().unwrap();
    dying.child.wait().unwrap();

    let next = most_overdue().await;
    assert!(next.is_some(), "it fired everything before it died");
    let mut rest = Firing::start(&path);
    assert_eq!(rest.line(), Some("ready".to_owned()));
    assert_eq!(rest.line(), next);
    while rest.line().is_some() {}
    assert!(rest.child.wait().unwrap().success());
    assert_eq!(most_overdue().await, None, "left lying");
}

/// Not a test of its own: without a file it has nothing to do.
#[test]
fn plays_its_role() {
    let Some(path) = std::env::var_os(PLACE) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(fire_all(Path::new(&path)));
}

/// Says who is asked, one a line, until nothing is overdue.
async fn fire_all(path: &Path) {
    let options = DatabaseOptions::new("test");
    let database = Database::open(path, &options, &[&COMPONENT], Timestamp::UNIX_EPOCH).unwrap();
    let (writer, readers) = (database.writer.clone(), database.readers.clone());
    let store = Arc::new(SqliteApprovalStore::new(writer, readers));
    let clock = ManualClock::default();
    clock.advance(RUNG);
    // Small, so that it dies in the middle.
    let config = SchedulerConfig { batch: 10, ..SchedulerConfig::default() };
    let scheduler = DbEscalationScheduler::new(
        store.clone(),
        Arc::new(clock.clone()),
        Arc::new(Alarm::new()),
        config,
    );
    let (mut events, shutdown) = (scheduler.subscribe(), CancellationToken::new());
    say("ready");
    let running = tokio::spawn(scheduler.run(shutdown.clone()));
    while store.next_deadline().await.unwrap().is_some_and(|it| it <= clock.now()) {
        say(&events.recv().await.unwrap().request_id.to_string());
    }
    while let Ok(event) = events.try_recv() {
        say(&event.request_id.to_string());
    }
    shutdown.cancel();
    running.await.unwrap();
    database.close().await;
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A process that fires what is due until nothing is.
struct Firing {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Firing {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["restarting::plays_its_role", "--exact", "--nocapture", "--quiet"]);
        command.env(PLACE, path).env_remove("GOV_CRASH_AT");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self { child, lines: BufReader::new(output).lines() }
    }

    /// The next that it says, but for what the test binary says around it.
    fn line(&mut self) -> Option<String> {
        let mut said = self.lines.by_ref().map(Result::unwrap);
        said.find(|it| it == "ready" || it.starts_with("apr_"))
    }
}
