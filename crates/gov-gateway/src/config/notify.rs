//! Section `notify`: the targets that chains may name in `notify`, beside `log`.
//!
//! Targets are named by the operator, so they have a table of keys of their own:
//! [`NOTIFY_KEYS`].

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use super::{Given, NotifyKind, Origin, Problem, chains, keys::NOTIFY_KEYS, source::Setting};

/// The section's name.
pub(super) const NOTIFY: &str = "notify";

/// The target that is always there: the server's log.
pub const LOG: &str = "log";

/// What a value begins with that stands in a file.
const FILE: &str = "file:";

/// One target as it is configured.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct NotifyDraft {
    /// What it understands.
    pub kind: NotifyKind,
    /// Where it is: a URL, or the file with one.
    pub url: Option<String>,
    /// The file with the secret that signs.
    pub signing_secret: Option<String>,
    /// Whether it may be on a private network.
    pub allow_private: bool,
    /// How many messages a minute; 0 for no limit.
    pub rate_per_minute: u64,
    /// How long a try may take.
    pub timeout: Duration,
}

/// The URL may hold a secret.
impl fmt::Debug for NotifyDraft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotifyDraft")
            .field("kind", &self.kind)
            .field("url", &self.shown_url())
            .field("signing_secret", &self.signing_secret)
            .finish_non_exhaustive()
    }
}

/// The path of a value that stands in a file.
#[must_use]
pub fn in_file(value: &str) -> Option<&Path> {
    value.strip_prefix(FILE).filter(|it| !it.is_empty()).map(Path::new)
}

/// The targets while the configuration is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(BTreeMap<String, Read>);

#[derive(Clone, Debug)]
struct Read {
    draft: NotifyDraft,
    origin: Origin,
    origins: BTreeMap<&'static str, Origin>,
}

impl Targets {
    /// Takes in a setting whose path begins with `notify.`; the error is the problem.
    pub(super) fn apply(&mut self, setting: Setting) -> Result<(), String> {
        let Setting { path, given, origin } = setting;
        let rest = path.strip_prefix("notify.").unwrap_or_default();
        let (name, key) = rest.split_once('.').unwrap_or((rest, ""));
        chains::check_name("a target's name", name)?;
        if name == LOG {
            return Err(format!("`{NOTIFY}.{LOG}` is always there and has no keys"));
        }
        if key.is_empty() && given != Given::Section {
            return Err(format!("`{path}` must be a table, `[{path}]`; received `{given}`"));
        }
        let slot = NOTIFY_KEYS.iter().find(|it| it.path == key);
        if slot.is_none() && !key.is_empty() {
            return Err(super::keys::unknown(&path, &origin));
        }
        let target = self.0.entry(name.to_owned()).or_insert_with(|| Read {
            draft: chains::defaults(NOTIFY_KEYS),
            origin: origin.clone(),
            origins: BTreeMap::new(),
        });
        let Some(key) = slot else { return Ok(()) };
        let set = key.slot.set(&mut target.draft, &given);
        set.map_err(|problem| format!("`{path}` {problem}"))?;
        target.origins.insert(key.path, origin);
        Ok(())
    }

    /// The targets, and what is wrong with them.
    pub(super) fn build(&self) -> (BTreeMap<String, NotifyDraft>, Vec<Problem>) {
        let (mut targets, mut problems) = (BTreeMap::new(), Vec::new());
        for (name, read) in &self.0 {
            if let Some((key, problem)) = read.draft.wrong() {
                problems.push(Problem {
                    origin: read.origins.get(key).unwrap_or(&read.origin).clone(),
                    key: format!("{NOTIFY}.{name}.{key}"),
                    problem: format!("`{NOTIFY}.{name}.{key}` {problem}"),
                });
            }
            targets.insert(name.clone(), read.draft.clone());
        }
        (targets, problems)
    }

    /// Every key of every target, with its effective value and its origin.
    pub(super) fn entries(&self) -> impl Iterator<Item = (String, String, &Origin)> {
        self.0.iter().flat_map(|(name, read)| {
            let shown = NotifyDraft { url: read.draft.shown_url(), ..read.draft.clone() };
            NOTIFY_KEYS.iter().map(move |key| {
                let origin = read.origins.get(key.path).unwrap_or(&Origin::Default);
                (format!("{NOTIFY}.{name}.{}", key.path), key.slot.show(&shown), origin)
            })
        })
    }
}

impl NotifyDraft {
    /// The key that is wrong, and why; never with the URL.
    fn wrong(&self) -> Option<(&'static str, &'static str)> {
        let url = self.url.as_deref().unwrap_or_default();
        let schemes: &[&str] =
            if self.allow_private { &["https://", "http://"] } else { &["https://"] };
        if in_file(url).is_none() && !schemes.iter().any(|it| url.starts_with(it)) {
            return Some((
                "url",
                "must begin with `https://`, or with `file:` and name a file; `http://` needs \
                 `allow_private = true`",
            ));
        }
        let secret = self.signing_secret.as_deref();
        secret
            .is_some_and(|it| in_file(it).is_none())
            .then_some(("signing_secret", "must begin with `file:` and name a file"))
    }

    /// No more of a URL than its host: the rest may be a secret.
    fn shown_url(&self) -> Option<String> {
        let url = self.url.as_ref()?;
        if in_file(url).is_some() {
            return Some(url.clone());
        }
        let origin = reqwest::Url::parse(url).map(|it| it.origin().ascii_serialization());
        Some(format!("{}/***", origin.unwrap_or_default()))
    }
}
