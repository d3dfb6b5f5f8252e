package registry_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/registry"
)

var guid = kafka.UUIDValue{0x89, 0x79, 0x1a, 0xc9, 0x9e, 0x06, 0x4b, 0x1f, 0xbd, 0x2c, 0x9c, 0x2f, 0x61, 0x53, 0xd9,
	0x12}

const guidBytes = "\x89\x79\x1a\xc9\x9e\x06\x4b\x1f\xbd\x2c\x9c\x2f\x61\x53\xd9\x12"

func header(key, value string) []kafka.Header {
	return []kafka.Header{{Key: "trace"}, {Key: key, Value: []byte(value)}}
}

func TestUnframe(t *testing.T) {
	for _, tt := range []struct {
		name    string
		meta    kafka.Meta
		data    string
		ref     registry.Ref
		payload string
	}{
		{"prefix", kafka.Meta{}, "\x00\x00\x01\x02\x03body", registry.Ref{ID: 0x010203}, "body"},
		{"largest id", kafka.Meta{}, "\x00\x7f\xff\xff\xff", registry.Ref{ID: 1<<31 - 1}, ""},
		{"GUID in the header", kafka.Meta{Headers: header("__value_schema_id", "\x01"+guidBytes)}, "\x00body",
			registry.Ref{GUID: guid}, "\x00body"},
		{"id in the header", kafka.Meta{Headers: header("__value_schema_id", "\x00\x00\x00\x00\x09")}, "body",
			registry.Ref{ID: 9}, "body"},
		{"key's header", kafka.Meta{IsKey: true, Headers: header("__key_schema_id", "\x00\x00\x00\x00\x09")}, "",
			registry.Ref{ID: 9}, ""},
		{"the other half's header", kafka.Meta{IsKey: true, Headers: header("__value_schema_id", "\x00\x00\x00\x00\x09")},
			"\x00\x00\x00\x00\x05x", registry.Ref{ID: 5}, "x"},
		{"null header", kafka.Meta{Headers: []kafka.Header{{Key: "__value_schema_id"}}}, "\x00\x00\x00\x00\x05x",
			registry.Ref{ID: 5}, "x"},
		{"last header", kafka.Meta{Headers: append(header("__value_schema_id", "\x00\x00\x00\x00\x01"),
			header("__value_schema_id", "\x00\x00\x00\x00\x02")...)}, "x", registry.Ref{ID: 2}, "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := registry.Unframe(tt.meta, []byte(tt.data))
			if err != nil || got.Ref != tt.ref || string(got.Payload) != tt.payload {
				t.Errorf("got %v and %q, %v, want %v and %q", got.Ref, got.Payload, err, tt.ref, tt.payload)
			}
		})
	}
}

// The error says what the bytes look like and what reads them.
func TestUnframeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		meta kafka.Meta
		data string
		want []string
	}{
		{"JSON", kafka.Meta{}, `{"id":1}`, []string{"the value begins with byte 0x7b", "JSON", "kafka.JSON", "avro.Schema",
			"protobuf.Message"}},
		{"text key", kafka.Meta{IsKey: true}, "user-1", []string{"the key begins with byte 0x75 ('u')", "magic byte 0"}},
		{"single-object Avro", kafka.Meta{}, "\xc3\x01abcdefgh", []string{"0xc3", "avro.Schema"}},
		{"short", kafka.Meta{}, "\x00\x00\x00\x01", []string{"4 bytes", "at least 5"}},
		{"empty", kafka.Meta{}, "", []string{"empty", "tombstone"}},
		{"empty header", kafka.Meta{Headers: header("__value_schema_id", "")}, "x", []string{"__value_schema_id", "empty"}},
		{"bad header", kafka.Meta{Headers: header("__value_schema_id", "\x02abc")}, "x", []string{"4 bytes begin with 0x02"}},
		{"short GUID", kafka.Meta{Headers: header("__value_schema_id", "\x01abc")}, "x", []string{"0x01", "a GUID 1 and 16"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := registry.Unframe(tt.meta, []byte(tt.data))
			wantText(t, err, tt.want...)
		})
	}
}

