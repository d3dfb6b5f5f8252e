package checkpoint

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A drowsy process falls asleep, by its seed, before some of its steps, and is killed at one of them.
type drowsy struct {
	mu     sync.Mutex
	random *rand.Rand
	life   int
	sleep  func(time.Duration) // the bubble's
}

func (d *drowsy) step(s vfs.Step) vfs.Fault {
	d.mu.Lock()
	nap, dies := time.Duration(0), s.Number > d.life
	switch d.random.IntN(60) {
	case 0:
		nap = time.Duration(d.random.IntN(60_000)) * time.Millisecond
	case 1, 2, 3:
		nap = time.Duration(d.random.IntN(300)) * time.Millisecond
	}
	d.mu.Unlock()
	d.sleep(nap)
	if dies {
		return vfs.Die
	}
	return vfs.None
}

// TestContest: processes that fall asleep wherever they are contend for a log, sweep what they find and commit states.
// Whatever one of them was told is in the log is there in the end, once, and in its order, and so are the files that
// the log names.
func TestContest(t *testing.T) {
	for seed := range uint64(25) {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			var mu sync.Mutex
			acknowledged := map[int64]uint64{} // who planned a batch, by its sequence
			var wg sync.WaitGroup
			for p := range uint64(4) {
				wg.Go(func() {
					for life := range uint64(4) {
						d := &drowsy{random: rand.New(rand.NewPCG(seed, p<<8|life)), sleep: time.Sleep,
							life: 150 + int(seed*(p+1)*(life+1)*37)%900}
						contend(t, disk.Mount(d.step), p<<8|life, func(sequence int64, who uint64) {
							defer time.Sleep(50 * time.Millisecond)
							mu.Lock()
							defer mu.Unlock()
							if other, ok := acknowledged[sequence]; ok {
								t.Errorf("seed %d: batch %d is acknowledged to %x and %x", seed, sequence, other, who)
							}
							acknowledged[sequence] = who
						})
					}
				})
			}
			wg.Wait()
			s, err := Read(t.Context(), disk.Mount(nil), dir)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for sequence, who := range acknowledged {
				if b := s.Batch(sequence); b == nil || b.Plan.Seed != who {
					t.Errorf("seed %d: batch %d was acknowledged to %x, and the log has %+v", seed, sequence, who, b)
				}
			}
			files := disk.Files()
			for name := range s.Files() {
				if _, ok := files[vfs.Join(dir, name)]; !ok {
					t.Errorf("seed %d: the log names %s, which is not there", seed, name)
				}
			}
			if seed == 0 {
				t.Logf("%d epochs, %d batches, %d acknowledged", s.Owner.Epoch, len(s.Batches), len(acknowledged))
			}
		})
	}
}

// contend opens the log, sweeps, and plans and commits batches, until it is killed or loses the log.
func contend(t *testing.T, m *vfs.Mount, who uint64, acknowledge func(sequence int64, who uint64)) {
	l, r, err := Open(t.Context(), m, dir, someone(fmt.Sprint(who)), Options{Every: 3 + int64(who%3), Wait: true})
	if err != nil {
		if !errors.Is(err, vfs.ErrDead) {
			t.Errorf("%x: %v", who, err)
		}
		return
	}
	defer func() { _ = l.Close(t.Context()) }()
	if m.MkdirAll(t.Context(), vfs.Join(dir, "state")) != nil || l.Sweep(t.Context(), "state") != nil {
		return
	}
	for _, b := range r.Opened() {
		if l.Append(t.Context(), Commit{Sequence: b.Plan.Sequence, Time: b.Plan.Time}) != nil {
			return
		}
	}
	for range 100 {
		planned, _ := l.Last()
		next := Mark{planned.Sequence + 1, planned.Time + 1}
		if l.Append(t.Context(), Plan{Sequence: next.Sequence, Time: next.Time, Seed: who}) != nil {
			return
		}
		acknowledge(next.Sequence, who)
		commit := Commit{Sequence: next.Sequence, Time: next.Time}
		if next.Sequence%5 == 0 {
			file := File{Name: fmt.Sprintf("state/op-%d-%d", r.Epoch, next.Sequence)}
			if vfs.WriteFile(t.Context(), m, vfs.Join(dir, file.Name), nil) != nil {
				return
			}
			commit.State = []StateChange{{Operator: "op", Snapshot: []File{file}, SnapshotAt: next.Sequence}}
		}
		l.Defer(commit)
	}
}
