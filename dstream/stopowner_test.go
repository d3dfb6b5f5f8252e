package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// stopOwner is what another process does on the disk; lines are what it tells, but for names of processes and what is
// seen by chance.
func stopOwner(t *testing.T, disk *vfs.Disk, how dstream.OwnerStop) (lines []string, err error) {
	t.Helper()
	sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[1]"), rdd.WithFileSystem(disk.Mount(nil)))
	if err != nil {
		t.Fatal(err)
	}
	waits := false
	how.Progress = func(line string) {
		// What is seen of a program that stops at once is chance, and so is what is seen of a drain.
		if strings.HasSuffix(line, "within 10s") || line == "nothing is open any more" {
			return
		}
		if strings.HasPrefix(line, "batch") {
			if waits {
				return
			}
			waits = true
		}
		before, after, _ := strings.Cut(line, ", process ")
		_, after, _ = strings.Cut(after, " on ")
		_, after, _ = strings.Cut(after, " ")
		lines = append(lines, strings.TrimSpace(before+" "+after))
	}
	err = dstream.StopOwner(t.Context(), sc, "disk:/ck", how)
	return lines, errors.Join(err, sc.Stop(t.Context()))
}

// TestStopOwner asks a program to stop, from another process, in each state that it may be in.
func TestStopOwner(t *testing.T) {
	const asked = "asked weir (epoch 1) to stop"
	for _, tt := range []struct {
		name string
		// before puts the program into its state, and gives what it comes to.
		before func(t *testing.T, p *stopped)
		how    dstream.OwnerStop
		want   []string
		err    error
		ended  string // what the program ends with; "runs" if it goes on
		open   int    // batches that are left
	}{
		{name: "idle", before: func(*testing.T, *stopped) {}, ended: "<nil>",
			want: []string{asked, "stopped cleanly, with batch 3 committed"}},
		{name: "a batch that runs", before: func(t *testing.T, p *stopped) {
			p.sink.stuck.Store(true)
			lives(t, p.Context, time.Second)
			time.AfterFunc(5*time.Second, func() { p.sink.stuck.Store(false) })
		}, how: dstream.OwnerStop{Within: time.Minute}, ended: "<nil>", want: []string{asked,
			"it is stopping, within 1m0s", "batches 3 to 5 are planned and not committed", "stopped cleanly, with batch 5 committed"}},
		{name: "a batch that hangs", before: func(t *testing.T, p *stopped) {
			p.sink.stuck.Store(true)
			lives(t, p.Context, time.Second)
		}, how: dstream.OwnerStop{Within: 3 * time.Second}, err: dstream.ErrDrainCut, open: 3,
			ended: "the deadline cut the drain: batches 3 to 5 are planned and not committed, and run again at the next " +
				"start or by weir finish; more time gives spark.streaming.gracefulStopTimeout, the deadline of Stop's " +
				"context or weir stop --timeout",
			want: []string{asked, "it is stopping, within 3s", "batches 3 to 5 are planned and not committed"}},
		{name: "at once", before: func(t *testing.T, p *stopped) {
			p.sink.stuck.Store(true)
			lives(t, p.Context, time.Second)
		}, how: dstream.OwnerStop{Now: true}, ended: "<nil>", want: []string{asked,
			"weir has stopped; batches 3 to 5 are planned and not committed, and run again at the next start or by weir finish"},
			open: 3},
		{name: "stopped already", before: func(t *testing.T, p *stopped) {
			if err := p.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
		}, want: []string{"weir has stopped cleanly already"}, ended: "<nil>"},
		{name: "stopped at once before", before: func(t *testing.T, p *stopped) {
			p.sink.stuck.Store(true)
			lives(t, p.Context, time.Second)
			if err := p.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, err: dstream.ErrNoOwner, ended: "<nil>", open: 1},
		{name: "dead", before: func(t *testing.T, p *stopped) {
			p.sink.stuck.Store(true)
			lives(t, p.Context, time.Second)
			p.mount.Kill()
		}, want: []string{asked}, err: dstream.ErrNoOwner, open: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(500 * time.Millisecond) // Signs of life come between batches.
				disk, seen := vfs.NewDisk("disk"), []string{}
				v := firstVersion(&seen, &sinkOf{})
				p := &stopped{mount: disk.Mount(nil), sink: v.sink}
				p.Context = v.context(t, p.mount)
				if err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				lives(t, p.Context, 3200*time.Millisecond)
				tt.before(t, p)
				lines, err := stopOwner(t, disk, tt.how)
				if !errors.Is(err, tt.err) || strings.Join(lines, "\n") != strings.Join(tt.want, "\n") {
					t.Errorf("%v, and told\n%s\nwant %v and\n%s", err, strings.Join(lines, "\n"), tt.err,
						strings.Join(tt.want, "\n"))
				}
				if tt.ended != "" {
					if ended := p.AwaitTermination(t.Context()); fmt.Sprint(ended) != tt.ended {
						t.Errorf("the program ended with %v, want %s", ended, tt.ended)
					}
				} else if err := p.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				s, err := checkpoint.Read(t.Context(), disk.Mount(nil), "disk:/ck")
				if err != nil || len(s.Opened()) != tt.open {
					t.Errorf("%v: %d batches are open, want %d", err, len(s.Opened()), tt.open)
				}
			})
		})
	}
}

