package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

func contains(err error, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			return false
		}
	}
	return true
}

// batches logs n batches, plan and commit in slots of their own.
func batches(t *testing.T, l *Log, n int) {
	t.Helper()
	for range n {
		planned, _ := l.Last()
		next := Mark{planned.Sequence + 1, planned.Time + 1}
		err := l.Append(t.Context(), Plan{Sequence: next.Sequence, Time: next.Time})
		if err == nil {
			err = l.Append(t.Context(), Commit{Sequence: next.Sequence, Time: next.Time}, Released{UpTo: next.Sequence})
		}
		if err != nil {
			_ = l.Close(t.Context()) // A bubble does not end while its keeper runs.
			t.Fatal(err)
		}
	}
}

// sleeper is the mount of a process that can be stopped, as SIGSTOP does.
type sleeper struct{ stopped, awake chan struct{} }

func (s *sleeper) step(vfs.Step) vfs.Fault {
	select {
	case <-s.stopped:
		<-s.awake
	default:
	}
	return vfs.None
}

// TestZombie: who slept while another took over can log nothing when he wakes up, wherever the log is by then.
func TestZombie(t *testing.T) {
	for _, tt := range []struct {
		name            string
		before, between int
	}{
		{"at once", 0, 0}, {"a few batches later", 3, 3}, {"the slot has become a grave", 3, 100},
		{"its next slot would be a base", 7, 100}, {"all that it knew is gone", 40, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				s := &sleeper{make(chan struct{}), make(chan struct{})}
				a, _ := mustOpen(t, disk.Mount(s.step), "a", 8)
				batches(t, a, tt.before)
				close(s.stopped)
				began := time.Now()
				b, r := mustOpen(t, disk.Mount(nil), "b", 8)
				if took := time.Since(began); took > 15*time.Second {
					t.Errorf("the takeover took %v", took)
				}
				batches(t, b, tt.between)
				close(s.awake)
				next := r.Planned.Sequence + 1
				err := a.Append(t.Context(), Plan{Sequence: next, Time: next + 1})
				var fenced *FencedError
				if !errors.As(err, &fenced) || fenced.By.Host != "b" || fenced.ByEpoch != 2 || fenced.Epoch != 1 {
					t.Errorf("the zombie's plan: %v", err)
				}
				if err := a.Close(t.Context()); !errors.As(err, &fenced) {
					t.Errorf("the zombie's end: %v", err)
				}
				batches(t, b, 20)
				mustClose(t, b)
				c, r := mustOpen(t, disk.Mount(nil), "c", 8)
				if want := int64(tt.before + tt.between + 19); r.Committed.Sequence != want {
					t.Errorf("the log ends with batch %d, want %d", r.Committed.Sequence, want)
				}
				mustClose(t, c)
			})
		})
	}
}

// TestZombieSweeps: who slept while another took over removes nothing of what that has written and committed since.
func TestZombieSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		s := &sleeper{make(chan struct{}), make(chan struct{})}
		a, _ := mustOpen(t, disk.Mount(s.step), "a", 8)
		close(s.stopped)
		m := disk.Mount(nil)
		b, _ := mustOpen(t, m, "b", 8)
		if err := m.MkdirAll(t.Context(), dir+"/state"); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(t.Context(), m, dir+"/state/op-2-1-all", nil); err != nil {
			t.Fatal(err)
		}
		change := StateChange{Operator: "op", Snapshot: []File{{Name: "state/op-2-1-all"}}}
		if err := b.Append(t.Context(), Plan{Time: 1}, Commit{Time: 1, State: []StateChange{change}}); err != nil {
			t.Fatal(err)
		}
		close(s.awake)
		err := a.Sweep(t.Context(), "state")
		if fenced := (*FencedError)(nil); !errors.As(err, &fenced) || fenced.By.Host != "b" {
			t.Errorf("the zombie sweeps: %v", err)
		}
		if _, ok := disk.Files()[dir+"/state/op-2-1-all"]; !ok {
			t.Error("a state that is committed was removed")
		}
		_ = a.Close(t.Context())
		mustClose(t, b)
	})
}

