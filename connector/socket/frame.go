package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/dstream"
)

// WithMaxFrame sets how many bytes a frame of RawStream may have.
func WithMaxFrame(bytes int) Option { return func(o *options) { o.maxFrame = bytes } }

// RawStream makes a stream of the values that the server at host:port sends in frames, as Spark's rawSocketStream does:
// a length of four bytes, then values as codec encodes them. docs/FORMAT.md has the form, and [AppendFrame] makes it. A
// frame becomes one block, which is one partition of a batch. A frame that is too long or does not hold values of T, as
// the peer of another protocol sends them, is reported with its number, and the connection is made again, as
// [TextStream] says.
func RawStream[T any](ssc *dstream.Context, host string, port int, opts ...Option) *dstream.DStream[T] {
	o := newOptions(DefaultMaxLine, opts)
	_, o.wrong = codec.For[T]()
	var f feed[T] = func(conn io.Reader, st *dstream.Store[T], _ *garbage) error {
		for vs, err := range Frames[T](conn, o.maxFrame) {
			if err == nil {
				err = refused(st, st.Many(vs, nil))
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return stream(ssc, "rawSocketStream", host, port, o, f)
}

// AppendFrame appends a frame of values to dst: what a peer of RawStream sends. A type without a codec is an error, and
// so is a frame of more bytes than its length can tell.
func AppendFrame[T any](dst []byte, vs ...T) ([]byte, error) {
	c, err := codec.For[T]()
	if err != nil {
		return dst, err
	}
	frame := append(dst, 0, 0, 0, 0)
	for i := range vs {
		if frame, err = c.Append(frame, &vs[i]); err != nil {
			return dst, err
		}
	}
	length := len(frame) - len(dst) - 4
	if length > math.MaxInt32 {
		return dst, fmt.Errorf("a frame of %d bytes is too long: at most %d; send several", length, math.MaxInt32)
	}
	binary.BigEndian.PutUint32(frame[len(dst):], uint32(length))
	return frame, nil
}

// Frames yields the values of each frame of r, but for frames without any. An error ends the sequence, and so does the
// end of r between two frames. A frame is held in memory whole, of which strings and byte slices keep parts.
func Frames[T any](r io.Reader, maxFrame int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		c, err := codec.For[T]()
		if err != nil {
			yield(nil, err)
			return
		}
		for n := 1; ; n++ {
			data, err := readFrame(r, n, maxFrame)
			if errors.Is(err, io.EOF) {
				return
			}
			var vs []T
			if err == nil {
				vs, err = decodeFrame(c, data, n)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if len(vs) > 0 && !yield(vs, nil) {
				return
			}
		}
	}
}

// readFrame gives the content of frame n, or io.EOF.
func readFrame(r io.Reader, n, maxFrame int) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, within(n, err)
	}
	length := int32(binary.BigEndian.Uint32(head[:]))
	if length < 0 || int(length) > maxFrame {
		return nil, fmt.Errorf("the length of frame %d is %d (%q as text), and at most %d is taken: does the peer "+
			"send frames as socket.AppendFrame makes them? (socket.WithMaxFrame raises the limit)",
			n, length, head, maxFrame)
	}
	data := make([]byte, length)
	if _, err := io.ReadFull(r, data); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, within(n, err)
	}
	return data, nil
}

func within(n int, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the connection ended within frame %d; what was sent of it is dropped", n)
	}
	return err
}

func decodeFrame[T any](c *codec.Codec[T], data []byte, n int) (vs []T, err error) {
	for rest := data; len(rest) > 0; {
		var v T
		before := len(rest)
		v, rest, err = c.DecodeAlias(rest)
		if err == nil && len(rest) == before {
			err = errors.New("such values have no bytes")
		}
		if err != nil {
			return nil, fmt.Errorf("frame %d of %d bytes does not hold values of schema %s, from its byte %d on: does "+
				"the peer mean the same type? %w", n, len(data), c.Schema(), len(data)-before, err)
		}
		vs = append(vs, v)
	}
	return vs, nil
}
