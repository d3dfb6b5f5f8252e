package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A result is what a command line came to.
type result struct {
	code     int
	out, err string
}

// weirIn runs a command line with a context and standard input.
func weirIn(ctx context.Context, stdin io.Reader, args ...string) result {
	var out, errs bytes.Buffer
	c := root()
	c.SetIn(stdin)
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	code := run(ctx, c)
	return result{code, out.String(), errs.String()}
}

// weirOn runs a command line on a cluster; "%" stands for its address.
func weirOn(t *testing.T, k *kfake.Cluster, stdin string, args ...string) result {
	t.Helper()
	args = slices.Clone(args)
	for i, a := range args {
		args[i] = strings.ReplaceAll(a, "%", k.ListenAddrs()[0])
	}
	return weirIn(t.Context(), strings.NewReader(stdin), args...)
}

// must runs a command line that is to succeed and gives what it wrote.
func must(t *testing.T, k *kfake.Cluster, stdin string, args ...string) string {
	t.Helper()
	r := weirOn(t, k, stdin, args...)
	if r.code != 0 || r.err != "" {
		t.Fatalf("weir %s: code %d, error %q", strings.Join(args, " "), r.code, r.err)
	}
	return r.out
}

// wants checks a result's code, and that standard error has all parts.
func (r result) wants(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("code %d, want %d; error %q", r.code, code, r.err)
	}
	for _, p := range parts {
		if !strings.Contains(r.err, p) {
			t.Errorf("the error %q lacks %q", r.err, p)
		}
	}
}

// cluster starts a Kafka in memory on loopback.
func cluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.DefaultNumPartitions(2)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// client is a client of the cluster that writes records to the partitions they name.
func client(t *testing.T, k *kfake.Cluster) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What is wrong with a command line is code 2, said on standard error, with the remedy; nothing is done.
func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"dmo", []string{`weir has no command "dmo": did you mean demo?`, "see 'weir --help'"}},
		{"dmo --for 3s", []string{`no command "dmo": did you mean demo?`}},
		{"xyzzy", []string{`weir has no command "xyzzy"`}},
		{"--frobnicate", []string{"unknown flag: --frobnicate", "see 'weir --help'"}},
		{"demo --fro 3s", []string{"unknown flag: --fro: did you mean --for?", "see 'weir demo --help'"}},
		{"demo -x", []string{"unknown shorthand flag: 'x'"}},
		{"state get DIR counts -5", []string{"behind --, as in -- -5"}},
		{"state diff DIR counts -15m", []string{"behind --, as in -- -15m"}},
		{"demo 3s", []string{`weir demo takes no arguments: "3s" is one too many`}},
		{"demo --for", []string{"flag needs an argument: --for"}},
		{"demo --for soon", []string{`invalid argument "soon" for "--for"`}},
		{"demo --rate 0", []string{"--rate at least 1"}},
		{"demo --for 1ms", []string{"--for at least the interval"}},
		{"demo --interval 1500us", []string{"--interval must be whole milliseconds"}},
		{"demo --topic t", []string{"--topic needs --brokers"}},
		{"halp", []string{`weir has no command "halp": did you mean help?`}},
		{"broker --port 70000", []string{"--port must be from 0 to 65535"}},
		{"broker --partitions 0", []string{"--partitions at least 1"}},
		{"produce", []string{"weir produce needs a TOPIC", "see 'weir produce --help'"}},
		{"produce t --partition -1", []string{"--partition"}},
		{"produce t --key k --key-separator :", []string{"--key and --key-separator"}},
		{"produce t --null --key-separator :", []string{"--key-separator", "--null"}},
		{"produce t --null --key k v", []string{`"v" is one key too many`}},
		{"produce t --key-separator=", []string{"must not be empty"}},
		{`produce t --key-separator \q`, []string{"escape"}},
		{"produce t --header novalue", []string{"--header takes NAME=VALUE", "novalue"}},
		{"produce t --timestamp tomorrow", []string{"--timestamp takes", "tomorrow"}},
		{"produce t --timestamp -1", []string{"--timestamp takes"}},
		{"produce t v --compression zip", []string{"compression.type", "zip", "lz4"}},
		{"produce t v --param acks=1", []string{"acks", "refused", "in-sync"}},
		{"consume", []string{"weir consume needs a TOPIC"}},
		{"consume t -n 0", []string{"-n must be at least 1"}},
		{"consume t --from yesterday", []string{"--from takes beginning, end", "yesterday"}},
		{"consume t --partition x", []string{"--partition"}},
		{"topics", []string{"weir topics needs a command: create, delete, describe, list"}},
		{"topics lst", []string{`weir topics has no command "lst": did you mean list?`}},
		{"topics lst --brokers x:1", []string{`no command "lst"`}},
		{"topics list t", []string{"takes no arguments"}},
		{"topics create", []string{"needs the NAME of a topic"}},
		{"topics create a b", []string{`"b" is one too many`}},
		{"topics create t --partitions 0", []string{"--partitions", "at least 1"}},
		{"topics create t --replication-factor -3", []string{"--replication-factor", "at least 1"}},
		{"topics create t --config x", []string{"--config takes NAME=VALUE"}},
		{"topics describe", []string{"needs the NAME of a topic"}},
		{"topics delete t", []string{"--yes"}},
		{"topics list --param hunter2", []string{"--param takes NAME=VALUE"}},
		{"topics list --param bootstrap.server=a:1", []string{"bootstrap.server", "did you mean bootstrap.servers?"}},
		{"topics list --brokers nowhere", []string{"bootstrap.servers", "host:port"}},
		{"topics list --command-config no/such/file", []string{"--command-config", "no/such/file"}},
		{"offsets", []string{"weir offsets needs a command: export, import, list, reset, show"}},
		{"offsets list g", []string{"takes no arguments"}},
		{"offsets reset", []string{"weir offsets reset needs a GROUP"}},
		{"offsets reset g --to latest", []string{"needs a topic: --topic NAME"}},
		{"offsets reset g --topic t", []string{"either --to earliest, latest or an offset, or --at TIME"}},
		{"offsets reset g --topic t --to latest --at -1h", []string{"either --to"}},
		{"offsets reset g --topic t --to somewhere", []string{"--to takes earliest, latest", "somewhere"}},
		{"offsets reset g --topic t --to 2026-01-31", []string{"a time is given by --at"}},
		{"offsets reset g --topic t --at noon", []string{"--at takes a time", "noon"}},
		{"offsets shw g", []string{`no command "shw": did you mean show?`}},
		{"offsets show", []string{"weir offsets show needs a GROUP"}},
		{"run-example", []string{"needs the NAME of an example: SparkPi, NetworkWordCount"}},
		{"run-example SparkPie", []string{`no example "SparkPie": did you mean SparkPi?`, "KafkaDirectStream, KafkaRDD"}},
		{"settings all", []string{"takes no arguments"}},
		{"version 2", []string{"takes no arguments"}},
		{"help dmo", []string{`weir has no command "dmo": did you mean demo?`}},
		{"help topics lst", []string{`weir topics has no command "lst"`}},
		{"completion fsh", []string{"fsh"}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			r := weirIn(t.Context(), strings.NewReader(""), strings.Fields(tt.args)...)
			r.wants(t, 2, tt.want...)
			if r.out != "" {
				t.Errorf("it wrote %q", r.out)
			}
			if strings.Contains(r.err, "hunter2") {
				t.Errorf("the error %q shows what may be a secret", r.err)
			}
		})
	}
}

