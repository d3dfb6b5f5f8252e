package dstream_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// evenAndOdd runs a program that adds the numbers below n up, by whether they are odd or even, and calls handler when
// it has had them all. Its checkpoint is in dir.
func evenAndOdd(dir string, n int, handler func(ssc *dstream.Context)) error {
	last := make(chan struct{})
	ssc, err := dstream.GetOrCreate(dir, conf.New().Set("spark.master", "local"), 5*time.Millisecond,
		func(ssc *dstream.Context) error {
			numbers := dstream.FromSource(ssc, "ledger", dstream.Source[int](ledger{n: n})).Named("numbers")
			sums := dstream.UpdateStateByKey(dstream.Map(numbers, parity), total).Named("sums")
			dstream.Print(sums, 0)
			return nil
		})
	if err != nil {
		return err
	}
	remove := ssc.AddListener(func(e dstream.Event) {
		if b, ok := e.(dstream.BatchCommitted); ok && b.Sequence == int64(n+1)/2 {
			close(last)
		}
	})
	defer remove()
	ssc.SetOutput(io.Discard)
	if err := ssc.Start(context.Background()); err != nil {
		return err
	}
	<-last
	handler(ssc)
	return ssc.Stop(context.Background(), dstream.Graceful())
}

// temporary calls f with a folder that is gone afterwards.
func temporary(f func(dir string) error) {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err == nil {
		defer os.RemoveAll(dir)
		err = f(dir)
	}
	if err != nil {
		fmt.Println(err)
	}
}

// A handler of the program answers while batches run.
func ExampleStateOf() {
	temporary(func(dir string) error {
		return evenAndOdd(dir, 6, func(ssc *dstream.Context) {
			sums, err := dstream.StateOf[string, int](ssc, "sums")
			if err != nil {
				fmt.Println(err)
				return
			}
			even, ok, err := sums.Get(context.Background(), "even")
			fmt.Println(even.Value, ok, err)
			before, ok, err := sums.At(1).Get(context.Background(), "even")
			fmt.Println(before.Value, ok, err)
		})
	})
	// Output:
	// 6 true <nil>
	// 2 true <nil>
}

// Another program looks at what the checkpoint holds.
func ExampleOpenState() {
	temporary(func(dir string) error {
		if err := evenAndOdd(dir, 4, func(*dstream.Context) {}); err != nil {
			return err
		}
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			return err
		}
		defer sc.Stop(context.Background())
		sums, err := dstream.OpenState[string, int](sc, dir, "sums")
		if err != nil {
			return err
		}
		total := 0
		for e, err := range sums.All(context.Background()) {
			if err != nil {
				return err
			}
			total += e.Value
		}
		fmt.Println(total)
		for d, err := range sums.At(1).Diff(context.Background(), 0) {
			if err != nil {
				return err
			}
			if d.Key == "odd" {
				fmt.Println(d.Before.Value.Value, d.After.Value.Value)
			}
		}
		return nil
	})
	// Output:
	// 6
	// 1 4
}

// A wrong sum is put right between two runs of the program.
func ExampleImportState() {
	temporary(func(dir string) error {
		if err := evenAndOdd(dir, 4, func(*dstream.Context) {}); err != nil {
			return err
		}
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			return err
		}
		defer sc.Stop(context.Background())
		right := []dstream.StateUpdate[string, int]{{Key: "even", Value: 20}}
		_, err = dstream.ImportState(context.Background(), sc, dir, "sums", right)
		fmt.Println(err)
		done, err := dstream.ImportState(context.Background(), sc, dir, "sums", right, dstream.ImportOverwriting())
		fmt.Println(done.Changed, err)
		return nil
	})
	// Output:
	// the state "sums": the import would overwrite what is there: 1 keys have other values, and 0 would go
	// 1 <nil>
}

// The first run of a program begins where another one has ended.
func ExampleMoveInputs() {
	temporary(func(dir string) error {
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"))
		if err != nil {
			return err
		}
		defer sc.Stop(context.Background())
		at := map[string][]byte{"numbers": []byte("0-2")}
		if err := dstream.MoveInputs(context.Background(), sc, dir, at); err != nil {
			return err
		}
		return evenAndOdd(dir, 4, func(ssc *dstream.Context) {
			sums, err := dstream.StateOf[string, int](ssc, "sums")
			if err != nil {
				fmt.Println(err)
				return
			}
			even, _, err := sums.Get(context.Background(), "even")
			fmt.Println(even.Value, err)
		})
	})
	// Output:
	// 2 <nil>
}
