package kafka

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// A loss that the job goes on behind is told with what is known of it, and counted.
func TestLossCount(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	warn := func(message string, err error, attrs ...any) { logger.Warn(message, append(attrs, "error", err)...) }
	tp := TopicPartition{"t", 3}
	var n lossCount
	for _, row := range []struct {
		loss *DataLossError
		want string
	}{
		{&DataLossError{tp, 5, 8, "why"}, `partition=t-3 from=5 until=8 count=3 total=3 error="t-3: offsets 5 to 7 are lost: why; `},
		{&DataLossError{tp, 8, -1, "why"}, `partition=t-3 from=8 total=3 error="t-3: what it held from offset 8 on is lost: why; `},
		{&DataLossError{tp, 0, 1, "why"}, `partition=t-3 from=0 until=1 count=1 total=4 error="t-3: offset 0 is lost: why; `},
	} {
		log.Reset()
		n.tell(warn, row.loss)
		if !strings.Contains(log.String(), row.want) || strings.Contains(log.String(), "or set weir.kafka") {
			t.Errorf("%+v is told as %s", row.loss, &log)
		}
	}
}
