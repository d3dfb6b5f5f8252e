package kafkatest

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/weirstream/weir/connector/kafka"
)

// A Process is the network of one process of several that use a cluster. It can die as kill -9 has a process die: in
// the middle of what it does, while others go on.
type Process struct {
	c *Cluster

	mu      sync.Mutex
	sent    int
	at      int // the request at which it dies, -1 for none
	late    bool
	dead    bool
	onDeath func()
}

// Process makes a process, which lives until it is told otherwise.
func (c *Cluster) Process() *Process { return &Process{c: c, at: -1} }

// Dialer is the option by which the process's streams and sinks reach the cluster.
func (p *Process) Dialer() kafka.Option { return kafka.WithDialer(p.dial) }

// DieAt has the process die at a request, the first of which is 0: it is not sent, or, with late, sent and carried out,
// and only its answer is lost. then, if not nil, is called at that moment, for what else dies with the process.
func (p *Process) DieAt(request int, late bool, then func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at, p.late, p.onDeath = request, late, then
}

// Dead tells whether the process has died.
func (p *Process) Dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// ErrDead is the error of what a dead process sends or reads.
var ErrDead = errors.New("the process has died")

// next counts a request; send tells whether it still goes out.
func (p *Process) next() (send bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false
	}
	p.dead = p.sent == p.at
	p.sent++
	if p.dead && p.onDeath != nil {
		p.onDeath()
	}
	return !p.dead || p.late
}

func (p *Process) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if p.Dead() {
		return nil, &net.OpError{Op: "dial", Net: network, Err: ErrDead}
	}
	conn, err := p.c.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &processConn{conn, p}, nil
}

// A processConn is a connection of a process. The client sends a request by one call of Write.
type processConn struct {
	net.Conn
	of *Process
}

// Write implements net.Conn.
func (c *processConn) Write(b []byte) (int, error) {
	if !c.of.next() {
		return 0, ErrDead
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *processConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.of.Dead() {
		return 0, ErrDead
	}
	return n, err
}

// Close leaves a dead process's connection to the broker for a while, which may not have read all of it yet.
func (c *processConn) Close() error {
	if c.of.Dead() {
		time.AfterFunc(time.Second, func() { _ = c.Conn.Close() }) // Nobody is there to be told.
		return nil
	}
	return c.Conn.Close()
}
