package kafka_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/weirstream/weir/connector/kafka"
)

// wire is what one serializer makes of one value, and what the deserializer beside it makes of that.
type wire struct {
	name string
	data []byte
	err  error
	back any
	in   any
}

func written[T any](name string, s kafka.Serializer[T], d kafka.Deserializer[T], v T) wire {
	w := wire{name: name, in: v}
	if w.data, w.err = s(kafka.SerializeMeta{Topic: "t"}, v); w.err == nil {
		w.back, w.err = d(kafka.Meta{Topic: "t", Null: w.data == nil}, w.data)
	}
	return w
}

// want is what Java's serializer of the same name writes; "null" stands for a null.
func TestSerializersWriteKafkasBytes(t *testing.T) {
	const null = "\x00null"
	text := "some"
	for _, tt := range []struct {
		wire
		want string
	}{
		{written("String", kafka.StringSerializer, kafka.String, "grüezi"), "grüezi"},
		{written("String empty", kafka.StringSerializer, kafka.String, ""), ""},
		{written("Bytes", kafka.BytesSerializer, kafka.Bytes, []byte{1, 2}), "\x01\x02"},
		{written("Bytes empty", kafka.BytesSerializer, kafka.Bytes, []byte{}), ""},
		{written("Bytes nil", kafka.BytesSerializer, kafka.Bytes, nil), null},
		{written("Bool", kafka.BoolSerializer, kafka.Bool, true), "\x01"},
		{written("Bool false", kafka.BoolSerializer, kafka.Bool, false), "\x00"},
		{written("Int16", kafka.Int16Serializer, kafka.Int16, -2), "\xff\xfe"},
		{written("Int32", kafka.Int32Serializer, kafka.Int32, 66051), "\x00\x01\x02\x03"},
		{written("Int64", kafka.Int64Serializer, kafka.Int64, math.MinInt64), "\x80\x00\x00\x00\x00\x00\x00\x00"},
		{written("Float32", kafka.Float32Serializer, kafka.Float32, 1.5), "\x3f\xc0\x00\x00"},
		{written("Float64", kafka.Float64Serializer, kafka.Float64, -2.5), "\xc0\x04\x00\x00\x00\x00\x00\x00"},
		{written("UUID", kafka.UUIDSerializer, kafka.UUID, golden), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"},
		{written("UUID zero", kafka.UUIDSerializer, kafka.UUID, kafka.UUIDValue{}), "00000000-0000-0000-0000-000000000000"},
		{written("Void", kafka.VoidSerializer, kafka.Void, struct{}{}), null},
		{written("JSON", kafka.JSONSerializer[order], kafka.JSON[order], order{ID: 1}), `{"id":1,"items":null}`},
		{written("JSON nil", kafka.JSONSerializer[*order], kafka.JSON[*order], nil), `null`},
		{written("Nullable", kafka.NullableSerializer(kafka.StringSerializer), kafka.Nullable(kafka.String), &text), text},
		{written("Nullable nil", kafka.NullableSerializer(kafka.StringSerializer), kafka.Nullable(kafka.String), nil), null},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.err != nil {
				t.Fatal(tt.err)
			}
			got := string(tt.data)
			if tt.data == nil {
				got = null
			}
			if got != tt.want {
				t.Errorf("wrote %q, want %q", got, tt.want)
			}
			if !reflect.DeepEqual(tt.back, tt.in) {
				t.Errorf("%#v came back as %#v", tt.in, tt.back)
			}
		})
	}
}

func TestJSONSerializerNamesTheType(t *testing.T) {
	_, err := kafka.JSONSerializer(kafka.SerializeMeta{}, math.NaN())
	if err == nil || !strings.Contains(err.Error(), "kafka.JSONSerializer[float64]") {
		t.Errorf("got %v, want an error that names the type", err)
	}
}
