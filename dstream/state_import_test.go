package dstream_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

type updates = []dstream.StateUpdate[string, int]

// TestImportWithoutSchema: a state that no batch has reached yet is left alone, for it is not known how it is dealt,
// and the program goes on.
func TestImportWithoutSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		build := func(ssc *dstream.Context) {
			d := keyed(dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers"))
			states, _ := dstream.UpdateTouchedStateByKey(dstream.Window(d, time.Minute, time.Minute),
				func(vs []int, _ int, _ bool) (int, bool) { return len(vs), true })
			watch(states.Named("late"), "out", map[string]string{})
		}
		l := mustLive(t, disk, build)
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		_, err := dstream.ImportState(t.Context(), outside(t, disk), "disk:/ck", "late", updates{{Key: "a", Value: 7}})
		if err == nil || !strings.Contains(err.Error(), `the state "late" has no schema yet`) {
			t.Errorf("%v", err)
		}
		l = mustLive(t, disk, build)
		time.Sleep(1500 * time.Millisecond)
		l.stop(t)
	})
}

// TestStateImport changes a state between two lives of a program: the second one goes on with what was imported, its
// windows hold what batches gave before that, and the version before it is still there.
func TestStateImport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		p := mustLive(t, disk, keptSums(got))
		time.Sleep(3500 * time.Millisecond)
		p.stop(t) // Batches 0 to 2 took 0 to 5.
		sc := outside(t, disk)
		change := updates{{Key: "key 0", Value: 100}, {Key: "key 1", Removed: true}, {Key: "key 2", Value: 2},
			{Key: "new", Value: 7}, {Key: "no", Removed: true}}
		report := func(what string, opts ...dstream.ImportOption) string {
			t.Helper()
			r, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", change, opts...)
			if err != nil && !errors.Is(err, dstream.ErrOverwrite) {
				t.Fatalf("%s: %v", what, err)
			}
			return fmt.Sprintf("%d: %d came, %d changed, %d removed, %d same, %v", r.Version.Sequence, r.Came, r.Changed,
				r.Removed, r.Same, err != nil)
		}
		const would = "3: 1 came, 1 changed, 1 removed, 1 same, "
		if s := report("dry run", dstream.ImportDryRun()); s != would+"false" {
			t.Error("dry run:", s)
		}
		if s := report("nothing allowed"); s != would+"true" {
			t.Error("nothing allowed:", s)
		}
		reader, err := dstream.OpenState[string, int](sc, "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		const before, after = "0=0 1=1 2=2 3=3 4=4 5=5", "0=100 2=2 3=3 4=4 5=5 new=7"
		if s := all(t, reader); s != before {
			t.Errorf("before the import: %s", s)
		}
		if s := report("import", dstream.ImportOverwriting()); s != would+"false" {
			t.Error("import:", s)
		}
		if s := report("import again", dstream.ImportOverwriting()); s != "3: 0 came, 0 changed, 0 removed, 3 same, false" {
			t.Error("import again:", s)
		}
		if s := all(t, reader); s != after {
			t.Errorf("after the import: %s", s)
		}
		if s := all(t, reader.At(2)); s != before {
			t.Errorf("the version before the import: %s", s)
		}
		p = mustLive(t, disk, keptSums(got))
		time.Sleep(time.Second)
		p.stop(t)
		if s := got["sums"]; s != "0=100 2=2 3=3 4=4 5=5 6=6 7=7 new=7" {
			t.Errorf("the next batch: %s", s)
		}
		if s := got["window"]; s != "0=0 0=100 1=1 2=2 2=2 3=3 3=3 4=4 4=4 5=5 5=5 6=6 7=7 new=7" {
			t.Errorf("its window: %s", s)
		}
		p = mustLive(t, disk, keptSums(got))
		time.Sleep(2 * time.Second)
		p.stop(t)
		if s := got["sums"]; s != "0=110 1=11 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 new=7" {
			t.Errorf("a life later: %s", s)
		}
		wantBatches(t, disk, "committed committed committed imported committed committed committed")
		for n, want := range map[int64]string{2: "0=0 1=1 2=2 3=3 4=4 5=5", 4: "0=100 2=2 3=3 4=4 5=5 6=6 7=7 new=7",
			5: "0=100 2=2 3=3 4=4 5=5 6=6 7=7 8=8 9=9 new=7"} {
			_, text, err := replayOf(t, disk, keptSums(map[string]string{}), dstream.Replay{Sequence: n})
			all := shown(t, n, text)[fmt.Sprintf("%02d sums", n)]
			s := strings.NewReplacer(", ", " ", "(", "", ",", "=", ")", "", "key ", "").Replace(all)
			if err != nil || s != want {
				t.Errorf("batch %d again: %s, want %s; %v", n, s, want, err)
			}
		}
		_, _, err = replayOf(t, disk, keptSums(map[string]string{}), dstream.Replay{Sequence: 3})
		wantError(t, "the import again", err, nil, "batch 3 is one by which states were changed by hand")
	})
}

