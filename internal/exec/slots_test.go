package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A client is a job of tasks that take a second each.
type client struct {
	name, pool string
	tasks      int
	after      time.Duration
}

// schedule runs jobs and gives, for each second, the tasks that began in it.
func schedule(t *testing.T, slots int, pools []Pool, clients ...client) (seconds string) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, slots, 1, nil)
		if pools != nil {
			s.Share(pools)
		}
		var (
			mu    sync.Mutex
			wg    sync.WaitGroup
			begin = time.Now()
			began = map[int][]string{}
		)
		for i, c := range clients {
			wg.Go(func() {
				time.Sleep(c.after + time.Duration(i)) // one after the other
				err := s.Run(WithProperty(t.Context(), SchedulerPool, c.pool), c.job(func(p int) {
					mu.Lock()
					at := int(time.Since(begin) / time.Second)
					began[at] = append(began[at], fmt.Sprint(c.name, p))
					mu.Unlock()
					time.Sleep(time.Second)
				}))
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for at := range len(began) {
			slices.Sort(began[at])
			seconds += " | " + strings.Join(began[at], " ")
		}
	})
	return strings.TrimPrefix(seconds, " | ")
}

func (c client) job(task func(p int)) *Job {
	parts := make([]int, c.tasks)
	for p := range parts {
		parts[p] = p
	}
	return &Job{Action: "count", Target: &Node{Partitions: c.tasks}, Partitions: parts,
		Task: func(_ *Task, p int) (any, error) { task(p); return nil, nil },
		Done: func(int, any) error { return nil }}
}

// TestWhoIsNext: which of the tasks that wait gets the slot that is free.
func TestWhoIsNext(t *testing.T) {
	const later = time.Nanosecond
	fair := []Pool{{Name: "big", Fair: true, Weight: 3}, {Name: "small", Weight: 1}, {Name: "min", Weight: 1, MinShare: 2}}
	tests := []struct {
		name    string
		slots   int
		pools   []Pool // nil: FIFO
		clients []client
		want    string
	}{
		{"the first job first", 2, nil,
			[]client{{name: "a", tasks: 5}, {name: "b", tasks: 2}}, "a0 a1 | a2 a3 | a4 b0 | b1"},
		{"pools have no meaning", 2, nil,
			[]client{{name: "a", pool: "x", tasks: 3}, {name: "b", pool: "y", tasks: 2}}, "a0 a1 | a2 b0 | b1"},
		{"in one pool the first job first", 2, fair,
			[]client{{name: "a", tasks: 4}, {name: "b", tasks: 2}}, "a0 a1 | a2 a3 | b0 b1"},
		{"jobs of a fair pool share", 2, fair,
			[]client{{name: "a", pool: "big", tasks: 4}, {name: "b", pool: "big", tasks: 2}}, "a0 a1 | a2 b0 | a3 b1"},
		{"pools that nobody has set up share", 2, fair,
			[]client{{name: "a", pool: "x", tasks: 4}, {name: "b", pool: "y", tasks: 2}}, "a0 a1 | a2 b0 | a3 b1"},
		{"by weight", 4, fair,
			[]client{{name: "s", pool: "small", tasks: 6}, {name: "b", pool: "big", tasks: 6}},
			"s0 s1 s2 s3 | b0 b1 b2 s4 | b3 b4 b5 s5"},
		{"a minimum share comes first", 3, fair,
			[]client{{name: "b", pool: "big", tasks: 8}, {name: "m", pool: "min", tasks: 4, after: later}},
			"b0 b1 b2 | b3 m0 m1 | b4 m2 m3 | b5 b6 b7"},
	}
	for _, tt := range tests {
		if got := schedule(t, tt.slots, tt.pools, tt.clients...); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestFairly: the rows of Spark's FairSchedulingAlgorithm.
func TestFairly(t *testing.T) {
	tests := []struct {
		a, b share
		want int
	}{
		{share{0, 0, 1}, share{0, 0, 1}, 0},
		{share{1, 0, 1}, share{0, 0, 1}, 1},
		{share{1, 2, 1}, share{0, 0, 9}, -1}, // needy before one who is not
		{share{2, 2, 1}, share{9, 0, 9}, 1},
		{share{1, 4, 1}, share{1, 2, 1}, -1}, // a quarter before a half
		{share{3, 0, 3}, share{2, 0, 2}, 0},
		{share{3, 0, 4}, share{2, 0, 2}, -1},
	}
	for _, tt := range tests {
		if got := fairly(tt.a, tt.b); got != tt.want {
			t.Errorf("%v against %v: %d, want %d", tt.a, tt.b, got, tt.want)
		}
		if got := fairly(tt.b, tt.a); got != -tt.want {
			t.Errorf("%v against %v: %d, want %d", tt.b, tt.a, got, -tt.want)
		}
	}
}

// TestUnknownPool is told once, and only where pools have a meaning.
func TestUnknownPool(t *testing.T) {
	var told []string
	listen := func(e Event) {
		if e, ok := e.(PoolMade); ok {
			told = append(told, e.Name)
		}
	}
	for _, fair := range []bool{false, true} {
		s := scheduler(t, 1, 1, listen)
		if fair {
			s.Share([]Pool{{Name: "known", Weight: 1}})
		}
		for _, name := range []string{"known", "new", "new", ""} {
			ctx := WithProperty(context.Background(), SchedulerPool, name)
			err := s.Run(ctx, &Job{Target: &Node{Partitions: 1}, Partitions: []int{0},
				Task: func(*Task, int) (any, error) { return nil, nil }, Done: func(int, any) error { return nil }})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := strings.Join(told, " "); got != "new" {
		t.Errorf("told of %q, want new", got)
	}
}

// TestCancelledBeforeASlot: what waits for a slot when its job is cancelled is never started.
func TestCancelledBeforeASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scheduler(t, 1, 1, nil)
		began := 0
		run := func(ctx context.Context) error {
			return s.Run(ctx, &Job{Target: &Node{Partitions: 3}, Partitions: []int{0, 1, 2},
				Task: func(*Task, int) (any, error) { began++; time.Sleep(time.Second); return nil, nil },
				Done: func(int, any) error { return nil }})
		}
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if err := run(ctx); !errors.Is(err, why) || began != 0 {
			t.Errorf("cancelled before: %v, %d tasks began", err, began)
		}
		ctx, cancel = context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(why) })
		if err := run(ctx); !errors.Is(err, why) || began != 2 {
			t.Errorf("cancelled meanwhile: %v, %d tasks began, want 2", err, began)
		}
		if err := run(t.Context()); err != nil {
			t.Errorf("the slot is not free: %v", err)
		}
	})
}

