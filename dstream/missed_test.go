package dstream_test

import (
	"context"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestMissedTimesAreSaid: a program that was down says once what becomes of the times that have passed, and one that
// plans no batch any more says nothing of a next one.
func TestMissedTimesAreSaid(t *testing.T) {
	for _, tt := range []struct {
		policy string
		start  func(ssc *dstream.Context, ctx context.Context) error
		want   string
	}{
		{"merge", (*dstream.Context).Start,
			"batch times were missed: the next batch takes what theirs would have, up to the limit of one, count=9"},
		{"each", (*dstream.Context).Start,
			"batch times were missed: each gets a batch of its own now, one right after the other, count=9"},
		{"merge", (*dstream.Context).Finish, ""},
		{"each", (*dstream.Context).Finish, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			disk, got := vfs.NewDisk("disk"), map[string]string{}
			build := func(ssc *dstream.Context) {
				d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
				watch(d, "numbers", got)
			}
			l := mustLive(t, disk, build)
			time.Sleep(3500 * time.Millisecond)
			l.stop(t)
			time.Sleep(10 * time.Second)

			log := &strings.Builder{}
			c := conf.New().Set("spark.master", "local[2]").Set("weir.streaming.missedBatches", tt.policy)
			ssc, err := dstream.NewContext(c, time.Second, rdd.WithFileSystem(disk.Mount(nil)),
				rdd.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			if err != nil {
				t.Fatal(err)
			}
			ssc.Checkpoint("disk:/ck")
			build(ssc)
			if err := tt.start(ssc, t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2200 * time.Millisecond)
			if err := ssc.Stop(t.Context(), dstream.Graceful()); err != nil {
				t.Fatal(err)
			}
			line := regexp.MustCompile(`msg="(batch times were missed[^"]*)".* (count=\d+)`)
			var said []string
			for _, m := range line.FindAllStringSubmatch(log.String(), -1) {
				said = append(said, m[1]+", "+m[2])
			}
			if text := strings.Join(said, "\n"); text != tt.want {
				t.Errorf("%s: it says\n%s\nwant\n%s", tt.policy, text, tt.want)
			}
		})
	}
}
