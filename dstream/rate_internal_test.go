package dstream

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirstream/weir/conf"
)

// TestPID compares with values worked out by hand from Spark's formula.
func TestPID(t *testing.T) {
	type step struct {
		at                     Time
		elements               int64
		processing, scheduling time.Duration
		rate                   float64 // 0: none is published
	}
	tests := []struct {
		name    string
		p, i, d float64
		min     float64
		steps   []step
	}{
		{"the first batch publishes nothing", 1, 0.2, 0, 10, []step{{1000, 100, time.Second, 0, 0}}},
		{
			"no elements, no time, old time",
			1,
			0.2,
			0,
			10,
			[]step{
				{
					1000,
					100,
					time.Second,
					0,
					0,
				},
				{2000, 0, time.Second, 0, 0},
				{2000, 100, 0, 0, 0},
				{1000, 100, time.Second, 0, 0},
			},
		},
		// rate 100 at first; then 200/s are processed: error = 100-200 = -100, so 100+100.
		{"faster", 1, 0, 0, 10, []step{{1000, 100, time.Second, 0, 0}, {2000, 100, 500 * time.Millisecond, 0, 200}}},
		// 50/s are processed: error = 50, so 50.
		{"slower", 1, 0, 0, 10, []step{{1000, 100, time.Second, 0, 0}, {2000, 100, 2 * time.Second, 0, 50}}},
		// a second of delay at 100/s in a 1 s interval: historical error 100, times 0.2.
		{"delay", 1, 0.2, 0, 10, []step{{1000, 100, time.Second, 0, 0}, {2000, 100, time.Second, time.Second, 80}}},
		// error goes from 0 to 50 within a second: 50 - 0.5*50.
		{"derivative", 1, 0, 0.5, 10, []step{{1000, 100, time.Second, 0, 0}, {2000, 100, 2 * time.Second, 0, 25}}},
		{
			"never below the minimum",
			1,
			0,
			0,
			60,
			[]step{{1000, 100, time.Second, 0, 0}, {2000, 100, 2 * time.Second, 0, 60}},
		},
	}
	for _, tt := range tests {
		p := pid{interval: time.Second, proportional: tt.p, integral: tt.i, derivative: tt.d, minRate: tt.min}
		for i, s := range tt.steps {
			rate, ok := p.compute(s.at, s.elements, s.processing, s.scheduling)
			if !ok {
				rate = 0
			}
			if math.Abs(rate-s.rate) > 1e-9 {
				t.Errorf("%s, step %d: rate %v, want %v", tt.name, i, rate, s.rate)
			}
		}
	}
}

// A sparkPID is PIDRateEstimator of Spark 3.5, line by line: times in milliseconds, -1 where nothing is known.
type sparkPID struct {
	batchIntervalMillis                         int64
	proportional, integral, derivative, minRate float64
	firstRun                                    bool
	latestTime                                  int64
	latestRate, latestError                     float64
}

func (p *sparkPID) compute(time, numElements, processingDelay, schedulingDelay int64) (float64, bool) {
	if !(time > p.latestTime && numElements > 0 && processingDelay > 0) {
		return 0, false
	}
	delaySinceUpdate := float64(time-p.latestTime) / 1000
	processingRate := float64(numElements) / float64(processingDelay) * 1000
	err := p.latestRate - processingRate
	historicalError := float64(schedulingDelay) * processingRate / float64(p.batchIntervalMillis)
	dError := (err - p.latestError) / delaySinceUpdate
	newRate := max(p.latestRate-p.proportional*err-p.integral*historicalError-p.derivative*dError, p.minRate)
	p.latestTime = time
	if p.firstRun {
		p.latestRate, p.latestError, p.firstRun = processingRate, 0, false
		return 0, false
	}
	p.latestRate, p.latestError = newRate, err
	return newRate, true
}

