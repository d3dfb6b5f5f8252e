package codec

import (
	"bytes"
	"encoding"
	"net/netip"
)

// appendNet writes the length of a network address's own bytes, and them.
func appendNet(dst []byte, a address, o op) []byte {
	// Nearly all are shorter than 128 bytes, so that their length takes the one byte left for it.
	head := len(dst)
	dst = append(dst, 0)
	switch o { // the three methods cannot fail
	case opAddr:
		dst, _ = at[netip.Addr](a).AppendBinary(dst)
	case opAddrPort:
		dst, _ = at[netip.AddrPort](a).AppendBinary(dst)
	default: // opPrefix
		dst, _ = at[netip.Prefix](a).AppendBinary(dst)
	}
	n := len(dst) - head - 1
	if n < 0x80 {
		dst[head] = byte(n)
		return dst
	}
	// A zone's name is that long: write again, behind the longer length.
	body := bytes.Clone(dst[head+1:])
	return append(appendUvarint(dst[:head], uint64(n)), body...)
}

// decodeNet reads what appendNet wrote. netip's methods also take other forms of the same address,
// which are found out by writing it again.
func decodeNet(src []byte, a address, o op) ([]byte, error) {
	b, rest, err := decodeChunk(src)
	if err != nil {
		return src, err
	}
	var u encoding.BinaryUnmarshaler
	switch o {
	case opAddr:
		u = new(netip.Addr)
	case opAddrPort:
		u = new(netip.AddrPort)
	default: // opPrefix
		u = new(netip.Prefix)
	}
	if u.UnmarshalBinary(b) != nil {
		return src, errAddr
	}
	switch v := u.(type) {
	case *netip.Addr:
		*at[netip.Addr](a) = *v
	case *netip.AddrPort:
		*at[netip.AddrPort](a) = *v
	case *netip.Prefix:
		*at[netip.Prefix](a) = *v
	}
	form := appendNet(make([]byte, 0, maxNet), a, o)
	if !bytes.Equal(form, src[:len(src)-len(rest)]) {
		return src, errAddr
	}
	return rest, nil
}

// maxNet is enough for an address and port with a zone of usual length.
const maxNet = 64