func TestReadPools(t *testing.T) {
	tests := []struct{ xml, want string }{
		{"<allocations/>", "[]"},
		{`<?xml version="1.0"?><!-- pools --><allocations>
			<pool name="production"><schedulingMode>FAIR</schedulingMode><weight>1</weight><minShare>2</minShare></pool>
			<pool name="test"><schedulingMode>fifo</schedulingMode><weight> 2 </weight></pool>
			<pool name="plain"/></allocations>`,
			"[{production true 1 2} {test false 2 0} {plain false 1 0}]"},
		{"<pools/>", "it is not <allocations>"},
		{"<allocations><pool name='a'>", "it is not <allocations>"},
		{"<allocations><pol name='a'/></allocations>", "holds <pol>"},
		{"<allocations><pool/></allocations>", `pool "": it has no name`},
		{"<allocations><pool name='a'/><pool name='a'/></allocations>", `pool "a" is there twice`},
		{"<allocations><pool name='a'><wieght>2</wieght></pool></allocations>", `pool "a": it holds <wieght>`},
		{"<allocations><pool name='a'><weight>0</weight></pool></allocations>", "weight must be a whole number of at least 1"},
		{"<allocations><pool name='a'><minShare>-1</minShare></pool></allocations>", "minShare must be a whole number"},
		{"<allocations><pool name='a'><schedulingMode>LIFO</schedulingMode></pool></allocations>", `not "LIFO"`},
	}
	for _, tt := range tests {
		pools, err := ReadPools(strings.NewReader(tt.xml))
		got := fmt.Sprint(pools)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.xml, got, tt.want)
		}
	}
}

// FuzzReadPools: no file ends the process, and what is read is a pool.
func FuzzReadPools(f *testing.F) {
	f.Add("<allocations><pool name='a'><weight>2</weight></pool></allocations>")
	f.Fuzz(func(t *testing.T, text string) {
		pools, _ := ReadPools(strings.NewReader(text))
		for _, p := range pools {
			if p.Name == "" || p.Weight < 1 || p.MinShare < 0 {
				t.Errorf("read %+v", p)
			}
		}
	})
}
