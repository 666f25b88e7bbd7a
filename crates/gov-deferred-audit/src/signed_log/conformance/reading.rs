//! What outsiders read, on every database.

use super::{Deployment, append};
use crate::{
    SignedLog,
    tlog::{
        bundle,
        checkpoint::Checkpoint,
        edge::Edge,
        leaf_hash,
        tile::{FullTile, TilePlace, bundles_of, tiles_of},
    },
};

/// From what is served alone, at the ends of tiles and in between.
pub async fn outsiders_rebuild_the_tree_from_tiles_and_bundles(it: &dyn Deployment) {
    let log = it.open().await;
    for count in [1, 254, 1, 1, 300] {
        append(&log, &it.records(count)).await;
        assert_eq!(rebuilt(&log, 1).await, log.committed().borrow().size);
    }
}

/// Of the last tile, of the next, of an epoch that is none.
pub async fn what_is_beyond_the_end_is_no_tile_bundle_or_receipt(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(300)).await;
    for (level, index, width) in
        [(0, 1, 45), (0, 2, 1), (0, 1, 256), (0, 0, 0), (1, 0, 2), (2, 0, 1), (63, u64::MAX, 256)]
    {
        let place = TilePlace { level, index, width };
        assert_eq!(log.tile(1, place).await.unwrap(), None, "{place:?}");
        if level == 0 {
            assert_eq!(log.bundle(1, index, width).await.unwrap(), None, "{place:?}");
        }
    }
    for epoch in [0, 2, u64::MAX] {
        let place = TilePlace { level: 0, index: 0, width: 1 };
        assert_eq!(log.key_of(epoch).await.unwrap(), None);
        assert_eq!(log.checkpoint_of(epoch).await.unwrap(), None);
        assert_eq!(log.tile(epoch, place).await.unwrap(), None);
        assert_eq!(log.bundle(epoch, 0, 1).await.unwrap(), None);
        assert_eq!(log.receipt_of(epoch, 1).await.unwrap(), None);
    }
    assert_eq!(log.receipt_of(1, 301).await.unwrap(), None);
    assert_eq!(log.receipt_of(1, 0).await.unwrap(), None);
}

/// The entries go; the tree, its proofs and what is behind them stay.
pub async fn a_pruned_bundle_is_none_and_its_tiles_and_receipts_stay(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(600)).await;
    let entry = log.records_after(0, 1).await.unwrap().remove(0).entry;
    log.prune(&[(1, 256)].into(), "ops", "they are old").await.unwrap();
    for width in [1, 256] {
        assert_eq!(log.bundle(1, 0, width).await.unwrap(), None);
        let place = TilePlace { level: 0, index: 0, width };
        let tile = log.tile(1, place).await.unwrap().unwrap();
        assert_eq!(tile.len(), 32 * usize::from(width));
        assert!(tile.starts_with(&leaf_hash(&entry)));
    }
    let kept = log.bundle(1, 1, 256).await.unwrap().unwrap();
    assert_eq!(bundle::split(&kept).unwrap().len(), 256);
    let receipt = log.receipt_of(1, 1).await.unwrap().unwrap();
    assert_eq!(receipt.verify(&entry, &[log.key().clone()]).unwrap().size, 601);
}

/// How many records an epoch has, once its bundles are found to make its tiles and signed root, and
/// its receipts to prove its first and last record.
pub async fn rebuilt(log: &SignedLog, epoch: u64) -> u64 {
    let key = log.key_of(epoch).await.unwrap().unwrap();
    let note = log.checkpoint_of(epoch).await.unwrap().unwrap();
    let signed = Checkpoint::open(note.as_bytes(), std::slice::from_ref(&key)).unwrap();
    let (mut edge, mut full) = (Edge::default(), Vec::new());
    for (index, width) in bundles_of(signed.size) {
        let file = log.bundle(epoch, index, width).await.unwrap().unwrap();
        let entries = bundle::split(&file).unwrap();
        assert_eq!(entries.len(), usize::from(width));
        for entry in entries {
            edge.push(leaf_hash(entry), &mut |it| full.push(it));
            if [1, signed.size].contains(&edge.size()) {
                let receipt = log.receipt_of(epoch, edge.size()).await.unwrap().unwrap();
                assert_eq!(receipt.verify(entry, std::slice::from_ref(&key)).unwrap(), signed);
            }
        }
        // What it began as can still be had.
        let first = log.bundle(epoch, index, 1).await.unwrap().unwrap();
        assert!(file.starts_with(&first) && bundle::split(&first).unwrap().len() == 1);
    }
    assert_eq!((edge.size(), edge.root()), (signed.size, signed.root));
    for place in tiles_of(signed.size) {
        let file = log.tile(epoch, place).await.unwrap().unwrap();
        let same = |it: &&FullTile| (it.level, it.index) == (place.level, place.index);
        match full.iter().find(same) {
            Some(tile) => assert_eq!(file, tile.hashes.as_flattened()),
            None => assert_eq!(file, edge.partial_tile(place.level).as_flattened()),
        }
        let one = log.tile(epoch, TilePlace { width: 1, ..place }).await.unwrap().unwrap();
        assert_eq!(one, file[..32]);
    }
    signed.size
}