// TestStopOwnerOfAFailure: no deadline is blamed for what a program fails of while it stops.
func TestStopOwnerOfAFailure(t *testing.T) {
	for _, tt := range []struct {
		name  string
		sink  *sinkOf
		wants string // of the error
		ended string // what the program's end says
	}{
		{"a batch fails", &sinkOf{}, "has ended without a clean stop, before its deadline; batches 3 to ", "the table is gone"},
		{"a sink does not close", &sinkOf{unclosable: errors.New("no answer")},
			"has ended without a clean stop, before its deadline; nothing is open; see its log", "no answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, seen := vfs.NewDisk("disk"), []string{}
				v := firstVersion(&seen, tt.sink)
				v.settings = []string{"weir.streaming.failedBatch", "stop"}
				ssc := v.runs(t, disk.Mount(nil), 3200*time.Millisecond)
				v.sink.stuck.Store(true)
				lives(t, ssc, time.Second)
				time.AfterFunc(5*time.Second, func() {
					v.sink.fails.Store(v.sink.unclosable == nil)
					v.sink.stuck.Store(false)
				})
				_, err := stopOwner(t, disk, dstream.OwnerStop{})
				if err == nil || errors.Is(err, dstream.ErrDrainCut) || !strings.Contains(err.Error(), tt.wants) {
					t.Errorf("%v, want %q", err, tt.wants)
				}
				if err := ssc.AwaitTermination(t.Context()); err == nil || !strings.Contains(err.Error(), tt.ended) {
					t.Errorf("the program ended with %v, want %q", err, tt.ended)
				}
			})
		})
	}
}

// TestStopOwnerOfADrain: a drain that was begun before it was asked for is cut when its own deadline comes.
func TestStopOwnerOfADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		ssc := v.runs(t, disk.Mount(nil), 3200*time.Millisecond)
		v.sink.stuck.Store(true)
		lives(t, ssc, time.Second)
		ended := make(chan error, 1)
		go func() { ended <- ssc.Stop(t.Context(), dstream.Graceful()) }()
		time.Sleep(5 * time.Second)
		lines, err := stopOwner(t, disk, dstream.OwnerStop{})
		if !errors.Is(err, dstream.ErrDrainCut) {
			t.Errorf("%v, and told\n%s", err, strings.Join(lines, "\n"))
		}
		if err := <-ended; !errors.Is(err, dstream.ErrDrainCut) {
			t.Errorf("the program ended with %v", err)
		}
	})
}

// stopped is a program that is to be stopped.
type stopped struct {
	*dstream.Context
	mount *vfs.Mount
	sink  *sinkOf
}

// TestStopMeetsAStandby: the owner stops, and the standby, which takes over, does not.
func TestStopMeetsAStandby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		first := v.context(t, disk.Mount(nil))
		if err := first.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.settings = []string{"weir.checkpoint.standby", "true"}
		second, started := v.context(t, disk.Mount(nil)), make(chan error, 1)
		go func() { started <- second.Start(t.Context()) }()
		lives(t, first, 3200*time.Millisecond)
		_, err := stopOwner(t, disk, dstream.OwnerStop{})
		if held, ok := errors.AsType[*dstream.HeldError](err); !ok || held.Epoch != 2 || !regexp.MustCompile(
			`^checkpoint disk:/ck: weir, process \d+ .* has stopped( or died)?; the standby weir, process \d+ .* has taken over `+
				`\(epoch 2\): stop it, too \(weir stop disk:/ck\)$`).MatchString(fmt.Sprint(err)) {
			t.Errorf("%v, want that another process owns the checkpoint", err)
		}
		if err := errors.Join(first.AwaitTermination(t.Context()), <-started); err != nil {
			t.Fatal(err)
		}
		lives(t, second, 10*time.Second)
		if names := disk.Files(); names["disk:/ck/stop"] != nil {
			t.Error("the request that names an earlier owner is there still")
		}
		if err := second.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		v.wroteUpTo(t, 12)
	})
}

// TestStopIsNotAwaited: who ends the waiting is told that the program stops all the same.
func TestStopIsNotAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen := vfs.NewDisk("disk"), []string{}
		v := firstVersion(&seen, &sinkOf{})
		v.sink.stuck.Store(true)
		ssc := v.runs(t, disk.Mount(nil), 3200*time.Millisecond)
		sc, err := rdd.NewContext(conf.New().Set("spark.master", "local[1]"), rdd.WithFileSystem(disk.Mount(nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer sc.Stop(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		var last string
		err = dstream.StopOwner(ctx, sc, "disk:/ck", dstream.OwnerStop{Progress: func(line string) { last = line }})
		if !errors.Is(err, context.Canceled) || !strings.Contains(last, " goes on with its stop, though nobody waits") {
			t.Errorf("%v, and told last %q", err, last)
		}
		v.sink.stuck.Store(false)
		if err := ssc.AwaitTermination(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestStopNeedsACheckpoint: there is nobody to ask.
func TestStopNeedsACheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		if _, err := stopOwner(t, disk, dstream.OwnerStop{}); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if len(disk.Files()) > 0 {
			t.Error("it has written files")
		}
	})
}
