package kafka_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirstream/weir/connector/kafka"
	"github.com/weirstream/weir/connector/kafka/kafkatest"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
)

// mishaps are the troubles of an ordeal, and how far the requests are counted.
type mishaps struct {
	mu       sync.Mutex
	troubles []trouble
	off      bool
	sent     map[kmsg.Key]int // by processes of the program
	asked    map[kmsg.Key]int // what has come to brokers, of these
	last     kmsg.Request
	hits     map[hit]int
	events   map[string]int // what processes and brokers have met
}

// What processes and brokers meet, beside the endings of lives.
const (
	gaveUp      = "failure" // of a process, by what became of its requests
	movedInput  = "leader of the input moved"
	movedOutput = "leader of the output moved"
	rehashed    = "coordinators moved"
	cutOff      = "broker cut off"
	cutShort    = "connections to a broker cut"
	grown       = "input has more partitions"
	lastRequest = "request of a dead process carried out"
)

// A hit is a kind of request and what became of one.
type hit struct {
	key kmsg.Key
	how mishap
}

func newMishaps(o *ordeal) *mishaps {
	return &mishaps{troubles: o.troubles, sent: map[kmsg.Key]int{}, asked: map[kmsg.Key]int{}, hits: map[hit]int{},
		events: map[string]int{}}
}

// note counts what has happened to a process or a broker.
func (m *mishaps) note(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events[what]++
}

// onTheWay says what becomes of a request that a process sends.
func (m *mishaps) onTheWay(key kmsg.Key) (found trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[key]++
	for _, tr := range m.troubles {
		if tr.how != refused && tr.hits(key, m.sent[key]) && !m.off {
			m.hits[hit{key, tr.how}]++
			return tr
		}
	}
	return trouble{}
}

// count counts a request that has come to a broker. It is called for each entity in it.
func (m *mishaps) count(req kmsg.Request) int {
	key := kmsg.Key(req.Key())
	if m.last != req {
		m.last = req
		m.asked[key]++
	}
	return m.asked[key]
}

// refuses tells whether a broker refuses a request of the program by the trouble. It is called on the cluster's
// goroutine, once for each entity of the request.
func (m *mishaps) refuses(tr trouble, req kmsg.Request) bool {
	switch req := req.(type) {
	case *kmsg.ProduceRequest:
		if req.TransactionID == nil {
			return false // The test's own.
		}
	case *kmsg.InitProducerIDRequest:
		if req.TransactionalID == nil {
			return false
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !tr.hits(tr.key, m.count(req)) || m.off {
		return false
	}
	m.hits[hit{tr.key, refused}]++
	return true
}

func (tr *trouble) hits(key kmsg.Key, n int) bool {
	return tr.key == key && n >= tr.from && n < tr.from+tr.times
}

func (m *mishaps) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.off = true
}

// A victim is a process of an ordeal: its disk and its network, which die together, or sleep and wake up one after the
// other.
type victim struct {
	ordealLife
	c       *kafkatest.Cluster
	m       *mishaps
	mount   *vfs.Mount
	ssc     *dstream.Context
	started chan error
	gone    chan struct{} // closed when it ends before its time

	mu            sync.Mutex
	events        int
	ended, dead   bool
	network, disk time.Time // when they wake up
}

// event counts an event, at which the process may end, and waits for it to wake up. It tells whether it still happens.
func (v *victim) event(disk bool) bool {
	v.mu.Lock()
	v.events++
	last := v.events == v.at
	v.mu.Unlock()
	if last {
		v.finish()
	}
	v.awaken(disk)
	if !v.isDead() {
		return true
	}
	late := last && v.late && !disk
	if late {
		v.m.note(lastRequest)
	}
	return late
}

func (v *victim) awaken(disk bool) {
	v.mu.Lock()
	until := v.network
	if disk {
		until = v.disk
	}
	v.mu.Unlock()
	if wait := time.Until(until); wait > 0 {
		<-time.After(wait)
	}
}

// wakes is when all of it is awake.
func (v *victim) wakes() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.disk.After(v.network) {
		return v.disk
	}
	return v.network
}

func (v *victim) isDead() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dead
}

func (v *victim) isOver() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ended
}

// finish has the process die, or fall asleep.
func (v *victim) finish() {
	v.mu.Lock()
	again := v.ended
	v.ended = true
	switch {
	case again:
	case v.end == endZombie:
		v.network, v.disk = time.Now().Add(v.ordealLife.network), time.Now().Add(v.ordealLife.disk)
	default:
		v.dead = true
	}
	v.mu.Unlock()
	if !again {
		close(v.gone)
	}
}

// fault is what becomes of a step of its disk.
func (v *victim) fault(vfs.Step) vfs.Fault {
	if !v.event(true) {
		return vfs.Die
	}
	return vfs.None
}

func (v *victim) dialer() kafka.Option {
	return kafka.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		v.awaken(false)
		if v.isDead() {
			return nil, kafkatest.ErrDead
		}
		conn, err := v.c.Dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &victimConn{Conn: conn, v: v, closed: make(chan struct{})}, nil
	})
}

// A victimConn is a connection of a process. The client sends a request by one call of Write.
type victimConn struct {
	net.Conn
	v    *victim
	deaf atomic.Bool
	slow atomic.Int64 // for how long the next answer waits
	due  atomic.Int64 // until when the client waits, in nanoseconds of Unix time; 0 for ever
	once sync.Once
	// closed ends the wait for a slow answer.
	closed chan struct{}
}

// Write implements net.Conn.
func (c *victimConn) Write(b []byte) (int, error) {
	if !c.v.event(false) {
		return 0, kafkatest.ErrDead
	}
	if len(b) < 6 {
		return c.Conn.Write(b)
	}
	switch tr := c.v.m.onTheWay(kmsg.Key(binary.BigEndian.Uint16(b[4:]))); tr.how {
	case lostBefore:
		_ = c.Close() // It only says that the other side was faster.
		return 0, io.ErrClosedPipe
	case lostAfter:
		c.deaf.Store(true)
	case slowed:
		c.slow.Store(int64(tr.slow))
	}
	return c.Conn.Write(b)
}

// Read implements net.Conn.
func (c *victimConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if slow := c.slow.Swap(0); slow > 0 && !c.delay(time.Duration(slow)) {
		return 0, os.ErrDeadlineExceeded
	}
	c.v.awaken(false)
	switch {
	case c.v.isDead():
		return 0, kafkatest.ErrDead
	case c.deaf.Load():
		return 0, io.ErrUnexpectedEOF
	}
	return n, err
}

// delay lets time pass, and tells whether the client has waited so long.
func (c *victimConn) delay(d time.Duration) (patient bool) {
	patient = true
	if due := c.due.Load(); due > 0 && time.Until(time.Unix(0, due)) < d {
		d, patient = time.Until(time.Unix(0, due)), false
	}
	select {
	case <-time.After(d):
		return patient
	case <-c.closed:
		return false
	}
}

// SetReadDeadline implements net.Conn.
func (c *victimConn) SetReadDeadline(t time.Time) error {
	c.due.Store(0)
	if !t.IsZero() {
		c.due.Store(t.UnixNano())
	}
	return c.Conn.SetReadDeadline(t)
}

// Close leaves a dead process's connection to the broker for a while, which may not have read all of it yet.
func (c *victimConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	if c.v.isDead() {
		time.AfterFunc(time.Second, func() { _ = c.Conn.Close() }) // Nobody is there to be told.
		return nil
	}
	return c.Conn.Close()
}
