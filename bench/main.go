// Bench measures what users see and prints a table; bars of speed are judged by it and never by tests.
//
//	go run ./bench [core] [--runs 5] [--only TEXT] [--scale 1]
//	go run ./bench state [--keys 10000000] [--limit 160] [--store pebble|memory]
//	go run ./bench kafka --brokers HOST:PORT [--records 5000000] [--runs 5]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 0 || args[0] == "core" || strings.HasPrefix(args[0], "-"):
		var c coreBench
		if len(args) > 0 && args[0] == "core" {
			args = args[1:]
		}
		if err := c.flags(args); err != nil {
			return err
		}
		return c.run(ctx)
	case args[0] == "state":
		var s stateBench
		if err := s.flags(args[1:]); err != nil {
			return err
		}
		return s.run(ctx)
	case args[0] != "kafka":
		return fmt.Errorf("there is no bench %q, but core, kafka and state", args[0])
	}
	set := flag.NewFlagSet("kafka", flag.ContinueOnError)
	k := kafkaBench{}
	set.StringVar(&k.brokers, "brokers", "", "the brokers, HOST:PORT")
	set.IntVar(&k.records, "records", 5_000_000, "records in each topic")
	set.IntVar(&k.runs, "runs", 5, "runs of each measurement; the median counts")
	set.StringVar(&k.codecs, "codecs", "none,lz4", "compressions to measure")
	if err := set.Parse(args[1:]); err != nil {
		return err
	}
	if k.brokers == "" || !local(k.brokers) {
		return errors.New("--brokers HOST:PORT is needed, of this machine: a bench is a load")
	}
	return k.run(ctx)
}

// local tells whether all addresses are of this machine.
func local(brokers string) bool {
	for b := range strings.SplitSeq(brokers, ",") {
		host, _, _ := strings.Cut(b, ":")
		if host != "localhost" && host != "127.0.0.1" {
			return false
		}
	}
	return true
}

// A row is one way of doing a piece of work, with the seconds of its runs.
type row struct {
	name    string
	seconds []float64
	records int
	allocs  []float64 // a record, if they were counted
}

func (r *row) median() float64 { return middle(r.seconds) }

// table prints rows with their rate and how they compare with the first one.
func table(title string, rows []*row) {
	fmt.Println(title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tmedian s\tM records/s\tx first\tallocs\truns s\t")
	for _, r := range rows {
		var runs []string
		for _, s := range r.seconds {
			runs = append(runs, fmt.Sprintf("%.2f", s))
		}
		allocs := "-"
		if len(r.allocs) > 0 {
			allocs = fmt.Sprintf("%.4f", middle(r.allocs))
		}
		fmt.Fprintf(w, "%s\t%.2f\t%.2f\t%.2f\t%s\t%s\t\n", r.name, r.median(), float64(r.records)/r.median()/1e6,
			rows[0].median()/r.median(), allocs, strings.Join(runs, " "))
	}
	w.Flush()
}

// timed runs f and adds its time to the row.
func (r *row) timed(f func() error) error {
	start := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	r.seconds = append(r.seconds, time.Since(start).Seconds())
	return nil
}
