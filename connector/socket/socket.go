// Package socket feeds a stream from TCP connections: from a server whose client the stream is, as Spark's
// socketTextStream, socketStream and rawSocketStream do, or from clients whose server it is. It is for tests and simple
// feeds. What was sent and not stored is lost when the connection breaks.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// An Option of the functions that make streams.
type Option func(*options)

type options struct {
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	listen     func(ctx context.Context, network, address string) (net.Listener, error)
	maxLine    int
	maxFrame   int
	maxClients int
	idle       time.Duration
	wrong      error // with what the stream was made of
}

// WithDialer has connections made by dial.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithMaxLine sets how many bytes a line of TextStream or TextServer may have.
func WithMaxLine(bytes int) Option { return func(o *options) { o.maxLine = bytes } }

// WithIdleTimeout sets how long a peer may send nothing before its connection is ended, with a report: for ever with 0,
// which is so for the functions whose client the stream is if they are not told otherwise. Time in which the stream
// does not read, since its memory is full, does not count.
func WithIdleTimeout(d time.Duration) Option { return func(o *options) { o.idle = d } }

// DefaultIdleTimeout is how long a client of TextServer and Listen may be silent, if they are not told otherwise:
// clients that are only forgotten would take all places some day.
const DefaultIdleTimeout = time.Hour

// The longest lines and frames, in bytes, of those who are not told otherwise: enough for any that is meant, and little
// enough that a peer that never ends one does not fill the memory. A server's lines are counted for each client.
const (
	DefaultMaxLine       = 16 << 20
	DefaultServerMaxLine = 1 << 20
	DefaultMaxFrame      = 16 << 20
)

// dialTimeout bounds how long a connection may take to be made.
const dialTimeout = 10 * time.Second

// TextStream makes a stream of the lines that the server at host:port sends. A line ends with \n, \r or \r\n, which are
// not part of it. Bytes that are not UTF-8 become U+FFFD; the receiver reports where the first are of a connection, and
// from time to time how many lines have some. When the connection cannot be made or ends, it is made again after
// spark.streaming.receiverRestartDelay.
func TextStream(ssc *dstream.Context, host string, port int, opts ...Option) *dstream.DStream[string] {
	o := newOptions(DefaultMaxLine, opts)
	return stream(ssc, "socketTextStream", host, port, o, each(lines(o)))
}

// Stream makes a stream of what decode reads from each connection: elements, or an error after which the
// connection is made anew. decode must end when the reader does. It gives its elements away: what it reads next goes to
// other memory, so that a bufio.Scanner's Bytes have to be cloned.
func Stream[T any](
	ssc *dstream.Context,
	host string,
	port int,
	decode func(io.Reader) iter.Seq2[T, error],
	opts ...Option,
) *dstream.DStream[T] {
	return stream(ssc, "socketStream", host, port, newOptions(DefaultMaxLine, opts), each(decode))
}

func newOptions(maxLine int, opts []Option) options {
	o := options{
		dial:       (&net.Dialer{Timeout: dialTimeout}).DialContext,
		listen:     (&net.ListenConfig{}).Listen,
		maxLine:    maxLine,
		maxFrame:   DefaultMaxFrame,
		maxClients: DefaultMaxClients,
	}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func (o options) check() error {
	switch {
	case o.wrong != nil:
		return o.wrong
	case o.maxLine < 1:
		return fmt.Errorf("socket.WithMaxLine needs at least 1, not %d", o.maxLine)
	case o.maxFrame < 1:
		return fmt.Errorf("socket.WithMaxFrame needs at least 1, not %d", o.maxFrame)
	case o.idle < 0:
		return fmt.Errorf("socket.WithIdleTimeout needs at least 0, not %v", o.idle)
	case o.maxClients < 1:
		return fmt.Errorf("socket.WithMaxClients needs at least 1, not %d", o.maxClients)
	}
	return nil
}

// A feed stores what comes over a connection, until that ends, which is no error, or cannot be read on.
type feed[T any] func(conn io.Reader, st *dstream.Store[T], garbage *garbage) error

// each stores the elements in their order; nil for no decoder.
func each[T any](decode func(io.Reader) iter.Seq2[T, error]) feed[T] {
	if decode == nil {
		return nil
	}
	return func(conn io.Reader, st *dstream.Store[T], garbage *garbage) (err error) {
		g := gather(conn, st)
		defer func() { err = errors.Join(err, g.store()) }() // Also of a decoder that panics.
		vs := decode(g)
		if vs == nil {
			return errors.New("the function that decodes gave nil and no elements")
		}
		for v, err := range vs {
			var garbled *GarbledError
			switch {
			case errors.As(err, &garbled):
				garbage.add(garbled)
			case err != nil:
				return err
			}
			if err := g.add(v); err != nil {
				return err
			}
		}
		return nil
	}
}

func lines(o options) func(io.Reader) iter.Seq2[string, error] {
	return func(r io.Reader) iter.Seq2[string, error] { return Lines(r, o.maxLine) }
}

// store feeds a stream from a connection until ctx ends. A decoder that panics has failed.
func (f feed[T]) store(ctx context.Context, conn net.Conn, st *dstream.Store[T], idle time.Duration, where string,
) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the decoder of the socket %s panicked: %v", where, v)
		}
	}()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	garbage := garbage{report: func(err error) { st.Report(fmt.Errorf("socket %s: %w", where, err)) }}
	defer garbage.end()
	if err := f(awake(conn, idle), st, &garbage); err != nil {
		return fmt.Errorf("socket %s: %w", where, err)
	}
	return nil
}

