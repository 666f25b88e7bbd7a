//! Section `buffer`: which sink audit events go to, and where they wait for it.

use std::{path::PathBuf, time::Duration};

use reqwest::Url;

use super::{Choose as _, HttpFormat, Overflow, SinkKind};

/// Section `buffer`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Where events go.
    pub sink: SinkKind,
    /// Where that is: servers of NATS, or one HTTP server. Never with a password.
    pub url: Vec<String>,
    /// The file of [`SinkKind::JsonLines`]; `None` for the place in the data directory.
    pub path: Option<PathBuf>,
    /// How events are written for an HTTP server.
    pub format: HttpFormat,
    /// The JetStream stream.
    pub stream: Option<String>,
    /// What the subjects begin with.
    pub subject: Option<String>,
    /// How many servers keep a stream that is made.
    pub replicas: u64,
    /// The user that NATS knows.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
    /// The file with a token.
    pub token_file: Option<PathBuf>,
    /// The file with an nkey seed.
    pub nkey_file: Option<PathBuf>,
    /// A credentials file of NATS.
    pub credentials_file: Option<PathBuf>,
    /// The file with the key that signs what is sent over HTTP.
    pub signing_key_file: Option<PathBuf>,
    /// The authorities whose certificates are accepted, in PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate for NATS, in PEM.
    pub certificate_file: Option<PathBuf>,
    /// Its key, in PEM.
    pub key_file: Option<PathBuf>,
    /// How long one batch may take.
    pub send_timeout: Duration,
    /// For so long events that NATS took are kept, to be sent again.
    pub resend_horizon: Duration,
    /// At most this many events wait.
    pub max_rows: u64,
    /// At most this many bytes of events wait.
    pub max_bytes: u64,
    /// What becomes of an event for which there is no room.
    pub overflow: Overflow,
    /// How long [`Overflow::Block`] waits for room.
    pub block_timeout: Duration,
}

impl Buffer {
    /// Whether there is a sink, and with it a buffer.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.sink != SinkKind::None
    }

    /// What each key allows and all together do not: the key, and what is wrong with it.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let wrong = [
            self.wrong_url(),
            self.wrong_login(),
            self.wrong_certificate(),
            self.login_elsewhere(),
        ];
        wrong.into_iter().flatten().collect()
    }

    /// Never repeats a URL, which may hold a password.
    fn wrong_url(&self) -> Option<(&'static str, String)> {
        const KEY: &str = "buffer.url";
        let (schemes, most): (&[&str], usize) = match self.sink {
            SinkKind::Nats => (&["nats", "tls"], usize::MAX),
            SinkKind::Http => (&["http", "https"], 1),
            _ => return None,
        };
        let sink = self.sink.word();
        if self.url.is_empty() || self.url.len() > most {
            let wanted = if most == 1 { "one URL" } else { "one URL or more" };
            let got = self.url.len();
            let problem =
                format!("`{KEY}` must hold {wanted} for `buffer.sink` = `{sink}`; received {got}");
            return Some((KEY, problem));
        }
        let read = self.url.iter().map(|it| Url::parse(it));
        for url in read {
            let names_host = |it: &Url| it.host_str().is_some_and(|it| !it.is_empty());
            let fits = |it: &Url| schemes.contains(&it.scheme()) && names_host(it);
            let Some(url) = url.ok().filter(fits) else {
                let schemes: Vec<_> = schemes.iter().map(|it| format!("`{it}://`")).collect();
                let schemes = schemes.join(" or ");
                return Some((KEY, format!("`{KEY}` must begin with {schemes} and name a host")));
            };
            if !url.username().is_empty() || url.password().is_some() {
                let problem = "`buffer.url` must not hold a user or a password; name files: \
                               `buffer.password_file`, `buffer.token_file`";
                return Some((KEY, problem.to_owned()));
            }
        }
        None
    }

    fn wrong_login(&self) -> Option<(&'static str, String)> {
        if self.user.is_some() != self.password_file.is_some() {
            let problem = "`buffer.user` and `buffer.password_file` must come together";
            return Some(("buffer.user", problem.to_owned()));
        }
        let ways = [&self.password_file, &self.token_file, &self.nkey_file, &self.credentials_file];
        let named = ways.into_iter().flatten().count();
        (named > 1).then(|| {
            let problem = format!(
                "at most one of `buffer.password_file`, `buffer.token_file`, `buffer.nkey_file` \
                 and `buffer.credentials_file` says who we are; received {named}"
            );
            ("buffer.token_file", problem)
        })
    }

    fn wrong_certificate(&self) -> Option<(&'static str, String)> {
        (self.certificate_file.is_some() != self.key_file.is_some()).then(|| {
            let problem = "`buffer.certificate_file` and `buffer.key_file` must come together";
            ("buffer.certificate_file", problem.to_owned())
        })
    }

    /// A proof of who we are that the sink would never show: whoever set it counts on it.
    fn login_elsewhere(&self) -> Option<(&'static str, String)> {
        let (other, files): (_, &[_]) = match self.sink {
            SinkKind::Http => (
                SinkKind::Nats,
                &[
                    ("buffer.password_file", &self.password_file),
                    ("buffer.nkey_file", &self.nkey_file),
                    ("buffer.credentials_file", &self.credentials_file),
                    ("buffer.certificate_file", &self.certificate_file),
                ],
            ),
            SinkKind::Nats => {
                (SinkKind::Http, &[("buffer.signing_key_file", &self.signing_key_file)])
            }
            _ => return None,
        };
        let (key, _) = files.iter().find(|(_, path)| path.is_some())?;
        let [sink, other] = [self.sink, other].map(|it| it.word());
        let problem = format!(
            "`{key}` is for the sink `{other}`, and `buffer.sink` = `{sink}` does not use it; \
             remove it"
        );
        Some((key, problem))
    }
}
