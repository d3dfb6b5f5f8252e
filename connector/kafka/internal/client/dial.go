package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// A dialError is a connection that could not be made: which address, and whether the broker asked for
// a certificate that we do not have.
type dialError struct {
	addr string
	// plain is false once the connection itself was there and TLS failed on it.
	plain     bool
	wantsOurs bool
	hasOurs   bool
	err       error
}

func (e *dialError) Error() string { return fmt.Sprintf("connect to %s: %v", e.addr, e.err) }
func (e *dialError) Unwrap() error { return e.err }

// dialPlain makes a connection without TLS, the way the user wants it.
func (c *Config) dialPlain(ctx context.Context, network, addr string) (net.Conn, error) {
	dial := (&net.Dialer{}).DialContext
	if c.Dial != nil {
		dial = abandoning(c.Dial)
	}
	conn, err := dial(ctx, network, addr)
	if err != nil {
		// The address is said here once and for all: not every dialer's error has it.
		return nil, &dialError{addr: addr, plain: true, err: err}
	}
	// The sizes are hints to the kernel; a connection that is not TCP's has none.
	if tcp, ok := conn.(*net.TCPConn); ok {
		if c.receiveBuffer > 0 {
			_ = tcp.SetReadBuffer(c.receiveBuffer)
		}
		if c.sendBuffer > 0 {
			_ = tcp.SetWriteBuffer(c.sendBuffer)
		}
	}
	return conn, nil
}

// abandoning gives up a dialer that does not return when its context ends. Whatever it makes later is closed.
func abandoning(dial dialFunc) dialFunc {
	type made struct {
		conn net.Conn
		err  error
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		done := make(chan made)
		go func() {
			conn, err := dial(ctx, network, addr)
			select {
			case done <- made{conn, err}:
			case <-ctx.Done():
				if conn != nil {
					_ = conn.Close()
				}
			}
		}()
		select {
		case m := <-done:
			return m.conn, m.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dialer makes connections as the parameters say. m is nil for connections without TLS.
func (c *Config) dialer(m *tlsMaker) dialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		// One limit for both: a port that takes connections and then keeps silent is as good as none.
		ctx, cancel := context.WithTimeout(ctx, c.DialTimeout)
		defer cancel()
		conn, err := c.dialPlain(ctx, network, addr)
		if err != nil || m == nil {
			return conn, err
		}
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			_ = conn.Close()
			return nil, &dialError{addr: addr, plain: true, err: err}
		}
		var asked bool
		secured := tls.Client(conn, m.config(host, &asked))
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, &dialError{addr: addr, wantsOurs: asked, hasOurs: m.cert != nil, err: err}
		}
		return &tlsConn{Conn: secured, addr: addr, asked: asked, hasOurs: m.cert != nil}, nil
	}
}

// tlsConn is a TLS connection that remembers whether the broker asked for our certificate. In TLS 1.3 a
// broker refuses one only after the handshake, in place of its first answer, and in words that vary.
type tlsConn struct {
	*tls.Conn
	addr           string
	asked, hasOurs bool
	answered       bool
}

func (c *tlsConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.answered = true
	}
	// Once the broker has answered anything, it has accepted what we showed.
	if err != nil && c.asked && !c.answered && !isTimeout(err) {
		return n, &dialError{addr: c.addr, wantsOurs: true, hasOurs: c.hasOurs, err: err}
	}
	return n, err
}

// isSecured says whether a connection, perhaps of a user's own making, is encrypted.
func isSecured(conn net.Conn) bool {
	_, ok := conn.(interface{ ConnectionState() tls.ConnectionState })
	return ok
}
