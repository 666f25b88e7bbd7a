//! `find` and its kin: they act on whole trees.

use super::{
    super::{Unparsable, gather::Gather, word::Arg},
    Command, Stdin, program_name,
};

/// Reads `find roots… expression`.
pub(super) fn read(
    command: &mut Command<'_, '_, '_>,
    name: &str,
    rest: &[Arg],
) -> Result<(), Unparsable> {
    let roots = roots(name, rest);
    for (at, arg) in rest.iter().enumerate() {
        match arg.text.as_str() {
            "-delete" => {
                for root in &roots {
                    command.shell.gather.delete_tree(root, true);
                }
            }
            "-fprint" | "-fprint0" | "-fls" | "-fprintf" => {
                if let Some(file) = rest.get(at + 1) {
                    command.shell.gather.write(&file.text);
                }
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                execute(command, &roots, rest.get(at + 1..))?;
            }
            "-x" | "-X" | "--exec" | "--exec-batch" if name != "find" => {
                execute(command, &roots, rest.get(at + 1..))?;
            }
            _ => (),
        }
    }
    Ok(())
}

/// Runs the command after `-exec` once for each root, `{}` standing for a file below it.
fn execute(
    command: &mut Command<'_, '_, '_>,
    roots: &[String],
    words: Option<&[Arg]>,
) -> Result<(), Unparsable> {
    let ends = |it: &&Arg| it.text != ";" && it.text != "+";
    let words: Vec<&Arg> = words.unwrap_or_default().iter().take_while(ends).collect();
    for root in roots {
        let below = format!("{root}/name");
        let args: Vec<Arg> = words
            .iter()
            .map(|it| Arg { text: it.text.replace("{}", &below), splits: it.splits })
            .collect();
        let program = args.first().map(|it| program_name(&it.text)).unwrap_or_default();
        if ["rm", "unlink", "shred", "rmdir", "rimraf"].contains(&program.as_str()) {
            command.shell.gather.delete_tree(root, true);
        }
        Command::new(command.shell, Stdin::Own).run(&args)?;
    }
    Ok(())
}

fn roots(name: &str, rest: &[Arg]) -> Vec<String> {
    let operands: Vec<String> = if name == "find" {
        let begins = rest.iter().skip_while(|it| ["-H", "-L", "-P"].contains(&it.text.as_str()));
        begins
            .take_while(|it| !it.text.starts_with(['-', '(', '!']))
            .map(|it| it.text.clone())
            .collect()
    } else {
        // fd's first operand is a pattern.
        let ends = |it: &&Arg| !["-x", "-X", "--exec", "--exec-batch"].contains(&it.text.as_str());
        let operands = rest.iter().take_while(ends).filter(|it| !it.text.starts_with('-'));
        operands.skip(1).map(|it| it.text.clone()).collect()
    };
    if operands.is_empty() { vec![".".to_owned()] } else { operands }
}

/// Whether the command's output is names of files inside the working directory, one a line.
pub(super) fn lists_inside(gather: &Gather<'_>, args: &[Arg]) -> bool {
    let Some((first, rest)) = args.split_first() else { return false };
    let words: Vec<&str> = rest.iter().map(|it| it.text.as_str()).collect();
    match program_name(&first.text).as_str() {
        "find" => {
            let other = ["-printf", "-exec", "-execdir", "-fprint", "-ls"];
            !words.iter().any(|it| other.contains(it))
                && roots("find", rest).iter().all(|root| gather.stays_inside(root))
        }
        "ls" => words.iter().all(|it| {
            *it == "-1"
                || *it == "-d"
                || (!it.starts_with(['-', '/', '~', '$']) && !it.contains(".."))
        }),
        "git" => words.first() == Some(&"ls-files") && words.iter().all(|it| !it.contains('/')),
        _ => false,
    }
}
