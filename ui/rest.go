package ui

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirstream/weir/dstream"
)

const apiRoot = "/api/v1/applications"

// json has a path under the applications answer with JSON; an error is plain text, as Spark's is.
func (u *UI) json(path string, answer func(*http.Request) (any, error)) {
	u.mux.HandleFunc("GET "+apiRoot+path, func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		found, err := answer(r)
		if app := r.PathValue("app"); app != "" && app != u.app {
			err = notFoundf("no such app: %s", app)
		}
		if err == nil {
			enc := json.NewEncoder(&body)
			enc.SetIndent("", "  ")
			err = enc.Encode(found)
		}
		if err != nil {
			body.Reset()
			body.WriteString(err.Error())
			write(w, status(err), "text/plain; charset=utf-8", &body)
			return
		}
		write(w, http.StatusOK, "application/json", &body)
	})
}

// dateForm is how Spark writes times in JSON.
const dateForm = "2006-01-02T15:04:05.000GMT"

// date is a time in JSON, nil for none.
func date(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format(dateForm)
	return &text
}

func dateOf(t dstream.Time) *string {
	if t == 0 {
		return nil
	}
	return date(t.Std())
}

// millis is a duration in JSON, nil for none.
func millis(d time.Duration, known bool) *int64 {
	if !known {
		return nil
	}
	n := d.Milliseconds()
	return &n
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type applicationJSON struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Attempts []attemptJSON `json:"attempts"`
}

type attemptJSON struct {
	StartTime   *string `json:"startTime"`
	LastUpdated *string `json:"lastUpdated"`
	Duration    int64   `json:"duration"`
	Completed   bool    `json:"completed"`
}

func (u *UI) applications(r *http.Request) (any, error) {
	one, err := u.application(r)
	return []any{one}, err
}

func (u *UI) application(*http.Request) (any, error) {
	now := time.Now()
	return applicationJSON{ID: u.app, Name: u.name, Attempts: []attemptJSON{{StartTime: date(u.made),
		LastUpdated: date(now), Duration: now.Sub(u.made).Milliseconds(), Completed: u.model.view().stopped}}}, nil
}

type statisticsJSON struct {
	StartTime                   *string  `json:"startTime,omitempty"`
	BatchDuration               int64    `json:"batchDuration"`
	NumReceivers                int      `json:"numReceivers"`
	NumActiveReceivers          int      `json:"numActiveReceivers"`
	NumInactiveReceivers        int      `json:"numInactiveReceivers"`
	NumTotalCompletedBatches    int64    `json:"numTotalCompletedBatches"`
	NumRetainedCompletedBatches int      `json:"numRetainedCompletedBatches"`
	NumActiveBatches            int      `json:"numActiveBatches"`
	NumProcessedRecords         int64    `json:"numProcessedRecords"`
	NumReceivedRecords          int64    `json:"numReceivedRecords"`
	AvgInputRate                *float64 `json:"avgInputRate,omitempty"`
	AvgSchedulingDelay          *int64   `json:"avgSchedulingDelay,omitempty"`
	AvgProcessingTime           *int64   `json:"avgProcessingTime,omitempty"`
	AvgTotalDelay               *int64   `json:"avgTotalDelay,omitempty"`
}

func (u *UI) statistics(*http.Request) (any, error) {
	v := u.model.view()
	all := v.all()
	s := statisticsJSON{
		StartTime:                   dateOf(v.started),
		BatchDuration:               u.ssc.Interval().Milliseconds(),
		NumReceivers:                len(v.receivers),
		NumActiveReceivers:          v.activeReceivers(),
		NumTotalCompletedBatches:    v.completions,
		NumRetainedCompletedBatches: len(v.completed),
		NumActiveBatches:            len(v.running) + len(v.waiting),
		NumProcessedRecords:         v.processed,
		NumReceivedRecords:          v.received,
		AvgInputRate:                u.inputRate(all),
		AvgSchedulingDelay:          millis(average(all, (*batch).schedulingDelay)),
		AvgProcessingTime:           millis(average(all, (*batch).processingTime)),
		AvgTotalDelay:               millis(average(all, (*batch).totalDelay)),
	}
	s.NumInactiveReceivers = s.NumReceivers - s.NumActiveReceivers
	return s, nil
}

func (v *view) activeReceivers() (n int) {
	for _, r := range v.receivers {
		if r.Active {
			n++
		}
	}
	return n
}

