package weir

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// listening has mainCode serve the page, as Main does.
func listening(listen listenFunc) Option { return func(o *options) { o.listen = listen } }

// lines is a log that tells when it has a line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	page chan string
}

var pageURL = regexp.MustCompile(`msg=page url=(\S+)`)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if m := pageURL.FindSubmatch(p); m != nil {
		l.page <- string(m[1])
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestMainServesPage: the log says where, whoever asks is answered, and when the program has ended nobody is.
func TestMainServesPage(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log := &lines{page: make(chan string, 1)}
	code := make(chan int, 1)
	go func() {
		code <- mainCode(ctx, "job", []string{"--conf", "spark.ui.port=0", "--interval", "10ms"}, io.Discard, log,
			counting(new(int64), dstream.NewQueue([]int{1})), []Option{listening(net.Listen)})
	}()
	var url string
	select {
	case url = <-log.page:
	case <-ctx.Done():
		t.Fatalf("the log names no page:\n%s", log)
	}
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Errorf("the page is at %s", url)
	}
	client := &http.Client{Transport: &http.Transport{}}
	for path, want := range map[string]string{"": "<title>Streaming - job</title>", "metrics": "weir_build_info",
		"api/v1/applications": `"name": "job"`} {
		if body := fetch(t, ctx, client, url+path, ""); !strings.Contains(body, want) {
			t.Errorf("%s%s does not say %q:\n%s", url, path, want, body)
		}
	}
	if body := fetch(t, ctx, client, url, "elsewhere.example"); !strings.Contains(body, "is not its name") {
		t.Errorf("under another name: %s", body)
	}
	cancel()
	if c := <-code; c != ExitDrained {
		t.Errorf("exit code %d:\n%s", c, log)
	}
	if _, err := client.Get(url); err == nil {
		t.Error("the page outlives the program")
	}
	first, _, _ := strings.Cut(log.String(), "\n")
	if !strings.Contains(first, url) {
		t.Errorf("the first line of the log is %s", first)
	}
}

func fetch(t *testing.T, ctx context.Context, client *http.Client, url, host string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = host
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// A deaf listener is one that nobody reaches.
type deaf struct {
	address net.TCPAddr
	closed  chan struct{}
	once    sync.Once
}

func (d *deaf) Accept() (net.Conn, error) { <-d.closed; return nil, net.ErrClosed }

func (d *deaf) Close() error { d.once.Do(func() { close(d.closed) }); return nil }

func (d *deaf) Addr() net.Addr { return &d.address }

// TestPagePort: which ports are tried, and which of those that cannot be had keep the program from running.
func TestPagePort(t *testing.T) {
	for _, row := range []struct {
		args  string
		taken int // the first so many calls find no port
		asked string
		code  int
		says  string
	}{
		{"", 0, "127.0.0.1:4040", ExitDrained, "url=http://127.0.0.1:4040/"},
		{"", 2, "127.0.0.1:4040 127.0.0.1:4041 127.0.0.1:4042", ExitDrained, "url=http://127.0.0.1:4042/"},
		{"--conf spark.port.maxRetries=1", 9, "127.0.0.1:4040 127.0.0.1:4041", ExitDrained, `msg="there is no page"`},
		{"--conf spark.ui.port=5000 --conf spark.port.maxRetries=1", 9, "127.0.0.1:5000 127.0.0.1:5001", ExitFailed,
			"job: the page cannot be served on any of the ports 5000 to 5001 of 127.0.0.1 (spark.ui.port, "},
		{"--conf spark.ui.port=0", 9, "127.0.0.1:0", ExitFailed, "the page cannot be served"},
		{"--conf spark.ui.port=65534", 9, "127.0.0.1:65534 127.0.0.1:65535", ExitFailed, "65534 to 65535"},
		{"--conf spark.driver.bindAddress=0.0.0.0", 0, "0.0.0.0:4040", ExitDrained, "url=http://0.0.0.0:4040/"},
		{"--conf spark.driver.bindAddress=10.0.0.9 --conf spark.port.maxRetries=0", 9, "10.0.0.9:4040", ExitFailed,
			"ports 4040 to 4040 of 10.0.0.9"},
		{"--ui 10.0.0.9:80", 0, "10.0.0.9:80", ExitDrained, "url=http://10.0.0.9:80/"},
		{"--ui 10.0.0.9:80", 9, "10.0.0.9:80", ExitFailed, "weir.ui.address=10.0.0.9:80: the page cannot be served there"},
		{"--ui localhost", 0, "", ExitUsage, "--ui: weir.ui.address=localhost: must be HOST:PORT"},
		{"--conf spark.ui.port=70000", 0, "", ExitUsage, "must be from 0 to 65535"},
		{"--conf spark.ui.enabled=false --ui 10.0.0.9:80", 9, "", ExitDrained, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			listen := func(network, address string) (net.Listener, error) {
				asked = append(asked, address)
				if len(asked) <= row.taken {
					return nil, errors.New("it is taken")
				}
				a, err := net.ResolveTCPAddr(network, address)
				if err != nil {
					return nil, err
				}
				return &deaf{address: *a, closed: make(chan struct{})}, nil
			}
			var log bytes.Buffer
			code := mainCode(t.Context(), "job", append(strings.Fields(row.args), "--for", "1500ms"), io.Discard, &log,
				counting(new(int64), dstream.NewQueue([]int{1})), []Option{listening(listen)})
			if got := strings.Join(asked, " "); got != row.asked || code != row.code ||
				!strings.Contains(log.String(), row.says) {
				t.Errorf("%q asked for %q and ended with %d, want %q, %d and %q:\n%s", row.args, got, code, row.asked,
					row.code, row.says, &log)
			}
		})
	}
}

