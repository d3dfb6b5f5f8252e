// Soak runs more random programs than the tests do:
//
//	go run ./internal/cmd/soak --graphs 1000000 --seed 1
//	go run ./internal/cmd/soak --seeds 100000 --seed 1
//
// runs the graphs, and as many chains of RDDs, of the seeds from 1 on, in rounds; with --seeds so many durable programs
// run through crashes and faults, instead of graphs or after them. Its last line says how many ran and failed; it exits
// with 0 if none did, with 1 if some did, and with 2 for wrong flags. Programs that fail are printed with the command
// that runs each again. A seed that ends the test, by a panic or a deadlock, counts as one that failed, and the next
// round goes on behind it.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, goTest))
}

// suite is the package whose tests are run.
const suite = "github.com/weirstream/weir/internal/simulate"

// roundMax is how many seeds a round has: enough that its start costs nothing, few enough to see progress.
const roundMax = 20_000

// atOnceMax is how many seeds a test runs at once.
const atOnceMax = 4

// What a round runs: one test, for one that dies takes with it what was to come behind it.
const (
	graphTest = "^TestGraphs$"
	chainTest = "^TestChains$"
	faultTest = "^TestFaults$"
)

// A round runs the programs of n seeds and writes what it has to say.
type round func(ctx context.Context, out io.Writer, test string, seed uint64, n int) error

func run(ctx context.Context, args []string, out io.Writer, round round) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(out)
	n := flags.Int("graphs", 0, "how many graphs to run, and as many chains of RDDs; 100,000 without --seeds")
	durable := flags.Int("seeds", 0, "how many durable programs to run through crashes and faults")
	seed := flags.Uint64("seed", 1, "the first seed")
	if err := flags.Parse(args); err != nil || *n < 0 || *durable < 0 || given(flags) && *n+*durable == 0 ||
		flags.NArg() > 0 {
		fmt.Fprintln(out, "usage: soak [--graphs N] [--seeds N] [--seed S], N being at least 1")
		return 2
	}
	if *n+*durable == 0 {
		*n = 100_000
	}
	var total tally
	err := errors.Join(rounds(ctx, out, graphTest, *seed, *n, round, &total),
		rounds(ctx, out, chainTest, *seed, *n, round, &total),
		rounds(ctx, out, faultTest, *seed, *durable, round, &total))
	fmt.Fprintf(out, "%d programs ran, %d failed", total.ran, total.failed)
	if err != nil || ctx.Err() != nil {
		fmt.Fprint(out, ", and others did not run")
	}
	fmt.Fprintln(out)
	if total.failed > 0 || err != nil || ctx.Err() != nil {
		return 1
	}
	return 0
}

// given tells whether flags say how much to run.
func given(flags *flag.FlagSet) (said bool) {
	flags.Visit(func(f *flag.Flag) { said = said || f.Name != "seed" })
	return said
}

// rounds runs n seeds of a test. Where one kills its round, another one begins behind it.
func rounds(ctx context.Context, out io.Writer, test string, seed uint64, n int, round round, total *tally,
) (err error) {
	for from, end := seed, seed+uint64(n); from < end && err == nil && ctx.Err() == nil; {
		next := min(from+roundMax, end)
		counts := &counting{out: out}
		err = round(ctx, counts, test, from, int(next-from))
		counts.flush()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && counts.failed+len(counts.ended) > 0 {
			err = nil // The failures are counted, and the next round may find others.
		}
		if err != nil {
			fmt.Fprintf(out, "the round of seeds %d to %d ended: %v\n", from, next-1, err)
		}
		from = counts.settle(from, next)
		total.add(counts.tally)
	}
	return err
}

// goTest runs a round as a test, for only a test may have a bubble in which time is virtual.
func goTest(ctx context.Context, out io.Writer, test string, seed uint64, n int) error {
	cmd := exec.CommandContext(ctx, "go", "test", suite, "-run", test, "-count=1", "-v",
		"-timeout=0", "-args", "-graphs", strconv.Itoa(n), "-from", strconv.FormatUint(seed, 10))
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

type tally struct{ ran, failed int }

func (t *tally) add(o tally) { t.ran, t.failed = t.ran+o.ran, t.failed+o.failed }

// counting hands on the lines of a test, but for the frame of one that passes, and counts what they say has run.
type counting struct {
	tally
	out   io.Writer
	rest  strings.Builder // of a line
	whole bool            // the test has said how many ran
	told  int             // failures of which the test has told
	ended []uint64        // seeds that ended the test, or their part of it
}

var (
	ran   = regexp.MustCompile(`(\d+) [\w ]+ ran, (\d+) failed`)
	ended = regexp.MustCompile(`: seed (\d+) ended the test`)
)

// settle counts the seeds that ended the test, which the test does not, and gives the seed with which to go on. Where a
// seed killed the test, those before it have run, but for some that ran beside it.
func (c *counting) settle(from, next uint64) uint64 {
	c.failed += len(c.ended)
	if c.whole {
		c.ran += len(c.ended)
		return next
	}
	c.failed += c.told
	if len(c.ended) == 0 {
		return next
	}
	last := slices.Max(c.ended)
	c.ran += max(int(last-from)-(atOnceMax-1), c.told) + 1
	return last + 1
}

// Write implements io.Writer.
func (c *counting) Write(p []byte) (int, error) {
	c.rest.Write(p)
	text := c.rest.String()
	end := strings.LastIndexByte(text, '\n') + 1
	c.rest.Reset()
	c.rest.WriteString(text[end:])
	for line := range strings.Lines(text[:end]) {
		if err := c.line(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *counting) flush() {
	lines := bufio.NewScanner(strings.NewReader(c.rest.String()))
	for lines.Scan() {
		_ = c.line(lines.Text() + "\n") // Nobody is left to tell of an output that cannot be written to.
	}
}

func (c *counting) line(line string) error {
	if m := ran.FindStringSubmatch(line); m != nil {
		n, _ := strconv.Atoi(m[1]) // They are digits.
		failed, _ := strconv.Atoi(m[2])
		c.add(tally{n, failed})
		c.whole = true
	}
	if m := ended.FindStringSubmatch(line); m != nil {
		seed, _ := strconv.ParseUint(m[1], 10, 64) // They are digits.
		c.ended = append(c.ended, seed)
	}
	if strings.Contains(line, "replay it: ") {
		c.told++
	}
	for _, frame := range []string{"=== ", "--- PASS", "PASS", "ok "} {
		if strings.HasPrefix(strings.TrimSpace(line)+" ", frame) {
			return nil
		}
	}
	_, err := io.WriteString(c.out, line)
	return err
}
