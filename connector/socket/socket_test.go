package socket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
)

func TestLines(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"three ends", "a\nb\rc\r\nd", []string{"a", "b", "c", "d"}},
		{"empty lines", "\n\r\n\r\n\n", []string{"", "", "", ""}},
		{"last line with end", "a\n", []string{"a"}},
		{"last line ends with a carriage return", "a\r", []string{"a"}},
		{"garbage", "ok\n\xff\xfe\nok\n", []string{"ok", "\uFFFD! line 2 is not UTF-8 from its byte 0 on", "ok"}},
		{"a replacement character is no garbage", "\uFFFD\n", []string{"\uFFFD"}},
		{"too long", "123456789\n1234567890123\n", []string{"123456789", "! line 2 is longer than 9 bytes"}},
	}
	for _, tt := range tests {
		for _, one := range []bool{false, true} {
			var got []string
			r := bytes.NewReader([]byte(tt.in))
			lines := socket.Lines(r, 9)
			if one {
				lines = socket.Lines(iotest.OneByteReader(r), 9)
			}
			for line, err := range lines {
				if err != nil {
					text, _, _ := strings.Cut(err.Error(), ";")
					text, _, _ = strings.Cut(text, ":")
					line += "! " + text
				}
				got = append(got, line)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s (a byte at a time: %v): %q, want %q", tt.name, one, got, tt.want)
			}
		}
	}
}

// TestLinesAtOnce: a line is given when its end has come, of which a \r may be all or a half.
func TestLinesAtOnce(t *testing.T) {
	in, out := io.Pipe()
	defer in.Close()
	next, stop := iter.Pull2(socket.Lines(in, 9))
	defer stop()
	for _, step := range [][2]string{{"a\r", "a"}, {"\nb\r", "b"}, {"c\r\n", "c"}, {"\n", ""}, {"\r", ""}, {"\r", ""},
		{"\n\n", ""}} {
		go func() { _, _ = io.WriteString(out, step[0]) }()
		if line, err, ok := next(); line != step[1] || err != nil || !ok {
			t.Errorf("after %q: %q, %v, %v", step[0], line, err, ok)
		}
	}
	go out.Close()
	if line, err, ok := next(); ok {
		t.Errorf("at the end: %q, %v", line, err)
	}
}

// TestCutLine: half a line is no record. What an error cut is told; what ended before it is given.
func TestCutLine(t *testing.T) {
	reset := errors.New("connection reset by peer")
	tests := []struct {
		name, in string
		end      error
		want     []string
	}{
		{"the end", "a\nb", io.EOF, []string{"a", "b"}},
		{"a reset", "a\nhalf", reset, []string{"a",
			"! line 2 was cut after 4 bytes and is not delivered: connection reset by peer"}},
		{"a reset at the start", "", reset, []string{"! connection reset by peer"}},
		{"a reset behind a line", "a\n", reset, []string{"a", "! connection reset by peer"}},
		{"a reset behind a carriage return", "a\r", reset, []string{"a", "! connection reset by peer"}},
		{"a reset behind several", "a\r\nb\rc", reset, []string{"a", "b",
			"! line 3 was cut after 1 bytes and is not delivered: connection reset by peer"}},
		{"closed by this side", "half", net.ErrClosed, []string{
			"! line 1 was cut after 4 bytes and is not delivered: use of closed network connection"}},
		{"a reader that brings nothing", "a\nhalf", nil, []string{"a",
			"! line 2 was cut after 4 bytes and is not delivered: " + io.ErrNoProgress.Error()}},
	}
	for _, tt := range tests {
		for _, one := range []bool{false, true} {
			r := io.MultiReader(strings.NewReader(tt.in), &failing{tt.end})
			if one {
				r = iotest.OneByteReader(r)
			}
			var got []string
			for line, err := range socket.Lines(r, 9) {
				if err != nil {
					line += "! " + err.Error()
				}
				got = append(got, line)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s (a byte at a time: %v): %q, want %q", tt.name, one, got, tt.want)
			}
		}
	}
}

// failing is a reader that brings nothing but its error.
type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// TestStopCutsLine: the server stays and has sent half a line when the program ends. Spark drops it, too.
func TestStopCutsLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(&out)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		go func() { _, _ = theirs.Write([]byte("complete\npassword=half")) }()
		dial := func(context.Context, string, string) (net.Conn, error) { return ours, nil }
		dstream.Print(socket.TextStream(ssc, "example", 9999, socket.WithDialer(dial)), 10)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); !strings.Contains(got, "complete") || strings.Contains(got, "half") {
			t.Errorf("printed %s", got)
		}
	})
}

