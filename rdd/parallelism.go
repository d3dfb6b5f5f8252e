package rdd

import (
	"sync/atomic"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/exec"
)

// A Parallelism is how many partitions an RDD has if who makes it does not say. It is for the stream engine, which
// writes it down with each batch: the batch may be run again with other settings and cores.
type Parallelism struct {
	// Default is the number of partitions of Parallelize and Range, and of a stream's shuffle.
	Default int
	// Shuffles is that of other shuffles; 0 for as many as their widest parent has.
	Shuffles int
}

// parallelisms are those of a context: what the settings say, and what holds instead while a batch runs, for all
// goroutines and for single ones.
type parallelisms struct {
	own    Parallelism
	during atomic.Pointer[Parallelism]
	within exec.Local[Parallelism]
}

func settingsParallelism(c *conf.Conf) Parallelism {
	p := Parallelism{Default: conf.Parallelism.Get(c)}
	if n, set, err := conf.Parallelism.Lookup(c); set && err == nil {
		p.Shuffles = n
	}
	return p
}

// DefaultParallelism is spark.default.parallelism if that is set, else the number of slots: the number of partitions
// of Parallelize, and of a stream's shuffle that is not told otherwise. While a stream runs a batch again that was
// planned with another one, it is that.
func (sc *Context) DefaultParallelism() int { return sc.parallelism.now().Default }

// Parallelism is what the settings say, whatever holds at the moment: for the stream engine.
func (sc *Context) Parallelism() Parallelism { return sc.parallelism.own }

// During has p hold while f runs, on all goroutines, for functions of the program may start some. It is for the stream
// engine, which runs one batch at a time.
func (sc *Context) During(p Parallelism, f func() error) error {
	if p == sc.parallelism.own {
		return f()
	}
	sc.parallelism.during.Store(&p)
	defer sc.parallelism.during.Store(nil)
	return f()
}

// Within has p hold while f runs, on the calling goroutine alone, as other ones may work on a batch with another
// Parallelism at the time: for the stream engine.
func (sc *Context) Within(p Parallelism, f func()) {
	// What holds during a batch may end while f runs.
	if p == sc.parallelism.own && sc.parallelism.during.Load() == nil {
		f()
		return
	}
	sc.parallelism.within.With(p, f)
}

// now is what holds for who asks.
func (ps *parallelisms) now() Parallelism {
	if p, ok := ps.within.Get(); ok {
		return p
	}
	if p := ps.during.Load(); p != nil {
		return *p
	}
	return ps.own
}
