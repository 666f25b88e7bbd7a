//! Every reader of foreign bytes under one rule: what it reads prints as it was.
//!
//! The fuzz targets and their corpus go through here (`fuzz/README.md`).

use crate::{
    entry::Entry,
    spool::{
        body,
        frame::{self, Found, HEADER_BYTES, Header, Mark},
        scan,
    },
    tlog::{
        note::Note,
        receipt::Receipt,
        tile::{TilePlace, index_path, parse_bundle_path},
    },
};

/// What bytes are read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A segment of the spool, a frame in it, or a frame's body.
    Frame,
    /// A signed note.
    Note,
    /// The path of a tile or a bundle.
    TilePath,
    /// An entry's bytes.
    Envelope,
    /// A receipt's file.
    Receipt,
}

impl Format {
    /// Every format, by the name of its fuzz target.
    pub const ALL: [(&str, Self); 5] = [
        ("frame", Self::Frame),
        ("note", Self::Note),
        ("tile_path", Self::TilePath),
        ("envelope", Self::Envelope),
        ("receipt", Self::Receipt),
    ];

    /// Reads `bytes`; false if they are not of this format.
    ///
    /// # Errors
    ///
    /// [`Changed`] if they are, and print otherwise: a mistake of this crate.
    pub fn read_back(self, bytes: &[u8]) -> Result<bool, Changed> {
        match self {
            Self::Frame => read_frame(bytes),
            Self::Note => {
                let printed = Note::parse(bytes).ok().map(|it| it.to_string().into_bytes());
                same(bytes, printed)
            }
            Self::TilePath => {
                let Ok(path) = std::str::from_utf8(bytes) else { return Ok(false) };
                let tile = TilePlace::parse(path).map(|it| it.path());
                let bundle = parse_bundle_path(path)
                    .map(|(index, width)| format!("tile/entries/{}", index_path(index, width)));
                same(bytes, tile.or(bundle).map(String::into_bytes))
            }
            Self::Envelope => {
                let entry = Entry::from_bytes(bytes).ok();
                same(bytes, entry.map(|it| it.to_bytes().unwrap_or_default()))
            }
            Self::Receipt => {
                let receipt =
                    std::str::from_utf8(bytes).ok().and_then(|it| Receipt::parse(it).ok());
                same(bytes, receipt.map(|it| it.to_string().into_bytes()))
            }
        }
    }
}

/// What was read prints as other bytes than these.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{read}` reads, and prints as `{printed}`")]
pub struct Changed {
    read: String,
    printed: String,
}

fn same(bytes: &[u8], printed: Option<Vec<u8>>) -> Result<bool, Changed> {
    let Some(printed) = printed else { return Ok(false) };
    if printed == bytes {
        return Ok(true);
    }
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    Err(Changed { read: text(bytes), printed: text(&printed) })
}

/// A checksum hides what is behind it, so the parts are read apart too.
fn read_frame(bytes: &[u8]) -> Result<bool, Changed> {
    let header = Header::decode(bytes).ok();
    let printed = header.map(|it| it.encode());
    let length = printed.as_ref().map_or(0, Vec::len);
    let is_segment = same(bytes.get(..length).unwrap_or_default(), printed)?;
    let is_body = same(bytes, body::decode(bytes).map(|it| body::encode(&it)))?;
    let mark = header.map_or(Mark(*b"any mark"), |it| it.mark);
    if bytes.len() <= frame::MAX_BODY_BYTES {
        let framed = frame::encode(mark, bytes);
        let body = match frame::decode(mark, &framed) {
            Found::Whole(body) => body,
            Found::Torn | Found::Bad => &[],
        };
        same(bytes, Some(body.to_vec()))?;
    }
    same(bytes, Some(scanned(mark, bytes)))?;
    Ok(is_segment || is_body)
}

/// The segment put together again from what a scan says of it: every byte behind the header is in
/// a stretch of whole frames, in a damaged range, or in the torn end.
fn scanned(mark: Mark, segment: &[u8]) -> Vec<u8> {
    let scan = scan::scan(mark, segment);
    let whole = scan.whole.into_iter().map(|it| it.bytes);
    let torn = scan.torn.map(|it| it..u64::MAX);
    let mut ranges: Vec<_> = whole.chain(scan.bad).chain(torn).collect();
    ranges.sort_by_key(|it| it.start);
    let at =
        |offset: u64| usize::try_from(offset).map_or(segment.len(), |it| it.min(segment.len()));
    let mut joined = segment.get(..at(HEADER_BYTES)).unwrap_or_default().to_vec();
    for range in ranges {
        joined.extend_from_slice(segment.get(at(range.start)..at(range.end)).unwrap_or_default());
    }
    joined
}
