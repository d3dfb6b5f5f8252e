package socket_test

import (
	"bytes"
	"context"
	"errors"
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
