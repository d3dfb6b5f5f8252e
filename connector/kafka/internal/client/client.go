package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TopicPartition names a partition.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String is topic/partition, as error texts name it.
func (p TopicPartition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Partition) }

// Client is a connection to a cluster. It is made by Open and may be used by many goroutines at once.
// Each of its calls ends with its context, or after Config.Timeout if the context has no deadline;
// errors that Kafka calls retriable are retried until then. Call errors are *Errors, but for
// context.Canceled and kgo.ErrClientClosed.
type Client struct {
	kc       *kgo.Client
	cfg      *Config
	version  Version
	warnings []string
	hook     *tracker

	mu           sync.Mutex // guards what follows; never held over I/O
	closed       bool
	coordinators map[string]int32    // group to node
	ids          map[string][16]byte // topic to id, as last seen
	calls        sync.WaitGroup
}

// Kgo is franz-go's client, for what this package does not do: reading and writing. It is closed by
// Close.
func (c *Client) Kgo() *kgo.Client { return c.kc }

// Config is what the client was opened with, references resolved.
func (c *Client) Config() *Config { return c.cfg }

// Version is what the brokers can do.
func (c *Client) Version() Version { return c.version }

// Warnings are things to be said once in the log, those of the Config among them.
func (c *Client) Warnings() []string { return slices.Clone(c.warnings) }

// Close ends the connections and waits for the calls that are under way; they fail. It may be called
// more than once.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.kc.Close()
	c.calls.Wait()
}

// Explain is the function Explain with what this client has seen: an error that only says that time is
// up is told together with the brokers that could not be connected to.
func (c *Client) Explain(err error) error {
	err = Explain(err, c.cfg)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Kind != TimedOut {
		return err
	}
	seen := c.hook.failures()
	if seen == "" || strings.Contains(e.Text, seen) { // timedOut has told it
		return err
	}
	told := *e
	told.Text += "; " + seen
	return &told
}

// timedOut is the error of a call whose time is up. last is what it was trying to get past.
func (c *Client) timedOut(what string, last error) error {
	e := &Error{Kind: TimedOut, Text: what + ": no answer in time", Err: last,
		Remedy: "check that the brokers run and can be reached, or raise default.api.timeout.ms"}
	if seen := c.hook.failures(); seen != "" {
		e.Text += "; " + seen
	}
	return e
}

// bound gives a context the client's deadline if it has none.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// askAny sends a request to any broker. franz-go does not look at the context while it makes a connection,
// so the request runs aside.
func (c *Client) askAny(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return c.aside(ctx, func() (kmsg.Response, error) { return c.kc.Request(ctx, req) })
}

// askLimit bounds a request that nobody may wait for any more, with the pauses that a broker asks for.
const askLimit = 5 * time.Minute

// AskBroker sends a request to one broker. One that the caller no longer waits for goes on, and its answer is dropped:
// to take a fetch back would close its connection, and with it end those of others.
func (c *Client) AskBroker(ctx context.Context, node int32, req kmsg.Request) (kmsg.Response, error) {
	return c.aside(ctx, func() (kmsg.Response, error) {
		wire, cancel := context.WithTimeout(context.WithoutCancel(ctx), askLimit)
		defer cancel()
		return c.kc.Broker(int(node)).Request(wire, req)
	})
}

// aside runs a request for as long as the context lasts, or longer; Close waits for it.
func (c *Client) aside(ctx context.Context, request func() (kmsg.Response, error)) (kmsg.Response, error) {
	type answer struct {
		resp kmsg.Response
		err  error
	}
	done := make(chan answer, 1)
	// Counted under the lock, so that Close cannot be done waiting before this begins.
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, kgo.ErrClientClosed
	}
	c.calls.Go(func() {
		resp, err := request()
		done <- answer{resp, err}
	})
	c.mu.Unlock()
	select {
	case a := <-done:
		return a.resp, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pause waits before attempt n+1. It returns false if the context ends first, or would right after.
func (c *Client) pause(ctx context.Context, n int) bool {
	// A pause that the deadline would end is not begun: the error comes now, and says the same.
	d := c.cfg.Backoff(n)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ended is the error of a call that ran out of attempts: the caller's cancelling as it is, anything else
// as a deadline that passed over last.
func (c *Client) ended(ctx context.Context, what string, last error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	if last == nil || errors.Is(last, context.DeadlineExceeded) {
		return c.timedOut(what, context.DeadlineExceeded)
	}
	return c.Explain(last)
}

// tracker is a hook of franz-go that remembers to which brokers no connection could be made, and why.
// A deadline that passes says nothing by itself.
type tracker struct {
	mu  sync.Mutex
	bad map[string]string
}

func newTracker() *tracker { return &tracker{bad: map[string]string{}} }

// OnBrokerConnect is called by franz-go after each attempt to connect and sign in.
func (t *tracker) OnBrokerConnect(meta kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if errors.Is(err, context.Canceled) { // ours, not the broker's fault
		return
	}
	name := fmt.Sprintf("%s at %s", kgo.NodeName(meta.NodeID), Broker{Host: meta.Host, Port: meta.Port}.Addr())
	if meta.NodeID >= 0 {
		name = "node " + name
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.bad, name)
		return
	}
	t.bad[name] = brief(err)
}

// failures lists the brokers whose last connection failed, or "".
func (t *tracker) failures() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.bad)) {
		parts = append(parts, name+": "+t.bad[name])
	}
	return strings.Join(parts, "; ")
}
