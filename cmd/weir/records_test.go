package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/weirstream/weir"
)

// Every byte but the line feed, which ends a record, goes in and comes out as it is.
func TestBinaryValues(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "bytes"))
	var all []byte
	for b := range 256 {
		if b != '\n' {
			all = append(all, byte(b))
		}
	}
	stdin := string(all) + "\n\n\xff\xfe\r\nlast"
	must(t, k, stdin, "produce", "bytes", "--brokers", "%", "--timestamp", "0")
	if got := must(t, k, "", "consume", "bytes", "--brokers", "%"); got != stdin+"\n" {
		t.Errorf("got %q, want %q", got, stdin+"\n")
	}
	must(t, k, "", "produce", "bytes", "--brokers", "%", "--key", "\xff", "--null", "--header", "h=\xfe")
	lines := strings.Split(must(t, k, "", "consume", "bytes", "--json", "--brokers", "%"), "\n")
	for i, want := range []string{
		`"value":null,"value_base64":"AAECAw`, `"key":null,"value":""}`, `"value":null,"value_base64":"//4N"}`,
		`"value":"last"}`,
		`"key":null,"key_base64":"/w==","value":null,"headers":[{"key":"h","value":null,"value_base64":"/g=="}]}`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("record %d is %s, which lacks %s", i, lines[i], want)
		}
	}
}

// What --key and the rest say of a record.
func TestRecordForm(t *testing.T) {
	for _, tt := range []struct {
		args, stdin, want string
	}{
		{"v", "", `key=null value="v"`},
		{"--key k v", "", `key="k" value="v"`},
		{"--key= v", "", `key="" value="v"`},
		{"--key-separator :", "k:v:w", `key="k" value="v:w"`},
		{"--key-separator :: a::b", "", `key="a" value="b"`},
		{`--key-separator \x00`, "k\x00v", `key="k" value="v"`},
		{"--null", "k", `key="k" value=null`},
		{"--null --key k", "ignored", `key="k" value=null`},
		{"", "\n", `key=null value=""`},
	} {
		t.Run(tt.args, func(t *testing.T) {
			k := cluster(t, kfake.SeedTopics(1, "lines"))
			must(t, k, tt.stdin, append([]string{"produce", "lines", "--brokers", "%"}, strings.Fields(tt.args)...)...)
			c := client(t, k)
			c.AddConsumeTopics("lines")
			got := ""
			c.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
				got += fmt.Sprintf("key=%s value=%s", show(r.Key), show(r.Value))
			})
			if got != tt.want {
				t.Errorf("wrote %s, want %s", got, tt.want)
			}
		})
	}
}

func show(b []byte) string {
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

// The records before a line that cannot be one are written, and counted.
func TestProduceStopsAtBadLine(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	r := weirOn(t, k, "a:1\nb:2\nc\nd:4\n", "produce", "lines", "--key-separator", ":", "--brokers", "%")
	r.wants(t, 1, `line 3: there is no key separator ":"`, "were written")
	if !strings.HasPrefix(r.out, "wrote 2 records to lines\n") {
		t.Errorf("it says %q", r.out)
	}
}

// A record that no broker takes is an error that names the topic; what was acknowledged is counted.
func TestProduceTooLarge(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	r := weirOn(t, k, strings.Repeat("x", 2<<20)+"\n", "produce", "lines", "--brokers", "%")
	r.wants(t, 1, `"lines"`, "MESSAGE_TOO_LARGE")
	if !strings.HasPrefix(r.out, "wrote 0 records") {
		t.Errorf("it says %q", r.out)
	}
}

func TestCompression(t *testing.T) {
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			k := cluster(t, kfake.SeedTopics(1, "lines"))
			value := strings.Repeat("abc", 1000)
			must(t, k, "", "produce", "lines", value, "--compression", codec, "--brokers", "%")
			if got := must(t, k, "", "consume", "lines", "--brokers", "%"); got != value+"\n" {
				t.Errorf("got %.50q", got)
			}
			c := client(t, k)
			c.AddConsumeTopics("lines")
			want := map[string]uint8{"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}[codec]
			c.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
				if got := r.Attrs.CompressionType(); got != want {
					t.Errorf("the batch has codec %d, want %d", got, want)
				}
			})
		})
	}
}