// TestZombieIdle: an owner that logs nothing learns by its lease that it is none any more.
func TestZombieIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		s := &sleeper{make(chan struct{}), make(chan struct{})}
		a, _ := mustOpen(t, disk.Mount(s.step), "a", 8)
		close(s.stopped)
		b, _ := mustOpen(t, disk.Mount(nil), "b", 8)
		close(s.awake)
		began := time.Now()
		<-a.Over()
		var fenced *FencedError
		if took := time.Since(began); took > 5*time.Second || !errors.As(a.Err(), &fenced) || fenced.By.Host != "b" {
			t.Errorf("after %v: %v", took, a.Err())
		}
		_ = a.Close(t.Context())
		mustClose(t, b)
	})
}

// TestLateContender: who has read the log, and falls asleep before he takes the next slot, may find it free: it has
// been written and removed meanwhile. He must not believe that the log is his.
func TestLateContender(t *testing.T) {
	for _, between := range []int{1, 2, 3, 4, 8, 12, 30, 200} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			lease := &sleeper{make(chan struct{}), make(chan struct{})}
			a, _ := mustOpen(t, disk.Mount(func(s vfs.Step) vfs.Fault {
				if strings.Contains(s.Name, "lease") {
					return lease.step(s) // The owner seems dead.
				}
				return vfs.None
			}), "a", 8)
			batches(t, a, 5)
			close(lease.stopped)
			linking, free := make(chan struct{}), make(chan struct{})
			once := false
			m := disk.Mount(func(s vfs.Step) vfs.Fault {
				if s.Op == "renameNew" && !once {
					once = true
					close(linking)
					<-free
				}
				return vfs.None
			})
			opened := make(chan error)
			go func() {
				l, _, err := Open(t.Context(), m, dir, someone("b"), Options{Every: 8})
				if err == nil {
					_ = l.Close(t.Context())
				}
				opened <- err
			}()
			<-linking
			close(lease.awake)
			batches(t, a, between)
			time.Sleep(time.Second) // The keeper removes what is old.
			close(free)
			var held *HeldError
			if err := <-opened; !errors.As(err, &held) || held.Owner.Host != "a" {
				t.Errorf("%d batches later: %v", between, err)
			}
			batches(t, a, 40)
			mustClose(t, a)
			c, r := mustOpen(t, disk.Mount(nil), "c", 8)
			if want := int64(5 + between + 39); r.Committed.Sequence != want || r.Owner.Owner.Host != "a" {
				t.Errorf("the log ends with batch %d of %v, want %d", r.Committed.Sequence, r.Owner.Owner, want)
			}
			mustClose(t, c)
		})
	}
}

