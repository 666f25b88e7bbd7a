//! Which of their operands programs write or delete.

use super::{gather::Gather, path, word::Arg};

/// Which operands of a program are written.
enum Written {
    All,
    /// All but the first: it is a mode, an owner, an expression.
    AfterFirst,
    /// The last, or what `-t` names.
    Target,
}

/// Notes what `name rest` writes and deletes.
pub(super) fn read(gather: &mut Gather<'_>, name: &str, rest: &[Arg]) {
    match name {
        "rm" => remove(gather, rest),
        "rimraf" | "del-cli" | "trash" | "trash-put" => {
            for operand in operands(rest, &[]) {
                gather.delete_tree(&operand.text, false);
            }
        }
        "remove-item" | "ri" | "del" | "erase" | "rd" | "rmdir" => {
            windows_remove(gather, name, rest);
        }
        "dd" => {
            for file in rest.iter().filter_map(|it| it.text.strip_prefix("of=")) {
                gather.write(file);
            }
        }
        "tar" | "bsdtar" => extract(gather, rest, &["-C", "--directory"]),
        "unzip" => extract(gather, rest, &["-d"]),
        "rsync" => {
            let deletes = rest
                .iter()
                .any(|it| it.text.starts_with("--del") || it.text == "--remove-source-files");
            if let Some(target) = operands(rest, &["-e", "--exclude", "--include", "--rsh"]).last()
            {
                gather.write(&target.text);
                if deletes && !target.text.contains(':') {
                    gather.delete_tree(&target.text, true);
                }
            }
        }
        "crontab" if !rest.iter().any(|it| it.text == "-l") => {
            gather.write("/var/spool/cron");
        }
        "sed" | "perl" | "ruby" | "gawk" => edit_in_place(gather, rest),
        _ => written(gather, name, rest),
    }
}

fn written(gather: &mut Gather<'_>, name: &str, rest: &[Arg]) {
    let (which, valued): (Written, &[&str]) = match name {
        "unlink" | "shred" | "touch" | "mkdir" | "truncate" | "tee" | "wipefs" | "fdisk"
        | "parted" | "sgdisk" | "ed" | "ex" | "vi" | "vim" | "nvim" | "nano" | "emacs" | "code"
        | "patch" | "sponge" | "mknod" | "mkfifo" | "umount" | "gzip" | "gunzip" | "bzip2"
        | "xz" | "new-item" | "set-content" | "add-content" | "out-file" | "mkswap" | "swapoff"
        | "visudo" => (Written::All, &["-m", "-s", "-d", "-t", "-r", "-n", "-i"]),
        "chattr" | "setfacl" | "setfattr" => (Written::All, &["-m", "-x", "-M", "-n", "-v"]),
        "mv" | "move-item" | "rename" => (Written::All, &["-S", "--suffix"]),
        "chmod" | "chown" | "chgrp" => (Written::AfterFirst, &[]),
        "cp" | "ln" | "install" | "copy-item" | "mount" | "ditto" | "scp" => {
            (Written::Target, &["-m", "-o", "-g", "-S", "-P", "-i"])
        }
        _ if name.starts_with("mkfs") => (Written::All, &["-t", "-L"]),
        _ => return,
    };
    let found = operands(rest, valued);
    let links_delete = ["cp", "ln", "mv", "install"].contains(&name)
        && found.iter().any(|it| super::command::program_name(&it.text) == "rm");
    // A copy of rm under another name could not be told apart later.
    gather.facts.flags.unknown_command |= links_delete;
    match which {
        Written::All => found.iter().for_each(|it| drop(gather.write(&it.text))),
        Written::AfterFirst => {
            let skip = usize::from(!rest.iter().any(|it| it.text.starts_with("--reference")));
            found.iter().skip(skip).for_each(|it| drop(gather.write(&it.text)));
        }
        Written::Target => {
            let named =
                rest.iter().position(|it| it.text == "-t" || it.text == "--target-directory");
            let joined = rest.iter().find_map(|it| it.text.strip_prefix("--target-directory="));
            let target = match (named, joined) {
                (Some(at), _) => rest.get(at + 1).map(|it| it.text.as_str()),
                (None, Some(joined)) => Some(joined),
                (None, None) => found.last().map(|it| it.text.as_str()),
            };
            if let Some(target) = target {
                gather.write(target);
            }
        }
    }
}

