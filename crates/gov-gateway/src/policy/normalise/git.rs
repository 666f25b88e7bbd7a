//! What a `git` command does.

use super::{Unparsable, shell::Shell, word::Arg};

/// Settings whose value git runs as a command.
const RUNS: [&str; 9] = [
    "core.sshcommand",
    "core.editor",
    "core.pager",
    "core.fsmonitor",
    "sequence.editor",
    "diff.external",
    "credential.helper",
    "core.askpass",
    "gpg.program",
];

/// Reads `git rest`.
pub(super) fn read(shell: &mut Shell<'_, '_>, rest: &[Arg]) -> Result<(), Unparsable> {
    let outer = shell.gather.dirs.clone();
    let mut words = rest;
    let mut subcommand = None;
    while let [first, after @ ..] = words {
        words = after;
        match first.text.as_str() {
            "-C" | "--git-dir" | "--work-tree" | "--namespace" | "--exec-path"
            | "--super-prefix" | "--config-env" => {
                if let (true, Some(dir)) = (first.text == "-C", after.first()) {
                    shell.gather.dirs = shell.gather.moved(&dir.text);
                }
                words = after.get(1..).unwrap_or_default();
            }
            "-c" => {
                if let Some(setting) = after.first() {
                    configured(shell, &setting.text)?;
                }
                words = after.get(1..).unwrap_or_default();
            }
            text if text.starts_with('-') => (),
            text => {
                subcommand = Some(text);
                break;
            }
        }
    }
    let result = match subcommand {
        Some("push") => {
            push(shell, words);
            Ok(())
        }
        Some("clean") => {
            clean(shell, words);
            Ok(())
        }
        Some("config") => setting(shell, words),
        Some("clone") => {
            let operands: Vec<&Arg> = words.iter().filter(|it| !it.text.starts_with('-')).collect();
            if let [_, .., target] = operands.as_slice() {
                shell.gather.write(&target.text);
            }
            Ok(())
        }
        Some("rm" | "mv") if !words.iter().any(|it| it.text == "--cached") => {
            for target in words.iter().filter(|it| !it.text.starts_with('-')) {
                shell.gather.write(&target.text);
            }
            Ok(())
        }
        Some("worktree") => {
            if words.first().is_some_and(|it| it.text == "remove") {
                for target in words.iter().skip(1).filter(|it| !it.text.starts_with('-')) {
                    shell.gather.delete_tree(&target.text, false);
                }
            }
            Ok(())
        }
        // `git filter-branch --tree-filter command`, `git bisect run command`, `git rebase --exec`.
        Some("filter-branch" | "rebase" | "submodule" | "bisect" | "difftool" | "mergetool") => {
            runs(shell, words)
        }
        Some(name) if name.contains(super::UNKNOWN) => {
            shell.gather.facts.flags.unknown_command = true;
            Ok(())
        }
        _ => Ok(()),
    };
    addresses(shell, words);
    shell.gather.dirs = outer;
    result
}

/// A push by force: it rewrites what others have. `--force-with-lease` first looks.
fn push(shell: &mut Shell<'_, '_>, words: &[Arg]) {
    let mut forced = false;
    let mut skip = false;
    for arg in words {
        let text = arg.text.as_str();
        if std::mem::take(&mut skip) {
            continue;
        }
        forced |= match text {
            "-o" | "--push-option" | "--repo" | "--receive-pack" | "--exec" => {
                skip = true;
                false
            }
            "--force" | "--mirror" | "--forc" | "--for" | "--fo" | "--mirro" | "--mirr" => true,
            _ if text.starts_with("--") => false,
            _ if text.starts_with('-') => text.contains('f'),
            // `+main` forces one branch.
            _ => text.starts_with('+') || arg.splits,
        };
    }
    shell.gather.facts.flags.force_push |= forced;
}

fn clean(shell: &mut Shell<'_, '_>, words: &[Arg]) {
    let short = |it: &Arg, letter: char| {
        it.text.starts_with('-') && !it.text.starts_with("--") && it.text.contains(letter)
    };
    let dry = words.iter().any(|it| short(it, 'n') || it.text == "--dry-run");
    if !dry && words.iter().any(|it| short(it, 'd')) {
        let operands: Vec<String> =
            words.iter().filter(|it| !it.text.starts_with('-')).map(|it| it.text.clone()).collect();
        let targets = if operands.is_empty() { vec![".".to_owned()] } else { operands };
        for target in &targets {
            shell.gather.delete_tree(target, true);
        }
    }
}

/// `git config key value`.
fn setting(shell: &mut Shell<'_, '_>, words: &[Arg]) -> Result<(), Unparsable> {
    let operands: Vec<&Arg> =
        words.iter().filter(|it| !it.text.starts_with('-') && it.text != "set").collect();
    match operands.as_slice() {
        [key, value, ..] => configured(shell, &format!("{}={}", key.text, value.text)),
        _ => Ok(()),
    }
}

/// A setting `key=value`, some of which git runs.
fn configured(shell: &mut Shell<'_, '_>, setting: &str) -> Result<(), Unparsable> {
    let Some((key, value)) = setting.split_once('=') else { return Ok(()) };
    let key = key.to_lowercase();
    if key.starts_with("alias.") {
        let script = value.strip_prefix('!').map_or_else(|| format!("git {value}"), str::to_owned);
        return shell.inner(&script);
    }
    if RUNS.contains(&key.as_str())
        || key.starts_with("filter.")
        || matches!(key.rsplit('.').next(), Some("cmd" | "command"))
    {
        return shell.inner(value.trim_start_matches('!'));
    }
    Ok(())
}

/// Words that may be commands: what does not read as one is none.
fn runs(shell: &mut Shell<'_, '_>, words: &[Arg]) -> Result<(), Unparsable> {
    let joined: Vec<&str> = words.iter().skip(1).map(|it| it.text.as_str()).collect();
    for (at, arg) in words.iter().enumerate() {
        if arg.text.contains(' ') {
            shell.inner(arg.text.split_once('=').map_or(arg.text.as_str(), |(_, it)| it))?;
        }
        if (arg.text == "run" || arg.text == "foreach") && at == 0 {
            shell.inner(&joined.join(" "))?;
        }
    }
    Ok(())
}

/// `user@host:path`; URLs are found wherever they stand.
fn addresses(shell: &mut Shell<'_, '_>, words: &[Arg]) {
    for arg in
        words.iter().filter(|it| !it.text.contains("://") && !it.text.contains(char::is_whitespace))
    {
        if let Some((address, _)) = arg.text.split_once(':')
            && let Some((_, host)) = address.split_once('@')
            && !address.contains('/')
        {
            shell.gather.host(host);
        }
    }
}
