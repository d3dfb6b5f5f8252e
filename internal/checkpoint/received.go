package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/pierrec/lz4/v4"
)

// A ReceivedBlock is what a frame of received records holds: docs/FORMAT.md, "What frames hold".
type ReceivedBlock struct {
	// Count is the number of the values.
	Count int
	// Position is where the source stands behind them, nil if it has none.
	Position []byte
	// Values are their encodings, one behind the other.
	Values []byte
}

// ReceivedVersion is the version of what a frame of received records holds.
const ReceivedVersion = 1

// receivedMax bounds the values of a frame, in bytes, before compression.
const receivedMax = 1 << 30

// lz4Least is from how many bytes on values are compressed: less saves nothing that a sync would not outweigh.
const lz4Least = 512

// Append appends the frame's payload to dst.
func (r ReceivedBlock) Append(dst []byte) ([]byte, error) {
	if len(r.Values) > receivedMax-len(r.Position) {
		return dst, fmt.Errorf("%d bytes of records and position are too many to be stored at once: at most %d; "+
			"store them in several calls", len(r.Values)+len(r.Position), receivedMax)
	}
	dst = binary.AppendUvarint(dst, uint64(r.Count))
	if len(r.Position) == 0 {
		dst = append(dst, 0)
	} else {
		dst = binary.AppendUvarint(dst, uint64(len(r.Position))+1)
		dst = append(dst, r.Position...)
	}
	head := len(dst)
	dst = binary.AppendUvarint(append(dst, 0), uint64(len(r.Values)))
	if len(r.Values) < lz4Least {
		return append(dst, r.Values...), nil
	}
	at := len(dst)
	dst = append(dst, make([]byte, len(r.Values)-1)...) // What is not smaller stays as it is.
	n, err := lz4.CompressBlock(r.Values, dst[at:], nil)
	if err != nil || n == 0 {
		return append(dst[:at], r.Values...), nil
	}
	dst[head] = 1
	return dst[:at+n], nil
}

// errReceived is wrapped by the error of a payload that is none.
var errReceived = errors.New("a frame does not hold received records")

// ReceivedHead reads the count and the position of a payload, and gives what follows them.
func ReceivedHead(payload []byte) (r ReceivedBlock, rest []byte, err error) {
	count, n := binary.Uvarint(payload)
	if n <= 0 || count > receivedMax {
		return r, nil, fmt.Errorf("%w: no possible number of them", errReceived)
	}
	payload = payload[n:]
	length, n := binary.Uvarint(payload)
	if n <= 0 || length > uint64(len(payload)-n)+1 {
		return r, nil, fmt.Errorf("%w: no possible position", errReceived)
	}
	payload = payload[n:]
	r.Count = int(count)
	if length > 1 {
		r.Position = payload[: length-1 : length-1]
		payload = payload[length-1:]
	}
	return r, payload, nil
}

// DecodeReceived reads a payload; what it gives shares its memory.
func DecodeReceived(payload []byte) (ReceivedBlock, error) {
	r, rest, err := ReceivedHead(payload)
	if err != nil {
		return r, err
	}
	if len(rest) < 1 || rest[0] > 1 {
		return r, fmt.Errorf("%w: they are stored in no way that is known", errReceived)
	}
	compressed := rest[0] == 1
	size, n := binary.Uvarint(rest[1:])
	if n <= 0 || size > receivedMax {
		return r, fmt.Errorf("%w: no possible size", errReceived)
	}
	rest = rest[1+n:]
	switch {
	case !compressed && size == uint64(len(rest)):
		r.Values = rest
		return r, nil
	case !compressed || size > lz4Ratio*(uint64(len(rest))+1):
		return r, fmt.Errorf("%w: %d bytes are said to be %d", errReceived, len(rest), size)
	}
	r.Values = make([]byte, size)
	if got, err := lz4.UncompressBlock(rest, r.Values); err != nil || got != len(r.Values) {
		return r, fmt.Errorf("%w: they do not decompress (%v)", errReceived, err)
	}
	return r, nil
}

// lz4Ratio is how much larger than its lz4 block a content can be, and a little more.
const lz4Ratio = 256
