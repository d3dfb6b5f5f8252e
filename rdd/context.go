package rdd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/block"
	"github.com/weirstream/weir/internal/exec"
	"github.com/weirstream/weir/internal/vfs"
)

// A Context is where RDDs are made and their jobs run: the slots of a master, such as local[4], and the
// settings. Several contexts may live in one process. Stop it when it is no longer needed.
type Context struct {
	conf   *conf.Conf
	runner exec.Runner
	inside *exec.Goroutines
	logger *slog.Logger
	events atomic.Pointer[func(exec.Event)]
	tries  int
	seed   uint64 // of what draws at random outside of a stream
	honest bool
	budget *block.Budget
	disk   *block.Disk
	// systems are the file systems that were handed in.
	systems []vfs.FS

	parallelism parallelisms
	deals       atomic.Pointer[dealSeed] // what shuffles take that are made now

	// What a context makes is numbered in the order of its making.
	nodes, jobs, accumulators, broadcasts atomic.Int64

	mu        sync.Mutex
	onStop    []*func()
	persisted map[any]func() (PersistentRDD, bool)

	checkpointDir string
	marked        atomic.Int64 // RDDs that wait for a job to be checkpointed, or were dropped before
}

// An Option of NewContext.
type Option func(*Context)

// WithLogger has the context log to l; without it nothing is logged.
func WithLogger(l *slog.Logger) Option { return func(sc *Context) { sc.logger = l } }

// NewContext makes a context with the settings of c, which it copies. The error names each setting that is
// unknown, does not parse or contradicts another, and the remedy. spark.master says how many tasks run at
// the same time: local (one), local[N], local[*] (one a core), local[N,F] (tasks fail after F attempts). The goroutines
// that run them are kept until Stop.
func NewContext(c *conf.Conf, opts ...Option) (*Context, error) {
	if c == nil {
		c = conf.New()
	}
	c = c.Clone()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	master := conf.MasterURL.Get(c)
	if master.Kind != conf.Local {
		return nil, fmt.Errorf("spark.master=%s: this version runs programs on one machine only: use local[*] "+
			"(Spark clusters come later)", master)
	}
	sc := &Context{conf: c, inside: &exec.Goroutines{}, logger: slog.New(slog.DiscardHandler), seed: rand.Uint64()}
	sc.deals.Store(&dealSeed{})
	for _, o := range opts {
		o(sc)
	}
	if slices.Contains(sc.systems, nil) {
		return nil, errors.New("WithFileSystem needs a file system, such as its package gives, not nil")
	}
	sc.tries = conf.TaskMaxFailures.Get(c)
	if master.MaxFailures > 0 {
		sc.tries = master.MaxFailures
	}
	sc.parallelism.own = settingsParallelism(c)
	var store exec.Store = exec.Memory{}
	if sc.honest = conf.Honest.Get(c); sc.honest {
		store = exec.Honest{}
	}
	sc.budget = block.NewBudget(budgetOf(c))
	sc.disk = block.NewDisk(conf.LocalDirs.Get(c))
	sc.OnStop(func() {
		if err := sc.disk.Close(); err != nil {
			sc.logger.Warn("files in spark.local.dir could not be removed", "error", err)
		}
	})
	runner := exec.NewScheduler(master.Threads, sc.tries, store, sc.inside, sc.emit)
	if err := sc.schedule(runner, c); err != nil {
		return nil, err
	}
	sc.runner = runner
	if s := c.Summary(); s != "" {
		sc.logger.Info(s)
	}
	return sc, nil
}

// budgetOf is weir.memory.budget, by default half of what the process may use.
func budgetOf(c *conf.Conf) int64 {
	if n := conf.MemoryBudget.Get(c); n > 0 {
		return int64(n)
	}
	return block.Available() / 2
}

// schedule has the scheduler share its slots, and try slow tasks a second time, as the settings say.
func (sc *Context) schedule(s *exec.Scheduler, c *conf.Conf) error {
	if conf.Scheduling.Get(c) == conf.FAIR {
		pools, err := sc.poolsOf(conf.AllocationFile.Get(c))
		if err != nil {
			return err
		}
		s.Share(pools)
	}
	if conf.Speculation.Get(c) {
		s.Speculate(exec.Speculation{
			Interval:   conf.SpeculationInterval.Get(c),
			Quantile:   conf.SpeculationQuantile.Get(c),
			Multiplier: conf.SpeculationMultiplier.Get(c),
			MinRuntime: conf.SpeculationMinTaskRuntime.Get(c),
			Threshold:  conf.SpeculationTaskThreshold.Get(c),
		})
	}
	return nil
}

