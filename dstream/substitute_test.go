package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/rdd"
)

// away is a source that nobody can reach.
type away struct{ dstream.Source[string] }

func (away) Resolve(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the server is away")
}

func TestFind(t *testing.T) {
	ssc := newContext(t)
	defer stopNow(t, ssc)
	if _, err := dstream.Find[int](ssc, "a"); err == nil || !strings.Contains(err.Error(), `none has a name`) {
		t.Errorf("in a graph without names: %v", err)
	}
	a := dstream.QueueStream(ssc, dstream.NewQueue[int]()).Named("a")
	dstream.Print(dstream.Count(a).Named("b"), 1).Named("c")
	if d, err := dstream.Find[int](ssc, "a"); d != a || err != nil {
		t.Errorf("found %v, %v", d, err)
	}
	if d, err := dstream.Find[int64](ssc, "b"); d == nil || err != nil {
		t.Errorf("found %v, %v", d, err)
	}
	for name, want := range map[string]string{
		"x": `there is no stream named "x"; the names are a, b, c`,
		"b": `the elements of the stream "b" (count at substitute_test.go:30) are int64, not int`,
		"c": `"c" is the print at substitute_test.go:30, an output and no stream`,
	} {
		if _, err := dstream.Find[int](ssc, name); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestSubstitute replaces an input, and streams that are made from inputs, which are asked if something else reads
// them.
func TestSubstitute(t *testing.T) {
	type lines = dstream.DStream[string]
	for _, tt := range []struct {
		name string
		what func(in, upper, long *lines) *lines
		// inputs are those that are asked, want what the program answers.
		inputs, want string
	}{
		{"an input", func(in, _, _ *lines) *lines { return in },
			"[{away [0] away substitute_test.go:73 true}]", "[R1 R1] [R2 R1R2]"},
		{"a stream", func(_, upper, _ *lines) *lines { return upper },
			"[{map [1] map substitute_test.go:74 true}]", "[r1 r1] [r2 r1r2]"},
		{"a window", func(in, _, long *lines) *lines {
			_ = dstream.Substitute(in, dstream.Source[string](&numbers{}))
			return long
		}, "[{away [0] away substitute_test.go:73 true} {map [1] map substitute_test.go:76 true}]", "[R1 r1] [R2 r2]"},
		{"a stream whose input is read", func(in, upper, _ *lines) *lines {
			dstream.Print(in, 1)
			return upper
		}, "[{away [0] away substitute_test.go:73 false} {map [1] map substitute_test.go:74 true}]", "the server is away"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ssc := newContext(t)
			in := dstream.FromSource(ssc, "away", dstream.Source[string](away{}))
			upper := dstream.Map(in, strings.ToUpper)
			add := func(a, b string) string { return a + b }
			long := dstream.Map(dstream.ReduceByKeyAndWindow(dstream.MapToPair(upper, func(s string) (int, string) {
				return 0, s
			}), add, 2*time.Second, 0), func(p rdd.Pair[int, string]) string { return p.Value })
			var got []string
			body := func(ctx context.Context, r *rdd.RDD[string], b *dstream.Batch) error {
				vs, err := rdd.Collect(ctx, r)
				got = append(got, fmt.Sprint(vs))
				return err
			}
			dstream.ForeachRDD(dstream.Union(upper, long), body)
			what, s := tt.what(in, upper, long), dstream.Source[string](&numbers{})
			if err := dstream.Substitute(what, s); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(ssc.Inputs()); got != tt.inputs {
				t.Errorf("%s: the inputs are %s, want %s", tt.name, got, tt.inputs)
			}
			err := ssc.Start(t.Context())
			if err == nil {
				time.Sleep(2500 * time.Millisecond)
				err = ssc.Stop(t.Context(), dstream.Graceful())
			}
			if got := fmt.Sprint(strings.Join(got, " "), err); !strings.Contains(got, tt.want) {
				t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
			}
			if dstream.SourceOf(what) != s {
				t.Errorf("%s: the source is %v", tt.name, dstream.SourceOf(what))
			}
		})
	}
}

type texts = rdd.Pair[string, string]

// TestSubstitutedPanes: what a window of panes would take in is not asked for when it is substituted itself.
func TestSubstitutedPanes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		lines := dstream.FromSource(ssc, "away", dstream.Source[string](away{}))
		first := func(a, _ string) string { return a }
		pairs := dstream.MapToPair(lines, func(s string) (string, string) { return s, s })
		counts := dstream.ReduceByKeyAndWindow(pairs, first, time.Minute, 0)
		if err := dstream.Substitute(counts, dstream.Source[texts](doubles{&numbers{}})); err != nil {
			t.Fatal(err)
		}
		var got []string
		dstream.ForeachRDD(counts, func(ctx context.Context, r *rdd.RDD[texts], _ *dstream.Batch) error {
			vs, err := rdd.Collect(ctx, r)
			got = append(got, fmt.Sprint(vs))
			return err
		})
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2500 * time.Millisecond)
		if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(got, " "); got != "[(r1,r1)] [(r2,r2)]" {
			t.Errorf("got %s", got)
		}
	})
}

// doubles is numbers of pairs.
type doubles struct{ *numbers }

func (d doubles) Read(sc *rdd.Context, rng []byte) *rdd.RDD[texts] {
	return rdd.MapToPair(d.numbers.Read(sc, rng), func(s string) (string, string) { return s, s })
}

// TestSubstituteRefuses what it cannot do.
func TestSubstituteRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ssc := newContext(t)
		d := dstream.FromSource(ssc, "numbers", dstream.Source[string](&numbers{}))
		slow := dstream.Window(d, 2*time.Second, 2*time.Second)
		dstream.Print(d, 1)
		dstream.Print(slow, 1)
		check := func(name string, err error, want string) {
			t.Helper()
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", name, err, want)
			}
		}
		s := dstream.Source[string](&numbers{})
		check("another slide", dstream.Substitute(slow, s), "has a slide of 2s, and a source gives a range at each")
		check("nil", dstream.Substitute(d, nil), "needs a source, not nil")
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := dstream.Substitute(d, s); !errors.Is(err, dstream.ErrStarted) {
			t.Errorf("after Start: %v", err)
		}
		stopNow(t, ssc)
	})
}
