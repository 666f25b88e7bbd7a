//! `GET /log` and `GET /log/{origin}/…`: the signed log as outsiders read it, a C2SP tlog
//! (tlog-tiles). Scopes auditor, operator and admin, unless `log.public`.
//!
//! Every epoch is served under its own origin; nothing here is more than one tile of work.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use gov_deferred_audit::{
    SignedLog,
    signed_log::{EpochExtent, ReadLogError},
    tlog::{
        checkpoint::parse_decimal,
        tile::{TilePlace, parse_bundle_path},
    },
};
use serde::Serialize;

use super::{
    Parts, auth,
    problem::{Code, Problem},
};
use crate::{identity::Scope, registry::List};

const READERS: [Scope; 3] = [Scope::Auditor, Scope::Operator, Scope::Admin];

/// A tile's bytes never change. What needs a token must not lie in a cache that others share.
const FOR_ALL: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_ONE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The log, and who may read it.
#[derive(Clone, Debug)]
pub struct ServedLog {
    /// All of its epochs.
    pub signed: SignedLog,
    /// Whether reading it needs no token.
    pub public: bool,
}

/// One epoch, as the list of them shows it.
#[derive(Debug, Serialize)]
pub(super) struct EpochView {
    epoch: u64,
    /// The name that its files lie under.
    origin: String,
    /// How many records it has.
    size: u64,
    /// Whether it is the one that is written.
    current: bool,
}

/// One file of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    /// The last signed checkpoint.
    Checkpoint,
    /// The first one, of an epoch that was handed over.
    FirstCheckpoint,
    /// The public key.
    Key,
    /// Hashes of the tree.
    Tile(TilePlace),
    /// Entries: the place of the level-0 tile that they are the leaves of.
    Bundle(TilePlace),
    /// The receipt of one record.
    Proof(u64),
}

/// All epochs, the first first.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<List<EpochView>>, Problem> {
    parts.log.admit(&parts, &headers)?;
    let epochs = parts.log.signed.epochs().await?;
    let last = epochs.last().map(|it| it.epoch);
    let view = |EpochExtent { epoch, origin, size, .. }| {
        let current = Some(epoch) == last;
        EpochView { epoch, origin, size, current }
    };
    Ok(Json(List::new(epochs.into_iter().map(view).collect())))
}

/// One file, or the reason why there is none.
pub(super) async fn get(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let ServedLog { signed, public } = &parts.log;
    parts.log.admit(&parts, &headers)?;
    let Path(path) = path.map_err(|_| no_epoch())?;
    let epochs = signed.epochs().await?;
    let (epoch, name) =
        epochs.iter().find_map(|it| Some((it, below(it, &path)?))).ok_or_else(no_epoch)?;
    let file = File::parse(name).ok_or_else(no_file)?;
    let body = file.read(signed, epoch.epoch).await?.ok_or_else(|| file.missing(epoch))?;
    let mut response = Response::new(Body::from(body));
    let is_text = !matches!(file, File::Tile(_) | File::Bundle(_));
    response.headers_mut().insert(header::CONTENT_TYPE, if is_text { TEXT } else { BYTES });
    if !is_text {
        let cached = if *public { FOR_ALL } else { FOR_ONE };
        response.headers_mut().insert(header::CACHE_CONTROL, cached);
    }
    Ok(response)
}

impl ServedLog {
    fn admit(&self, parts: &Parts, headers: &HeaderMap) -> Result<(), Problem> {
        if !self.public {
            auth::token(parts, headers, &READERS)?;
        }
        Ok(())
    }
}