func wantBatches(t *testing.T, disk *vfs.Disk, want string) {
	t.Helper()
	info, err := dstream.ReadCheckpoint(t.Context(), outside(t, disk), "disk:/ck")
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, b := range info.Batches {
		got += " " + b.Status
	}
	if got != " "+want || !info.StoppedCleanly {
		t.Errorf("the batches are%s, stopped cleanly %v; want %s", got, info.StoppedCleanly, want)
	}
}

// TestStateImportWhole: what is not among the updates goes; and what was imported stays, however often files are
// merged.
func TestStateImportWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, got := vfs.NewDisk("disk"), map[string]string{}
		p := mustLive(t, disk, keptSums(got))
		time.Sleep(3500 * time.Millisecond)
		p.stop(t)
		sc := outside(t, disk)
		var many updates
		for k := range 3000 {
			many = append(many, dstream.StateUpdate[string, int]{Key: fmt.Sprint("key ", k), Value: 5})
		}
		r, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", many[2:], dstream.ImportWhole(),
			dstream.ImportOverwriting())
		if err != nil || r.Came != 2994 || r.Changed != 3 || r.Removed != 2 || r.Same != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		for range 2 { // So long that what was imported is merged with what came before and after.
			p = mustLive(t, disk, keptSums(got))
			time.Sleep(150 * time.Second)
			p.stop(t)
		}
		reader, err := dstream.OpenState[string, int](sc, "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		info, err := reader.Info(t.Context())
		if err != nil || info.Files < 1 {
			t.Fatalf("%+v, %v", info, err)
		}
		want := map[string]int{}
		for _, u := range many[2:] {
			want[u.Key] = u.Value
		}
		for n := 6; n < 2*int(info.Version.Sequence); n++ { // One batch of them all is the import.
			want[fmt.Sprint("key ", n%10)] += n
		}
		n := 0
		for e, err := range reader.All(t.Context()) {
			if n++; err != nil || want[e.Key] != e.Value {
				t.Fatalf("%+v, %v, want %d", e, err, want[e.Key])
			}
		}
		if n != len(want) {
			t.Errorf("%d keys, want %d", n, len(want))
		}
	})
}

// TestStateImportBringsBack: a key that was taken out after files were merged, and that an import brings back, is there
// in the next life of the program, wherever its states lie.
func TestStateImportBringsBack(t *testing.T) {
	got := map[string]string{}
	for _, store := range []string{"memory", "sorted"} {
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			build := func(ssc *dstream.Context) {
				ssc.AddStateStore(dstream.Sorted{})
				keptSums(got)(ssc)
			}
			p := mustLive(t, disk, build)
			time.Sleep(140500 * time.Millisecond)
			p.stop(t)
			sc := outside(t, disk)
			for _, change := range []dstream.StateUpdate[string, int]{{Key: "key 7", Removed: true}, {Key: "key 7", Value: 3}} {
				_, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", updates{change},
					dstream.ImportOverwriting())
				if err != nil {
					t.Fatal(err)
				}
			}
			reader, err := dstream.OpenState[string, int](sc, "disk:/ck", "sums")
			if err != nil {
				t.Fatal(err)
			}
			if info, err := reader.Info(t.Context()); err != nil || info.Files < 1 {
				t.Fatalf("nothing was merged: %+v, %v", info, err)
			}
			p = mustLive(t, disk, build, "weir.state.store", store)
			if reader, err = dstream.StateOf[string, int](p.Context, "sums"); err != nil {
				t.Fatal(err)
			}
			if e, ok, err := reader.Get(t.Context(), "key 7"); err != nil || !ok || e.Value != 3 {
				t.Errorf("%s: the key is there: %v, with %d, %v", store, ok, e.Value, err)
			}
			time.Sleep(5 * time.Second) // The key is touched again.
			p.stop(t)
			if got[store] = got["sums"]; got[store] != got["memory"] {
				t.Errorf("%s: the sums are %s, want %s", store, got[store], got["memory"])
			}
		})
	}
}

