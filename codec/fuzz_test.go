package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// A target decodes bytes as one type, and says what is wrong with the outcome.
type target func(b []byte) error

// values makes the target of T's values, and some seeds for it.
func values[T any](f *testing.F, r *rand.Rand, add func([]byte)) target {
	c := must[T](f)
	for range 3 {
		var v T
		fill(r, reflect.ValueOf(&v).Elem(), 3)
		b, err := c.Append(nil, &v)
		if err != nil {
			f.Fatal(err)
		}
		add(b)
	}
	return func(b []byte) error {
		v, rest, err := c.Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				return err
			}
			return nil
		}
		again, err := c.Append(nil, &v)
		if err == nil && !c.plan.foreign && !bytes.Equal(again, b[:len(b)-len(rest)]) {
			return errors.New("two forms of one value")
		}
		return err
	}
}

// keys makes the target of keys of type K.
func keys[K comparable](f *testing.F, r *rand.Rand, add func([]byte)) target {
	k, err := ForKey[K]()
	if err != nil {
		f.Fatal(err)
	}
	for range 3 {
		var key K
		fill(r, reflect.ValueOf(&key).Elem(), 3)
		if b, err := k.Append(nil, key); err == nil { // NaN has no bytes
			add(b)
		}
	}
	return func(b []byte) error {
		key, err := k.Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				return err
			}
			return nil
		}
		again, err := k.Append(nil, key)
		if err == nil && !bytes.Equal(again, b) {
			return errors.New("two forms of one key")
		}
		return err
	}
}

// FuzzDecode gives bytes to the decoder of one of the types; the first argument chooses it.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	var targets []target
	add := func(b []byte) { f.Add(byte(len(targets)), b) }
	makers := []func(*testing.F, *rand.Rand, func([]byte)) target{
		values[kinds], values[order], values[tree], values[nest], values[chain], values[graph], values[nets],
		values[foreigners], values[time.Time], values[map[point]map[string][]degree], values[[]maybe[string]],
		values[[]empty], keys[string], keys[int16], keys[kinds], keys[nets], keys[netip.Prefix], keys[[2]complex64],
	}
	for _, m := range makers {
		targets = append(targets, m(f, r, add))
	}
	for _, b := range bombs() {
		for i := range targets {
			f.Add(byte(i), b)
		}
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte) {
		if err := targets[int(which)%len(targets)](b); err != nil {
			t.Errorf("type %d: % x: %v", int(which)%len(targets), b, err)
		}
	})
}
