package dstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
	"github.com/weirstream/weir/rdd"
)

// A bank is a sink with transactions that writes down what is asked of it.
type bank struct {
	mu      sync.Mutex
	calls   []string
	last    int64
	answers []error // of WriteAll, the next first
	rows    []string
	plain   bool // it has no transactions
	refuse  string
}

func (s *bank) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *bank) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func (s *bank) Open(_ context.Context, job string, epoch int64) error {
	s.say("open %s %d", job, epoch)
	return nil
}

func (s *bank) Last(context.Context, string, string, int) (int64, bool, error) {
	s.say("last")
	return s.last, s.last >= 0, nil
}

func (s *bank) Transaction(id Effect) string {
	if s.plain {
		return ""
	}
	return strings.Trim(id.Output+"/"+id.Name, "/")
}

func (s *bank) Fence(_ context.Context, names []string) error {
	s.say("fence %s", strings.Join(names, " "))
	return nil
}

func (s *bank) AppendRecord(dst []byte, v string) ([]byte, error) {
	if v == s.refuse {
		return nil, errors.New("it cannot be encoded")
	}
	return append(dst, v...), nil
}

func (s *bank) WriteAll(_ context.Context, effects []Staged) error {
	var all []string
	for _, e := range effects {
		text := fmt.Sprintf("%d.%d:", e.ID.Sequence, e.ID.Partition)
		for raw, err := range e.Records {
			if err != nil {
				return err
			}
			text += " " + string(raw)
		}
		all = append(all, text)
	}
	text := strings.Join(all, ", ")
	if len(text) > 100 {
		text = fmt.Sprintf("%s ... (%d)", text[:20], len(text))
	}
	s.say("write %s", text)
	return s.take(all)
}

// take stores rows, or gives the next answer. Several outputs may have one sink.
func (s *bank) take(all []string) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.answers) > 0 {
		err, s.answers = s.answers[0], s.answers[1:]
	}
	if err == nil {
		s.rows = append(s.rows, all...)
	}
	return err
}

func (s *bank) Mark(_ context.Context, id Effect, back bool) error {
	s.say("mark %d %v", id.Sequence, back)
	return nil
}

func (s *bank) Write(_ context.Context, id Effect, in iter.Seq[string]) error {
	s.say("plain %d.%d: %s", id.Sequence, id.Partition, strings.Join(slices.Collect(in), " "))
	return nil
}

func (s *bank) Close(context.Context) error {
	s.say("close")
	return nil
}

// A sinkJob is a program that writes the batches of a queue to a bank, as the output "out".
type sinkJob struct {
	ssc    *Context
	bank   *bank
	listed []string // warnings
}

func newSinkJob(t *testing.T, s *bank, settings []string, batches ...[]string) *sinkJob {
	t.Helper()
	c := conf.New().Set("spark.master", "local[2]")
	for i := 0; i+1 < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	ssc, err := NewContext(c, conf.Interval.Get(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ssc.Stop(context.Background()) }) // A test that fails in the middle leaves it running.
	ssc.SetOutput(io.Discard)
	j := &sinkJob{ssc: ssc, bank: s}
	ssc.AddListener(func(e Event) {
		if w, ok := e.(Warning); ok {
			j.listed = append(j.listed, w.Message)
		}
	})
	WriteTo(QueueStream(ssc, NewQueue(batches...)), Sink[string](s)).Named("out")
	return j
}

// know gives the job a log.
func (j *sinkJob) know(st *checkpoint.State, owner func() error) {
	announce := func(_ context.Context, e checkpoint.Transactions) error {
		if len(e.Opened) == 0 {
			return owner()
		}
		for _, tr := range e.Opened {
			j.bank.say("log %s", tr.ID)
		}
		return nil
	}
	j.ssc.job, j.ssc.epoch = "job", 3
	j.ssc.sinksKnow(st, announce)
}

