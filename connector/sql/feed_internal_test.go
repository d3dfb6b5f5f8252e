package sql

import (
	"slices"
	"strings"
	"testing"
)

// Chunks are bounded by number and by bytes; a type without a codec by number alone.
func TestChunks(t *testing.T) {
	sizes := func(n int, each string) (sizes []int) {
		f := newFeed(slices.Values(slices.Repeat([]string{each}, n)))
		for chunk := range f.chunks {
			sizes = append(sizes, len(chunk))
		}
		if f.err != nil {
			t.Error(f.err)
		}
		return sizes
	}
	for _, row := range []struct {
		n    int
		each string
		want []int
	}{
		{0, "a", nil}, {1, "a", []int{1}}, {1000, "a", []int{1000}}, {2001, "a", []int{1000, 1000, 1}},
		{5, strings.Repeat("a", 1<<19), []int{2, 2, 1}}, {3, strings.Repeat("a", 1<<21), []int{1, 1, 1}},
	} {
		if got := sizes(row.n, row.each); !slices.Equal(got, row.want) && len(got)+len(row.want) > 0 {
			t.Errorf("%d records of %d bytes: chunks %v, want %v", row.n, len(row.each), got, row.want)
		}
	}
	f := newFeed(slices.Values(make([]any, 1001)))
	if first, second := len(<-f.chunks), len(<-f.chunks); first != 1000 || second != 1 {
		t.Errorf("chunks of %d and %d, want 1000 and 1", first, second)
	}
	f.stop()
}
