package dstream

import (
	"iter"
	"math"
	"strconv"
	"time"
)

// Time is a batch's time in milliseconds since 1970, a multiple of the batch interval.
type Time int64

// String gives "1500 ms", as Spark prints a time.
func (t Time) String() string { return strconv.FormatInt(int64(t), 10) + " ms" }

// Add gives the time d later; parts of a millisecond are dropped.
func (t Time) Add(d time.Duration) Time { return t + Time(d.Milliseconds()) }

// Sub gives the duration from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Millisecond }

// Floor gives the last multiple of d, which counts as at least a millisecond, at or before t.
func (t Time) Floor(d time.Duration) Time {
	ms := max(Time(d.Milliseconds()), 1)
	f := t / ms * ms
	switch {
	case f <= t:
		return f
	case f < math.MinInt64+ms:
		return math.MinInt64 // There is no multiple so early.
	}
	return f - ms
}

// IsMultipleOf tells whether t is a multiple of d since 1970.
func (t Time) IsMultipleOf(d time.Duration) bool { return t.Floor(d) == t }

// Until lists the times from t on, in steps of d, which counts as at least a millisecond, before end.
func (t Time) Until(end Time, d time.Duration) iter.Seq[Time] {
	return func(yield func(Time) bool) {
		for at := t; at < end && yield(at); at = at.Add(max(d, time.Millisecond)) {
		}
	}
}

// To is Until with end.
func (t Time) To(end Time, d time.Duration) iter.Seq[Time] { return t.Until(end+1, d) }

// An Interval is the times from Begin to End, both included.
type Interval struct{ Begin, End Time }

// Duration is how long the interval is.
func (i Interval) Duration() time.Duration { return i.End.Sub(i.Begin) }

// String gives "[1000 ms, 2000 ms]".
func (i Interval) String() string { return "[" + i.Begin.String() + ", " + i.End.String() + "]" }

// Std gives t as a time.Time in the local zone.
func (t Time) Std() time.Time { return time.UnixMilli(int64(t)) }

func now() Time { return Time(time.Now().UnixMilli()) }
