package socket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A port is a listener whose clients are pipes.
type port struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	refuse chan error // what Accept fails with
}

func newPort() *port {
	return &port{conns: make(chan net.Conn), closed: make(chan struct{}), refuse: make(chan error, 10)}
}

func (p *port) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case err := <-p.refuse:
		return nil, err
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *port) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *port) Addr() net.Addr { return &net.TCPAddr{} }

// connect makes a client, nil when the listener is gone or does not accept within three seconds.
func (p *port) connect() net.Conn {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours
	case <-p.closed:
	case <-time.After(3 * time.Second):
	}
	return nil
}

func (p *port) listen(context.Context, string, string) (net.Listener, error) { return p, nil }

// served runs a server in a bubble: what it read, in order, and what it reported.
type served struct {
	t   *testing.T
	ssc *dstream.Context

	mu       sync.Mutex
	read     []string
	reported []string
}

func (s *served) elements() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.read)
}

func (s *served) reports() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.reported, "\n")
}

func serve[T any](t *testing.T, build func(ssc *dstream.Context) *dstream.DStream[T], settings ...string) *served {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for pair := range slices.Chunk(settings, 2) {
		c.Set(pair[0], pair[1])
	}
	ssc, err := dstream.NewContext(c, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, ssc: ssc}
	dstream.ForeachRDD(build(ssc), func(ctx context.Context, r *rdd.RDD[T], _ *dstream.Batch) error {
		vs, err := rdd.Collect(ctx, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, v := range vs {
			s.read = append(s.read, fmt.Sprint(v))
		}
		return err
	})
	ssc.AddListener(func(e dstream.Event) {
		if e, ok := e.(dstream.ReceiverError); ok {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.reported = append(s.reported, e.LastError.Error())
		}
	})
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// end stops the program and holds what was read, in any order, against want.
func (s *served) end(want ...string) {
	s.t.Helper()
	if err := s.ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		s.t.Error(err)
	}
	got := s.elements()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("read %q, want %q", got, want)
	}
}

func text(p *port, opts ...socket.Option) func(ssc *dstream.Context) *dstream.DStream[string] {
	return func(ssc *dstream.Context) *dstream.DStream[string] {
		return socket.TextServer(ssc, "localhost:9999", append(opts, socket.WithListener(p.listen))...)
	}
}

func send(t *testing.T, c net.Conn, data string) {
	t.Helper()
	if c == nil {
		t.Error("the server does not accept")
		return
	}
	if _, err := io.WriteString(c, data); err != nil {
		t.Error(err)
	}
}

// TestTextServer: clients come and go, each with its lines in order; one that cannot be read ends alone.
func TestTextServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		s := serve(t, text(p, socket.WithMaxLine(10)))
		a, b, c := p.connect(), p.connect(), p.connect()
		send(t, a, "a1\na2\n")
		send(t, b, "b1\r\n")
		_ = b.Close()
		if _, err := io.WriteString(c, "this line is too long for it\n"); err == nil {
			t.Log("the whole line was read")
		}
		time.Sleep(1500 * time.Millisecond)
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the client whose line is too long: %v", err)
		}
		send(t, a, "a3\n\xff\n")
		time.Sleep(time.Second)
		if got := s.elements(); slices.Index(got, "a1") > slices.Index(got, "a2") {
			t.Errorf("out of order: %q", got)
		}
		s.end("a1", "a2", "a3", "\uFFFD", "b1")
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("a client of a server that has stopped: %v", err)
		}
		got := s.reports()
		for _, want := range []string{"socket localhost:9999, client pipe: line 1 is longer than 10 bytes",
			"socket localhost:9999, client pipe: line 4 is not UTF-8"} {
			if strings.Count(got, want) != 1 {
				t.Errorf("reported\n%s\nwant once %s", got, want)
			}
		}
	})
}

// TestServerPlaces: clients beyond the limit wait until another one goes.
func TestServerPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		s := serve(t, text(p, socket.WithMaxClients(2)))
		a, b := p.connect(), p.connect()
		if c := p.connect(); c != nil {
			t.Error("a third client is accepted")
		}
		_ = a.Close()
		send(t, p.connect(), "c\n")
		send(t, b, "b\n")
		time.Sleep(2 * time.Second)
		s.end("b", "c")
	})
}

// TestServerIdle: a client that is silent loses its place and is named; one that sends now and then keeps it.
func TestServerIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPort()
		s := serve(t, text(p, socket.WithIdleTimeout(10*time.Second), socket.WithMaxClients(2)))
		silent, slow := p.connect(), p.connect()
		for i := range 4 {
			send(t, slow, fmt.Sprintln(i))
			time.Sleep(8 * time.Second)
		}
		if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the silent client: %v", err)
		}
		send(t, p.connect(), "next\n")
		time.Sleep(time.Second)
		s.end("0", "1", "2", "3", "next")
		got := s.reports()
		if strings.Count(got, "nothing has come for 10s") != 1 || !strings.Contains(got, "client pipe") {
			t.Errorf("reported\n%s", got)
		}
	})
}

