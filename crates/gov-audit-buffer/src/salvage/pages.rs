//! The pages of a database at rest: those of its log first, then those of the file.
//!
//! Source: "Database File Format" of SQLite, sections 1.3 (header) and 4 (write-ahead log).

use std::{
    collections::HashMap,
    fs::File,
    io::{self, ErrorKind},
    os::unix::fs::FileExt as _,
    path::Path,
};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// What gov makes its files with, where the file no longer says.
const DEFAULT_PAGE_BYTES: u32 = 4096;
const WAL_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;

/// Gives each page as the last commit left it, as far as that can be read.
#[derive(Debug)]
pub(super) struct Pages {
    file: File,
    log: Option<Log>,
    page_bytes: u32,
    /// Bytes of each page that hold content.
    pub(super) usable: usize,
    pub(super) count: u32,
}

/// Where the log has the newest version of a page.
#[derive(Debug)]
struct Log {
    file: File,
    frames: HashMap<u32, u64>,
    pages: u32,
}

impl Pages {
    /// Opens the files at `path` and `path-wal`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let mut header = [0; 100];
        let sized = match file.read_exact_at(&mut header, 0) {
            Ok(()) => shape(&header),
            // Too short, or a bad block: the pages behind it may be whole.
            Err(_) => None,
        };
        let (page_bytes, reserved) = sized.unwrap_or((DEFAULT_PAGE_BYTES, 0));
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        let log = match File::open(&name) {
            Ok(it) => Log::read(it, page_bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let in_file = file.metadata()?.len().div_ceil(u64::from(page_bytes));
        let in_file = u32::try_from(in_file).unwrap_or(u32::MAX);
        let count = in_file.max(log.as_ref().map_or(0, |it| it.pages));
        let usable = (page_bytes - u32::from(reserved)) as usize;
        Ok(Self { file, log, page_bytes, usable, count })
    }

    /// Page `number`, from 1; `None` if it is not there or cannot be read.
    pub(super) fn read(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; self.page_bytes as usize];
        let before = u64::from(number.checked_sub(1)?) * u64::from(self.page_bytes);
        let logged = self.log.as_ref().and_then(|it| Some((&it.file, *it.frames.get(&number)?)));
        let (file, at) = logged.unwrap_or((&self.file, before));
        file.read_exact_at(&mut page, at).ok()?;
        Some(page)
    }
}

/// The size of a page and what is reserved at its end, if this is the header of a database.
fn shape(header: &[u8; 100]) -> Option<(u32, u8)> {
    let size = match u16::from_be_bytes([*header.get(16)?, *header.get(17)?]) {
        1 => 65_536,
        size => u32::from(size),
    };
    let reserved = *header.get(20)?;
    let possible = size.is_power_of_two() && size >= 512 && size - u32::from(reserved) >= 480;
    (header.starts_with(MAGIC) && possible).then_some((size, reserved))
}

impl Log {
    /// Reads up to the last commit whose checksums hold, as SQLite would; `None` if there is none,
    /// or the log is of pages of another size.
    fn read(file: File, page_bytes: u32) -> io::Result<Option<Self>> {
        let mut header = [0; 32];
        match file.read_exact_at(&mut header, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let big_endian = match word(&header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => return Ok(None),
        };
        let (covered, _) = header.split_at(24);
        let mut sum = checksum((0, 0), covered, big_endian);
        let promised = (word(&header, 24), word(&header, 28));
        if word(&header, 8) != page_bytes || sum != promised {
            return Ok(None);
        }
        let salt = (word(&header, 16), word(&header, 20));
        let mut log = Self { file, frames: HashMap::new(), pages: 0 };
        let mut uncommitted = Vec::new();
        let mut at = WAL_HEADER_BYTES;
        let mut frame = [0; 24];
        let mut page = vec![0; page_bytes as usize];
        loop {
            let content = at + FRAME_HEADER_BYTES;
            let read = log.file.read_exact_at(&mut frame, at);
            if read.and_then(|()| log.file.read_exact_at(&mut page, content)).is_err() {
                break;
            }
            let (covered, _) = frame.split_at(8);
            sum = checksum(checksum(sum, covered, big_endian), &page, big_endian);
            let promised = (word(&frame, 16), word(&frame, 20));
            if (word(&frame, 8), word(&frame, 12)) != salt || sum != promised {
                break;
            }
            uncommitted.push((word(&frame, 0), content));
            let pages = word(&frame, 4);
            if pages > 0 {
                log.pages = pages;
                log.frames.extend(uncommitted.drain(..));
            }
            at = content + u64::from(page_bytes);
        }
        Ok((!log.frames.is_empty()).then_some(log))
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..at + 4).and_then(|it| it.first_chunk());
    word.map_or(0, |it| u32::from_be_bytes(*it))
}

/// Section 4.2 of the format: over pairs of words.
fn checksum(mut sum: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let read = if big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
    let (pairs, _) = bytes.as_chunks::<8>();
    for pair in pairs {
        let [first @ .., _, _, _, _] = *pair;
        let [_, _, _, _, second @ ..] = *pair;
        sum.0 = sum.0.wrapping_add(read(first)).wrapping_add(sum.1);
        sum.1 = sum.1.wrapping_add(read(second)).wrapping_add(sum.0);
    }
    sum
}