// TestPIDIsSparks: batches of random sizes, delays and times have the rates that Spark gives them.
func TestPIDIsSparks(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 500 {
		interval := int64(1 + r.IntN(5000))
		spark := &sparkPID{batchIntervalMillis: interval, proportional: 2 * r.Float64(), integral: r.Float64(),
			derivative: r.Float64(), minRate: 1 + 100*r.Float64(), firstRun: true, latestTime: -1, latestRate: -1,
			latestError: -1}
		ours := &pid{interval: time.Duration(interval) * time.Millisecond, proportional: spark.proportional,
			integral: spark.integral, derivative: spark.derivative, minRate: spark.minRate}
		at := int64(r.IntN(1 << 40))
		for step := range 30 {
			at += int64(r.IntN(3)) * interval // Now and then a time comes twice.
			elements, processing, scheduling := int64(r.IntN(20_000)), int64(r.IntN(3000)), int64(r.IntN(4000))
			if r.IntN(5) == 0 {
				elements = 0
			}
			want, learned := spark.compute(at, elements, processing, scheduling)
			got, ok := ours.compute(Time(at), elements, time.Duration(processing)*time.Millisecond,
				time.Duration(scheduling)*time.Millisecond)
			if ok != learned || math.Abs(got-want) > 1e-6*max(1, want) {
				t.Fatalf("round %d, step %d: rate %v (%v), Spark's is %v (%v)", round, step, got, ok, want, learned)
			}
		}
	}
}

// TestRateControl: what a batch may hold, before and after the first estimate.
func TestRateControl(t *testing.T) {
	const on = "spark.streaming.backpressure.enabled"
	const initial = "spark.streaming.backpressure.initialRate"
	const first = "weir.streaming.firstBatchRecords"
	tests := []struct {
		name     string
		settings []string
		interval time.Duration
		want     []int64 // limits of the batches that follow one another without a completed one
	}{
		{"nothing set: bounded all the same", nil, time.Second, []int64{1_000_000, 1_000_000}},
		{"first batch set", []string{first, "500"}, time.Second, []int64{500}},
		{"first batch unbounded", []string{first, "0"}, time.Second, []int64{math.MaxInt64}},
		{"initial rate", []string{on, "true", initial, "300"}, 2 * time.Second, []int64{600}},
		{
			"initial rate without back-pressure does nothing here",
			[]string{initial, "300"},
			time.Second,
			[]int64{1_000_000},
		},
		{
			"fractions are carried over",
			[]string{on, "true", initial, "25"},
			100 * time.Millisecond,
			[]int64{2, 3, 2, 3, 2, 3},
		},
		{
			"less than one a batch",
			[]string{on, "true", initial, "4"},
			100 * time.Millisecond,
			[]int64{0, 0, 1, 0, 1, 0, 0, 1, 0, 1},
		},
	}
	for _, tt := range tests {
		c := conf.New()
		for i := 0; i < len(tt.settings); i += 2 {
			c.Set(tt.settings[i], tt.settings[i+1])
		}
		r := newRateControl(c, tt.interval)
		for i, want := range tt.want {
			if got := r.next().Records; got != want {
				t.Errorf("%s: batch %d may hold %d records, want %d", tt.name, i, got, want)
			}
		}
	}
}

// TestBoundWithoutBackpressure: a backlog comes in batches of what fits into two intervals.
func TestBoundWithoutBackpressure(t *testing.T) {
	r := newRateControl(conf.New().Set("weir.streaming.firstBatchRecords", "1000"), time.Second)
	r.observe(1000, 1000, 100*time.Millisecond, 0) // 10,000 a second
	if got := r.next().Records; got != 20_000 {
		t.Errorf("the next batch may hold %d records, want 20,000", got)
	}
	r.observe(2000, 10, 100*time.Millisecond, 0) // A small batch says nothing about the speed.
	if got := r.next().Records; got != 20_000 {
		t.Errorf("after a small batch: %d", got)
	}
}
