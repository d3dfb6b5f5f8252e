package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
)

// info is that of a batch of one record, which was submitted when its time came.
func info(sequence int64) dstream.BatchInfo {
	at := dstream.Time(1000 * sequence)
	return dstream.BatchInfo{BatchTime: at, Sequence: sequence, SubmissionTime: at.Std(),
		Inputs: []dstream.InputInfo{{Name: "in", Records: 1}}}
}

// standing is what batches a model knows.
func (v *view) standing() string {
	var b strings.Builder
	for status, list := range v.lists() {
		b.WriteString(strings.ToLower(status[:1]))
		for _, one := range list {
			fmt.Fprintf(&b, " %d%.1s", one.Sequence, one.outcome)
		}
		b.WriteString("; ")
	}
	fmt.Fprintf(&b, "%d received, %d processed, %d failed, %d skipped", v.received, v.processed, v.failures, v.skips)
	return b.String()
}

// TestModel: what events amount to, also when some were missed, and what is forgotten.
func TestModel(t *testing.T) {
	submitted := func(n int64) dstream.Event { return dstream.BatchSubmitted{BatchInfo: info(n)} }
	started := func(n int64) dstream.Event { return dstream.BatchStarted{BatchInfo: info(n)} }
	completed := func(n int64, err error) dstream.Event {
		b := info(n)
		b.Err = err
		return dstream.BatchCompleted{BatchInfo: b}
	}
	committed := func(n int64) dstream.Event { return dstream.BatchCommitted{Sequence: n} }
	skipped := func(n int64) dstream.Event { return dstream.BatchSkipped{Sequence: n} }
	trouble := errors.New("trouble")
	for _, row := range []struct {
		name   string
		events []dstream.Event
		want   string
	}{
		{"in turn", []dstream.Event{submitted(1), started(1), submitted(2), completed(1, nil), committed(1), started(2),
			submitted(3)}, "c 1c; q 3; p 2; 2 received, 1 processed, 0 failed, 0 skipped"},
		{"one runs ahead of another's effects", []dstream.Event{started(1), submitted(2), started(2), completed(1, nil),
			submitted(3), committed(1), completed(2, nil)}, "c 1c 2; q 3; p; 2 received, 2 processed, 0 failed, 0 skipped"},
		{"an end was missed", []dstream.Event{submitted(1), started(1), started(2), completed(2, nil)},
			"c 2; q; p; 2 received, 1 processed, 0 failed, 0 skipped"},
		{"a begin was missed", []dstream.Event{submitted(1), submitted(2), started(2), completed(3, nil)},
			"c 3; q; p; 1 received, 1 processed, 0 failed, 0 skipped"},
		{"an earlier process had planned it", []dstream.Event{started(1), completed(1, nil), committed(1)},
			"c 1c; q; p; 1 received, 1 processed, 0 failed, 0 skipped"},
		{"given up", []dstream.Event{started(1), completed(1, trouble), skipped(1), started(2), completed(2, trouble)},
			"c 1s 2f; q; p; 2 received, 2 processed, 2 failed, 1 skipped"},
		{"named by the user", []dstream.Event{skipped(1)}, "c; q; p; 0 received, 0 processed, 0 failed, 1 skipped"},
		{"forgotten", []dstream.Event{completed(1, nil), completed(2, nil), completed(3, nil), committed(1), completed(4, nil),
			committed(4)}, "c 2 3 4c; q; p; 0 received, 4 processed, 0 failed, 0 skipped"},
		{"all before are over", []dstream.Event{submitted(1), submitted(2), submitted(3), completed(2, nil)},
			"c 2; q 3; p; 0 received, 1 processed, 0 failed, 0 skipped"},
	} {
		m := newModel(3)
		for _, e := range row.events {
			m.event(e)
		}
		if got := m.view().standing(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

// TestOperations: outputs and jobs are those of the last run, and what was missed is told by the end of the batch.
func TestOperations(t *testing.T) {
	task := func(output, job int) dstream.TaskInfo {
		return dstream.TaskInfo{Batch: 1, Output: output, Job: job}
	}
	begin := func(id int) dstream.OutputInfo {
		return dstream.OutputInfo{Sequence: 1, ID: id, Start: time.Unix(1, 0)}
	}
	end := func(id int, err error) dstream.OutputInfo {
		o := begin(id)
		o.End, o.Err = time.Unix(2, 0), err
		return o
	}
	m := newModel(3)
	done := info(1)
	done.Outputs = []dstream.OutputInfo{end(0, nil), end(1, nil), end(2, nil)}
	for _, e := range []dstream.Event{
		dstream.BatchStarted{BatchInfo: info(1)},
		dstream.StageStarted{TaskInfo: task(-2, 0), Tasks: 5}, // of a step, which is no output's
		dstream.OutputOperationStarted{OutputInfo: begin(1)},
		dstream.StageStarted{TaskInfo: task(1, 0), Tasks: 2},
		dstream.TaskEnded{TaskInfo: task(1, 0), Err: errors.New("trouble")},
		dstream.OutputOperationCompleted{OutputInfo: end(1, errors.New("trouble"))},
		dstream.OutputOperationStarted{OutputInfo: begin(1)},
		dstream.StageStarted{TaskInfo: task(1, 0), Tasks: 2},
		dstream.TaskEnded{TaskInfo: task(1, 0)},
		dstream.TaskEnded{TaskInfo: task(1, 0), Err: errors.New("trouble"), Retry: true},
		dstream.TaskEnded{TaskInfo: task(1, 0)},
		dstream.TaskEnded{TaskInfo: task(1, 0), Lost: true},
		dstream.StageEnded{TaskInfo: task(1, 0)},
		dstream.StageStarted{TaskInfo: task(1, 7), Tasks: 1},
		dstream.StageEnded{TaskInfo: task(1, 7), Err: errors.New("trouble")},
		dstream.OutputOperationCompleted{OutputInfo: end(1, nil)},
		dstream.OutputOperationStarted{OutputInfo: begin(0)},
		dstream.BatchCompleted{BatchInfo: done},
		dstream.StageStarted{TaskInfo: task(1, 7), Tasks: 9}, // too late
	} {
		m.event(e)
	}
	var got []string
	for _, o := range m.view().completed[0].ops {
		text := fmt.Sprintf("%d %v", o.ID, !o.End.IsZero())
		for _, j := range o.jobs {
			text += fmt.Sprintf(", job %d: stages %d/%d, tasks %d/%d, %d failed", j.id, j.stagesDone, j.stages,
				j.tasksDone, j.tasks, j.tasksFailed)
		}
		got = append(got, text)
	}
	want := "0 true; 1 true, job 0: stages 1/1, tasks 2/2, 1 failed, job 7: stages 0/1, tasks 0/1, 0 failed; 2 true"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("%s, want %s", text, want)
	}
}

// TestFewLines: what is kept of a completed batch does not grow with its partitions.
func TestFewLines(t *testing.T) {
	b := info(1)
	for i := range 60 {
		b.Inputs[0].Description = append(b.Inputs[0].Description, fmt.Sprint("partition ", i))
	}
	m := newModel(9)
	m.event(dstream.BatchCompleted{BatchInfo: b})
	kept := m.view().completed[0].Inputs[0].Description
	if len(kept) != 51 || kept[49] != "partition 49" || kept[50] != "and 10 more" || len(b.Inputs[0].Description) != 60 {
		t.Errorf("kept are %d lines of %d: %q", len(kept), len(b.Inputs[0].Description), kept)
	}
}

// TestLastRange: batches without anything do not hide where an input is.
func TestLastRange(t *testing.T) {
	batchOf := func(n int64, limit int64, lines ...string) dstream.Event {
		b := info(n)
		b.Inputs[0].Description, b.Inputs[0].Limit = lines, limit
		return dstream.BatchCompleted{BatchInfo: b}
	}
	for _, row := range []struct {
		events []dstream.Event
		want   string
	}{
		{nil, "nowhere"},
		{[]dstream.Event{batchOf(1, 5)}, "1000 [] at most 5"},
		{[]dstream.Event{batchOf(1, 5, "a", "b"), batchOf(2, 6), batchOf(3, 7)}, "1000 [a b] at most 5"},
		{[]dstream.Event{batchOf(1, 5, "a"), batchOf(2, math.MaxInt64, "b"), batchOf(3, 7)}, "2000 [b]"},
		{[]dstream.Event{batchOf(1, 5), batchOf(2, 6)}, "2000 [] at most 6"},
	} {
		m := newModel(9)
		for _, e := range row.events {
			m.event(e)
		}
		got := "nowhere"
		if r := m.view().lastRange(0); r != nil {
			got = fmt.Sprint(r.BatchID, " ", r.Description)
			if r.Limit != nil {
				got += fmt.Sprint(" at most ", *r.Limit)
			}
		}
		if got != row.want {
			t.Errorf("%s, want %s", got, row.want)
		}
	}
}

// TestViewIsACopy: what was given out does not change.
func TestViewIsACopy(t *testing.T) {
	m := newModel(3)
	m.event(dstream.BatchStarted{BatchInfo: info(1)})
	m.event(dstream.OutputOperationStarted{OutputInfo: dstream.OutputInfo{Sequence: 1, Start: time.Unix(1, 0)}})
	m.event(dstream.StageStarted{TaskInfo: dstream.TaskInfo{Batch: 1}, Tasks: 2})
	v := m.view()
	m.event(dstream.TaskEnded{TaskInfo: dstream.TaskInfo{Batch: 1}})
	m.event(dstream.ReceiverStarted{ReceiverInfo: dstream.ReceiverInfo{StreamID: 3}})
	m.event(dstream.BatchCompleted{BatchInfo: info(1)})
	after := m.view()
	m.event(dstream.BatchCommitted{Sequence: 1})
	if len(v.receivers) > 0 || v.running[0].ops[0].jobs[0].tasksDone > 0 || v.processing.counts[0] > 0 ||
		len(v.completed) > 0 || after.completed[0].outcome != "" {
		t.Errorf("%+v", v)
	}
}

// TestReadersAreFew: states are read by a few at a time, and who waits too long is told.
func TestReadersAreFew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc, err := dstream.NewContext(conf.New().Set("spark.master", "local[1]"), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		ssc.Checkpoint(t.TempDir())
		ssc.SetOutput(io.Discard)
		u := New(ssc)
		in := dstream.CountByValue(dstream.QueueStream(ssc, dstream.NewQueue([]int{1})))
		keep := func(vs []int64, s int64, _ bool) (int64, bool) { return s + int64(len(vs)), true }
		dstream.Print(dstream.UpdateStateByKey(in, keep).Named("kept"), 1)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		for range stateReaders {
			u.reading <- struct{}{}
		}
		began := time.Now()
		rows := apiRoot + "/" + u.app + "/streaming/states/kept"
		for _, path := range []string{rows, "/streaming/state/?state=kept"} {
			w := httptest.NewRecorder()
			u.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if w.Code != 503 || !strings.Contains(w.Body.String(), "the answer took longer than 20s") {
				t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
			}
		}
		if took := time.Since(began); took != 2*answerTimeout {
			t.Errorf("it took %v", took)
		}
		<-u.reading
		w := httptest.NewRecorder()
		u.ServeHTTP(w, httptest.NewRequest("GET", rows, nil))
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"value": 1`) {
			t.Errorf("when there is room: %d %s", w.Code, w.Body)
		}
		if err := ssc.Stop(context.Background(), dstream.Graceful()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestHistogram: a duration is counted by the first bound that it does not exceed.
func TestHistogram(t *testing.T) {
	h := newHistogram()
	for _, d := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 300 * time.Second, time.Hour} {
		h.observe(d)
	}
	if got := fmt.Sprint(h.counts); got != "[2 1 0 0 0 0 0 0 0 0 0 0 0 0 1 1]" {
		t.Error(got)
	}
}

// FuzzEscaped: whatever is written as text is no markup, and is no part of an attribute's end.
func FuzzEscaped(f *testing.F) {
	f.Add("<script>'\"&\x00\xff\u2028")
	f.Fuzz(func(t *testing.T, text string) {
		if got := escaped(text); strings.ContainsAny(got, "<>\"'\x00\x01\x0b\x1f\x7f") {
			t.Errorf("%q", got)
		}
	})
}

// TestBars: each value is counted once, whatever the axis.
func TestBars(t *testing.T) {
	for _, top := range []float64{0, 1, 5} {
		s := series{top: top}
		for _, v := range []float64{0, .5, 1, 5, math.MaxFloat64} {
			s.points = append(s.points, point{value: v})
		}
		counts, most := s.bars()
		n := 0
		for _, c := range counts {
			n += c
		}
		if n != len(s.points) || most < 1 {
			t.Errorf("axis to %v: %v, %d", top, counts, most)
		}
	}
}
