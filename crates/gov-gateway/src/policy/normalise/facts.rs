//! What a policy is told about an action.

use std::collections::BTreeSet;

use crate::policy::Risk;

/// What is acted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A tool: `server/tool`, or `tool`.
    Tool(String),
    /// A cleaned path.
    Path(String),
    /// A host in its one spelling.
    Host(String),
    /// The program of the first simple command.
    Command(String),
    /// What is read from.
    Surface(String),
    /// A custom action.
    Kind(String),
}

/// An action, normalised. Each field is one attribute of the policy context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What is acted on.
    pub resource: Resource,
    /// The tool's name, lower case, without server and namespace; empty for other actions.
    pub tool: String,
    /// The tool's server, lower case; empty for the harness's own.
    pub server: String,
    /// All text of the action, one string a line.
    pub arg_text: String,
    /// Every path named, cleaned.
    pub paths: BTreeSet<String>,
    /// Every path written or deleted, cleaned.
    pub writes: BTreeSet<String>,
    /// Every host named.
    pub hosts: BTreeSet<String>,
    /// Every port named with a host.
    pub ports: BTreeSet<u16>,
    /// The programs of all simple commands.
    pub argv0: BTreeSet<String>,
    /// The words of all simple commands.
    pub argv: BTreeSet<String>,
    /// What is true of it.
    pub flags: Flags,
    /// What the caller says is at stake.
    pub risk: Option<Risk>,
    /// How many bytes it writes, if the agent can say.
    pub byte_estimate: Option<u64>,
}

/// The flags of the policy context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one attribute that policies name")]
pub struct Flags {
    /// More than one simple command, or a redirection or substitution.
    pub compound: bool,
    /// The path is not UTF-8.
    pub path_is_bytes: bool,
    /// Names a path outside the working directory.
    pub outside_cwd: bool,
    /// Deletes a tree.
    pub recursive_delete: bool,
    /// Deletes a tree outside the working directory, or one that cannot be known.
    pub deletes_outside_cwd: bool,
    /// Writes to or deletes a path of the operating system.
    pub writes_system_path: bool,
    /// Pushes by force.
    pub force_push: bool,
    /// Runs a program that cannot be known.
    pub unknown_command: bool,
    /// Writes to a path that cannot be known.
    pub unknown_path: bool,
    /// Reaches a host that cannot be known.
    pub unknown_host: bool,
    /// Touches gov's program, port or data.
    pub touches_gov: bool,
    /// Touches the settings that make the harness ask gov.
    pub touches_harness: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            resource: Resource::Command(String::new()),
            tool: String::new(),
            server: String::new(),
            arg_text: String::new(),
            paths: BTreeSet::new(),
            writes: BTreeSet::new(),
            hosts: BTreeSet::new(),
            ports: BTreeSet::new(),
            argv0: BTreeSet::new(),
            argv: BTreeSet::new(),
            flags: Flags::default(),
            risk: None,
            byte_estimate: None,
        }
    }
}
