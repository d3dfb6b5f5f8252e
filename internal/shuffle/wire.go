package shuffle

import (
	"encoding/binary"
	"fmt"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/block"
)

// A Wire is how rows become bytes: each key and its value, one behind the other.
type Wire[K, V any] struct {
	Keys   *codec.Codec[K]
	Values *codec.Codec[V]
}

// NewWire finds the codecs.
func NewWire[K, V any]() (w Wire[K, V], err error) {
	if w.Keys, err = codec.For[K](); err == nil {
		w.Values, err = codec.For[V]()
	}
	return w, err
}

// append writes a row behind dst.
func (w Wire[K, V]) append(dst []byte, k *K, v *V) ([]byte, error) {
	dst, err := w.Keys.Append(dst, k)
	if err != nil {
		return dst, err
	}
	return w.Values.Append(dst, v)
}

// row reads a row. What it holds may share src's memory if alias is set.
func (w Wire[K, V]) row(src []byte, alias bool) (k K, v V, rest []byte, err error) {
	if alias {
		if k, rest, err = w.Keys.DecodeAlias(src); err == nil {
			v, rest, err = w.Values.DecodeAlias(rest)
		}
		return k, v, rest, err
	}
	if k, rest, err = w.Keys.Decode(src); err == nil {
		v, rest, err = w.Values.Decode(rest)
	}
	return k, v, rest, err
}

// rows appends n rows to b.
func (w Wire[K, V]) rows(src []byte, n int, b *Bucket[K, V], alias bool) error {
	for range n {
		k, v, rest, err := w.row(src, alias)
		if err != nil {
			return fmt.Errorf("%w: %w", block.ErrDamaged, err)
		}
		b.Keys, b.Values, src = append(b.Keys, k), append(b.Values, v), rest
	}
	if len(src) > 0 {
		return fmt.Errorf("%w: %d bytes follow the rows of a frame", block.ErrDamaged, len(src))
	}
	return nil
}

// Encode gives the rows of a part as they cross a process boundary: their number, then the rows.
func (w Wire[K, V]) Encode(p Part[K, V]) ([]byte, error) {
	r := p.read(nil, w, true)
	defer r.close()
	return w.encode(p.Len(), r.next)
}

// EncodeCut is Encode for a part of a sorted output.
func (w Wire[K, V]) EncodeCut(c Cut[K, V]) ([]byte, error) {
	r, err := c.reader(nil)
	if err != nil {
		return nil, err
	}
	defer r.close()
	return w.encode(max(r.to-r.at, 0), r.next)
}

func (w Wire[K, V]) encode(rows int, next func() (Bucket[K, V], error)) ([]byte, error) {
	data := binary.AppendUvarint(nil, uint64(rows))
	for {
		b, err := next()
		if err != nil || b.Len() == 0 {
			return data, err
		}
		for i := range b.Keys {
			if data, err = w.append(data, &b.Keys[i], &b.Values[i]); err != nil {
				return nil, err
			}
		}
	}
}

// Decode reads what Encode wrote.
func (w Wire[K, V]) Decode(data []byte) (b Bucket[K, V], err error) {
	n, size := binary.Uvarint(data)
	if size <= 0 {
		return b, fmt.Errorf("a bucket of a shuffle begins with no count")
	}
	for src := data[size:]; n > 0; n-- {
		k, v, rest, err := w.row(src, false)
		if err != nil {
			return b, err
		}
		b.Keys, b.Values, src = append(b.Keys, k), append(b.Values, v), rest
	}
	return b, nil
}