// The bytes are those of Confluent's documentation and of its Java MessageIndexes.
func TestMessagePath(t *testing.T) {
	for _, tt := range []struct {
		name string
		path []int
		wire string
	}{
		{"first message", []int{0}, "\x00"},
		{"third message", []int{2}, "\x02\x04"},
		{"nested", []int{1, 0}, "\x04\x02\x00"},
		{"deeper", []int{2, 1, 64}, "\x06\x04\x02\x80\x01"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := registry.AppendMessagePath(nil, tt.path); string(got) != tt.wire {
				t.Errorf("wrote %x, want %x", got, tt.wire)
			}
			data := append(registry.AppendID(nil, 7), tt.wire+"body"...)
			f, err := registry.Unframe(kafka.Meta{}, data)
			if err != nil {
				t.Fatal(err)
			}
			path, message, err := f.MessagePath(nil)
			if err != nil || !slices.Equal(path, tt.path) || string(message) != "body" {
				t.Errorf("read %v and %q, %v", path, message, err)
			}
			inHeader := kafka.Meta{Headers: header("__value_schema_id", "\x01"+guidBytes+tt.wire)}
			if f, err = registry.Unframe(inHeader, []byte("body")); err != nil {
				t.Fatal(err)
			}
			path, message, err = f.MessagePath(make([]int, 0, 4))
			if err != nil || !slices.Equal(path, tt.path) || string(message) != "body" {
				t.Errorf("read %v and %q from the header, %v", path, message, err)
			}
		})
	}
}

func TestMessagePathRefuses(t *testing.T) {
	for _, tt := range []struct{ name, wire, want string }{
		{"nothing", "", "cut short"},
		{"cut count", "\x80", "cut short"},
		{"negative count", "\x01", "claims -1 elements"},
		{"huge count", "\xfe\xff\xff\xff\x0f", "claims"},
		{"33 elements", "\x42" + strings.Repeat("\x02", 33), "claims 33 elements"},
		{"cut elements", "\x04\x02", "cut short"},
		{"negative element", "\x02\x01", "malformed"},
		{"huge element", "\x02\xfe\xff\xff\xff\x7f", "malformed"},
		{"overlong", "\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := registry.Unframe(kafka.Meta{}, append(registry.AppendID(nil, 1), tt.wire...))
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = f.MessagePath(nil)
			wantText(t, err, tt.want)
		})
	}
}

// Whatever comes: no panic, nothing invented, and what is read is written back as it was, if it was
// written in the shortest form.
func FuzzUnframe(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x07\x04\x02\x00body"), []byte(nil), false)
	f.Add([]byte("body"), []byte("\x01"+guidBytes+"\x00"), true)
	f.Add([]byte("\x00\x00\x00\x00\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), []byte{0}, false)
	f.Fuzz(func(t *testing.T, data, head []byte, isKey bool) {
		m := kafka.Meta{IsKey: isKey}
		if len(head) > 0 {
			m.Headers = []kafka.Header{{Key: "__value_schema_id", Value: head}}
		}
		frame, err := registry.Unframe(m, data)
		if err != nil {
			return
		}
		inHeader := len(head) > 0 && !isKey
		if !bytes.HasSuffix(data, frame.Payload) || inHeader && len(frame.Payload) != len(data) {
			t.Errorf("payload %x of %x", frame.Payload, data)
		}
		path, message, err := frame.MessagePath(nil)
		if err != nil {
			return
		}
		if len(path) == 0 || len(path) > 32 || cap(path) > 64 {
			t.Errorf("path %v with room for %d", path, cap(path))
		}
		again := registry.AppendMessagePath(nil, path)
		if inHeader {
			return
		}
		if used := frame.Payload[:len(frame.Payload)-len(message)]; len(used) < len(again) ||
			len(used) == len(again) && !bytes.Equal(used, again) && used[0] != 2 {
			t.Errorf("path %v was %x and is written as %x", path, used, again)
		}
	})
}

// wantText checks that an error is there and says all of the parts.
func wantText(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}
