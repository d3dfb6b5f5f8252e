package simulate

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A world is what lies outside of all processes. It stores what is written together with its identity, once.
type world struct {
	mu     sync.Mutex
	rows   map[string]stored // by identity
	epochs map[int]int64     // by output: older ones are fenced off
	errs   []error
	burned map[[2]int64]bool // outputs and batches that sinks have burned
	// transactions and identities are those of tills, by the names of transactions.
	transactions map[string]*transaction
	identities   map[string]int64
}

func newWorld() *world {
	return &world{rows: map[string]stored{}, epochs: map[int]int64{}, burned: map[[2]int64]bool{},
		transactions: map[string]*transaction{}, identities: map[string]int64{}}
}

// stored is what the world holds of an effect.
type stored struct {
	output    int
	sequence  int64
	partition int
	rows      []string
	by        *living
}

// write stores an effect, unless it is there: then it must be the same.
func (w *world) write(l *living, key string, s stored) error {
	fault := l.event()
	if fault != vfs.None && fault != vfs.Lose {
		return errFault
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	there, ok := w.rows[key]
	if !ok && w.burned[[2]int64{int64(s.output), s.sequence}] {
		return errors.New("the batch was given up")
	}
	if !ok {
		w.rows[key] = s
	} else if !slices.Equal(there.rows, s.rows) {
		w.errs = append(w.errs, fmt.Errorf("%s is written again with other rows:\nby life %d %q\nby life %d %q", key,
			there.by.number, there.rows, l.number, s.rows))
	}
	if fault == vfs.Lose {
		return errFault // The answer gets lost.
	}
	return nil
}

// of gives what an output wrote in a batch, by partition.
func (w *world) of(output int, sequence int64) (texts []string, saw bool) {
	parts := map[int][]string{}
	for _, s := range w.rows {
		if s.output == output && s.sequence == sequence {
			if _, twice := parts[s.partition]; twice {
				s.rows = append(parts[s.partition], s.rows...) // Under identities of two jobs.
			}
			parts[s.partition] = s.rows
		}
	}
	for _, p := range slices.Sorted(maps.Keys(parts)) {
		texts = append(texts, parts[p]...)
	}
	return texts, len(parts) > 0
}

// jobOutputs is by how much the outputs of a second job are numbered higher.
const jobOutputs = 1000

// outlive registers an output operation that writes to the world.
func (k kindOf[T]) outlive(x *execution, number int, in any) {
	d, name := in.(*stream[T]), fmt.Sprint("out", number)
	l, w := x.life, x.world
	at := number + x.job*jobOutputs
	switch x.g.Outputs[number].How {
	case partitioned:
		dstream.ForeachPartition(d, func(_ *rdd.TaskContext, id dstream.Effect, vs iter.Seq[T]) error {
			return w.write(l, id.Key(), stored{at, id.Sequence, id.Partition, k.texts(slices.Collect(vs)), l})
		}).Named(name)
	case sunk:
		dstream.WriteTo(d, dstream.Sink[T](&vault[T]{x: x, number: at})).Named(name)
	case transacted:
		dstream.WriteTo(d, dstream.Sink[T](&till[T]{vault: vault[T]{x: x, number: at},
			takes: x.g.Outputs[number].Takes, generations: map[string]int{}})).Named(name)
	default:
		dstream.ForeachRDD(d, func(ctx context.Context, r *rdd.RDD[T], b *dstream.Batch) error {
			texts, err := k.read(ctx, r, x.g.Outputs[number].How == twice)
			if err != nil {
				return err
			}
			if err := x.hold(ctx, number, b); err != nil {
				return err
			}
			return w.write(l, fmt.Sprintf("%d/%s/%d", x.job, name, b.Sequence), stored{at, b.Sequence, 0, texts, l})
		}).Named(name)
	}
}

// hold fails a body, or holds it up, as its output says.
func (x *execution) hold(ctx context.Context, number int, b *dstream.Batch) error {
	o, seen := x.g.Outputs[number], &x.outputs[number]
	if b.Sequence != int64(o.At) {
		return nil
	}
	x.mu.Lock()
	seen.tries[b.Time]++
	fails := seen.tries[b.Time] <= o.Fails
	x.mu.Unlock()
	if fails {
		return errFault
	}
	return x.stall(ctx, o)
}

// A vault is a sink of the world's.
type vault[T any] struct {
	x      *execution
	number int
}

// Open implements dstream.Sink.
func (v *vault[T]) Open(_ context.Context, _ string, epoch int64) error {
	w := v.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epochs[v.number] = max(w.epochs[v.number], epoch)
	return nil
}

// Last implements dstream.Sink.
func (v *vault[T]) Last(_ context.Context, _, _ string, partition int) (last int64, ok bool, _ error) {
	w := v.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.rows {
		if s.output == v.number && s.partition == partition {
			last, ok = max(last, s.sequence), true
		}
	}
	return last, ok, nil
}

// Newest implements dstream.SinkRewinder.
func (v *vault[T]) Newest(context.Context, string, string) (newest int64, ok bool, _ error) {
	w := v.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.rows {
		if s.output == v.number {
			newest, ok = max(newest, s.sequence), true
		}
	}
	return newest, ok, nil
}

// Rewind implements dstream.SinkRewinder. No user accepts duplicates here.
func (*vault[T]) Rewind(context.Context, dstream.Effect) error {
	return errors.New("nobody has asked for duplicates")
}

// Burn implements dstream.SinkBurner.
func (v *vault[T]) Burn(_ context.Context, id dstream.Effect, _ int) (in int, _ error) {
	if v.x.life.event() != vfs.None {
		return 0, fmt.Errorf("burn: %w: %w", errFault, dstream.ErrInDoubt)
	}
	w := v.x.world
	w.mu.Lock()
	defer w.mu.Unlock()
	w.burned[[2]int64{int64(v.number), id.Sequence}] = true
	for _, s := range w.rows {
		if s.output == v.number && s.sequence == id.Sequence {
			in++
		}
	}
	return in, nil
}

// Write implements dstream.Sink.
func (v *vault[T]) Write(_ context.Context, id dstream.Effect, in iter.Seq[T]) error {
	texts := kindOf[T]{}.texts(slices.Collect(in))
	w := v.x.world
	w.mu.Lock()
	fenced := id.Epoch < w.epochs[v.number]
	w.mu.Unlock()
	if fenced {
		return errors.New("the sink has a newer owner")
	}
	return w.write(v.x.life, id.Key(), stored{v.number, id.Sequence, id.Partition, texts, v.x.life})
}

// Close implements dstream.Sink.
func (v *vault[T]) Close(context.Context) error { return nil }

// A stock is a source of which a batch takes the next entries, none or some, as it happens: once they are planned, they
// must stay. A range is the numbers of the first entry and of the one behind the last.
type stock[T any] struct {
	in   *input
	life *living
}

// Resolve implements dstream.Source.
func (s *stock[T]) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return []byte("0-0"), nil
	}
	return from, nil
}