// TestStateImportRefused: nothing is written, and the remedy is said.
func TestStateImportRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		sc := outside(t, disk)
		one := updates{{Key: "a", Value: 1}}
		refused := func(name string, dir, state string, u updates, kind error, parts ...string) {
			t.Helper()
			_, err := dstream.ImportState(t.Context(), sc, dir, state, u)
			wantError(t, name, err, kind, parts...)
		}
		refused("no checkpoint", "disk:/ck", "sums", one, nil, "disk:/ck", "there is none",
			"looked for the folder disk:/ck/log", "at its first start")
		p := mustLive(t, disk, keptSums(map[string]string{}))
		time.Sleep(1500 * time.Millisecond)
		_, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", one)
		if held, ok := errors.AsType[*dstream.HeldError](err); !ok {
			t.Errorf("held: %v, %v", held, err)
		}
		done, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", one, dstream.ImportDryRun())
		if !isHeld(err) || done.Changed+done.Came != 1 {
			t.Errorf("a dry run, held: %+v, %v", done, err)
		}
		p.stop(t)
		if done, err = dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", one, dstream.ImportDryRun()); err != nil {
			t.Errorf("a dry run: %+v, %v", done, err)
		}
		refused("no state", "disk:/ck", "sum", one, dstream.ErrNoState)
		refused("twice", "disk:/ck", "sums", append(one, one...), nil, `update 2: its key a comes twice`)
		_, err = dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", []dstream.StateUpdate[int, int]{{Key: 1}})
		wantError(t, "other types", err, dstream.ErrStateType, `"string"`)
		reader, err := dstream.OpenState[string, int](sc, "disk:/ck", "sums")
		if err != nil {
			t.Fatal(err)
		}
		if e, ok, err := reader.Get(t.Context(), "a"); err != nil || ok {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

// TestStateImportOpen: a batch that is planned is to run on the state as it is.
func TestStateImportOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		hangs := func(ssc *dstream.Context) {
			keptSums(map[string]string{})(ssc)
			d, err := dstream.Find[pair](ssc, "sums")
			if err != nil {
				t.Fatal(err)
			}
			dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[pair], b *dstream.Batch) error {
				if b.Sequence == 2 {
					<-ctx.Done()
				}
				return ctx.Err()
			}).Named("hangs")
		}
		p := mustLive(t, disk, hangs)
		time.Sleep(3500 * time.Millisecond)
		p.die(t)
		sc := outside(t, disk)
		_, err := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", updates{{Key: "a", Value: 1}})
		wantError(t, "open", err, nil, "disk:/ck", "batch 2 is planned and not committed", "stop it gracefully",
			"at a start with weir.checkpoint.skip=2")
		for _, opts := range [][]dstream.MoveOption{nil, {dstream.MoveDryRun()}} {
			err = dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"numbers": []byte("0-100")}, opts...)
			wantError(t, "open", err, nil, "disk:/ck", "batch 2 is planned and not committed", "stop it gracefully",
				"at a start with weir.checkpoint.skip=2")
		}
		info, err := dstream.ReadCheckpoint(t.Context(), sc, "disk:/ck")
		if err != nil || info.StoppedCleanly || info.Batches[len(info.Batches)-1].Status != "planned" {
			t.Errorf("%+v, %v", info, err)
		}
	})
}