// poolsOf reads spark.scheduler.allocation.file, if there is one.
func (sc *Context) poolsOf(file string) (pools []exec.Pool, err error) {
	if file == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), allocationTimeout)
	defer cancel()
	fsys, name, err := sc.FileSystem(file)
	var data []byte
	if err == nil {
		data, err = vfs.ReadFile(ctx, fsys, name, allocationMax)
	}
	if err == nil {
		pools, err = exec.ReadPools(bytes.NewReader(data))
	}
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", conf.AllocationFile.Name(), file, err)
	}
	return pools, nil
}

// allocationTimeout and allocationMax bound the reading of a file of pools.
const (
	allocationTimeout = 15 * time.Second
	allocationMax     = 1 << 20
)

func (sc *Context) emit(e exec.Event) {
	if p, ok := e.(exec.PoolMade); ok {
		sc.logger.Warn("a job names a pool that spark.scheduler.allocation.file does not; "+
			"it has weight 1, no minimum share, and runs its first job first", "pool", p.Name)
		return
	}
	if f := sc.events.Load(); f != nil {
		(*f)(e)
	}
}

// Observe has f called with every event of the context's jobs, from many goroutines, until free is called; it must
// not block. There is one observer at a time, the streaming context that runs on the context; a second one is
// refused. The type of the events is known only within the module.
func (sc *Context) Observe(f func(exec.Event)) (free func(), err error) {
	if !sc.events.CompareAndSwap(nil, &f) {
		return nil, errors.New("another streaming context is active on this rdd.Context: stop it first")
	}
	return func() { sc.events.CompareAndSwap(&f, nil) }, nil
}

// Inside gives the register of goroutines that run tasks and bodies: for the stream engine.
func (sc *Context) Inside() *exec.Goroutines { return sc.inside }

// Conf is a copy of the context's settings.
func (sc *Context) Conf() *conf.Conf { return sc.conf.Clone() }

// Logger is where the context logs to.
func (sc *Context) Logger() *slog.Logger { return sc.logger }

// Slots is how many tasks run at the same time: the N of local[N].
func (sc *Context) Slots() int { return sc.runner.Slots() }

// Stop cancels the jobs that run and waits for their tasks until ctx ends; a user function that ignores its
// context is then named in the error and abandoned. Later actions fail. Stopping twice is no error.
func (sc *Context) Stop(ctx context.Context) error {
	if where := sc.inside.Inside(); where != "" {
		return fmt.Errorf("Stop was called from inside %s, for whose end it would wait: "+
			"call it from another goroutine, or let the program's main function do it", where)
	}
	err := sc.runner.Stop(ctx)
	sc.mu.Lock()
	fs := sc.onStop
	sc.onStop = nil
	sc.mu.Unlock()
	for _, f := range slices.Backward(fs) {
		(*f)()
	}
	return err
}

// OnStop has f called when the context stops, after its tasks have ended: for what sources hold. The last one
// given is called first. free takes f back, for what is not held until then.
func (sc *Context) OnStop(f func()) (free func()) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	hook := &f
	sc.onStop = append(sc.onStop, hook)
	return func() {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		sc.onStop = slices.DeleteFunc(sc.onStop, func(h *func()) bool { return h == hook })
	}
}

// Abandon gives up the tasks that ignore that they were cancelled, and names them; nil if there are none. It is
// what Stop does at its deadline.
func (sc *Context) Abandon() error { return sc.runner.Abandon() }

// scaleUp is by how much Take widens its search.
func (sc *Context) scaleUp() int { return max(conf.LimitScaleUpFactor.Get(sc.conf), 2) }

// node makes the node of an operator that reads from; its other parents may be left out.
func (sc *Context) node(op string, partitions int, from ...*exec.Node) *exec.Node {
	n := &exec.Node{ID: int(sc.nodes.Add(1)) - 1, Op: op, Partitions: partitions}
	n.MadeOf(from)
	if partitions > maxPartitions {
		n.Err = fmt.Errorf("%s: %w", n.Site, tooMany(op, partitions))
		n.Partitions = 0 // Nothing is made for partitions that will never be computed.
	}
	return n
}

// maxPartitions is how many partitions an RDD may have. Each is a task that the driver keeps a record of: a number far
// beyond what anybody means would end the process for lack of memory.
const maxPartitions = 1 << 20

func tooMany(op string, partitions int) error {
	return fmt.Errorf("%s would have %d partitions, and at most %d are possible: each is a task; give fewer, or "+
		"join those of its inputs by Coalesce first", op, partitions, maxPartitions)
}
