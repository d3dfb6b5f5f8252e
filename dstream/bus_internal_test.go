package dstream

import (
	"testing"
	"testing/synctest"

	"github.com/weirstream/weir/internal/exec"
)

// TestBusIsBehind: events that find the queue full are dropped, which is told once while listeners go on.
func TestBusIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, release, heard, told := newBus(), make(chan struct{}), 0, []int64(nil)
		b.add(func(Event) {
			<-release
			heard++
		})
		go b.run(&exec.Goroutines{}, func(v any) { t.Error(v) }, func(n int64) { told = append(told, n) })
		b.emit(Warning{})
		synctest.Wait() // The listener has it.
		for range busQueue + 7 {
			b.emit(Warning{})
		}
		close(release)
		synctest.Wait()
		for range 3 {
			b.emit(Warning{})
		}
		if !b.close(t.Context()) {
			t.Error("the bus does not end")
		}
		if heard != 1+busQueue+3 || len(told) != 1 || told[0] != 7 {
			t.Errorf("%d events were heard, and %v told as dropped", heard, told)
		}
	})
}
