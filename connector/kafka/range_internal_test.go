package kafka

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
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
	leftRange,
}

// vectorRange and leftRange are the vectors of docs/FORMAT.md.
var (
	vectorRange = batchRange{ReadCommitted: true, Partitions: []partitionRange{
		{Topic: "t", ID: [16]byte{15: 1}, Partition: 2, From: 5, Until: 9, Epoch: -1}}}
	leftRange = batchRange{Partitions: vectorRange.Partitions, Left: []leftTopic{
		{Topic: "u", ID: [16]byte{15: 2}, Partitions: []leftPartition{{0, 7, 1e9}, {3, 0, 1e9}}}}}
)

// TestRangeFormat: the page of formats has the bytes of both versions, which are read as they were written.
func TestRangeFormat(t *testing.T) {
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]batchRange{"version 1": vectorRange, "version 2": leftRange} {
		data, err := r.encode()
		if err != nil {
			t.Fatal(err)
		}
		if row := fmt.Sprintf("| %s | `%x` |", name, data); !strings.Contains(string(page), row) {
			t.Errorf("docs/FORMAT.md does not have the row\n%s", row)
		}
	}
}

// What is remembered of partitions that were left comes back in the next process, and is bounded by those that were
// left last.
func TestLeftIsRecalled(t *testing.T) {
	w := newWatch()
	w.recall(leftRange.Left)
	if got := w.left(&batchRange{}); !reflect.DeepEqual(got, leftRange.Left) {
		t.Errorf("it became %+v", got)
	}
	read := &batchRange{Partitions: []partitionRange{{Topic: "u", ID: [16]byte{15: 2}, Partition: 3}}}
	if got := w.left(read); len(got) != 1 || len(got[0].Partitions) != 1 || got[0].Partitions[0].Offset != 7 {
		t.Errorf("with one that is read it is %+v", got)
	}
	for i := range int64(retiredMost) {
		key := incarnation{TopicPartition{"v", int32(i)}, [16]byte{1}}
		w.retired[key] = left{i, time.Unix(2e9, 0)}
		w.retired[incarnation{TopicPartition: key.TopicPartition}] = left{i, time.Unix(3e9, 0)} // without an id
	}
	if got := w.left(&batchRange{}); len(got) != 1 || got[0].Topic != "v" || len(got[0].Partitions) != retiredMost {
		t.Errorf("of too many there are %d topics", len(got))
	}
	w = newWatch()
	w.recall(leftRange.Left)
	if w.prune(&batchRange{}); len(w.retired) > 0 {
		t.Errorf("of long ago it remembers %d", len(w.retired))
	}
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
	f.Add([]byte{rangeLeftVersion, 0, 0, 1})
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
