package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/dstream"
)

// asChild has the test's binary be a program that run-example could have built: it ends with a code, or says which
// signal it got.
const asChild = "WEIR_TEST_CHILD"

func TestMain(m *testing.M) {
	switch what := os.Getenv(asChild); what {
	case "":
		os.Exit(m.Run())
	case "wait":
		ch := make(chan os.Signal, 2)
		signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
		fmt.Println("ready")
		fmt.Println((<-ch).String())
		os.Exit(7)
	case "program":
		weir.Main("counter", counter, weir.Flags(counterFlags))
	case "early end":
		weir.Main("counter", func(*dstream.Context) error {
			os.Exit(0)
			return nil
		})
	case "own main":
		ownMain()
	case "die":
		fmt.Println("ready")
		select {}
	default:
		code, err := strconv.Atoi(what)
		if err != nil {
			fmt.Println(err)
		}
		os.Exit(code)
	}
}

func child(t *testing.T, what string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), asChild+"="+what)
	return c
}

func TestSupervise(t *testing.T) {
	for _, tt := range []struct {
		child string
		// end ends the child, or tells the supervisor to.
		end  func(cancel context.CancelFunc, c *exec.Cmd)
		want string // the child's last line
		err  string
	}{
		{"0", nil, "", "<nil>"},
		{"5", nil, "", "exit code 5"},
		{"wait", func(cancel context.CancelFunc, _ *exec.Cmd) { cancel() }, "interrupt", "exit code 7"},
		{"wait", func(context.CancelFunc, *exec.Cmd) { raise(t, syscall.SIGTERM) }, "terminated", "exit code 7"},
		{"die", func(_ context.CancelFunc, c *exec.Cmd) { _ = c.Process.Kill() }, "ready", "the program was ended: signal: killed"},
	} {
		t.Run(tt.child+" "+tt.want, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			in, out := io.Pipe()
			c := child(t, tt.child)
			c.Stdout = out
			ended := make(chan error, 1)
			go func() {
				err := supervise(ctx, c)
				out.Close()
				ended <- err
			}()
			last := ""
			for s := bufio.NewScanner(in); s.Scan(); {
				if last = s.Text(); last == "ready" {
					tt.end(cancel, c)
				}
			}
			if err := <-ended; fmt.Sprint(err) != tt.err || last != tt.want {
				t.Errorf("the child said %q last and ended with %v, want %q and %v", last, err, tt.want, tt.err)
			}
		})
	}
}

// The exit code of a command that ran a program is the program's, and nothing is added to what it said.
func TestRunPassesExitCode(t *testing.T) {
	c := root()
	for _, sub := range c.Commands() {
		if sub.Name() == "version" {
			sub.RunE = func(_ *cobra.Command, _ []string) error { return childExit{42} }
		}
	}
	var errs bytes.Buffer
	c.SetErr(&errs)
	c.SetArgs([]string{"version"})
	if code := run(t.Context(), c); code != 42 || errs.Len() > 0 {
		t.Errorf("code %d, error %q", code, errs.String())
	}
}

func TestExampleNames(t *testing.T) {
	names := exampleNames()
	for name, want := range map[string]string{
		"SparkPi": "spark_pi", "sparkpi": "spark_pi", "spark_pi": "spark_pi", "SPARK-PI": "spark_pi",
		"org.apache.spark.examples.SparkPi":                    "spark_pi",
		"org.apache.spark.examples.streaming.NetworkWordCount": "network_word_count",
		"org.apache.spark.examples.streaming.HdfsWordCount":    "file_word_count", "file_word_count": "file_word_count",
		"streaming.KafkaWordCount": "kafka_word_count",
		"kafka_producer":           "kafka_producer",
		"KafkaDirectStream":        "kafka_direct_stream",
		"kafkaRDD":                 "kafka_rdd",
		"KafkaRdd":                 "kafka_rdd",
	} {
		if got, err := exampleDir(name, names); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %s", name, got, err, want)
		}
	}
}

