// Chaos kills a program that promises exactly-once, on three real brokers, and compares what it wrote:
//
//	go run ./internal/cmd/chaos --kills 100 --stalls 2 --seed 1
//
// kills examples/kafka_exactly_once a hundred times at random moments, brokers now and then, too; then it stops it
// twice for 30 seconds while a standby takes over. It takes some minutes. Its last lines say what was done and whether
// the output is what it must be; it exits with 0 if it is, with 1 if not, and with 2 for wrong flags. The moments
// depend on the machine, so that a seed does not bring a failure back for sure.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout))
}

func run(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	kills := flags.Int("kills", 100, "how often the program is killed")
	stalls := flags.Int("stalls", 1, "how often it is stopped for 30 seconds beside a standby")
	seed := flags.Uint64("seed", 1, "the seed of the moments")
	if err := flags.Parse(args); err != nil || *kills < 0 || *stalls < 0 || *kills+*stalls == 0 || flags.NArg() > 0 {
		fmt.Fprintln(out, "usage: chaos [--kills N] [--stalls N] [--seed S], one of the numbers being at least 1")
		return 2
	}
	cmd := exec.CommandContext(ctx, "go", "test", "github.com/weirstream/weir/internal/realkafka",
		"-run", "^TestChaos$", "-v", "-count=1", "-timeout=60m", "-args",
		"-kills", strconv.Itoa(*kills), "-stalls", strconv.Itoa(*stalls), "-seed", strconv.FormatUint(*seed, 10))
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(out, "chaos: failed: %v\n", err)
		return 1
	}
	fmt.Fprintf(out, "chaos: %d kills and %d stalls, 0 failed\n", *kills, *stalls)
	return 0
}
