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

// TestLongerWindows: a window that looks back further than it did is told of if the checkpoint does not hold that, and
// is what its definition says when it has run as long.
func TestLongerWindows(t *testing.T) {
	for _, tt := range []struct {
		before, after int // the lengths, in seconds
		lasts         int // how many batches there are before
		warned        string
		first         string // the first count of the second program
	}{
		{3, 20, 150, "looked back 2s, and looks back 19s: until it has run as long as that, it lacks", ""},
		{3, 20, 5, "", "12"},
		{20, 3, 150, "", "6"},
		{20, 20, 150, "", "40"},
	} {
		t.Run(fmt.Sprintf("%d to %d after %d", tt.before, tt.after, tt.lasts), func(t *testing.T) {
			disk := vfs.NewDisk("disk")
			var warned []string
			var at clock
			// lives runs a program with windows of a length, and gives what they counted.
			lives := func(length, batches int) map[string]string {
				got := map[string]string{}
				synctest.Test(t, func(t *testing.T) {
					defer at.goOn()()
					l := mustLive(t, disk, windowsOf(time.Duration(length)*time.Second, got, &warned))
					time.Sleep(time.Duration(batches)*time.Second + time.Second/2)
					l.stop(t)
				})
				return got
			}
			lives(tt.before, tt.lasts)
			warned = nil
			got := lives(tt.after, 25)
			for _, name := range []string{"elements", "panes"} {
				first := got[fmt.Sprintf("%02d %s", tt.lasts, name)]
				last := got[fmt.Sprintf("%02d %s", tt.lasts+22, name)]
				if tt.first != "" && first != tt.first || last != fmt.Sprint(2*tt.after) {
					t.Errorf("%s: the first is %s, want %s, and a later one %s", name, first, tt.first, last)
				}
			}
			told := strings.Join(warned, "\n")
			if n := strings.Count(told, tt.warned); tt.warned == "" && len(warned) > 0 || tt.warned != "" && n != 2 {
				t.Errorf("it warns of\n%s\nwant %q for both windows", told, tt.warned)
			}
		})
	}
}

// windowsOf counts the elements of two windows, and writes down of what the program warns.
func windowsOf(length time.Duration, got map[string]string, warned *[]string) func(ssc *dstream.Context) {
	return func(ssc *dstream.Context) {
		ssc.AddListener(func(e dstream.Event) {
			if e, ok := e.(dstream.Warning); ok && e.Err != nil {
				*warned = append(*warned, fmt.Sprint(e.Err))
			}
		})
		d := dstream.FromSource(ssc, "numbers", dstream.Source[int](twos{})).Named("numbers")
		ones := dstream.Map(d, func(int) pair { return rdd.KV("", 1) })
		watch(dstream.Count(dstream.Window(d, length, 0).Named("elements")), "elements", got)
		watch(dstream.Map(dstream.ReduceByKeyAndWindow(ones, plus, length, 0).Named("panes"),
			func(kv pair) int { return kv.Value }), "panes", got)
	}
}
