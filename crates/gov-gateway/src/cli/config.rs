//! `gov config`: the effective configuration.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Exit, Outcome, Places, console};
use crate::config::{Entry, Origin};

/// `gov config`.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read the configuration and say everything that is wrong with it.
    Check(Check),
    /// Print every key with its effective value and where that comes from.
    Print(Print),
}

/// `gov config check`.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    places: Places,
}

/// `gov config print`.
#[derive(Debug, Args)]
pub struct Print {
    #[command(flatten)]
    places: Places,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Config {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`super::Failure`] with [`Exit::Usage`] and every problem on a line of its own.
    pub fn run(self) -> Outcome {
        match self {
            Self::Check(check) => {
                let loaded = check.places.load(&[])?;
                let set = loaded.entries().filter(|it| it.origin != Origin::Default).count();
                console::line(&format!("the configuration is right; {set} keys are set"))?;
            }
            Self::Print(print) => print.run()?,
        }
        Ok(Exit::Yes)
    }
}

impl Print {
    fn run(self) -> Result<(), super::Failure> {
        let loaded = self.places.load(&[])?;
        if self.json {
            let entries: Vec<Value> = loaded
                .entries()
                .map(|it| {
                    json!({ "key": it.path, "value": it.value, "source": it.origin.to_string() })
                })
                .collect();
            return console::line(&Value::from(entries).to_string());
        }
        // As a file would have it: what is printed can be read back.
        let mut section = String::new();
        for Entry { path, value, origin } in loaded.entries() {
            let (of, name) = path.rsplit_once('.').unwrap_or(("", &path));
            if section != of {
                console::line(&format!("[{of}]"))?;
                of.clone_into(&mut section);
            }
            console::line(&format!("{name} = {value}  # {origin}"))?;
        }
        Ok(())
    }
}
