package dstream_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// A namedLife is one of a program whose states have these names. A state holds the name under which it began and the
// numbers of the lives that have seen it.
type namedLife struct {
	states  string // with spaces between them
	rename  string
	drop    string
	moved   bool // its input was moved before it by hand
	die     bool
	want    string // what the states hold in the end, in the order of their names
	refused string // or why it does not start
	warned  string
}

// runNamed starts the program on the disk, and stops it when it has run some batches.
func runNamed(t *testing.T, l namedLife, disk *vfs.Disk, at *clock, number int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		defer at.goOn()()
		if l.moved {
			to := map[string][]byte{"numbers": []byte("90-90")}
			if err := dstream.MoveInputs(t.Context(), outside(t, disk), "disk:/ck", to); err != nil {
				t.Fatalf("life %d: %v", number, err)
			}
		}
		held, warned := map[string]string{}, ""
		life, err := liveOn(t, disk, l.build(number, held, &warned), l.settings()...)
		if l.refused != "" {
			if err == nil || !strings.Contains(err.Error(), l.refused) {
				t.Fatalf("life %d starts with %v, want %q", number, err, l.refused)
			}
			return
		}
		if err != nil {
			t.Fatalf("life %d: %v", number, err)
		}
		time.Sleep(2500 * time.Millisecond)
		if l.die {
			life.die(t)
		} else {
			life.stop(t)
		}
		var got []string
		for _, name := range strings.Fields(l.states) {
			got = append(got, name+"="+held[name])
		}
		if got := strings.Join(got, " "); got != l.want {
			t.Errorf("life %d: %s, want %s", number, got, l.want)
		}
		if !strings.Contains(warned, l.warned) || l.warned == "" && warned != "" {
			t.Errorf("life %d warns of %q, want %q", number, warned, l.warned)
		}
	})
}

func (l namedLife) settings() (out []string) {
	if l.rename != "" {
		out = append(out, "weir.checkpoint.rename", l.rename)
	}
	if l.drop != "" {
		out = append(out, "weir.checkpoint.drop", l.drop)
	}
	return out
}

// build makes the states, and writes down what they hold and of what the program warns.
func (l namedLife) build(number int, held map[string]string, warned *string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.Warning); ok && e.Err != nil {
				*warned += fmt.Sprint(e.Err, "\n")
			}
		})
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		one := dstream.Map(d, func(int) rdd.Pair[string, int] { return rdd.KV("", 1) })
		for _, name := range strings.Fields(l.states) {
			lives, _ := dstream.MapWithState(one, dstream.Spec(func(_ string, _ rdd.Optional[int],
				s *dstream.State[string]) string {
				text := s.Option().Or(name)
				if n := fmt.Sprint(number); !strings.HasSuffix(text, n) {
					text += n
				}
				s.Update(text)
				return text
			}))
			dstream.Foreach(lives.Named(name), func(text string) error {
				held[name] = text
				return nil
			}).Named("show " + name)
		}
	}
}

// TestNewNames: no name takes what another one has, whatever the settings say of names, and a setting that is left in
// place does its work once.
func TestNewNames(t *testing.T) {
	for name, lives := range map[string][]namedLife{
		"a name that is taken": {
			{states: "a b", want: "a=a1 b=b1"},
			{states: "a b", rename: "a => b; b => a", refused: `has "a" be called "b", and the checkpoint has something of`},
			{states: "b c", rename: "a => b; b => c", refused: `has "a" be called "b", and the checkpoint has something of`},
			{states: "b", rename: "a => b", refused: `has "a" be called "b", and the checkpoint has something of`},
			{states: "a b", rename: "a => b", refused: `has "a" be called "b", and the checkpoint has something of`},
			{states: "c", rename: "a => c; b => c", refused: `has both "a" and "b" of the checkpoint be called "c"`},
			{states: "c", rename: "a => c; a => b", refused: `gives "a" two names, "c" and "b"`},
			{states: "b", rename: "a => b", drop: "a", refused: `has "a" be called "b", and weir.checkpoint.drop gives it up`},
			{states: "b", rename: "a => b", drop: "b", want: "b=a19"},
			{states: "b", rename: "a => b", drop: "b", want: "b=a1910", warned: `names "b", which a start before gave up`},
			{states: "b", want: "b=a191011"},
		},
		"given up once": {
			{states: "a b", want: "a=a1 b=b1"},
			{states: "a b", drop: "a", want: "a=a2 b=b12"},
			{states: "a b", drop: "a", want: "a=a23 b=b123", warned: `names "a", which a start before gave up`, die: true},
			{states: "a b", drop: "a", want: "a=a234 b=b1234", warned: `names "a", which a start before gave up`},
			{states: "a b", want: "a=a2345 b=b12345"},
			{states: "a b", drop: "a; b", want: "a=a6 b=b6"},
			{states: "a b", drop: "a", want: "a=a67 b=b67", warned: `names "a", which a start before gave up`},
			{states: "a b", drop: "a; b", want: "a=a678 b=b8", warned: `names "a", which a start before gave up`},
		},
		"names of nothing": {
			{states: "a", want: "a=a1"},
			{states: "a", drop: "aa", want: "a=a12", warned: `names "aa", of which the checkpoint has nothing`},
			{states: "a", rename: "b => c", want: "a=a123", warned: `names "b", of which the checkpoint has nothing`},
			{states: "d", rename: "a => d", want: "d=a1234"},
			{states: "d", rename: "a => d", want: "d=a12345"},
		},
		"given up before it was there": {
			{states: "a", drop: "a; b", want: "a=a1"},
			{states: "a b", drop: "a; b", want: "a=a12 b=b2", warned: `names "a", which a start before gave up`},
			{states: "a b", drop: "c; b", want: "a=a123 b=b23", warned: `names "c", of which the checkpoint has nothing`},
			{states: "a b c", drop: "c", want: "a=a1234 b=b234 c=c4"},
			{states: "a b c", drop: "c", want: "a=a12345 b=b2345 c=c45", warned: `names "c", which a start before gave up`},
		},
		"given up, and inputs moved": {
			{states: "a b", want: "a=a1 b=b1"},
			{states: "a b", drop: "a", want: "a=a2 b=b12"},
			{states: "a b", drop: "a", moved: true, want: "a=a23 b=b123", warned: `names "a", which a start before gave up`},
		},
		"several at once": {
			{states: "a b c", want: "a=a1 b=b1 c=c1"},
			{states: "x y z", rename: "c => z",
				refused: `set weir.checkpoint.rename to "a => x; b => y; c => z"`},
			{states: "x y z", rename: "a => x; b => y; c => z", want: "x=a13 y=b13 z=c13"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk, at := vfs.NewDisk("disk"), clock(0)
			for i, l := range lives {
				runNamed(t, l, disk, &at, i+1)
			}
		})
	}
}

// TestNothingIsNewBeforeTheFirstCommit: a program that dies before anything of it is committed is itself when it starts
// again.
func TestNothingIsNewBeforeTheFirstCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, sink := vfs.NewDisk("disk"), []string{}, &sinkOf{}
		v := firstVersion(&seen, sink)
		sink.stuck.Store(true)
		m := disk.Mount(nil)
		ssc := v.context(t, m)
		if err := ssc.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1500 * time.Millisecond)
		m.Kill()
		_ = ssc.Stop(t.Context())
		sink.stuck.Store(false)
		if err := v.check(t, disk, true, "", ""); err != nil {
			t.Error(err)
		}
	})
}
