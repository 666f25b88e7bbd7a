//! Where a tile of the tree lies: coordinates, widths and paths (C2SP tlog-tiles).

use super::{HASH_BYTES, Hash, checkpoint::parse_decimal};

/// How many levels of the tree one tile spans.
pub const TILE_HEIGHT: u32 = 8;

/// How many hashes a full tile has.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

/// The highest level that a path may name; no tree has so many.
pub const MAX_LEVEL: u8 = 63;

/// A tile that is full, and so never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullTile {
    /// 0 holds leaf hashes, level `n` the roots of level `n - 1`'s tiles.
    pub level: u8,
    /// Which one of its level, from 0.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Hash>,
}

/// One tile's place, full or partial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePlace {
    /// 0 holds leaf hashes.
    pub level: u8,
    /// Which one of its level, from 0.
    pub index: u64,
    /// How many hashes, 1 to 256.
    pub width: u16,
}

impl TilePlace {
    /// Its path below the log's directory: `tile/<level>/x001/234.p/5`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, index_path(self.index, self.width))
    }

    /// Reads a path as [`TilePlace::path`] writes it; `None` for every other spelling.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, place) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = parse_decimal(level).and_then(|it| u8::try_from(it).ok())?;
        let (index, width) = parse_index_path(place).filter(|_| level <= MAX_LEVEL)?;
        Some(Self { level, index, width })
    }

    /// Whether a tree of `size` leaves has so many hashes there.
    #[must_use]
    pub fn is_within(&self, size: u64) -> bool {
        let hashes = size.checked_shr(TILE_HEIGHT * u32::from(self.level)).unwrap_or(0);
        let first = self.index.checked_mul(u64::from(TILE_WIDTH));
        let end = first.and_then(|it| it.checked_add(u64::from(self.width)));
        (1..=TILE_WIDTH).contains(&self.width) && end.is_some_and(|end| end <= hashes)
    }
}

/// How many hashes the partial tile of `level` has in a tree of `size` leaves; 0 to 255.
#[must_use]
pub fn width_at(level: u8, size: u64) -> u16 {
    let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).unwrap_or(0);
    u16::try_from(hashes % u64::from(TILE_WIDTH)).unwrap_or_default()
}

/// Every tile of a tree of `size` leaves, level by level, in order.
pub fn tiles_of(size: u64) -> impl Iterator<Item = TilePlace> {
    let levels = (0..8_u8).take_while(move |level| size >> (TILE_HEIGHT * u32::from(*level)) > 0);
    levels.flat_map(move |level| {
        let full = size.checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
        let partial = width_at(level, size);
        let full_tiles = (0..full).map(move |index| TilePlace { level, index, width: TILE_WIDTH });
        let rest = (partial > 0).then_some(TilePlace { level, index: full, width: partial });
        full_tiles.chain(rest)
    })
}

/// Every bundle of entries of a log of `size`, as `(index, width)`, in order.
pub fn bundles_of(size: u64) -> impl Iterator<Item = (u64, u16)> {
    tiles_of(size).take_while(|tile| tile.level == 0).map(|tile| (tile.index, tile.width))
}

/// The last parts of a path: three digits a group, all but the last marked `x`, and `.p/<width>`
/// for what is not full.
#[must_use]
pub fn index_path(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if width < TILE_WIDTH {
        path = format!("{path}.p/{width}");
    }
    path
}

/// Reads the last parts of a path as [`index_path`] writes them, as `(index, width)`; `None` for
/// every other spelling.
#[must_use]
pub fn parse_index_path(path: &str) -> Option<(u64, u16)> {
    let (groups, width) = match path.split_once(".p/") {
        Some((groups, width)) => (groups, u16::try_from(parse_decimal(width)?).ok()?),
        None => (path, TILE_WIDTH),
    };
    let index = groups.split('/').try_fold(0_u64, |index, group| {
        let digits = group.strip_prefix('x').unwrap_or(group);
        let is_group = digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit());
        let number: u64 = digits.parse().ok().filter(|_| is_group)?;
        index.checked_mul(1000)?.checked_add(number)
    })?;
    // One place has one path: what is not written back the same is none.
    let is_ours = width > 0 && index_path(index, width) == path;
    is_ours.then_some((index, width))
}

/// A bundle's path below the log's directory: `tile/entries/x001/234.p/5`.
#[must_use]
pub fn bundle_path(index: u64, width: u16) -> String {
    format!("tile/entries/{}", index_path(index, width))
}

/// Reads a path as [`bundle_path`] writes it, as `(index, width)`; `None` for every other spelling.
#[must_use]
pub fn parse_bundle_path(path: &str) -> Option<(u64, u16)> {
    parse_index_path(path.strip_prefix("tile/entries/")?)
}

