package dstream

import (
	"math"
	"sync"
	"time"

	"github.com/weirstream/weir/conf"
	"github.com/weirstream/weir/internal/checkpoint"
)

// A pid estimates the rate that an input should have from how long its batches took: Spark's
// PIDRateEstimator, whose formula is
//
//	newRate = latestRate - proportional*error - integral*historicalError - derivative*dError
//
// where error is the latest rate less the rate at which the last batch was processed, historicalError the
// records that wait because of the scheduling delay, per second of the interval, and dError the change of
// error per second. Rates are in records per second.
type pid struct {
	interval                           time.Duration
	proportional, integral, derivative float64
	minRate                            float64

	started     bool
	latestTime  Time
	latestRate  float64
	latestError float64
}

// compute gives the new rate, or false if there is nothing to learn: no elements, no processing time, a time
// that is not newer, or the first batch, which only sets the starting point.
func (p *pid) compute(at Time, elements int64, processing, scheduling time.Duration) (float64, bool) {
	if elements <= 0 || processing <= 0 || p.started && at <= p.latestTime {
		return 0, false
	}
	processed := float64(elements) / processing.Seconds()
	err := p.latestRate - processed
	historical := scheduling.Seconds() * processed / p.interval.Seconds()
	if !p.started {
		p.started, p.latestTime, p.latestRate, p.latestError = true, at, processed, 0
		return 0, false
	}
	change := (err - p.latestError) / at.Sub(p.latestTime).Seconds()
	rate := max(p.minRate, p.latestRate-p.proportional*err-p.integral*historical-p.derivative*change)
	p.latestTime, p.latestRate, p.latestError = at, rate, err
	return rate, true
}

// rateControl decides how many records an input's next batch may hold. Fractions of a record that a short
// interval cannot give are carried over to the next batch.
type rateControl struct {
	interval     time.Duration
	backpressure bool
	initial      float64
	first        int64

	mu    sync.Mutex
	pid   pid
	rate  float64 // in force by the estimator; 0 while there is none
	speed float64 // the best processing rate seen, records per second
	carry float64
}

func newRateControl(c *conf.Conf, interval time.Duration) *rateControl {
	return &rateControl{
		interval:     interval,
		backpressure: conf.BackpressureEnabled.Get(c),
		initial:      float64(conf.BackpressureInitialRate.Get(c)),
		first:        conf.FirstBatchRecords.Get(c),
		pid: pid{interval: interval, proportional: conf.PIDProportional.Get(c), integral: conf.PIDIntegral.Get(c),
			derivative: conf.PIDDerived.Get(c), minRate: conf.PIDMinRate.Get(c)},
	}
}

// next gives the limit of the next batch. With back-pressure it is the estimated rate, before the first
// estimate the configured initial one. While nothing is known or configured, a batch is bounded by
// weir.streaming.firstBatchRecords; without back-pressure, later ones by twice what the input has shown
// to be processed within an interval, so that a backlog comes in batches that fit.
func (c *rateControl) next() Limit {
	c.mu.Lock()
	defer c.mu.Unlock()
	secs := c.interval.Seconds()
	rate := c.rate
	if rate == 0 && c.initial > 0 && c.backpressure {
		rate = c.initial
	}
	if rate > 0 {
		want := rate*secs + c.carry
		whole := math.Floor(want)
		c.carry = want - whole
		return Limit{Records: int64(whole), Interval: secs, Measured: true}
	}
	if c.first <= 0 {
		return Unlimited(secs)
	}
	return Limit{Records: max(c.first, int64(2*c.speed*secs)), Interval: secs}
}

// learnt is what is to outlive the process.
func (c *rateControl) learnt() checkpoint.Rate {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := checkpoint.Rate{Rate: c.rate, Speed: c.speed, Carry: c.carry}
	if c.pid.started {
		r.LatestTime, r.LatestRate, r.LatestError = int64(c.pid.latestTime), c.pid.latestRate, c.pid.latestError
	}
	return r
}

// recall takes over what an earlier process has learnt.
func (c *rateControl) recall(r checkpoint.Rate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rate, c.speed, c.carry = r.Rate, r.Speed, r.Carry
	if r.LatestTime > 0 {
		c.pid.started, c.pid.latestTime = true, Time(r.LatestTime)
		c.pid.latestRate, c.pid.latestError = r.LatestRate, r.LatestError
	}
}

// observe learns from a completed batch; it gives the new rate if there is one.
func (c *rateControl) observe(at Time, elements int64, processing, scheduling time.Duration) (float64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if elements > 0 && processing > 0 {
		c.speed = max(c.speed, float64(elements)/processing.Seconds())
	}
	if !c.backpressure {
		return 0, false
	}
	rate, ok := c.pid.compute(at, elements, processing, scheduling)
	if ok {
		c.rate = rate
	}
	return rate, ok
}
