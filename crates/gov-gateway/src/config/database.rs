//! Which database keeps the state, as it is configured: its URL may hold a password.

use std::{fmt, path::PathBuf};

use reqwest::Url;

/// Which database keeps the state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// SQLite files in the data directory.
    #[default]
    Sqlite,
    /// PostgreSQL, which several gateways may share.
    Postgres(PostgresUrl),
    /// PostgreSQL, at the URL that is the content of this file.
    PostgresIn(PathBuf),
}

/// Where PostgreSQL is. The password shows nowhere but in [`PostgresUrl::expose`].
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl Backend {
    /// What is accepted, for people.
    pub const WANTED: &str = "`sqlite`, `postgres://user@host/database`, or `file:` and the path of a file with such a URL";

    /// Never repeats the text, which may hold a password.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text == "sqlite" {
            return Ok(Self::Sqlite);
        }
        if let Some(path) = text.strip_prefix("file:").filter(|it| !it.is_empty()) {
            return Ok(Self::PostgresIn(path.into()));
        }
        PostgresUrl::parse(text)
            .map(Self::Postgres)
            .ok_or_else(|| format!("must be {}; received something else", Self::WANTED))
    }
}

/// As it would be written, with `***` for a password.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite => f.write_str("sqlite"),
            Self::Postgres(url) => url.fmt(f),
            Self::PostgresIn(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl PostgresUrl {
    /// Reads `postgres://…` or `postgresql://…`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        matches!(url.scheme(), "postgres" | "postgresql").then(|| Self(text.to_owned()))
    }

    /// The whole URL, for the driver and nobody else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// With `***` for a password, and without parameters, which can hold one too.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(mut url) = Url::parse(&self.0) else { return f.write_str("postgres://") };
        let hidden = url.password().is_some().then_some("***");
        // Neither can fail: what has a password can have another.
        let _ = url.set_password(hidden);
        let parameters = url.query().is_some();
        url.set_query(None);
        url.set_fragment(None);
        write!(f, "{url}{}", if parameters { "?…" } else { "" })
    }
}

/// As it is shown.
impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_shows_nowhere() {
        for (text, shown) in [
            ("postgres://gov@db/gov", "postgres://gov@db/gov"),
            ("postgres://gov:hunter22@db:5433/gov", "postgres://gov:***@db:5433/gov"),
            ("postgresql://db/gov?password=hunter22&user=gov", "postgresql://db/gov?…"),
            ("postgres:///gov?host=/run/pg", "postgres:///gov?…"),
        ] {
            let backend = Backend::read(text).unwrap();
            assert_eq!(backend.to_string(), shown);
            assert!(!format!("{backend:?}").contains("hunter22"), "{backend:?}");
            let Backend::Postgres(url) = backend else { panic!("{backend:?}") };
            assert_eq!(url.expose(), text);
        }
    }

    #[test]
    fn what_is_no_database_is_refused_without_repeating_it() {
        for text in ["", "sqlite:", "mysql://me:hunter22@h/gov", "postgres", "file:"] {
            let problem = Backend::read(text).unwrap_err();
            assert!(problem.starts_with("must be `sqlite`, `postgres://"), "{problem}");
            assert!(!problem.contains("hunter22"), "{problem}");
        }
        assert_eq!(Backend::read("file:/run/url"), Ok(Backend::PostgresIn("/run/url".into())));
    }
}
