//! Tool calls: those of coding agents by name, all others by the look of their arguments.

use serde_json::{Map, Value};

use super::{
    Resource, Unparsable,
    arguments::{self, Leaf},
    code,
    gather::{Gather, looks_like_path},
    shell::Shell,
};

/// Tools that give their command to a shell.
const SHELL_NAMES: [&str; 8] =
    ["bash", "shell", "terminal", "exec", "execute", "command", "cmd", "powershell"];

/// What a tool that changes nothing is called.
const READ_VERBS: [&str; 24] = [
    "read", "get", "list", "search", "find", "stat", "info", "tree", "head", "fetch", "view",
    "show", "query", "describe", "check", "glob", "grep", "ls", "count", "exists", "open",
    "browse", "lookup", "diff",
];

/// What makes a tool write all the same (`find_and_replace`).
const WRITE_VERBS: [&str; 16] = [
    "write", "replace", "edit", "create", "update", "delete", "move", "save", "remove", "append",
    "insert", "rename", "copy", "upload", "patch", "download",
];

/// Keys under which tools take a path.
const PATH_KEYS: [&str; 22] = [
    "path",
    "paths",
    "file",
    "files",
    "file_path",
    "filepath",
    "filename",
    "file_name",
    "dir",
    "directory",
    "folder",
    "source",
    "src",
    "destination",
    "dest",
    "dst",
    "target",
    "target_file",
    "new_path",
    "old_path",
    "output",
    "notebook_path",
];

/// Keys under which tools take a command.
const COMMAND_KEYS: [&str; 6] =
    ["command", "cmd", "script", "commands", "shell_command", "command_line"];

/// The most nested strings that are read as commands.
const MAX_NESTED: usize = 1_000;

/// Reads a call of `tool`; not `is_tool` for a custom action, which only looks like one.
pub(super) fn look_at(
    gather: &mut Gather<'_>,
    server: Option<&str>,
    tool: &str,
    value: &Value,
    is_tool: bool,
) -> Result<(), Unparsable> {
    arguments::refuse_reserved_keys("action.arguments", value)?;
    if tool.trim().is_empty() || tool.contains('\0') {
        return Err(Unparsable::new("`tool` must not be empty or hold a NUL"));
    }
    let (server, tool) = names(server, tool);
    gather.facts.resource =
        Resource::Tool(server.map_or_else(|| tool.to_owned(), |server| format!("{server}/{tool}")));
    gather.facts.server = server.unwrap_or_default().trim().to_lowercase();
    gather.facts.tool = plain_name(tool);
    let mut found = Vec::new();
    arguments::leaves("", value, &mut found);
    for leaf in &found {
        gather.say(&leaf.text);
    }
    let empty = Map::new();
    let arguments = value.as_object().unwrap_or(&empty);
    if is_tool && server.is_none() && harness_tool(gather, tool, arguments)? {
        return Ok(());
    }
    any_tool(gather, tool, arguments, &found)
}

/// The server and the tool of `mcp__server__tool`, as coding agents call it.
fn names<'t>(server: Option<&'t str>, tool: &'t str) -> (Option<&'t str>, &'t str) {
    let joined = tool.strip_prefix("mcp__").and_then(|it| it.split_once("__"));
    match (server, joined) {
        (None, Some((server, tool))) => (Some(server), tool),
        _ => (server.filter(|it| !it.is_empty()), tool),
    }
}

/// The name that policies match: lower case, without a namespace (`github.delete_repo`).
fn plain_name(tool: &str) -> String {
    let last = tool.trim().rsplit(['.', '/', ':']).find(|it| !it.is_empty()).unwrap_or(tool);
    last.trim_start_matches(|it: char| !it.is_alphanumeric()).to_lowercase()
}

/// The tools of coding agents themselves; false if it is none of them.
fn harness_tool(
    gather: &mut Gather<'_>,
    tool: &str,
    arguments: &Map<String, Value>,
) -> Result<bool, Unparsable> {
    let text = |key: &str| arguments.get(key).and_then(Value::as_str);
    let needed = |key: &str| {
        text(key).filter(|it| !it.is_empty() && !it.contains('\0')).ok_or_else(|| {
            Unparsable::new(format!("field `action.arguments.{key}` must be a text and is needed"))
        })
    };
    match tool {
        "Bash" => {
            let command = needed("command")?;
            run(gather, command, arguments)?;
        }
        "Write" | "Edit" | "MultiEdit" => drop(gather.write(needed("file_path")?)),
        "NotebookEdit" => drop(gather.write(needed("notebook_path")?)),
        "Read" | "NotebookRead" => {
            let path = needed(if tool == "Read" { "file_path" } else { "notebook_path" })?;
            gather.read_only(path);
        }
        "Glob" | "Grep" | "LS" => {
            let path = text("path").unwrap_or(".");
            gather.read_only(path);
            if let (true, Some(pattern)) =
                (tool == "Glob" && text("path").is_none(), text("pattern"))
                && looks_like_path(pattern)
            {
                gather.read_only(pattern);
            }
        }
        "WebFetch" => drop(gather.required_host("action.arguments.url", needed("url")?)?),
        // They talk, plan and look; what a sub-agent does is asked about again.
        "WebSearch" | "Task" | "Agent" | "TodoWrite" | "TodoRead" | "ExitPlanMode"
        | "BashOutput" | "KillShell" | "KillBash" | "Skill" | "SlashCommand"
        | "AskUserQuestion" | "TaskOutput" => (),
        _ => return Ok(false),
    }
    Ok(true)
}

