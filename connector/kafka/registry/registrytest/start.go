package registrytest

import (
	"context"
	"encoding/pem"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Start serves an empty registry on the loopback interface until the test ends.
func Start(tb testing.TB) *Server {
	s := New()
	s.URL = serve(tb, httptest.NewUnstartedServer(s)).URL
	return s
}

// StartTLS is Start with https and returns the certificate to trust, in PEM.
func StartTLS(tb testing.TB) (s *Server, certificate string) {
	s = New()
	h := httptest.NewUnstartedServer(s)
	quiet(h)
	h.StartTLS()
	tb.Cleanup(h.Close)
	s.URL = h.URL
	return s, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}))
}

// StartInMemory serves an empty registry without a socket until the test ends: clients reach it by
// Dial only.
func StartInMemory(tb testing.TB) *Server {
	s := New()
	s.pipe = &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	s.URL = serve(tb, &httptest.Server{Listener: s.pipe, Config: &http.Server{Handler: s}}).URL
	return s
}

func serve(tb testing.TB, h *httptest.Server) *httptest.Server {
	quiet(h)
	h.Start()
	tb.Cleanup(h.Close)
	return h
}

// quiet keeps failed handshakes, which tests provoke, out of their output.
func quiet(h *httptest.Server) {
	h.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
}

// Dial connects to a registry that StartInMemory made, whatever the address.
func (s *Server) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case s.pipe.conns <- far:
		return near, nil
	case <-s.pipe.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipeListener hands the far ends of pipes to a server.
type pipeListener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Accept is net.Listener's.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is net.Listener's.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network is net.Addr's.
func (pipeAddr) Network() string { return "tcp" }

// String is net.Addr's.
func (pipeAddr) String() string { return "registry.test:8081" }
