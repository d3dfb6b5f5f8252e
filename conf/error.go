package conf

import (
	"strconv"
	"strings"
)

// An Error is one thing wrong with one setting. [Conf.Validate] joins one for each.
type Error struct {
	// Name is the setting's name as it was given.
	Name string
	// Value is what it was given, secrets redacted; "" where the name alone is wrong.
	Value string
	// Place is where it was given: file:line, a flag, or "" if that is not known.
	Place string
	// Reason says what is wrong, and what to do about it.
	Reason string
	// Nearest is the known name that is most like an unknown one.
	Nearest string
	cause   error
}

// Error returns "place: name=value: reason", or for an unknown name the nearest known one as well.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Place != "" {
		b.WriteString(e.Place + ": ")
	}
	switch {
	case e.Value != "":
		b.WriteString(e.Name + "=" + e.Value + ": ")
	case e.Name != "":
		b.WriteString(quoteOdd(e.Name) + ": ")
	}
	b.WriteString(e.Reason)
	if e.Nearest != "" {
		b.WriteString("; the nearest known name is " + e.Nearest)
	}
	return b.String()
}

// Unwrap returns the error behind the reason, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// quoteOdd quotes a name that would be hard to see or would break a line of a log.
func quoteOdd(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || strings.TrimSpace(name) != name {
		return q
	}
	return name
}

// longestShown bounds how much of a value an error repeats.
const longestShown = 80

// errorAt makes the Error of a value that is not right.
func (c *Conf) errorAt(name string, e entry, cause error) *Error {
	value := c.show(name, e.value)
	if len(value) > longestShown {
		value = value[:longestShown] + "..."
	}
	if q := strconv.Quote(value); q != `"`+value+`"` {
		value = q
	}
	return &Error{Name: name, Value: value, Place: e.place, Reason: cause.Error(), cause: cause}
}
