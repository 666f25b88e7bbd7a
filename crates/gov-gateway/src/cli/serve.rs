//! `gov serve`: the server.

use std::{io::IsTerminal as _, sync::Arc};

use clap::Args;
use gov_core::SystemClock;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Exit, Failure, Outcome, Places, console, places::LogPlaces};
use crate::{
    config::{Choose as _, Config, LogFormat},
    server::{Ended, Server, StartError, Started},
};

/// Runs the server until SIGTERM or SIGINT.
///
/// Without any configuration it makes a data directory with keys, the `balanced` policy and an
/// admin token, and listens on 127.0.0.1:7180.
#[derive(Debug, Args)]
pub struct Serve {
    #[command(flatten)]
    places: Places,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    #[command(flatten)]
    log: LogPlaces,
}

/// Cedar bounds its evaluator by the stack that is left: every policy that compiles must fit.
const WORKER_STACK_BYTES: usize = 16 * 1024 * 1024;

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the server did not start.
    pub fn run(self) -> Outcome {
        let [checkpoint_log, audit_key] = self.log.settings()?;
        let loaded = self.places.load(&[
            ("--listen", "server.listen", self.listen.clone()),
            checkpoint_log,
            audit_key,
        ])?;
        write_log(&loaded.config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_stack_size(WORKER_STACK_BYTES)
            .build()
            .map_err(|error| Failure::because(Exit::NotJudged, "no threads to run on", error))?;
        runtime.block_on(serve(&loaded.config))
    }
}

async fn serve(config: &Config) -> Outcome {
    // Before anything is made: a signal that comes early ends it in order too.
    let shutdown = CancellationToken::new();
    let watcher = tokio::spawn(stop_on_signal(shutdown.clone())?);
    outlive_file_size_limit()?;
    let server = Server::start(config, Arc::new(SystemClock)).await?;
    console::line(&describe(server.started()))?;
    let ended = server.run(shutdown).await;
    watcher.abort();
    Ok(match ended {
        Ended::Clean => Exit::Yes,
        Ended::WorkLeft => Exit::WorkLeft,
        Ended::RecordsMissing => Exit::RecordsMissing,
    })
}

pub(super) fn stop_on_signal(
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()>, Failure> {
    let (mut terminate, mut interrupt) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => (),
            _ = interrupt.recv() => (),
        }
        shutdown.cancel();
    })
}

/// By default the kernel ends a process that writes beyond its file size limit. With a handler,
/// which stays when its listener is dropped, the write fails instead, and is answered as on a full
/// disk.
fn outlive_file_size_limit() -> Result<(), Failure> {
    listen(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

fn listen(kind: SignalKind) -> Result<tokio::signal::unix::Signal, Failure> {
    signal(kind)
        .map_err(|error| Failure::because(Exit::NotJudged, "cannot listen for signals", error))
}

/// Five lines: what runs, where it keeps things, what it judges by, what it signs, who may ask.
fn describe(started: &Started) -> String {
    let Started { address, data_dir, policy: (policy, version), log, admin_token } = started;
    let made = if data_dir.was_created() { "made now" } else { "as it was" };
    let token = match admin_token {
        Some(token) => format!("admin token, shown only now: {}", token.to_text()),
        None => "tokens: as they were; `gov tokens list` shows them".to_owned(),
    };
    format!(
        "gov {} listens on http://{address}\n\
         data directory: {} ({made})\n\
         policy: {policy}, version {version}\n\
         signed log: {log}\n\
         {token}",
        env!("CARGO_PKG_VERSION"),
        data_dir.path().display(),
    )
}

/// Messages go to standard error, once for the process.
pub(super) fn write_log(config: &Config) -> Result<(), Failure> {
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(tracing_subscriber::EnvFilter::new(config.server.log_level.word()));
    let installed = match config.server.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    installed.map_err(|error| Failure::because(Exit::NotJudged, "cannot write messages", error))
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        Self::of(error.exit(), error)
    }
}