// failsWith compares an error with a part of its text, "" for none.
func failsWith(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func owned() error { return nil }

func logState(sequence int64, written ...int64) *checkpoint.State {
	st := &checkpoint.State{Planned: checkpoint.Mark{Sequence: sequence},
		Committed: checkpoint.Mark{Sequence: sequence, Time: time.Now().UnixMilli()}}
	for _, seq := range written {
		st.Written = append(st.Written, checkpoint.Written{Output: "out", Sequence: seq, Partitions: 1})
	}
	return st
}

func (j *sinkJob) calls() string { return strings.Join(j.bank.calls, "\n") }

// TestTransactions: all partitions of a batch go into one transaction, which the log knows before; a batch with nothing
// to write has none.
func TestTransactions(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plain bool
		want  []string
	}{
		{"transactions", false, []string{"open job 3", "log out", "fence out old", "last",
			"write 0.0: a b, 0.1: c d", "write 2.0: e", "close"}},
		{"none, for the server is too old", true, []string{"open job 3", "last", "plain 0.0: a b", "plain 0.1: c d",
			"plain 2.0: e", "close"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &bank{last: -1, plain: tt.plain}
			j := newSinkJob(t, s, nil, []string{"a", "b", "c", "d"}, nil, []string{"e"})
			st := logState(-1)
			st.Transactions = []checkpoint.Transaction{{Output: "out", ID: "old"}, {Output: "other", ID: "its"}}
			j.know(st, owned)
			if err := j.ssc.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3500 * time.Millisecond)
			if err := j.ssc.Stop(t.Context(), Graceful()); err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(slices.Clone(s.calls), func(c string) bool { return strings.HasSuffix(c, ": ") })
			if tt.plain {
				slices.Sort(got[2 : len(got)-2]) // Tasks run side by side.
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("%s: the sink saw\n%s\nwant\n%s", tt.name, j.calls(), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// TestSinkAgainstLog: a sink that tells of another past than the log keeps the job from starting, unless its output is
// named.
func TestSinkAgainstLog(t *testing.T) {
	for _, tt := range []struct {
		name          string
		accept        string
		holds         int64
		plannedUpTo   int64
		written       []int64
		fails         string
		calls, warned string
	}{
		{name: "both new", holds: -1, plannedUpTo: -1},
		{name: "as the log says", holds: 7, plannedUpTo: 9, written: []int64{7}},
		{name: "a planned batch is in", holds: 9, plannedUpTo: 9, written: []int64{7}},
		{name: "ahead", holds: 10, plannedUpTo: 9, written: []int64{7},
			fails: `output out (`},
		{name: "ahead, and it says what to do", holds: 12, plannedUpTo: 9, written: []int64{7},
			fails: `its sink holds batches up to 12, but the log has planned none after 9: an older checkpoint was ` +
				`restored, or another copy of it has run. Batches 10 to 12 would be planned anew, with other records. ` +
				`Restore the newer checkpoint; or set weir.sink.accept to "out=loss" so that nothing is written until ` +
				`batch 13, or to "out=duplicates" so that batches from 10 on are written in any case`},
		{name: "ahead, another is named", accept: "in=loss", holds: 12, plannedUpTo: 9, fails: "an older checkpoint"},
		{name: "ahead, loss", accept: "in=duplicates;out=loss", holds: 12, plannedUpTo: 9,
			warned: "a sink is ahead of the log; what it holds is not written again, as weir.sink.accept says"},
		{name: "ahead, duplicates", accept: " out = duplicates", holds: 12, plannedUpTo: 9, calls: "mark 9 true",
			warned: "a sink is ahead of the log; its batches are written again, as weir.sink.accept says"},
		{name: "ahead, two are named", accept: `"in;=" = loss; out=loss`, holds: 12, plannedUpTo: 9,
			warned: "a sink is ahead of the log; what it holds is not written again, as weir.sink.accept says"},
		{name: "behind", holds: 5, plannedUpTo: 9, written: []int64{7},
			fails: `its sink holds batches up to 5, but the log says that batch 7 was written there: it goes to ` +
				`another topic, table or folder now, or what is there was emptied, made anew or restored from a ` +
				`backup, or the identity has expired. What it lost is not written again, and what it has of batches ` +
				`up to 9 may be written twice. Have it go where it went; or, to go on like this, set ` +
				`weir.sink.accept to "out=loss" (or =duplicates)`},
		{name: "absent", holds: -1, plannedUpTo: 9, written: []int64{7},
			fails: "its sink holds no batch, but the log says that batch 7 was written there: it goes to another topic"},
		{name: "absent, accepted", accept: "out=loss", holds: -1, plannedUpTo: 9, written: []int64{7},
			warned: "a sink holds less than the log says; going on, as weir.sink.accept says"},
		{name: "absent, and nothing was written", holds: -1, plannedUpTo: 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &bank{last: tt.holds}
				j := newSinkJob(t, s, []string{"weir.sink.accept", tt.accept}, nil)
				j.know(logState(tt.plannedUpTo, tt.written...), owned)
				err := j.ssc.Start(t.Context())
				if err == nil {
					err = j.ssc.Stop(t.Context())
				}
				failsWith(t, err, tt.fails)
				if tt.calls != "" && !slices.Contains(s.calls, tt.calls) {
					t.Errorf("the sink saw\n%s\nwhich lacks %s", j.calls(), tt.calls)
				}
				if got := strings.Join(j.listed, "\n"); got != tt.warned {
					t.Errorf("warned of %q, want %q", got, tt.warned)
				}
			})
		})
	}
}

// TestInsist: what is fenced or in doubt is tried again as long as the log says that the job is ours.
func TestInsist(t *testing.T) {
	lost := errors.New("another process owns the log")
	for _, tt := range []struct {
		name    string
		answers []error
		owner   error
		writes  int
		fails   string
	}{
		{"at once", nil, nil, 1, ""},
		{"fenced once", []error{ErrFenced}, nil, 2, ""},
		{"in doubt, then fenced", []error{ErrInDoubt, fmt.Errorf("kafka: %w", ErrFenced)}, nil, 3, ""},
		{"fenced for ever", []error{ErrFenced, ErrFenced, ErrFenced, ErrFenced, ErrFenced}, nil, 4,
			"tried 4 times, while the log says that this process owns the job: another copy of this checkpoint runs, or, " +
				"with Kafka, another program uses its transactional ids: end it"},
		{"in doubt for ever", []error{ErrInDoubt, ErrInDoubt, ErrInDoubt, ErrInDoubt, ErrInDoubt}, nil, 4,
			"tried 4 times, while the log says that this process owns the job)"},
		{"another owner", []error{ErrFenced}, lost, 1, lost.Error()},
		{"another error", []error{errors.New("too large")}, nil, 1, "too large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &bank{last: -1, answers: tt.answers}
				j := newSinkJob(t, s, nil, []string{"a"})
				j.know(logState(-1), func() error { return tt.owner })
				if err := j.ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(8500 * time.Millisecond)
				err := j.ssc.Stop(t.Context(), Graceful())
				if err == nil {
					err = j.ssc.AwaitTermination(t.Context())
				}
				failsWith(t, err, tt.fails)
				if n := strings.Count(j.calls(), "write"); n != tt.writes {
					t.Errorf("written %d times, want %d", n, tt.writes)
				}
			})
		})
	}
}

