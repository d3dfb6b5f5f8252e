package dstream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
)

// StateOf makes a reader of a state of this program, by the name of its operator: for a handler that answers with it
// while batches run. K and S are the operator's types.
//
// Get is answered by what the last batch left whose outputs have run, from memory, or from the store that the state
// lies in (weir.state.store), in a time that does not depend on how large the state is; its commit may be on its way
// (weir.streaming.maxUncommittedBatches says how far, for outputs that write in transactions). Get waits until the
// program has been started and has loaded its state.
//
// Versions, which All and Diff read too, are those of the checkpoint: a program without one has none. What is read is
// never changed or taken away by batches that run.
func StateOf[K comparable, S any](ssc *Context, name string) (*StateReader[K, S], error) {
	k, err := ssc.stateNamed(name)
	if err != nil {
		return nil, err
	}
	has, ok := k.stateful.(interface{ self() *stateStore[K, S] })
	if !ok {
		want := k.stateful.(interface{ kinds() string }).kinds()
		return nil, fmt.Errorf("the state %q (%s): %w: it is of %s, and a reader of %v and %v was asked for", name,
			k.node.site, ErrStateType, want, reflect.TypeFor[K](), reflect.TypeFor[S]())
	}
	types, err := typesOf[K, S]()
	if err != nil {
		return nil, fmt.Errorf("the state %q: %w", name, err)
	}
	return &StateReader[K, S]{name: name, source: ssc.stateSource, at: -1, types: types,
		newest: func(ctx context.Context, k K) (e StateEntry[K, S], ok bool, err error) {
			if err := ssc.stateLoaded(ctx); err != nil {
				return e, false, fmt.Errorf("the state %q: %w", name, err)
			}
			if e, ok, err = has.self().get(k); err != nil {
				err = fmt.Errorf("the state %q: %w", name, err)
			}
			return e, ok, err
		}}, nil
}

// stateNamed finds an operator of the program that keeps a state.
func (ssc *Context) stateNamed(name string) (*keeping, error) {
	var ids []string
	for i, id := range ssc.stateIDs() {
		switch k := ssc.states[i]; {
		case k.window(): // What it keeps is not by key.
		case id == name:
			return k, nil
		default:
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w as %q: the program keeps none", ErrNoState, name)
	}
	return nil, fmt.Errorf("%w as %q: the program's are %s", ErrNoState, name, strings.Join(ids, ", "))
}

func (s *stateStore[K, S]) self() *stateStore[K, S] { return s }

func (s *stateStore[K, S]) kinds() string {
	return fmt.Sprintf("%v and %v", reflect.TypeFor[K](), reflect.TypeFor[S]())
}

// get gives what the last batch that was settled left of a key.
func (s *stateStore[K, S]) get(k K) (e StateEntry[K, S], ok bool, err error) {
	p, at, err := s.table.place(k)
	if err != nil {
		return e, false, err
	}
	part := s.table.parts[p]
	if s.table.disk != nil {
		return s.getFromDisk(part.first+at, k)
	}
	part.mu.RLock()
	b := &part.buckets[at]
	if n := b.find(k); n >= 0 {
		found := b.at(n)
		e, ok = StateEntry[K, S]{Key: k, Value: found.value, Touched: found.touch}, found.live()
	}
	part.mu.RUnlock()
	if ok && s.lend != nil { // What a table holds is replaced and never changed.
		e.Value, err = s.lend(e.Value)
	}
	return e, ok && err == nil, err
}

var errNoStart = errors.New("the program has not been started yet")

// stateLoaded waits until the states are as the last run of the program left them.
func (ssc *Context) stateLoaded(ctx context.Context) error {
	ssc.mu.Lock()
	l := ssc.loop
	ssc.mu.Unlock()
	if l == nil {
		return errNoStart
	}
	select {
	case <-l.loaded:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stateSource is a source that the program's own log is.
func (ssc *Context) stateSource(ctx context.Context) (*checkpoint.State, vfs.FS, string, func(), error) {
	if err := ssc.stateLoaded(ctx); err != nil {
		return nil, nil, "", nil, err
	}
	if !ssc.durable.opened {
		return nil, nil, "", nil, versionError{errors.New("a program without a checkpoint has no versions of " +
			"its states: give it one (--checkpoint DIR), or ask for single keys")}
	}
	release := ssc.log.Hold()
	s, err := ssc.log.State()
	if err != nil {
		release()
		return nil, nil, "", nil, err
	}
	return s, ssc.durable.fs, ssc.durable.path, release, nil
}

// typesOf are how a state of these types is written.
func typesOf[K comparable, S any]() (t stateTypes[K, S], err error) {
	whole, err := codec.For[K]()
	if err != nil {
		return t, err
	}
	keys, err := codec.ForKey[K]()
	if err != nil {
		return t, err
	}
	values, err := codec.For[S]()
	if err != nil {
		return t, err
	}
	want := checkpoint.StateHead{Key: whole.Schema(), Value: values.Schema()}
	return stateTypes[K, S]{
		key:     keys.Decode,
		bytes:   func(k K) ([]byte, error) { return keys.Append(nil, k) },
		value:   func(b []byte) (S, error) { return decodeWhole(values, b) },
		encoded: func(v S) ([]byte, error) { return values.Append(nil, &v) },
		check: func(h checkpoint.StateHead) error {
			return sameTypes(h, want, "the reader's", "read it as what it is, or as bytes")
		},
	}, nil
}