// rate is a number of records of a batch per second.
func (u *UI) rate(records int64) float64 { return float64(records) / u.ssc.Interval().Seconds() }

// inputRate is the average rate of batches, nil if there are none.
func (u *UI) inputRate(list []*batch) *float64 {
	if len(list) == 0 {
		return nil
	}
	var records int64
	for _, b := range list {
		records += b.Records()
	}
	rate := u.rate(records) / float64(len(list))
	return &rate
}

type receiverJSON struct {
	StreamID         int      `json:"streamId"`
	StreamName       string   `json:"streamName"`
	IsActive         *bool    `json:"isActive,omitempty"`
	ExecutorID       *string  `json:"executorId,omitempty"`
	ExecutorHost     *string  `json:"executorHost,omitempty"`
	LastErrorTime    *string  `json:"lastErrorTime,omitempty"`
	LastErrorMessage *string  `json:"lastErrorMessage,omitempty"`
	LastError        *string  `json:"lastError,omitempty"`
	AvgEventRate     *float64 `json:"avgEventRate,omitempty"`
	EventRates       [][2]any `json:"eventRates"`
}

// receivers lists all inputs, as Spark does, whether they receive or not.
func (u *UI) receivers(*http.Request) (any, error) {
	list := []receiverJSON{}
	v := u.model.view()
	for id, name := range v.streams() {
		list = append(list, u.stream(v, id, name))
	}
	return list, nil
}

func (u *UI) receiver(r *http.Request) (any, error) {
	v := u.model.view()
	for id, name := range v.streams() {
		if strconv.Itoa(id) == r.PathValue("stream") {
			return u.stream(v, id, name), nil
		}
	}
	return nil, notFoundf("unknown receiver: %s", r.PathValue("stream"))
}

// streams yields the inputs that batches and receivers tell of, in order.
func (v *view) streams() iter.Seq2[int, string] {
	names := map[int]string{}
	for id, r := range v.receivers {
		names[id] = r.Name
	}
	for _, b := range v.all() {
		for _, in := range b.Inputs {
			names[in.StreamID] = in.Name
		}
	}
	return func(yield func(int, string) bool) {
		for _, id := range slices.Sorted(maps.Keys(names)) {
			if !yield(id, names[id]) {
				return
			}
		}
	}
}

// rates are those of a stream by batch, in order.
func (u *UI) rates(v *view, stream int) (at []dstream.Time, rates []float64) {
	for _, b := range v.all() {
		for _, in := range b.Inputs {
			if in.StreamID == stream {
				at, rates = append(at, b.BatchTime), append(rates, u.rate(in.Records))
			}
		}
	}
	return at, rates
}

func (u *UI) stream(v *view, id int, name string) receiverJSON {
	r := receiverJSON{StreamID: id, StreamName: name, EventRates: [][2]any{}}
	if info, ok := v.receivers[id]; ok {
		r.IsActive, r.ExecutorID, r.ExecutorHost = &info.Active, text("driver"), text("localhost")
		r.LastErrorTime = dateOf(info.LastErrorTime)
		if info.LastError != nil {
			whole := info.LastError.Error()
			line, _, _ := strings.Cut(whole, "\n")
			r.LastErrorMessage, r.LastError = text(line), text(whole)
		}
	}
	at, rates := u.rates(v, id)
	var sum float64
	for i, t := range at {
		r.EventRates = append(r.EventRates, [2]any{int64(t), rates[i]})
		sum += rates[i]
	}
	if len(at) > 0 {
		mean := sum / float64(len(at))
		r.AvgEventRate = &mean
	}
	return r
}

// A batchJSON has Spark's fields, and weir's own at its end.
type batchJSON struct {
	BatchID               int64   `json:"batchId"`
	BatchTime             *string `json:"batchTime"`
	Status                string  `json:"status"`
	BatchDuration         int64   `json:"batchDuration"`
	InputSize             int64   `json:"inputSize"`
	SchedulingDelay       *int64  `json:"schedulingDelay,omitempty"`
	ProcessingTime        *int64  `json:"processingTime,omitempty"`
	TotalDelay            *int64  `json:"totalDelay,omitempty"`
	NumActiveOutputOps    int     `json:"numActiveOutputOps"`
	NumCompletedOutputOps int     `json:"numCompletedOutputOps"`
	NumFailedOutputOps    int     `json:"numFailedOutputOps"`
	NumTotalOutputOps     int     `json:"numTotalOutputOps"`
	FirstFailureReason    *string `json:"firstFailureReason,omitempty"`
	Sequence              int64   `json:"sequence"`
	Outcome               *string `json:"outcome,omitempty"`
	CommitTime            *int64  `json:"commitTime,omitempty"`
	DeadLetters           int     `json:"deadLetters"`
}

