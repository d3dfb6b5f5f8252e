package dstream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/rdd"
)

// A DeadLetter is a record that a program could not use: an operator gave it up instead of failing the batch. It has
// its place, by which it is told apart: however many outputs read the operator, and however often tasks and batches run
// again, there is one letter for a record.
type DeadLetter struct {
	// Operator is the name of the operator that gave the record up, or what stands for it, and Place its place in the
	// program.
	Operator string `json:"operator"`
	Place    string `json:"place"`
	// Source is where the record comes from, such as the topic, "" if that is not known. Partition and Offset are its
	// place there; without a source they are the partition of the operator's RDD and the number of the element in it.
	Source    string `json:"source,omitempty"`
	Partition int    `json:"partition"`
	Offset    int64  `json:"offset"`
	// Key and Value are the record: as bytes where it was some, else as JSON.
	Key   []byte `json:"key,omitempty"`
	Value []byte `json:"value,omitempty"`
	// Error says what was wrong with it.
	Error string `json:"error"`
}

// DeadLetterer is an element that knows better than its operator what its dead letter says of source, place, key and
// value; a record of Kafka is one.
type DeadLetterer interface{ DeadLetter() DeadLetter }

// A TryOption is an option of operators whose function can fail.
type TryOption func(*tryOptions)

type tryOptions struct{ bury bool }

// ToDeadLetters has the elements for which the function fails leave the stream, as elements of [DeadLetters], instead
// of failing the task. A function that panics still fails it.
func ToDeadLetters() TryOption { return func(o *tryOptions) { o.bury = true } }

// DeadLetters is the stream of the records that operators gave up in each batch, in the order of operators and places:
// an output of the batch as any other, which a sink stores once. Its outputs run after all others. What no other output
// has read of an operator, because it took the first few elements only, is then computed for it. All letters of a batch
// lie in the driver's memory; a batch with more than weir.streaming.maxDeadLetters fails. They cannot be windowed, nor
// kept in states. A program that has operators with [ToDeadLetters] must have an output of DeadLetters.
func DeadLetters(ssc *Context) *DStream[DeadLetter] {
	if ssc.letters.stream != nil {
		return ssc.letters.stream
	}
	var out *DStream[DeadLetter]
	out = newStream(ssc, "deadLetters", func(g *generation) *rdd.RDD[DeadLetter] {
		for _, at := range ssc.letters.buriers {
			at(g)
		}
		b := g.batch
		return place(rdd.FromPartitions(ssc.sc, "deadLetters", 1, func(*rdd.TaskContext, int) iter.Seq[DeadLetter] {
			return slices.Values(b.letters)
		}), out)
	})
	ssc.letters.stream = out
	return out
}

// letters are what a context knows of dead letters.
type letters struct {
	stream  *DStream[DeadLetter]
	buriers []func(g *generation) // each makes the RDD of an operator that buries
	nodes   []*node
	current atomic.Int64 // the batch whose letters are collected
	box     *rdd.Accumulator[letter, *letterBox]
}

// buries notes that a stream's operator gives records up.
func buries[T any](d *DStream[T]) {
	l := &d.node.ssc.letters
	if l.box == nil {
		box := newLetterBox(conf.MaxDeadLetters.Get(d.node.ssc.conf))
		l.box = rdd.Register(d.node.ssc.sc, "", rdd.AccumulatorV2[letter, *letterBox](box))
	}
	l.nodes = append(l.nodes, d.node)
	l.buriers = append(l.buriers, func(g *generation) { d.at(g) })
}

// begin has the letters of a batch collected, and those of the one before forgotten.
func (ls *letters) begin(b *Batch) {
	if ls.box != nil {
		ls.box.Reset()
		ls.current.Store(b.Sequence)
	}
}

// split tells the outputs that run last, for they read dead letters, from the others.
func (ls *letters) split(outputs []*Output) (first, last []int) {
	for i, o := range outputs {
		if ls.stream != nil && o.node.reads(ls.stream.node) {
			last = append(last, i)
		} else {
			first = append(first, i)
		}
	}
	return first, last
}

// check tells what is wrong with the program's use of dead letters.
func (ls *letters) check(ssc *Context) (errs []error) {
	_, last := ls.split(ssc.outputs)
	for _, n := range ls.nodes {
		if last == nil {
			errs = append(errs, fmt.Errorf("%s: %s gives records up as dead letters, and no output takes them: write "+
				"dstream.DeadLetters somewhere", n.site, n.label()))
		}
	}
	if ls.stream == nil {
		return errs
	}
	for _, n := range ssc.nodes {
		if n.reads(ls.stream.node) && (n.looksBack > 0 || n.holds > 0 || ssc.isState(n)) {
			errs = append(errs, fmt.Errorf("%s: %s of dead letters: they are complete when all else of a batch has "+
				"run, too late for windows and states; write them out and read that", n.site, n.op))
		}
	}
	return errs
}

// text is a letter in a line of the log.
func (l DeadLetter) text() string {
	return fmt.Sprintf("%s-%d at %d, %s (%s): %s", cmp.Or(l.Source, "partition"), l.Partition, l.Offset, l.Operator,
		l.Place, l.Error)
}

// A grave takes the letters of an operator in a batch.
type grave struct {
	batch int64
	node  *node
	// partitions is how many the operator's RDD has; drain computes some of them.
	partitions int
	drain      func(ctx context.Context, partitions []int) error
}

// dig makes the grave of an operator in a batch, as its RDD is made.
func dig[T any](g *generation, d *DStream[T], make func(in *grave) *rdd.RDD[T]) *rdd.RDD[T] {
	in := &grave{batch: g.batch.Sequence, node: d.node}
	r := make(in)
	in.partitions = r.NumPartitions()
	in.drain = func(ctx context.Context, partitions []int) error {
		return rdd.RunJob(ctx, r, partitions, func(_ *rdd.TaskContext, in iter.Seq[T]) (struct{}, error) {
			for range in {
			}
			return struct{}{}, nil
		}, func(int, struct{}) error { return nil })
	}
	g.batch.graves = append(g.batch.graves, in)
	return r
}

