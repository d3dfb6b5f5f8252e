package kafka

import (
	"strconv"

	"github.com/weirstream/weir/dstream"
)

// DeadLetterRecord makes a record for a topic of dead letters: key and value as they came, and what is known beside
// them in headers, which are named after those of Kafka Connect (KIP-298) and Kafka Streams (KIP-1034):
// __weir.errors.message, operator, place, and of a record whose source is known topic, partition and offset.
//
//	dstream.WriteTo(dstream.Map(dstream.DeadLetters(ssc), kafka.DeadLetterRecord), sink)
//
// with a sink of [BytesSerializer] for both.
func DeadLetterRecord(l dstream.DeadLetter) ProducerRecord[[]byte, []byte] {
	head := func(name, value string) Header {
		return Header{Key: "__weir.errors." + name, Value: []byte(value)}
	}
	r := ProducerRecord[[]byte, []byte]{Key: l.Key, Value: l.Value, Headers: []Header{head("message", l.Error),
		head("operator", l.Operator), head("place", l.Place)}}
	if l.Source != "" {
		r.Headers = append(r.Headers, head("topic", l.Source), head("partition", strconv.Itoa(l.Partition)),
			head("offset", strconv.FormatInt(l.Offset, 10)))
	}
	return r
}
