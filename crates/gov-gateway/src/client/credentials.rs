//! The tokens of people, by server: read by what decides, and by nothing that an agent starts.
//!
//! They never come from the environment, which an agent's shell inherits, nor from a flag, which
//! everybody on the machine sees.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{Token, TokenError};
use crate::harness::settings_file::write_atomically;

/// The directory that holds them, mode 0700, one file a server, mode 0600.
#[derive(Clone, Debug)]
pub struct Credentials {
    dir: PathBuf,
}

/// The credentials cannot be kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// There is no place for them.
    #[error("there is no place for credentials: set HOME, or XDG_CONFIG_HOME to an absolute path")]
    NoPlace,
    /// They cannot be written or removed.
    #[error("cannot write `{}`", path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// What is kept cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Credentials {
    /// The usual place: `gov/credentials` in `$XDG_CONFIG_HOME`, else in `~/.config`.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::NoPlace`] where neither is set.
    pub fn usual(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, CredentialsError> {
        let path = |name| variable(name).map(PathBuf::from).filter(|it| it.is_absolute());
        let config = path("XDG_CONFIG_HOME").or_else(|| path("HOME").map(|it| it.join(".config")));
        let dir = config.ok_or(CredentialsError::NoPlace)?.join("gov/credentials");
        Ok(Self { dir })
    }

    /// The token that is kept for the server at `url`, if there is one.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::Token`]: its file is open to others, or holds no token.
    pub fn find(&self, url: &str) -> Result<Option<Token>, CredentialsError> {
        let path = self.path(url);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Ok(Some(Token::read(&path)?)),
        }
    }

    /// Keeps `token` for the server at `url` in place of what was kept; says where.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::Unwritable`].
    pub fn put(&self, url: &str, token: &Token) -> Result<PathBuf, CredentialsError> {
        let unwritable =
            |path: &Path, source| CredentialsError::Unwritable { path: path.to_owned(), source };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(|error| unwritable(&self.dir, error))?;
        let path = self.path(url);
        let text = format!("{}\n", token.expose());
        write_atomically(&path, text.as_bytes(), 0o600)
            .map_err(|error| unwritable(&path, error))?;
        Ok(path)
    }

    /// Forgets the token for the server at `url`; `false` if there was none.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::Unwritable`].
    pub fn remove(&self, url: &str) -> Result<bool, CredentialsError> {
        let path = self.path(url);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(CredentialsError::Unwritable { path, source }),
        }
    }

    /// `http://[::1]:7180` → `http_3a_2f_2f_5b_3a_3a1_5d_3a7180`: no two URLs share a file.
    fn path(&self, url: &str) -> PathBuf {
        let byte = |it: u8| {
            if it.is_ascii_alphanumeric() || b".-".contains(&it) {
                char::from(it).to_string()
            } else {
                format!("_{it:02x}")
            }
        };
        let name: String = url.trim_end_matches('/').bytes().map(byte).collect();
        self.dir.join(name)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_kept_by_its_server_and_for_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().to_owned();
        let kept = Credentials::usual(|name| {
            (name == "XDG_CONFIG_HOME").then(|| config.clone().into_os_string())
        })
        .unwrap();
        let (one, other) = ("http://127.0.0.1:7180", "http://127.0.0.1:7181");
        assert!(kept.find(one).unwrap().is_none());
        let token: Token = "gov_tok_secret".parse().unwrap();
        let path = kept.put(one, &token).unwrap();
        assert!(path.starts_with(home.path().join("gov/credentials")), "{path:?}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(kept.find(one).unwrap().unwrap().expose(), "gov_tok_secret");
        assert!(kept.find(other).unwrap().is_none());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(kept.find(one), Err(CredentialsError::Token(_))));
        assert!(kept.remove(one).unwrap() && !kept.remove(one).unwrap());
    }

    #[test]
    fn without_a_home_there_is_no_place() {
        for value in [None, Some(OsString::from("relative"))] {
            let found = Credentials::usual(|_| value.clone());
            assert!(matches!(found, Err(CredentialsError::NoPlace)));
        }
    }
}