// broken fails after some bytes, as a pipe whose writer dies does not, but a disk may.
type broken struct{ rest io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("the disk is on fire")
	}
	return n, err
}

func TestProduceBrokenInput(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	r := weirIn(t.Context(), broken{strings.NewReader("a\nb\nc")}, "produce", "lines", "--brokers", k.ListenAddrs()[0])
	r.wants(t, 1, "line 3: the disk is on fire")
	if !strings.HasPrefix(r.out, "wrote 2 records") {
		t.Errorf("it says %q", r.out)
	}
}

func TestReadLineBound(t *testing.T) {
	line, err := readLine(bufio.NewReaderSize(zeros{}, 16), 1000)
	if err == nil || !strings.Contains(err.Error(), "longer than 1000 bytes") {
		t.Errorf("an endless line gave %d bytes and %v", len(line), err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// running is a command line that goes on until it is ended.
type running struct {
	lines  chan string // of standard output
	cancel context.CancelFunc
	ended  chan result
}

// begin starts a command line whose output is read line by line.
func begin(t *testing.T, stdin io.Reader, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{lines: make(chan string, 1000), cancel: cancel, ended: make(chan result, 1)}
	in, out := io.Pipe()
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(in); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	var errs bytes.Buffer
	c := root()
	c.SetIn(stdin)
	c.SetOut(out)
	c.SetErr(&errs)
	c.SetArgs(args)
	go func() {
		code := run(ctx, c)
		out.Close()
		r.ended <- result{code: code, err: errs.String()}
	}()
	t.Cleanup(func() { cancel(); in.Close() })
	return r
}

// patience is for tests that have failed already: no test waits for it.
const patience = 30 * time.Second

// line waits for the next line of output.
func (r *running) line(t *testing.T) string {
	t.Helper()
	select {
	case line, ok := <-r.lines:
		if !ok {
			t.Fatalf("there is no further line; the command has ended: %+v", <-r.ended)
		}
		return line
	case <-time.After(patience):
		t.Fatal("no line came")
		return ""
	}
}

// end waits until the command has ended.
func (r *running) end(t *testing.T) result {
	t.Helper()
	select {
	case got := <-r.ended:
		return got
	case <-time.After(patience):
		t.Fatal("the command does not end")
		return result{}
	}
}

func TestFollow(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(2, "lines"))
	brokers := k.ListenAddrs()[0]
	must(t, k, "", "produce", "lines", "old", "--partition", "0", "--brokers", "%")
	all := begin(t, nil, "consume", "lines", "--follow", "--brokers", brokers)
	one := begin(t, nil, "consume", "lines", "--follow", "--partition", "1", "-n", "2", "--offsets", "--brokers", brokers)
	if got := all.line(t); got != "old" {
		t.Errorf("the first line is %q", got)
	}
	for i, value := range []string{"a", "b"} {
		must(t, k, "", "produce", "lines", value, "--partition", "1", "--brokers", "%")
		if got := all.line(t); got != value {
			t.Errorf("a line is %q, want %q", got, value)
		}
		if got, want := one.line(t), fmt.Sprintf("%d\t%s", i, value); got != want {
			t.Errorf("a line of partition 1 is %q, want %q", got, want)
		}
	}
	one.end(t).wants(t, 0)
	all.cancel()
	if got := all.end(t); got.code != 0 || got.err != "" {
		t.Errorf("Ctrl-C ended it with %+v", got)
	}
}

// Ctrl-C ends a command whose output nobody takes, and soon; a follower's drain is cut then.
func TestConsumeBlocked(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	must(t, k, strings.Repeat(strings.Repeat("x", 1000)+"\n", 200), "produce", "lines", "--brokers", "%")
	for _, tt := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"consume", "lines"}, weir.ExitFailed, "weir: interrupted\n"},
		{[]string{"consume", "lines", "--follow"}, weir.ExitCut, "the deadline cut the drain"},
		{[]string{"consume", "lines", "--follow"}, weir.ExitCut, "weir: draining; a second Ctrl-C ends at once\n"},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		in, out := io.Pipe()
		defer in.Close()
		var errs shared
		c := root()
		c.SetOut(out)
		c.SetErr(&errs)
		c.SetArgs(append(tt.args, "--brokers", k.ListenAddrs()[0]))
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, c) }()
		if _, err := io.ReadFull(in, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		cancel(signalled{os.Interrupt})
		select {
		case code := <-ended:
			if code != tt.code || !strings.Contains(errs.String(), tt.says) {
				t.Errorf("%v: code %d, error %q", tt.args, code, errs.String())
			}
		case <-time.After(patience):
			t.Errorf("%v does not end", tt.args)
		}
	}
}

