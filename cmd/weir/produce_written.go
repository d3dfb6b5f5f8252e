package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
)

// written counts the records that were acknowledged, by partition.
type written struct {
	mu    sync.Mutex
	parts map[int32]offsetsWritten
}

// offsetsWritten are the offsets that records got. Other producers may have written between them.
type offsetsWritten struct{ count, first, last int64 }

func (w *written) add(partition int32, offset int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parts == nil {
		w.parts = map[int32]offsetsWritten{}
	}
	p, known := w.parts[partition]
	if !known {
		p.first, p.last = offset, offset
	}
	w.parts[partition] = offsetsWritten{p.count + 1, min(p.first, offset), max(p.last, offset)}
}

// show says how many records went where.
func (w *written) show(out io.Writer, topic string) error {
	w.mu.Lock()
	parts := maps.Clone(w.parts)
	w.mu.Unlock()
	total := int64(0)
	for _, p := range parts {
		total += p.count
	}
	noun := "records"
	if total == 1 {
		noun = "record"
	}
	t := table(out)
	fmt.Fprintf(t, "wrote %d %s to %s\n", total, noun, topic)
	if total > 0 {
		fmt.Fprintln(t, "PARTITION\tRECORDS\tFIRST OFFSET\tLAST OFFSET")
	}
	for _, number := range slices.Sorted(maps.Keys(parts)) {
		p := parts[number]
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\n", number, p.count, p.first, p.last)
	}
	return t.Flush()
}