// awake is the connection as a reader that does not wait longer than idle for the next bytes, if that is not 0.
func awake(conn net.Conn, idle time.Duration) io.Reader {
	if idle == 0 {
		return conn
	}
	return reader(func(p []byte) (int, error) {
		if err := conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return 0, err
		}
		n, err := conn.Read(p)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("nothing has come for %v: is the sender alive? (socket.WithIdleTimeout allows for more)",
				idle)
		}
		return n, err
	})
}

// A reader is a function that reads.
type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// goroutines are the work of one run of a receiver.
type goroutines struct {
	work sync.WaitGroup
	stop context.CancelFunc
}

// end cancels the work and waits for it.
func (g *goroutines) end(ctx context.Context, what string) error {
	if g.stop == nil {
		return nil
	}
	g.stop()
	ended := make(chan struct{})
	go func() { g.work.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not end: %w", what, ctx.Err())
	}
}

func stream[T any](
	ssc *dstream.Context,
	name, host string,
	port int,
	o options,
	f feed[T],
) *dstream.DStream[T] {
	r := &receiver[T]{host: host, port: port, address: net.JoinHostPort(host, strconv.Itoa(port)), options: o, feed: f}
	return dstream.ReceiverStream(ssc, name, dstream.Receiver[T](r))
}

// A receiver reads one connection at a time.
type receiver[T any] struct {
	options
	goroutines
	host    string
	port    int
	address string
	feed    feed[T]
}

// Check implements dstream.ReceiverChecker.
func (r *receiver[T]) Check() error {
	switch {
	case r.host == "":
		return errors.New("the host is empty: name the machine that the server runs on, such as localhost")
	case r.port < 1 || r.port > 65535:
		return fmt.Errorf("the port must be from 1 to 65535, not %d", r.port)
	case r.dial == nil || r.feed == nil:
		return errors.New("the dialer or the function that decodes is nil")
	}
	return r.check()
}

// Start implements dstream.Receiver.
func (r *receiver[T]) Start(ctx context.Context, st *dstream.Store[T], _ []byte) error {
	ctx, r.stop = context.WithCancel(ctx)
	r.work.Go(func() {
		if err := r.receive(ctx, st); ctx.Err() == nil {
			st.Restart(err)
		}
	})
	return nil
}

// HandsOver implements dstream.ReceiverHandsOver.
func (r *receiver[T]) HandsOver() {}

// Stop implements dstream.Receiver.
func (r *receiver[T]) Stop(ctx context.Context) error {
	return r.end(ctx, "the connection to "+r.address)
}

// unreachable says what to do about a connection that could not be made.
func (r *receiver[T]) unreachable(err error) error {
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		return fmt.Errorf("connect to %s: %w: is %q the name of the machine that the server runs on?", r.address, err,
			r.host)
	}
	return fmt.Errorf("connect to %s: %w: is the server running there? (nc -lk %d starts one)", r.address, err, r.port)
}

// receive makes a connection and stores what comes until it ends.
func (r *receiver[T]) receive(ctx context.Context, st *dstream.Store[T]) error {
	conn, err := r.dial(ctx, "tcp", r.address)
	if err != nil {
		return r.unreachable(err)
	}
	if err := r.feed.store(ctx, conn, st, r.idle, r.address); err != nil {
		return err
	}
	return fmt.Errorf("socket %s: the server ended the connection", r.address)
}
