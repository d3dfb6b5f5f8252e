package kafka

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
)

var someRanges = []batchRange{
	{},
	{ReadCommitted: true, Partitions: []partitionRange{{Topic: "t", Epoch: -1}}},
	{Partitions: []partitionRange{
		{Topic: "a", ID: [16]byte{1, 15: 9}, Partition: 3, From: 5, Until: 1 << 40, Epoch: 7},
		{
			Topic:     strings.Repeat("x", 249),
			Partition: math.MaxInt32,
			From:      math.MaxInt64,
			Until:     math.MaxInt64,
			Epoch:     math.MaxInt32,
		},
	}},
}

func TestRangeRoundTrip(t *testing.T) {
	for _, r := range someRanges {
		data, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRange(data)
		if err != nil || len(r.Partitions) > 0 && !reflect.DeepEqual(*back, r) {
			t.Errorf("%+v became %+v, %v", r, back, err)
		}
		for n := range data {
			if _, err := decodeRange(data[:n:n]); err == nil && n > 0 {
				t.Errorf("%d bytes of %d give no error", n, len(data))
			}
		}
		if _, err := decodeRange(append(data, 0)); err == nil {
			t.Error("a byte too many gives no error")
		}
	}
	if _, err := decodeRange([]byte{99}); err == nil || !strings.Contains(err.Error(), "newer weir") {
		t.Errorf("an unknown version: %v", err)
	}
	if r, err := decodeRange(nil); r != nil || err != nil {
		t.Errorf("no range: %v, %v", r, err)
	}
}

// FuzzRange: no bytes make the decoder panic or allocate without bound, and what it accepts it writes as it was.
func FuzzRange(f *testing.F) {
	for _, r := range someRanges {
		data, err := r.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{})
	f.Add([]byte{rangeVersion, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := decodeRange(data)
		if err != nil || r == nil {
			return
		}
		again, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeRange(again)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v became %+v, %v", r, back, err)
		}
		r.order()
		for _, line := range r.describe() {
			if !strings.HasPrefix(line, "topic: ") {
				t.Errorf("described as %q", line)
			}
		}
	})
}

func TestDescribe(t *testing.T) {
	r := batchRange{Partitions: []partitionRange{
		{Topic: "b", Partition: 1, From: 1, Until: 3}, {Topic: "b", Partition: 0, From: 5, Until: 5},
		{Topic: "a", Partition: 10, From: 0, Until: 9}, {Topic: "a", Partition: 2, From: 0, Until: 2},
	}}
	r.order()
	want := "topic: a\tpartition: 10\toffsets: 0 to 9\tcount: 9\n" +
		"topic: a\tpartition: 2\toffsets: 0 to 2\tcount: 2\n" +
		"topic: b\tpartition: 1\toffsets: 1 to 3\tcount: 2"
	if got := strings.Join(r.describe(), "\n"); got != want {
		t.Errorf("described as\n%s\nwant\n%s", got, want)
	}
	if data, _ := r.encode(); !bytes.Contains(data, []byte("a")) {
		t.Error("the topic is not in the range")
	}
}
