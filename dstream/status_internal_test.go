package dstream

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
)

// TestRateInForce: what is said of a rate is what the next batch is limited to.
func TestRateInForce(t *testing.T) {
	const backpressure, initial = "spark.streaming.backpressure.enabled", "spark.streaming.backpressure.initialRate"
	const first = "weir.streaming.firstBatchRecords"
	for _, row := range []struct {
		settings string
		learns   func(c *rateControl)
		reason   string
	}{
		{first + "=500", nil, first},
		{first + "=0", nil, "no limit"},
		{first + "=500", func(c *rateControl) { c.observe(1000, 9000, time.Second, 0) },
			"twice as fast as a batch was ever processed, which is 9000 records/s"},
		{backpressure + "=true " + initial + "=70", nil, initial},
		{backpressure + "=true", func(c *rateControl) {
			c.observe(1000, 9000, time.Second, 0)
			c.observe(2000, 3000, time.Second, 0)
		}, "back-pressure: "},
	} {
		settings := conf.New()
		for pair := range strings.FieldsSeq(row.settings) {
			if err := settings.SetPair("", pair); err != nil {
				t.Fatal(err)
			}
		}
		c := newRateControl(settings, 500*time.Millisecond)
		if row.learns != nil {
			row.learns(c)
		}
		rate, reason := c.inForce()
		next := c.next().Records
		if want := rate / 2; rate > 0 && float64(next) != math.Floor(want) || rate == 0 && next != math.MaxInt64 ||
			!strings.Contains(reason, row.reason) {
			t.Errorf("%s: %v, %q; the next batch has %d", row.settings, rate, reason, next)
		}
	}
}
