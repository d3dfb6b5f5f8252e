// Package compress reads and writes compressed files, which are told by the ending of their name, as Hadoop does.
package compress

import (
	"bufio"
	"compress/bzip2"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Kind is a way to compress; "" is none.
type Kind string

// The kinds.
const (
	None    Kind = ""
	Gzip    Kind = "gzip"
	Zstd    Kind = "zstd"
	Bzip2   Kind = "bzip2"
	Deflate Kind = "deflate"
)

var kindOf = map[string]Kind{".gz": Gzip, ".zst": Zstd, ".bz2": Bzip2, ".deflate": Deflate}

// ByName gives the kind of a file. What Spark would decompress and this package cannot is an error, for its bytes taken
// as they are would be garbage.
func ByName(name string) (Kind, error) {
	switch ending := strings.ToLower(path.Ext(name)); ending {
	case ".lz4", ".snappy":
		return None, fmt.Errorf("%s: files that end in %s are in a form of Hadoop's own, which is not read here: "+
			"compress them with gzip, zstd or bzip2, or rename them if they are not compressed", name, ending)
	default:
		return kindOf[ending], nil
	}
}

// Suffix is the ending of the names of files of the kind.
func (k Kind) Suffix() string {
	for ending, kind := range kindOf {
		if kind == k {
			return ending
		}
	}
	return ""
}

// windowMax bounds how far back a zstd stream may refer, and so the memory that one takes: what the zstd command
// accepts, too.
const windowMax = 128 << 20

// NewReader gives what the bytes of r were before they were compressed. Several streams, one behind the other, are read
// as one, and no bytes at all as none. It holds no goroutine. The caller closes it, and r.
func NewReader(k Kind, r io.Reader) (io.ReadCloser, error) {
	if k == None {
		return io.NopCloser(r), nil
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if _, err := b.Peek(1); errors.Is(err, io.EOF) {
		return io.NopCloser(b), nil
	}
	switch k {
	case Gzip:
		return gzip.NewReader(b)
	case Bzip2:
		return io.NopCloser(bzip2.NewReader(b)), nil
	case Deflate:
		return zlib.NewReader(b)
	case Zstd:
		d, err := zstd.NewReader(b, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(windowMax))
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return nil, fmt.Errorf("there is no compression %q", k)
}

// CanWrite tells whether NewWriter takes the kind.
func (k Kind) CanWrite() bool { return k == None || k == Gzip || k == Zstd || k == Deflate }

// NewWriter compresses what is written to it into w. Equal data gives equal bytes. The caller closes it, and w.
func NewWriter(k Kind, w io.Writer) (io.WriteCloser, error) {
	switch k {
	case None:
		return nopCloser{w}, nil
	case Gzip:
		return gzip.NewWriter(w), nil
	case Deflate:
		return zlib.NewWriter(w), nil
	case Zstd:
		return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
	}
	return nil, fmt.Errorf("files cannot be written with the compression %q: use gzip, zstd or deflate", k)
}

type nopCloser struct{ io.Writer }

// Close implements io.Closer.
func (nopCloser) Close() error { return nil }