impl File {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "checkpoint" => return Some(Self::Checkpoint),
            "first-checkpoint" => return Some(Self::FirstCheckpoint),
            "vkey" => return Some(Self::Key),
            _ => (),
        }
        if let Some(seq) = name.strip_prefix("proof/") {
            return parse_decimal(seq).map(Self::Proof);
        }
        let bundle = |(index, width)| Self::Bundle(TilePlace { level: 0, index, width });
        parse_bundle_path(name).map(bundle).or_else(|| TilePlace::parse(name).map(Self::Tile))
    }

    async fn read(self, log: &SignedLog, epoch: u64) -> Result<Option<Vec<u8>>, ReadLogError> {
        let text = match self {
            Self::Tile(place) => return log.tile(epoch, place).await,
            Self::Bundle(it) => return log.bundle(epoch, it.index, it.width).await,
            Self::Checkpoint => log.checkpoint_of(epoch).await?,
            Self::FirstCheckpoint => log.first_checkpoint_of(epoch).await?,
            Self::Key => log.key_of(epoch).await?.map(|it| format!("{it}\n")),
            Self::Proof(seq) => log.receipt_of(epoch, seq).await?.map(|it| it.to_string()),
        };
        Ok(text.map(String::into_bytes))
    }

    /// Why the epoch has no such file.
    fn missing(self, EpochExtent { origin, size, .. }: &EpochExtent) -> Problem {
        let detail = match self {
            Self::Bundle(place) if place.is_within(*size) => {
                "these entries were pruned; the tree over them is whole".to_owned()
            }
            Self::Checkpoint | Self::Key => format!("nothing is left of `{origin}`"),
            Self::FirstCheckpoint => format!("`{origin}` was not handed over: it is the first"),
            _ => format!("`{origin}` has {size} records, and this is beyond them"),
        };
        Problem::new(Code::NotFound, detail)
    }
}

/// What follows the epoch's origin in `path`.
fn below<'p>(epoch: &EpochExtent, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(epoch.origin.as_str())?.strip_prefix('/')
}

fn no_epoch() -> Problem {
    let detail = "no epoch of the signed log has this origin; it is `/log/<origin>/<file>`, and \
                  `/log` lists the origins";
    Problem::new(Code::NotFound, detail)
}

fn no_file() -> Problem {
    let detail = "an epoch has `checkpoint`, `vkey`, `first-checkpoint`, `tile/<L>/<N>[.p/<W>]`, \
                  `tile/entries/<N>[.p/<W>]` and `proof/<seq>`";
    Problem::new(Code::NotFound, detail)
}

impl From<ReadLogError> for Problem {
    fn from(error: ReadLogError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the signed log cannot be read");
        Self::new(Code::Unavailable, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_and_no_other() {
        let place = |level, index, width| TilePlace { level, index, width };
        for (name, file) in [
            ("checkpoint", File::Checkpoint),
            ("vkey", File::Key),
            ("first-checkpoint", File::FirstCheckpoint),
            ("tile/0/000", File::Tile(place(0, 0, 256))),
            ("tile/2/x001/234.p/7", File::Tile(place(2, 1234, 7))),
            ("tile/entries/x001/234.p/7", File::Bundle(place(0, 1234, 7))),
            ("proof/1", File::Proof(1)),
        ] {
            assert_eq!(File::parse(name), Some(file));
        }
        for name in [
            "",
            "/checkpoint",
            "checkpoint/",
            "Checkpoint",
            "tile/0/0",
            "tile/0/../0/000",
            "tile/00/000",
            "tile/entries/000.p/256",
            "proof/",
            "proof/01",
            "proof/+1",
            "proof/-1",
            "proof/18446744073709551616",
            "payload/000",
        ] {
            assert_eq!(File::parse(name), None, "{name}");
        }
    }

    #[test]
    fn what_is_missing_says_whether_it_was_pruned_or_never_was() {
        let epoch = EpochExtent { epoch: 1, origin: "a.example/gov/e1".to_owned(), size: 300 };
        let bundle = |index, width| File::Bundle(TilePlace { level: 0, index, width });
        let beyond = "`a.example/gov/e1` has 300 records, and this is beyond them";
        for (file, detail) in [
            (bundle(0, 256), "these entries were pruned; the tree over them is whole"),
            (bundle(1, 44), "these entries were pruned; the tree over them is whole"),
            (bundle(1, 45), beyond),
            (File::Tile(TilePlace { level: 0, index: 1, width: 45 }), beyond),
            (File::Proof(301), beyond),
            (File::Checkpoint, "nothing is left of `a.example/gov/e1`"),
        ] {
            assert_eq!(file.missing(&epoch), Problem::new(Code::NotFound, detail), "{file:?}");
        }
    }

    #[test]
    fn an_epoch_is_not_taken_for_another_whose_name_it_begins() {
        let epoch = EpochExtent { epoch: 1, origin: "a.example/gov/e1".to_owned(), size: 0 };
        assert_eq!(below(&epoch, "a.example/gov/e1/vkey"), Some("vkey"));
        for path in ["a.example/gov/e12/vkey", "a.example/gov/e1", "b/a.example/gov/e1/vkey", ""] {
            assert_eq!(below(&epoch, path), None, "{path}");
        }
    }
}
