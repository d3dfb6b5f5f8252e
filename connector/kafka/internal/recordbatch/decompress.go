package recordbatch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A Codec is how an entry is compressed, as its attributes number it.
type Codec uint8

// The codecs.
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// String is the codec's name in Kafka's compression.type.
func (c Codec) String() string {
	names := [...]string{"none", "gzip", "snappy", "lz4", "zstd"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// DefaultMaxDecompressedBytes is the default limit to what one entry may decompress to. Brokers limit
// entries by their compressed size: 1 MB by default, 12 MB in hosted Kafka, and text shrinks to a tenth.
// So 128 MiB admits what is really sent, while a forged entry cannot take all memory.
const DefaultMaxDecompressedBytes = 128 << 20

// scratchKept is the largest scratch buffer that is kept for the next entry: the largest block of lz4.
const scratchKept = 4 << 20

var (
	errUnknownCodec = errors.New("unknown codec")
	errTooLarge     = errors.New("more than the limit")
	errCut          = errors.New("the compressed bytes end too early")
)

// isTooLarge tells whether a decompressor stopped at the limit.
func isTooLarge(err error) bool {
	return errors.Is(err, errTooLarge) || errors.Is(err, zstd.ErrDecoderSizeExceeded)
}

// Decompressors holds the decoders of the codecs and lends them to iterators. It belongs to a context
// and dies with it; it has no goroutines and needs no closing. Any number of goroutines may use it: it
// makes as many decoders as are in use at one time.
type Decompressors struct {
	max int

	mu   sync.Mutex
	idle []*decompressor
}

// NewDecompressors makes a Decompressors that refuses entries of more than maxBytes when decompressed;
// 0 or less means DefaultMaxDecompressedBytes.
func NewDecompressors(maxBytes int) *Decompressors {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxDecompressedBytes
	}
	return &Decompressors{max: maxBytes}
}

// decompress gives the decompressed src in a new buffer that nothing else refers to.
func (d *Decompressors) decompress(c Codec, src []byte) ([]byte, error) {
	if c == Snappy {
		return unsnappy(src, d.max)
	}
	if c != Gzip && c != LZ4 && c != Zstd {
		return nil, errUnknownCodec
	}
	// Decoders are not for concurrent use: each call has one to itself.
	one := d.take()
	defer d.give(one)
	switch c {
	case Gzip:
		return one.gunzip(src, d.max)
	case LZ4:
		return one.unlz4(src, d.max)
	default:
		return one.unzstd(src, d.max)
	}
}

func (d *Decompressors) take() *decompressor {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.idle)
	if n == 0 {
		return new(decompressor)
	}
	one := d.idle[n-1]
	d.idle = d.idle[:n-1]
	return one
}

func (d *Decompressors) give(one *decompressor) {
	if cap(one.scratch) > scratchKept {
		one.scratch = nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.idle = append(d.idle, one)
}

// A decompressor has the decoders that one goroutine uses at a time, each made when first needed. What
// does not tell its size is decompressed into scratch, which is used again, and copied into a buffer of
// the exact size: a copy is cheaper than memory that stays half empty for as long as a record lives.
type decompressor struct {
	scratch []byte
	zstd    *zstd.Decoder
	gzip    *gzip.Reader
	source  bytes.Reader
}

// exact keeps buf for the next time and gives a copy of it.
func (d *decompressor) exact(buf []byte) []byte {
	d.scratch = buf[:0]
	out := make([]byte, len(buf)) // with the copy right after it, not cleared first
	copy(out, buf)
	return out
}

func (d *decompressor) gunzip(src []byte, limit int) ([]byte, error) {
	d.source.Reset(src)
	defer d.source.Reset(nil) // an idle decoder must not keep a fetch response alive
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	if err := d.gzip.Reset(&d.source); err != nil {
		return nil, err
	}
	buf, err := readAll(d.gzip, d.scratch[:0], limit)
	if err != nil {
		return nil, err
	}
	return d.exact(buf), nil
}

// readAll appends to buf what r has, in steps that double, up to limit bytes.
func readAll(r io.Reader, buf []byte, limit int) ([]byte, error) {
	for {
		if len(buf) == cap(buf) {
			// One byte of room above the limit tells its end from more to come.
			room := min(max(len(buf), 4<<10), limit+1-len(buf))
			buf = slices.Grow(buf, room)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return nil, errTooLarge
		}
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
