// Judges an exported log with Go's own sumdb packages: an outside tool, sharing no code with gov.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go [-pruned-below N] EXPORT_DIR [VKEY]
//
// Signatures and tree hashes are golang.org/x/mod's. This file only maps the tile paths of C2SP
// tlog-tiles to Go's, splits entry bundles, and reads the checkpoint's body, which Go's own reader
// would want to begin with go.sum's origin. Bundles that lie below index N may be missing; their
// leaf hashes are proven from the tiles all the same. Prints "N records ok"
// and exits 0, or says what is wrong first and exits 1.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8
const width = 1 << height

func main() {
	prunedBelow := flag.Int64("pruned-below", 0, "the index below which bundles may be missing")
	flag.Parse()
	if flag.NArg() < 1 || flag.NArg() > 2 {
		fail(fmt.Errorf("usage: judge [-pruned-below N] EXPORT_DIR [VKEY]"))
	}
	records, pruned, err := judge(flag.Arg(0), flag.Args()[1:], *prunedBelow)
	if err != nil {
		fail(err)
	}
	fmt.Printf("%d records ok", records)
	if pruned > 0 {
		fmt.Printf(", the entries of %d are pruned", pruned)
	}
	fmt.Println()
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "judge:", err)
	os.Exit(1)
}

func judge(dir string, trusted []string, prunedBelow int64) (records, pruned int64, err error) {
	tree, err := readCheckpoint(dir, trusted)
	if err != nil {
		return 0, 0, err
	}
	// The tree is rebuilt from its leaves. x/mod 0.7.0's TileHashReader would do with fewer tiles, and
	// leaves some of them unproven where subtrees of the whole share a tile.
	var rebuilt storedHashes
	for first := int64(0); first < tree.N; first += width {
		count := tree.N - first
		if count > width {
			count = width
		}
		leaves, err := readTile(dir, tlog.Tile{H: height, L: 0, N: first / width, W: int(count)})
		if err != nil {
			return 0, 0, err
		}
		entries, err := readBundle(dir, first/width, int(count))
		isPruned := errors.Is(err, fs.ErrNotExist) && first+count <= prunedBelow
		if err != nil && !isPruned {
			return 0, 0, err
		}
		if isPruned {
			pruned += count
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != leaves[i] {
				return 0, 0, fmt.Errorf("record %d: the tree holds another hash", first+int64(i))
			}
		}
		for i, leaf := range leaves {
			made, err := tlog.StoredHashesForRecordHash(first+int64(i), leaf, rebuilt)
			if err != nil {
				return 0, 0, err
			}
			rebuilt = append(rebuilt, made...)
		}
	}
	root, err := tlog.TreeHash(tree.N, rebuilt)
	if err != nil {
		return 0, 0, err
	}
	if root != tree.Hash {
		return 0, 0, fmt.Errorf("the leaves do not make the signed root")
	}
	return tree.N, pruned, compareUpperTiles(dir, tree.N, rebuilt)
}

// storedHashes are a tree's hashes in Go's order.
type storedHashes []tlog.Hash

func (stored storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(stored)) {
			return nil, fmt.Errorf("hash %d is not in the tree", index)
		}
		hashes[i] = stored[index]
	}
	return hashes, nil
}

// compareUpperTiles compares the tiles above the leaves with those of the rebuilt tree.
func compareUpperTiles(dir string, size int64, rebuilt storedHashes) error {
	for level, hashes := 1, size>>height; hashes > 0; level, hashes = level+1, hashes>>height {
		for first := int64(0); first < hashes; first += width {
			tile := tlog.Tile{H: height, L: level, N: first / width, W: width}
			if hashes-first < width {
				tile.W = int(hashes - first)
			}
			wanted, err := tlog.ReadTileData(tile, rebuilt)
			if err != nil {
				return err
			}
			found, err := readTile(dir, tile)
			if err != nil {
				return err
			}
			for i, hash := range found {
				if !bytes.Equal(hash[:], wanted[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
					return fmt.Errorf("%s: hash %d is not that of the tiles below", tilePath(tile), i)
				}
			}
		}
	}
	return nil
}

func readCheckpoint(dir string, trusted []string) (tlog.Tree, error) {
	vkey, err := os.ReadFile(filepath.Join(dir, "vkey"))
	if err != nil {
		return tlog.Tree{}, err
	}
	key := strings.TrimSuffix(string(vkey), "\n")
	if len(trusted) == 1 && trusted[0] != key {
		return tlog.Tree{}, fmt.Errorf("vkey: not the trusted key")
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("vkey: %w", err)
	}
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("checkpoint: not origin, size, root")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return tlog.Tree{}, fmt.Errorf("checkpoint: bad size %q", lines[1])
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tlog.Tree{}, fmt.Errorf("checkpoint: bad root %q", lines[2])
	}
	tree := tlog.Tree{N: size}
	copy(tree.Hash[:], root)
	return tree, nil
}

// tilePath is tlog-tiles' tile/L/NNN where Go says tile/8/L/NNN.
func tilePath(tile tlog.Tile) string {
	return strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
}

func readTile(dir string, tile tlog.Tile) ([]tlog.Hash, error) {
	data, err := os.ReadFile(filepath.Join(dir, tilePath(tile)))
	if err != nil {
		return nil, err
	}
	if len(data) != tile.W*tlog.HashSize {
		return nil, fmt.Errorf("%s: %d bytes for %d hashes", tilePath(tile), len(data), tile.W)
	}
	hashes := make([]tlog.Hash, tile.W)
	for i := range hashes {
		copy(hashes[i][:], data[i*tlog.HashSize:])
	}
	return hashes, nil
}

// readBundle splits tile/entries/NNN[.p/W]: each entry behind its length, two bytes big-endian.
func readBundle(dir string, n int64, count int) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: 0, N: n, W: count}
	path := strings.Replace(tilePath(tile), "tile/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for rest := bytes.NewBuffer(data); rest.Len() > 0; {
		if rest.Len() < 2 {
			return nil, fmt.Errorf("%s: cut off after entry %d", path, len(entries))
		}
		length := int(binary.BigEndian.Uint16(rest.Next(2)))
		entry := rest.Next(length)
		if len(entry) < length {
			return nil, fmt.Errorf("%s: cut off within entry %d", path, len(entries))
		}
		entries = append(entries, entry)
	}
	if len(entries) != count {
		return nil, fmt.Errorf("%s: %d entries where the tree has %d", path, len(entries), count)
	}
	return entries, nil
}
