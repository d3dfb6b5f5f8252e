package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A batchReport shows a demonstration: a heading, a line for each batch, and the totals. The words of a batch come from
// its body and the figures from the event of its completion, which writes the line as a whole.
type batchReport struct {
	out   io.Writer
	since time.Time

	mu      sync.Mutex
	words   map[dstream.Time]wordCount // of batches whose line is not written yet
	batches int
	records int64
	counts  int
	err     error
}

// wordCount is what the body of a batch has found.
type wordCount struct {
	top   string
	total int
}

const (
	reportHeading = "%-12s %9s %9s %11s  %s\n"
	reportLine    = "%-12s %9d %6d ms %9.0f/s  %s\n"
)

func (r *batchReport) begin() {
	r.since, r.words = time.Now(), map[dstream.Time]wordCount{}
	r.printf(reportHeading, "batch time", "records", "delay", "rate", "top words")
}

// counted keeps the words of a batch for its line.
func (r *batchReport) counted(t dstream.Time, counts []rdd.Pair[string, int]) {
	w := wordCount{top: top(counts)}
	for _, kv := range counts {
		w.total += kv.Value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.words[t] = w
}

// event is the listener.
func (r *batchReport) event(e dstream.Event) {
	b, ok := e.(dstream.BatchCompleted)
	if !ok || b.Err != nil {
		return
	}
	r.mu.Lock()
	w := r.words[b.BatchTime]
	delete(r.words, b.BatchTime)
	r.batches++
	r.records += b.Records()
	r.counts += w.total
	r.mu.Unlock()
	rate := float64(b.Records()) / max(b.ProcessingDelay().Seconds(), 1e-6)
	r.printf(reportLine, b.BatchTime.Std().Format("15:04:05.000"), b.Records(), b.TotalDelay().Milliseconds(), rate,
		w.top)
}

// end shows the totals and gives the first error of writing.
func (r *batchReport) end() error {
	r.mu.Lock()
	batches, records, counts := r.batches, r.records, r.counts
	r.mu.Unlock()
	r.printf("%d batches, %d records, %d words in %.1f s\n", batches, records, counts, time.Since(r.since).Seconds())
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *batchReport) printf(format string, args ...any) {
	_, err := fmt.Fprintf(r.out, format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("show the batches: %w", err)
	}
}
