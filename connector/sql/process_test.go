package sql_test

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/weirstream/weir/connector/sql"
)

// A process is what dies at a step of its way to the database: what its client sends by one call.
type process struct {
	mu    sync.Mutex
	at    int // the step of its death, -1 for never
	late  bool
	sent  int
	dead  bool
	conns []net.Conn
}

var errDead = errors.New("the process has died")

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// dialer is the option by which the process's sink reaches the database.
func (p *process) dialer() sql.Option {
	return sql.WithConfig(func(cfg *pgxpool.Config) {
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if p.isDead() {
				return nil, errDead
			}
			var d net.Dialer
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.conns = append(p.conns, c)
			return &processConn{c, p}, nil
		}
	})
}

// next counts a step; send tells whether it is still made.
func (p *process) next() (send bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false
	}
	p.dead = p.sent == p.at
	p.sent++
	return !p.dead || p.late
}

// hangUp ends the connections of a process that has died, as its system does.
func (p *process) hangUp() {
	p.mu.Lock()
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}

type processConn struct {
	net.Conn
	of *process
}

// Write implements net.Conn.
func (c *processConn) Write(b []byte) (int, error) {
	if !c.of.next() {
		c.of.hangUp()
		return 0, errDead
	}
	n, err := c.Conn.Write(b)
	if c.of.isDead() {
		c.of.hangUp()
	}
	return n, err
}

// Read implements net.Conn.
func (c *processConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.of.isDead() {
		return 0, errDead
	}
	return n, err
}
