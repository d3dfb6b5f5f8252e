package dstream_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirstream/weir/dstream"
	"github.com/weirstream/weir/internal/vfs"
	"github.com/weirstream/weir/rdd"
)

// TestAheadOfTheClock: where the times of batches are ahead of the clock, batches go on, a quarter slower, and are on
// time again when it has come up with them. It is said once.
func TestAheadOfTheClock(t *testing.T) {
	for _, tt := range []struct {
		name     string
		restarts int           // one after the other, each with a record for its drain
		back     time.Duration // by which the clock is set back before the last life
		lasts    time.Duration // the last life
		ahead    string        // by how many milliseconds each of its batches is, as it runs
		says     string        // the levels and how far behind the clock is said to stand
	}{
		{name: "a restart at once", restarts: 1, lasts: 6 * time.Second, ahead: "450 200 0 0 0", says: "INFO 700ms, INFO up"},
		{name: "restarts that add up", restarts: 4, lasts: 16 * time.Second,
			ahead: "2550 2300 2050 1800 1550 1300 1050 800 550 300 50 0 0", says: "INFO 2.8s, INFO up"},
		{name: "a clock that is set back", restarts: 1, back: 11 * time.Second, lasts: time.Minute,
			ahead: "11450 11200 10950 10700 10450 10200 9950 9700 9450 9200 8950 8700 8450 8200 7950 7700 7450 7200 6950 " +
				"6700 6450 6200 5950 5700 5450 5200 4950 4700 4450 4200 3950 3700 3450 3200 2950 2700 2450 2200 1950 1700 " +
				"1450 1200 950 700 450 200 0 0", says: "WARN 11.7s, INFO up"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk, ahead, gone := vfs.NewDisk("disk"), []string(nil), time.Duration(0)
			build := func(ssc *dstream.Context) {
				f := &feed{run: func(_ context.Context, st *dstream.Store[string], _ int) error {
					return st.One("record")
				}}
				d := dstream.ReceiverStream(ssc, "feed", dstream.Receiver[string](f)).Named("feed")
				dstream.ForeachRDD(d, func(_ context.Context, _ *rdd.RDD[string], b *dstream.Batch) error {
					ahead = append(ahead, fmt.Sprint(max(time.Until(b.Time.Std()).Milliseconds(), 0)))
					return nil
				}).Named("times")
			}
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(tt.back)
				began := time.Now()
				for range tt.restarts {
					l := mustLive(t, disk, build)
					time.Sleep(300 * time.Millisecond)
					l.stop(t)
				}
				gone, ahead = time.Since(began), nil
			})
			synctest.Test(t, func(t *testing.T) { // Its clock begins where the other one began.
				time.Sleep(gone)
				l := mustLive(t, disk, build)
				time.Sleep(tt.lasts)
				l.stop(t)
				if got := strings.Join(ahead, " "); got != tt.ahead {
					t.Errorf("batches are ahead by\n%s ms, want\n%s", got, tt.ahead)
				}
				var says []string
				for _, m := range regexp.MustCompile(`level=(\w+) msg="the clock (?:has come (up)|stands before) .*?`+
					`(?: behind=(\S+))?\n`).FindAllStringSubmatch(l.log.String(), -1) {
					says = append(says, m[1]+" "+m[2]+m[3])
				}
				if got := strings.Join(says, ", "); got != tt.says {
					t.Errorf("it says %q, want %q", got, tt.says)
				}
				if log := l.log.String(); strings.Contains(log, "lease") || strings.Contains(log, "totalDelay=-") {
					t.Errorf("a delay is negative, or a stop's own doing is reported:\n%s", log)
				}
			})
		})
	}
}
