package files_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir"
	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/connector/files"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// shown runs a program that skips failed batches and shows lines in a folder for a time, and gives which batches were
// given up. faults is of the disk of the folder.
func (w *world) shown(d time.Duration, faults func(vfs.Step) vfs.Fault, encoding files.Encoding[string]) (
	skipped []string, err error,
) {
	ctx, cancel := context.WithTimeout(w.t.Context(), d)
	defer cancel()
	c := conf.New().Set("spark.master", "local[2]").Set("spark.streaming.checkpoint.directory", "own:/ckpt").
		Set("spark.streaming.gracefulStopTimeout", "20s").Set("weir.streaming.failedBatch", "skip")
	build := func(ssc *dstream.Context) error {
		sink, err := files.Sink(ssc, "out:/lines", encoding)
		if err != nil {
			return err
		}
		dstream.WriteTo(files.TextStream(ssc, "own:/in", files.NewFilesOnly(false)).Named("in"), sink).Named("lines")
		return nil
	}
	err = weir.Run(ctx, build, weir.Interval(time.Second), weir.Conf(c), weir.WithFileSystem(w.own.Mount(nil)),
		weir.WithFileSystem(w.out.Mount(faults)), weir.Output(io.Discard))
	return w.skipped(), err
}

// skipped are the reasons of the batches that the checkpoint has as given up.
func (w *world) skipped() (reasons []string) {
	sc, err := rdd.NewContext(nil, rdd.WithFileSystem(w.own.Mount(nil)))
	if err != nil {
		w.t.Fatal(err)
	}
	defer sc.Stop(w.t.Context())
	info, err := dstream.ReadCheckpoint(w.t.Context(), sc, "own:/ckpt")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range info.Skipped {
		reasons = append(reasons, fmt.Sprintf("%+v", s))
	}
	return reasons
}

// all are the lines that were sent.
func (w *world) all() (lines []string) {
	for i := range w.sent {
		lines = append(lines, fmt.Sprintf("word%d", i%4))
	}
	slices.Sort(lines)
	return lines
}

// TestFolderCannotBeWritten: where the disk of a folder takes nothing for minutes, no batch is given up for it. The
// program ends with an error that tells what helps, and the next one shows what the first one could not.
func TestFolderCannotBeWritten(t *testing.T) {
	hides := files.Encode(func(w io.Writer, records iter.Seq[string]) error {
		for line := range records {
			if _, err := fmt.Fprintln(w, line); err != nil {
				return errors.New("a line could not be written") // It says no more.
			}
		}
		return nil
	})
	long := files.Append(func(dst []byte, line string) ([]byte, error) {
		return append(append(dst, line...), '\n'), nil
	})
	part := func(s vfs.Step) bool { return strings.Contains(s.Name, "part-") }
	writes := func(s vfs.Step) bool { return s.Op == "write" }
	creates := func(s vfs.Step) bool { return s.Op == "create" && part(s) }
	finishes := func(s vfs.Step) bool { return s.Op == "sync" && part(s) }
	shows := func(s vfs.Step) bool { return s.Op == "rename" && part(s) }
	lists := func(s vfs.Step) bool { return s.Op == "write" && !part(s) }
	for name, tt := range map[string]struct {
		encoding files.Encoding[string]
		broken   func(s vfs.Step) bool
		fault    vfs.Fault
		want     error
	}{
		"no room":               {long, writes, vfs.Full, syscall.ENOSPC},
		"an encoding hides it":  {hides, writes, vfs.Full, syscall.ENOSPC},
		"no file can be made":   {long, creates, vfs.Fail, vfs.ErrFault},
		"none can be finished":  {long, finishes, vfs.Fail, vfs.ErrFault},
		"none can be shown":     {long, shows, vfs.Fail, vfs.ErrFault},
		"no room for manifests": {long, lists, vfs.Full, syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				from := time.Now().Add(2500 * time.Millisecond)
				until := from.Add(3 * time.Minute)
				go func() {
					for range 8 {
						w.send()
						time.Sleep(time.Second)
					}
				}()
				skipped, err := w.shown(5*time.Minute, func(s vfs.Step) vfs.Fault {
					if now := time.Now(); now.After(from) && now.Before(until) && tt.broken(s) {
						return tt.fault
					}
					return vfs.None
				}, tt.encoding)
				text := fmt.Sprint(err)
				if !errors.Is(err, tt.want) || !strings.Contains(text, "the folder out:/lines cannot be written: ") ||
					!strings.Contains(text, "see that it is there, with room and with rights to write") {
					t.Errorf("it ended by %v", err)
				}
				if len(skipped) > 0 || time.Now().After(until) {
					t.Errorf("%v after the disk mended; given up are %q", time.Since(until), skipped)
				}
				time.Sleep(time.Until(until))
				skipped, err = w.shown(10*time.Second, nil, tt.encoding)
				if got := w.lines(); !slices.Equal(got, w.all()) || err != nil || len(skipped) > 0 {
					t.Errorf("%v, given up are %q\n got %q\nwant %q", err, skipped, got, w.all())
				}
			})
		})
	}
}

// TestFolderMends: a disk that has room again before the last try of a batch ends nothing.
func TestFolderMends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.send()
		full := time.Now().Add(8 * time.Second)
		skipped, err := w.shown(40*time.Second, func(s vfs.Step) vfs.Fault {
			if time.Now().Before(full) && strings.Contains(s.Name, ".part-") {
				return vfs.Full
			}
			return vfs.None
		}, files.Text[string]())
		if got := w.lines(); !slices.Equal(got, w.all()) || err != nil || len(skipped) > 0 {
			t.Errorf("%v, given up are %q, got %q", err, skipped, got)
		}
	})
}

// TestFolderRecordsAtFault: a batch whose records have no encoding is given up as before, and others are shown.
func TestFolderRecordsAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.send()
		go func() {
			time.Sleep(3500 * time.Millisecond)
			w.send()
			w.send()
		}()
		skipped, err := w.shown(2*time.Minute, nil, files.Append(func(dst []byte, line string) ([]byte, error) {
			if line == "word3" {
				return nil, errors.New("it has no form")
			}
			return append(append(dst, line...), '\n'), nil
		}))
		got := w.lines()
		if len(got) != 3 || len(skipped) != 1 || !strings.Contains(skipped[0], "it has no form") || err != nil {
			t.Errorf("%v, given up are %q, got %q", err, skipped, got)
		}
	})
}