/// A tool that nobody described: what looks like a path, a URL or a command is one.
fn any_tool(
    gather: &mut Gather<'_>,
    tool: &str,
    arguments: &Map<String, Value>,
    found: &[Leaf<'_>],
) -> Result<(), Unparsable> {
    let name = tool.to_lowercase();
    let parts: Vec<&str> = name.split(|it: char| !it.is_alphanumeric()).collect();
    let reads = parts.iter().any(|it| READ_VERBS.contains(it))
        || READ_VERBS.iter().any(|it| name.starts_with(it));
    let reads = reads && !WRITE_VERBS.iter().any(|it| name.contains(it));
    let is_shell = parts.iter().any(|it| SHELL_NAMES.contains(it)) || name.contains("shell");
    let flag = |key: &str| arguments.get(key).and_then(Value::as_bool) == Some(true);
    let deletes = ["delete", "remove", "rm", "rmdir"].iter().any(|it| name.contains(it));
    for leaf in found.iter().filter(|it| it.is_text) {
        let key = leaf.key.to_lowercase();
        let text = leaf.text.as_str();
        let file = text.strip_prefix("file://").unwrap_or(text);
        let by_key = PATH_KEYS.contains(&key.as_str()) || key.ends_with("path");
        let is_path = !file.contains("://")
            && !file.contains('\n')
            && ((by_key && !file.is_empty()) || looks_like_path(file));
        if is_path
            && deletes
            && (flag("recursive")
                || name.contains("dir")
                || name.contains("tree")
                || name.contains("folder"))
        {
            gather.delete_tree(file, false);
        } else if is_path && !reads && (by_key || !file.contains(' ')) {
            gather.write(file);
        } else if is_path {
            gather.read_only(file);
        }
        // A URL in prose is only spoken of.
        let is_url = !text.contains(char::is_whitespace) || key.contains("ur");
        if is_url && text.contains("://") && file == text {
            gather.scan(text);
        }
        if ["host", "hostname", "domain"].contains(&key.as_str()) && !text.is_empty() {
            gather.host(text);
        }
    }
    if name.contains("push") && (flag("force") || flag("forced")) {
        gather.facts.flags.force_push = true;
    }
    let runs_code = [
        "run",
        "exec",
        "execute",
        "eval",
        "python",
        "node",
        "js",
        "javascript",
        "repl",
        "jupyter",
        "interpreter",
    ];
    let nested = found.iter().filter(|it| it.is_text).take(MAX_NESTED);
    for leaf in nested {
        let key = leaf.key.to_lowercase();
        if COMMAND_KEYS.contains(&key.as_str()) {
            // The ones on top follow, with their neighbours; here what does not read is none.
            let before = gather.facts.clone();
            if Shell::new(gather).script(&leaf.text).is_err() {
                gather.facts = before;
            }
        } else if ["code", "source_code", "script_content"].contains(&key.as_str())
            && parts.iter().any(|it| runs_code.contains(it))
        {
            code::code(&mut Shell::new(gather), &leaf.text);
        }
    }
    commands(gather, arguments, is_shell)
}

/// Commands among the arguments. A tool that is a shell by its name must be readable.
fn commands(
    gather: &mut Gather<'_>,
    arguments: &Map<String, Value>,
    is_shell: bool,
) -> Result<(), Unparsable> {
    for (_, value) in
        arguments.iter().filter(|(key, _)| COMMAND_KEYS.contains(&key.to_lowercase().as_str()))
    {
        let before = gather.facts.clone();
        let result = match value {
            Value::String(command) => run(gather, command, arguments),
            Value::Array(items) => {
                let mut words = items.iter().filter_map(Value::as_str).map(str::to_owned);
                let binary = words.next().unwrap_or_default();
                let mut args: Vec<String> = words.collect();
                args.extend(list(arguments));
                Shell::new(gather).spawn(&binary, &args)
            }
            _ => continue,
        };
        match result {
            Err(unparsable) if is_shell => return Err(unparsable),
            // `command` is also what editors call `view`; text that is no command is none.
            Err(_) => gather.facts = before,
            Ok(()) => (),
        }
    }
    Ok(())
}

/// A command line, with `args` beside it where a tool takes them apart.
fn run(
    gather: &mut Gather<'_>,
    command: &str,
    arguments: &Map<String, Value>,
) -> Result<(), Unparsable> {
    for key in ["cwd", "workdir", "working_directory", "workingdirectory"] {
        let given = arguments.iter().find(|(it, _)| it.to_lowercase() == key);
        if let Some(dir) = given.and_then(|(_, it)| it.as_str()).filter(|it| !it.is_empty()) {
            gather.start_in(dir)?;
        }
    }
    let args: Vec<String> = list(arguments).collect();
    if args.is_empty() {
        return Shell::new(gather).script(command);
    }
    Shell::new(gather).spawn(command, &args)
}

fn list(arguments: &Map<String, Value>) -> impl Iterator<Item = String> {
    let items = arguments.get("args").and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}
