// Chaos kills a program that promises exactly-once, on three real brokers, and compares what it wrote:
//
//	go run ./internal/cmd/chaos --kills 100 --stalls 2 --seed 1
//
// kills examples/kafka_exactly_once a hundred times at random moments, brokers now and then, too; then it stops it
// twice for 30 seconds while a standby takes over. It takes some minutes. Its last lines say what was done and whether
// the output is what it must be; it exits with 0 if it is, with 1 if not, or if nothing was compared, because there is
// no Java for instance, and with 2 for wrong flags. The moments depend on the machine, so that a seed does not bring a
// failure back for sure.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, goTest))
}

// A fight runs the test, which kills and compares, and writes what it has to say.
type fight func(ctx context.Context, out io.Writer, kills, stalls int, seed uint64) error

func run(ctx context.Context, args []string, out io.Writer, fight fight) int {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	kills := flags.Int("kills", 100, "how often the program is killed")
	stalls := flags.Int("stalls", 1, "how often it is stopped for 30 seconds beside a standby")
	seed := flags.Uint64("seed", 1, "the seed of the moments")
	if err := flags.Parse(args); err != nil || *kills < 0 || *stalls < 0 || *kills+*stalls == 0 || flags.NArg() > 0 {
		fmt.Fprintln(out, "usage: chaos [--kills N] [--stalls N] [--seed S], one of the numbers being at least 1")
		return 2
	}
	var said bytes.Buffer
	if err := fight(ctx, io.MultiWriter(out, &said), *kills, *stalls, *seed); err != nil {
		fmt.Fprintf(out, "chaos: failed: %v\n", err)
		return 1
	}
	done := compared.FindSubmatch(said.Bytes())
	if done == nil || string(done[1]) != strconv.Itoa(*kills) || string(done[3]) != strconv.Itoa(*stalls) {
		fmt.Fprintf(out, "chaos: failed: the test ends well, but does not say that it compared anything after "+
			"%d kills and %d stalls: nothing is shown\n", *kills, *stalls)
		return 1
	}
	fmt.Fprintf(out, "chaos: %s kills of the program, %s of brokers, %s stalls, 0 failed\n", done[1], done[2], done[3])
	return 0
}

// compared finds the last line of TestChaos.
var compared = regexp.MustCompile(
	`(?m)(\d+) kills of the program[^\n]*, (\d+) of brokers, (\d+) stalls, [1-9]\d* records: compared$`)

// goTest has a service that is missing fail the test, as CI does, and not skip it.
func goTest(ctx context.Context, out io.Writer, kills, stalls int, seed uint64) error {
	cmd := exec.CommandContext(ctx, "go", "test", "github.com/weirstream/weir/internal/realkafka",
		"-run", "^TestChaos$", "-v", "-count=1", "-timeout=60m", "-args",
		"-kills", strconv.Itoa(kills), "-stalls", strconv.Itoa(stalls), "-seed", strconv.FormatUint(seed, 10))
	cmd.Env = append(os.Environ(), "CI=1")
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}
