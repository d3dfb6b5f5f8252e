package dstream

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Sorted is a StateStore in memory, for tests in bubbles.
type Sorted struct{}

// Name implements StateStore.
func (Sorted) Name() string { return "sorted" }

// Open implements StateStore.
func (Sorted) Open(string, int64) (StateRows, error) {
	return &sortedRows{rows: map[string]string{}}, nil
}

type sortedRows struct {
	mu   sync.Mutex
	rows map[string]string
}

func (s *sortedRows) Get(key, buf []byte) (value []byte, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.rows[string(key)]
	return append(buf, v...), ok, nil
}

func (s *sortedRows) Scan(from, to []byte, yield func(key, value []byte) bool) error {
	s.mu.Lock()
	rows := map[string]string{}
	for k, v := range s.rows {
		if k >= string(from) && k < string(to) {
			rows[k] = v
		}
	}
	s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if !yield([]byte(k), []byte(rows[k])) {
			break
		}
	}
	return nil
}

func (s *sortedRows) Batch() StateBatch { return &sortedBatch{s: s} }

func (s *sortedRows) Clear(from, to []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.rows, func(k, _ string) bool { return k >= string(from) && k < string(to) })
	return nil
}

func (s *sortedRows) Close() error { return nil }

type sortedBatch struct {
	s       *sortedRows
	changes []func(map[string]string)
}

func (b *sortedBatch) Put(key, value []byte) error {
	k, v := string(key), string(bytes.Clone(value))
	b.changes = append(b.changes, func(rows map[string]string) { rows[k] = v })
	return nil
}

func (b *sortedBatch) Delete(key []byte) error {
	k := string(key)
	b.changes = append(b.changes, func(rows map[string]string) { delete(rows, k) })
	return nil
}

func (b *sortedBatch) Commit() error {
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	for _, change := range b.changes {
		change(b.s.rows)
	}
	return nil
}

// inRows is the end of the name of a test whose states lie in a store.
const inRows = "in a store"

// inEachStore runs a test with states in memory and in a store; [inStore] tells which it is.
func inEachStore(t *testing.T, run func(t *testing.T)) {
	t.Run("in memory", run)
	t.Run(inRows, run)
}

// inStore has a state lie in a store in the half of a test that is for that.
func inStore(t testing.TB, s stateful) {
	t.Helper()
	if !strings.HasSuffix(t.Name(), strings.ReplaceAll(inRows, " ", "_")) {
		return
	}
	rows, err := Sorted{}.Open("", 0)
	if err == nil {
		err = s.lieIn(rows, 3)
	}
	if err != nil {
		t.Fatal(err)
	}
}
