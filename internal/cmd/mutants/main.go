// Mutants checks that the random durable programs of internal/simulate would notice if the engine broke one of its
// rules:
//
//	go run ./internal/cmd/mutants
//	go run ./internal/cmd/mutants --only "fsync" --seeds 1000
//
// builds the tests once for each of the faults in list.go, which are laid over the source and never written into it,
// and runs seeds until one fails. Each line says at which; a fault that all seeds survive is one that the tests do not
// see. Before that all seeds must pass without a fault, and only a failure that names a seed counts, with what was got
// and wanted: one of the machine, such as a full disk, catches nothing. It exits with 0 if all are caught, with 1 if
// not, and with 2 for wrong flags. It takes some minutes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout))
}

func run(ctx context.Context, args []string, out io.Writer) int {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(out)
	seeds := flags.Int("seeds", 1000, "how many seeds a fault may survive")
	only := flags.String("only", "", "only the faults whose names hold this text")
	if err := flags.Parse(args); err != nil || *seeds < 1 || flags.NArg() > 0 {
		fmt.Fprintln(out, "usage: mutants [--only TEXT] [--seeds N], N being at least 1")
		return 2
	}
	var tried []mutant
	for _, m := range list {
		if strings.Contains(m.name, *only) {
			tried = append(tried, m)
		}
	}
	return try(tried, func(m mutant) (string, error) { return m.hunt(ctx, *seeds) }, *seeds, out)
}

// try hunts faults after a control without one, says what came of each, and gives the exit code.
func try(list []mutant, hunt func(m mutant) (how string, err error), seeds int, out io.Writer) int {
	if len(list) == 0 {
		fmt.Fprintln(out, "no fault has such a name")
		return 1
	}
	begin := time.Now()
	how, err := hunt(mutant{name: "no fault"})
	if err != nil {
		how = err.Error()
	}
	if how != "" {
		fmt.Fprintf(out, "the tests fail without a fault, so nothing can be said of faults: %s\n", how)
		return 1
	}
	fmt.Fprintf(out, "no fault: %d seeds pass (%v)\n", seeds, time.Since(begin).Round(time.Second))
	survived, undecided := 0, 0
	for _, m := range list {
		begin = time.Now()
		how, err := hunt(m)
		took := time.Since(begin).Round(time.Second)
		switch {
		case err != nil:
			undecided++
			fmt.Fprintf(out, "%s: NOT DECIDED: %v (%v)\n", m.name, err, took)
		case how == "":
			survived++
			fmt.Fprintf(out, "%s: NOT CAUGHT by %d seeds (%v)\n", m.name, seeds, took)
		default:
			fmt.Fprintf(out, "%s: caught %s (%v)\n", m.name, how, took)
		}
	}
	fmt.Fprintf(out, "%d faults tried, %d not caught, %d not decided\n", len(list), survived, undecided)
	if survived+undecided > 0 {
		return 1
	}
	return 0
}

// hunt runs the tests with the fault, and says what caught it.
func (m mutant) hunt(ctx context.Context, seeds int) (how string, err error) {
	dir, err := os.MkdirTemp("", "weir-mutant-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	root, err := moduleRoot(ctx)
	if err != nil {
		return "", err
	}
	overlay, err := m.overlay(root, dir)
	if err != nil {
		return "", err
	}
	// A limit of time for each mutant. One that hangs is not decided: so does a machine that is too slow.
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-vet=off", "-run", "^TestFaults$", "-count=1",
		"-timeout", "15m", "./internal/simulate", "-args", "-first", "-graphs", fmt.Sprint(seeds))
	cmd.Dir = root
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		return "", errors.Join(err, ctx.Err())
	}
	if strings.Contains(string(text), "[build failed]") {
		return "", fmt.Errorf("it does not compile:\n%s", text)
	}
	if err == nil {
		return "", nil
	}
	return caughtBy(string(text))
}

// seedLine finds what the test says of a seed: what is wrong, up to the command that replays it, or that it ended the
// test, and of what.
var seedLine = regexp.MustCompile(`seed (\d+)(?:: ((?s:.*?))\n\s*replay it: | ended the test(?s:.*?)\n(panic: [^\n]*))`)

// machine finds errors of the machine, such as a full disk: what is simulated has its files elsewhere.
var machine = regexp.MustCompile(regexp.QuoteMeta(os.TempDir()) + `/[^\s:]*: (no space left on device|` +
	`disk quota exceeded|too many open files|input/output error|read-only file system)|cannot allocate memory`)

// caughtBy says which seed failed, and how. A test that fails without naming one, or with an error of the machine in
// its words, has failed of something else.
func caughtBy(text string) (string, error) {
	if found := machine.FindString(text); found != "" {
		return "", fmt.Errorf("the machine failed, and not the program: %s", found)
	}
	found := seedLine.FindStringSubmatch(text)
	if found == nil {
		tail := text[max(0, len(text)-300):]
		return "", fmt.Errorf("the test fails and names no seed: %s", strings.ReplaceAll(tail, "\n", " | "))
	}
	if found[3] != "" {
		return fmt.Sprintf("by seed %s, which ended the test: %.160s", found[1], found[3]), nil
	}
	lines := strings.Split(found[2], "\n")
	for i, line := range lines {
		lines[i] = fmt.Sprintf("%.160s", strings.TrimSpace(line))
	}
	return fmt.Sprintf("by seed %s: %s", found[1], strings.Join(lines[:min(len(lines), tellingLines)], "\n\t")), nil
}

// tellingLines is how many lines of what is wrong are told: they say what was got and what was wanted.
const tellingLines = 4

func moduleRoot(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(text)), err
}