// Ctrl-C ends a producer that waits for lines; what it was given is written.
func TestProduceInterrupted(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	in, typed := io.Pipe()
	defer typed.Close()
	p := begin(t, in, "produce", "lines", "--brokers", k.ListenAddrs()[0])
	follow := begin(t, nil, "consume", "lines", "--follow", "--brokers", k.ListenAddrs()[0])
	if _, err := io.WriteString(typed, "a\n"); err != nil {
		t.Fatal(err)
	}
	if got := follow.line(t); got != "a" {
		t.Errorf("the line is %q", got)
	}
	p.cancel()
	if got := p.line(t); got != "wrote 1 record to lines" {
		t.Errorf("it says %q", got)
	}
	if got := p.end(t); got.code != 1 || got.err != "weir: interrupted\n" {
		t.Errorf("it ended with %+v", got)
	}
}

// Offsets without a record, wherever they lie, do not keep a command from ending: here the markers of transactions.
func TestConsumeTransactions(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("lines"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write := func(value string, end func() error) {
		t.Helper()
		err := c.BeginTransaction()
		if err == nil {
			err = c.ProduceSync(t.Context(), kgo.StringRecord(value)).FirstErr()
		}
		if err == nil {
			err = end()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	finish := func(how kgo.TransactionEndTry) func() error {
		return func() error { return c.EndTransaction(t.Context(), how) }
	}
	committed := func() string {
		return must(t, k, "", "consume", "lines", "--offsets", "--param", "isolation.level=read_committed", "--brokers", "%")
	}
	write("kept", finish(kgo.TryCommit))
	if got, want := committed(), "0\tkept\n"; got != want {
		t.Errorf("a committed transaction at the end gave %q, want %q", got, want)
	}
	write("dropped", finish(kgo.TryAbort))
	if got, want := committed(), "0\tkept\n"; got != want {
		t.Errorf("an aborted transaction at the end gave %q, want %q", got, want)
	}
	write("open", func() error { return nil })
	if got, want := committed(), "0\tkept\n"; got != want {
		t.Errorf("an open transaction gave %q, want %q", got, want)
	}
	got := must(t, k, "", "consume", "lines", "--offsets", "--brokers", "%")
	if want := "0\tkept\n2\tdropped\n4\topen\n"; got != want {
		t.Errorf("without read_committed there are %q, want %q", got, want)
	}
}

// An offset that was deleted, or is not there yet, is said to be, and reading begins at the nearest one that is there.
func TestConsumeFromElsewhere(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	must(t, k, "", "produce", "lines", "a", "b", "c", "--brokers", "%")
	gone := kadm.Offsets{}
	gone.AddOffset("lines", 0, 2, -1)
	if _, err := kadm.NewClient(client(t, k)).DeleteRecords(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	r := weirOn(t, k, "", "consume", "lines", "--from", "1", "--offsets", "--brokers", "%")
	if r.wants(t, 0, "lines-0 begins at offset 2", "not at 1"); r.out != "2\tc\n" {
		t.Errorf("it shows %q", r.out)
	}
	r = weirOn(t, k, "", "consume", "lines", "--from", "9", "--offsets", "--brokers", "%")
	if r.wants(t, 0, "no partition has offset 9 yet"); r.out != "" {
		t.Errorf("it shows %q", r.out)
	}
}

// full fails as a disk without room does.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// Output that cannot be written fails the command, and ends one that would go on.
func TestFullOutput(t *testing.T) {
	k := cluster(t, kfake.SeedTopics(1, "lines"))
	must(t, k, "", "produce", "lines", "v", "--brokers", "%")
	for _, args := range []string{
		"consume lines", "consume lines --follow", "topics list", "topics describe lines", "topics create t", "produce lines v",
		"settings", "version", "demo --for 1s --interval 100ms",
	} {
		c := root()
		var errs bytes.Buffer
		c.SetOut(full{})
		c.SetErr(&errs)
		args := strings.Fields(args)
		if args[0] != "settings" && args[0] != "version" {
			args = append(args, "--brokers", k.ListenAddrs()[0])
		}
		c.SetArgs(args)
		if code := run(t.Context(), c); code != 1 || !strings.Contains(errs.String(), "no space left on device") {
			t.Errorf("%v: code %d, error %q", args, code, errs.String())
		}
	}
}

func TestParseStart(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		text string
		want start
		// of a partition that holds offsets from 10 up to 100, where 42 is the offset of the time
		offset int64
	}{
		{"beginning", start{kind: atBeginning}, 10},
		{"Earliest", start{kind: atBeginning}, 10},
		{"end", start{kind: atEnd}, 100},
		{"latest", start{kind: atEnd}, 100},
		{"0", start{kind: atOffset}, 0},
		{"55", start{kind: atOffset, n: 55}, 55},
		{"-7", start{kind: beforeEnd, n: 7}, 93},
		{"-0", start{kind: beforeEnd}, 100},
		{"-1000", start{kind: beforeEnd, n: 1000}, 10},
		{"-9223372036854775808", start{kind: beforeEnd, n: 1 << 62}, 10},
		{"-90m", start{kind: atTime, time: now.Add(-90 * time.Minute)}, 42},
		{"2026-01-31T08:00:00Z", start{kind: atTime, time: now.Add(-4 * time.Hour)}, 42},
	} {
		got, err := parseStart(tt.text, now)
		if err != nil || got.kind != tt.want.kind || got.n != tt.want.n || !got.time.Equal(tt.want.time) {
			t.Errorf("%s is %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
		if n := got.offset(10, 100, 42); n != tt.offset {
			t.Errorf("%s begins at %d, want %d", tt.text, n, tt.offset)
		}
	}
	for _, text := range []string{"", "middle", "1.5", "9223372036854775808", "-m", "2026-13-01", "15m"} {
		if got, err := parseStart(text, now); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Now()
	local := time.Date(2026, 1, 31, 8, 0, 0, 0, time.Local)
	for _, text := range []string{"2026-01-31T08:00:00", "2026-01-31T08:00", " 2026-01-31 08:00:00", "2026-01-31 08:00"} {
		if got, ok := parseTime(text, now); !ok || !got.Equal(local) {
			t.Errorf("%q is %v, %t, want %v", text, got, ok, local)
		}
	}
	if got, ok := parseTime("2026-01-31", now); !ok || !got.Equal(local.Add(-8*time.Hour)) {
		t.Errorf("a date is %v, %t", got, ok)
	}
}

// A shared buffer is written to by several goroutines, as a process's error output is.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
