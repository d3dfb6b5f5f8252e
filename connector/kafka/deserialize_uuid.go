package kafka

import (
	"encoding/hex"
	"fmt"
)

// A UUIDValue is a UUID's 16 bytes. It converts to and from the types of the UUID libraries, which are arrays of
// 16 bytes, too; none of them is linked into every program for it.
type UUIDValue [16]byte

// uuidLen is the length of a UUID's text: 32 hexadecimal digits and 4 hyphens.
const uuidLen = 36

// String gives the text in lower case, such as "f81d4fae-7dec-11d0-a765-00a0c91e6bf6" (RFC 9562, section 4).
func (u UUIDValue) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// UUID is Kafka's UUIDDeserializer: the UUID's text, such as
// "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in UTF-8 and in either case. A null gives the zero UUID.
// Anything else is an error, the braced and the unhyphenated forms too: no Kafka producer writes
// them, so they are a sign of another type.
func UUID(m Meta, data []byte) (UUIDValue, error) {
	var id UUIDValue
	if m.Null {
		return id, nil
	}
	if len(data) != uuidLen {
		hint := "read them with kafka.String or kafka.Bytes"
		if len(data) == len(id) {
			hint = "if they are a binary UUID, read them with kafka.Bytes and convert with kafka.UUIDValue"
		}
		return id, fmt.Errorf("kafka.UUID: %d bytes where a producer with UUIDSerializer writes %d: %s",
			len(data), uuidLen, hint)
	}
	groups := [][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, 36}}
	at := 0
	for _, g := range groups {
		n, err := hex.Decode(id[at:], data[g[0]:g[1]])
		if err != nil || g[0] > 0 && data[g[0]-1] != '-' {
			return UUIDValue{}, fmt.Errorf("kafka.UUID: the %d bytes are not the text of a UUID: "+
				"read them with kafka.String or kafka.Bytes", len(data))
		}
		at += n
	}
	return id, nil
}