// TestServerBackPressure: while the memory is full clients are not read, nothing is lost, and a stop does not wait for
// them.
func TestServerBackPressure(t *testing.T) {
	for _, graceful := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			p := newPort()
			held := make(chan struct{})
			s := serve(t, func(ssc *dstream.Context) *dstream.DStream[string] {
				return dstream.Map(text(p)(ssc), func(s string) string { <-held; return s })
			}, "weir.receiver.memory", "64k", "weir.streaming.maxQueuedBatches", "1")
			var sent atomic.Int64
			var work sync.WaitGroup
			for range 3 {
				c := p.connect()
				work.Go(func() {
					for range 10_000 {
						if _, err := io.WriteString(c, strings.Repeat("x", 99)+"\n"); err != nil {
							return
						}
						sent.Add(1)
					}
				})
			}
			time.Sleep(time.Minute)
			if n := sent.Load(); n < 300 || n > 3000 {
				t.Errorf("%d lines were taken while nothing was processed", n)
			}
			began := time.Now()
			var opts []dstream.StopOption
			if graceful {
				close(held)
				opts = append(opts, dstream.Graceful())
			}
			ended := make(chan error, 1)
			go func() { ended <- s.ssc.Stop(context.Background(), opts...) }()
			if !graceful {
				time.Sleep(time.Second)
				close(held)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			work.Wait()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("to stop took %v", took)
			}
			if n := int(sent.Load()); graceful && len(s.elements()) < n-3*4096/100 {
				t.Errorf("read %d of %d lines", len(s.elements()), n)
			}
		})
	}
}

// TestServerTroubles: what goes wrong with a listener is reported, and listened again.
func TestServerTroubles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports := []*port{nil, newPort(), newPort()}
		listen := func(context.Context, string, string) (net.Listener, error) {
			p := ports[0]
			ports = ports[1:]
			if p == nil {
				return nil, errors.New("address already in use")
			}
			return p, nil
		}
		first, second := ports[1], ports[2]
		s := serve(t, func(ssc *dstream.Context) *dstream.DStream[int] {
			return socket.Listen(ssc, "localhost:9999", numbers, socket.WithListener(listen))
		})
		time.Sleep(2500 * time.Millisecond)
		first.refuse <- errors.New("too many open files")
		send(t, first.connect(), "\x01")
		send(t, first.connect(), "\xff") // The decoder panics.
		time.Sleep(1500 * time.Millisecond)
		_ = first.Close()
		time.Sleep(2500 * time.Millisecond)
		send(t, second.connect(), "\x02")
		time.Sleep(1500 * time.Millisecond)
		s.end("1", "2")
		want := strings.Join([]string{
			"listen on localhost:9999: address already in use: does another process?",
			"accept a client on localhost:9999: too many open files",
			"the decoder of the socket localhost:9999, client pipe panicked: 255 is no number",
			"listen on localhost:9999: use of closed network connection",
		}, "\n")
		if got := s.reports(); got != want {
			t.Errorf("reported\n%s\nwant\n%s", got, want)
		}
	})
}

func numbers(r io.Reader) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		var b [1]byte
		for {
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return
			}
			if b[0] == 255 {
				panic("255 is no number")
			}
			if !yield(int(b[0]), nil) {
				return
			}
		}
	}
}

func TestServerRefused(t *testing.T) {
	for want, build := range map[string]func(ssc *dstream.Context){
		`socketTextServer: the address "9999": address 9999: missing port`: func(ssc *dstream.Context) {
			dstream.Print(socket.TextServer(ssc, "9999"), 1)
		},
		"socketServer: the listener or the function that decodes is nil": func(ssc *dstream.Context) {
			dstream.Print(socket.Listen[int](ssc, ":9999", nil), 1)
		},
		"socket.WithMaxClients needs at least 1, not 0": func(ssc *dstream.Context) {
			dstream.Print(socket.TextServer(ssc, ":9999", socket.WithMaxClients(0)), 1)
		},
		"socket.WithMaxFrame needs at least 1, not 0": func(ssc *dstream.Context) {
			dstream.Print(socket.RawStream[int](ssc, "x", 9999, socket.WithMaxFrame(0)), 1)
		},
		"rawSocketStream: ": func(ssc *dstream.Context) {
			dstream.Print(socket.RawStream[chan int](ssc, "x", 9999), 1)
		},
	} {
		ssc, err := dstream.NewContext(conf.New(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		build(ssc)
		if err := ssc.Start(t.Context()); !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestServerOnThisMachine listens on a port of the system's.
func TestServerOnThisMachine(t *testing.T) {
	addresses := make(chan string, 1)
	listen := func(_ context.Context, network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			addresses <- l.Addr().String()
		}
		return l, err
	}
	var out bytes.Buffer
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	ssc.SetOutput(&out)
	got := make(chan string, 10)
	dstream.Foreach(socket.TextServer(ssc, "127.0.0.1:9999", socket.WithListener(listen)), func(s string) error {
		got <- s
		return nil
	})
	if err := ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", <-addresses)
	if err != nil {
		t.Fatal(err)
	}
	send(t, c, "hello\n")
	if line := <-got; line != "hello" {
		t.Errorf("read %q", line)
	}
	if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("the connection goes on")
	}
}
