package weirtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// A Program is one that runs in a bubble, in time that the test advances.
type Program struct {
	t       testing.TB
	c       *config
	ssc     *dstream.Context
	answers []answer

	committed atomic.Int64 // batches
	printed   printed
	over      bool
	gone      <-chan struct{} // closed when the process is dead; nil if it is not to die
}

// Start starts a program in the bubble that it is called in, for tests that do something between batches: produce
// records, cut a broker off, look at what is committed. It runs in the honest mode, with 2 partitions unless Partitions
// says otherwise, until Stop, or the end of the test. What Want wants is compared then.
func Start(t testing.TB, build func(*dstream.Context) error, opts ...Option) *Program {
	t.Helper()
	c := configure(opts)
	if !inBubble() {
		c.err = errors.Join(c.err, errors.New("Start belongs inside of a bubble: call it in the function that "+
			"synctest.Test is given"))
	}
	if c.kills {
		c.err = errors.Join(c.err, errKillsHere)
	}
	if c.err != nil {
		t.Fatalf("weirtest: %v", c.err)
	}
	answers := c.newAnswers()
	p, err := launch(t, c, c.modes(true)[0], answers, func(ssc *dstream.Context) error {
		return c.build(ssc, build, answers)
	})
	if err != nil {
		p = &Program{t: t, over: true}
		if err := c.judge(err, answers, 0); err != nil {
			t.Fatalf("weirtest: %v", err)
		}
		return p
	}
	t.Cleanup(p.Stop)
	return p
}

// launch makes a context, has build fill it, and starts it.
func launch(t testing.TB, c *config, m mode, answers []answer, build func(*dstream.Context) error) (*Program, error) {
	p, err := prepare(t, c, m, answers, build)
	if err != nil {
		return nil, err
	}
	return p, p.ssc.Start(t.Context())
}

// prepare makes a context and has build fill it.
func prepare(t testing.TB, c *config, m mode, answers []answer, build func(*dstream.Context) error, opts ...rdd.Option,
) (*Program, error) {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ssc, err := dstream.NewContext(c.conf(m), c.interval, append([]rdd.Option{rdd.WithLogger(log)}, opts...)...)
	if err != nil {
		return nil, err
	}
	p := &Program{t: t, c: c, ssc: ssc, answers: answers}
	ssc.SetOutput(&p.printed)
	ssc.AddListener(func(e dstream.Event) {
		if e, ok := e.(dstream.BatchCommitted); ok {
			p.committed.Store(e.Sequence + 1)
		}
	})
	if err := build(ssc); err != nil {
		return nil, errors.Join(err, ssc.Stop(context.Background()))
	}
	return p, nil
}

// patience is how long, in virtual time, Advance waits for batches beside their intervals: longer than any time-out of
// the engine's own, so that the program's error is told and not this one.
const patience = time.Hour

// Advance lets time pass until n more batches are committed. It fails the test at once if the program ends before.
func (p *Program) Advance(n int) {
	p.t.Helper()
	if p.over {
		p.t.Fatalf("weirtest: Advance was called when the program had ended")
	}
	if err := p.advance(n); err != nil {
		p.over = true
		if err := p.c.judge(p.finish(err), p.answers, math.MaxInt); err != nil {
			p.t.Fatalf("weirtest: %v", err)
		}
		return
	}
	for _, a := range p.answers {
		a.hand()
	}
}

// advance stops half an interval after a batch's time, so that no batch is about to begin when the test goes on.
func (p *Program) advance(n int) error {
	begin, until := time.Now(), p.committed.Load()+int64(n)
	for p.committed.Load() < until {
		now := time.Now()
		if now.Sub(begin) > time.Duration(n)*p.c.interval+patience {
			return fmt.Errorf("batch %d was not committed within %v", p.committed.Load(), now.Sub(begin))
		}
		time.Sleep(now.Truncate(p.c.interval).Add(p.c.interval + p.c.interval/2).Sub(now))
		synctest.Wait()
		select {
		case <-p.gone:
			return errKilled
		default:
		}
		if p.ssc.State() == dstream.Stopped && p.committed.Load() < until {
			err := p.ssc.AwaitTermination(context.Background())
			return errors.Join(err, fmt.Errorf("the program ended before batch %d", p.committed.Load()))
		}
	}
	return nil
}

// Printed is all that the program has printed.
func (p *Program) Printed() string { return p.printed.String() }

// Context is the program's context: for its state, its settings and its listeners.
func (p *Program) Context() *dstream.Context { return p.ssc }

// Stop ends the program gracefully: what is received and planned is processed and committed. It fails the test if the
// program has failed, or if it did not give what Want wanted. A second Stop does nothing.
func (p *Program) Stop() {
	p.t.Helper()
	if p.over {
		return
	}
	p.over = true
	if err := p.c.judge(p.finish(nil), p.answers, math.MaxInt); err != nil {
		p.t.Errorf("weirtest: %v", err)
	}
}

// finish stops the program, and gives the error that it failed with, failed if that is known.
func (p *Program) finish(failed error) error {
	ctx := context.Background() // The test's own has ended when a Cleanup runs.
	stopped := p.ssc.Stop(ctx, dstream.Graceful())
	if failed != nil {
		return failed
	}
	if err := p.ssc.AwaitTermination(ctx); err != nil {
		return err
	}
	return stopped
}

// printed keeps what is written to it.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(b)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}
