//! Programs that only run another program.

use super::word::{Arg, is_name};

/// What a prefix leaves.
pub(super) struct Inner {
    /// The words of the inner command.
    pub(super) args: Vec<Arg>,
    /// The directory that it changes to first.
    pub(super) dir: Option<Arg>,
    /// A script that it runs instead (`env -S`).
    pub(super) script: Option<Arg>,
    /// The inner command's words are completed from the standard input.
    pub(super) takes_names: bool,
    /// What stands for a name (`xargs -I {}`).
    pub(super) placeholder: Option<String>,
}

/// One prefix: its options that take a value, and how many words stand before the command.
struct Prefix {
    valued: &'static [&'static str],
    skips: usize,
}

/// The command that `args`, which begins with the program `name`, runs; `None` if it runs itself.
pub(super) fn look_through(name: &str, args: &[Arg]) -> Option<Inner> {
    let second = args.get(1).map(|it| it.text.as_str()).unwrap_or_default();
    let (prefix, from) = match (name, second) {
        ("uv" | "poetry" | "pipenv" | "rye" | "hatch", "run")
        | (
            "bundle" | "npm" | "pnpm" | "yarn" | "mise" | "rustup" | "direnv",
            "exec" | "x" | "dlx",
        ) => (Prefix { valued: &[], skips: usize::from(name == "direnv") }, 2),
        _ => (known(name)?, 1),
    };
    let mut inner = Inner {
        args: vec![],
        dir: None,
        script: None,
        takes_names: name == "xargs",
        placeholder: None,
    };
    let mut rest = args.get(from..).unwrap_or_default();
    while let [first, after @ ..] = rest {
        let text = first.text.as_str();
        // `command -v` only looks.
        if name == "command" && (text == "-v" || text == "-V") {
            return None;
        }
        let assigns = ["env", "sudo", "doas"].contains(&name)
            && text.split_once('=').is_some_and(|(it, _)| is_name(it));
        if text == "--" {
            rest = after;
            break;
        }
        if !text.starts_with('-') && !assigns {
            break;
        }
        rest = after;
        let (option, joined) = match text.split_once('=') {
            Some((option, value)) if text.starts_with("--") => (option, Some(value)),
            _ => (text, None),
        };
        let is_valued = prefix.valued.contains(&option);
        let short = prefix.valued.iter().find(|it| {
            !is_valued && it.len() == 2 && !text.starts_with("--") && text.starts_with(**it)
        });
        let (option, value) = match (short, joined) {
            (Some(short), _) => (*short, Some(Arg::plain(text.get(2..).unwrap_or_default()))),
            (None, Some(value)) => (option, Some(Arg::plain(value))),
            (None, None) if is_valued => {
                rest = after.get(1..).unwrap_or_default();
                (option, after.first().cloned())
            }
            (None, None) => (option, None),
        };
        inner.option(name, option, value);
    }
    let command = rest.get(prefix.skips.min(rest.len())..).unwrap_or_default();
    // `flock file -c script`.
    if let ("flock", [option, script, ..]) = (name, command)
        && ["-c", "--command"].contains(&option.text.as_str())
    {
        inner.script = Some(script.clone());
        return Some(inner);
    }
    inner.args = command.to_vec();
    Some(inner)
}

impl Inner {
    fn option(&mut self, name: &str, option: &str, value: Option<Arg>) {
        match (name, option) {
            ("env", "-C" | "--chdir") | ("sudo", "-D" | "--chdir") => self.dir = value,
            ("env", "-S" | "--split-string") | ("flock", "-c" | "--command") => self.script = value,
            ("xargs", "-I" | "--replace") => {
                self.placeholder = value.map(|it| it.text).filter(|it| !it.is_empty());
            }
            ("xargs", "-i") => self.placeholder = Some("{}".to_owned()),
            _ => (),
        }
    }
}

fn known(name: &str) -> Option<Prefix> {
    let (valued, skips): (&'static [&'static str], usize) = match name {
        "sudo" => (
            &[
                "-u", "--user", "-g", "--group", "-h", "--host", "-p", "--prompt", "-C", "-T",
                "-r", "-t", "-D", "--chdir", "-R", "--chroot", "-U",
            ],
            0,
        ),
        "doas" => (&["-u", "-C"], 0),
        "env" => (&["-u", "--unset", "-C", "--chdir", "-S", "--split-string"], 0),
        "nice" => (&["-n", "--adjustment"], 0),
        "ionice" => (&["-c", "-n", "-p", "--class", "--classdata"], 0),
        "time" => (&["-f", "-o", "--format", "--output"], 0),
        "exec" => (&["-a"], 0),
        "stdbuf" => (&["-i", "-o", "-e", "--input", "--output", "--error"], 0),
        "timeout" => (&["-k", "-s", "--kill-after", "--signal"], 1),
        "chroot" => (&["--userspec", "--groups"], 1),
        "flock" => (&["-w", "-E", "--timeout", "-c", "--command"], 1),
        "xargs" => (
            &[
                "-I",
                "-n",
                "-P",
                "-L",
                "-d",
                "-s",
                "-a",
                "-E",
                "--max-args",
                "--max-procs",
                "--max-lines",
                "--delimiter",
                "--arg-file",
                "--replace",
            ],
            0,
        ),
        "strace" | "ltrace" => (&["-e", "-o", "-p", "-s", "-u", "-E"], 0),
        "watch" => (&["-n", "--interval"], 0),
        "caffeinate" => (&["-t", "-w"], 0),
        "runuser" => (&["-u", "-g", "-G"], 0),
        "gosu" | "su-exec" | "setuidgid" | "taskset" => (&[], 1),
        "-" | "nohup" | "setsid" | "command" | "builtin" | "noglob" | "nocorrect" | "unbuffer"
        | "busybox" | "toybox" | "proxychains" | "proxychains4" | "fakeroot" | "torify"
        | "torsocks" | "npx" | "bunx" | "pnpx" | "dotenv" | "chronic" | "firejail"
        | "systemd-inhibit" => (&[], 0),
        _ => return None,
    };
    Some(Prefix { valued, skips })
}
