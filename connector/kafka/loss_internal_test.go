package kafka

import (
	"bytes"
	"fmt"
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
		{&DataLossError{tp, 5, 8, "why", keepLonger},
			`partition=t-3 from=5 until=8 count=3 total=3 error="t-3: offsets 5 to 7 are lost: why; `},
		{&DataLossError{tp, 8, -1, "why", keepLonger},
			`partition=t-3 from=8 total=3 error="t-3: what it held from offset 8 on is lost: why; `},
		{&DataLossError{tp, 0, 1, "why", keepLonger},
			`partition=t-3 from=0 until=1 count=1 total=4 error="t-3: offset 0 is lost: why; `},
	} {
		log.Reset()
		n.tell(warn, row.loss)
		text := log.String()
		if !strings.Contains(text, row.want) || !strings.Contains(text, keepLonger) ||
			strings.Contains(text, "or set weir.kafka") {
			t.Errorf("%+v is told as %s", row.loss, &log)
		}
	}
}

// Each offset is told to be lost once, in whatever order ranges are found to be, until it is forgotten.
func TestLossesCount(t *testing.T) {
	p := partitionRange{Topic: "t", Partition: 3}
	var l losses
	for _, row := range []struct {
		from, until int64
		want        string
	}{
		{10, 15, "[{10 15}]"},
		{10, 15, "[]"},
		{3, 10, "[{3 10}]"}, // The batch before, whose range is read later.
		{4, 12, "[]"},
		{20, 30, "[{20 30}]"},
		{40, 41, "[{40 41}]"},
		{1, 50, "[{1 3} {15 20} {30 40} {41 50}]"},
		{1, 50, "[]"},
		{0, 0, "[]"},
		{7, 5, "[]"},
		{0, 60, "[{0 1} {50 60}]"},
		{70, 80, "[{70 80}]"},
		{60, 62, "[{60 62}]"},
		{64, 66, "[{64 66}]"},
		{62, 64, "[{62 64}]"},
	} {
		if got := fmt.Sprint(l.count(p, row.from, row.until)); got != row.want {
			t.Errorf("[%d,%d): %s, want %s", row.from, row.until, got, row.want)
		}
	}
	if got := fmt.Sprint(l.told[p.incarnation()]); got != "[{0 66} {70 80}]" {
		t.Errorf("told are %s", got)
	}
	l.release(map[incarnation]int64{p.incarnation(): 70})
	if got := fmt.Sprint(l.count(p, 65, 72), l.count(p, 65, 72)); got != "[{65 70}] []" {
		t.Errorf("after a release: %s", got)
	}
	if l.forget(p.incarnation()); len(l.told) != 0 {
		t.Errorf("%v is left", l.told)
	}
}

// What is told to keep a loss from coming again is of its kind.
func TestLossRemedy(t *testing.T) {
	tp := TopicPartition{"t", 3}
	for _, loss := range []*DataLossError{
		{tp, 5, 8, "why", keepLonger}, {tp, 0, -1, "why", keepTopic}, {tp, 5, 8, "why", keepCopies},
	} {
		for _, text := range []string{loss.Error(), (&acceptedLoss{loss}).Error()} {
			for _, remedy := range []string{keepLonger, keepTopic, keepCopies} {
				if strings.Contains(text, remedy) != (remedy == loss.remedy) {
					t.Errorf("%q", text)
				}
			}
		}
	}
}
