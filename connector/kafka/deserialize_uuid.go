package kafka

import (
	"fmt"

	"github.com/google/uuid"
)

// uuidLen is the length of a UUID's text: 32 hexadecimal digits and 4 hyphens.
const uuidLen = 36

// UUID is Kafka's UUIDDeserializer: the UUID's text, such as
// "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in UTF-8 and in either case. A null gives the zero UUID.
// Anything else is an error, the braced and the unhyphenated forms too: no Kafka producer writes
// them, so they are a sign of another type.
func UUID(m Meta, data []byte) (uuid.UUID, error) {
	if m.Null {
		return uuid.UUID{}, nil
	}
	if len(data) != uuidLen {
		hint := "read them with kafka.String or kafka.Bytes"
		if len(data) == len(uuid.UUID{}) {
			hint = "if they are a binary UUID, read them with kafka.Bytes and convert with uuid.FromBytes"
		}
		return uuid.UUID{}, fmt.Errorf("kafka.UUID: %d bytes where a producer with UUIDSerializer writes %d: %s",
			len(data), uuidLen, hint)
	}
	id, err := uuid.ParseBytes(data)
	if err != nil {
		return uuid.UUID{}, fmt.Errorf("kafka.UUID: the %d bytes are not the text of a UUID (%w): "+
			"read them with kafka.String or kafka.Bytes", len(data), err)
	}
	return id, nil
}
