//! Runs a hook's command as the coding agent does.

use std::{io, path::Path, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::Command,
};

/// How much of what a hook says is kept, in bytes.
const KEPT_BYTES: u64 = 64 * 1024;

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Ended {
        /// `None` where a signal ended it.
        code: Option<i32>,
        stdout: String,
        stderr: String,
    },
    /// It was still running, and was killed.
    TooSlow,
}

/// Runs `sh -c <command>` in `cwd` with `input` on standard input, in this environment.
pub(super) async fn run(
    command: &str,
    cwd: &Path,
    input: &[u8],
    limit: Duration,
) -> io::Result<Ran> {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .current_dir(cwd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // What the shell started is to end with it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let group = child.id().and_then(|it| Pid::from_raw(it.try_into().ok()?));
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let talk = async {
        let ((), out, err, status) =
            tokio::join!(write(stdin, input), read(stdout), read(stderr), child.wait());
        let (stdout, stderr) = (out?, err?);
        Ok(Ran::Ended { code: status?.code(), stdout, stderr })
    };
    if let Ok(ended) = tokio::time::timeout(limit, talk).await {
        return ended;
    }
    if let Some(group) = group {
        // It may have ended just now.
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().await?;
    Ok(Ran::TooSlow)
}

/// A hook that does not read its input is judged by how it ends.
async fn write(pipe: Option<impl tokio::io::AsyncWrite + Unpin>, input: &[u8]) {
    if let Some(mut pipe) = pipe {
        let _ = pipe.write_all(input).await;
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut said = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(KEPT_BYTES).read_to_end(&mut said).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(command: &str, limit: Duration) -> Ran {
        run(command, Path::new("/"), b"said", limit).await.unwrap()
    }

    #[tokio::test]
    async fn a_hook_gets_its_input_and_its_words_and_code_are_kept() {
        let limit = Duration::from_mins(1);
        let ended = ran("cat; pwd >&2; exit 7", limit).await;
        let (stdout, stderr) = ("said".to_owned(), "/\n".to_owned());
        assert_eq!(ended, Ran::Ended { code: Some(7), stdout, stderr });
        let Ran::Ended { code, .. } = ran("kill -9 $$", limit).await else { panic!("too slow") };
        assert_eq!(code, None);
        let loud = ran("yes | head -c 1000000", limit).await;
        assert!(matches!(loud, Ran::Ended { stdout, .. } if stdout.len() as u64 == KEPT_BYTES));
    }

    #[tokio::test]
    async fn a_hook_that_never_ends_is_killed_with_what_it_started() {
        assert_eq!(ran("cat /dev/zero & wait", Duration::from_millis(50)).await, Ran::TooSlow);
    }
}
