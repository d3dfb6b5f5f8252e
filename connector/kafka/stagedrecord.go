package kafka

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A record that is to be written in a transaction is staged in this form: topic, partition, time, key, value and
// headers, each number a varint and each text behind its length plus one, where 0 is one that is nil. What is staged
// does not outlive its process, so that the form may change.

func appendStaged(dst []byte, r *kgo.Record) []byte {
	dst = appendText(dst, []byte(r.Topic))
	dst = binary.AppendVarint(dst, int64(r.Partition))
	var millis int64
	if !r.Timestamp.IsZero() {
		millis = r.Timestamp.UnixMilli()
	}
	dst = append(dst, flag(!r.Timestamp.IsZero()))
	dst = binary.AppendVarint(dst, millis)
	dst = appendText(dst, r.Key)
	dst = appendText(dst, r.Value)
	dst = binary.AppendUvarint(dst, uint64(len(r.Headers)))
	for _, h := range r.Headers {
		dst = appendText(dst, []byte(h.Key))
		dst = appendText(dst, h.Value)
	}
	return dst
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

func appendText(dst, text []byte) []byte {
	if text == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(text))+1)
	return append(dst, text...)
}

// readStaged gives the record, whose texts lie in raw.
func readStaged(raw []byte) (*kgo.Record, error) {
	in := stagedReader{rest: raw}
	r := &kgo.Record{Topic: string(in.text()), Partition: int32(in.number())}
	if in.flag() {
		r.Timestamp = time.UnixMilli(in.number())
	} else {
		in.number()
	}
	r.Key, r.Value = in.text(), in.text()
	for range in.count() {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: string(in.text()), Value: in.text()})
	}
	if in.bad || len(in.rest) > 0 {
		return nil, errors.New("a staged record is damaged")
	}
	return r, nil
}

// A stagedReader reads what appendStaged wrote. What is too short makes it bad.
type stagedReader struct {
	rest []byte
	bad  bool
}

func (in *stagedReader) number() int64 {
	v, n := binary.Varint(in.rest)
	in.skip(n)
	return v
}

func (in *stagedReader) count() uint64 {
	v, n := binary.Uvarint(in.rest)
	in.skip(n)
	if v > uint64(len(in.rest)) {
		in.bad = true
	}
	if in.bad {
		return 0
	}
	return v
}

func (in *stagedReader) skip(n int) {
	if n <= 0 || n > len(in.rest) {
		in.bad, in.rest = true, nil
		return
	}
	in.rest = in.rest[n:]
}

func (in *stagedReader) flag() bool {
	set := len(in.rest) > 0 && in.rest[0] == 1
	in.skip(1)
	return set
}

func (in *stagedReader) text() []byte {
	v, n := binary.Uvarint(in.rest)
	in.skip(n)
	if in.bad || v == 0 {
		return nil
	}
	if v-1 > uint64(len(in.rest)) {
		in.bad, in.rest = true, nil
		return nil
	}
	size := int(v - 1)
	text := in.rest[:size:size]
	in.rest = in.rest[size:]
	return text
}
