package dstream_test

import (
	"context"
	"fmt"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// batchNumbers is a source of one number a batch: the batch's own.
type batchNumbers struct{}

func (batchNumbers) Resolve(context.Context, []byte) ([]byte, error) { return []byte{0}, nil }

func (batchNumbers) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	return []byte{from[0] + 1}, 1, nil
}

func (batchNumbers) Read(sc *rdd.Context, rng []byte) *rdd.RDD[int] {
	return rdd.Parallelize(sc, []int{int(rng[0])}, 1)
}

func (batchNumbers) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (batchNumbers) Released(context.Context, []byte) error { return nil }

func ExampleSubstitute() {
	run(func(d *stream) *stream {
		tens := dstream.Map(d, func(v int) int { return 10 * v })
		if err := dstream.Substitute(tens, dstream.Source[int](batchNumbers{})); err != nil {
			fmt.Println(err)
		}
		return dstream.Map(tens, func(v int) int { return -v })
	})
	// Output:
	// [-1] <nil>
	// [-2] <nil>
}

func ExampleFind() {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ssc.Stop(context.Background())
	dstream.QueueStream(ssc, dstream.NewQueue[string]()).Named("letters")
	_, err = dstream.Find[int](ssc, "numbers")
	fmt.Println(err)
	// Output:
	// there is no stream named "numbers"; the names are letters
}

func ExampleContext_Inputs() {
	ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local"), time.Second)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ssc.Stop(context.Background())
	letters := dstream.QueueStream(ssc, dstream.NewQueue[string]()).Named("letters")
	dstream.Print(letters, 10)
	for _, in := range ssc.Inputs() {
		fmt.Println(in.Name, in.Op, in.Substituted)
	}
	// Output:
	// letters queueStream false
}
