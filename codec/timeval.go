package codec

import (
	"time"
)

// maxNanos is the number of nanoseconds that no time reaches.
const maxNanos = 1_000_000_000

// appendTime writes the seconds since 1970, the nanoseconds, and the zone: 0 for UTC, else one more
// than its offset in seconds east, as a varint's bits. A zone's name and the monotonic clock's
// reading mean nothing elsewhere and are left out.
func appendTime(dst []byte, a address) []byte {
	t := *at[time.Time](a)
	dst = appendVarint(dst, t.Unix())
	dst = appendUvarint(dst, uint64(t.Nanosecond()))
	if t.Location() == time.UTC {
		return append(dst, 0)
	}
	_, offset := t.Zone()
	return appendUvarint(dst, zigzag(int64(offset))+1)
}

// decodeTime reads what appendTime wrote. A time whose offset is the local zone's at that instant is
// local again, others are in a zone without a name.
func decodeTime(src []byte, a address) ([]byte, error) {
	sec, rest, err := decodeVarint(src)
	if err != nil {
		return src, err
	}
	nano, rest, err := decodeUvarint(rest)
	if err != nil {
		return src, err
	}
	zone, rest, err := decodeUvarint(rest)
	if err != nil {
		return src, err
	}
	if nano >= maxNanos {
		return src, errTime
	}
	t := time.Unix(sec, int64(nano))
	switch offset := int(unzigzag(zone - 1)); {
	case zone == 0:
		t = t.UTC()
	case zigzag(int64(offset)) != zone-1:
		return src, errRange
	default:
		if _, local := t.Zone(); local != offset {
			t = t.In(time.FixedZone("", offset))
		}
	}
	*at[time.Time](a) = t
	return rest, nil
}
