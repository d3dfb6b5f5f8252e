package dstream

import (
	"math"
	"testing"

	"github.com/weirstream/weir/codec"
	"github.com/weirstream/weir/internal/checkpoint"
)

// TestWithin: batches take whole frames up to their limit, one at least, and keep to a measured rate over time.
func TestWithin(t *testing.T) {
	const all = math.MaxInt64
	for _, tt := range []struct {
		name   string
		frames []int64 // records, and as many bytes
		limit  Limit
		most   int64
		want   []int64 // up to which frame each batch takes
	}{
		{"no limit", []int64{1, 2, 3}, Limit{Records: all}, all, []int64{3, 3}},
		{"no limit, said to be measured", []int64{1, 2, 3}, Limit{Records: all, Measured: true}, all, []int64{3, 3}},
		{"records", []int64{2, 2, 2, 7, 1, 4, 1}, Limit{Records: 5}, all, []int64{2, 3, 4, 6, 7, 7}},
		{"positions alone", []int64{0, 5, 0, 0, 5, 0}, Limit{Records: 5}, all, []int64{4, 6}},
		{"bytes", []int64{2, 2, 2, 7, 1, 4, 1}, Limit{Records: all}, 5, []int64{2, 3, 4, 6, 7}},
		{"none", []int64{2, 2}, Limit{Records: 0}, all, []int64{1, 2, 2}},
		{"a rate", []int64{5, 5, 5, 5}, Limit{Records: 3, Measured: true}, all, []int64{1, 2, 2, 3, 3, 4}},
		{"a rate, and one that is far beyond", []int64{10, 1, 1, 1, 1}, Limit{Records: 3, Measured: true}, all,
			[]int64{1, 1, 1, 3, 5}},
		{"a rate of nothing", []int64{2, 2}, Limit{Records: 0, Measured: true}, all, []int64{0, 0}},
		{"a rate, and bytes", []int64{2, 2, 2}, Limit{Records: 10, Measured: true}, 4, []int64{2, 3}},
	} {
		w := &wal[string]{cutAt: int64(len(tt.frames)), room: newWalRoom(tt.most)}
		for _, n := range tt.frames {
			w.list = append(w.list, walFrame[string]{records: n, held: n, at: checkpoint.File{Length: n}})
			w.room.held += n
		}
		at, held := int64(0), w.room.held
		for i, want := range tt.want {
			until, _ := w.within(at, tt.limit)
			w.planned(until)
			for _, f := range w.list[at:until] {
				held -= f.held
			}
			if at = until; at != want || w.room.held != held {
				t.Errorf("%s: batch %d takes up to %d, want %d; %d bytes are held, want %d", tt.name, i, at, want,
					w.room.held, held)
			}
		}
	}
}

// TestWithinParts: a batch has a bounded number of blocks, and of parts of the log.
func TestWithinParts(t *testing.T) {
	const frames = 25_000
	for _, tt := range []struct {
		name  string
		frame func(i int64) walFrame[string]
		want  []int64
	}{
		{"one block", func(i int64) walFrame[string] {
			return walFrame[string]{records: 1, at: checkpoint.File{Offset: i, Length: 1}}
		}, []int64{frames}},
		{"blocks", func(i int64) walFrame[string] {
			return walFrame[string]{records: 1, at: checkpoint.File{Offset: i, Length: 1}, begins: true}
		}, []int64{10_000, 20_000, frames}},
		{"positions in between", func(i int64) walFrame[string] {
			return walFrame[string]{records: i % 2, at: checkpoint.File{Offset: i, Length: 1}}
		}, []int64{20_001, frames}},
		{"blocks that begin with positions", func(i int64) walFrame[string] {
			return walFrame[string]{records: i % 2, at: checkpoint.File{Offset: i / 2, Length: i % 2}, begins: i%2 == 0}
		}, []int64{20_001, frames}},
	} {
		w := &wal[string]{cutAt: frames, room: newWalRoom(math.MaxInt64)}
		for i := range int64(frames) {
			w.list = append(w.list, tt.frame(i))
		}
		at := int64(0)
		for i, want := range tt.want {
			until, full := w.within(at, Limit{Records: math.MaxInt64})
			r, begins := walRange{}, false
			for j := at; j < until; j++ {
				if f := w.list[j]; f.records > 0 {
					r.add(begins || f.begins, j, f.records, f.at)
					begins = false
				} else {
					begins = begins || f.begins
				}
			}
			parts := 0
			for _, b := range r.Blocks {
				parts += len(b.Parts)
			}
			if at = until; until != want || parts > partsMax || full != (until < frames) {
				t.Errorf("%s: batch %d takes up to %d in %d parts, want %d; full: %v", tt.name, i, until, parts, want,
					full)
			}
		}
	}
}

// TestNothingIsEvictedTwice: after a restart nothing of what was in the log before is looked for in memory.
func TestNothingIsEvictedTwice(t *testing.T) {
	w := &wal[string]{ssc: &Context{}}
	w.ssc.durable.replays = true
	w.codec, _ = codec.For[string]()
	from := walRange{Version: walVersion, Series: receivedDir + "/s", From: 1 << 39, Until: 1 << 40}
	if _, err := w.open(t.Context(), "id", from.encode()); err != nil || w.evicted != 1<<40 {
		t.Errorf("%d frames are out of memory, %v", w.evicted, err)
	}
}
