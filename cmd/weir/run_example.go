package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirstream/weir/internal/spelling"
)

// examples are the programs of examples/ by the names that Spark's have.
var examples = []struct{ name, dir, what string }{
	{"SparkPi", "spark_pi", "estimates pi"},
	{"NetworkWordCount", "network_word_count", "counts words from a TCP server; ADDRESS=HOST:PORT"},
	{"HdfsWordCount", "file_word_count", "counts words of files that appear in a folder; DIRECTORY=PATH OUTPUT=PATH"},
	{"KafkaWordCount", "kafka_word_count", "counts words of a topic; BROKERS=HOST:PORT TOPIC=NAME"},
	{"KafkaProducer", "kafka_producer", "writes fifty records to the topic test; BROKERS=HOST:PORT"},
	{"KafkaDirectStream", "kafka_direct_stream", "prints the topic spark_test every five seconds; BROKERS=HOST:PORT"},
	{"KafkaRDD", "kafka_rdd", "prints three ranges of the topic spark_test; BROKERS=HOST:PORT"},
	{"KafkaExactlyOnce", "kafka_exactly_once",
		"count and sum of each key of a topic; --brokers --in --out --checkpoint"},
	{"SQLExactlyOnce", "sql_exactly_once",
		"the same, into two tables of PostgreSQL; --brokers --in --database --checkpoint"},
	{"SQLForeachPartition", "sql_foreach_partition",
		"words of a topic, counted in PostgreSQL by hand; --brokers --in --database --checkpoint"},
}

func exampleNames() (names []string) {
	for _, e := range examples {
		names = append(names, e.name)
	}
	return names
}

// modulePath is the module that the examples are part of.
const modulePath = "github.com/weirstream/weir"

func runExample() *cobra.Command {
	names := exampleNames()
	var list strings.Builder
	for _, e := range examples {
		fmt.Fprintf(&list, "\n  %-18s %s", e.name, e.what)
	}
	c := &cobra.Command{
		Use:   "run-example NAME [ARGUMENT]...",
		Short: "Build an example and run it",
		Long: "Builds one of the examples with the go command and runs it with the arguments after NAME. Within a\n" +
			"clone of weir it is the clone's, else that of this binary's version. Signals go to the program; its\n" +
			"exit code is that of this command. Names are Spark's, in any case, or those of the folders; addresses\n" +
			"come from the environment:\n" + list.String(),
		Example: "  weir run-example SparkPi 10\n" +
			"  weir run-example spark_pi --slices 10\n" +
			"  BROKERS=localhost:9092 weir run-example KafkaWordCount --interval 1s --for 30s",
		ValidArgs: names,
		Args:      takes(1, true, "the NAME of an example: "+strings.Join(names, ", ")),
		RunE: func(c *cobra.Command, args []string) error {
			dir, err := exampleDir(args[0], names)
			if err != nil {
				return err
			}
			args = args[1:]
			if len(args) > 0 && args[0] == "--" {
				args = args[1:]
			}
			return buildAndRun(c, dir, args)
		},
	}
	c.Flags().SetInterspersed(false) // What stands after the name is the example's.
	return c
}

// exampleDir finds an example by Spark's name, with or without its package, or by its folder.
func exampleDir(name string, names []string) (string, error) {
	short := spelling.Plain(name[strings.LastIndexByte(name, '.')+1:])
	for _, e := range examples {
		if short == spelling.Plain(e.name) || short == spelling.Plain(e.dir) {
			return e.dir, nil
		}
	}
	return "", usagef("there is no example %q%s\nthe examples are %s", name, spelling.DidYouMean(short, names),
		strings.Join(names, ", "))
}

func buildAndRun(c *cobra.Command, dir string, args []string) error {
	goCommand, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("run-example builds the example with the go command, which is not on PATH: "+
			"install Go (https://go.dev/doc/install), or add its bin folder to PATH (%w)", err)
	}
	at, err := exampleVersion()
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp("", "weir-example-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// go run would hide the program's exit code and not pass signals on.
	build := exec.CommandContext(c.Context(), goCommand, "install", modulePath+"/examples/"+dir+at)
	build.Env = append(os.Environ(), "GOBIN="+tmp)
	build.Stdout, build.Stderr = c.ErrOrStderr(), c.ErrOrStderr()
	if err := build.Run(); err != nil {
		if c.Context().Err() != nil {
			return context.Cause(c.Context())
		}
		return fmt.Errorf("build examples/%s%s: %w", dir, at, err)
	}
	binary := filepath.Join(tmp, dir)
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	program := exec.Command(binary, args...)
	program.Stdin, program.Stdout, program.Stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	return supervise(c.Context(), program)
}

// exampleVersion is what stands behind the example's path: nothing in weir's own tree, else the version of this binary.
func exampleVersion() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if inModule(wd) {
		return "", nil
	}
	version := unversioned
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	if version == unversioned || strings.Contains(version, "+dirty") {
		return "", fmt.Errorf("this weir was built from a working tree (version %s), so no published examples belong "+
			"to it: run it inside of that tree (cd to the clone that it was built from)", version)
	}
	return "@" + version, nil
}

// inModule tells whether a folder is in weir's own tree: whether the nearest go.mod above it, which is the one that the
// go command takes, is weir's.
func inModule(dir string) bool {
	root := moduleRoot(dir)
	return root != "" && moduleIn(root) == modulePath
}

// childExit is the exit code of a program that has said itself why it failed.
type childExit struct{ code int }

func (e childExit) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// childPatience bounds the wait for a program's output after its end, which a program of its own may hold open.
const childPatience = 5 * time.Second

// supervise runs a program and hands signals on to it. From a terminal Ctrl-C reaches both, so then it is not handed
// on: a second one would cut the drain that the first began. If ctx ends otherwise the program is interrupted, and
// killed when it does not heed that.
func supervise(ctx context.Context, program *exec.Cmd) error {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ch)
	program.WaitDelay = childPatience
	if err := program.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- program.Wait() }()
	var late <-chan time.Time
	for over := ctx.Done(); ; {
		select {
		case s := <-ch:
			if s != os.Interrupt || !onTerminal() {
				pass(program.Process, s)
			}
		case <-over:
			over = nil
			if !is[signalled](context.Cause(ctx)) { // else ch brings the signal
				pass(program.Process, os.Interrupt)
				late = time.After(childPatience)
			}
		case <-late:
			_ = program.Process.Kill() // It fails only if the process has ended.
		case err := <-ended:
			return exitOf(program, err)
		}
	}
}

// pass sends a signal, or where the system knows none ends the process.
func pass(p *os.Process, s os.Signal) {
	if err := p.Signal(s); err != nil {
		_ = p.Kill() // It fails only if the process has ended.
	}
}

func onTerminal() bool {
	for _, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if term.IsTerminal(int(f.Fd())) {
			return true
		}
	}
	return false
}

// exitOf makes an error of a program's end.
func exitOf(program *exec.Cmd, err error) error {
	if _, exited := err.(*exec.ExitError); !exited {
		return err
	}
	if code := program.ProcessState.ExitCode(); code >= 0 {
		return childExit{code}
	}
	return fmt.Errorf("the program was ended: %s", program.ProcessState)
}