// TestPagesSideBySide: several programs on one machine have a page each, whoever else has port 4040.
func TestPagesSideBySide(t *testing.T) {
	var closed []func()
	seen := map[string]bool{}
	for range 3 {
		log := &lines{page: make(chan string, 1)}
		o := options{conf: conf.New(), logger: slog.New(slog.NewTextHandler(log, nil))}
		ssc, err := newContext(counting(new(int64), dstream.NewQueue([]int{1})), o)
		if err != nil {
			t.Fatal(err)
		}
		end, err := servePage(net.Listen, ssc)
		if err != nil {
			t.Fatal(err)
		}
		closed = append(closed, end, func() { _ = ssc.Stop(context.Background()) })
		select {
		case url := <-log.page:
			seen[url] = true
		default:
			t.Errorf("no page: %s", log)
		}
	}
	for _, end := range closed {
		end()
	}
	if len(seen) != 3 {
		t.Errorf("the pages are at %v", seen)
	}
}

// TestOnlyHere: names of this machine are let through, and those that somebody else may have lead here are not.
func TestOnlyHere(t *testing.T) {
	h := onlyHere(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for host, want := range map[string]int{"localhost": 200, "localhost:4040": 200, "a.localhost:4040": 200,
		"127.0.0.1:4040": 200, "127.0.0.1": 200, "[::1]:4040": 200, "[::1]": 200, "10.0.0.9:4040": 200,
		"evil.example": 403, "evil.example:4040": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403,
		"": 403} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("host %q: %d, want %d", host, w.Code, want)
		}
	}
}

// TestNothingInDefaultMux: who embeds weir finds nothing of it, nor of what it links, in the default mux.
func TestNothingInDefaultMux(t *testing.T) {
	for _, path := range []string{"/", "/metrics", "/streaming/", "/api/v1/applications", "/debug/vars", "/debug/pprof/"} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if _, pattern := http.DefaultServeMux.Handler(r); pattern != "" {
			t.Errorf("%s is served by %q", path, pattern)
		}
	}
}