// Every example of the list is there, and every one that is there is in the list.
func TestExamplesAreThere(t *testing.T) {
	dirs, err := filepath.Glob("../../examples/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		if _, err := os.Stat(filepath.Join("../../examples", e.dir, "main.go")); err != nil {
			t.Error(err)
		}
	}
	if len(dirs) != len(examples) {
		t.Errorf("there are %d examples, and %d in the list", len(dirs), len(examples))
	}
}

func TestRunSparkPi(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not on PATH")
	}
	for _, args := range []string{"SparkPi 10", "SparkPi --slices 4", "spark_pi -- --slices 10"} {
		r := weirIn(t.Context(), nil, append([]string{"run-example"}, strings.Fields(args)...)...)
		if r.code != 0 || !regexp.MustCompile(`^Pi is roughly 3\.1\d*\n$`).MatchString(r.out) {
			t.Errorf("%s: code %d, output %q, error %q", args, r.code, r.out, r.err)
		}
	}
	for _, args := range []string{"SparkPi -- --nonsense", "SparkPi --nonsense", "SparkPi ten"} {
		r := weirIn(t.Context(), nil, append([]string{"run-example"}, strings.Fields(args)...)...)
		if r.code != 2 {
			t.Errorf("%s, which the example does not take, gave code %d, error %q", args, r.code, r.err)
		}
	}
}

func TestRunExampleWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	weirIn(t.Context(), nil, "run-example", "SparkPi").wants(t, 1, "go command", "not on PATH", "install Go")
}

// Outside of the module a binary without a version has no examples.
func TestRunExampleElsewhere(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is not on PATH")
	}
	t.Chdir(t.TempDir())
	weirIn(t.Context(), nil, "run-example", "SparkPi").wants(t, 1, "working tree", "run it inside of that tree")
}

func TestInModule(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a/go.mod", "// the tree\nmodule "+modulePath+" // ours\n\ngo 1.26\n")
	write("a/deep/er/x", "")
	write("b/go.mod", "module \"example.com/other\"\n")
	write("a/nested/go.mod", "module example.com/nested\n")
	write("c/go.mod", "go 1.26\n")
	for sub, want := range map[string]bool{"a": true, "a/deep/er": true, "a/nested": false, "b": false, "c": false, ".": false} {
		if got := inModule(filepath.Join(dir, sub)); got != want {
			t.Errorf("inModule(%s) = %t", sub, got)
		}
	}
}

func TestVersion(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.1", Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-31T08:00:00Z"}, {Key: "vcs.modified", Value: "true"},
	}}
	got := strings.Split(versionText(info), "\n")
	if got[0] != "weir v1.2.3" || !strings.HasPrefix(got[1], "go1.26.1 ") ||
		got[2] != "revision abc of 2026-01-31T08:00:00Z, with changes that are not committed" {
		t.Errorf("got %q", got)
	}
	r := weirIn(t.Context(), nil, "version")
	if r.code != 0 || !regexp.MustCompile(`^weir \S+\ngo1\.\S+ \w+/\w+\n`).MatchString(r.out) {
		t.Errorf("code %d and %q", r.code, r.out)
	}
	if flag := weirIn(t.Context(), nil, "--version"); flag != r {
		t.Errorf("--version gave %+v, want %+v", flag, r)
	}
}

// A deadline that cut the end short has a code of its own.
func TestRunTellsCutDrain(t *testing.T) {
	c := root()
	for _, sub := range c.Commands() {
		if sub.Name() == "version" {
			sub.RunE = func(*cobra.Command, []string) error { return fmt.Errorf("the job: %w", dstream.ErrDrainCut) }
		}
	}
	var errs bytes.Buffer
	c.SetErr(&errs)
	c.SetArgs([]string{"version"})
	if code := run(t.Context(), c); code != weir.ExitCut || !strings.Contains(errs.String(), "cut the drain") {
		t.Errorf("code %d, error %q", code, errs.String())
	}
}