/// `rm`, whose options may stand anywhere before `--`.
fn remove(gather: &mut Gather<'_>, rest: &[Arg]) {
    let mut recursive = false;
    let mut targets = Vec::new();
    let mut ended = false;
    for arg in rest {
        let text = arg.text.as_str();
        // Unquoted, it may be options and files.
        if arg.splits && arg.is_unknown() && text.starts_with(super::UNKNOWN) {
            recursive = true;
        }
        if ended || !text.starts_with('-') || text == "-" {
            targets.push(text);
        } else if text == "--" {
            ended = true;
        } else if let Some(long) = text.strip_prefix("--") {
            // GNU takes every prefix that is not ambiguous.
            recursive |= !long.is_empty() && "recursive".starts_with(long);
        } else {
            recursive |= text.contains(['r', 'R']);
        }
    }
    if recursive && targets.is_empty() {
        gather.delete_unknown_tree();
    }
    for target in targets {
        if recursive {
            gather.delete_tree(target, false);
        } else {
            gather.write(target);
        }
    }
}

/// `Remove-Item -Recurse`, `rd /s`; `rmdir` of POSIX only takes empty directories.
fn windows_remove(gather: &mut Gather<'_>, name: &str, rest: &[Arg]) {
    let is_switch = |text: &str| {
        text.starts_with('-')
            || (name != "rmdir" && text.len() == 2 && text.starts_with('/'))
            || text == "/s"
            || text == "/q"
    };
    let recursive = rest.iter().any(|it| {
        let lower = it.text.to_lowercase();
        lower == "/s" || (lower.len() > 2 && "-recurse".starts_with(&lower)) || lower == "-r"
    });
    for target in rest.iter().filter(|it| !is_switch(&it.text.to_lowercase())) {
        if recursive && name != "rmdir" || rest.iter().any(|it| it.text.eq_ignore_ascii_case("/s"))
        {
            gather.delete_tree(&target.text, false);
        } else {
            gather.write(&target.text);
        }
    }
}

/// Archives are unpacked below the directory that one of `options` names.
fn extract(gather: &mut Gather<'_>, rest: &[Arg], options: &[&str]) {
    for (at, arg) in rest.iter().enumerate() {
        let joined = options.iter().find_map(|it| {
            let value = arg.text.strip_prefix(it)?;
            Some(value.strip_prefix('=').unwrap_or(value))
        });
        match joined {
            Some("") => {
                if let Some(dir) = rest.get(at + 1) {
                    gather.write(&dir.text);
                }
            }
            Some(dir) => drop(gather.write(dir)),
            None => (),
        }
        if arg.text == "-P" || arg.text == "--absolute-names" {
            gather.facts.flags.unknown_path = true;
        }
        // `tar -cf archive`: the archive is written.
        let creates = arg.text.trim_start_matches('-').starts_with(['c', 'r', 'u'])
            && arg.text.contains('f')
            && !arg.text.contains('/')
            && at == 0;
        if let (true, Some(archive)) = (creates, rest.get(at + 1)) {
            gather.write(&archive.text);
        }
    }
}

/// `sed -i`, `perl -pi`.
fn edit_in_place(gather: &mut Gather<'_>, rest: &[Arg]) {
    let in_place = rest.iter().any(|it| {
        let text = it.text.as_str();
        text.starts_with("--in-place")
            || (text.starts_with('-') && !text.starts_with("--") && text.contains('i'))
    });
    // sed's `w file` command.
    let files = rest.iter().filter_map(|it| it.text.rsplit_once("w "));
    for (_, file) in files.filter(|(_, file)| path::is_absolute(file.trim())) {
        gather.write(file.trim());
    }
    if in_place {
        let has_script = rest.iter().any(|it| {
            it.text.starts_with("-e")
                || it.text == "-f"
                || it.text.ends_with('e') && it.text.starts_with('-')
        });
        let found = operands(rest, &["-e", "-f", "-pe", "-ne", "-pie", "-i.bak"]);
        let skip = usize::from(!has_script && found.len() > 1);
        found.iter().skip(skip).for_each(|it| drop(gather.write(&it.text)));
    }
}

/// Words that are neither options nor values of the options in `valued`.
fn operands<'t>(rest: &'t [Arg], valued: &[&str]) -> Vec<&'t Arg> {
    let mut found = Vec::new();
    let mut words = rest.iter();
    while let Some(arg) = words.next() {
        let text = arg.text.as_str();
        if text == "--" {
            found.extend(words);
            break;
        }
        if valued.contains(&text) {
            words.next();
        } else if !text.starts_with('-') || text == "-" {
            found.push(arg);
        }
    }
    found
}
