package ui

import (
	"fmt"
	"strconv"
	"time"
)

// stamp is a time on a page; all times there are UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006/01/02 15:04:05.000") }

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

// span is a duration to look at: three digits are enough.
func span(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// spanOr is span of what may not be known.
func spanOr(d time.Duration, known bool) string {
	if !known {
		return "-"
	}
	return span(d)
}

// perSecond is a rate to look at.
func perSecond(rate float64) string { return strconv.FormatFloat(rate, 'f', 2, 64) + " records/s" }

// part is the beginning of a text that may be long.
func part(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "..."
}
