package ui

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The text format is written here and not by Prometheus's own library: that one registers /debug/vars in the default
// mux of every program that links it, with the command line, and weir is linked by services.

// textFormat is the type of Prometheus's text format.
const textFormat = "text/plain; version=0.0.4; charset=utf-8"

// bounds are the upper ends of the buckets of durations, in seconds.
var bounds = [...]float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// A histogram counts durations by bucket, the last one being for those beyond all bounds.
type histogram struct {
	counts []int64
	sum    time.Duration
}

func newHistogram() histogram { return histogram{counts: make([]int64, len(bounds)+1)} }

func (h *histogram) observe(d time.Duration) {
	i, _ := slices.BinarySearch(bounds[:], d.Seconds())
	h.counts[i]++
	h.sum += d
}

// An exposition is text for Prometheus.
type exposition struct{ bytes.Buffer }

// family begins a metric.
func (x *exposition) family(name, kind, help string) {
	fmt.Fprintf(x, "# HELP %s %s\n# TYPE %[1]s %[3]s\n", name, help, kind)
}

// labelEscapes are what the text format has escaped in the values of labels.
var labelEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// sample writes a value; labels are names and values.
func (x *exposition) sample(name string, value float64, labels ...string) {
	x.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		x.WriteByte("{,"[min(i, 1)])
		fmt.Fprintf(x, `%s="%s"`, labels[i], labelEscapes.Replace(strings.ToValidUTF8(labels[i+1], "\uFFFD")))
	}
	if len(labels) > 0 {
		x.WriteByte('}')
	}
	x.WriteByte(' ')
	x.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
	x.WriteByte('\n')
}

// one is a metric without labels.
func (x *exposition) one(name, kind, help string, value float64) {
	x.family(name, kind, help)
	x.sample(name, value)
}

func (x *exposition) histogram(name, help string, h histogram) {
	x.family(name, "histogram", help)
	var n int64
	for i, c := range h.counts {
		n += c
		le := "+Inf"
		if i < len(bounds) {
			le = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		x.sample(name+"_bucket", float64(n), "le", le)
	}
	x.sample(name+"_sum", h.sum.Seconds())
	x.sample(name+"_count", float64(n))
}

// byName is a metric with a label that tells inputs, or other things with names, apart.
func (x *exposition) byName(name, kind, help, label string, values map[string]float64) {
	if len(values) == 0 {
		return
	}
	x.family(name, kind, help)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		x.sample(name, values[key], label, key)
	}
}

func floats(counts map[string]int64) map[string]float64 {
	all := make(map[string]float64, len(counts))
	for name, n := range counts {
		all[name] = float64(n)
	}
	return all
}

const prefix = "weir_streaming_"

// metrics answers Prometheus.
func (u *UI) metrics(w http.ResponseWriter, _ *http.Request) {
	var x exposition
	v := u.model.view()
	x.family("weir_build_info", "gauge", "The program; the value is 1.")
	x.sample("weir_build_info", 1, "application", u.name, "id", u.app)
	u.counts(&x, v)
	u.moments(&x, v)
	x.histogram(prefix+"scheduling_delay_seconds", "How long batches waited from their submission to their start.",
		v.scheduling)
	x.histogram(prefix+"processing_time_seconds", "How long batches ran.", v.processing)
	x.histogram(prefix+"total_delay_seconds", "How long batches took from their submission to their end.", v.total)
	x.histogram(prefix+"commit_duration_seconds",
		"How long it took from the end of a batch until its commit was known to be written.", v.commit)
	u.inputMetrics(&x, v)
	write(w, http.StatusOK, textFormat, &x.Buffer)
}