// TestUnknownHost: no server that anyone starts helps against a wrong name.
func TestUnknownHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		dial := func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.DNSError{Err: "no such host", Name: "exampel", IsNotFound: true}
		}
		dstream.Print(socket.TextStream(ssc, "exampel", 9999, socket.WithDialer(dial)), 10)
		var first error
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.ReceiverError); ok && first == nil {
				first = e.LastError
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := ssc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := `connect to exampel:9999: lookup exampel: no such host: is "exampel" the name of the machine that ` +
			"the server runs on?"
		if first == nil || first.Error() != want {
			t.Errorf("reported %v, want %s", first, want)
		}
	})
}

// TestTextStream feeds a stream over a pipe whose peer dies once: the receiver connects again.
func TestTextStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(&out)
		sent := [][]byte{[]byte("first\nsecond\n"), []byte("third\n\xff\n")}
		dial := func(context.Context, string, string) (net.Conn, error) {
			if len(sent) == 0 {
				return nil, errors.New("nobody listens")
			}
			ours, theirs := net.Pipe()
			now := sent[0]
			sent = sent[1:]
			go func() {
				_, _ = theirs.Write(now)
				_ = theirs.Close()
			}()
			return ours, nil
		}
		dstream.Print(socket.TextStream(ssc, "example", 9999, socket.WithDialer(dial)), 10)
		var log []string
		ssc.AddListener(func(e dstream.Event) {
			switch e := e.(type) {
			case dstream.ReceiverStarted:
				log = append(log, "started")
			case dstream.ReceiverError:
				text, _, _ := strings.Cut(e.LastError.Error(), ";")
				log = append(log, text)
			case dstream.ReceiverStopped:
				log = append(log, "stopped")
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSpace(line); line != "" && line[0] != '-' && line[0] != 'T' {
				lines = append(lines, line)
			}
		}
		if want := []string{"first", "second", "third", "\uFFFD"}; !slices.Equal(lines, want) {
			t.Errorf("received %q, want %q", lines, want)
		}
		want := []string{"started", "socket example:9999: the server ended the connection", "stopped", "started",
			"socket example:9999: line 2 is not UTF-8 from its byte 0 on",
			"socket example:9999: the server ended the connection", "stopped", "started"}
		if len(log) < len(want) || !slices.Equal(log[:len(want)], want) {
			t.Errorf("events\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestGarbage: a peer that sends binary data is reported at once, then counted, and counted at its end.
func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.SetOutput(io.Discard)
		dialled := false
		dial := func(context.Context, string, string) (net.Conn, error) {
			if dialled {
				return nil, errors.New("nobody listens")
			}
			dialled = true
			ours, theirs := net.Pipe()
			go func() {
				for range 100 { // seven seconds
					_, _ = theirs.Write([]byte("\xff\n\xfe\n"))
					time.Sleep(70 * time.Millisecond)
				}
				_ = theirs.Close()
			}()
			return ours, nil
		}
		dstream.Print(socket.TextStream(ssc, "example", 9999, socket.WithDialer(dial)), 10)
		var log []string
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.ReceiverError); ok {
				text, _, _ := strings.Cut(e.LastError.Error(), ";")
				log = append(log, text)
			}
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := ssc.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"socket example:9999: line 1 is not UTF-8 from its byte 0 on",
			"socket example:9999: 143 more lines up to line 144 are not UTF-8",
			"socket example:9999: 56 more lines up to line 200 are not UTF-8",
			"socket example:9999: the server ended the connection",
			"connect to example:9999: nobody listens: is the server running there? (nc -lk 9999 starts one)",
		}
		if !slices.Equal(log, want) {
			t.Errorf("reported\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
		}
	})
}

// TestRefused: what can be no address is refused before anything runs.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		host string
		port int
		opt  socket.Option
		want string
	}{
		{"example", 0, socket.WithMaxLine(1), "the port must be from 1 to 65535, not 0"},
		{"example", 65536, socket.WithMaxLine(1), "the port must be from 1 to 65535, not 65536"},
		{"example", -1, socket.WithMaxLine(1), "the port must be from 1 to 65535, not -1"},
		{"", 9999, socket.WithMaxLine(1), "the host is empty"},
		{"example", 9999, socket.WithMaxLine(0), "socket.WithMaxLine needs at least 1, not 0"},
		{"example", 9999, socket.WithDialer(nil), "the dialer or the function that decodes is nil"},
	} {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[2]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		dstream.Print(socket.TextStream(ssc, tt.host, tt.port, tt.opt), 10)
		err = ssc.Start(t.Context())
		if !errors.Is(err, dstream.ErrGraph) || !strings.Contains(err.Error(), "socket_test.go:") ||
			!strings.Contains(err.Error(), "socketTextStream: "+tt.want) {
			t.Errorf("%q, %d: %v, want %q", tt.host, tt.port, err, tt.want)
		}
		if err := ssc.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
