package checkpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/internal/vfs"
)

// A keeper of a journal's test knows which frames are in it, by sequence.
type keeper struct {
	*Journal
	log    *Log
	mu     sync.Mutex
	frames []string
	from   int64
	halts  []error
}

// keep takes log and journal over, the frames before the sequence before being in plans, as the position says.
func keep(t *testing.T, m vfs.FS, before int64, position []byte) (*keeper, error) {
	t.Helper()
	log, _, err := Open(t.Context(), m, dir, someone("keeper"), Options{Wait: true, PutTimeout: time.Second})
	if err != nil {
		return nil, err
	}
	k := &keeper{log: log, from: before}
	covers := func(last, position []byte) bool {
		return binary.BigEndian.Uint64(position) <= binary.BigEndian.Uint64(last)
	}
	o := JournalOptions{Covers: covers, Halted: func(err error) { k.halts = append(k.halts, err) },
		Segments: SegmentsOptions{Kind: Received, Epoch: log.Epoch(), Bytes: 200, Timeout: 3 * time.Second}}
	k.Journal, err = OpenJournal(t.Context(), log, m, dir, "received/0", o, before, position,
		func(f Frame, head ReceivedBlock) error {
			b, err := DecodeReceived(f.Payload)
			k.frames = append(k.frames, string(b.Values))
			return err
		})
	if err != nil {
		return nil, errors.Join(err, log.Close(t.Context()))
	}
	return k, nil
}