func (u *UI) batches(r *http.Request) (any, error) {
	wanted := r.URL.Query()["status"]
	for _, s := range wanted {
		if !slices.Contains([]string{completedStatus, queuedStatus, processingStatus}, s) {
			return nil, badRequestf("unknown status: %s: it is %s, %s or %s", s, completedStatus, queuedStatus,
				processingStatus)
		}
	}
	list := []batchJSON{}
	for status, some := range u.model.view().lists() {
		if len(wanted) > 0 && !slices.Contains(wanted, status) {
			continue
		}
		for _, b := range some {
			list = append(list, u.batchOf(b, status))
		}
	}
	slices.SortStableFunc(list, func(a, b batchJSON) int { return cmp.Compare(b.BatchID, a.BatchID) })
	return list, nil
}

// due is how many output operations a batch has: while it is not over, as many as it may have.
func (u *UI) due(b *batch, status string) int {
	if status == completedStatus {
		return len(b.ops)
	}
	s, _ := u.ssc.Status()
	return max(len(b.ops), len(s.Outputs))
}

func (u *UI) batchOf(b *batch, status string) batchJSON {
	active, done, failed := b.tally()
	return batchJSON{BatchID: int64(b.BatchTime), BatchTime: dateOf(b.BatchTime), Status: status,
		BatchDuration: u.ssc.Interval().Milliseconds(), InputSize: b.Records(),
		SchedulingDelay: millis(b.schedulingDelay()), ProcessingTime: millis(b.processingTime()),
		TotalDelay: millis(b.totalDelay()), NumActiveOutputOps: active, NumCompletedOutputOps: done,
		NumFailedOutputOps: failed, NumTotalOutputOps: u.due(b, status), FirstFailureReason: text(b.firstFailure()),
		Sequence: b.Sequence, Outcome: text(b.outcome), CommitTime: millis(b.commitTime()),
		DeadLetters: b.DeadLetters}
}

// find gives the batch that a request names by its time.
func (u *UI) find(name string) (b *batch, status string, err error) {
	at, err := strconv.ParseInt(name, 10, 64)
	if err == nil {
		b, status = u.model.view().find(dstream.Time(at))
	}
	if b == nil {
		return nil, "", notFoundf("unknown batch: %s", name)
	}
	return b, status, nil
}

func (u *UI) batch(r *http.Request) (any, error) {
	b, status, err := u.find(r.PathValue("batch"))
	if err != nil {
		return nil, err
	}
	return u.batchOf(b, status), nil
}

type operationJSON struct {
	OutputOpID    int     `json:"outputOpId"`
	Name          string  `json:"name"`
	Description   string  `json:"description"`
	StartTime     *string `json:"startTime,omitempty"`
	EndTime       *string `json:"endTime,omitempty"`
	Duration      *int64  `json:"duration,omitempty"`
	FailureReason *string `json:"failureReason,omitempty"`
	JobIDs        []int   `json:"jobIds"`
}

func (u *UI) operations(r *http.Request) (any, error) {
	b, _, err := u.find(r.PathValue("batch"))
	if err != nil {
		return nil, err
	}
	list := []operationJSON{}
	for _, o := range b.ops {
		list = append(list, operationOf(o))
	}
	return list, nil
}

func (u *UI) operation(r *http.Request) (any, error) {
	b, _, err := u.find(r.PathValue("batch"))
	if err != nil {
		return nil, err
	}
	for _, o := range b.ops {
		if strconv.Itoa(o.ID) == r.PathValue("operation") {
			return operationOf(o), nil
		}
	}
	return nil, notFoundf("unknown output operation: %s", r.PathValue("operation"))
}

func operationOf(o operation) operationJSON {
	j := operationJSON{OutputOpID: o.ID, Name: o.Name, Description: o.Site, StartTime: date(o.Start),
		EndTime: date(o.End), Duration: millis(o.Duration(), !o.End.IsZero()), JobIDs: []int{}}
	if o.Err != nil {
		j.FailureReason = text(o.Err.Error())
	}
	for _, job := range o.jobs {
		j.JobIDs = append(j.JobIDs, job.id)
	}
	slices.Sort(j.JobIDs)
	return j
}
