//! What this server is called among those that share a database.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use gov_core::hex::Hex;

/// The longest name, in bytes.
const MAX_BYTES: usize = 64;

/// The server has no name.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeNameError {
    /// The text is no name.
    #[error(
        "the name of this server must be 1 to {MAX_BYTES} letters, digits, `-`, `_` or `.`; it \
         stands in `server.node`, else in `{}`",
        .0.display()
    )]
    Malformed(PathBuf),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
    /// It cannot be read or made.
    #[error("cannot read or make `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The configured name, else the one in the file, which is made where it is missing:
/// `n-<8 hex digits>`. Does blocking I/O.
///
/// # Errors
///
/// [`NodeNameError`].
pub fn load_or_create(configured: Option<&str>, path: &Path) -> Result<String, NodeNameError> {
    let failed = |source| NodeNameError::Io { path: path.to_owned(), source };
    let text = match configured {
        Some(text) => text.to_owned(),
        None => match fs::read_to_string(path) {
            Ok(text) => text.trim_end_matches('\n').to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut random = [0; 4];
                getrandom::fill(&mut random)?;
                let name = format!("n-{}", Hex(&random));
                fs::write(path, format!("{name}\n")).map_err(failed)?;
                name
            }
            Err(error) => return Err(failed(error)),
        },
    };
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-_.".contains(&it);
    if text.is_empty() || text.len() > MAX_BYTES || !text.bytes().all(fits) {
        return Err(NodeNameError::Malformed(path.to_owned()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once_and_a_configured_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node");
        let made = load_or_create(None, &path).unwrap();
        assert_eq!((made.len(), made.get(..2)), (10, Some("n-")));
        assert_eq!(load_or_create(None, &path).unwrap(), made);
        assert_eq!(load_or_create(Some("gov-1.eu"), &path).unwrap(), "gov-1.eu");
        for text in ["", "a b", "a\n", &"n".repeat(65)] {
            assert!(load_or_create(Some(text), &path).is_err(), "{text}");
        }
    }
}