func place(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// store stores the text of a number, at its position if it has one.
func (k *keeper) store(run context.Context, n int, position []byte) error {
	data, err := ReceivedBlock{Count: 1, Position: position, Values: []byte(payload(n))}.Append(nil)
	if err != nil {
		return err
	}
	return k.Store(run, JournalFrame{Payload: data, Position: position, Logged: func(sequence int64, _ File) {
		k.mu.Lock()
		defer k.mu.Unlock()
		if sequence != k.from+int64(len(k.frames)) {
			panic(fmt.Sprintf("frame %d is logged as the %d. of those from %d on", sequence, len(k.frames), k.from))
		}
		k.frames = append(k.frames, payload(n))
	}})
}

// TestJournalCrash kills an owner before each of its steps, and the next one before each of some of his, with and
// without power failures: what was acknowledged is there once, in order, and the source goes on where the log ends.
func TestJournalCrash(t *testing.T) {
	for step := 1; ; step++ {
		whole := false
		for second := range 8 {
			synctest.Test(t, func(t *testing.T) {
				disk, done := vfs.NewDisk("disk"), 0
				live := func(m vfs.FS) error {
					k, err := keep(t, m, 0, nil)
					if err != nil {
						return err
					}
					at, err := k.Resume(t.Context())
					if err != nil {
						return errors.Join(err, k.Close(t.Context()), k.log.Close(t.Context()))
					}
					next := 0
					if at != nil {
						next = int(binary.BigEndian.Uint64(at)) + 1
					}
					wantPayloads(t, fmt.Sprintf("step %d, second %d", step, second), k.frames, 0, done, max(next, done))
					if len(k.frames) != next {
						t.Fatalf("step %d, second %d: %d frames, and the source goes on at %d", step, second, len(k.frames), next)
					}
					for done = next; err == nil && done < 15; {
						if err = k.store(t.Context(), done, place(done)); err == nil {
							done++
						}
					}
					return errors.Join(err, k.Close(t.Context()), k.log.Close(t.Context()))
				}
				whole = live(disk.Mount(dieAt(step))) == nil
				for i := range 3 {
					if second>>i&1 == 1 {
						disk = disk.Crash(uint64(second*7 + i))
					}
					_ = live(disk.Mount(dieAt(12 + (step+7*i)%23)))
				}
				if err := live(disk.Mount(nil)); err != nil || done != 15 {
					t.Fatalf("step %d, second %d: %d are done, %v", step, second, done, err)
				}
			})
		}
		if whole {
			return
		}
	}
}

// TestJournalZombie: an owner that was taken over from acknowledges nothing, and nothing that it writes counts, whether
// or not the next owner has written anything.
func TestJournalZombie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		old, err := keep(t, disk.Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := old.store(t.Context(), 0, place(0)); err != nil {
			t.Fatal(err)
		}
		sleeping := disk.Mount(nil)
		old.log.mu.Lock()
		old.log.folder.fs = sleeping // Its lease is not written any more.
		old.log.mu.Unlock()
		close(old.log.stop)
		next, err := keep(t, disk.Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = old.store(t.Context(), 1, place(1))
		if _, fenced := errors.AsType[*FencedError](err); !fenced {
			t.Errorf("a zombie's record: %v", err)
		}
		if err := old.store(t.Context(), 2, place(2)); err == nil {
			t.Error("a zombie's next record is acknowledged")
		}
		_, err = old.Resume(t.Context()) // Its receiver is started again, and the source gives the record once more.
		if _, fenced := errors.AsType[*FencedError](err); !fenced {
			t.Errorf("a zombie's next run: %v", err)
		}
		if err := old.store(t.Context(), 1, place(1)); err == nil {
			t.Error("a zombie's record is acknowledged when it comes again")
		}
		if want := []string{payload(0)}; !slices.Equal(next.frames, want) {
			t.Errorf("the next owner found %q, want %q", next.frames, want)
		}
		if err := errors.Join(next.Close(t.Context()), next.log.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		third, err := keep(t, disk.Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{payload(0)}; !slices.Equal(third.frames, want) {
			t.Errorf("the owner after it found %q, want %q", third.frames, want)
		}
		if err := errors.Join(third.Close(t.Context()), third.log.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

// TestJournalHalts: when a record could not be logged, no later one of that run is, lest its position be there without
// it; the next run goes on from what is there.
func TestJournalHalts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := false
		disk := vfs.NewDisk("disk")
		m := disk.Mount(func(s vfs.Step) vfs.Fault {
			if full && strings.Contains(s.Name, "received") {
				return vfs.Full
			}
			return vfs.None
		})
		k, err := keep(t, m, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		first, end := context.WithCancel(t.Context())
		if err := k.store(first, 0, place(0)); err != nil {
			t.Fatal(err)
		}
		full = true
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := k.store(first, 1, place(1)); err == nil || !strings.Contains(err.Error(), "no space left") {
				t.Errorf("on a full disk: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if err := k.store(first, 2, place(2)); err == nil {
				t.Error("what came behind is logged")
			}
		})
		wg.Wait()
		full = false
		if err := k.store(first, 3, place(3)); err == nil {
			t.Error("the run goes on")
		}
		k.Seal(end)
		at, err := k.Resume(t.Context())
		if err != nil || !slices.Equal(at, place(0)) {
			t.Errorf("the next run begins at %x, %v", at, err)
		}
		if err := k.store(first, 1, place(1)); !errors.Is(err, context.Canceled) {
			t.Errorf("a run that is over: %v", err)
		}
		for _, n := range []int{1, 1, 0, 2} { // What comes twice is dropped.
			if err := k.store(t.Context(), n, place(n)); err != nil {
				t.Error(err)
			}
		}
		if want := []string{payload(0), payload(1), payload(2)}; !slices.Equal(k.frames, want) || len(k.halts) != 1 {
			t.Errorf("%q, %d halts", k.frames, len(k.halts))
		}
		if err := errors.Join(k.Close(t.Context()), k.log.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// TestJournalHalt: what no frame can be made of is not passed over by what comes behind it, and a run that is over
// halts nothing.
func TestJournalHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := keep(t, vfs.NewDisk("disk").Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		bad := errors.New("it does not encode")
		run, end := context.WithCancel(t.Context())
		if err := k.store(run, 0, place(0)); err != nil {
			t.Error(err)
		}
		k.Halt(run, bad)
		k.Halt(run, bad)
		if err := k.store(run, 2, place(2)); !errors.Is(err, bad) {
			t.Errorf("what came behind: %v", err)
		}
		k.Seal(end)
		if at, err := k.Resume(t.Context()); err != nil || !slices.Equal(at, place(0)) {
			t.Errorf("the next run begins at %x, %v", at, err)
		}
		k.Halt(run, bad)
		for n := range 3 {
			if err := k.store(t.Context(), n, place(n)); err != nil {
				t.Error(err)
			}
		}
		if want := []string{payload(0), payload(1), payload(2)}; !slices.Equal(k.frames, want) || len(k.halts) != 1 {
			t.Errorf("%q, %d halts", k.frames, len(k.halts))
		}
		if err := errors.Join(k.Close(t.Context()), k.log.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// TestJournalCleans: files go when all of their frames are released, and the position stays known.
func TestJournalCleans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		k, err := keep(t, disk.Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			if err := k.store(t.Context(), n, place(n)); err != nil {
				t.Fatal(err)
			}
		}
		files := func() (n int) {
			for name := range disk.Files() {
				if strings.Contains(name, "/received/") {
					n++
				}
			}
			return n
		}
		before := files()
		if err := k.Clean(t.Context(), 20); err != nil {
			t.Fatal(err)
		}
		if after := files(); before < 4 || after != 1 {
			t.Errorf("%d files became %d", before, after)
		}
		if err := errors.Join(k.Close(t.Context()), k.log.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		next, err := keep(t, disk.Mount(nil), 20, place(19))
		if err != nil {
			t.Fatal(err)
		}
		if at, err := next.Resume(t.Context()); err != nil || !slices.Equal(at, place(19)) || len(next.frames) > 0 {
			t.Errorf("%x, %v, %q", at, err, next.frames)
		}
		if err := errors.Join(next.Close(t.Context()), next.log.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
	})
}

// TestJournalRestarts: a receiver of which no batch is planned, again and again, leaves no copy of its frames for each
// start, nor what a start that was killed had begun.
func TestJournalRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		var stored []string
		for life := range 20 {
			k, err := keep(t, disk.Mount(nil), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(k.frames, stored) {
				t.Fatalf("start %d found %q, want %q", life, k.frames, stored)
			}
			if life%5 == 0 {
				if err := k.store(t.Context(), life, place(life)); err != nil {
					t.Fatal(err)
				}
				stored = append(stored, payload(life))
			}
			if err := errors.Join(k.Close(t.Context()), k.log.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			died := disk.Mount(func(s vfs.Step) vfs.Fault {
				if s.Op == "write" && strings.Contains(s.Name, "/received/") {
					return vfs.Die
				}
				return vfs.None
			})
			if _, err := keep(t, died, 0, nil); !errors.Is(err, vfs.ErrDead) {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		var left []string
		for name := range disk.Files() {
			if strings.Contains(name, "/received/") {
				left = append(left, name)
			}
		}
		if len(left) > len(stored)+1 { // Each start that stored something began a file; the last death left one, too.
			t.Errorf("20 starts leave %q", left)
		}
	})
}

// TestReceivedBlock: what is appended is read, whatever is in it, and nothing that is cut or spoilt ends the process.
func TestReceivedBlock(t *testing.T) {
	long := []byte(strings.Repeat("the same again, ", 1000))
	for _, b := range []ReceivedBlock{
		{}, {Count: 1, Values: []byte("v")}, {Count: 3, Position: []byte("p"), Values: nil},
		{Count: 1000, Position: []byte{0}, Values: long},
	} {
		data, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeReceived(data)
		if err != nil || got.Count != b.Count || !slices.Equal(got.Position, b.Position) ||
			!slices.Equal(got.Values, b.Values) {
			t.Errorf("%v: %v", b.Count, err)
		}
		if len(b.Values) > lz4Least && len(data) > len(b.Values)/2 {
			t.Errorf("%d bytes take %d", len(b.Values), len(data))
		}
		for i := range min(len(data), 40) {
			if _, err := DecodeReceived(data[:i]); err == nil {
				t.Errorf("cut at %d of %d it is read", i, len(data))
			}
			spoilt := slices.Clone(data)
			spoilt[i] ^= 0xff
			_, _ = DecodeReceived(spoilt)
		}
	}
}

// TestJournalOfADamagedSeries: what cannot be opened is nothing that could be closed.
func TestJournalOfADamagedSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		k, err := keep(t, disk.Mount(nil), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 20 {
			if err := k.store(t.Context(), n, place(n)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(k.Close(t.Context()), k.log.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		for name := range disk.Files() {
			if strings.Contains(name, "received/0/") {
				spoil := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
				if err := disk.Spoil(name, spoil); err != nil {
					t.Fatal(err)
				}
			}
		}
		log, _, err := Open(t.Context(), disk.Mount(nil), dir, someone("keeper"), Options{Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		o := JournalOptions{Segments: SegmentsOptions{Kind: Received, Epoch: log.Epoch()}}
		j, err := OpenJournal(t.Context(), log, disk.Mount(nil), dir, "received/0", o, 0, nil,
			func(Frame, ReceivedBlock) error { return nil })
		if err == nil || j != nil {
			t.Errorf("a damaged series gives %v, %v", j, err)
		}
		if err := log.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
