package kafka

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A staged record is read back as it was; one that is cut off or has more bytes is damaged, whatever its bytes are.
func TestStagedRecord(t *testing.T) {
	for _, r := range []*kgo.Record{
		{},
		{Topic: "t", Partition: -1, Key: []byte{}, Value: []byte("v")},
		{Topic: "t", Partition: 1 << 30, Value: []byte{}, Timestamp: time.UnixMilli(0)},
		{Topic: "日本", Key: []byte("k"), Timestamp: time.UnixMilli(-1), Headers: []kgo.RecordHeader{
			{Key: "a", Value: nil}, {Key: "", Value: []byte{}}, {Key: "b", Value: []byte("v")}}},
	} {
		raw := appendStaged([]byte("before"), r)[len("before"):]
		got, err := readStaged(raw)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
		if _, err := readStaged(append(raw[:len(raw):len(raw)], 0)); err == nil {
			t.Errorf("%+v with a byte more is read", r)
		}
		for n := range len(raw) {
			if got, err := readStaged(raw[:n]); err == nil && fmt.Sprint(got) == fmt.Sprint(r) {
				t.Errorf("%d of %d bytes of %+v are read as the whole", n, len(raw), r)
			}
		}
	}
}

func FuzzStagedRecord(f *testing.F) {
	f.Add(appendStaged(nil, &kgo.Record{Topic: "t", Key: []byte("k"), Headers: []kgo.RecordHeader{{Key: "h"}}}))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}) // a length beyond int
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := readStaged(raw)
		if err != nil {
			return
		}
		again, err := readStaged(appendStaged(nil, r))
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v came back as %+v, %v", r, again, err)
		}
	})
}
