package ui_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
	"github.com/weirstream/weir/ui"
)

// ones gives each batch one record, the batch's number among its ranges.
type ones struct{}

func (ones) Resolve(_ context.Context, from []byte) ([]byte, error) {
	if from == nil {
		return []byte("0"), nil
	}
	return from, nil
}

func (ones) Plan(_ context.Context, from []byte, _ dstream.Limit) ([]byte, int64, error) {
	var n int
	_, err := fmt.Sscan(string(from), &n)
	return fmt.Append(nil, n+1), 1, err
}

func (ones) Read(sc *rdd.Context, rng []byte) *rdd.RDD[string] {
	return rdd.Parallelize(sc, []string{string(rng)}, 1)
}

func (ones) Committed(context.Context, *dstream.Batch, []byte) error { return nil }

func (ones) Released(context.Context, []byte) error { return nil }

func (ones) Describe(rng []byte) []string { return []string{"record " + string(rng), hostile} }

func (ones) Behind() (int64, bool) { return 7, true }

// hostile is text that must mean itself wherever it is shown.
const hostile = `<script>alert("1")</script>&amp;'`

// shelf is a sink that keeps to the contract: it stores a partition with its identity.
type shelf struct {
	mu   sync.Mutex
	last map[string]int64
}

func (*shelf) Open(context.Context, string, int64) error { return nil }

func (s *shelf) Last(_ context.Context, output, effect string, p int) (int64, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seq, ok := s.last[fmt.Sprint(output, effect, p)]
	return seq, ok, nil
}

func (s *shelf) Write(_ context.Context, id dstream.Effect, in iter.Seq[string]) error {
	for range in {
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last[fmt.Sprint(id.Output, id.Name, id.Partition)] = id.Sequence
	return nil
}

func (*shelf) Close(context.Context) error { return nil }

// A program is one that runs, with its pages.
type program struct {
	ssc  *dstream.Context
	page *ui.UI
}

// build makes a graph with a state, an output of each kind, and a record that is poison.
func build(ssc *dstream.Context, to *shelf) {
	in := dstream.FromSource(ssc, "ones", dstream.Source[string](ones{})).Named("ones")
	sums := dstream.UpdateStateByKey(dstream.Map(in, func(s string) rdd.Pair[string, int] {
		return rdd.KV("key "+string('a'+s[0]%2), int(s[0]-'0'))
	}), func(vs []int, s int, _ bool) (int, bool) {
		for _, v := range vs {
			s += v
		}
		return s, true
	}, rdd.Partitions(1)).Named("sums")
	dstream.WriteTo(in, dstream.Sink[string](to)).Named("shelf")
	dstream.ForeachRDD(sums, func(ctx context.Context, r *rdd.RDD[rdd.Pair[string, int]], _ *dstream.Batch) error {
		<-time.After(200 * time.Millisecond)
		return rdd.Foreach(ctx, r, func(rdd.Pair[string, int]) error { return nil })
	}).Named(hostile)
	dstream.Foreach(in, func(s string) error {
		if s == "3" {
			return errors.New("3 is poison " + hostile)
		}
		return nil
	}).Named("loud")
}

// start makes the program, with its checkpoint in a folder, "" for none.
func start(t *testing.T, dir string) *program {
	t.Helper()
	return startWith(t, dir, &shelf{last: map[string]int64{}})
}

func startWith(t *testing.T, dir string, to *shelf, settings ...string) *program {
	t.Helper()
	c := conf.New().Set("spark.master", "local[1]").Set("spark.app.name", "counts "+hostile).
		Set("spark.task.maxFailures", "1").Set("spark.hadoop.fs.s3a.secret.key", "tell-nobody")
	if dir != "" {
		c.Set("weir.streaming.failedBatch", "skipWithState").
			Set("weir.streaming.failedBatch.maxRetries", "1").
			Set("weir.streaming.failedBatch.backoff", "10ms")
	}
	for i := 0; i < len(settings); i += 2 {
		c.Set(settings[i], settings[i+1])
	}
	ssc, err := dstream.NewContext(c, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if dir != "" {
		ssc.Checkpoint(dir)
	}
	ssc.SetOutput(io.Discard)
	p := &program{ssc, ui.New(ssc)}
	build(ssc, to)
	return p
}

func (p *program) run(t *testing.T) {
	t.Helper()
	if err := p.ssc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (p *program) stop(t *testing.T) {
	t.Helper()
	if err := p.ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
		t.Fatal(err)
	}
}

var appID = regexp.MustCompile("weir-[a-z0-9]{12}")

// get asks for a path, in which APP stands for the application, and gives the answer.
func (p *program) get(t *testing.T, path string) (code int, body string, head http.Header) {
	t.Helper()
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		p.page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil).WithContext(t.Context()))
		return w
	}
	w := ask(strings.Replace(path, "APP", appID.FindString(ask("/api/v1/applications").Body.String()), 1))
	return w.Code, appID.ReplaceAllString(w.Body.String(), "APP"), w.Header()
}

// in runs a bubble with the program after so much time.
func in(t *testing.T, after time.Duration, f func(t *testing.T, p *program)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, dir)
		p.run(t)
		defer p.stop(t)
		time.Sleep(after)
		synctest.Wait()
		f(t, p)
	})
}
