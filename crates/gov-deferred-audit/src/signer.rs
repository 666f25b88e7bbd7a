//! Who signs the log's checkpoints, and the key file that does it by default.

use std::{
    fmt, fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::tlog::key::{KeyError, PrivateKey, VerifierKey};

/// Signs checkpoints. A key in a file signs at once; a key service may take its time.
#[async_trait]
pub trait Signer: fmt::Debug + Send + Sync {
    /// The public key; its name is the log's origin.
    fn key(&self) -> VerifierKey;

    /// An Ed25519 signature over `message`.
    ///
    /// # Errors
    ///
    /// [`SignError`]: nothing is signed, and so nothing is appended; it is tried again.
    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// The signer did not sign.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint could not be signed")]
pub struct SignError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

#[async_trait]
impl Signer for PrivateKey {
    fn key(&self) -> VerifierKey {
        self.verifier()
    }

    async fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        Ok(Self::sign(self, message))
    }
}

/// The directory of the log's keys: `audit-log.e<n>.key`, mode 0600, and beside it the public half
/// `audit-log.e<n>.vkey`.
#[derive(Clone, Debug)]
pub struct KeyDir {
    path: PathBuf,
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is none, and a log that it signed: without it nothing can be appended.
    #[error("the signing key `{0}` is missing; restore it from its backup")]
    Missing(PathBuf),
    /// Others may read it.
    #[error(
        "the signing key `{path}` has mode {mode:04o}, wider than 0600; run `chmod 600 {path}`"
    )]
    TooOpen {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It holds no key.
    #[error("the signing key `{path}` cannot be read")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: KeyError,
    },
    /// It is the key of another log.
    #[error("the signing key `{path}` is named `{got}`; this log is `{wanted}`")]
    OtherLog {
        /// Which file.
        path: PathBuf,
        /// The log's origin.
        wanted: String,
        /// The key's name.
        got: String,
    },
    /// The file system failed.
    #[error("the signing key `{path}` cannot be read or written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl KeyDir {
    /// Uses `path`, which is created, mode 0700, with the first key.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where the public key of `epoch` lies.
    #[must_use]
    pub fn public_key_path(&self, epoch: u64) -> PathBuf {
        self.path.join(format!("audit-log.e{epoch}.vkey"))
    }

    /// Where the private key of `epoch` lies.
    #[must_use]
    pub fn private_key_path(&self, epoch: u64) -> PathBuf {
        self.path.join(format!("audit-log.e{epoch}.key"))
    }

    /// Reads the key of `epoch`; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]: make the file what the message says.
    pub fn read(&self, epoch: u64) -> Result<Option<PrivateKey>, KeyFileError> {
        let path = self.private_key_path(epoch);
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeyFileError::Io { path, source }),
            Ok(metadata) => check_mode(&path, &metadata)?,
        }
        let text = fs::read_to_string(&path)
            .map_err(|source| KeyFileError::Io { path: path.clone(), source })?;
        let text = Zeroizing::new(text);
        PrivateKey::from_text(text.strip_suffix('\n').unwrap_or(&text))
            .map(Some)
            .map_err(|source| KeyFileError::Malformed { path, source })
    }

    /// Reads the public key of `epoch`, which is needed when the private one is long gone.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`]; [`KeyFileError::Missing`] if there is no such file.
    pub fn require_public(&self, epoch: u64) -> Result<VerifierKey, KeyFileError> {
        let path = self.public_key_path(epoch);
        let text = fs::read_to_string(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => KeyFileError::Missing(path.clone()),
            _ => KeyFileError::Io { path: path.clone(), source },
        })?;
        let key = text.strip_suffix('\n').unwrap_or(&text).parse();
        key.map_err(|source| KeyFileError::Malformed { path, source })
    }

    /// Reads the key of `epoch`, which is named `origin`.
    ///
    /// # Errors
    ///
    /// As from [`read`](Self::read), and [`KeyFileError::Missing`] or [`KeyFileError::OtherLog`].
    pub fn require(&self, epoch: u64, origin: &str) -> Result<PrivateKey, KeyFileError> {
        let path = self.private_key_path(epoch);
        let key = self.read(epoch)?.ok_or_else(|| KeyFileError::Missing(path.clone()))?;
        let got = key.verifier().name().to_owned();
        if got == origin {
            return Ok(key);
        }
        Err(KeyFileError::OtherLog { path, wanted: origin.to_owned(), got })
    }

    /// The key of `epoch`, made and stored durably if there is none yet.
    ///
    /// # Errors
    ///
    /// As from [`require`](Self::require).
    pub fn require_or_create(&self, epoch: u64, origin: &str) -> Result<PrivateKey, KeyFileError> {
        if self.read(epoch)?.is_none() {
            let path = self.private_key_path(epoch);
            let key = PrivateKey::generate(origin)
                .map_err(|source| KeyFileError::Malformed { path: path.clone(), source })?;
            let stored = create_private_dir(&self.path).and_then(|()| {
                let public = format!("{}\n", key.verifier());
                write_new(&path.with_extension("vkey"), 0o644, public.as_bytes())?;
                let private = Zeroizing::new(format!("{}\n", *key.to_text()));
                write_new(&path, 0o600, private.as_bytes())
            });
            stored.map_err(|source| KeyFileError::Io { path, source })?;
        }
        self.require(epoch, origin)
    }
}

#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    let for_others = mode & 0o077;
    if for_others > 0 {
        return Err(KeyFileError::TooOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), KeyFileError> {
    Ok(())
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that appears whole, under its name, or not at all.
fn write_new(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    path.parent().map_or(Ok(()), |dir| fs::File::open(dir)?.sync_all())
}