// bury takes a letter of partition p. What is computed of an earlier batch once more has been told by that.
func (in *grave) bury(tc *rdd.TaskContext, p int, number int64, l DeadLetter) {
	if ls := &in.node.ssc.letters; ls.current.Load() == in.batch {
		l.Operator, l.Place = in.node.label(), in.node.site.String()
		ls.box.In(tc).Add(letter{letterPlace{in.batch, in.node.number, p, number}, l})
	}
}

// read says that partition p was read to its end.
func (in *grave) read(tc *rdd.TaskContext, p int) {
	if ls := &in.node.ssc.letters; ls.current.Load() == in.batch {
		ls.box.In(tc).Add(letter{letterPlace{in.batch, in.node.number, p, allRead}, DeadLetter{}})
	}
}

// label is the node's name, or its operator.
func (n *node) label() string {
	if n.name != "" {
		return n.name
	}
	return n.op
}

// mapOrBury is MapTry to dead letters.
func mapOrBury[T, U any](d *DStream[T], f func(T) (U, error)) *DStream[U] {
	var out *DStream[U]
	out = newStream(d.node.ssc, "mapTry", func(g *generation) *rdd.RDD[U] {
		r := d.at(g)
		if r == nil {
			return nil
		}
		return place(dig(g, out, func(to *grave) *rdd.RDD[U] {
			return rdd.DerivePartitions(r, "mapTry", func(tc *rdd.TaskContext, p int, in iter.Seq[T]) iter.Seq[U] {
				return func(yield func(U) bool) {
					n, more := int64(-1), true
					in(func(v T) bool {
						n++
						u, err := f(v)
						if err != nil {
							to.bury(tc, p, n, letterOf(v, p, n, err))
							return true
						}
						more = yield(u)
						return more
					})
					if more {
						to.read(tc, p)
					}
				}
			})
		}), out)
	}, d.node)
	buries(out)
	return out.needs(f == nil)
}

// letterOf is what an element's letter says: by itself, or by its number in the partition.
func letterOf(v any, p int, n int64, err error) DeadLetter {
	l := DeadLetter{Partition: p, Offset: n}
	if d, ok := v.(DeadLetterer); ok {
		l = d.DeadLetter()
	} else {
		l.Value = LetterBytes(v)
	}
	l.Error = err.Error()
	return l
}

// LetterBytes is how a key or value stands in a dead letter: bytes and strings as they are, in memory of their own,
// others as JSON, or as Go prints them if they have none.
func LetterBytes(v any) []byte {
	switch v := v.(type) {
	case []byte:
		return bytes.Clone(v)
	case string:
		return []byte(v)
	}
	if text, err := json.Marshal(v); err == nil {
		return text
	}
	return fmt.Appendf(nil, "%+v", v)
}

// A SourceBurier is a Source that may give records up which it cannot read, as dead letters. Buries tells whether it is
// asked to: then ReadOrBury is called in place of Read. bury takes the letter of a record of partition p of the RDD,
// offset being its number there, which must be the same each time; it says nothing of operator and place.
type SourceBurier[T any] interface {
	Buries() bool
	ReadOrBury(sc *rdd.Context, rng []byte, bury func(tc *rdd.TaskContext, p int, l DeadLetter)) *rdd.RDD[T]
}

// readOrBury gives the RDD of a range whose source gives records up.
func readOrBury[T any](g *generation, d *DStream[T], s SourceBurier[T], rng []byte) *rdd.RDD[T] {
	return dig(g, d, func(to *grave) *rdd.RDD[T] {
		r := s.ReadOrBury(d.node.ssc.sc, rng, func(tc *rdd.TaskContext, p int, l DeadLetter) {
			to.bury(tc, p, l.Offset, l)
		})
		return rdd.DerivePartitions(r, d.node.op, func(tc *rdd.TaskContext, p int, in iter.Seq[T]) iter.Seq[T] {
			return func(yield func(T) bool) {
				more := true
				in(func(v T) bool {
					more = yield(v)
					return more
				})
				if more {
					to.read(tc, p)
				}
			}
		})
	})
}

// collectLetters has the letters of a batch complete, before the outputs run that read them.
func (l *loop) collectLetters(b *Batch) error {
	ls := &l.ssc.letters
	if ls.box == nil {
		return nil
	}
	// Behind the steps' numbers, which are below 0.
	scope := &exec.Scope{Batch: b.Sequence, BatchTime: int64(b.Time), Output: -2 - len(l.ssc.steps), Seed: b.seed}
	ctx := scope.In(l.life)
	box := ls.box.Value()
	for _, in := range b.graves {
		var missing []int
		for p := range in.partitions {
			if !box.read[letterPlace{in.batch, in.node.number, p, allRead}] {
				missing = append(missing, p)
			}
		}
		if len(missing) == 0 {
			continue
		}
		if err := in.drain(ctx, missing); err != nil {
			return fmt.Errorf("batch %d (%v): collect the dead letters of %s (%s): %w", b.Sequence, b.Time,
				in.node.label(), in.node.site, err)
		}
		box = ls.box.Value()
	}
	if box.full {
		return fmt.Errorf("batch %d (%v): more than %d records are dead letters, which speaks against the program and "+
			"not against the records; if that is meant, raise %s", b.Sequence, b.Time, box.most,
			conf.MaxDeadLetters.Name())
	}
	b.letters = box.sorted(b.Sequence)
	return nil
}