// TestLease: how long each has to wait, by virtual time, and who only asks.
func TestLease(t *testing.T) {
	for _, tt := range []struct {
		name string
		// end is how the first owner ends, or does not.
		end    func(t *testing.T, l *Log, m *vfs.Mount)
		wait   bool
		within time.Duration
		held   bool
	}{
		{"a clean stop", func(t *testing.T, l *Log, _ *vfs.Mount) {
			if err := l.Append(t.Context(), Stop{}); err != nil {
				t.Error(err)
			}
			mustClose(t, l)
		}, false, 0, false},
		{"released with a batch open", func(t *testing.T, l *Log, _ *vfs.Mount) {
			batches(t, l, 1)
			if err := l.Append(t.Context(), Plan{Sequence: 1, Time: 10}); err != nil {
				t.Error(err)
			}
			mustClose(t, l)
		}, false, 0, false},
		{"killed", func(_ *testing.T, l *Log, m *vfs.Mount) { m.Kill() }, false, 10 * time.Second, false},
		{"killed, to a standby", func(_ *testing.T, l *Log, m *vfs.Mount) { m.Kill() }, true, 10 * time.Second, false},
		{"alive", func(*testing.T, *Log, *vfs.Mount) {}, false, 3 * time.Second, true},
		{"alive, and stops cleanly after a minute", func(t *testing.T, l *Log, _ *vfs.Mount) {
			time.AfterFunc(time.Minute, func() { mustClose(t, l) })
		}, true, time.Minute + 2*time.Second, false},
		{"alive, and killed after a minute", func(_ *testing.T, l *Log, m *vfs.Mount) {
			time.AfterFunc(time.Minute, m.Kill)
		}, true, time.Minute + 15*time.Second, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := vfs.NewDisk("disk")
				m := disk.Mount(nil)
				first, _ := mustOpen(t, m, "a", 8)
				time.Sleep(5 * time.Second)
				tt.end(t, first, m)
				began := time.Now()
				if !tt.wait {
					looked := Held(t.Context(), vfs.ReadOnly(disk.Mount(nil)), dir)
					if _, is := errors.AsType[*HeldError](looked); is != tt.held || !is && looked != nil ||
						time.Since(began) > tt.within {
						t.Errorf("Held, after %v: %v", time.Since(began), looked)
					}
				}
				began = time.Now()
				l, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{Wait: tt.wait})
				took := time.Since(began)
				var held *HeldError
				if errors.As(err, &held) != tt.held || !tt.held && err != nil || took > tt.within {
					t.Errorf("after %v: %v", took, err)
				}
				if held != nil && (held.Owner.Host != "a" || !contains(err, dir, "process 7 on a")) {
					t.Errorf("who holds it: %v", err)
				}
				if l != nil {
					mustClose(t, l)
				}
				_ = first.Close(t.Context())
			})
		})
	}
}

// TestStandbys: of many that wait, one takes over; the others go on waiting, and take over in turn.
func TestStandbys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		first, _ := mustOpen(t, disk.Mount(nil), "first", 8)
		took := make(chan int64)
		for range 5 {
			go func() {
				m := disk.Mount(nil)
				l, r, err := Open(t.Context(), m, dir, someone("standby"), Options{Wait: true})
				if err != nil {
					t.Error(err)
				}
				planned, _ := l.Last()
				if err := l.Append(t.Context(), Plan{Sequence: planned.Sequence + 1, Time: r.Epoch}); err != nil {
					t.Error(err)
				}
				time.Sleep(time.Minute)
				took <- r.Epoch
				if r.Epoch%2 == 0 {
					m.Kill()
				}
				_ = l.Close(t.Context())
			}()
		}
		time.Sleep(10 * time.Second)
		mustClose(t, first)
		for want := int64(2); want <= 6; want++ {
			if got := <-took; got != want {
				t.Errorf("epoch %d comes after %d", got, want-1)
			}
		}
	})
}

// TestWaitEnds: a standby stops to wait when its context ends.
func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		first, _ := mustOpen(t, disk.Mount(nil), "first", 8)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var told []string
		_, _, err := Open(ctx, disk.Mount(nil), dir, someone("b"), Options{Wait: true,
			Waiting: func(epoch int64, owner Owner) { told = append(told, fmt.Sprint(epoch, " ", owner.Host)) }})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrWaited) {
			t.Error(err)
		}
		if fmt.Sprint(told) != "[1 first]" {
			t.Errorf("it is told, once, for whom it waits: %q", told)
		}
		mustClose(t, first)
	})
}

// TestTakenOverAfterStop: who has logged a clean stop is not told that he has given no sign of life when another one
// takes the log over before it is released.
func TestTakenOverAfterStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, pause := range []time.Duration{0, 10 * time.Second} {
			disk := vfs.NewDisk("disk")
			a, _ := mustOpen(t, disk.Mount(nil), "a", 8)
			if err := a.Append(t.Context(), Stop{}); err != nil {
				t.Fatal(err)
			}
			b, _ := mustOpen(t, disk.Mount(nil), "b", 8)
			time.Sleep(pause) // The first owner gives signs of life meanwhile.
			if err := a.Close(t.Context()); err != nil {
				t.Errorf("after %v: %v", pause, err)
			}
			batches(t, b, 1)
			mustClose(t, b)
		}
	})
}

