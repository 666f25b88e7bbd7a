//! Section `slack`: what a click in Slack may decide.

use super::notify::in_file;

/// Section `slack`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slack {
    /// The file with the app's signing secret; `None`: nothing is taken from Slack.
    pub signing_secret: Option<String>,
    /// The risks that a click may decide.
    pub risks: Vec<String>,
    /// Whether what becomes of a click may be told to a private network.
    pub allow_private: bool,
}

impl Slack {
    /// What cannot work: the key, and why.
    pub(super) fn contradictions(&self) -> Option<(&'static str, String)> {
        let secret = self.signing_secret.as_deref()?;
        in_file(secret).is_none().then(|| {
            let problem = "`slack.signing_secret` must begin with `file:` and name a file";
            ("slack.signing_secret", problem.to_owned())
        })
    }

    /// The risks whose messages have buttons: none where nobody takes a click.
    #[must_use]
    pub fn clickable(&self) -> &[String] {
        if self.signing_secret.is_some() { &self.risks } else { &[] }
    }
}
