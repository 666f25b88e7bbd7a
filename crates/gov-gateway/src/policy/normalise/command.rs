//! What one simple command does.

mod find;
mod network;

use super::{
    UNKNOWN, Unparsable, code, effects,
    gather::looks_like_path,
    git, glob,
    prefix::{self, Inner},
    protected::is_gov_program,
    shell::Shell,
    word::Arg,
};

/// Where a command's standard input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stdin {
    /// Nobody changed it.
    Own,
    /// Another command's output.
    Pipe,
    /// Names of files inside the working directory.
    NamesInside,
    /// This text.
    Text(String),
}

/// One simple command, about to be read.
pub(super) struct Command<'s, 'g, 'a> {
    pub(super) shell: &'s mut Shell<'g, 'a>,
    stdin: Stdin,
}

const SHELLS: [&str; 11] =
    ["sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "fish", "rbash", "pwsh", "powershell"];

/// Programs whose words are only text.
const SPEAKS: [&str; 4] = ["echo", "printf", ":", "true"];

/// Programs whose words may name programs without running them.
const MENTIONS: [&str; 13] = [
    "echo", "printf", "grep", "egrep", "fgrep", "rg", "ag", "git", "man", "which", "type", "cat",
    "ls",
];

/// Programs with options, or commands of their own, that run a shell command.
const RUNS_OPTIONS: [&str; 22] = [
    "tar",
    "bsdtar",
    "rsync",
    "vim",
    "nvim",
    "vi",
    "ex",
    "emacs",
    "sqlite3",
    "psql",
    "npm",
    "gdb",
    "less",
    "man",
    "make",
    "zip",
    "tmux",
    "screen",
    "entr",
    "nodemon",
    "concurrently",
    "sed",
];

impl<'s, 'g, 'a> Command<'s, 'g, 'a> {
    pub(super) fn new(shell: &'s mut Shell<'g, 'a>, stdin: Stdin) -> Self {
        Self { shell, stdin }
    }

    /// Whether the command's output is names of files inside the working directory.
    pub(super) fn lists_inside(shell: &Shell<'g, 'a>, args: &[Arg]) -> bool {
        find::lists_inside(&*shell.gather, args)
    }

    /// Reads the command `args`.
    pub(super) fn run(&mut self, args: &[Arg]) -> Result<(), Unparsable> {
        self.shell.enter()?;
        let result = self.read(args);
        self.shell.leave();
        result
    }

    fn read(&mut self, args: &[Arg]) -> Result<(), Unparsable> {
        let Some(first) = args.first() else { return Ok(()) };
        let name = program_name(&first.text);
        let flags = &mut self.shell.gather.facts.flags;
        let is_pattern = name != "[" && glob::is_pattern(&first.text);
        if name.is_empty() || name.contains(UNKNOWN) || first.splits || is_pattern {
            flags.unknown_command = true;
        }
        self.shell.gather.program(&name);
        for arg in args.iter().filter(|it| !it.is_unknown()) {
            self.shell.gather.facts.argv.insert(arg.text.clone());
        }
        if is_gov_program(&name) {
            self.shell.gather.facts.flags.touches_gov = true;
        }
        if let Some(inner) = prefix::look_through(&name, args) {
            return self.inner(inner);
        }
        let rest = args.get(1..).unwrap_or_default();
        if !SPEAKS.contains(&name.as_str()) {
            self.mentions(&name, args);
        }
        if SHELLS.contains(&name.as_str()) || ["su", "script", "cmd"].contains(&name.as_str()) {
            return self.shell_program(&name, rest);
        }
        match name.as_str() {
            "eval" => self.eval(rest)?,
            "source" | "." => {
                let unknown = rest.first().is_some_and(Arg::is_unknown);
                self.shell.gather.facts.flags.unknown_command |= unknown;
            }
            "cd" | "chdir" | "pushd" => self.change_directory(rest),
            "at" | "batch" => match &self.stdin {
                Stdin::Text(text) => {
                    let text = text.clone();
                    self.shell.inner(&text)?;
                }
                Stdin::Pipe | Stdin::NamesInside => {
                    self.shell.gather.facts.flags.unknown_command = true;
                }
                Stdin::Own => (),
            },
            "popd" => self.shell.gather.dirs = vec![Some(UNKNOWN.to_string())],
            "alias" => {
                for (_, value) in rest.iter().filter_map(|it| it.text.split_once('=')) {
                    self.shell.inner(value)?;
                }
            }
            "trap" => {
                if let Some(action) = rest.iter().find(|it| !it.text.starts_with('-')) {
                    self.shell.inner(&action.text)?;
                }
            }
            // They put another program, or one from a file, under a name.
            "hash" | "enable" => {
                let loads = rest.iter().any(|it| ["-p", "-f"].contains(&it.text.as_str()));
                self.shell.gather.facts.flags.unknown_command |= loads;
            }
            "find" | "fd" | "fdfind" => find::read(self, &name, rest)?,
            "git" => git::read(self.shell, rest)?,
            _ => (),
        }
        network::read(self, &name, rest)?;
        code::read(self.shell, &name, rest, &self.stdin);
        effects::read(self.shell.gather, &name, rest);
        self.wrapped(&name, rest)
    }

    /// The command behind a prefix.
    fn inner(&mut self, inner: Inner) -> Result<(), Unparsable> {
        if let Some(script) = &inner.script {
            self.shell.inner(&script.text)?;
        }
        let mut args = inner.args;
        if inner.takes_names && !args.is_empty() {
            let name = match self.stdin {
                Stdin::NamesInside => "./name".to_owned(),
                _ => UNKNOWN.to_string(),
            };
            match &inner.placeholder {
                Some(mark) => args.iter_mut().for_each(|it| it.text = it.text.replace(mark, &name)),
                None => args.push(Arg::plain(name)),
            }
        }
        let dirs = self.shell.gather.dirs.clone();
        if let Some(dir) = &inner.dir {
            self.change_directory(std::slice::from_ref(dir));
        }
        let result = Command::new(self.shell, self.stdin.clone()).run(&args);
        if inner.dir.is_some() {
            self.shell.gather.dirs = dirs;
        }
        result
    }

    /// Notes the paths and URLs among the words.
    fn mentions(&mut self, name: &str, args: &[Arg]) {
        let gather = &mut *self.shell.gather;
        let searches = ["grep", "egrep", "fgrep", "rg", "ag"].contains(&name);
        let mut pattern_is_due = searches;
        let writes_message = name == "git" && args.iter().any(|it| it.text == "commit");
        for (index, arg) in args.iter().enumerate() {
            let text = arg.text.as_str();
            let is_option = text.starts_with('-');
            // What is looked for, and what a commit says, is only text.
            if pattern_is_due && index > 0 && !is_option {
                pattern_is_due = false;
                continue;
            }
            if writes_message && text.contains(char::is_whitespace) {
                continue;
            }
            let value = match text.split_once('=') {
                Some((option, value))
                    if is_option
                        || option.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_') =>
                {
                    value
                }
                _ => text,
            };
            gather.scan(text);
            if index > 0 && !is_option && !value.contains("://") && !value.contains('\n') {
                let (gov, harness) = gather.protected_names(value);
                gather.facts.flags.touches_gov |= gov;
                gather.facts.flags.touches_harness |= harness;
            }
            if looks_like_path(value) && !value.contains("://") {
                gather.read(value);
            }
        }
        let asks_for_gov = [
            "kill",
            "pkill",
            "killall",
            "pgrep",
            "pidof",
            "systemctl",
            "service",
            "launchctl",
            "which",
            "whereis",
            "type",
            "whence",
            "command",
            "snap",
            "sv",
            "rc-service",
        ];
        let names_gov =
            |it: &Arg| it.text.split(|it: char| !it.is_ascii_alphanumeric()).any(is_gov_program);
        if asks_for_gov.contains(&name) && args.iter().skip(1).any(names_gov) {
            gather.facts.flags.touches_gov = true;
        }
    }

    /// `sh -c script`, `sh < script`, `… | sh`.
    fn shell_program(&mut self, name: &str, rest: &[Arg]) -> Result<(), Unparsable> {
        let windows = ["pwsh", "powershell", "cmd"].contains(&name);
        let is_script = |text: &str| {
            let lower = text.to_lowercase();
            if windows {
                return ["-c", "-command", "/c", "/k"].contains(&lower.as_str());
            }
            let short = text.starts_with('-') && !text.starts_with("--");
            text == "--command" || (short && text.contains('c'))
        };
        if windows && rest.iter().any(|it| it.text.to_lowercase().starts_with("-e")) {
            self.shell.gather.facts.flags.unknown_command = true;
        }
        if let Some(at) = rest.iter().position(|it| is_script(&it.text)) {
            let after = rest.get(at + 1..).unwrap_or_default();
            if windows {
                let words: Vec<&str> = after.iter().map(|it| it.text.as_str()).collect();
                return self.shell.inner(&words.join(" ").replace('\\', "/"));
            }
            let script = after.iter().find(|it| !it.text.starts_with(['-', '+']));
            return script.map_or(Ok(()), |it| self.shell.inner(&it.text));
        }
        let reads_stdin = rest.iter().any(|it| it.text == "-s" || it.text == "-");
        let file = rest.iter().find(|it| !it.text.starts_with('-'));
        match (file, &self.stdin) {
            (Some(file), _) if !reads_stdin => {
                let unknown = file.is_unknown() || file.text == "/dev/stdin";
                self.shell.gather.facts.flags.unknown_command |= unknown;
            }
            (_, Stdin::Text(text)) => {
                let text = text.clone();
                self.shell.inner(&text)?;
            }
            (_, Stdin::Pipe | Stdin::NamesInside) => {
                self.shell.gather.facts.flags.unknown_command = true;
            }
            _ => (),
        }
        Ok(())
    }

    fn eval(&mut self, rest: &[Arg]) -> Result<(), Unparsable> {
        self.shell.gather.facts.flags.unknown_command |= rest.iter().any(Arg::is_unknown);
        let words: Vec<&str> = rest.iter().map(|it| it.text.as_str()).collect();
        let script = words.join(" ");
        self.shell.inner(&script)?;
        // It may have moved this shell.
        if script.contains("cd") || script.contains("pushd") {
            self.shell.gather.dirs = vec![Some(UNKNOWN.to_string())];
        }
        Ok(())
    }

    pub(super) fn change_directory(&mut self, rest: &[Arg]) {
        let gather = &mut *self.shell.gather;
        let target = rest.iter().find(|it| !it.text.starts_with('-') || it.text == "-");
        let text = target.map_or("~", |it| it.text.as_str());
        if text == "-" || text.starts_with('+') {
            gather.dirs = vec![Some(UNKNOWN.to_string())];
            return;
        }
        gather.read(text);
        gather.dirs = gather.moved(text);
    }

    /// An option's value that holds an `rm`: `tar --to-command='rm -rf x'`, `vim -c ':!rm -rf x'`.
    fn option_that_runs(&mut self, name: &str, text: &str) {
        let begins = |at: usize| {
            let before = text.get(..at).unwrap_or_default();
            // sed runs what follows its `e`; elsewhere in its script an `rm` is only text.
            if name == "sed" && !before.ends_with("e ") {
                return false;
            }
            let before = before.chars().next_back();
            !before.is_some_and(|it| it.is_alphanumeric() || it == '-' || it == '_')
        };
        for (at, _) in text.match_indices("rm -").filter(|(at, _)| begins(*at)).take(8) {
            let before = self.shell.gather.facts.clone();
            // What does not read as a command is none.
            if self.shell.inner(text.get(at..).unwrap_or_default()).is_err() {
                self.shell.gather.facts = before;
            }
        }
    }

    /// `rm` or a shell behind a program that is not known to run others.
    fn wrapped(&mut self, name: &str, rest: &[Arg]) -> Result<(), Unparsable> {
        if MENTIONS.contains(&name) || name == "rm" || name == "find" {
            return Ok(());
        }
        if RUNS_OPTIONS.contains(&name) {
            for arg in rest.iter().filter(|it| it.text.contains(char::is_whitespace)) {
                self.option_that_runs(name, &arg.text);
            }
        }
        for (at, arg) in rest.iter().enumerate() {
            let tail = rest.get(at..).unwrap_or_default();
            let next = tail.get(1).map(|it| it.text.as_str()).unwrap_or_default();
            let inner = program_name(&arg.text);
            let option = next.starts_with('-');
            let deletes = inner == "rm" && option && next.contains(['r', 'R']);
            let runs = SHELLS.contains(&inner.as_str()) && option && next.contains('c');
            if deletes || runs {
                return Command::new(self.shell, Stdin::Own).run(tail);
            }
        }
        Ok(())
    }
}

/// The name of a program without its folder, in lower case.
pub(super) fn program_name(text: &str) -> String {
    // In zsh `=rm` is where `rm` is found.
    let text = text.strip_prefix('=').unwrap_or(text);
    let name = text.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    name.strip_suffix(".exe").map_or(name.clone(), str::to_owned)
}
