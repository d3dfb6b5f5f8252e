//lint:file-ignore U1000 the fields are there for what the types are, not to be read

package codec

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

type (
	locked  struct{ Inner struct{ Lock sync.Mutex } }
	stamp   time.Time
	sealed  struct{ secret int }
	hearing struct {
		Name string
		Done map[string][]chan int
	}
	// stamped has time.Time's methods by embedding, and a field that they would lose.
	stamped struct {
		time.Time
		note string
	}
	oneWay   struct{ n int }
	textOnly struct{ n int }
	inner    struct{ hidden int }
	outer    struct{ inner }
	pointed  struct{ Key struct{ Who *string } }
	// opens has CodecFields by embedding only.
	opens struct {
		maybe[int]
		lock int
	}
)

func (oneWay) MarshalBinary() ([]byte, error)   { return nil, nil }
func (textOnly) MarshalText() ([]byte, error)   { return nil, nil }
func (*textOnly) UnmarshalText(_ []byte) error  { return nil }
func plain(t reflect.Type) error                { _, err := planFor(t, false); return err }
func asValue[T any]() error                     { _, err := For[T](); return err }
func asKey[K comparable]() error                { _, err := ForKey[K](); return err }
func words3(path, reason, remedy string) string { return path + " " + reason + "; " + remedy }

const (
	remedyField = "export it, or give the type the methods MarshalBinary and UnmarshalBinary, " +
		"or declare the method CodecFields() on it if it is nothing but its fields"
	remedyOut  = "leave it out of the record, or map to a type without it first"
	remedyFace = "use a concrete type, or a struct with a pointer field for each case"
	remedyKey  = "use a key of numbers, strings, arrays and structs of them"
	remedyTime = "use t.UnixNano() or t.UTC().Format(...) as the key"
)

func TestRefused(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"any", asValue[any](), "codec: cannot encode interface {}: " +
			words3("interface {}", "is of interface type interface {}, which does not say what to decode", remedyFace)},
		{"interface in a slice", asValue[[]io.Reader](), "codec: cannot encode []io.Reader: " +
			words3("[]io.Reader[]", "is of interface type io.Reader, which does not say what to decode", remedyFace)},
		{"channel, deep", asValue[hearing](), "codec: cannot encode codec.hearing: " +
			words3("codec.hearing.Done[][]", "is of type chan int, which means nothing in another process", remedyOut)},
		{"function", asValue[*func()](), "codec: cannot encode *func(): " +
			words3("*func()", "is of type func(), which means nothing in another process", remedyOut)},
		{"unsafe.Pointer", plain(reflect.TypeFor[address]().Field(0).Type), "codec: cannot encode unsafe.Pointer: " +
			words3("unsafe.Pointer", "is of type unsafe.Pointer, which means nothing in another process", remedyOut)},
		{"unexported field", asValue[sealed](), "codec: cannot encode codec.sealed: " +
			words3("codec.sealed", "(codec.sealed) has the unexported field secret, which would be lost", remedyField)},
		{"within embedded", asValue[outer](), "codec: cannot encode codec.outer: " +
			words3("codec.outer.inner", "(codec.inner) has the unexported field hidden, which would be lost", remedyField)},
		{"type of time.Time", asValue[stamp](), "(codec.stamp) has the unexported field wall, which would be lost"},
		{"mutex", asValue[[]locked](), "[]codec.locked[].Inner.Lock (sync.Mutex) has the unexported field"},
		{"atomic", asValue[struct{ N atomic.Int64 }](), ".N (atomic.Int64) has the unexported field v"},
		{"promoted methods", asValue[stamped](), "codec: cannot encode codec.stamped: " +
			words3("codec.stamped", "(codec.stamped) has the unexported field note, which would be lost, and its binary "+
				"methods may be those of the embedded Time", "give the embedded field a name, or export note")},
		{"promoted CodecFields", asValue[opens](), "(codec.opens) has the unexported field lock"},
		{"no way back", asValue[oneWay](), "(codec.oneWay) has the unexported field n"},
		{"text only", asValue[textOnly](), "(codec.textOnly) has the unexported field n"},
		{"message by value", asValue[struct{ M timestamppb.Timestamp }](), ".M is the protobuf message " +
			"timestamppb.Timestamp, which must not be copied; use *timestamppb.Timestamp"},
		{"elements of nothing", asValue[[]blank](), "codec: cannot encode []codec.blank: " +
			words3("[]codec.blank", "has elements of type codec.blank, which consist of blank fields",
				"count the elements in an integer instead")},
		{"elements of nothing, again", asValue[struct {
			A [1]blank
			B []blank
		}](), ".B has elements of type codec.blank"},
		{"pointer as a map's key", asValue[map[*int]string](), "codec: cannot encode map[*int]string: " +
			words3("map[*int]string[key]", "is of type *int, whose == compares identities or fails at run time", remedyKey)},
		{"time in a map's key", asValue[map[[1]time.Time]int](), "map[[1]time.Time]int[key][] is a time.Time"},
		{"pointer as a key", asKey[*int](), "codec: cannot take as a key *int: " +
			words3("*int", "is of type *int, whose == compares identities or fails at run time", remedyKey)},
		{"pointer in a key", asKey[pointed](), "codec: cannot take as a key codec.pointed: " +
			words3("codec.pointed.Key.Who", "is of type *string, whose == compares identities or fails at run time", remedyKey)},
		{"interface as a key", asKey[any](), "is of type interface {}, whose == compares identities or fails at run time"},
		{"channel as a key", asKey[chan int](), "is of type chan int, whose =="},
		{"time as a key", asKey[pair[int, time.Time]](), words3("codec.pair[int,time.Time].Value",
			"is a time.Time, whose == compares zones and clock readings as well as instants", remedyTime)},
		{"unexported field of a key", asKey[secret](), words3("codec.secret",
			"(codec.secret) has the unexported field n, which would be lost", "export it, or declare the method "+
				"CodecFields() on the type if it is nothing but its fields, or use a string or an array as the key")},
	}
	for _, tt := range tests {
		var refused *TypeError
		if !errors.As(tt.err, &refused) || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: error\n%v\nwant a TypeError with\n%s", tt.name, tt.err, tt.want)
		}
	}
}

// TestForConcurrently: goroutines that ask for one type get one plan.
func TestForConcurrently(t *testing.T) {
	type fresh struct {
		A []map[string]*fresh
		B [2]string
	}
	var wg sync.WaitGroup
	plans := make([]*plan, 8)
	for i := range plans {
		wg.Go(func() {
			c, err := For[fresh]()
			if err != nil {
				t.Error(err)
				return
			}
			plans[i] = c.plan
			v := fresh{A: []map[string]*fresh{{"x": {B: [2]string{"y"}}}}}
			if got, err := c.RoundTrip(v); err != nil || !reflect.DeepEqual(got, v) {
				t.Errorf("RoundTrip gives %v, error %v", got, err)
			}
		})
	}
	wg.Wait()
	for _, p := range plans {
		if p != plans[0] {
			t.Error("one type has two plans")
		}
	}
}
