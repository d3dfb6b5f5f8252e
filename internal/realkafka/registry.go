package realkafka

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// StartRegistry starts a schema registry (Apicurio's, which keeps its data in memory) and returns the address of
// its Confluent-compatible API. It ends with the test t. It needs Java 21; where the machine's is older, the
// script fetches one by Python's pip. Where the registry cannot be had, t is skipped with the reason; with the
// environment variable CI set it fails. One registry runs at a time on a machine, beside the one cluster.
func StartRegistry(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("realkafka: real servers take their time, and -short asks for tests that do not")
	}
	cache, scripts := prepare(t)
	dir := filepath.Join(cache, "registry")
	script := filepath.Join(scripts, "registry.sh")
	ctx, cancel := context.WithTimeout(t.Context(), fetchTimeout)
	defer cancel()
	if _, err := output(command(ctx, cache, "bash", script, "fetch"), nil); err != nil {
		unavailable(t, "the schema registry cannot be fetched: %v", err)
	}
	place := takePlace(t, cache, "registry")
	defer place.Close() // the script has its own copy
	if _, err := os.Stat(dir); err == nil {
		if _, err := output(command(ctx, cache, "bash", script, "destroy", dir), nil); err != nil {
			t.Fatalf("realkafka: clear away a former registry: %v", err)
		}
	}
	port, err := freePorts(2)
	if err != nil {
		t.Fatalf("realkafka: %v", err)
	}
	begin := time.Now()
	h, err := hold(command(context.Background(), cache, "bash", script, "run", dir, strconv.Itoa(port)), place)
	if err != nil {
		t.Fatalf("realkafka: start the schema registry: %v", err)
	}
	t.Cleanup(func() {
		if err := h.release(); err != nil {
			t.Errorf("realkafka: end of the schema registry: %v", err)
		}
	})
	url := fmt.Sprintf("http://127.0.0.1:%d/apis/ccompat/v7", port)
	t.Logf("realkafka: a schema registry answers at %s after %.1f s", url, time.Since(begin).Seconds())
	return url
}
