package kafka_test

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/weirstream/weir/connector/kafka"
)

type order struct {
	ID    int64    `json:"id"`
	Items []string `json:"items"`
}

// decoded runs d and boxes its value, so that one table holds deserializers of many types.
func decoded[T any](d kafka.Deserializer[T]) func(kafka.Meta, []byte) (any, error) {
	return func(m kafka.Meta, data []byte) (any, error) { return d(m, data) }
}

var golden = kafka.UUIDValue{
	0xf8,
	0x1d,
	0x4f,
	0xae,
	0x7d,
	0xec,
	0x11,
	0xd0,
	0xa7,
	0x65,
	0x00,
	0xa0,
	0xc9,
	0x1e,
	0x6b,
	0xf6,
}

// The bytes are those that Kafka's Java serializers write.
func TestDeserializers(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    func(kafka.Meta, []byte) (any, error)
		data string
		want any
	}{
		{"String", decoded(kafka.String), "grüezi", "grüezi"},
		{"String empty", decoded(kafka.String), "", ""},
		{"String of no UTF-8", decoded(kafka.String), "a\xff", "a\xff"},
		{"Bytes", decoded(kafka.Bytes), "\x00\x01", []byte{0, 1}},
		{"Bytes empty", decoded(kafka.Bytes), "", []byte{}},
		{"Bool true", decoded(kafka.Bool), "\x01", true},
		{"Bool false", decoded(kafka.Bool), "\x00", false},
		{"Int16", decoded(kafka.Int16), "\xff\xfe", int16(-2)},
		{"Int16 min", decoded(kafka.Int16), "\x80\x00", int16(math.MinInt16)},
		{"Int32", decoded(kafka.Int32), "\x00\x01\x02\x03", int32(66051)},
		{"Int32 min", decoded(kafka.Int32), "\x80\x00\x00\x00", int32(math.MinInt32)},
		{"Int64", decoded(kafka.Int64), "\x00\x00\x00\x00\x00\x00\x01\x00", int64(256)},
		{"Int64 -1", decoded(kafka.Int64), "\xff\xff\xff\xff\xff\xff\xff\xff", int64(-1)},
		{"Float32", decoded(kafka.Float32), "\x3f\xc0\x00\x00", float32(1.5)},
		{"Float64", decoded(kafka.Float64), "\xc0\x04\x00\x00\x00\x00\x00\x00", -2.5},
		{"Float64 infinite", decoded(kafka.Float64), "\x7f\xf0\x00\x00\x00\x00\x00\x00", math.Inf(1)},
		{"UUID", decoded(kafka.UUID), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", golden},
		{"UUID in capitals", decoded(kafka.UUID), "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6", golden},
		{"Ignore", decoded(kafka.Ignore), "anything", struct{}{}},
		{"JSON", decoded(kafka.JSON[order]), `{"id":7,"items":["a"],"more":1}`, order{7, []string{"a"}}},
		{"JSON null literal", decoded(kafka.JSON[order]), `null`, order{}},
		{"JSON any", decoded(kafka.JSON[any]), `[1]`, []any{1.0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.d(kafka.Meta{}, []byte(tt.data))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q gave %#v, %v, want %#v", tt.data, got, err, tt.want)
			}
		})
	}
}

func TestNullsGiveTheZeroValue(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    func(kafka.Meta, []byte) (any, error)
		want any
	}{
		{"String", decoded(kafka.String), ""},
		{"Bytes", decoded(kafka.Bytes), []byte(nil)},
		{"Bool", decoded(kafka.Bool), false},
		{"Int16", decoded(kafka.Int16), int16(0)},
		{"Int32", decoded(kafka.Int32), int32(0)},
		{"Int64", decoded(kafka.Int64), int64(0)},
		{"Float32", decoded(kafka.Float32), float32(0)},
		{"Float64", decoded(kafka.Float64), float64(0)},
		{"UUID", decoded(kafka.UUID), kafka.UUIDValue{}},
		{"Void", decoded(kafka.Void), struct{}{}},
		{"Ignore", decoded(kafka.Ignore), struct{}{}},
		{"JSON", decoded(kafka.JSON[order]), order{}},
		{"JSON pointer", decoded(kafka.JSON[*order]), (*order)(nil)},
		{"Nullable", decoded(kafka.Nullable(kafka.Int32)), (*int32)(nil)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.d(kafka.Meta{Null: true}, nil)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("a null gave %#v, %v, want %#v", got, err, tt.want)
			}
		})
	}
}

