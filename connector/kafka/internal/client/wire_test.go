package client

import (
	"bytes"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// recorded is a connection whose other side has said all that it will ever say.
type recorded struct {
	net.Conn
	*bytes.Reader
}

func (r recorded) Read(p []byte) (int, error)  { return r.Reader.Read(p) }
func (r recorded) Write(p []byte) (int, error) { return len(p), nil }

// Whatever answers at a bootstrap address, the start-up check survives it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"))
	f.Add([]byte{0x15, 3, 1, 0, 2, 2, 40})
	f.Add([]byte{0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3})
	f.Add([]byte{0x03, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, req := range []kmsg.Request{kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrMetadataRequest(),
			kmsg.NewPtrListGroupsRequest(), kmsg.NewPtrSASLHandshakeRequest()} {
			resp, err := exchange(recorded{Reader: bytes.NewReader(b)}, "weir", req, 0)
			if (resp == nil) == (err == nil) {
				t.Errorf("%T: answer %v and error %v", req, resp, err)
			}
			if api, ok := resp.(*kmsg.ApiVersionsResponse); ok && len(api.ApiKeys) > 0 {
				_ = versionOf(api).String()
			}
		}
	})
}