// counts are Spark's totals and numbers of batches, and what Spark has no numbers of.
func (u *UI) counts(x *exposition, v *view) {
	counter := func(name, help string, n int64) { x.one(prefix+name, "counter", help, float64(n)) }
	gauge := func(name, help string, n int) { x.one(prefix+name, "gauge", help, float64(n)) }
	gauge("receivers", "Receivers that are known.", len(v.receivers))
	gauge("active_receivers", "Receivers that run.", v.activeReceivers())
	counter("completed_batches_total", "Batches that have run, failed ones too.", v.completions)
	gauge("unprocessed_batches", "Batches that wait or run.", len(v.waiting)+len(v.running))
	gauge("waiting_batches", "Batches that wait.", len(v.waiting))
	gauge("running_batches", "Batches that run.", len(v.running))
	gauge("retained_completed_batches", "Batches that have run and are remembered.", len(v.completed))
	counter("received_records_total", "Records of batches that have started.", v.received)
	counter("processed_records_total", "Records of batches that have run.", v.processed)
	counter("failed_batches_total", "Batches that have failed after all retries.", v.failures)
	counter("committed_batches_total", "Batches whose commit is written.", v.commits)
	counter("skipped_batches_total", "Batches that were given up since the start.", v.skips)
	gauge("given_up_batches", "Batches that were ever given up, by any process.", len(u.givenUp(v)))
	counter("dead_letters_total", "Records that operators gave up.", v.dead)
	counter("missed_batch_times_total", "Batch times that passed without a batch of their own.", v.missed)
	counter("task_failures_total", "Attempts at tasks that have failed.", v.taskFailures)
	counter("warnings_total", "Troubles that failed no batch.", v.warnings)
}

// moments are the times of the last batches. What is not known is not there, where Spark has -1.
func (u *UI) moments(x *exposition, v *view) {
	at := func(name, help string, t time.Time) {
		if !t.IsZero() {
			x.one(prefix+name+"_timestamp_seconds", "gauge", help, float64(t.UnixMilli())/1000)
		}
	}
	took := func(name, help string, d time.Duration, known bool) {
		if known {
			x.one(prefix+name+"_seconds", "gauge", help, d.Seconds())
		}
	}
	if n := len(v.completed); n > 0 {
		b := v.completed[n-1]
		at("last_completed_batch_submission", "When the last batch that has run was submitted.", b.SubmissionTime)
		at("last_completed_batch_processing_start", "When the last batch that has run began.", b.ProcessingStart)
		at("last_completed_batch_processing_end", "When the last batch that has run ended.", b.ProcessingEnd)
		d, known := b.processingTime()
		took("last_completed_batch_processing_delay", "How long the last batch ran.", d, known)
		d, known = b.schedulingDelay()
		took("last_completed_batch_scheduling_delay", "How long the last batch waited.", d, known)
		d, known = b.totalDelay()
		took("last_completed_batch_total_delay", "How long the last batch waited and ran.", d, known)
	}
	if v.last == nil {
		return
	}
	last := v.last
	if b, _ := v.find(last.BatchTime); b != nil {
		last = &b.BatchInfo
	}
	at("last_received_batch_submission", "When the last batch that has begun was submitted.", last.SubmissionTime)
	at("last_received_batch_processing_start", "When the last batch that has begun did.", last.ProcessingStart)
	at("last_received_batch_processing_end", "When the last batch that has begun ended.", last.ProcessingEnd)
	x.one(prefix+"last_received_batch_records", "gauge", "Records of the last batch that has begun.",
		float64(last.Records()))
}

// inputMetrics tell of each input how much came, how much may come and how much waits.
func (u *UI) inputMetrics(x *exposition, v *view) {
	rates, lags := map[string]float64{}, map[string]float64{}
	s, _ := u.ssc.Status()
	for _, in := range s.Inputs {
		if in.Rate > 0 {
			rates[in.Name] = in.Rate
		}
		if in.Behind >= 0 {
			lags[in.Name] = float64(in.Behind)
		}
	}
	x.byName(prefix+"input_records_total", "counter", "Records of batches that have run, by input.", "input",
		floats(v.inputRecords))
	x.byName(prefix+"input_max_rate", "gauge", "Records per second that an input may give; absent without a limit.",
		"input", rates)
	x.byName(prefix+"input_lag_records", "gauge", "Records that an input has beyond what is planned.", "input", lags)
	x.byName(prefix+"receiver_errors_total", "counter", "Errors that a receiver reported.", "receiver",
		floats(v.receiverErrors))
}
