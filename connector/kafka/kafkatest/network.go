package kafkatest

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// connections are those that Dialer has made, so that a broker can be cut off.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]string // to which address
	cut  map[string]bool
}

// errCut is what a connection to a broker that is cut off gives.
var errCut = errors.New("connection refused: the test has cut this broker off")

// Dial connects to a broker, unless it is cut off: what Dialer hands over, for a dialer of one's own.
func (c *Cluster) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.conns.isCut(addr) {
		return nil, errCut
	}
	conn, err := c.network.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	if c.conns.open == nil {
		c.conns.open = map[net.Conn]string{}
	}
	tracked := &trackedConn{Conn: conn, of: &c.conns}
	c.conns.open[tracked] = addr
	return tracked, nil
}

// A trackedConn is forgotten when it is closed.
type trackedConn struct {
	net.Conn
	of *connections
}

// Close implements net.Conn.
func (t *trackedConn) Close() error {
	t.of.mu.Lock()
	delete(t.of.open, t)
	t.of.mu.Unlock()
	return t.Conn.Close()
}

func (s *connections) isCut(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cut[addr]
}

// Cut cuts brokers off, as if they had died: connections that Dialer made to them break, and new ones are refused. The
// cluster does not notice, so partitions keep their leaders. Without a node all are cut off.
func (c *Cluster) Cut(nodes ...int32) {
	c.t.Helper()
	addrs := c.addresses(nodes)
	var broken []net.Conn
	c.conns.mu.Lock()
	if c.conns.cut == nil {
		c.conns.cut = map[string]bool{}
	}
	for _, addr := range addrs {
		c.conns.cut[addr] = true
	}
	for conn, addr := range c.conns.open {
		if c.conns.cut[addr] {
			broken = append(broken, conn)
		}
	}
	c.conns.mu.Unlock()
	for _, conn := range broken {
		_ = conn.Close() // It only says that the other side was faster.
	}
}

// Mend ends every Cut.
func (c *Cluster) Mend() {
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	clear(c.conns.cut)
}

// Connections is the number of connections that Dialer has made and nobody has closed.
func (c *Cluster) Connections() int {
	c.conns.mu.Lock()
	defer c.conns.mu.Unlock()
	return len(c.conns.open)
}

// addresses are those that the nodes tell clients to use.
func (c *Cluster) addresses(nodes []int32) []string {
	if len(nodes) == 0 {
		return c.ListenAddrs()
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	resp, err := req.RequestWith(context.Background(), c.Client())
	if err != nil {
		c.t.Fatalf("ask for the brokers: %v", err)
	}
	var addrs []string
	for _, b := range resp.Brokers {
		if slices.Contains(nodes, b.NodeID) {
			addrs = append(addrs, net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))))
		}
	}
	if len(addrs) != len(nodes) {
		c.t.Fatalf("of the nodes %v only %v are there", nodes, addrs)
	}
	return addrs
}
