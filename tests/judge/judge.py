"""Judges an exported log with the Python package `metamorphic-log`, which shares no code with gov.

    python judge.py EXPORT_DIR [--pruned-below N] [--grown-from CHECKPOINT]... [--receipts DIR]

Signatures and proofs are judged by the package. This file only finds the tiles of C2SP tlog-tiles,
splits entry bundles, makes the hashes of RFC 6962 and reads `tlog-proof@v1` files. Every entry is
hashed and compared with its tile, and every tile with those below it; then the package is given
the checkpoint, inclusion proofs of records all over the log, and a consistency proof from each
checkpoint that was kept. Bundles that lie below N may be missing. Prints "N records ok" and exits
0, or says what is wrong first and exits 1.
"""

import argparse
import base64
import hashlib
import pathlib
import sys

import metamorphic_log as judge

WIDTH = 256
# Every so many records one is proven, besides those around each power of two.
SPREAD = 997


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def complete_root(hashes):
    """The root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def split(count):
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def fail(why):
    sys.exit(f"judge: {why}")


class Log:
    """The log's files, and the hashes in its tiles."""

    def __init__(self, folder, pruned_below):
        self.folder = folder
        self.pruned_below = pruned_below
        self.vkey = (folder / "vkey").read_text().rstrip("\n")
        self.note = (folder / "checkpoint").read_text()
        head = judge.checkpoint_verify(self.note, [self.vkey])
        if head.origin != self.vkey.split("+")[0] or head.extensions:
            fail("checkpoint: not origin, size, root")
        self.size = head.size
        # The same subtrees stand in many proofs.
        self.roots = {}
        self.leaves = self.tile_level(0)
        self.check_upper_tiles()

    def file(self, kind, index, width):
        groups = [f"{index % 1000:03}"]
        while index >= 1000:
            index //= 1000
            groups.insert(0, f"x{index % 1000:03}")
        path = self.folder / "tile" / kind / "/".join(groups)
        return path if width == WIDTH else path.with_name(f"{path.name}.p") / str(width)

    def files(self, kind, count):
        """Path, first index and width of the files that hold so many items."""
        for first in range(0, count, WIDTH):
            width = min(WIDTH, count - first)
            yield self.file(kind, first // WIDTH, width), first, width

    def tile_level(self, level):
        hashes = []
        for path, _, width in self.files(str(level), self.size // WIDTH**level):
            tile = path.read_bytes()
            if len(tile) != 32 * width:
                fail(f"{path}: {len(tile)} bytes for {width} hashes")
            hashes.extend(tile[at : at + 32] for at in range(0, len(tile), 32))
        return hashes

    def check_upper_tiles(self):
        below, level = self.leaves, 1
        while len(below) >= WIDTH:
            full = range(0, len(below) - WIDTH + 1, WIDTH)
            wanted = [complete_root(below[at : at + WIDTH]) for at in full]
            if self.tile_level(level) != wanted:
                fail(f"tile/{level}: its hashes are not those of the tiles below")
            below, level = wanted, level + 1

    def check_entries(self):
        """Compares the entries with their hashes; how many there were."""
        compared = 0
        for path, first, width in self.files("entries", self.size):
            if first + width <= self.pruned_below and not path.exists():
                continue
            rest, entries = path.read_bytes(), []
            while rest:
                length = int.from_bytes(rest[:2], "big")
                entries.append(rest[2 : 2 + length])
                rest = rest[2 + length :]
            if [leaf_hash(entry) for entry in entries] != self.leaves[first : first + width]:
                fail(f"{path}: its entries are not those of the tree")
            compared += width
        return compared

    def root(self, start, end):
        """RFC 6962 section 2.1, over the leaves from `start` to before `end`."""
        if end - start == 1:
            return self.leaves[start]
        if (start, end) not in self.roots:
            middle = start + split(end - start)
            both = self.root(start, middle), self.root(middle, end)
            self.roots[start, end] = node_hash(*both)
        return self.roots[start, end]

    def inclusion(self, index, start, end):
        """RFC 6962 section 2.1.1."""
        if end - start == 1:
            return []
        middle = start + split(end - start)
        if index < middle:
            return self.inclusion(index, start, middle) + [self.root(middle, end)]
        return self.inclusion(index, middle, end) + [self.root(start, middle)]

    def consistency(self, size, start, end):
        """RFC 6962 section 2.1.2."""
        if size == end:
            return [] if start == 0 else [self.root(start, end)]
        middle = start + split(end - start)
        if size <= middle:
            return self.consistency(size, start, middle) + [self.root(middle, end)]
        return self.consistency(size, middle, end) + [self.root(start, middle)]

    def check_inclusion(self):
        """Has records all over the log proven; how many."""
        around = {at + by for at in (2**n for n in range(40)) for by in (-1, 0, 1)}
        picked = {at for at in around | {self.size - 1} if 0 <= at < self.size}
        picked |= set(range(0, self.size, SPREAD))
        for at in sorted(picked):
            proof = self.inclusion(at, 0, self.size)
            judge.checkpoint_verify_inclusion(self.note, [self.vkey], at, self.leaves[at], proof)
        return len(picked)

    def check_growth(self, older):
        head = judge.checkpoint_verify(older, [self.vkey])
        proof = self.consistency(head.size, 0, self.size)
        judge.checkpoint_verify_consistency(older, self.note, [self.vkey], proof)

    def check_receipt(self, path):
        head, note = path.read_text().split("\n\n", 1)
        header, index, *proof = head.split("\n")
        if header != "c2sp.org/tlog-proof@v1" or not index.startswith("index "):
            fail(f"{path}: no receipt")
        index, proof = int(index[6:]), [base64.b64decode(it, validate=True) for it in proof]
        leaf = self.leaves[index]
        judge.checkpoint_verify_inclusion(note, [self.vkey], index, leaf, proof)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("export", type=pathlib.Path)
    parser.add_argument("--pruned-below", type=int, default=0)
    parser.add_argument("--grown-from", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--receipts", type=pathlib.Path)
    options = parser.parse_args()
    try:
        log = Log(options.export, options.pruned_below)
        compared = log.check_entries()
        proven = log.check_inclusion()
        for older in options.grown_from:
            log.check_growth(older.read_text())
        receipts = sorted(options.receipts.iterdir()) if options.receipts else []
        for receipt in receipts:
            log.check_receipt(receipt)
    except (OSError, ValueError, LookupError, judge.VerifyError) as error:
        fail(repr(error))
    print(
        f"{log.size} records ok: {compared} entries hashed, {proven} records proven, "
        f"{len(receipts)} receipts, {len(options.grown_from)} older checkpoints"
    )


main()
