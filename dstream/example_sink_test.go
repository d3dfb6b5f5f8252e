package dstream_test

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// shelf is a sink that holds lines together with the identity of what it was given.
type shelf struct {
	there map[string]bool
	lines []string
	last  map[string]int64
}

func (s *shelf) Open(context.Context, string, int64) error { return nil }
func (s *shelf) Close(context.Context) error               { return nil }

func (s *shelf) Last(_ context.Context, output, effect string, p int) (int64, bool, error) {
	seq, ok := s.last[fmt.Sprint(output, effect, p)]
	return seq, ok, nil
}

func (s *shelf) Write(_ context.Context, id dstream.Effect, in iter.Seq[string]) error {
	if s.there[id.Key()] {
		return nil // It is here already: the batch runs again.
	}
	s.there[id.Key()] = true
	s.last[fmt.Sprint(id.Output, id.Name, id.Partition)] = id.Sequence
	for line := range in {
		s.lines = append(s.lines, line)
	}
	return nil
}

// write runs a program over two batches of words and prints what its sink holds in the end.
func write(build func(words *dstream.DStream[string], s *shelf)) {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[1]"), 10*time.Millisecond)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := &shelf{there: map[string]bool{}, last: map[string]int64{}}
	done := make(chan struct{}, 100)
	build(dstream.QueueStream(ssc, dstream.NewQueue([]string{"to"}, []string{"be"})), s)
	ssc.AddListener(func(e dstream.Event) {
		if _, ok := e.(dstream.BatchCompleted); ok {
			select {
			case done <- struct{}{}:
			default:
			}
		}
	})
	if err := ssc.Start(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	<-done
	<-done
	if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(s.lines)
}

func ExampleWriteTo() {
	write(func(words *dstream.DStream[string], s *shelf) { dstream.WriteTo(words, s) })
	// Output: [to be]
}

func ExampleSave() {
	write(func(words *dstream.DStream[string], s *shelf) {
		dstream.ForeachRDD(words, func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			twice := rdd.Map(r, func(w string) string { return w + w })
			return dstream.Save(ctx, b, "twice", twice, s)
		})
	})
	// Output: [toto bebe]
}

// The sink is opened before the first batch, though it is long until the body has something for it.
func ExampleSavesTo() {
	write(func(words *dstream.DStream[string], s *shelf) {
		rare := func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
			if b.Sequence == 0 {
				return nil
			}
			return dstream.Save(ctx, b, "rare", r, s)
		}
		dstream.SavesTo(dstream.ForeachRDD(words, rare), s)
	})
	// Output: [be]
}

func ExampleSlice() {
	write(func(words *dstream.DStream[string], s *shelf) {
		words.Context().Remember(time.Hour)
		dstream.ForeachRDD(words, func(ctx context.Context, _ *rdd.RDD[string], b *dstream.Batch) error {
			if b.Sequence != 1 {
				return nil
			}
			sofar, err := dstream.Slice(ctx, words, dstream.Interval{Begin: 0, End: b.Time})
			if err != nil {
				return err
			}
			s.lines, err = rdd.Collect(ctx, rdd.Union(sofar[0], sofar[1:]...))
			return err
		})
	})
	// Output: [to be]
}

func ExampleGlom() {
	run(func(d *stream) *dstream.DStream[[]int] { return dstream.Glom(dstream.Repartition(d, 1)) })
	// Output:
	// [[1 2 3]] <nil>
	// [[4 4]] <nil>
}

func ExampleTime_Floor() {
	t := dstream.Time(12_345)
	fmt.Println(t.Floor(10*time.Second), t.IsMultipleOf(5*time.Millisecond))
	for at := range dstream.Time(0).Until(2000, time.Second) {
		fmt.Println(at)
	}
	// Output:
	// 10000 ms true
	// 0 ms
	// 1000 ms
}
