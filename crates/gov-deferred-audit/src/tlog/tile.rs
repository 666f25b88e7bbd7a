//! Where a tile of the tree lies: coordinates, widths and paths (C2SP tlog-tiles).

use super::{HASH_BYTES, Hash};

/// How many levels of the tree one tile spans.
pub const TILE_HEIGHT: u32 = 8;

/// How many hashes a full tile has.
pub const TILE_WIDTH: u16 = 1 << TILE_HEIGHT;

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
