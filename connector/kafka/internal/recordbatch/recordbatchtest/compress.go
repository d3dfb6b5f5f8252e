package recordbatchtest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/weirstream/weir/connector/kafka/internal/recordbatch"
)

// A Frame is how a client wraps what a codec makes. A codec that does not know the frame asked for
// writes its plain one.
type Frame int

// The frames.
const (
	// Plain is what franz-go and librdkafka write: a snappy block, lz4 with blocks of 4 MiB and no
	// size, zstd with its size.
	Plain Frame = iota
	// Java is what the Java client writes: snappy in the frame of its library with blocks of 32 KiB,
	// lz4 in blocks of 64 KiB, zstd without its size.
	Java
	// Sized is lz4 with the content's size in the header and a checksum after each block.
	Sized
	// Old is lz4 of Java clients before 0.10, the header's checksum wrong (KAFKA-3160).
	Old
	// Linked is lz4 whose blocks refer to the ones before, as Python's lz4 writes it.
	Linked
	// Twice is two frames or members, one after the other, for gzip, lz4 and zstd.
	Twice
)

// Frames are those that a codec knows.
func Frames(c recordbatch.Codec) []Frame {
	switch c {
	case recordbatch.Gzip:
		return []Frame{Plain, Twice}
	case recordbatch.Snappy:
		return []Frame{Plain, Java}
	case recordbatch.LZ4:
		return []Frame{Plain, Java, Sized, Old, Linked, Twice}
	case recordbatch.Zstd:
		return []Frame{Plain, Java, Twice}
	}
	return []Frame{Plain}
}

// Compress compresses data.
func Compress(c recordbatch.Codec, f Frame, data []byte) ([]byte, error) {
	if f == Twice && c != recordbatch.Snappy && c != recordbatch.None {
		first, err := Compress(c, Plain, data[:len(data)/3])
		if err != nil {
			return nil, err
		}
		second, err := Compress(c, Plain, data[len(data)/3:])
		return append(first, second...), err
	}
	var out bytes.Buffer
	switch c {
	case recordbatch.None:
		return data, nil
	case recordbatch.Gzip:
		return drain(&out, gzip.NewWriter(&out), data)
	case recordbatch.Snappy:
		if f == Java {
			return snappyJava(data), nil
		}
		return snappy.Encode(nil, data), nil
	case recordbatch.LZ4:
		return lz4Frame(f, data)
	case recordbatch.Zstd:
		w, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil, err
		}
		if f != Java {
			defer w.Close()
			return w.EncodeAll(data, nil), nil
		}
		// A flush before the end hides the size from the encoder, as streaming does.
		if _, err := w.Write(data[:len(data)/2]); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		return drain(&out, w, data[len(data)/2:])
	}
	return nil, fmt.Errorf("no codec %d", c)
}

// drain writes data to w, closes it and gives what it wrote to out.
func drain(out *bytes.Buffer, w io.WriteCloser, data []byte) ([]byte, error) {
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func snappyJava(data []byte) []byte {
	out := []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01")
	for len(data) > 0 {
		n := min(len(data), 32<<10)
		block := snappy.Encode(nil, data[:n])
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(block))), block...)
		data = data[n:]
	}
	return out
}

func lz4Frame(f Frame, data []byte) ([]byte, error) {
	if f == Linked {
		return lz4Linked(data), nil
	}
	var out bytes.Buffer
	w := lz4.NewWriter(&out)
	options := []lz4.Option{lz4.ConcurrencyOption(1)}
	switch f {
	case Java, Old:
		options = append(options, lz4.BlockSizeOption(lz4.Block64Kb), lz4.ChecksumOption(false))
	case Sized:
		options = append(options, lz4.SizeOption(uint64(len(data))), lz4.BlockChecksumOption(true))
	}
	if err := w.Apply(options...); err != nil {
		return nil, err
	}
	b, err := drain(&out, w, data)
	if err == nil && f == Old {
		// The header is 60 40 and its checksum 82; old clients hashed the magic too and wrote 1a.
		if b[4] != 0x60 || b[5] != 0x40 || b[6] != 0x82 {
			return nil, fmt.Errorf("the lz4 header is % x, want 60 40 82", b[4:7])
		}
		b[6] = 0x1a
	}
	return b, err
}

// lz4Linked writes a frame of dependent blocks of at most 64 KiB. The matcher is the plainest that can
// be: the last place with the same hash of four bytes, wherever in the window it is.
func lz4Linked(data []byte) []byte {
	out := []byte{0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0xc0}
	seen := make([]int, 1<<14) // positions plus one, by a hash of four bytes
	for start := 0; start < len(data); {
		end := min(start+64<<10, len(data))
		block := lz4Block(data, start, end, seen)
		word := uint32(len(block))
		if len(block) >= end-start {
			block, word = data[start:end], uint32(end-start)|1<<31 // stored as it is
		}
		out = append(binary.LittleEndian.AppendUint32(out, word), block...)
		start = end
	}
	return append(out, 0, 0, 0, 0)
}

// lz4Block compresses data[start:end] with all before it as a dictionary. The format wants the last 5
// bytes to be literals and the last match to begin 12 bytes before the end.
func lz4Block(data []byte, start, end int, seen []int) []byte {
	var out []byte
	literals := start
	for i := start; i < end-12; {
		word := binary.LittleEndian.Uint32(data[i:])
		slot := word * 2654435761 >> 18
		at := seen[slot] - 1
		seen[slot] = i + 1
		if at < 0 || i-at > 0xffff || binary.LittleEndian.Uint32(data[at:]) != word {
			i++
			continue
		}
		n := 4
		for i+n < end-5 && data[at+n] == data[i+n] {
			n++
		}
		out = lz4Sequence(out, data[literals:i], n-4)
		out = binary.LittleEndian.AppendUint16(out, uint16(i-at))
		out = lz4Length(out, n-4)
		i += n
		literals = i
	}
	return lz4Sequence(out, data[literals:end], 0)
}

// lz4Sequence writes the token and the literals of a sequence.
func lz4Sequence(out, literals []byte, match int) []byte {
	out = append(out, byte(min(len(literals), 15)<<4|min(match, 15)))
	return append(lz4Length(out, len(literals)), literals...)
}

// lz4Length writes what a token has no room for.
func lz4Length(out []byte, n int) []byte {
	if n < 15 {
		return out
	}
	for n -= 15; n >= 255; n -= 255 {
		out = append(out, 255)
	}
	return append(out, byte(n))
}
