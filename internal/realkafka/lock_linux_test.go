package realkafka

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	first, err := lock(t.Context(), dir, "cluster", "the first test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err = lock(ctx, dir, "cluster", "the second test")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the first test") {
		t.Errorf("while it is held: got error %v, want one that names the holder", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	third, err := lock(t.Context(), dir, "cluster", "the third test")
	if err != nil {
		t.Fatalf("after its release: %v", err)
	}
	third.Close()
}
