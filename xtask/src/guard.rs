//! A process that ends when this one does, however this one ends.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result};

/// The shell holds the read end of a pipe. Its end, by `stop`, by Ctrl-C or by `kill -9` of this
/// program, is the word to signal the process, wait for it, and remove its folder.
const SCRIPT: &str = r#"
signal=$1 folder=$2; shift 2
exec 3<&0 </dev/null
"$@" 3<&- & child=$!
{ read -r _ <&3; kill -"$signal" "$child"; } 2>/dev/null & watcher=$!
wait "$child"; code=$?
kill "$watcher" 2>/dev/null
[ -z "$folder" ] || rm -rf -- "$folder"
exit "$code"
"#;

/// A guarded process; dropping it stops it and waits for its end.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
}

/// What to run, and how it ends.
#[derive(Debug)]
pub(crate) struct Guarded<'a> {
    /// The program and its arguments.
    pub(crate) command: &'a [&'a OsStr],
    /// The signal that asks it to stop, without `SIG`.
    pub(crate) signal: &'a str,
    /// The directory it starts in.
    pub(crate) directory: &'a Path,
    /// A folder to remove once it has ended.
    pub(crate) remove: Option<&'a Path>,
    /// Where its output goes.
    pub(crate) log: &'a Path,
}

impl Guard {
    pub(crate) fn start(what: &Guarded<'_>) -> Result<Self> {
        let log = File::create(what.log).with_context(|| what.log.display().to_string())?;
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "guard", what.signal])
            .arg(what.remove.map_or(OsStr::new(""), Path::as_os_str))
            .args(what.command)
            .current_dir(what.directory)
            // Ctrl-C in the terminal is for this program; the pipe tells the rest.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("the log's descriptor")?)
            .stderr(log)
            .spawn()
            .context("starting sh")?;
        Ok(Self { shell })
    }

    /// The exit status, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.shell.try_wait().context("waiting for a guarded process")
    }

    /// Signals it and waits for its end.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus> {
        drop(self.shell.stdin.take());
        self.shell.wait().context("waiting for a guarded process")
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("xtask: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::pace::wait_for;

    fn start(folder: &Path, script: &str) -> Guard {
        fs::create_dir_all(folder).unwrap();
        let command = ["sh", "-c", script].map(OsStr::new);
        let log = folder.with_extension("log");
        Guard::start(&Guarded {
            command: &command,
            signal: "TERM",
            directory: folder,
            remove: Some(folder),
            log: &log,
        })
        .unwrap()
    }

    fn folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("gov-guard-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_stopped_process_has_had_its_signal_and_its_folder_is_gone() {
        let folder = folder("stopped");
        let mut guard =
            start(&folder, "trap 'exit 7' TERM; touch up; while :; do sleep 0.05; done");
        wait_for("the process", Duration::from_secs(20), || {
            Ok(folder.join("up").exists().then_some(()))
        })
        .unwrap();
        assert_eq!(guard.stop().unwrap().code(), Some(7));
        assert!(!folder.exists());
        fs::remove_file(folder.with_extension("log")).unwrap();
    }

    #[test]
    fn a_process_that_ends_by_itself_is_noticed() {
        let folder = folder("ended");
        let mut guard = start(&folder, "exit 3");
        let status = wait_for("the end", Duration::from_secs(20), || guard.ended()).unwrap();
        assert_eq!(status.code(), Some(3));
        fs::remove_file(folder.with_extension("log")).unwrap();
    }
}
