package socket_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/connector/socket"
	"github.com/weirstream/weir/dstream"
)

func frame[T any](t testing.TB, vs ...T) string {
	t.Helper()
	b, err := socket.AppendFrame(nil, vs...)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFrameFormat(t *testing.T) {
	page, err := os.ReadFile("../../docs/FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		fmt.Sprintf("| `string` | none | `%s` |", hex.EncodeToString([]byte(frame[string](t)))),
		fmt.Sprintf("| `string` | `\"a\"`, `\"\"` | `%s` |", hex.EncodeToString([]byte(frame(t, "a", "")))),
		fmt.Sprintf("| `int64` | 1, -1 | `%s` |", hex.EncodeToString([]byte(frame(t, 1, -1)))),
	} {
		if !strings.Contains(string(page), row) {
			t.Errorf("the page has no row\n%s", row)
		}
	}
}

func TestFrames(t *testing.T) {
	two := frame(t, "to be", "or") + frame[string](t) + frame(t, "not")
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{two, "[to be or] [not]"},
		{frame(t, "a") + "GET / HTTP/1.1\r\n", `[a] ! the length of frame 2 is 1195725856 ("GET " as text), and at most 20 is taken`},
		{"\xff\xff\xff\xfe", "! the length of frame 1 is -2 "},
		{frame(t, strings.Repeat("x", 20)), "! the length of frame 1 is 21 "},
		{"\x00\x00", "! the connection ended within frame 1"},
		{two[:len(two)-1], "[to be or] ! the connection ended within frame 3"},
		{"\x00\x00\x00\x01", "! the connection ended within frame 1"},
		{"\x00\x00\x00\x04\x01a\x09b", "! frame 1 of 4 bytes does not hold values of schema string, from its byte 2 on"},
	} {
		for _, slowly := range []bool{false, true} {
			var got []string
			frames := socket.Frames[string](strings.NewReader(tt.in), 20)
			if slowly {
				frames = socket.Frames[string](iotest.OneByteReader(strings.NewReader(tt.in)), 20)
			}
			for vs, err := range frames {
				if err != nil {
					got = append(got, "! "+err.Error())
				} else {
					got = append(got, fmt.Sprint(vs))
				}
			}
			if all := strings.Join(got, " "); !strings.HasPrefix(all, tt.want) || tt.want == "" && all != "" {
				t.Errorf("%q: %s, want %s", tt.in, all, tt.want)
			}
		}
	}
	for _, err := range socket.Frames[struct{}](bytes.NewReader([]byte("\x00\x00\x00\x01x")), 20) {
		if err == nil || !strings.Contains(err.Error(), "such values have no bytes") {
			t.Errorf("values without bytes: %v", err)
		}
	}
}

// TestRawStream: each frame is a partition; garbage is reported and the connection made again.
func TestRawStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := []string{frame(t, 1, 2) + frame(t, 3) + "GARBAGE!", frame(t, 4)}
		dial := func(context.Context, string, string) (net.Conn, error) {
			if len(sent) == 0 {
				return nil, errors.New("nobody listens")
			}
			ours, theirs := net.Pipe()
			now := sent[0]
			sent = sent[1:]
			go func() {
				_, _ = theirs.Write([]byte(now))
				_ = theirs.Close()
			}()
			return ours, nil
		}
		s := serve(t, func(ssc *dstream.Context) *dstream.DStream[[]int] {
			return dstream.Glom(socket.RawStream[int](ssc, "example", 9999, socket.WithDialer(dial)))
		})
		time.Sleep(4500 * time.Millisecond)
		s.end("[1 2]", "[3]", "[4]")
		want := `socket example:9999: the length of frame 3 is 1195463234 ("GARB" as text), and at most 16777216 is taken`
		if got := s.reports(); !strings.HasPrefix(got, want) {
			t.Errorf("reported\n%s\nwant\n%s", got, want)
		}
	})
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(frame(f, "a", "b")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for vs, err := range socket.Frames[string](bytes.NewReader(data), 1000) {
			if (len(vs) == 0) == (err == nil) {
				t.Errorf("%q, %v", vs, err)
			}
		}
	})
}
