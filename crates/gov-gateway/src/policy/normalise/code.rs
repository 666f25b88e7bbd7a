//! Code in other languages, given on the command line: looked through, not understood.
//!
//! String literals are read as if each were a shell command and a path. What is computed, and
//! what stands in files, is not seen.

use super::{command::Stdin, path, shell::Shell, word::Arg};

const DELETES: [&str; 12] = [
    "rmtree(",
    "rmsync(",
    "rm_rf",
    "rm_r(",
    "remove_dir_all",
    "removesync(",
    "fs.rm(",
    "rimraf",
    "remove_tree",
    "deltree",
    "os.removeall(",
    "delete_tree",
];

const WRITES: [&str; 16] = [
    "write", "'w'", "\"w\"", "'a'", "\"a\"", "'wb'", "\"wb\"", "'w+'", "\"w+\"", "'r+'", "\"r+\"",
    "copy", "unlink", "remove(", "rename", "chmod",
];

/// Calls that run other programs.
const RUNS: [&str; 9] =
    ["system", "exec", "spawn", "popen", "subprocess", "run(", "call(", "`", "shell"];

/// The most literals of one code that are looked at; of more nobody can say what they do.
const MAX_LITERALS: usize = 500;

/// Reads `name rest` if it runs code that is given with it.
pub(super) fn read(shell: &mut Shell<'_, '_>, name: &str, rest: &[Arg], stdin: &Stdin) {
    let stem = name.trim_end_matches(|it: char| it.is_ascii_digit() || it == '.');
    let options: &[char] = match stem {
        "python" | "pypy" | "ipython" => &['c'],
        "node" | "deno" | "bun" | "nodejs" => &['e', 'p'],
        "perl" | "ruby" | "lua" | "rscript" | "julia" | "elixir" => &['e', 'E'],
        "php" => &['r'],
        "osascript" => &['e'],
        "awk" | "gawk" | "mawk" | "nawk" => &[],
        _ => return,
    };
    if stem.ends_with("awk") {
        let program = rest.iter().find(|it| !it.text.starts_with('-'));
        if let Some(program) = program {
            code(shell, &program.text);
        }
        return;
    }
    let mut given = false;
    for (at, arg) in rest.iter().enumerate() {
        let text = arg.text.as_str();
        let long = ["--eval", "--print"].iter().find_map(|it| text.strip_prefix(it));
        let short = text.starts_with('-') && !text.starts_with("--") && text.len() <= 6;
        if text == "eval" && at == 0 || long.is_some() || (short && text.contains(options)) {
            given = true;
            // `-c'code'` and `--eval=code` too.
            if let Some(code_text) = long.filter(|it| !it.is_empty()) {
                code(shell, code_text);
            }
            if let Some(next) = rest.get(at + 1) {
                code(shell, &next.text);
            }
        } else if text.starts_with('-')
            && !text.starts_with("--")
            && text.get(1..2).is_some_and(|it| it.contains(options))
        {
            given = true;
            code(shell, text.get(2..).unwrap_or_default());
        }
    }
    let file = rest
        .iter()
        .any(|it| !it.text.starts_with('-') || it.text == "-m" || it.text.starts_with("--version"));
    match stdin {
        Stdin::Text(text) if !given => code(shell, text),
        Stdin::Pipe | Stdin::NamesInside if !given && !file => {
            shell.gather.facts.flags.unknown_command = true;
        }
        _ => (),
    }
}

/// Looks through a program's text.
pub(super) fn code(shell: &mut Shell<'_, '_>, text: &str) {
    shell.gather.scan(text);
    let lower = text.to_lowercase();
    for (at, mark) in DELETES.iter().flat_map(|mark| lower.match_indices(mark)) {
        let rest = lower.get(at + mark.len()..).unwrap_or_default();
        let literal = rest
            .trim_start_matches([' ', '(', '['])
            .strip_prefix(['"', '\''])
            .and_then(|it| it.split_once(['"', '\'']));
        match literal {
            Some((target, after))
                if after.trim_start().starts_with([')', ',', ']', ' ', ';'])
                    || after.is_empty() =>
            {
                shell.gather.delete_tree(target, false);
            }
            _ => shell.gather.delete_unknown_tree(),
        }
    }
    let writes = WRITES.iter().any(|it| lower.contains(it)) || text.contains('>');
    let runs = RUNS.iter().any(|it| lower.contains(it));
    list_calls(shell, &lower);
    let literals = literals(text);
    if literals.len() > MAX_LITERALS {
        shell.gather.facts.flags.unknown_command = true;
    }
    for literal in literals.iter().take(MAX_LITERALS) {
        // Perl's `open(F, ">/file")`.
        let literal = literal.trim_start_matches(['>', ' ']);
        let is_path = path::is_absolute(literal) || literal.starts_with('~');
        if writes && is_path && literal.len() > 1 && !literal.contains(char::is_whitespace) {
            let cleaned = path::clean(literal, &shell.gather.base);
            if path::is_system(&cleaned) {
                shell.gather.write(literal);
            }
        }
        if runs && literal.contains(' ') {
            // Most literals are no commands, so what cannot be read is none.
            let before = shell.gather.facts.clone();
            if shell.inner(literal).is_err() {
                shell.gather.facts = before;
            }
        }
    }
}

/// `["rm", "-rf", "/"]`: words that become a command without a shell.
fn list_calls(shell: &mut Shell<'_, '_>, lower: &str) {
    for mark in ["'rm'", "\"rm\""] {
        for (at, _) in lower.match_indices(mark).take(MAX_LITERALS) {
            let rest = lower.get(at..).unwrap_or_default();
            let end = rest.find([']', ')']).unwrap_or(rest.len());
            let words: Vec<String> = literals(rest.get(..end).unwrap_or_default());
            if words.iter().any(|it| it.starts_with('-') && it.contains('r')) {
                let args: Vec<Arg> = words.into_iter().map(Arg::plain).collect();
                super::effects::read(shell.gather, "rm", args.get(1..).unwrap_or_default());
            }
        }
    }
}

/// The texts between equal quotes; escapes are taken as they are.
fn literals(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['"', '\'', '`']) {
        let quote = rest.get(at..).and_then(|it| it.chars().next()).unwrap_or('"');
        let after = rest.get(at + 1..).unwrap_or_default();
        match after.find(quote) {
            Some(end) => {
                found.push(after.get(..end).unwrap_or_default().to_owned());
                rest = after.get(end + 1..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    found
}
