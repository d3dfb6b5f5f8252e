package rdd

import (
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/exec"
)

// A Broadcast is a value that tasks read: large, made once in the driver, and not to be changed. In one process tasks
// share it, and any value will do; on a cluster each worker is sent it once, encoded, so that a type without a codec
// cannot go there. The honest mode (weir.honest) gives tasks a copy that has been encoded and decoded, once, and fails
// those that ask for a value that cannot be.
type Broadcast[T any] struct {
	sc   *Context
	id   int
	site exec.Site

	mu        sync.Mutex
	value     T
	copied    *T        // what tasks read in the honest mode
	destroyed exec.Site // where, once it is
	gone      bool
}

// NewBroadcast makes v readable for tasks. It must not be changed any more.
func NewBroadcast[T any](sc *Context, v T) *Broadcast[T] {
	return &Broadcast[T]{sc: sc, id: int(sc.broadcasts.Add(1)) - 1, site: exec.Caller(), value: v}
}

// ID numbers the broadcasts of a context in the order of their making.
func (b *Broadcast[T]) ID() int { return b.id }

// Value is the value. It panics after Destroy, which fails a task for good.
func (b *Broadcast[T]) Value() T {
	honest := b.sc.honest && b.sc.inside.Task() != nil
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		panic(exec.Permanent(err))
	}
	if !honest {
		return b.value
	}
	if b.copied == nil {
		v, err := b.roundTrip()
		if err != nil {
			panic(exec.Permanent(fmt.Errorf("%s cannot be sent to workers: %w", b.label(), err)))
		}
		b.copied = &v
	}
	return *b.copied
}

func (b *Broadcast[T]) roundTrip() (v T, err error) {
	c, err := codec.For[T]()
	if err != nil {
		return v, err
	}
	return c.RoundTrip(b.value)
}

// usable gives the error of using what has been destroyed; mu is held.
func (b *Broadcast[T]) usable() error {
	if !b.gone {
		return nil
	}
	return fmt.Errorf("%s was used after Destroy at %s", b.label(), b.destroyed)
}

func (b *Broadcast[T]) label() string { return fmt.Sprintf("broadcast %d (%s)", b.id, b.site) }

// Unpersist drops the copies that workers hold; who reads the value again is sent it again. In one process there are
// none but that of the honest mode.
func (b *Broadcast[T]) Unpersist() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.copied = nil
}

// Destroy drops the value, too: reading it is an error from now on. Nothing is gained by it where the program itself
// lets go of the broadcast.
func (b *Broadcast[T]) Destroy() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.gone {
		var none T
		b.gone, b.destroyed, b.value, b.copied = true, exec.Caller(), none, nil
	}
}

// AppendBinary appends the broadcast as workers are sent it: the uvarint of its number, then the value by package
// codec. The error says why that cannot be.
func (b *Broadcast[T]) AppendBinary(dst []byte) ([]byte, error) {
	c, err := codec.For[T]()
	if err != nil {
		return dst, fmt.Errorf("%s cannot be sent to workers: %w", b.label(), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.usable(); err != nil {
		return dst, err
	}
	return c.Append(binary.AppendUvarint(dst, uint64(b.id)), &b.value)
}