// Every command says what it does and how it is called.
func TestHelp(t *testing.T) {
	r := weirIn(t.Context(), nil)
	if r.code != 0 || !strings.Contains(r.out, "Available Commands:") {
		t.Errorf("weir without arguments: code %d and %q", r.code, r.out)
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		r := weirIn(t.Context(), nil, args...)
		if r.code != 0 || r.err != "" || !strings.Contains(r.out, "Usage:") {
			t.Errorf("%v: code %d, error %q, output %q", args, r.code, r.err, r.out)
		}
		if c.Name() != "help" && !strings.Contains(r.out, "Examples:\n  ") {
			t.Errorf("%v shows no examples", args)
		}
		for line := range strings.Lines(r.out) {
			// Lines of the table of flags are as long as the explanation of a flag.
			if !strings.HasPrefix(strings.TrimSpace(line), "-") && len(line) > 130 {
				t.Errorf("%v: a line has %d columns: %s", args, len(line), line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root())
	by, asked := weirIn(t.Context(), nil, "help", "topics", "create"), weirIn(t.Context(), nil, "topics", "create", "-h")
	if by.out != asked.out || by.code != 0 {
		t.Errorf("help topics create: code %d and %q, want %q", by.code, by.out, asked.out)
	}
}

func TestSettings(t *testing.T) {
	r := weirIn(t.Context(), nil, "settings")
	if r.code != 0 || !strings.Contains(r.out, "`spark.streaming.backpressure.enabled`") {
		t.Errorf("code %d and %.200q", r.code, r.out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := weirIn(t.Context(), nil, "completion", shell); r.code != 0 || !strings.Contains(r.out, "weir") {
			t.Errorf("completion %s: code %d, error %q", shell, r.code, r.err)
		}
	}
	r := weirIn(t.Context(), nil, "__complete", "run-example", "Spark")
	if !strings.HasPrefix(r.out, "SparkPi\n") {
		t.Errorf("completing run-example Spark gave %q", r.out)
	}
}

// A command that is interrupted says so and fails; what it was doing is of no interest then.
func TestInterrupted(t *testing.T) {
	k := cluster(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalled{os.Interrupt})
	for _, args := range [][]string{
		{"topics", "list"}, {"topics", "create", "t"}, {"offsets", "show", "g"}, {"consume", "t"}, {"produce", "t", "v"}, {"demo"},
		{"offsets", "list"}, {"offsets", "reset", "g", "--topic", "t", "--to", "latest"},
	} {
		r := weirIn(ctx, nil, append(args, "--brokers", k.ListenAddrs()[0])...)
		if r.code != 1 || r.err != "weir: interrupted\n" {
			t.Errorf("%v: code %d, error %q", args, r.code, r.err)
		}
	}
}

// A signal ends the context, and is its cause.
func TestSignals(t *testing.T) {
	ctx, stop := signals(t.Context())
	defer stop()
	raise(t, os.Interrupt)
	<-ctx.Done()
	if got := context.Cause(ctx); got != (signalled{os.Interrupt}) {
		t.Errorf("the cause is %v", got)
	}
}

// raise sends a signal to this process; the caller handles it.
func raise(t *testing.T, s os.Signal) {
	t.Helper()
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Signal(s)
	}
	if err != nil {
		t.Fatal(err)
	}
}