// Plan implements dstream.Source.
func (s *stock[T]) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	_, at, err := spanOf(from)
	until := min(at+s.life.draw(3), len(s.in.entries))
	return fmt.Appendf(nil, "%d-%d", at, until), int64(until - at), err
}

// Read implements dstream.Source.
func (s *stock[T]) Read(sc *rdd.Context, rng []byte) *rdd.RDD[T] {
	from, until, err := spanOf(rng)
	if err != nil || from == until || s.in.entries[from].rows == nil {
		return rdd.Empty[T](sc)
	}
	rows := s.in.taken(from, until).([]T)
	if s.in.how == source {
		return rdd.Parallelize(sc, rows, s.in.entries[from].partitions)
	}
	return rdd.Parallelize(sc, rows)
}

// Committed implements dstream.Source.
func (s *stock[T]) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

// Released implements dstream.Source.
func (s *stock[T]) Released(context.Context, []byte) error { return nil }

func spanOf(rng []byte) (from, until int, err error) {
	if l, _, ok := loggedRange(rng); ok {
		return l.From, l.Until, nil
	}
	a, b, _ := strings.Cut(string(rng), "-")
	if from, err = strconv.Atoi(a); err == nil {
		until, err = strconv.Atoi(b)
	}
	return from, until, err
}

// taken is what a range of a stock holds: nothing if its first entry has none.
func (in *input) taken(from, until int) any {
	var parts []any
	for i := from; i < until && in.entries[from].rows != nil; i++ {
		if rows := in.entries[i].rows; rows != nil {
			parts = append(parts, rows)
		}
	}
	return in.kind.concat(parts)
}
