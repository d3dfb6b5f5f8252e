package main

import (
	"strings"
	"time"
)

// timeForms says which times parseTime understands.
const timeForms = "2026-01-31T08:00:00Z; 2026-01-31T08:00 or 2026-01-31 in local time; or a time ago such as -15m"

var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly,
}

// parseTime reads a time; without a zone it is local. A negative duration is a time before now.
func parseTime(text string, now time.Time) (t time.Time, ok bool) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "-") {
		d, err := time.ParseDuration(text)
		return now.Add(d), err == nil
	}
	for _, layout := range layouts {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