/// A tile's file: its hashes, one behind the other.
#[must_use]
pub fn encode(hashes: &[Hash]) -> Vec<u8> {
    hashes.as_flattened().to_vec()
}

/// Reads a tile's file; `None` unless it is whole hashes.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    rest.is_empty().then(|| hashes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_the_ones_of_the_specification() {
        for (index, width, path) in [
            (0, 256, "000"),
            (999, 256, "999"),
            (1000, 256, "x001/000"),
            (1_234_067, 256, "x001/x234/067"),
            (1_234_067, 255, "x001/x234/067.p/255"),
            (7, 1, "007.p/1"),
        ] {
            assert_eq!(index_path(index, width), path);
        }
        assert_eq!(TilePlace { level: 2, index: 5, width: 8 }.path(), "tile/2/005.p/8");
    }

    #[test]
    fn a_path_is_read_as_it_is_written_and_in_no_other_spelling() {
        for index in [0, 7, 999, 1000, 1_234_067, u64::MAX] {
            for width in [1, 255, 256] {
                let place = TilePlace { level: 63, index, width };
                assert_eq!(TilePlace::parse(&place.path()), Some(place));
                let path = bundle_path(index, width);
                assert_eq!(parse_bundle_path(&path), Some((index, width)), "{path}");
            }
        }
        for place in [
            "",
            "0",
            "00",
            "0000",
            "x000",
            "x000/001",
            "001/000",
            "x001/x000",
            "x001/00",
            "001/",
            "/001",
            "+01",
            "x+01/000",
            "001.p/0",
            "001.p/256",
            "001.p/01",
            "001.p/",
            "001.p/+1",
            "001.p/1.p/1",
            "001.p/65537",
            "x001.p/1/000",
            "X001/000",
            "001 ",
            "٠٠١",
            "x018/x446/x744/x073/x709/x551/616",
        ] {
            assert_eq!(TilePlace::parse(&format!("tile/0/{place}")), None, "{place}");
            assert_eq!(parse_bundle_path(&format!("tile/entries/{place}")), None, "{place}");
        }
        for path in ["tile/64/000", "tile/00/000", "tile/-1/000", "tile/000", "/tile/0/000"] {
            assert_eq!(TilePlace::parse(path), None, "{path}");
        }
        assert_eq!(TilePlace::parse("tile/entries/000"), None);
        assert_eq!(parse_bundle_path("tile/0/000"), None);
    }

    #[test]
    fn the_places_within_a_tree_are_its_tiles_and_what_they_began_as() {
        for size in [0, 1, 255, 256, 257, 70_000] {
            for place in tiles_of(size) {
                assert!(place.is_within(size), "{place:?}");
                let hashes = place.index * 256 + u64::from(place.width);
                let grown = hashes << (8 * place.level);
                assert!(place.is_within(grown) && !place.is_within(grown - 1), "{place:?}");
                let before = |width| TilePlace { width, ..place }.is_within(size);
                assert!((1..place.width).all(before), "{place:?}");
            }
        }
        let place = |level, index, width| TilePlace { level, index, width };
        for (it, size) in [
            (place(0, 0, 0), 1),
            (place(0, 0, 257), 600),
            (place(0, u64::MAX, 256), u64::MAX),
            (place(8, 0, 1), u64::MAX),
            (place(u8::MAX, 0, 1), u64::MAX),
        ] {
            assert!(!it.is_within(size), "{it:?}");
        }
    }

    #[test]
    fn a_tree_has_the_tiles_of_the_specifications_example() {
        // "a tree of size 70,000": 273 full tiles and one of 112, then 1 full and 17, then 1.
        let tiles: Vec<_> = tiles_of(70_000).collect();
        let level = |level| tiles.iter().filter(move |it| it.level == level).collect::<Vec<_>>();
        assert_eq!((level(0).len(), level(1).len(), level(2).len()), (274, 2, 1));
        assert_eq!(*level(0)[273], TilePlace { level: 0, index: 273, width: 112 });
        assert_eq!(*level(1)[1], TilePlace { level: 1, index: 1, width: 17 });
        assert_eq!(*level(2)[0], TilePlace { level: 2, index: 0, width: 1 });
        assert_eq!(tiles.len(), 277);
        assert_eq!(tiles_of(0).count(), 0);
        assert_eq!(bundles_of(257).collect::<Vec<_>>(), [(0, 256), (1, 1)]);
    }

    #[test]
    fn a_tile_of_half_hashes_is_refused() {
        assert_eq!(decode(&encode(&[[1; 32], [2; 32]])), Some(vec![[1; 32], [2; 32]]));
        assert_eq!(decode(&[0; 33]), None);
        assert_eq!(decode(&[]), Some(vec![]));
    }
}
