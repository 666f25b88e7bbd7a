// Judges an exported log with Go's own sumdb packages: an outside tool, sharing no code with gov.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go [-pruned-below N] EXPORT_DIR [VKEY]
//
// Signatures, tree hashes and tile authentication are golang.org/x/mod's. This file only maps the
// tile paths of C2SP tlog-tiles to Go's, splits entry bundles, and reads the checkpoint's body,
// which Go's own reader would want to begin with go.sum's origin. Bundles that lie below index N
// may be missing; their leaf hashes are proven from the tiles all the same. Prints "N records ok"
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
	// Every hash that this reader returns is proven against the checkpoint's root.
	proven := tlog.TileHashReader(tree, tiles(dir))
	for first := int64(0); first < tree.N; first += width {
		count := tree.N - first
		if count > width {
			count = width
		}
		entries, err := readBundle(dir, first/width, int(count))
		isPruned := errors.Is(err, fs.ErrNotExist) && first+count <= prunedBelow
		if err != nil && !isPruned {
			return 0, 0, err
		}
		indexes := make([]int64, count)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		hashes, err := proven.ReadHashes(indexes)
		if err != nil {
			return 0, 0, fmt.Errorf("records %d..%d: %w", first, first+count-1, err)
		}
		if isPruned {
			pruned += count
			continue
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != hashes[i] {
				return 0, 0, fmt.Errorf("record %d: the tree holds another hash", first+int64(i))
			}
		}
	}
	return tree.N, pruned, nil
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

// tiles reads tlog-tiles' tile/L/NNN where Go says tile/8/L/NNN.
type tiles string

func (tiles) Height() int { return height }

func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range wanted {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(dir), path))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes for %d hashes", path, len(data), tile.W)
		}
		read = append(read, data)
	}
	return read, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// readBundle splits tile/entries/NNN[.p/W]: each entry behind its length, two bytes big-endian.
func readBundle(dir string, n int64, count int) ([][]byte, error) {
	path := strings.Replace(tlog.Tile{H: height, L: 0, N: n, W: count}.Path(), "tile/8/0/", "tile/entries/", 1)
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
