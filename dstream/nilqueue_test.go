package dstream_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// TestQueueThatIsNil is an error of the graph, and nothing else: its source was never opened, and closes.
func TestQueueThatIsNil(t *testing.T) {
	var log bytes.Buffer
	ssc, err := dstream.NewContext(conf.New(), time.Second, rdd.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	if err != nil {
		t.Fatal(err)
	}
	dstream.Print(dstream.QueueStream[int](ssc, nil), 1)
	if err := ssc.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "queueStream needs a queue, not nil") {
		t.Error(err)
	}
	if err := ssc.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Contains(got, "level=WARN") {
		t.Errorf("logged\n%s", got)
	}
}
