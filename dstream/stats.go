package dstream

import (
	"log/slog"
	"slices"
	"time"
)

// StatsReport gives a listener that logs, after each batch, how the total delays and the processing times of the
// last batches (Spark's default is 10) are distributed: the quantiles 0, 5, 25, 50, 75, 90, 95 and 100 %.
//
//	ssc.AddListener(dstream.StatsReport(slog.Default(), 10))
func StatsReport(l *slog.Logger, batches int) func(Event) {
	batches = max(batches, 1)
	var last []BatchInfo
	return func(e Event) {
		done, ok := e.(BatchCompleted)
		if !ok {
			return
		}
		if len(last) == batches {
			last = slices.Delete(last, 0, 1)
		}
		last = append(last, done.BatchInfo)
		l.Info("delays of the last batches", "batches", len(last),
			quantiles("total", last, BatchInfo.TotalDelay), quantiles("processing", last, BatchInfo.ProcessingDelay))
	}
}

// quantiles are those of one duration of each batch, by nearest rank.
func quantiles(name string, of []BatchInfo, get func(BatchInfo) time.Duration) slog.Attr {
	ds := make([]time.Duration, len(of))
	for i, b := range of {
		ds[i] = get(b)
	}
	slices.Sort(ds)
	at := func(percent int) time.Duration { return ds[(len(ds)-1)*percent/100] }
	return slog.Group(name, "min", at(0), "5%", at(5), "25%", at(25), "50%", at(50), "75%", at(75), "90%", at(90),
		"95%", at(95), "max", at(100))
}