// Every error names the deserializer, what came, what was expected, and what to use instead.
func TestDeserializerErrors(t *testing.T) {
	for _, tt := range []struct {
		name string
		d    func(kafka.Meta, []byte) (any, error)
		data string
		want []string
	}{
		{"Bool of text", decoded(kafka.Bool), "true", []string{"kafka.Bool", "4 bytes", "BooleanSerializer", "kafka.String"}},
		{"Bool of a digit", decoded(kafka.Bool), "1", []string{"kafka.Bool", "0x31", "kafka.String"}},
		{"Int16 empty", decoded(kafka.Int16), "", []string{"kafka.Int16", "0 bytes", "ShortSerializer", "2"}},
		{"Int32 of text", decoded(kafka.Int32), "12", []string{"kafka.Int32", "2 bytes", "4", "kafka.String"}},
		{"Int32 of long", decoded(kafka.Int32), "12345678", []string{"8 bytes", "kafka.Int64"}},
		{"Int64 of int", decoded(kafka.Int64), "1234", []string{"4 bytes", "LongSerializer", "kafka.Int32"}},
		{"Float32 odd", decoded(kafka.Float32), "123", []string{"3 bytes", "FloatSerializer", "kafka.Bytes"}},
		{"Float64 long", decoded(kafka.Float64), "123456789", []string{"9 bytes", "DoubleSerializer", "8"}},
		{"UUID binary", decoded(kafka.UUID), "0123456789abcdef", []string{"16 bytes", "36", "kafka.UUIDValue"}},
		{"UUID braced", decoded(kafka.UUID), "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", []string{"38 bytes"}},
		{"UUID garbage", decoded(kafka.UUID), strings.Repeat("z", 36), []string{"kafka.UUID", "kafka.String"}},
		{"Void", decoded(kafka.Void), "x", []string{"kafka.Void", "1 bytes", "kafka.Ignore"}},
		{"Void empty", decoded(kafka.Void), "", []string{"kafka.Void", "0 bytes"}},
		{"JSON empty", decoded(kafka.JSON[order]), "", []string{"kafka.JSON[kafka_test.order]", "0 bytes"}},
		{"JSON cut", decoded(kafka.JSON[order]), `{"id":`, []string{"6 bytes", "unexpected end"}},
		{"JSON of another type", decoded(kafka.JSON[order]), `{"id":"x"}`, []string{"id", "int64"}},
		{"JSON twice", decoded(kafka.JSON[order]), `{}{}`, []string{"after top-level value"}},
		{"Nullable", decoded(kafka.Nullable(kafka.Int32)), "1", []string{"kafka.Int32"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.d(kafka.Meta{}, []byte(tt.data))
			if err == nil {
				t.Fatalf("no error, and %#v", got)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if !reflect.ValueOf(got).IsZero() {
				t.Errorf("an error came with the value %#v", got)
			}
		})
	}
}

// What DirectStream is handed is the function itself, and the type of the values follows from it.
func TestDeserializersInfer(t *testing.T) {
	key, value := pair(kafka.String, kafka.JSON[order])
	if want := "string kafka_test.order"; key+" "+value != want {
		t.Errorf("inferred %s %s, want %s", key, value, want)
	}
}

func pair[K, V any](kafka.Deserializer[K], kafka.Deserializer[V]) (key, value string) {
	return reflect.TypeFor[K]().String(), reflect.TypeFor[V]().String()
}

func TestStringAndBytesAliasTheBuffer(t *testing.T) {
	buffer := []byte("keyvalue")
	s, err := kafka.String(kafka.Meta{}, buffer[3:])
	if err != nil || s != "value" || unsafe.StringData(s) != &buffer[3] {
		t.Errorf("String gave %q, %v and copied: %t", s, err, unsafe.StringData(s) != &buffer[3])
	}
	b, err := kafka.Bytes(kafka.Meta{}, buffer[:3])
	if err != nil || string(b) != "key" || &b[0] != &buffer[0] || cap(b) != 3 {
		t.Errorf("Bytes gave %q with capacity %d, %v, want a capped alias", b, cap(b), err)
	}
	// A capped slice cannot overwrite its neighbour.
	if _ = append(b, "!!"...); string(buffer) != "keyvalue" {
		t.Errorf("append wrote into the buffer: %q", buffer)
	}
}

func TestNullableKeepsTheValue(t *testing.T) {
	got, err := kafka.Nullable(kafka.Int32)(kafka.Meta{}, []byte{0, 0, 0, 9})
	if err != nil || got == nil || *got != 9 {
		t.Errorf("got %v, %v, want a pointer to 9", got, err)
	}
}

// No deserializer panics, and none allocates more than the input explains.
func FuzzDeserializers(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "\x00\x01", "\x00\x01\x02\x03", "12345678", "null", `{"id":1,"items":["a","b"]}`, `[[[[`,
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6", strings.Repeat("-", 36), strings.Repeat("[", 20000),
	} {
		f.Add([]byte(seed), false)
	}
	f.Add([]byte(nil), true)
	all := []func(kafka.Meta, []byte) (any, error){
		decoded(kafka.String), decoded(kafka.Bytes), decoded(kafka.Bool), decoded(kafka.Int16), decoded(kafka.Int32),
		decoded(kafka.Int64), decoded(kafka.Float32), decoded(kafka.Float64), decoded(kafka.UUID),
		decoded(kafka.Void), decoded(kafka.Ignore), decoded(kafka.JSON[order]), decoded(kafka.JSON[any]),
	}
	f.Fuzz(func(t *testing.T, data []byte, null bool) {
		if null {
			data = nil
		}
		for i, d := range all {
			before := bytes.Clone(data)
			v, err := d(kafka.Meta{Null: null}, data)
			if null && err != nil {
				t.Errorf("deserializer %d: a null gave %v", i, err)
			}
			if size := len(fmt.Sprint(v)); err == nil && size > 64+8*len(data) {
				t.Errorf("deserializer %d made %d characters of %d bytes", i, size, len(data))
			}
			if !bytes.Equal(before, data) {
				t.Errorf("deserializer %d wrote into its input", i)
			}
		}
	})
}
