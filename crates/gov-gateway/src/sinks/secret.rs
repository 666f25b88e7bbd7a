//! Secrets of sinks, in files of their own.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use super::OpenSinkError;

/// The secret in the file that `key` names: its text, without a line feed at the end. Does blocking
/// I/O.
pub(crate) fn read(key: &'static str, path: &Path) -> Result<String, OpenSinkError> {
    check(key, path)?;
    let failed = |source| OpenSinkError::Secret { key, path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(failed)?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(OpenSinkError::NoSecret { key, path: path.to_owned() }),
        secret => Ok(secret.to_owned()),
    }
}

/// That nobody else can read the file that `key` names.
pub(super) fn check(key: &'static str, path: &Path) -> Result<(), OpenSinkError> {
    let failed = |source| OpenSinkError::Secret { key, path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(OpenSinkError::TooOpen { key, path: path.to_owned(), mode });
    }
    Ok(())
}

/// That we can read the file that `key` names.
pub(super) fn readable(key: &'static str, path: &Path) -> Result<(), OpenSinkError> {
    let failed = |source| OpenSinkError::Secret { key, path: path.to_owned(), source };
    fs::File::open(path).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_secret_is_the_line_in_a_file_that_is_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let put = |text: &str, mode| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read("buffer.token_file", &path)
        };
        assert_eq!(put("hunter22\n", 0o600).unwrap(), "hunter22");
        let message = put("hunter22", 0o640).unwrap_err().to_string();
        assert!(message.contains("`buffer.token_file`, must have mode 0600; received 0640"));
        assert!(!message.contains("hunter22"));
        assert!(matches!(put("\n", 0o600), Err(OpenSinkError::NoSecret { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(read("it", &path), Err(OpenSinkError::Secret { .. })));
        let message = readable("buffer.ca_file", &path).unwrap_err().to_string();
        assert!(message.starts_with("cannot read `buffer.ca_file` from `"), "{message}");
    }
}