// TestMoveInputs: a program begins where its checkpoint was told to, and goes on where it was moved to.
func TestMoveInputs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		sc := outside(t, disk)
		for _, to := range []string{"0-10", "0-100"} {
			if err := dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"numbers": []byte(to)}); err != nil {
				t.Fatal(err)
			}
			told = nil
			p := mustLive(t, disk, sums(&seen, &told))
			time.Sleep(2500 * time.Millisecond)
			synctest.Wait()
			at := strings.TrimPrefix(to, "0-")
			if first := fmt.Sprintf("resolve %s, committed %s-", to, at); !strings.HasPrefix(strings.Join(told, ", "), first) {
				t.Errorf("moved to %s, the source is told %q", to, told) // and of nothing before that
			}
			err := dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"numbers": []byte("0-0")})
			dry := dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"numbers": []byte("0-0")},
				dstream.MoveDryRun())
			if !isHeld(err) || !isHeld(dry) {
				t.Errorf("held: %v; a dry run: %v", err, dry)
			}
			p.stop(t)
		}
		moved := func(s string) bool { return strings.HasSuffix(s, ":[100 101]") }
		if seen[0] != "0:[10 11]" || !slices.ContainsFunc(seen, moved) {
			t.Errorf("the batches are %v", seen)
		}
	})
}

// TestMoveInputsFrom: who has made a position from one that is not the input's any more does not set it back.
func TestMoveInputsFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		sc := outside(t, disk)
		move := func(from string, opts ...dstream.MoveOption) error {
			at := map[string][]byte{"numbers": nil}
			if from != "" {
				at["numbers"] = []byte(from)
			}
			return dstream.MoveInputs(t.Context(), sc, "disk:/ck", map[string][]byte{"numbers": []byte("0-10")},
				append(opts, dstream.MoveFrom(at))...)
		}
		for _, s := range []struct {
			from string
			dry  bool
			says string // "" if it is moved
		}{
			{"", true, ""}, {"0-5", false, `the input "numbers" has gone on meanwhile`}, {"", false, ""},
			{"", false, `the input "numbers" has gone on meanwhile`}, {"0-10", true, ""}, {"0-10", false, ""},
		} {
			var opts []dstream.MoveOption
			if s.dry {
				opts = append(opts, dstream.MoveDryRun())
			}
			err := move(s.from, opts...)
			if s.says == "" && err != nil || s.says != "" && (err == nil || !strings.Contains(err.Error(), s.says)) {
				t.Errorf("from %q, dry %v: %v, want %q", s.from, s.dry, err, s.says)
			}
		}
		p := mustLive(t, disk, sums(&seen, &told))
		time.Sleep(2500 * time.Millisecond)
		p.stop(t)
		for _, opts := range [][]dstream.MoveOption{nil, {dstream.MoveDryRun()}} {
			wantError(t, "a program ran", move("0-10", opts...), nil, "disk:/ck", `the input "numbers" has gone on meanwhile`,
				"try again")
		}
	})
}

// TestMovedAndDied: of a program that was moved, and died with its first batch planned, the source is told nothing from
// before the move.
func TestMovedAndDied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk, seen, told := vfs.NewDisk("disk"), []string{}, []string{}
		p := mustLive(t, disk, sums(&seen, &told))
		time.Sleep(2500 * time.Millisecond)
		p.stop(t)
		if err := dstream.MoveInputs(t.Context(), outside(t, disk), "disk:/ck", map[string][]byte{
			"numbers": []byte("0-100")}); err != nil {
			t.Fatal(err)
		}
		told = nil
		p = mustLive(t, disk, func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{&told})).Named("numbers")
			dstream.ForeachRDD(d, func(ctx context.Context, _ *rdd.RDD[int], _ *dstream.Batch) error {
				<-ctx.Done()
				return ctx.Err()
			}).Named("sums")
		})
		time.Sleep(1500 * time.Millisecond)
		p.die(t)
		time.Sleep(20 * time.Second)
		p = mustLive(t, disk, sums(&seen, &told))
		time.Sleep(500 * time.Millisecond)
		p.stop(t)
		told = slices.DeleteFunc(told, func(s string) bool { return strings.HasPrefix(s, "resolve") })
		if len(told) == 0 || told[0] != "committed 100-102" {
			t.Errorf("the source is told %q", told)
		}
	})
}

