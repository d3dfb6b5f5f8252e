// Package socket feeds a stream from a TCP server, as Spark's socketTextStream does: the stream is the client. It
// is for tests and simple feeds. What was sent and not stored is lost when the connection breaks.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
)

// An Option of TextStream and Stream.
type Option func(*options)

type options struct {
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	maxLine int
}

// WithDialer has connections made by dial.
func WithDialer(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(o *options) { o.dial = dial }
}

// WithMaxLine sets how many bytes a line of TextStream may have; 16 MiB otherwise.
func WithMaxLine(bytes int) Option { return func(o *options) { o.maxLine = bytes } }

// DefaultMaxLine is the longest line of TextStream, in bytes: enough for any line that is text, and little
// enough that a peer that never ends its line does not fill the memory.
const DefaultMaxLine = 16 << 20

// dialTimeout bounds how long a connection may take to be made.
const dialTimeout = 10 * time.Second

// TextStream makes a stream of the lines that the server at host:port sends. A line ends with \n, \r or \r\n, which
// are not part of it. Bytes that are not UTF-8 become U+FFFD; the receiver reports where the first are of a connection,
// and from time to time how many lines have some. When the connection cannot be made or ends, it is made again after
// spark.streaming.receiverRestartDelay.
func TextStream(ssc *dstream.Context, host string, port int, opts ...Option) *dstream.DStream[string] {
	o := newOptions(opts)
	return stream(ssc, "socketTextStream", host, port, o, func(r io.Reader) iter.Seq2[string, error] {
		return Lines(r, o.maxLine)
	})
}

// Stream makes a stream of what decode reads from each connection: elements, or an error after which the
// connection is made anew. decode must end when the reader does.
func Stream[T any](
	ssc *dstream.Context,
	host string,
	port int,
	decode func(io.Reader) iter.Seq2[T, error],
	opts ...Option,
) *dstream.DStream[T] {
	return stream(ssc, "socketStream", host, port, newOptions(opts), decode)
}

func newOptions(opts []Option) options {
	o := options{dial: (&net.Dialer{Timeout: dialTimeout}).DialContext, maxLine: DefaultMaxLine}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

func stream[T any](
	ssc *dstream.Context,
	name, host string,
	port int,
	o options,
	decode func(io.Reader) iter.Seq2[T, error],
) *dstream.DStream[T] {
	r := &receiver[T]{host: host, port: port, address: net.JoinHostPort(host, strconv.Itoa(port)), options: o,
		decode: decode}
	return dstream.ReceiverStream(ssc, name, dstream.Receiver[T](r))
}

// A receiver reads one connection at a time.
type receiver[T any] struct {
	options
	host    string
	port    int
	address string
	decode  func(io.Reader) iter.Seq2[T, error]

	work sync.WaitGroup
	stop context.CancelFunc
}

// Check implements dstream.ReceiverChecker.
func (r *receiver[T]) Check() error {
	switch {
	case r.host == "":
		return errors.New("the host is empty: name the machine that the server runs on, such as localhost")
	case r.port < 1 || r.port > 65535:
		return fmt.Errorf("the port must be from 1 to 65535, not %d", r.port)
	case r.dial == nil || r.decode == nil:
		return errors.New("the dialer or the function that decodes is nil")
	case r.maxLine < 1:
		return fmt.Errorf("socket.WithMaxLine needs at least 1, not %d", r.maxLine)
	}
	return nil
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

// Stop implements dstream.Receiver.
func (r *receiver[T]) Stop(ctx context.Context) error {
	if r.stop == nil {
		return nil
	}
	r.stop()
	ended := make(chan struct{})
	go func() { r.work.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the connection to %s did not end: %w", r.address, ctx.Err())
	}
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
func (r *receiver[T]) receive(ctx context.Context, st *dstream.Store[T]) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the decoder of the socket %s panicked: %v", r.address, v)
		}
	}()
	conn, err := r.dial(ctx, "tcp", r.address)
	if err != nil {
		return r.unreachable(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	garbage := garbage{report: func(err error) { st.Report(fmt.Errorf("socket %s: %w", r.address, err)) }}
	defer garbage.end()
	for v, err := range r.decode(conn) {
		var garbled *GarbledError
		switch {
		case errors.As(err, &garbled):
			garbage.add(garbled)
		case err != nil:
			return fmt.Errorf("socket %s: %w", r.address, err)
		}
		if err := st.One(v); err != nil {
			return err
		}
	}
	return fmt.Errorf("socket %s: the server ended the connection", r.address)
}