// TestRemovedMeanwhile: a standby whose checkpoint is removed while it waits says so.
func TestRemovedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		a, _ := mustOpen(t, m, "a", 8)
		time.AfterFunc(time.Minute, func() {
			m.Kill()
			if err := disk.Mount(nil).RemoveAll(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
		_, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{Wait: true})
		if err == nil || !contains(err, dir, "removed", "on a", "start again") {
			t.Errorf("the standby: %v", err)
		}
		_ = a.Close(t.Context())
	})
}

// TestZombieHides: an earlier owner that still signs, and so overwrites the lease, keeps nobody from taking over when
// the owner is dead.
func TestZombieHides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		m := disk.Mount(nil)
		b, _ := mustOpen(t, m, "b", 8)
		stop := make(chan struct{})
		go func() {
			for beat := int64(0); ; beat++ {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
					late := lease{Job: b.Job(), Owner: someone("a"), Beat: beat}
					_ = folder{disk.Mount(nil), dir}.writeLease(t.Context(), late)
				}
			}
		}()
		time.Sleep(10 * time.Second)
		m.Kill()
		began := time.Now()
		c, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("c"), Options{})
		if took := time.Since(began); err != nil || took > 15*time.Second {
			t.Fatalf("after %v: %v", took, err)
		}
		close(stop)
		mustClose(t, c)
		_ = b.Close(t.Context())
	})
}

// TestOwnerAfterCleanStop: who takes over after a clean stop owns the log before it has written anything else, and can
// write.
func TestOwnerAfterCleanStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		first, _ := mustOpen(t, disk.Mount(nil), "a", 8)
		if err := first.Append(t.Context(), Stop{}); err != nil {
			t.Fatal(err)
		}
		mustClose(t, first)
		second, r := mustOpen(t, disk.Mount(nil), "b", 8)
		if !r.Stopped {
			t.Error("the clean stop was not found")
		}
		_, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("c"), Options{})
		var held *HeldError
		if !errors.As(err, &held) {
			t.Errorf("a third owner: %v", err)
		}
		if err := second.Append(t.Context(), Start{}); err != nil {
			t.Error(err)
		}
		mustClose(t, second)
	})
}

// TestAliveWhileRemoving: who removes old files for longer than it takes to be taken for dead gives signs of life, and
// sees that it is asked to stop.
func TestAliveWhileRemoving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, removed := vfs.NewDisk("disk"), 0
		slow := func(s vfs.Step) vfs.Fault {
			if s.Op == "rename" && strings.HasPrefix(vfs.Base(s.Name), ".") { // A slot that is to be used again.
				time.Sleep(20 * time.Second) // Nothing interrupts it, as a local disk's.
				removed++
			}
			return vfs.None
		}
		a, _ := mustOpen(t, disk.Mount(slow), "a", 4)
		batches(t, a, 20)
		time.Sleep(5 * time.Second)
		if err := AskToStop(t.Context(), disk.Mount(nil), dir, StopRequest{Job: a.Job(), Epoch: 1, At: 1}); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Second)
		select {
		case <-a.Asked():
		default:
			t.Error("it does not see that it is asked to stop")
		}
		_, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("b"), Options{})
		if held := (*HeldError)(nil); !errors.As(err, &held) {
			t.Errorf("another one has taken it over: %v", err)
		}
		time.Sleep(2 * time.Minute)
		batches(t, a, 1)
		mustClose(t, a)
		if removed < 3 {
			t.Errorf("%d slots were removed", removed)
		}
	})
}
