//! `gov people slack`: who a person is in Slack.

use clap::Args;
use serde_json::json;

use super::{ACTOR, row};
use crate::{
    cli::{Failure, target, target::Target, tokens::files},
    client::segment,
    logged::Changed,
    registry::{NewSlackUser, PersonView},
};

/// `gov people slack`.
#[derive(Debug, Args)]
pub struct Slack {
    /// The person, by name or `per_…` id.
    name: String,
    /// The member's id in Slack, such as `U012ABCDEF`; a profile there shows it.
    #[arg(value_name = "MEMBER", required_unless_present = "none")]
    user: Option<String>,
    /// The person is nobody in Slack any more: no click there decides as them.
    #[arg(long, conflicts_with = "user")]
    none: bool,
    #[command(flatten)]
    at: Target,
}

impl Slack {
    pub(super) fn run(self) -> Result<(), Failure> {
        let new = NewSlackUser::read(self.user.as_deref())?;
        let tied: Changed<PersonView> = match self.at.server()? {
            Some(server) => {
                let body = json!({ "slack_user": new.0 }).to_string().into_bytes();
                let path = format!("/v1/people/{}/slack", segment(&self.name));
                target::ask(server.put(&path, body))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.tie_slack(&self.name, new, ACTOR).await
            })?,
        };
        self.at.print(&tied, |it| row(&it.view))
    }
}