// TestStaging: only what the winning attempts made is written, in order, whatever fits into memory.
func TestStaging(t *testing.T) {
	for _, budget := range []string{"16m", "200k", "65k"} {
		t.Run(budget, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var in, want []string
				for i := range 20000 {
					in = append(in, fmt.Sprint("record ", i))
				}
				want = append(want, "0.0: "+strings.Join(in[:10000], " "), "0.1: "+strings.Join(in[10000:], " "))
				s := &bank{last: -1}
				j := newSinkJob(t, s, []string{"weir.memory.budget", budget,
					"weir.receiver.memory", "64k", "weir.kafka.fetchBytes", "1k", "spark.local.dir", t.TempDir()})
				var once sync.Once
				d := Map(QueueStream(j.ssc, NewQueue(in)), func(v string) string {
					if v == "record 19999" {
						once.Do(func() { panic("the first attempt fails at its end") })
					}
					return v
				})
				WriteTo(d, Sink[string](s)).Named("large")
				j.know(logState(-1), owned)
				if err := j.ssc.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1500 * time.Millisecond)
				written := j.ssc.sc.Disk().Written()
				if used := j.ssc.sc.Memory().Used(); used != 0 {
					t.Errorf("%d bytes of the budget are still taken", used)
				}
				if err := j.ssc.Stop(t.Context(), Graceful()); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.rows, want) {
					t.Errorf("wrote %.200q", s.rows)
				}
				if spilled := written > 0; spilled != (budget != "16m") {
					t.Errorf("%d bytes went to disk", written)
				}
			})
		})
	}
}

