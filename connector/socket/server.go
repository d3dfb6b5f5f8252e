package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"time"

	"github.com/weirstream/weir/dstream"
)

// WithListener has the server's address be listened on by listen, which may give a listener with TLS.
func WithListener(listen func(ctx context.Context, network, address string) (net.Listener, error)) Option {
	return func(o *options) { o.listen = listen }
}

// DefaultMaxClients is how many clients a server has at the same time, if it is not told otherwise.
const DefaultMaxClients = 256

// WithMaxClients sets how many clients a server has at the same time. More wait to be accepted.
func WithMaxClients(n int) Option { return func(o *options) { o.maxClients = n } }

// TextServer makes a stream of the lines that clients send to address, such as ":9999" or "localhost:9999". Lines are
// those of [TextStream], at most 1 MiB long unless [WithMaxLine] says otherwise.
//
// Each client is read on its own; the lines of one stay in order. When the memory of the receiver is full
// (weir.receiver.memory) or its rate reached, clients are not read, so that they wait. A client that cannot be read on
// is reported by its address and disconnected, and the others go on. A server takes at most the memory of one line for
// each of [WithMaxClients] clients, beside what it has stored. When the address cannot be listened on, that is tried
// again after spark.streaming.receiverRestartDelay. A client that is silent for [DefaultIdleTimeout], or as
// [WithIdleTimeout] says, is disconnected.
func TextServer(ssc *dstream.Context, address string, opts ...Option) *dstream.DStream[string] {
	o := serverOptions(opts)
	return serve(ssc, "socketTextServer", address, o, each(lines(o)))
}

// Listen makes a stream of what decode reads from each client that connects to address. decode is called for several
// clients at the same time; it must end when its reader does, and bound what it holds. An error of it ends the client's
// connection. What is said of [TextServer] holds.
func Listen[T any](ssc *dstream.Context, address string, decode func(io.Reader) iter.Seq2[T, error], opts ...Option,
) *dstream.DStream[T] {
	return serve(ssc, "socketServer", address, serverOptions(opts), each(decode))
}

func serverOptions(opts []Option) options {
	return newOptions(DefaultServerMaxLine, append([]Option{WithIdleTimeout(DefaultIdleTimeout)}, opts...))
}

func serve[T any](ssc *dstream.Context, name, address string, o options, f feed[T]) *dstream.DStream[T] {
	return dstream.ReceiverStream(ssc, name, dstream.Receiver[T](&server[T]{options: o, address: address, feed: f}))
}

// A server reads many connections.
type server[T any] struct {
	options
	goroutines
	address string
	feed    feed[T]
}

// Check implements dstream.ReceiverChecker.
func (s *server[T]) Check() error {
	if _, _, err := net.SplitHostPort(s.address); err != nil {
		return fmt.Errorf("the address %q: %w: give host and port, such as localhost:9999", s.address, err)
	}
	if s.listen == nil || s.feed == nil {
		return errors.New("the listener or the function that decodes is nil")
	}
	return s.check()
}

// Start implements dstream.Receiver.
func (s *server[T]) Start(ctx context.Context, st *dstream.Store[T], _ []byte) error {
	l, err := s.listen(ctx, "tcp", s.address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w: does another process?", s.address, err)
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.work.Go(func() {
		if err := s.accept(ctx, l, st); ctx.Err() == nil {
			st.Restart(err)
		}
	})
	return nil
}

// HandsOver implements dstream.ReceiverHandsOver.
func (s *server[T]) HandsOver() {}

// Stop implements dstream.Receiver.
func (s *server[T]) Stop(ctx context.Context) error { return s.end(ctx, "a client of "+s.address) }

// acceptPause is how long a listener that fails is left alone: it lacks files, most often, which clients give back.
const acceptPause = time.Second

// accept serves clients until the listener has ended.
func (s *server[T]) accept(ctx context.Context, l net.Listener, st *dstream.Store[T]) error {
	defer l.Close()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	places := make(chan struct{}, s.maxClients)
	for {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		conn, err := l.Accept()
		if err == nil {
			s.work.Go(func() {
				defer func() { <-places }()
				s.client(ctx, conn, st)
			})
			continue
		}
		<-places
		if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("listen on %s: %w", s.address, err)
		}
		st.Report(fmt.Errorf("accept a client on %s: %w", s.address, err))
		select {
		case <-time.After(acceptPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// client reads one client to its end.
func (s *server[T]) client(ctx context.Context, conn net.Conn, st *dstream.Store[T]) {
	where := s.address
	if a := conn.RemoteAddr(); a != nil {
		where = fmt.Sprintf("%s, client %s", s.address, a)
	}
	if err := s.feed.store(ctx, conn, st, s.idle, where); err != nil && ctx.Err() == nil && st.Context().Err() == nil {
		st.Report(err)
	}
}
