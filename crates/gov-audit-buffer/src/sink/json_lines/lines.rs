//! The open file.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use gov_core::EventId;

use super::tail;
use crate::{BufferId, Outgoing, cloud_event::OnItsWay};

/// The last event of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Last {
    pub(super) seq: u64,
    pub(super) event_id: EventId,
}

#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    // `None` after a failure: a descriptor that failed to sync must not be trusted.
    file: Option<File>,
    // INVARIANT: whole lines up to here, and on disk; what is behind is nobody's.
    length: u64,
    // Of the buffers that were looked for or written; `None` for one that the file does not have.
    last: BTreeMap<BufferId, Option<Last>>,
}

impl Lines {
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] where another process has it open.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open_locked(&path)?;
        let length = tail::heal(&file, &path)?;
        Ok(Self { path, file: Some(file), length, last: BTreeMap::new() })
    }

    /// Adds the events that the file does not have, all of them or none.
    pub(super) fn append(&mut self, batch: &[Outgoing]) -> io::Result<()> {
        let (mut bytes, mut last) = (Vec::new(), BTreeMap::new());
        for it in batch {
            let known = match last.get(&it.buffer_id) {
                Some(known) => Some(*known),
                None => self.last_of(it.buffer_id)?,
            };
            if known.is_some_and(|known| it.buffer_seq <= known.seq) {
                continue;
            }
            bytes.extend(OnItsWay::from(it).written_into(&it.event));
            bytes.push(b'\n');
            last.insert(it.buffer_id, Last { seq: it.buffer_seq, event_id: it.event.id });
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.write(&bytes)?;
        self.last.extend(last.into_iter().map(|(buffer, it)| (buffer, Some(it))));
        Ok(())
    }

    /// The last event of the buffer; reads back through the file where it is not known.
    pub(super) fn last_of(&mut self, buffer: BufferId) -> io::Result<Option<Last>> {
        if let Some(known) = self.last.get(&buffer) {
            return Ok(*known);
        }
        let (file, length) = self.file()?;
        let found = tail::last_of(file, length, buffer)?;
        self.last.insert(buffer, found);
        Ok(found)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut file, length) = self.file()?;
        let got = file.metadata()?.len();
        if got < length {
            return Err(cut(&self.path, length, got));
        }
        let written = file
            .set_len(length)
            .and_then(|()| file.seek(SeekFrom::Start(length)))
            .and_then(|_| file.write_all(bytes))
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // What may be there is cut off by the next write, or when the file is opened.
            self.file = None;
            return Err(error);
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn file(&mut self) -> io::Result<(&File, u64)> {
        let file = match self.file.take() {
            Some(file) => file,
            None => open_locked(&self.path)?,
        };
        Ok((self.file.insert(file), self.length))
    }
}

/// Opens the file for nobody else; where it is new, its name is made durable.
fn open_locked(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = options.create_new(true).open(path)?;
            let dir = path.parent().filter(|it| !it.as_os_str().is_empty());
            File::open(dir.unwrap_or(Path::new(".")))?.sync_all()?;
            file
        }
        opened => opened?,
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn cut(path: &Path, wanted: u64, got: u64) -> io::Error {
    io::Error::other(format!(
        "`{}` must be at least {wanted} bytes long and has {got}: somebody cut it; restart gov to \
         go on behind what is left",
        path.display()
    ))
}