// TestRecordThatCannotBeEncoded fails its task, and nothing is written.
func TestRecordThatCannotBeEncoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &bank{last: -1, refuse: "b"}
		j := newSinkJob(t, s, []string{"spark.task.maxFailures", "1"}, []string{"a", "b"})
		j.know(logState(-1), owned)
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := j.ssc.AwaitTermination(t.Context())
		if err == nil || !strings.Contains(err.Error(), "it cannot be encoded") {
			t.Errorf("%v", err)
		}
		if len(s.rows) != 0 {
			t.Errorf("wrote %q", s.rows)
		}
	})
}

// TestEffects: the record of the commit says which effects wrote, also those of bodies, and of outputs that had been
// done before.
func TestEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &bank{last: -1}
		var batches []*Batch
		j := newSinkJob(t, s, nil, []string{"a"}, nil, []string{"b", "c"})
		ForeachRDD(QueueStream(j.ssc, NewQueue([]string{"x"}, []string{"y"})), func(ctx context.Context,
			r *rdd.RDD[string], b *Batch,
		) error {
			err := errors.Join(Save(ctx, b, "all", r, Sink[string](s)),
				Save(ctx, b, "none", rdd.Filter(r, func(string) bool { return false }), Sink[string](s)))
			batches = append(batches, b)
			return err
		}).Named("body")
		j.know(logState(-1), owned)
		if err := j.ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		if err := j.ssc.Stop(t.Context(), Graceful()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, b := range batches {
			got = append(got, fmt.Sprintf("%d: %v", b.Sequence, b.allEffects()))
		}
		want := []string{
			"0: [{out  true 1} {body all true 1} {body none false 0}]",
			"1: [{out  false 0} {body all true 1} {body none false 0}]",
			"2: [{out  true 1} {body all false 0} {body none false 0}]",
		}
		if !slices.Equal(got, want) {
			t.Errorf("effects\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for _, want := range []string{"log body/all", "fence body/all", "fence body/none"} {
			if strings.Count(j.calls(), want) != 1 {
				t.Errorf("the sink saw\n%s\nnot once %s", j.calls(), want)
			}
		}
		b := &Batch{ssc: j.ssc, done: make([]bool, 2)}
		b.restore(0, []checkpoint.Effect{{Output: "out", Wrote: true, Partitions: 1}})
		if got := fmt.Sprint(b.allEffects()); got != "[{out  true 1}]" {
			t.Errorf("restored %s", got)
		}
	})
}

// TestMayHold: after a clean stop nothing has come in but what the log says, and before it all that was planned may.
func TestMayHold(t *testing.T) {
	s := &bank{last: -1}
	j := newSinkJob(t, s, nil)
	st := logState(7, 4)
	st.Transactions = []checkpoint.Transaction{{Output: "out", ID: "out/open"}}
	j.know(st, owned)
	for _, row := range []struct {
		output, effect, transaction string
		want                        int64
	}{
		{"out", "", "out", 4},
		{"out", "open", "out/open", 7},
		{"out", "new", "out/new", -1},
		{"other", "", "out/open", -1},
	} {
		if got := j.ssc.MayHold(row.output, row.effect, row.transaction); got != row.want {
			t.Errorf("%q, %q, %q: batch %d, want %d", row.output, row.effect, row.transaction, got, row.want)
		}
	}
}
