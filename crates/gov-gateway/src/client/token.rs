//! The token a client shows, and the file it is kept in.

use std::{
    env, fmt, fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    str::FromStr,
};

use reqwest::header::HeaderValue;

/// The longest token that is read, in bytes.
const MAX_BYTES: usize = 1024;

/// An access token, `gov_<id>_<secret>`. Its text shows nowhere.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Reads the token from a file that only its owner may read.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: it says which file, and how to put it right.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |source| TokenError::Unreadable { path: path.to_owned(), source };
        let about = fs::metadata(path).map_err(unreadable)?;
        if !about.is_file() || about.len() > MAX_BYTES as u64 {
            return Err(TokenError::NotAToken);
        }
        let mode = about.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(TokenError::TooOpen { path: path.to_owned(), mode });
        }
        fs::read_to_string(path).map_err(unreadable)?.trim().parse()
    }

    /// The token in `file`, or without a file the one in the variable `GOV_TOKEN`, if it is set.
    ///
    /// # Errors
    ///
    /// [`TokenError`]: what is given is no token.
    pub fn find(file: Option<&Path>) -> Result<Option<Self>, TokenError> {
        match (file, env::var("GOV_TOKEN")) {
            (Some(file), _) => Self::read(file).map(Some),
            (None, Ok(text)) => text.trim().parse().map(Some),
            (None, Err(env::VarError::NotPresent)) => Ok(None),
            (None, Err(env::VarError::NotUnicode(_))) => Err(TokenError::NotAToken),
        }
    }

    /// The text, to be written into a token file and nowhere else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(super) fn authorization(&self) -> Result<HeaderValue, TokenError> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| TokenError::NotAToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let plain = text.bytes().all(|it| it.is_ascii_graphic());
        if text.starts_with("gov_") && plain && text.len() <= MAX_BYTES {
            Ok(Self(text.to_owned()))
        } else {
            Err(TokenError::NotAToken)
        }
    }
}

/// There is no token to show. The text that was read is never part of the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The file cannot be read.
    #[error(
        "cannot read the token file `{}`; make a token with `gov tokens create`, or name its file \
         with `--token-file`",
        path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Others may read the file.
    #[error(
        "the token file `{}` has mode {mode:o}; it must be 600: chmod 600 it, and make a new token \
         if others could read it",
        path.display()
    )]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The text is no token.
    #[error("the token must be one line `gov_<id>_<secret>` of at most {MAX_BYTES} bytes")]
    NotAToken,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn only_a_token_is_a_token_and_it_is_not_shown() {
        let long = format!("gov_{}", "x".repeat(MAX_BYTES));
        for text in ["", "hunter2", "gov_a b", "gov_a\nX-Header: b", "gov_é", &long] {
            let error = text.parse::<Token>().unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text), "{error}");
        }
        let token: Token = "gov_tok_secret".parse().unwrap();
        assert_eq!(format!("{token:?}"), "Token");
        assert_eq!(token.authorization().unwrap(), "Bearer gov_tok_secret");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        assert!(matches!(Token::read(&path), Err(TokenError::Unreadable { .. })));
        fs::write(&path, "gov_tok_secret\n").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = Token::read(&path).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Token::read(&path).unwrap().expose(), "gov_tok_secret");
    }

    #[test]
    fn a_directory_or_a_huge_file_is_no_token() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Token::read(dir.path()), Err(TokenError::NotAToken)));
        let path = dir.path().join("token");
        fs::write(&path, vec![b'x'; 5000]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Token::read(&path), Err(TokenError::NotAToken)));
    }
}
