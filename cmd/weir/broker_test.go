package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// startBroker starts the broker and gives its address.
func startBroker(t *testing.T, args ...string) (*running, string) {
	t.Helper()
	b := begin(t, nil, append([]string{"broker", "--port", "0"}, args...)...)
	m := regexp.MustCompile(`^a Kafka broker listens on (127\.0\.0\.1:\d+); its data are in (.*); Ctrl-C ends it$`).
		FindStringSubmatch(b.line(t))
	if m == nil {
		t.Fatal("the first line does not say where it listens")
	}
	return b, m[1]
}

// A broker's data outlive it in its folder: topics, records and offsets.
func TestBrokerPersists(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kafka")
	for run, want := range []string{"first\n", "first\nsecond\n"} {
		b, address := startBroker(t, "--dir", dir, "--partitions", "3")
		if run == 0 {
			r := weirIn(t.Context(), nil, "topics", "create", "lines", "--brokers", address)
			if want := "created topic lines: partitions 3, replication factor 1\n"; r.out != want {
				t.Errorf("code %d, %q, %q, want %q", r.code, r.out, r.err, want)
			}
		}
		value := strings.Fields(want)[run]
		weirIn(t.Context(), nil, "produce", "lines", "--key", "same", value, "--brokers", address).wants(t, 0)
		if r := weirIn(t.Context(), nil, "consume", "lines", "--brokers", address); r.out != want {
			t.Errorf("run %d: consumed %q, want %q; %s", run, r.out, want, r.err)
		}
		// Nobody else may use the folder meanwhile.
		weirIn(t.Context(), nil, "broker", "--port", "0", "--dir", dir).wants(t, 1, address, dir, "another --dir")
		b.cancel()
		if got := b.end(t); got.code != 0 || got.err != "" {
			t.Errorf("run %d ended with %+v", run, got)
		}
	}
}

// Of brokers that are started at once on a new folder one runs, and the others say why they do not.
func TestBrokersAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "kafka")
	const all = 4
	ended := make(chan result, all)
	var brokers []*running
	for range all {
		b := begin(t, nil, "broker", "--port", "0", "--dir", dir)
		brokers = append(brokers, b)
		go func() { ended <- <-b.ended }()
	}
	for i := range all {
		if i == all-1 {
			for _, b := range brokers {
				b.cancel()
			}
		}
		select {
		case got := <-ended:
			if i < all-1 {
				got.wants(t, 1, "uses "+dir, "another --dir")
			} else if got.code != 0 || got.err != "" {
				t.Errorf("the one that ran ended with %+v", got)
			}
		case <-time.After(patience):
			t.Fatalf("%d of %d brokers run on the same folder", all-i, all)
		}
	}
}

// A broker that was killed leaves its address behind, where nobody answers.
func TestBrokerAfterCrash(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, occupant), []byte(address), 0o600); err != nil {
		t.Fatal(err)
	}
	b, _ := startBroker(t, "--dir", dir)
	b.cancel()
	b.end(t).wants(t, 0)
	if _, err := os.Stat(filepath.Join(dir, occupant)); err == nil {
		t.Error("the broker's address is left behind")
	}
}

func TestBrokerErrors(t *testing.T) {
	_, address := startBroker(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	weirIn(t.Context(), nil, "broker", "--port", port).wants(t, 1, "port "+port+" is in use", "--port")
	weirIn(t.Context(), nil, "broker", "--port", "0", "--dir", file(t, "file", "x")).wants(t, 1, "file")
	weirIn(t.Context(), nil, "topics", "delete", "x", "--yes", "--brokers", address).wants(t, 1, `topic "x"`)
	// What the broker cannot write at its end shows.
	dir := filepath.Join(t.TempDir(), "gone")
	b, _ := startBroker(t, "--dir", dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.cancel()
	b.end(t).wants(t, 1, "the broker: persist to disk", "gone")
}

// Topics come into being when a client asks for them to be created, unless that is switched off.
func TestBrokerAutoCreate(t *testing.T) {
	for _, tt := range []struct {
		flag, want string
	}{
		{"--auto-create", "lines  4  1"},
		{"--auto-create=false", ""},
	} {
		_, address := startBroker(t, tt.flag)
		askFor(t, address, "lines")
		r := weirIn(t.Context(), nil, "topics", "list", "--brokers", address)
		rows := strings.SplitN(strings.TrimSpace(r.out), "\n", 2)
		got := ""
		if len(rows) > 1 {
			got = regexp.MustCompile(`  +`).ReplaceAllString(rows[1], "  ")
		}
		if got != tt.want {
			t.Errorf("%s: the topics are\n%s", tt.flag, r.out)
		}
	}
}

// askFor asks for a topic and wants it to be created.
func askFor(t *testing.T, address, topic string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = true
	named := kmsg.NewMetadataRequestTopic()
	named.Topic = &topic
	req.Topics = append(req.Topics, named)
	if _, err := req.RequestWith(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}