// TestStateImportCrash kills an import before each of its steps, and has the power fail with it: the state is as it was
// or as it is to be, whole; what was said to be done is; and the program goes on with it.
func TestStateImportCrash(t *testing.T) {
	for step := 1; ; step++ {
		last := false
		synctest.Test(t, func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			p := mustLive(t, disk, keptSums(map[string]string{}))
			time.Sleep(2500 * time.Millisecond)
			p.stop(t)
			steps := 0
			sc, err := rdd.NewContext(conf.New().Set("spark.master", "local"), rdd.WithFileSystem(disk.Mount(
				func(vfs.Step) vfs.Fault {
					if steps++; steps == step {
						return vfs.Die
					}
					return vfs.None
				})))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = sc.Stop(context.Background()) }()
			many := updates{{Key: "key 0", Value: 100}}
			for k := range 1000 { // so that they need a file
				many = append(many, dstream.StateUpdate[string, int]{Key: fmt.Sprint("new ", k), Value: 1})
			}
			_, done := dstream.ImportState(t.Context(), sc, "disk:/ck", "sums", many, dstream.ImportOverwriting())
			last = steps < step
			disk = disk.Crash(uint64(step))
			reader, err := dstream.OpenState[string, int](outside(t, disk), "disk:/ck", "sums")
			if err != nil {
				t.Fatal(err)
			}
			keys, imported := strings.Fields(strings.ReplaceAll(all(t, reader), "new ", "")), false
			if len(keys) == 1004 {
				imported = slices.Contains(keys, "0=100")
			}
			if len(keys) != 4 && !imported || done == nil && !imported || last && done != nil {
				t.Fatalf("step %d: %d keys, imported %v; the import says %v", step, len(keys), imported, done)
			}
			got := map[string]string{}
			p = mustLive(t, disk, keptSums(got))
			time.Sleep(12 * time.Second)
			p.stop(t)
			if strings.Contains(got["sums"], "new 999=1") != imported {
				t.Errorf("step %d: imported %v, and the program goes on with\n%s", step, imported, got["sums"])
			}
		})
		if last || t.Failed() {
			break
		}
	}
}

// TestImportedNow: a key that is imported without the time of its last touch counts from the import, however old the
// last batch is.
func TestImportedNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewDisk("disk")
		var out atomic.Value // The key that has timed out.
		out.Store("")
		build := func(ssc *dstream.Context) {
			d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
			other := dstream.Map(d, func(v int) pair { return rdd.KV("other", v) })
			spec := dstream.Spec(func(k string, v rdd.Optional[int], s *dstream.State[int]) int {
				if s.IsTimingOut() {
					out.Store(k)
				} else {
					s.Update(v.Value)
				}
				return 0
			})
			states, _ := dstream.MapWithState(other, spec.Timeout(time.Minute))
			dstream.Foreach(states.Named("sums"), func(int) error { return nil }).Named("nothing")
		}
		l := mustLive(t, disk, build)
		time.Sleep(3500 * time.Millisecond)
		l.stop(t)
		time.Sleep(5 * time.Minute)
		if _, err := dstream.ImportState(t.Context(), outside(t, disk), "disk:/ck", "sums",
			updates{{Key: "imported", Value: 7}}); err != nil {
			t.Fatal(err)
		}
		l = mustLive(t, disk, build)
		time.Sleep(50 * time.Second)
		if k := out.Load(); k != "" {
			t.Errorf("%q times out %v after it was imported", k, 50*time.Second)
		}
		time.Sleep(15 * time.Second)
		l.stop(t)
		if k := out.Load(); k != "imported" {
			t.Errorf("%q times out after a minute, want the key that was imported", k)
		}
	})
}
