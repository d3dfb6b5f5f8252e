package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// answerMax bounds an answer's body. The largest schemas in the wild are some hundred KiB.
const answerMax = 16 << 20

// newHTTP makes the client that requests go through. Each request, from dialing to the answer's last
// byte, is over after http.connect.timeout.ms plus http.read.timeout.ms.
func newHTTP(s *settings, o *options) *http.Client {
	dial := o.dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, s.connectTimeout)
			defer cancel()
			return dial(ctx, network, addr)
		},
		TLSClientConfig:     o.tls,
		TLSHandshakeTimeout: s.connectTimeout,
		// A connection that waits for the next request has two goroutines, and somebody would have to
		// close it. Schemas are asked for once each, so a connection a request is cheap.
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 1 << 20,
	}
	if s.proxy != nil {
		t.Proxy = http.ProxyURL(s.proxy)
	}
	return &http.Client{
		Transport: bounded{t, s.headers},
		Timeout:   s.connectTimeout + s.readTimeout,
		// A redirect would carry the user's headers, and what stands in them, to wherever it points.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded adds the user's headers to requests and ends answers that are too long to be a schema. Of a redirect it
// leaves where it leads.
type bounded struct {
	next    http.RoundTripper
	headers http.Header
}

// RoundTrip is http.RoundTripper's.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if len(b.headers) > 0 {
		req = req.Clone(req.Context()) // a RoundTripper must not change its request
		for name, values := range b.headers {
			req.Header[name] = values
		}
	}
	resp, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &boundedBody{resp.Body, answerMax}
	if to, err := resp.Location(); err == nil && resp.StatusCode/100 == 3 {
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(strings.NewReader("it redirects to " + to.Redacted()))
	}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

// Read is io.Reader's.
func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		// One byte decides whether the body ends here or goes on.
		if n, err := io.ReadFull(b.ReadCloser, make([]byte, 1)); n == 0 {
			return 0, err
		}
		return 0, fmt.Errorf("the answer is longer than %d bytes", answerMax)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// pause waits for d or until ctx ends, and says which.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
